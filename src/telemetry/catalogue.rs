//! Makes every metric and remembers how it is documented, so that none is exported that `docs/metrics.md` does not tell of.

use std::cell::RefCell;

use opentelemetry::metrics::{Counter, Gauge, Histogram, Meter};

use super::PREFIX;

/// What kind of metric it is, in Prometheus' words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from zero at each start.
    Counter,
    /// Goes up and down.
    Gauge,
    /// Counts by size.
    Histogram,
}

impl Kind {
    /// As Prometheus writes it.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

/// A metric as it is documented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Described {
    /// As Prometheus knows it; of a histogram without `_bucket`, `_sum` and `_count`.
    pub name: String,
    /// What kind it is.
    pub kind: Kind,
    /// Its labels; none of them names a user, or anything of which there are more with more users.
    pub labels: &'static [&'static str],
    /// What it counts.
    pub meaning: &'static str,
}

/// Makes metrics. Units stand in the names: `_total` counts, `_seconds` measures time.
pub(super) struct Maker {
    meter: Meter,
    made: RefCell<Vec<Described>>,
}

type Labels = &'static [&'static str];

impl Maker {
    pub fn new(meter: Meter) -> Self {
        Self { meter, made: RefCell::default() }
    }

    /// What was made, in the order of the names.
    pub fn made(self) -> Vec<Described> {
        let mut made = self.made.into_inner();
        made.sort_unstable_by(|one, other| one.name.cmp(&other.name));
        made
    }

    pub fn counter(&self, name: &str, labels: Labels, meaning: &'static str) -> Counter<u64> {
        self.note(&format!("{name}_total"), Kind::Counter, labels, meaning);
        // The exporter adds `_total`.
        self.meter.u64_counter(format!("{PREFIX}_{name}")).with_description(meaning).build()
    }

    pub fn gauge(&self, name: &str, labels: Labels, meaning: &'static str) -> Gauge<i64> {
        let name = self.note(name, Kind::Gauge, labels, meaning);
        self.meter.i64_gauge(name).with_description(meaning).build()
    }

    pub fn gauge_seconds(&self, name: &str, labels: Labels, meaning: &'static str) -> Gauge<f64> {
        let name = self.note(&format!("{name}_seconds"), Kind::Gauge, labels, meaning);
        self.meter.f64_gauge(name).with_description(meaning).build()
    }

    /// The SDK's own boundaries fit milliseconds: everything has its own.
    pub fn seconds(&self, name: &str, labels: Labels, meaning: &'static str, boundaries_seconds: &[f64]) -> Histogram<f64> {
        let name = self.note(&format!("{name}_seconds"), Kind::Histogram, labels, meaning);
        self.meter.f64_histogram(name).with_description(meaning).with_boundaries(boundaries_seconds.to_vec()).build()
    }

    fn note(&self, name: &str, kind: Kind, labels: Labels, meaning: &'static str) -> String {
        let name = format!("{PREFIX}_{name}");
        self.made.borrow_mut().push(Described { name: name.clone(), kind, labels, meaning });
        name
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;
    use std::path::Path;

    use super::*;
    use crate::telemetry::Metrics;

    const PAGE: &str = "docs/metrics.md";
    const OPENING: &str = "\
<!-- Written by `UPDATE_DOCS=1 cargo test --lib docs_metrics`; change the words in src/telemetry.rs. -->
# Metrics

`GET /metrics` on the admin listener, in Prometheus' text format, without a token: publish that listener to nobody but Prometheus.
Every name begins with `presence_gateway_`. `_total` counts since this gateway's start, `_seconds` measures time in seconds.
Counters whose labels are known beforehand stand at zero from the start, so that `increase()` sees the first event too.

Each gateway on a database tells what it did itself; what has a depth or an age (inbox, outbox, shown, stuck statuses, users, feeds,
subscriptions, accounts) is looked up in the database when Prometheus asks, and is the same for all: take `max` of it, and `sum` of counters.

No label names a user, and no label has more values with more users.

| metric | kind | labels | what |
|---|---|---|---|
";

    fn page() -> String {
        let mut page = OPENING.to_owned();
        for Described { name, kind, labels, meaning } in Metrics::new().unwrap().catalogue() {
            let labels: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
            writeln!(page, "| `{name}` | {} | {} | {meaning} |", kind.label(), labels.join(", ")).unwrap();
        }
        page
    }

    /// `UPDATE_DOCS=1 cargo test --lib docs_metrics` writes it anew.
    #[test]
    #[expect(clippy::disallowed_methods, reason = "whoever changes a metric says by a variable that the page is to follow")]
    fn docs_metrics_tells_what_the_code_makes() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(PAGE);
        if std::env::var("UPDATE_DOCS").is_ok() {
            std::fs::write(&path, page()).unwrap();
        }
        let committed = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(committed == page(), "{PAGE} is stale; run: UPDATE_DOCS=1 cargo test --lib docs_metrics");
    }

    #[test]
    fn names_tell_kind_and_unit() {
        for Described { name, kind, .. } in Metrics::new().unwrap().catalogue() {
            assert_eq!(name.ends_with("_total"), *kind == Kind::Counter, "{name}");
            assert!(*kind != Kind::Histogram || name.ends_with("_seconds"), "{name}");
            assert!(name.starts_with("presence_gateway_"), "{name}");
            assert!(!name.contains("milli") && !name.contains("_ms"), "{name}");
        }
    }
}
