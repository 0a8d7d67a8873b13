//! Validates the settings and asks everything the gateway depends on, whether or not a gateway runs: one line each, with the remedy.

mod accounts;
mod database;
mod graph;
mod people;
mod report;
mod traces;
mod webhook;
mod xphone;

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;

pub use self::report::{Finding, Outcome};

use super::Failure;
use super::serve::short_graces;
use crate::clock::Clock;
use crate::config::{Config, ConfigError, Sources};

/// What is asked, in this order; what cannot be asked for want of an earlier one is told as skipped.
const PROBES: [&str; 20] = [
    "settings",
    "database",
    "schema",
    "database clock",
    "secrets",
    "people",
    "token",
    "graph clock",
    "User.Read.All",
    "Presence.Read.All",
    "Presence.ReadWrite.All",
    "subscriber accounts",
    "webhook",
    "xphone log-in",
    "xphone capabilities",
    "xphone rights",
    "xphone statuses",
    "e-mail addresses",
    "second synchroniser",
    "traces",
];

/// `presence-gateway check`
#[derive(Debug, Args)]
pub(super) struct Check {
    /// Print one JSON object, for programs.
    #[arg(long)]
    json: bool,
}

impl Check {
    pub(super) async fn run(self, sources: &Sources) -> Result<ExitCode, Failure> {
        let findings = match Config::load(sources) {
            Ok(config) => probe(&config, &Clock::system()).await,
            Err(error) => unusable(&error),
        };
        let told = if self.json { format!("{}\n", report::json(&findings)) } else { report::lines(&findings) };
        // Whoever stops reading has read enough.
        _ = std::io::stdout().write_all(told.as_bytes());
        let failed = findings.iter().any(|finding| finding.outcome == Outcome::Fail);
        Ok(if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// Asks everything; the settings are good already.
pub async fn probe(config: &Config, clock: &Clock) -> Vec<Finding> {
    let mut findings = vec![settings(config)];
    let base = database::probe(config, clock, &mut findings).await;
    let store = base.as_ref().filter(|base| base.up_to_date).map(|base| &base.store);
    findings.push(people::probe(store).await);
    // Each asks somebody else; none waits for another.
    let (graph, xphone) = (graph::probe(config, clock), xphone::probe(config, clock));
    let webhook = webhook::probe(config, base.as_ref().is_some_and(|base| base.gateways > 0));
    let ((graph, identity), mut xphone, webhook) = tokio::join!(graph, xphone, webhook);
    findings.extend(graph);
    findings.extend(accounts::probe(config, clock, store, identity.as_ref()).await);
    findings.push(webhook);
    findings.append(&mut xphone);
    findings.push(traces::probe(config).await);
    if let Some(base) = base {
        base.store.close().await;
    }
    findings
}

fn settings(config: &Config) -> Finding {
    match short_graces(config.graph.timing).as_slice() {
        [] => Finding::ok("settings", "complete and well-formed"),
        short => {
            let found = format!("{} shorter than Graph may take", short.join(" and "));
            Finding::warn("settings", found, "raise them to the defaults, or what is shown in Teams may come back as Teams' own")
        }
    }
}

/// Without settings nothing else can be asked.
fn unusable(error: &ConfigError) -> Vec<Finding> {
    let wrong =
        error.0.iter().map(|line| Finding::fail("settings", line.clone(), "correct it in gateway.toml or the environment"));
    let skipped = PROBES[1..].iter().map(|probe| Finding::skipped(probe, "the settings cannot be used"));
    wrong.chain(skipped).collect()
}
