//! Runs the gateway until it is told to stop.

use std::process::ExitCode;

use clap::Args;

use super::Failure;
use super::signals::Signals;
use crate::app::App;
use crate::clock::Clock;
use crate::config::Sources;
use crate::domain::reconcile::Timing;
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
        for setting in short_graces(config.graph.timing) {
            tracing::warn!(
                setting,
                "this grace is shorter than Graph may take: what we show in Teams can come back as if Teams itself said it"
            );
        }
        if self.no_migrate {
            super::refuse_pending(&store).await?;
        } else {
            store.migrate().await?;
        }
        let mut signals = Signals::listen()?;
        let running = App::new(&config, store, Clock::system())?.start(&config).await?;
        tracing::info!(public = %config.http.public_listen, admin = %config.http.admin_listen, push = config.graph.push, "the gateway runs");
        let code = tokio::select! { () = signals.next() => ExitCode::SUCCESS, () = running.evicted() => ExitCode::FAILURE };
        tracing::info!("the gateway stops; what it shows stays");
        running.stop(signals.next()).await;
        Ok(code)
    }
}

/// The settings that let Graph less time than it is known to take.
pub(super) fn short_graces(timing: Timing) -> Vec<&'static str> {
    let known = Timing::default();
    let graces = [
        ("graph.notification_grace_seconds", timing.notification_grace < known.notification_grace),
        ("graph.read_grace_seconds", timing.read_grace < known.read_grace),
    ];
    graces.into_iter().filter(|(_, short)| *short).map(|(setting, _)| setting).collect()
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn graces_shorter_than_graph_takes_are_named() {
        let check = |notification, read, expected: &[&str]| {
            let (notification_grace, read_grace) = (SignedDuration::from_secs(notification), SignedDuration::from_secs(read));
            assert_eq!(short_graces(Timing { notification_grace, read_grace, ..Timing::default() }), expected);
        };
        check(60, 10, &[]);
        check(90, 30, &[]);
        check(59, 10, &["graph.notification_grace_seconds"]);
        check(5, 1, &["graph.notification_grace_seconds", "graph.read_grace_seconds"]);
    }
}
