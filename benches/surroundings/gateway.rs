//! The gateway as a process of its own: this very program, run again with another first word.

use std::collections::HashMap;
use std::future;
use std::io::{self, Read};
use std::net::SocketAddr;
use std::process::Stdio;

use presence_gateway::app::App;
use presence_gateway::clock::Clock;
use presence_gateway::config::{Config, Sources};
use presence_gateway::store::Store;
use presence_gateway::telemetry::init_logs;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use url::Url;

use super::notification::Signer;
use super::{Failure, runtime};

/// The word that makes this program the gateway.
pub const ARGUMENT: &str = "--be-the-gateway";

/// Is the gateway, until standard input ends: so it ends with whoever started it.
pub fn be() -> Result<(), Failure> {
    #[expect(clippy::disallowed_methods, reason = "read once, by main, and handed to config")]
    let environment = std::env::vars();
    let config = Config::load(&Sources::new(None, environment))?;
    init_logs(&config.telemetry, Some("warn"));
    runtime()?.block_on(async {
        let url = config.database.url.as_ref().ok_or("no database")?;
        let store = Store::connect(url, config.database.connections_max, config.secrets.clone()).await?;
        let app = App::new(&config, store, Clock::system())?;
        let public = TcpListener::bind(config.http.public_listen).await?;
        let admin = TcpListener::bind(config.http.admin_listen).await?;
        println!("{} {}", public.local_addr()?, admin.local_addr()?);
        let running = app.start_on(public, admin);
        tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new())).await??;
        running.stop(future::pending()).await;
        Ok(())
    })
}

const CAPABILITIES: &str = "OPENSSL_ia32cap";

/// The running gateway.
pub struct Gateway {
    child: Child,
    /// Its process.
    pub pid: u32,
    /// Where Graph posts to.
    pub public: SocketAddr,
    /// Where operators look.
    pub admin: SocketAddr,
}

impl Gateway {
    /// Starts it with these settings and no others.
    pub async fn start(settings: HashMap<String, String>) -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        // In another folder, lest a gateway.toml of the developer's be read.
        command.arg(ARGUMENT).env_clear().envs(settings).current_dir("/");
        // With which the crypto library can be kept from instructions that other machines lack: for the raw limit as for the gateway.
        if let Some(capabilities) = std::env::var_os(CAPABILITIES) {
            command.env(CAPABILITIES, capabilities);
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let pid = child.id().ok_or("the gateway ended at once")?;
        let mut line = String::new();
        let stdout = child.stdout.take().ok_or("the gateway has no standard output")?;
        BufReader::new(stdout).read_line(&mut line).await?;
        let (public, admin) = line.trim().split_once(' ').ok_or("the gateway did not start")?;
        Ok(Self { public: public.parse()?, admin: admin.parse()?, child, pid })
    }

    /// How many notifications came to this, by the gateway's own count.
    pub async fn notifications(&self, http: &reqwest::Client, result: &str) -> Result<u64, Failure> {
        let text = self.metrics(http).await?;
        let label = format!("result=\"{result}\"");
        let is_it = |line: &&str| line.starts_with("presence_gateway_notifications_total{") && line.contains(&label);
        let value = text.lines().find(is_it).and_then(|line| line.rsplit(' ').next());
        value.map_or(Ok(0), |value| Ok(value.parse()?))
    }

    /// All its metrics, as Prometheus reads them.
    pub async fn metrics(&self, http: &reqwest::Client) -> Result<String, Failure> {
        Ok(http.get(format!("http://{}/metrics", self.admin)).send().await?.error_for_status()?.text().await?)
    }

    /// Stops it softly.
    pub async fn stop(mut self) -> Result<(), Failure> {
        drop(self.child.stdin.take());
        let status = self.child.wait().await?;
        if status.success() { Ok(()) } else { Err(format!("the gateway ended with {status}").into()) }
    }
}

/// What a gateway must be told: this database, opened with this key, and these stand-ins for Entra ID, Graph and XPhone.
pub fn settings(url: &Url, sealing_key: &str, stand_ins: &str, signer: &Signer) -> HashMap<String, String> {
    let settings = [
        ("DATABASE__URL", url.to_string()),
        ("HTTP__PUBLIC_LISTEN", "127.0.0.1:0".to_owned()),
        ("HTTP__ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
        ("GRAPH__BASE_URL", format!("{stand_ins}/graph")),
        ("GRAPH__LOGIN_URL", stand_ins.to_owned()),
        ("GRAPH__TENANT_ID", signer.tenant.to_string()),
        ("GRAPH__CLIENT_ID", signer.client.to_string()),
        ("GRAPH__CLIENT_SECRET", "a shared secret".to_owned()),
        ("GRAPH__PUSH", "false".to_owned()),
        ("XPHONE__BASE_URL", format!("{stand_ins}/xphone")),
        ("XPHONE__ACCOUNT_NAME", "gateway".to_owned()),
        ("XPHONE__PASSWORD", "a password".to_owned()),
        ("SECRETS__KEY", sealing_key.to_owned()),
        ("TELEMETRY__LOG_FORMAT", "text".to_owned()),
    ];
    settings.into_iter().map(|(key, value)| (format!("GATEWAY__{key}"), value)).collect()
}
