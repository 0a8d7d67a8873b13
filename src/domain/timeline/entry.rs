//! A user's timeline as it is told: each change with what became of its pushes, as far as that is known.

use jiff::Timestamp;

use super::{Outcome, Sending, SlotChange, Wakers};
use crate::domain::mapping::TeamsNative;
use crate::domain::presence::Presence;
use crate::domain::slot::SlotName;

/// A decision that changed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Grows from change to change.
    pub id: i64,
    /// What woke the gateway.
    pub woken_by: Wakers,
    /// Arrival of the oldest change that was decided about; `None`: nothing new had come.
    pub came_at: Option<Timestamp>,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// Teams' two words, as last observed then.
    pub words: Option<(String, String)>,
    /// What Teams itself said.
    pub teams_native: Option<TeamsNative>,
    /// What XPhone itself said.
    pub xphone_native: Option<Presence>,
    /// What changed about each slot, in the order of [`SlotName::ALL`].
    pub slots: [Option<SlotChange>; 3],
    /// What became of what was to be sent, in the same order.
    pub fates: [Option<Fate>; 3],
}

/// What became of a push.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It took effect.
    Arrived {
        /// When the last attempt began.
        pushed_at: Option<Timestamp>,
        /// When the answer had come and was written down.
        settled_at: Timestamp,
        /// How many there were.
        attempts: i32,
        /// Why the one before the last failed.
        problem: Option<String>,
    },
    /// What it would have shown was over before it could be sent.
    Expired {
        /// When that was found.
        at: Timestamp,
        /// Attempts that certainly had no effect.
        attempts: i32,
    },
    /// It waits, or is just being sent.
    Waiting {
        /// How many attempts there were.
        attempts: i32,
        /// Why the last one failed.
        problem: Option<String>,
        /// When it is due.
        next_try_at: Timestamp,
    },
    /// A later decision took its place before it was known to have arrived.
    Replaced,
    /// Nothing of it had ever been sent, so that there was nothing to take away.
    NotNeeded,
    /// Nothing is known.
    Unknown,
}

impl Fate {
    /// Stable text for documents.
    #[must_use]
    pub fn label(&self) -> &'static str {
        match self {
            Self::Arrived { .. } => Outcome::Arrived.label(),
            Self::Expired { .. } => Outcome::Expired.label(),
            Self::Waiting { .. } => "waiting",
            Self::Replaced => "replaced",
            Self::NotNeeded => "not_needed",
            Self::Unknown => "unknown",
        }
    }
}

/// A push that is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Over {
    /// In the same order as the changes.
    pub id: i64,
    /// Of which slot.
    pub slot: SlotName,
    /// The decision it belongs to.
    pub decided_at: Timestamp,
    /// What became of it.
    pub fate: Fate,
}

/// A push that is not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Of which slot.
    pub slot: SlotName,
    /// The decision it belongs to.
    pub decided_at: Timestamp,
    /// See [`Fate::Waiting`].
    pub fate: Fate,
}

/// What is known of a user's pushes.
#[derive(Clone, Debug, Default)]
pub struct Pushes {
    /// Those that are over, the latest first.
    pub over: Vec<Over>,
    /// Those that lie in the mailboxes.
    pub waiting: Vec<Waiting>,
    /// The latest change of each slot that had anything sent.
    pub latest: [Option<i64>; 3],
}

impl Pushes {
    /// Tells of these changes, the latest first, what became of their pushes.
    pub fn tell(mut self, entries: &mut [Entry]) {
        for entry in entries {
            for (index, slot) in SlotName::ALL.into_iter().enumerate() {
                let push = entry.slots[index].and_then(|change| change.push);
                entry.fates[index] = push.and_then(|push| self.fate(entry, index, slot, push));
            }
        }
    }

    /// Whatever belongs to a decision is found by its time; where two have the same, the later one comes first and takes the later.
    fn fate(&mut self, entry: &Entry, index: usize, slot: SlotName, push: Sending) -> Option<Fate> {
        if push == Sending::Forget {
            return None;
        }
        let at = entry.decided_at;
        if let Some(found) = self.waiting.iter().position(|waiting| (waiting.slot, waiting.decided_at) == (slot, at)) {
            return Some(self.waiting.remove(found).fate);
        }
        let belongs = |over: &Over| (over.slot, over.decided_at) == (slot, at) && over.id > entry.id;
        if let Some(found) = self.over.iter().position(belongs) {
            return Some(self.over.remove(found).fate);
        }
        if self.latest[index].is_some_and(|latest| latest > entry.id) {
            return Some(Fate::Replaced);
        }
        Some(if push == Sending::Clear { Fate::NotNeeded } else { Fate::Unknown })
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::domain::reconcile::Reason;

    const APPOINTMENT: SlotName = SlotName::XphoneAppointment;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
    }

