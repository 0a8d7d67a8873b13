//! Both systems, emulated in a process of their own: this very program, run again with another first word.

use std::collections::HashMap;
use std::io::{self, Read};
use std::process::Stdio;
use std::time::Duration;

use presence_gateway::emulator::clock::EmulatedClock;
use presence_gateway::emulator::{graph, xphone};
use reqwest::{Client, Method};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::surroundings::{Failure, runtime};

/// The word that makes this program the emulators.
pub const ARGUMENT: &str = "--be-the-emulators";
const ACCOUNT: &str = "gateway";
/// Everybody's presence is a large answer on a busy machine.
const ANSWER_MAX: Duration = Duration::from_mins(2);

/// Is both systems, until standard input ends.
pub fn be() -> Result<(), Failure> {
    runtime()?.block_on(async {
        let clock = EmulatedClock::default();
        let options = graph::Options { device_code_interval_seconds: 0, ..graph::Options::new(clock.clone()) };
        let (tenant, client, secret) = (options.tenant_id, options.client_id, options.client_secret.clone());
        let graph = graph::start(options).await?;
        let (account_name, password) = (ACCOUNT.to_owned(), ACCOUNT.to_owned());
        let xphone = xphone::start(xphone::Options { listen: ([127, 0, 0, 1], 0).into(), account_name, password, clock }).await?;
        println!("{} {tenant} {client} {secret} {} {}", graph.base_url, xphone.base_url, xphone.control_url());
        tokio::task::spawn_blocking(|| io::stdin().read_to_end(&mut Vec::new())).await??;
        graph.stop().await;
        xphone.stop().await;
        Ok(())
    })
}

/// The running emulators.
pub struct Emulators {
    /// Their process.
    pub pid: u32,
    http: Client,
    graph: String,
    xphone_control: String,
    settings: HashMap<String, String>,
    _child: Child,
}

impl Emulators {
    /// Starts them, empty.
    pub async fn start() -> Result<Self, Failure> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(ARGUMENT).env_clear().current_dir("/").stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn()?;
        let pid = child.id().ok_or("the emulators ended at once")?;
        let mut line = String::new();
        BufReader::new(child.stdout.take().ok_or("no standard output")?).read_line(&mut line).await?;
        let told: Vec<&str> = line.split_whitespace().collect();
        let [graph, tenant, client, secret, xphone, xphone_control] = told[..] else {
            return Err("the emulators did not start".into());
        };
        let settings = [
            ("GRAPH__BASE_URL", graph),
            ("GRAPH__LOGIN_URL", graph),
            ("GRAPH__TENANT_ID", tenant),
            ("GRAPH__CLIENT_ID", client),
            ("GRAPH__CLIENT_SECRET", secret),
            ("XPHONE__BASE_URL", xphone),
            ("XPHONE__ACCOUNT_NAME", ACCOUNT),
            ("XPHONE__PASSWORD", ACCOUNT),
        ];
        let settings = settings.into_iter().map(|(key, value)| (format!("GATEWAY__{key}"), value.to_owned())).collect();
        let http = Client::builder().no_proxy().timeout(ANSWER_MAX).build()?;
        let (graph, xphone_control) = (graph.to_owned(), xphone_control.to_owned());
        Ok(Self { pid, http, graph, xphone_control, settings, _child: child })
    }

    /// What a gateway must be told to find them.
    pub fn settings(&self) -> HashMap<String, String> {
        self.settings.clone()
    }

    /// Does something in Teams or with Graph.
    pub async fn graph(&self, method: Method, path: &str, body: &Value) -> Result<Value, Failure> {
        self.control(method, format!("{}/control/{path}", self.graph), body).await
    }

    /// Does something in XPhone.
    pub async fn xphone(&self, method: Method, path: &str, body: &Value) -> Result<Value, Failure> {
        self.control(method, format!("{}/{path}", self.xphone_control), body).await
    }

    async fn control(&self, method: Method, url: String, body: &Value) -> Result<Value, Failure> {
        let request = self.http.request(method, &url);
        let request = if body.is_null() { request } else { request.json(body) };
        let answer = request.send().await?;
        let (status, text) = (answer.status(), answer.text().await?);
        if !status.is_success() {
            return Err(format!("{url} was answered with {status}: {text}").into());
        }
        Ok(serde_json::from_str(&text).unwrap_or_default())
    }

    /// Follows what XPhone shows from now on, as one of its programs.
    pub async fn events(&self) -> Result<reqwest::Response, Failure> {
        let base = &self.settings["GATEWAY__XPHONE__BASE_URL"];
        let log_in = serde_json::json!({ "AccountName": ACCOUNT, "Password": ACCOUNT });
        let answer = self.http.post(format!("{base}/api/v1/user/authenticate")).json(&log_in).send().await?.error_for_status()?;
        let told: Value = answer.json().await?;
        let token = told["tokenData"]["token"].as_str().ok_or("XPhone gave no token")?.to_owned();
        let latest = self.xphone(Method::GET, "events", &Value::Null).await?;
        let since = latest["sequence"].as_u64().ok_or("XPhone tells no sequence")?;
        let http = Client::builder().no_proxy().build()?;
        let request = http.get(format!("{base}/api/v1/presence/events")).query(&[("since", since)]).bearer_auth(token);
        Ok(request.send().await?.error_for_status()?)
    }
}
