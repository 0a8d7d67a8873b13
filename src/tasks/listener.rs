//! Listens to XPhone: reads everybody's presence, follows its events from there, and reads everybody again now and then.
//!
//! One replica listens at a time, the one that holds the lease. Every connection begins with a snapshot and follows the events after
//! it. So whatever ends a connection (an error, silence, a restarted server whose sequence begins lower) is repaired the same way: by
//! the next one. Events may be lost all the same, so everybody is read again each [`SWEEP_PERIOD`]; `whole` says why that never
//! brings back what an event has overtaken.
//!
//! Why nothing older replaces anything newer:
//! - Within a connection, events come in their order, and one not above the last applied is dropped.
//! - Its first snapshot is asked for after everything the connection before it heard had arrived, and is recorded before the first event.
//! - A replica records only while the lease is its own, and holds it fast until that is committed. A connection is given up as soon as
//!   the lease may have been another's in between. So a successor's snapshot is asked for after the predecessor's last record.

mod connection;
mod whole;

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::Mutex;
use uuid::Uuid;

use self::connection::{Batch, Connection, End};
use super::driver::{Task, chain};
use super::tenure::{LEASE_LIFE, Tenure};
use super::{Activators, Progress, TaskError};
use crate::clock::Clock;
use crate::domain::ids::PresenceStateGuid;
use crate::domain::mapping::own_status;
use crate::store::Store;
use crate::store::feed::Feed;
use crate::store::lease::Lease;
use crate::store::xphone_fact::{XPHONE_FACTS_MAX, XphoneFact};
use crate::telemetry::Metrics;
use crate::trace::{Span, Tracer};
use crate::xphone::values::{Entry, Event, Snapshot};
use crate::xphone::{self, XPhone};

const LEASE: &str = "xphone_listener";
/// How often the lease is prolonged, and new people are looked for.
const TEND_EVERY: SignedDuration = SignedDuration::from_secs(5);
/// Everybody's presence is read again this often, whatever events tell.
pub const SWEEP_PERIOD: SignedDuration = SignedDuration::from_secs(60);
/// XPhone gives a sign of life every 30 s; the client ends a connection on this much silence too, but its watch stops with the machine.
const SILENCE_MAX: SignedDuration = SignedDuration::from_secs(90);
/// How long a run waits for something to hear; a soft stop waits for it.
const WAIT: Duration = Duration::from_secs(1);
/// So often in a row the events after a fresh snapshot may be gone before they can be asked for.
const GONE_MAX: u32 = 3;
/// A connection that breaks before this has cost a snapshot and brought little.
const YOUNG: SignedDuration = SignedDuration::from_secs(60);
/// So many of those in a row are made anew at once, and then only one each `REST`.
const YOUNG_MAX: u32 = 3;
const REST: SignedDuration = SignedDuration::from_secs(15);
/// What XPhone says of a telephone it knows nothing of; it may also stand for bits that nobody has described.
const TELEPHONE_UNKNOWN: i32 = 0;

/// Listens.
pub struct Listener {
    /// Our memory.
    pub store: Store,
    /// Whom to listen to.
    pub xphone: Arc<XPhone>,
    /// Says in XPhone who made a presence.
    pub origin: String,
    /// Who we are among the replicas.
    pub replica: Uuid,
    /// Time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
    /// Follows some of what is heard.
    pub tracer: Tracer,
    /// Whom this wakes.
    pub activators: Activators,
    /// The connection, while there is one.
    pub line: Mutex<Line>,
}

/// The connection, while there is one, and how the last ones ended.
#[derive(Default)]
pub struct Line {
    connection: Option<Connection>,
    broken_young: u32,
    rests_until: Option<Timestamp>,
}

impl Line {
    fn rests(&self, now: Timestamp) -> bool {
        self.rests_until.is_some_and(|until| now < until && until <= now + REST)
    }

    fn broke(&mut self, since: Timestamp, now: Timestamp) {
        self.broken_young = if now < since + YOUNG { self.broken_young + 1 } else { 0 };
        self.rests_until = (self.broken_young >= YOUNG_MAX).then(|| now + REST);
    }
}

/// How a step ended that did not fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Recorded,
    /// The lease is another's, and so is the word about XPhone.
    LeaseLost,
    /// Everything is recorded, and nothing more will be heard on this connection.
    Over,
}

