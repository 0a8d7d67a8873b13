//! What operators see of the gateway from outside: metrics for Prometheus, and log lines.

mod task_record;

use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter, MeterProvider};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};
use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, Telemetry};

pub use task_record::TaskRecord;

const PREFIX: &str = "presence_gateway";
/// Graph takes an answer after 3 s for slow, after 10 s for lost.
const ACK_BOUNDARIES_SECONDS: [f64; 12] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 3.0, 10.0];
const CHANGE_BOUNDARIES_SECONDS: [f64; 12] = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 600.0];
const SWEEP_BOUNDARIES_SECONDS: [f64; 8] = [0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0];

/// Every metric the gateway keeps; clones count together.
#[derive(Clone, Debug)]
pub struct Metrics {
    registry: Registry,
    _provider: SdkMeterProvider,
    notifications: Counter<u64>,
    notification_ack: Histogram<f64>,
    inbox_depth: Gauge<i64>,
    inbox_oldest: Gauge<f64>,
    decisions: Counter<u64>,
    pushes: Counter<u64>,
    change_to_push: Histogram<f64>,
    shown: Gauge<i64>,
    slots_ended: Counter<u64>,
    outbox_depth: Gauge<i64>,
    outbox_oldest: Gauge<f64>,
    users: Gauge<i64>,
    directory_held_back: Gauge<i64>,
    users_waiting: Gauge<i64>,
    profile_templates: Gauge<i64>,
    subscriptions: Gauge<i64>,
    subscription_expires: Gauge<f64>,
    sweep: Histogram<f64>,
    missed_changes: Counter<u64>,
    unknown_presence_words: Counter<u64>,
    graph_requests: Counter<u64>,
    graph_budget_remaining: Gauge<i64>,
    graph_budget_share: Gauge<i64>,
    graph_budget_requests: Counter<u64>,
    replicas: Gauge<i64>,
    xphone_connected: Gauge<i64>,
    xphone_events: Counter<u64>,
    sign_ins: Counter<u64>,
    task_runs: Counter<u64>,
    task_last_success: Gauge<f64>,
}

/// The metrics could not be set up.
#[derive(Debug, thiserror::Error)]
#[error("the metrics could not be set up: {0}")]
pub struct TelemetryError(String);

impl Metrics {
    /// Metrics that all stand at zero.
    ///
    /// # Errors
    /// The exporter refuses its settings; a defect of ours.
    pub fn new() -> Result<Self, TelemetryError> {
        let registry = Registry::new();
        let exporter = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .without_units()
            .without_target_info()
            .scope_info_enabled(false)
            .build()
            .map_err(|error| TelemetryError(error.to_string()))?;
        let provider = SdkMeterProvider::builder().with_reader(exporter).build();
        let meter = provider.meter("presence-gateway");
        Ok(Self {
            notifications: counter(&meter, "notifications", "Change notifications by what became of them"),
            notification_ack: seconds(&meter, "notification_ack", "From a post's arrival to its answer", &ACK_BOUNDARIES_SECONDS),
            inbox_depth: gauge(&meter, "inbox_depth", "Posts of Graph waiting"),
            inbox_oldest: gauge_seconds(&meter, "inbox_oldest", "Age of the oldest post waiting"),
            decisions: counter(&meter, "decisions", "Decisions by reason"),
            pushes: counter(&meter, "push", "Pushes by slot and result"),
            change_to_push: seconds(&meter, "change_to_push", "From a change to its push", &CHANGE_BOUNDARIES_SECONDS),
            shown: gauge(&meter, "shown", "What is shown, by slot"),
            slots_ended: counter(&meter, "slot_ended", "Slots that ended, by slot and cause"),
            outbox_depth: gauge(&meter, "outbox_depth", "Pushes waiting"),
            outbox_oldest: gauge_seconds(&meter, "outbox_oldest", "Age of the oldest push waiting"),
            users: gauge(&meter, "users", "People of XPhone by match"),
            directory_held_back: gauge(&meter, "directory_held_back", "People not dropped until an operator agrees"),
            users_waiting: gauge(&meter, "users_waiting", "Users who wait for a decision, or for being read in Teams"),
            profile_templates: gauge(
                &meter,
                "profile_templates",
                "Profile templates in XPhone that are ours to care for, by state",
            ),
            subscriptions: gauge(&meter, "subscriptions", "Subscriptions by state"),
            subscription_expires: gauge_seconds(&meter, "subscription_expires", "Until the first subscription ends"),
            sweep: seconds(&meter, "sweep", "Time to read everybody's presence once", &SWEEP_BOUNDARIES_SECONDS),
            missed_changes: counter(&meter, "missed_changes", "Changes found by a sweep that no notification had told"),
            unknown_presence_words: counter(&meter, "unknown_presence_words", "Readings with a word that is not documented"),
            graph_requests: counter(&meter, "graph_requests", "Requests to Graph by endpoint and status"),
            graph_budget_remaining: gauge(&meter, "graph_budget_remaining", "Requests to Graph that may go out at once"),
            graph_budget_share: gauge(&meter, "graph_budget_share", "Requests to Graph in 30 seconds that this replica may send"),
            graph_budget_requests: counter(&meter, "graph_budget_requests", "Requests to Graph by class, sent or held back"),
            replicas: gauge(&meter, "replicas", "Replicas that live, this one included"),
            xphone_connected: gauge(&meter, "xphone_connected", "Whether XPhone answered when last asked"),
            xphone_events: counter(&meter, "xphone_events", "Events of XPhone by what became of them"),
            sign_ins: counter(&meter, "sign_ins", "Pages shown to users who link their own Teams account, by how it went"),
            task_runs: counter(&meter, "task_runs", "Runs of tasks by result"),
            task_last_success: gauge_seconds(&meter, "task_last_success_timestamp", "When a task last succeeded"),
            registry,
            _provider: provider,
        })
    }

