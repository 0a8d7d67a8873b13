//! Reads everybody's presence in turn, so that a lost notification costs time and nothing else.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::confirmer::Reading;
use super::driver::Task;
use super::{Progress, TaskError};
use crate::domain::ids::TeamsUserId;
use crate::graph;
use crate::graph::client::PRESENCES_MAX;
use crate::store::feed::Feed;

const LEASE: &str = "sweep";
const LEASE_LIFE: SignedDuration = SignedDuration::from_secs(30);

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
}

/// A sweep under way.
#[derive(Clone, Copy, Debug)]
pub struct Round {
    began: Timestamp,
    after: Option<TeamsUserId>,
    missed: u64,
}

impl Task for Sweep {
    fn name(&self) -> &'static str {
        "sweep"
    }

    fn run(&self) -> BoxFuture<'_, Result<Progress, TaskError>> {
        self.sweep().boxed()
    }
}

impl Sweep {
    async fn sweep(&self) -> Result<Progress, TaskError> {
        let now = self.reading.clock.now();
        let Some(round) = self.round(now).await? else { return Ok(Progress::Idle) };
        if !self.reading.store.hold_lease(LEASE, self.replica, now, LEASE_LIFE).await? {
            self.remember(None);
            return Ok(Progress::Idle);
        }
        let users = self.reading.store.users_to_sweep(round.after, PRESENCES_MAX).await?;
        let Some(last) = users.last().copied() else { return self.finish(round, now).await };
        match self.reading.read(&users, now).await {
            Ok(outcome) => {
                self.remember(Some(Round { after: Some(last), missed: round.missed + outcome.missed, ..round }));
                Ok(Progress::More)
            }
            Err(TaskError::Graph(graph::client::Error::Wait { .. })) => {
                self.remember(Some(round));
                Ok(Progress::Idle)
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
        let due = last.is_none_or(|last| now >= last + self.period);
        Ok(due.then_some(Round { began: now, after: None, missed: 0 }))
    }

    async fn finish(&self, round: Round, now: Timestamp) -> Result<Progress, TaskError> {
        self.reading.store.note_refreshed(Feed::Sweep, round.began).await?;
        self.reading.metrics.note_sweep(now.duration_since(round.began).as_secs_f64(), round.missed);
        self.remember(None);
        Ok(Progress::Idle)
    }

    fn remember(&self, next: Option<Round>) {
        if let Ok(mut round) = self.round.lock() {
            *round = next;
        }
    }
}
