//! What operators see of the gateway from outside: metrics for Prometheus, and log lines.
//!
//! A metric is made in [`Metrics::new`] with its labels and its meaning; `docs/metrics.md` follows from that.

mod catalogue;
mod logs;
mod task_record;
mod zeros;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use catalogue::Maker;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram, MeterProvider};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use prometheus::{Registry, TextEncoder};

pub use catalogue::{Described, Kind};
pub use logs::init_logs;
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
    catalogue: Arc<[Described]>,
    problems: Arc<Mutex<task_record::Problems>>,
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
    silent_subscriptions: Counter<u64>,
    swept_users: Gauge<i64>,
    subscription_expires: Gauge<f64>,
    subscriber_accounts: Gauge<i64>,
    stuck_statuses: Gauge<i64>,
    feed_age: Gauge<f64>,
    feed_period: Gauge<f64>,
    clock_skew: Gauge<f64>,
    database_connected: Gauge<i64>,
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
    microphone_reports: Counter<u64>,
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
    #[expect(clippy::too_many_lines, reason = "an entry for each metric")]
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
        let make = Maker::new(provider.meter("presence-gateway"));
        Ok(Self {
            notifications: make.counter(
                "notifications",
                &["result"],
                "Change notifications by what became of them: `recorded`, `superseded` by a newer one, `lifecycle`, `not_json`, \
                 `too_large`, `not_durable` (answered 503), or the reason why they were not believed",
            ),
            notification_ack: make.seconds(
                "notification_ack",
                &[],
                "From a post's arrival to its answer; Graph takes more than 3 s for slow and more than 10 s for lost",
                &ACK_BOUNDARIES_SECONDS,
            ),
            inbox_depth: make.gauge("inbox_depth", &[], "Posts of Graph waiting to be taken in"),
            inbox_oldest: make.gauge_seconds("inbox_oldest", &[], "Age of the oldest post waiting"),
            decisions: make.counter("decisions", &["slot", "result"], "Decisions by slot and reason: what is shown, or why not"),
            pushes: make.counter(
                "push",
                &["slot", "result"],
                "Pushes by slot and result: `ok`, `throttled`, `unreachable`, `refused` for the user, `failed` for all, `expired` unsent",
            ),
            change_to_push: make.seconds(
                "change_to_push",
                &["direction"],
                "From a change's arrival to the push that follows from it, by direction: `teams_to_xphone`, `xphone_to_teams`",
                &CHANGE_BOUNDARIES_SECONDS,
            ),
            shown: make.gauge("shown", &["slot"], "What may still be visible, by slot: meant to be shown, or not yet known to be gone"),
            slots_ended: make.counter("slot_ended", &["slot", "cause"], "What was shown and ended, by slot and cause"),
            outbox_depth: make.gauge("outbox_depth", &[], "Pushes waiting"),
            outbox_oldest: make.gauge_seconds("outbox_oldest", &[], "Age of the oldest push waiting"),
            users: make.gauge("users", &["state"], "People of XPhone by match: `matched`, or why there is no single Teams user"),
            directory_held_back: make.gauge("directory_held_back", &[], "People not dropped until an operator agrees"),
            users_waiting: make.gauge("users_waiting", &["for"], "Users who wait for a `decision`, or for a `reading` of Teams"),
            profile_templates: make.gauge(
                "profile_templates",
                &["state"],
                "Profile templates in XPhone that are ours to care for, by state",
            ),
            subscriptions: make.gauge(
                "subscriptions",
                &["state"],
                "Subscriptions by state: `live`, and of those `silent`: sweeps find what they do not tell",
            ),
            silent_subscriptions: make.counter(
                "silent_subscriptions",
                &[],
                "Subscriptions made anew by this gateway because they told nothing",
            ),
            swept_users: make.gauge(
                "swept_users",
                &["why"],
                "Users whom no subscription watches: `no_push` here at all, `joining`, `no_room` (too few accounts), `lost` (their \
                 subscription fails: swept faster)",
            ),
            subscription_expires: make.gauge_seconds(
                "subscription_expires",
                &[],
                "Until the first living subscription ends; 0 where there is none",
            ),
            subscriber_accounts: make.gauge(
                "subscriber_accounts",
                &["state"],
                "Subscriber accounts by state: `usable`, of those `spare` (hold none) and `refused` (Graph lets them have none at present); \
                 `needs_sign_in`, `leaving`; and `missing` for everybody to be watched",
            ),
            stuck_statuses: make.gauge(
                "stuck_statuses",
                &["slot"],
                "What is shown though it should be gone for more than 5 minutes: past its end, or taken away in vain; by slot",
            ),
            feed_age: make.gauge_seconds(
                "feed_age",
                &["feed"],
                "Since something was last read whole or known to be true: `sweep`, `directory`, `xphone_presence`, `appointments`, `templates`",
            ),
            feed_period: make.gauge_seconds("feed_period", &["feed"], "How often that is due"),
            clock_skew: make.gauge_seconds(
                "clock_skew",
                &["against"],
                "How far this gateway's clock is ahead of another: the `database`'s, or `graph`'s (from its answers, to the second)",
            ),
            database_connected: make.gauge(
                "database_connected",
                &[],
                "1 if the database answered this gateway when Prometheus last asked, else 0: then what is looked up there keeps its last value",
            ),
            sweep: make.seconds("sweep", &[], "Time to read everybody's presence in Teams once", &SWEEP_BOUNDARIES_SECONDS),
            missed_changes: make.counter(
                "missed_changes",
                &[],
                "Changes in Teams found by a sweep that no notification had told",
            ),
            unknown_presence_words: make.counter(
                "unknown_presence_words",
                &[],
                "Readings of Teams with a word that is not documented; it counts as free",
            ),
            graph_requests: make.counter(
                "graph_requests",
                &["endpoint", "status"],
                "Requests to Graph by kind and HTTP status; or not sent: `over_budget`, `gate_closed` (Graph asked to wait); or no \
                 answer: `unreachable`",
            ),
            graph_budget_remaining: make.gauge(
                "graph_budget_remaining",
                &[],
                "Requests to Graph that this gateway may send at once",
            ),
            graph_budget_share: make.gauge(
                "graph_budget_share",
                &[],
                "Requests to Graph in 30 seconds that this gateway may send: its part of the budget",
            ),
            graph_budget_requests: make.counter(
                "graph_budget_requests",
                &["class", "result"],
                "Requests to Graph by class, in the order of their importance `renewal`, `clear`, `set`, `confirm`, `sweep`, `directory`: \
                 `sent`, or `held_back` for want of budget",
            ),
            replicas: make.gauge("replicas", &[], "Gateways on this database that live, as far as this one knows"),
            xphone_connected: make.gauge("xphone_connected", &[], "1 if XPhone answered this gateway when last asked, else 0"),
            xphone_events: make.counter(
                "xphone_events",
                &["result"],
                "Events of XPhone by what became of them: `recorded`, `overtaken` by a newer one heard with it, `old`",
            ),
            sign_ins: make.counter("sign_ins", &["result"], "Pages shown to users who link their own Teams account, by how it went"),
            microphone_reports: make.counter(
                "microphone_reports",
                &["result"],
                "Reports of workstations by what became of them: `changed` something, `unchanged`, `throttled`, `refused`",
            ),
            task_runs: make.counter("task_runs", &["task", "result"], "Runs of tasks by result: `ok`, `failed`"),
            task_last_success: make.gauge_seconds(
                "task_last_success_timestamp",
                &["task"],
                "When a task last succeeded in this gateway, in seconds since 1970",
            ),
            registry,
            catalogue: make.made().into(),
            problems: Arc::default(),
            _provider: provider,
        })
    }

    /// Every metric as it is documented, in the order of the names.
    #[must_use]
    pub fn catalogue(&self) -> &[Described] {
        &self.catalogue
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

    /// Notes the subscriptions that live, how many of those are silent, and how long the first of them still lives.
    pub fn note_subscriptions(&self, live: i64, silent: i64, expires_seconds: f64) {
        for (state, count) in [("live", live), ("silent", silent)] {
            self.subscriptions.record(count, &[KeyValue::new("state", state)]);
        }
        self.subscription_expires.record(expires_seconds, &[]);
    }

    /// Counts a subscription that was made anew because it told nothing.
    pub fn count_silent_subscription(&self) {
        self.silent_subscriptions.add(1, &[]);
    }

    /// Notes how many users no subscription watches for a reason.
    pub fn note_swept_users(&self, why: &'static str, count: i64) {
        self.swept_users.record(count, &[KeyValue::new("why", why)]);
    }

    /// Notes how many subscriber accounts are in a state.
    pub fn note_subscriber_accounts(&self, state: &'static str, count: i64) {
        self.subscriber_accounts.record(count, &[KeyValue::new("state", state)]);
    }

    /// Notes how much is shown that should be gone.
    pub fn note_stuck(&self, slot: &'static str, count: i64) {
        self.stuck_statuses.record(count, &[KeyValue::new("slot", slot)]);
    }

    /// Notes since when something was not read.
    pub fn note_feed_age(&self, feed: &'static str, seconds: f64) {
        self.feed_age.record(seconds, &[KeyValue::new("feed", feed)]);
    }

    /// Notes how often something is to be read.
    pub fn note_feed_period(&self, feed: &'static str, period: Duration) {
        self.feed_period.record(period.as_secs_f64(), &[KeyValue::new("feed", feed)]);
    }

    /// Notes whether the database answered.
    pub fn note_database(&self, connected: bool) {
        self.database_connected.record(connected.into(), &[]);
    }

    /// Notes how far our clock is ahead of another.
    pub fn note_clock_skew(&self, against: &'static str, seconds: f64) {
        self.clock_skew.record(seconds, &[KeyValue::new("against", against)]);
    }

    /// Notes how long a sweep took, and how many changes it found that no notification had told.
    pub fn note_sweep(&self, seconds: f64, missed: u64) {
        self.sweep.record(seconds, &[]);
        self.missed_changes.add(missed, &[]);
    }

    /// Counts changes that no notification had told, found by reading those oftener whose subscription fails.
    pub fn count_missed_changes(&self, missed: u64) {
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

    /// Counts a report of a workstation by what became of it.
    pub fn count_microphone_report(&self, result: &'static str) {
        self.microphone_reports.add(1, &[KeyValue::new("result", result)]);
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
