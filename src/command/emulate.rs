//! Runs the emulators of Microsoft Graph and XPhone Connect alone, for trying the gateway, or anything else, against them.

use std::net::SocketAddr;
use std::process::ExitCode;

use clap::Args;

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
}

impl Emulate {
    pub(super) async fn run(self) -> Result<ExitCode, Failure> {
        let mut signals = Signals::listen()?;
        let options = graph::Options { listen: self.graph_listen, ..graph::Options::new(EmulatedClock::default()) };
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