impl Task for Listener {
    fn name(&self) -> &'static str {
        "listener"
    }

    fn run(&self) -> BoxFuture<'_, Result<Progress, TaskError>> {
        self.listen().boxed()
    }
}

impl Listener {
    /// Up to which event everything is recorded; `None` without a connection, and while a snapshot is due or under way.
    pub async fn recorded_up_to(&self) -> Option<u64> {
        let line = self.line.lock().await;
        let connection = line.connection.as_ref()?;
        connection.whole.rests(self.clock.now()).then_some(connection.sequence)
    }

    /// One step: makes the connection, or waits a moment for something to hear and records it. There is always more to hear.
    async fn listen(&self) -> Result<Progress, TaskError> {
        let mut line = self.line.lock().await;
        let went_on = self.go_on(&mut line).await;
        if let Err(error) = &went_on {
            if matches!(error, TaskError::Xphone(_)) {
                self.metrics.note_xphone(false);
            }
            // Another replica may reach what we do not.
            if let Err(error) = self.store.release_lease(self.lease()).await {
                tracing::debug!(error = %chain(&error), "the listener's lease could not be given up; it runs out by itself");
            }
        }
        went_on
    }

    async fn go_on(&self, line: &mut Line) -> Result<Progress, TaskError> {
        let now = self.clock.now();
        // Whatever fails from here on, the connection is gone.
        let Some(mut connection) = line.connection.take() else {
            let rests = line.rests(now);
            line.connection = if rests { None } else { self.connect(now).await? };
            return Ok(if line.connection.is_some() { Progress::More } else { Progress::Idle });
        };
        let step = match self.tend(&mut connection, now).await? {
            Step::Recorded => self.hear(&mut connection, line).await?,
            over => over,
        };
        match step {
            Step::Recorded => line.connection = Some(connection),
            Step::Over => {}
            Step::LeaseLost => {
                tracing::info!("another replica listens to XPhone now");
                return Ok(Progress::Idle);
            }
        }
        Ok(Progress::More)
    }

    /// Everybody's presence first, then the events after it; `None`: it is not for us to listen, or too early.
    async fn connect(&self, now: Timestamp) -> Result<Option<Connection>, TaskError> {
        // Before the people are known there is nobody to record anything about.
        let early = self.store.refreshed_at(Feed::Directory).await?.is_none();
        if early {
            return Ok(None);
        }
        let tenure = Tenure { store: &self.store, clock: &self.clock, lease: self.lease() };
        tenure.during(self.connect_as_holder(now)).await.map(Option::flatten)
    }

    async fn connect_as_holder(&self, now: Timestamp) -> Result<Option<Connection>, TaskError> {
        for _ in 0..GONE_MAX {
            let asked_at = self.clock.now();
            let Snapshot { sequence, entries } = self.xphone.presence().await?;
            self.metrics.note_xphone(true);
            for entries in entries.chunks(XPHONE_FACTS_MAX) {
                if self.record(entries.iter().map(|entry| self.fact(sequence, entry, None)).collect()).await? == Step::LeaseLost {
                    return Ok(None);
                }
            }
            if !self.store.note_xphone_true(self.lease(), asked_at).await? {
                return Ok(None);
            }
            match self.xphone.events(sequence).await {
                Ok(events) => return Ok(Some(Connection::new(events, sequence, asked_at, now))),
                Err(xphone::Error::Gone) => tracing::info!("XPhone no longer holds the events after a snapshot: reading another"),
                Err(error) => return Err(error.into()),
            }
        }
        Err(xphone::Error::Gone.into())
    }

    /// Keeps the lease, and lets everybody be read again when it is time or when there are new people.
    async fn tend(&self, connection: &mut Connection, now: Timestamp) -> Result<Step, TaskError> {
        if now < connection.tended_at || now >= connection.tended_at + TEND_EVERY {
            connection.tended_at = now;
            if !self.store.keep_lease(self.lease(), now, LEASE_LIFE).await? {
                return Ok(Step::LeaseLost);
            }
            let people_read_at = self.store.refreshed_at(Feed::Directory).await?;
            connection.whole.want_after(people_read_at);
        }
        if connection.whole.is_due(now) {
            let xphone = Arc::clone(&self.xphone);
            connection.whole.ask(async move { xphone.presence().await }.boxed(), connection.sequence, now);
        }
        Ok(Step::Recorded)
    }

