//! Runs the gateway until it is told to stop.

use std::process::ExitCode;

use clap::Args;

use super::Failure;
use super::signals::Signals;
use crate::app::App;
use crate::clock::Clock;
use crate::config::Sources;
use crate::telemetry;

/// `presence-gateway serve`
#[derive(Debug, Args)]
pub(super) struct Serve {
    /// Do not touch the schema: if migrations are pending, name them and stop.
    #[arg(long)]
    no_migrate: bool,
}

impl Serve {
    pub(super) async fn run(self, sources: &Sources, log_filter: Option<&str>) -> Result<ExitCode, Failure> {
        let (config, store) = super::open(sources).await?;
        telemetry::init_logs(&config.telemetry, log_filter);
        let pending = store.pending_migrations().await?;
        if self.no_migrate && !pending.is_empty() {
            eprintln!("presence-gateway: migrations are pending: {}; run `presence-gateway migrate`", pending.join(", "));
            return Ok(ExitCode::FAILURE);
        }
        store.migrate().await?;
        let mut signals = Signals::listen()?;
        let running = App::new(&config, store, Clock::system())?.start(&config).await?;
        tracing::info!(public = %config.http.public_listen, admin = %config.http.admin_listen, push = config.graph.push, "the gateway runs");
        signals.next().await;
        tracing::info!("the gateway stops; what it shows stays");
        running.stop(signals.next()).await;
        Ok(ExitCode::SUCCESS)
    }
}
