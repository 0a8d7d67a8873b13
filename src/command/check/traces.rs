//! Asks whether somebody takes traces where they are to be sent.

use std::time::Duration;

use super::Finding;
use crate::config::Config;
use crate::tasks::driver::chain;

const PROBE: &str = "traces";
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// Tells what was found. What is sent is a request with nothing in it, which the protocol allows.
pub(super) async fn probe(config: &Config) -> Finding {
    let Some(endpoint) = &config.telemetry.otlp_endpoint else {
        return Finding::skipped(PROBE, "telemetry.otlp_endpoint is not set: none are sent");
    };
    let remedy = "let telemetry.otlp_endpoint name a collector that takes OTLP over HTTP (port 4318 as a rule, not gRPC's 4317)";
    let url = format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/'));
    let client = match reqwest::Client::builder().timeout(ANSWER_MAX).build() {
        Ok(client) => client,
        Err(error) => return Finding::fail(PROBE, chain(&error), "install the system's root certificates"),
    };
    match client.post(url).header("content-type", "application/x-protobuf").body(Vec::new()).send().await {
        Ok(answer) if answer.status().is_success() => Finding::ok(PROBE, "telemetry.otlp_endpoint takes them"),
        Ok(answer) => Finding::fail(PROBE, format!("telemetry.otlp_endpoint answers {}", answer.status()), remedy),
        Err(error) => Finding::fail(PROBE, chain(&error.without_url()), remedy),
    }
}
