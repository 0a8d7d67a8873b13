//! One connection to XPhone's events: gathers what has arrived, the newest of each user.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::FutureExt;
use futures::stream::{BoxStream, StreamExt};
use jiff::{SignedDuration, Timestamp};
use tokio::time::{Instant, sleep, timeout_at};

use super::whole::Whole;
use crate::domain::ids::UserGuid;
use crate::store::xphone_fact::XPHONE_FACTS_MAX;
use crate::xphone::values::{Entry, Event, Snapshot};
use crate::xphone::{Error, Heard};

/// From so much heard on, what follows within a moment is recorded together.
const BUSY_MIN: usize = 8;
const GATHERING: Duration = Duration::from_millis(10);
/// How often it is noted that what we know is still true.
const NOTE_EVERY: SignedDuration = SignedDuration::from_secs(10);
/// The most heard at once.
const HEARD_MAX: usize = XPHONE_FACTS_MAX;

/// An open event stream, and how far we are with it.
pub(super) struct Connection {
    events: BoxStream<'static, Result<Heard, Error>>,
    /// Everything up to this event was gathered.
    pub sequence: u64,
    /// The snapshot that is read beside the events.
    pub whole: Whole,
    /// When it began.
    pub since: Timestamp,
    /// When something was last heard, a sign of life too.
    pub heard_at: Timestamp,
    /// Until when it is noted that what we know is true.
    pub noted_at: Timestamp,
    /// When the lease was last prolonged.
    pub tended_at: Timestamp,
    /// Why nothing more is heard.
    pub end: Option<End>,
}

/// Why nothing more is heard.
#[derive(Debug)]
pub(super) enum End {
    /// The server ended it.
    Closed,
    /// A snapshot stands before what we had heard already.
    Restarted,
    /// Not even a sign of life came.
    Silent,
    /// It broke.
    Failed(Error),
}

impl End {
    /// What is logged of it.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Closed => "XPhone ended the event stream",
            Self::Restarted => "XPhone's event sequence has become lower",
            Self::Silent => "XPhone's event stream fell silent",
            Self::Failed(_) => "XPhone's event stream broke",
        }
    }
}

/// What comes first.
enum First {
    Heard(Option<Result<Heard, Error>>),
    Answer(Result<Snapshot, Error>),
}

/// What was heard in one go.
#[derive(Default)]
pub(super) struct Batch {
    /// The newest event of each user.
    pub newest: BTreeMap<UserGuid, Event>,
    /// What an event of another origin replaced, oldest first: what we set covers the user's own status.
    pub covered: BTreeMap<UserGuid, Vec<Entry>>,
    /// Events that a newer one of the same user replaced before anybody looked.
    pub overtaken: u64,
    /// Events that had been applied before.
    pub old: u64,
    /// Everything that came, signs of life too.
    pub heard: usize,
}

impl Connection {
    /// Events after `sequence`, at which everybody's presence was recorded as of `asked_at`, under a lease taken at `leased_at`.
    pub(super) fn new(
        events: BoxStream<'static, Result<Heard, Error>>,
        sequence: u64,
        asked_at: Timestamp,
        leased_at: Timestamp,
    ) -> Self {
        let whole = Whole::read_at(asked_at);
        let (since, heard_at, noted_at, tended_at) = (asked_at, asked_at, asked_at, leased_at);
        Self { events, sequence, whole, since, heard_at, noted_at, tended_at, end: None }
    }

    /// Waits up to `patience` for something to hear, or for the snapshot, and takes what has arrived with it. Few events are not kept
    /// waiting for more; where there are many, those that follow within a moment come along.
    ///
    /// Nothing is lost where it is given up: what was not taken stays in the stream.
    pub(super) async fn gather(&mut self, patience: Duration) -> Batch {
        let mut batch = Batch::default();
        let patience = if self.whole.has_parts() { Duration::ZERO } else { patience };
        let first = async {
            // Neither may starve the other.
            tokio::select! {
                heard = self.events.next() => First::Heard(heard),
                answer = self.whole.answered() => First::Answer(answer),
            }
        };
        let first = tokio::select! { biased; first = first => first, () = sleep(patience) => return batch };
        match first {
            First::Heard(heard) => self.take(&mut batch, heard),
            First::Answer(answer) => {
                self.end = self.whole.arrive(answer, &mut self.sequence);
                return batch;
            }
        }
        let until = Instant::now() + GATHERING;
        while self.end.is_none() && batch.heard < HEARD_MAX {
            let heard = match self.events.next().now_or_never() {
                Some(heard) => heard,
                None if batch.heard < BUSY_MIN => break,
                None => match timeout_at(until, self.events.next()).await {
                    Ok(heard) => heard,
                    Err(_) => break,
                },
            };
            self.take(&mut batch, heard);
        }
        batch
    }

    /// As of when it is to be noted that everything recorded is true, if it is: what came says so, now and then, and so does a snapshot
    /// that was read whole.
    pub(super) fn still_true_at(&self, batch: &Batch, read_whole_at: Option<Timestamp>, now: Timestamp) -> Option<Timestamp> {
        let is_time = now < self.noted_at || now >= self.noted_at + NOTE_EVERY;
        let heard_at = (batch.heard > 0 && is_time).then_some(now);
        heard_at.or(read_whole_at.filter(|at| *at > self.noted_at))
    }

    fn take(&mut self, batch: &mut Batch, heard: Option<Result<Heard, Error>>) {
        match heard {
            None => self.end = Some(End::Closed),
            Some(Err(error)) => self.end = Some(End::Failed(error)),
            Some(Ok(Heard::KeepAlive)) => batch.heard += 1,
            Some(Ok(Heard::Event(event))) => {
                batch.heard += 1;
                if event.sequence <= self.sequence {
                    batch.old += 1;
                    return;
                }
                self.sequence = event.sequence;
                let (user, origin) = (event.entry.user, event.entry.origin.clone());
                let Some(replaced) = batch.newest.insert(user, *event) else { return };
                batch.overtaken += 1;
                if replaced.entry.origin != origin {
                    batch.covered.entry(user).or_default().push(replaced.entry);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