    /// Everything in Prometheus' text format.
    ///
    /// # Errors
    /// A metric cannot be written; a defect of ours.
    pub fn text(&self) -> Result<String, TelemetryError> {
        TextEncoder::new().encode_to_string(&self.registry.gather()).map_err(|error| TelemetryError(error.to_string()))
    }

    /// Counts notifications by what became of them.
    pub fn count_notifications(&self, result: &'static str, count: u64) {
        self.notifications.add(count, &[KeyValue::new("result", result)]);
    }

    /// Notes how long a post waited for its answer.
    pub fn note_ack(&self, took: Duration) {
        self.notification_ack.record(took.as_secs_f64(), &[]);
    }

    /// Notes how full the inbox is.
    pub fn note_inbox(&self, depth: i64, oldest_seconds: f64) {
        self.inbox_depth.record(depth, &[]);
        self.inbox_oldest.record(oldest_seconds, &[]);
    }

    /// Counts a decision by its reason.
    pub fn count_decision(&self, slot: &'static str, reason: &'static str) {
        self.decisions.add(1, &[KeyValue::new("slot", slot), KeyValue::new("result", reason)]);
    }

    /// Counts the end of something shown, by what ended it.
    pub fn count_slot_ended(&self, slot: &'static str, cause: &'static str) {
        self.slots_ended.add(1, &[KeyValue::new("slot", slot), KeyValue::new("cause", cause)]);
    }

    /// Notes how much is shown.
    pub fn note_shown(&self, slot: &'static str, count: i64) {
        self.shown.record(count, &[KeyValue::new("slot", slot)]);
    }

    /// Notes how many users wait for a decision or a reading.
    pub fn note_users_waiting(&self, what: &'static str, count: i64) {
        self.users_waiting.record(count, &[KeyValue::new("for", what)]);
    }

    /// Notes how many places' profile templates are in a state.
    pub fn note_profile_templates(&self, state: &'static str, count: i64) {
        self.profile_templates.record(count, &[KeyValue::new("state", state)]);
    }

    /// Counts a push.
    pub fn count_push(&self, slot: &'static str, result: &'static str) {
        self.pushes.add(1, &[KeyValue::new("slot", slot), KeyValue::new("result", result)]);
    }

    /// Notes how long a change took to be pushed.
    pub fn note_change_to_push(&self, direction: &'static str, seconds: f64) {
        self.change_to_push.record(seconds, &[KeyValue::new("direction", direction)]);
    }

    /// Notes how full the mailboxes are.
    pub fn note_outbox(&self, depth: i64, oldest_seconds: f64) {
        self.outbox_depth.record(depth, &[]);
        self.outbox_oldest.record(oldest_seconds, &[]);
    }

    /// Notes how many people there are of a match.
    pub fn note_users(&self, state: &'static str, count: i64) {
        self.users.record(count, &[KeyValue::new("state", state)]);
    }