    /// Waits for something to hear and records it; beside it, a part of a snapshot that has come.
    async fn hear(&self, connection: &mut Connection, line: &mut Line) -> Result<Step, TaskError> {
        let batch = connection.gather(WAIT).await;
        let now = self.clock.now();
        // They end when everything is recorded.
        let spans: Vec<Option<Span>> = batch.newest.values().map(|_| self.tracer.begin("xphone event")).collect();
        let followed = batch.newest.values().zip(&spans);
        let facts = followed
            .map(|(event, span)| XphoneFact { trace: span.as_ref().map(Span::context), ..self.newest_fact(event, &batch) });
        let recorded = self.record(facts.collect()).await?;
        drop(spans);
        if recorded == Step::LeaseLost {
            return Ok(Step::LeaseLost);
        }
        self.count(&batch);
        connection.whole.overtake(batch.newest.values().map(|event| (event.entry.user, event.sequence)));
        if let Some((sequence, entries)) = connection.whole.next_part() {
            let facts = entries.iter().map(|entry| self.fact(sequence, entry, None)).collect();
            if self.record(facts).await? == Step::LeaseLost {
                return Ok(Step::LeaseLost);
            }
        }
        let read_whole_at = connection.whole.finished();
        if let Some(at) = connection.still_true_at(&batch, read_whole_at, now) {
            connection.noted_at = at;
            if !self.store.note_xphone_true(self.lease(), at).await? {
                return Ok(Step::LeaseLost);
            }
        }
        if batch.heard > 0 {
            connection.heard_at = now;
        } else if now >= connection.heard_at + SILENCE_MAX {
            connection.end.get_or_insert(End::Silent);
        }
        let Some(end) = connection.end.take() else { return Ok(Step::Recorded) };
        line.broke(connection.since, now);
        match end {
            End::Failed(error) => return Err(error.into()),
            end => tracing::info!("{}: connecting anew", end.label()),
        }
        Ok(Step::Over)
    }

    fn count(&self, batch: &Batch) {
        let results = [("recorded", batch.newest.len() as u64), ("overtaken", batch.overtaken), ("old", batch.old)];
        for (result, count) in results.into_iter().filter(|(_, count)| *count > 0) {
            self.metrics.count_xphone_events(result, count);
        }
        if batch.heard > 0 {
            self.metrics.note_xphone(true);
        }
    }

    /// Records at most [`XPHONE_FACTS_MAX`] facts and wakes whom they concern.
    async fn record(&self, facts: Vec<XphoneFact>) -> Result<Step, TaskError> {
        if facts.is_empty() {
            return Ok(Step::Recorded);
        }
        let Some(recorded) = self.store.record_xphone(&facts, self.lease(), self.clock.now()).await? else {
            return Ok(Step::LeaseLost);
        };
        if recorded.woken > 0 {
            self.activators.reconciler.wake();
        }
        if recorded.to_confirm > 0 {
            self.activators.confirmer.wake();
        }
        Ok(Step::Recorded)
    }

    fn newest_fact(&self, event: &Event, batch: &Batch) -> XphoneFact {
        let covered = batch.covered.get(&event.entry.user).into_iter().flatten();
        let own_status = covered.rev().find(|entry| !self.is_ours(entry)).map(|entry| entry.presence_state);
        self.fact(event.sequence, &event.entry, own_status)
    }

    fn is_ours(&self, entry: &Entry) -> bool {
        entry.origin.as_deref() == Some(self.origin.as_str())
    }

    /// What an entry says. `before`: the user's own status before it, where that was heard in the same go.
    fn fact(&self, sequence: u64, entry: &Entry, before: Option<PresenceStateGuid>) -> XphoneFact {
        let ours = self.is_ours(entry);
        XphoneFact {
            user: entry.user,
            telephone_state: i32::try_from(entry.telephone_state).unwrap_or(TELEPHONE_UNKNOWN),
            meeting: entry.meeting,
            own_status: own_status(entry.presence_state, ours, before),
            ours,
            client_connected: entry.client_connected,
            sequence: i64::try_from(sequence).unwrap_or(i64::MAX),
            trace: None,
        }
    }

    fn lease(&self) -> Lease {
        Lease { name: LEASE, holder: self.replica }
    }
}
