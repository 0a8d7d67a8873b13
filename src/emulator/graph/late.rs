//! Change notifications that wait until the emulated clock has passed their moment.

use std::collections::BTreeMap;

use jiff::Timestamp;
use uuid::Uuid;

use super::presence::Pair;

/// Changes that subscribers do not know of yet.
#[derive(Default)]
pub struct Late {
    /// By the moment they are due, then in the order in which they happened.
    waiting: BTreeMap<(Timestamp, u64), (Uuid, Pair)>,
}

impl Late {
    /// Keeps what one user shows since `change`.
    pub fn keep(&mut self, due: Timestamp, change: u64, user: Uuid, pair: Pair) {
        self.waiting.insert((due, change), (user, pair));
    }

    /// The next change that is due.
    pub fn next_due(&mut self, now: Timestamp) -> Option<(Uuid, Pair)> {
        let first = self.waiting.first_entry().filter(|entry| entry.key().0 <= now)?;
        Some(first.remove())
    }

    /// Everything, due or not.
    pub fn take_all(&mut self) -> impl Iterator<Item = (Uuid, Pair)> + use<> {
        std::mem::take(&mut self.waiting).into_values()
    }

    pub fn len(&self) -> usize {
        self.waiting.len()
    }
}