    fn entry(id: i64, decided: i64, push: Sending) -> Entry {
        let change = SlotChange { shows: None, reason: Reason::NothingToShow, push: Some(push) };
        Entry {
            id,
            woken_by: Wakers::default(),
            came_at: None,
            decided_at: at(decided),
            words: None,
            teams_native: None,
            xphone_native: None,
            slots: [Some(change), None, None],
            fates: [None, None, None],
        }
    }

    fn arrived(attempts: i32) -> Fate {
        Fate::Arrived { pushed_at: None, settled_at: at(0), attempts, problem: None }
    }

    fn over(id: i64, decided: i64, attempts: i32) -> Over {
        Over { id, slot: APPOINTMENT, decided_at: at(decided), fate: arrived(attempts) }
    }

    fn waiting(decided: i64) -> Waiting {
        let fate = Fate::Waiting { attempts: 1, problem: None, next_try_at: at(0) };
        Waiting { slot: APPOINTMENT, decided_at: at(decided), fate }
    }

    #[test]
    fn each_push_finds_what_became_of_it() {
        use Sending::{Clear, Forget, Set};
        let check = |changes: &[(i64, i64, Sending)], over: Vec<Over>, waiting: Vec<Waiting>, expected: &[Option<&str>]| {
            let latest = changes.first().map(|(id, ..)| *id);
            let mut entries: Vec<Entry> = changes.iter().map(|(id, decided, push)| entry(*id, *decided, *push)).collect();
            Pushes { over, waiting, latest: [latest, None, None] }.tell(&mut entries);
            let fates: Vec<_> = entries.iter().map(|entry| entry.fates[0].as_ref().map(Fate::label)).collect();
            assert_eq!(fates, expected, "{changes:?}");
        };
        check(&[(1, 10, Set)], vec![over(2, 10, 1)], vec![], &[Some("arrived")]);
        check(&[(1, 10, Set)], vec![], vec![waiting(10)], &[Some("waiting")]);
        check(&[(1, 10, Set)], vec![], vec![], &[Some("unknown")]);
        check(&[(1, 10, Forget)], vec![], vec![], &[None]);
        // The call was over before anything was sent.
        check(&[(2, 20, Clear), (1, 10, Set)], vec![], vec![], &[Some("not_needed"), Some("replaced")]);
        check(&[(2, 20, Clear), (1, 10, Set)], vec![over(3, 20, 1)], vec![], &[Some("arrived"), Some("replaced")]);
        check(&[(3, 20, Clear), (1, 10, Set)], vec![over(2, 10, 1)], vec![waiting(20)], &[Some("waiting"), Some("arrived")]);
        // It arrived though a later one had taken its place.
        check(&[(2, 20, Clear), (1, 10, Set)], vec![over(4, 20, 1), over(3, 10, 1)], vec![], &[Some("arrived"), Some("arrived")]);
        // All at the same moment.
        check(&[(3, 10, Clear), (1, 10, Set)], vec![over(4, 10, 1), over(2, 10, 2)], vec![], &[Some("arrived"), Some("arrived")]);
        check(&[(3, 10, Clear), (1, 10, Set)], vec![over(2, 10, 1)], vec![waiting(10)], &[Some("waiting"), Some("arrived")]);
    }

    #[test]
    fn of_two_at_the_same_moment_the_later_has_the_later_outcome() {
        let mut entries = vec![entry(3, 10, Sending::Set), entry(1, 10, Sending::Set)];
        let over = vec![over(4, 10, 7), over(2, 10, 5)];
        Pushes { over, waiting: Vec::new(), latest: [Some(3), None, None] }.tell(&mut entries);
        assert_eq!(entries.iter().map(|entry| entry.fates[0].clone()).collect::<Vec<_>>(), [Some(arrived(7)), Some(arrived(5))]);
    }
}
