//! Reads everybody's presence in turn, so that a lost notification costs time and nothing else.

mod hurried;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use uuid::Uuid;

use self::hurried::Hurried;
use super::confirmer::Reading;
use super::driver::{Task, chain};
use super::tenure::Tenure;
use super::{Progress, TaskError};
use crate::domain::ids::TeamsUserId;
use crate::domain::timeline::Waker;
use crate::graph;
use crate::graph::client::PRESENCES_MAX;
use crate::store::feed::Feed;
use crate::store::lease::Lease;

const LEASE: &str = "sweep";

/// Reads everybody.
pub struct Sweep {
    /// How presence is read.
    pub reading: Arc<Reading>,
    /// Everybody is read once in this time.
    pub period: Duration,
    /// Who we are among the replicas.
    pub replica: Uuid,
    /// The sweep under way.
    pub round: Mutex<Option<Round>>,
    /// Requests that all replicas together may send, to stay modest.
    pub requests_per_30_seconds_max: u32,
    /// Whether anybody is pushed, so that push can fail.
    pub push: bool,
    /// How far the faster sweep of those is whose subscription fails.
    pub hurried: Mutex<Hurried>,
}

/// What became of a page.
enum Page {
    /// Read; so many changes no notification had told.
    Read { missed: u64 },
    /// Graph or the budget wants us to wait.
    Later,
    /// The same page would fail the same way for ever.
    Failed,
}

/// A sweep under way.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    began: Timestamp,
    after: Option<TeamsUserId>,
    missed: u64,
    /// Pages that Graph would not tell.
    pages_failed: u32,
    /// Whether the round before was in time: after an outage of ours it finds what was told while nobody listened.
    follows_on: bool,
}

impl Task for Sweep {
    fn name(&self) -> &'static str {
        "sweep"
    }

    fn run(&self) -> BoxFuture<'_, Result<Progress, TaskError>> {
        async {
            match self.sweep().await? {
                Progress::Idle => self.hurry().await,
                Progress::More => Ok(Progress::More),
            }
        }
        .boxed()
    }
}

impl Sweep {
    async fn sweep(&self) -> Result<Progress, TaskError> {
        let now = self.reading.clock.now();
        let Some(round) = self.round(now).await? else { return Ok(Progress::Idle) };
        let lease = Lease { name: LEASE, holder: self.replica };
        let tenure = Tenure { store: &self.reading.store, clock: &self.reading.clock, lease };
        let swept = tenure.during(self.next_page(round, now)).await?;
        if swept.is_none() {
            self.remember(None);
        }
        Ok(swept.unwrap_or(Progress::Idle))
    }

    async fn next_page(&self, round: Round, now: Timestamp) -> Result<Progress, TaskError> {
        let users = self.reading.store.users_to_sweep(round.after, PRESENCES_MAX).await?;
        let Some(last) = users.last().copied() else { return self.finish(round, now).await };
        match self.page(&users, round.follows_on, now).await? {
            Page::Read { missed } => {
                self.remember(Some(Round { after: Some(last), missed: round.missed + missed, ..round }));
                Ok(Progress::More)
            }
            Page::Later => {
                self.remember(Some(round));
                Ok(Progress::Idle)
            }
            Page::Failed => {
                self.remember(Some(Round { after: Some(last), pages_failed: round.pages_failed + 1, ..round }));
                Ok(Progress::More)
            }
        }
    }

    /// Reads these users; what should have been pushed and was not is noted for whoever watches the subscriptions.
    async fn page(&self, users: &[TeamsUserId], follows_on: bool, now: Timestamp) -> Result<Page, TaskError> {
        match self.reading.read(users, Waker::Sweep, now).await {
            Ok(outcome) => {
                if self.push && follows_on && !outcome.missed.is_empty() {
                    self.reading.store.note_missed(&outcome.missed, now).await?;
                }
                Ok(Page::Read { missed: outcome.missed.len() as u64 })
            }
            Err(TaskError::Graph(graph::client::Error::Wait { .. })) => Ok(Page::Later),
            // Otherwise nobody behind it would be read.
            Err(error) if is_about_the_page(&error) => {
                tracing::warn!(users = users.len(), error = %chain(&error), "a page of the sweep failed; it goes on behind it");
                Ok(Page::Failed)
            }
            Err(error) => Err(error),
        }
    }

