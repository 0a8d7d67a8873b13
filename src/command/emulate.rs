//! Runs the emulators of Microsoft Graph and XPhone Connect alone, for trying the gateway, or anything else, against them.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;
use uuid::Uuid;

use super::Failure;
use super::signals::Signals;
use crate::emulator::clock::EmulatedClock;
use crate::emulator::{graph, xphone};

/// `presence-gateway emulate`
#[derive(Debug, Args)]
pub(super) struct Emulate {
    /// Where the emulated Graph and Entra ID listen; loopback only.
    #[arg(long, default_value = "127.0.0.1:8090")]
    graph_listen: SocketAddr,
    /// Where the emulated XPhone listens; loopback only.
    #[arg(long, default_value = "127.0.0.1:8091")]
    xphone_listen: SocketAddr,
    /// The emulated tenant; else one made up.
    #[arg(long, value_name = "GUID")]
    tenant_id: Option<Uuid>,
    /// The app registration in it; else one made up.
    #[arg(long, value_name = "GUID")]
    client_id: Option<Uuid>,
    /// The app's secret; else one made up. It opens these emulators and nothing else.
    #[arg(long)]
    client_secret: Option<String>,
}

impl Emulate {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let mut signals = Signals::listen()?;
        let made_up = graph::Options::new(EmulatedClock::default());
        let options = graph::Options {
            listen: self.graph_listen,
            tenant_id: self.tenant_id.unwrap_or(made_up.tenant_id),
            client_id: self.client_id.unwrap_or(made_up.client_id),
            client_secret: self.client_secret.unwrap_or_else(|| made_up.client_secret.clone()),
            ..made_up
        };
        let (tenant, client, secret) = (options.tenant_id, options.client_id, options.client_secret.clone());
        let graph = graph::start(options).await?;
        let (account_name, password) = ("gateway".to_owned(), "gateway".to_owned());
        let clock = EmulatedClock::default();
        let xphone = xphone::start(xphone::Options { listen: self.xphone_listen, account_name, password, clock }).await?;
        println!(
            "# Settings for a gateway, and addresses for everybody else. Both systems are empty: fill them by their control APIs."
        );
        println!("GATEWAY__GRAPH__BASE_URL={}", graph.base_url);
        println!("GATEWAY__GRAPH__LOGIN_URL={}", graph.base_url);
        println!("GATEWAY__GRAPH__TENANT_ID={tenant}");
        println!("GATEWAY__GRAPH__CLIENT_ID={client}");
        println!("GATEWAY__GRAPH__CLIENT_SECRET={secret}");
        println!("GATEWAY__XPHONE__BASE_URL={}", xphone.base_url);
        println!("GATEWAY__XPHONE__ACCOUNT_NAME=gateway");
        println!("GATEWAY__XPHONE__PASSWORD=gateway");
        println!(
            "# Control: {}/control and {}; see the documentation of emulator::graph and emulator::xphone.",
            graph.base_url,
            xphone.control_url()
        );
        signals.next().await;
        graph.stop().await;
        xphone.stop().await;
        Ok(ExitCode::SUCCESS)
    }
}
