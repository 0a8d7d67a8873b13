//! Reads again what notifications told: a notification is fast but may be hours old, a read is the truth of its moment.

use std::collections::HashSet;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};

use super::driver::Task;
use super::opener::Backlog;
use super::{Activators, Progress, TaskError};
use crate::clock::Clock;
use crate::domain::ids::TeamsUserId;
use crate::domain::mapping::read_teams;
use crate::domain::timeline::Waker;
use crate::graph;
use crate::graph::client::{Class, Client, PRESENCES_MAX, PresenceRead};
use crate::store::Store;
use crate::store::observation::{ReadOutcome, TeamsFact};
use crate::telemetry::Metrics;

/// So long what is due waits for news that are still to be decrypted: most of it was acted on already, they were not.
const STANDS_BACK_MAX: SignedDuration = SignedDuration::from_secs(2);

/// Reads presence and records it; the sweep reads the same way.
pub struct Reading {
    /// Our memory.
    pub store: Store,
    /// Whom to ask.
    pub graph: Arc<Client>,
    /// Time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
    /// Whom this wakes.
    pub activators: Activators,
}

/// Confirms what notifications told.
pub struct Confirmer {
    /// Reads.
    pub reading: Arc<Reading>,
    /// Goes first.
    pub backlog: Backlog,
}

impl Task for Confirmer {
    fn name(&self) -> &'static str {
        "confirmer"
    }

    fn run(&self) -> BoxFuture<'_, Result<Progress, TaskError>> {
        self.confirm().boxed()
    }
}

impl Confirmer {
    async fn confirm(&self) -> Result<Progress, TaskError> {
        let reading = &self.reading;
        let asked_at = reading.clock.now();
        let due = if self.backlog.is_any() { asked_at - STANDS_BACK_MAX } else { asked_at };
        let users = reading.store.users_to_confirm(due, PRESENCES_MAX).await?;
        if users.is_empty() {
            return Ok(Progress::Idle);
        }
        match reading.read(&users, Waker::Read, asked_at).await {
            Ok(_) => Ok(if users.len() == PRESENCES_MAX { Progress::More } else { Progress::Idle }),
            // They stay due, and Graph's pause is kept by the client.
            Err(TaskError::Graph(graph::client::Error::Wait { .. })) => Ok(Progress::Idle),
            Err(error) => Err(error),
        }
    }
}

impl Reading {
    /// Reads these users' presence, at most 650, and records it as the truth at `asked_at`; whom that wakes, it wakes as `by`.
    ///
    /// # Errors
    /// Graph or Postgres fails; what was read before is recorded.
    pub async fn read(&self, users: &[TeamsUserId], by: Waker, asked_at: Timestamp) -> Result<ReadOutcome, TaskError> {
        let class = if by == Waker::Sweep { Class::Sweep } else { Class::Confirm };
        let mut answer = self.graph.presences_bisecting(users, class).await;
        self.metrics.note_graph_budget(self.graph.budget_remaining());
        if let Some(ahead) = self.graph.ahead_of_graph() {
            self.metrics.note_clock_skew("graph", ahead.as_secs_f64());
        }
        let told: HashSet<TeamsUserId> = answer.presences.iter().map(|presence| presence.user).collect();
        let facts = self.facts(std::mem::take(&mut answer.presences), asked_at);
        let outcome = self.store.record_reads(&facts, by, self.clock.now()).await?;
        let unread: HashSet<TeamsUserId> = answer.unread.iter().copied().collect();
        let recorded: HashSet<TeamsUserId> = facts.iter().map(|fact| fact.user).collect();
        // Of whom Graph tells nothing, asking again at once would tell nothing either.
        let silent = |user: &&TeamsUserId| !recorded.contains(user) && !unread.contains(user);
        let silent: Vec<TeamsUserId> = users.iter().filter(silent).copied().collect();
        if !silent.is_empty() {
            self.store.forget_confirmations(&silent, asked_at).await?;
        }
        let strangers = silent.iter().filter(|user| !told.contains(user)).count();
        if strangers > 0 {
            tracing::info!(
                users = strangers,
                refused = answer.refused.len(),
                "Graph tells nothing about some users; are they licensed for Teams?"
            );
        }
        if outcome.changed > 0 {
            self.activators.reconciler.wake();
        }
        answer.stopped_by.map_or(Ok(outcome), |error| Err(error.into()))
    }

    fn facts(&self, presences: Vec<PresenceRead>, asked_at: Timestamp) -> Vec<TeamsFact> {
        let fact = |presence: PresenceRead| {
            let reading = read_teams(&presence.availability, &presence.activity);
            self.metrics.count_unknown_words(u64::from(!reading.known));
            let PresenceRead { user, availability, activity, sequence_number, .. } = presence;
            reading.words.map(|_| TeamsFact { user, availability, activity, sequence_number, observed_at: asked_at, trace: None })
        };
        presences.into_iter().filter_map(fact).collect()
    }
}