    /// Notes how many people are not dropped until an operator agrees.
    pub fn note_directory_held_back(&self, count: i64) {
        self.directory_held_back.record(count, &[]);
    }

    /// Notes the subscriptions that live, and how long the first of them still does.
    pub fn note_subscriptions(&self, live: usize, expires_seconds: f64) {
        self.subscriptions.record(i64::try_from(live).unwrap_or(i64::MAX), &[KeyValue::new("state", "live")]);
        self.subscription_expires.record(expires_seconds, &[]);
    }

    /// Notes how long a sweep took, and how many changes it found that no notification had told.
    pub fn note_sweep(&self, seconds: f64, missed: u64) {
        self.sweep.record(seconds, &[]);
        self.missed_changes.add(missed, &[]);
    }

    /// Counts readings with a word that is not documented.
    pub fn count_unknown_words(&self, count: u64) {
        self.unknown_presence_words.add(count, &[]);
    }

    /// Counts a request to Graph.
    pub fn count_graph_request(&self, endpoint: &'static str, status: String) {
        self.graph_requests.add(1, &[KeyValue::new("endpoint", endpoint), KeyValue::new("status", status)]);
    }

    /// Notes how many requests to Graph may go out at once.
    pub fn note_graph_budget(&self, remaining: u32) {
        self.graph_budget_remaining.record(remaining.into(), &[]);
    }

    /// Counts what a class of requests to Graph has had of the budget.
    pub fn count_graph_budget(&self, class: &'static str, sent: u64, held_back: u64) {
        for (result, count) in [("sent", sent), ("held_back", held_back)] {
            self.graph_budget_requests.add(count, &[KeyValue::new("class", class), KeyValue::new("result", result)]);
        }
    }

    /// Notes how many replicas live, and this one's part of the request budget.
    pub fn note_replicas(&self, living: u32, share: u32) {
        self.replicas.record(living.into(), &[]);
        self.graph_budget_share.record(share.into(), &[]);
    }

    /// Notes whether XPhone answered.
    pub fn note_xphone(&self, connected: bool) {
        self.xphone_connected.record(connected.into(), &[]);
    }

    /// Counts a page shown to somebody who links the own account, by how it went.
    pub fn count_sign_in(&self, result: &'static str) {
        self.sign_ins.add(1, &[KeyValue::new("result", result)]);
    }

    /// Counts events of XPhone by what became of them.
    pub fn count_xphone_events(&self, result: &'static str, count: u64) {
        self.xphone_events.add(count, &[KeyValue::new("result", result)]);
    }

    /// Counts a task's run; `succeeded_at`, in seconds since 1970, if it succeeded.
    pub fn note_task_run(&self, task: &'static str, succeeded_at: Option<f64>) {
        let result = if succeeded_at.is_some() { "ok" } else { "failed" };
        self.task_runs.add(1, &[KeyValue::new("task", task), KeyValue::new("result", result)]);
        if let Some(at) = succeeded_at {
            self.task_last_success.record(at, &[KeyValue::new("task", task)]);
        }
    }
}

fn counter(meter: &Meter, name: &str, description: &'static str) -> Counter<u64> {
    meter.u64_counter(format!("{PREFIX}_{name}")).with_description(description).build()
}

fn gauge(meter: &Meter, name: &str, description: &'static str) -> Gauge<i64> {
    meter.i64_gauge(format!("{PREFIX}_{name}")).with_description(description).build()
}

fn gauge_seconds(meter: &Meter, name: &str, description: &'static str) -> Gauge<f64> {
    meter.f64_gauge(format!("{PREFIX}_{name}_seconds")).with_description(description).build()
}

fn seconds(meter: &Meter, name: &str, description: &'static str, boundaries: &[f64]) -> Histogram<f64> {
    let histogram = meter.f64_histogram(format!("{PREFIX}_{name}_seconds")).with_description(description);
    histogram.with_boundaries(boundaries.to_vec()).build()
}

/// Sends log lines to standard error. `filter` is of the form `info,presence_gateway=debug`.
pub fn init_logs(settings: &Telemetry, filter: Option<&str>) {
    let filter = EnvFilter::new(filter.unwrap_or("info"));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Json => lines.json().flatten_event(true).init(),
        LogFormat::Text => lines.init(),
    }
}