    /// The round under way, or a new one if it is time.
    async fn round(&self, now: Timestamp) -> Result<Option<Round>, TaskError> {
        if let Some(round) = self.round.lock().ok().and_then(|round| *round) {
            return Ok(Some(round));
        }
        let last = self.reading.store.refreshed_at(Feed::Sweep).await?;
        let due = last.is_none_or(|last| is_due(last, now, self.period));
        let follows_on = follows_on(last, now, self.period);
        Ok(due.then_some(Round { began: now, after: None, missed: 0, pages_failed: 0, follows_on }))
    }

    async fn finish(&self, round: Round, now: Timestamp) -> Result<Progress, TaskError> {
        self.reading.store.note_refreshed(Feed::Sweep, round.began).await?;
        self.reading.metrics.note_sweep(now.duration_since(round.began).as_secs_f64(), round.missed);
        self.remember(None);
        match round.pages_failed {
            0 => Ok(Progress::Idle),
            _ => Err(TaskError::Implausible("Graph would not tell the presence on some pages of the sweep; each was logged")),
        }
    }

    fn remember(&self, next: Option<Round>) {
        if let Ok(mut round) = self.round.lock() {
            *round = next;
        }
    }
}

/// A time in the future was noted before the clock was set back.
fn is_due(last: Timestamp, now: Timestamp, period: Duration) -> bool {
    last > now || now >= last + period
}

/// Whether the last time was so lately that what changed since should have been told.
fn follows_on(last: Option<Timestamp>, now: Timestamp, period: Duration) -> bool {
    last.is_some_and(|last| last <= now && now <= last + period + period / 2)
}

/// Whether Graph would not tell these users' presence, while it may tell others': not when it has to be asked later, nor for want
/// of an answer or of a token.
fn is_about_the_page(error: &TaskError) -> bool {
    use graph::client::Error::{Refused, StrangeLink, TooMany, Unclear};
    matches!(error, TaskError::Graph(Refused { .. } | Unclear { .. } | TooMany { .. } | StrangeLink))
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn a_sweep_is_due_after_its_period_and_after_a_time_in_the_future() {
        let noon: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let check = |seconds: i64, expected: bool| {
            let now = noon + SignedDuration::from_secs(seconds);
            assert_eq!(is_due(noon, now, Duration::from_mins(1)), expected, "{seconds}");
        };
        check(0, false);
        check(59, false);
        check(60, true);
        check(-1, true);
    }

    #[test]
    fn what_a_late_sweep_finds_was_not_missed() {
        let noon: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let check = |last: Option<i64>, expected| {
            let last = last.map(|seconds| noon - SignedDuration::from_secs(seconds));
            assert_eq!(follows_on(last, noon, Duration::from_mins(1)), expected, "{last:?}");
        };
        check(None, false);
        check(Some(60), true);
        check(Some(90), true);
        check(Some(91), false);
        check(Some(-1), false);
    }

    #[test]
    fn the_sweep_goes_on_behind_what_is_only_the_pages_fault() {
        use graph::client::{Error, Waiting};
        let check = |error: Error, expected| {
            let error = TaskError::from(error);
            assert_eq!(is_about_the_page(&error), expected, "{error}");
        };
        let unclear = serde_json::from_str::<u8>("x").unwrap_err();
        check(Error::Unclear { endpoint: "presences", source: unclear.into() }, true);
        check(Error::Refused { status: 400, code: String::new(), message: String::new() }, true);
        check(Error::Wait { retry_after: Duration::ZERO, waiting: Waiting::Budget }, false);
        check(Error::Retry { reason: String::new(), maybe_applied: true }, false);
        check(Error::TokenRefused, false);
        assert!(!is_about_the_page(&TaskError::Panicked));
    }
}
