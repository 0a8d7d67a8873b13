//! What has been told so far, shared by whoever listens and whoever reads everybody: entries, and a sequence of our own.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::contract::{Change, MapEntry};
use super::fold::{Fold, Folded};
use crate::domain::ids::UserGuid;
use crate::xphone::values::Entry;

/// Everything told.
#[derive(Debug)]
pub(super) struct Told {
    /// Says in XPhone what is ours.
    origin: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Of the last event. This server counts none, so we do, over all connections.
    sequence: u64,
    fold: Fold,
}

impl Told {
    pub(super) fn new(origin: String) -> Self {
        Self { origin, state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing that is done under it can be half done.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last event's sequence.
    pub(super) fn last(&self) -> u64 {
        self.state().sequence
    }

    /// Another event's sequence.
    pub(super) fn next(&self) -> u64 {
        let mut state = self.state();
        state.sequence += 1;
        state.sequence
    }

    /// See [`Fold::read`].
    pub(super) fn read(&self, sequence: u64, entries: &[MapEntry], guids: &[UserGuid]) {
        self.state().fold.read(sequence, entries, guids);
    }

    /// See [`Fold::change`].
    pub(super) fn change(&self, change: &Change, sequence: u64) -> Folded {
        self.state().fold.change(change, sequence, &self.origin)
    }

    /// See [`Fold::replace`].
    pub(super) fn replace(&self, found: &MapEntry, sequence: u64) -> Option<Entry> {
        self.state().fold.replace(found, sequence)
    }
}
