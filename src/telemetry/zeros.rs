//! Counters whose labels are known beforehand stand at zero from the start: Prometheus sees no increase from nothing to one.

use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;

use super::Metrics;
use crate::domain::slot::SlotName;

/// What may become of a notification, beside the reasons not to believe it.
const NOTIFICATIONS: [&str; 7] =
    ["recorded", "superseded", "lifecycle", "not_json", "too_large", "not_durable", "opening_failed"];
const PUSHES: [&str; 6] = ["ok", "throttled", "unreachable", "refused", "failed", "expired"];
const XPHONE_EVENTS: [&str; 3] = ["recorded", "overtaken", "old"];
const MICROPHONE_REPORTS: [&str; 4] = ["changed", "unchanged", "throttled", "refused"];
/// What no label of [`Metrics::count_graph_request`] need be looked up for: held back by ourselves, throttled by Graph, no answer.
const GRAPH_REQUESTS: [&str; 4] = ["over_budget", "gate_closed", "429", "unreachable"];

impl Metrics {
    /// Begins at zero; `refusals` and `endpoints` are all that there are.
    pub fn begin_at_zero(&self, refusals: &[&'static str], endpoints: &[&'static str]) {
        zero(&self.missed_changes, &[]);
        zero(&self.unknown_presence_words, &[]);
        zero(&self.silent_subscriptions, &[]);
        for result in NOTIFICATIONS.iter().chain(refusals) {
            zero(&self.notifications, &[("result", result)]);
        }
        for result in XPHONE_EVENTS {
            zero(&self.xphone_events, &[("result", result)]);
        }
        for result in MICROPHONE_REPORTS {
            zero(&self.microphone_reports, &[("result", result)]);
        }
        for slot in SlotName::ALL {
            for result in PUSHES {
                zero(&self.pushes, &[("slot", slot.label()), ("result", result)]);
            }
        }
        for endpoint in endpoints {
            for status in GRAPH_REQUESTS {
                zero(&self.graph_requests, &[("endpoint", endpoint), ("status", status)]);
            }
        }
    }
}

fn zero(counter: &Counter<u64>, labels: &[(&'static str, &'static str)]) {
    let labels: Vec<KeyValue> = labels.iter().map(|(name, value)| KeyValue::new(*name, *value)).collect();
    counter.add(0, &labels);
}
