//! Everybody's presence, read beside the events, so that no event waits for it.
//!
//! The server tells a snapshot and the event `sequence` it stands at. Between asking for it and having recorded it part by part, events
//! go on being recorded. Why that mixes nothing up:
//! - An event above the snapshot's sequence is newer than the snapshot. Whoever had one since we asked is left out of the parts that
//!   are still to be recorded (`overtaken_at`).
//! - An event at or below it is in the snapshot already. If it was recorded before the snapshot came, the snapshot replaces it, or
//!   repeats it. If it comes after, it is dropped as old: the snapshot counts as heard from the moment it came.
//! - Both are compared within one connection only, where sequences grow. A snapshot that stands before what had been heard when we
//!   asked comes from a server that has restarted; the connection is given up, and the next begins with a snapshot of its own.
//! - All of this happens in one task, one step after the other, and dies with the connection.

use std::collections::HashMap;
use std::vec;

use futures::future::{BoxFuture, pending};
use jiff::Timestamp;

use super::SWEEP_PERIOD;
use super::connection::End;
use crate::domain::ids::UserGuid;
use crate::store::xphone_fact::XPHONE_FACTS_MAX;
use crate::tasks::driver::chain;
use crate::xphone::Error;
use crate::xphone::values::{Entry, Snapshot};

type Answer = Result<Snapshot, Error>;

/// Reads everybody's presence each [`SWEEP_PERIOD`], and when there are new people.
pub(super) struct Whole {
    /// When the last one was asked for.
    asked_at: Timestamp,
    wanted: bool,
    stage: Stage,
    /// The newest event recorded of each user since then.
    overtaken_at: HashMap<UserGuid, u64>,
}

enum Stage {
    Resting,
    /// Asked for when everything up to `heard` had been recorded.
    Asked {
        answer: BoxFuture<'static, Answer>,
        heard: u64,
    },
    Recording {
        sequence: u64,
        left: vec::IntoIter<Entry>,
    },
}

impl Whole {
    /// One was just read whole, asked for at `asked_at`.
    pub(super) fn read_at(asked_at: Timestamp) -> Self {
        Self { asked_at, wanted: false, stage: Stage::Resting, overtaken_at: HashMap::new() }
    }

    /// Whether none is due or under way.
    pub(super) fn rests(&self, now: Timestamp) -> bool {
        matches!(self.stage, Stage::Resting) && !self.is_due(now)
    }

    /// Whether it is time to ask.
    pub(super) fn is_due(&self, now: Timestamp) -> bool {
        let time_has_come = now < self.asked_at || now >= self.asked_at + SWEEP_PERIOD;
        matches!(self.stage, Stage::Resting) && (self.wanted || time_has_come)
    }

    /// People who were read after we last asked have not been told of.
    pub(super) fn want_after(&mut self, people_read_at: Option<Timestamp>) {
        self.wanted |= people_read_at.is_some_and(|read_at| read_at > self.asked_at);
    }

    /// `answer` is under way; everything up to the event `heard` was recorded before.
    pub(super) fn ask(&mut self, answer: BoxFuture<'static, Answer>, heard: u64, now: Timestamp) {
        *self = Self { stage: Stage::Asked { answer, heard }, ..Self::read_at(now) };
    }

    /// Waits for the answer, for ever if none is under way. May be given up and asked again.
    pub(super) async fn answered(&mut self) -> Answer {
        match &mut self.stage {
            Stage::Asked { answer, .. } => answer.await,
            Stage::Resting | Stage::Recording { .. } => pending().await,
        }
    }

    /// Takes the answer. What it holds counts as heard, so `sequence` may grow. Why the connection is over, if it is.
    pub(super) fn arrive(&mut self, answer: Answer, sequence: &mut u64) -> Option<End> {
        let Stage::Asked { heard, .. } = std::mem::replace(&mut self.stage, Stage::Resting) else { return None };
        match answer {
            Ok(snapshot) if snapshot.sequence < heard => return Some(End::Restarted),
            Ok(snapshot) => {
                *sequence = snapshot.sequence.max(*sequence);
                self.stage = Stage::Recording { sequence: snapshot.sequence, left: snapshot.entries.into_iter() };
            }
            // The events go on; they need not suffer for it.
            Err(error) => tracing::warn!(error = %chain(&error), "everybody's presence in XPhone could not be read again"),
        }
        None
    }

    /// Whether parts are left to be recorded.
    pub(super) fn has_parts(&self) -> bool {
        matches!(self.stage, Stage::Recording { .. })
    }

    /// These users' events were recorded: what a snapshot that stands before them says of them is old.
    pub(super) fn overtake(&mut self, recorded: impl Iterator<Item = (UserGuid, u64)>) {
        if !matches!(self.stage, Stage::Resting) {
            self.overtaken_at.extend(recorded);
        }
    }

    /// The next part to record, and the sequence it stands at.
    pub(super) fn next_part(&mut self) -> Option<(u64, Vec<Entry>)> {
        let Stage::Recording { sequence, left } = &mut self.stage else { return None };
        let is_newest = |entry: &Entry| self.overtaken_at.get(&entry.user).is_none_or(|event| event <= sequence);
        let part = left.by_ref().filter(is_newest).take(XPHONE_FACTS_MAX).collect();
        Some((*sequence, part))
    }

    /// The last part was recorded; if it was the last of all, since when everything recorded was true.
    pub(super) fn finished(&mut self) -> Option<Timestamp> {
        let Stage::Recording { left, .. } = &self.stage else { return None };
        if left.len() > 0 {
            return None;
        }
        *self = Self { wanted: self.wanted, ..Self::read_at(self.asked_at) };
        Some(self.asked_at)
    }
}
