//! What the metrics know of each task, for whoever asks for it otherwise than Prometheus.

use std::collections::BTreeMap;
use std::sync::{MutexGuard, PoisonError};

use jiff::Timestamp;
use prometheus::proto::Metric;

use super::{Metrics, PREFIX};

/// Why a run of each task last failed, and when.
pub(super) type Problems = BTreeMap<&'static str, (Timestamp, String)>;

/// How a task did since this gateway started.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskRecord {
    /// Runs that succeeded.
    pub succeeded: u64,
    /// Runs that failed.
    pub failed: u64,
    /// When a run last succeeded.
    pub last_success_at: Option<Timestamp>,
    /// When a run last failed, and why.
    pub last_problem: Option<(Timestamp, String)>,
}

impl Metrics {
    /// How each task did that ran.
    #[must_use]
    pub fn task_records(&self) -> BTreeMap<String, TaskRecord> {
        let (runs, success) = (format!("{PREFIX}_task_runs_total"), format!("{PREFIX}_task_last_success_timestamp_seconds"));
        let mut records: BTreeMap<String, TaskRecord> = BTreeMap::new();
        for family in self.registry.gather() {
            let (is_runs, is_success) = (family.name() == runs, family.name() == success);
            for metric in family.get_metric().iter().filter(|_| is_runs || is_success) {
                let record = records.entry(label(metric, "task")).or_default();
                if is_success {
                    record.last_success_at = moment(metric.get_gauge().get_value());
                } else if label(metric, "result") == "ok" {
                    record.succeeded = whole(metric.get_counter().get_value());
                } else {
                    record.failed = whole(metric.get_counter().get_value());
                }
            }
        }
        for (task, problem) in self.problems().iter() {
            records.entry((*task).to_owned()).or_default().last_problem = Some(problem.clone());
        }
        records
    }

    /// Remembers why a run failed, until another one does.
    pub fn note_task_problem(&self, task: &'static str, at: Timestamp, problem: String) {
        self.problems().insert(task, (at, problem));
    }

    fn problems(&self) -> MutexGuard<'_, Problems> {
        self.problems.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn label(metric: &Metric, name: &str) -> String {
    let found = metric.get_label().iter().find(|label| label.name() == name);
    found.map_or(String::new(), |label| label.value().to_owned())
}

/// Prometheus counts with fractions; these counters have none.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a counter is whole and not negative")]
fn whole(count: f64) -> u64 {
    count as u64
}

#[expect(clippy::cast_possible_truncation, reason = "a moment of this era fits")]
fn moment(seconds: f64) -> Option<Timestamp> {
    Timestamp::from_microsecond((seconds * 1e6).round() as i64).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_told_as_they_were_counted() {
        let metrics = Metrics::new().unwrap();
        metrics.note_task_run("sweep", Some(1_700_000_000.5));
        metrics.note_task_run("sweep", None);
        metrics.note_task_run("sweep", Some(1_700_000_060.5));
        metrics.note_task_run("intake", None);
        let failed_at: Timestamp = "2023-11-14T22:13:30Z".parse().unwrap();
        metrics.note_task_problem("intake", failed_at - jiff::SignedDuration::from_secs(1), "another".to_owned());
        metrics.note_task_problem("intake", failed_at, "it is broken".to_owned());
        let last_problem = Some((failed_at, "it is broken".to_owned()));
        let at = "2023-11-14T22:14:20.5Z".parse().ok();
        let expected = [
            ("intake".to_owned(), TaskRecord { succeeded: 0, failed: 1, last_success_at: None, last_problem }),
            ("sweep".to_owned(), TaskRecord { succeeded: 2, failed: 1, last_success_at: at, last_problem: None }),
        ];
        assert_eq!(metrics.task_records(), expected.into());
    }
}
