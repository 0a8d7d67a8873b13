//! What was changed and what arrived: every change is waited for, and every arrival must have been.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::plan::Direction;

/// Keeps account of everybody.
pub struct Ledger {
    accounts: Mutex<Accounts>,
}

struct Accounts {
    people: Vec<Account>,
    tally: Tally,
}

#[derive(Clone, Copy, Default)]
struct Account {
    /// Whether the other side shows a call.
    shown: bool,
    /// The change that is to arrive there, and since when.
    awaited: Option<(bool, Instant)>,
}

/// What came of the changes.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    /// How long each took that arrived, by direction; sorted.
    pub took: [Vec<Duration>; 2],
    /// Changes that did not arrive, by direction.
    pub lost: [u64; 2],
    /// Pushes that nobody waited for and that changed what is shown, by direction of the person's changes.
    pub wrong: [u64; 2],
    /// Pushes of what was shown already; they do no harm.
    pub repeated: [u64; 2],
}

impl Tally {
    fn sorted(mut self) -> Self {
        self.took.iter_mut().for_each(|took| took.sort_unstable());
        self
    }
}

impl Ledger {
    /// Of so many people, of whom nothing is shown.
    pub fn new(people: usize) -> Self {
        Self { accounts: Mutex::new(Accounts { people: vec![Account::default(); people], tally: Tally::default() }) }
    }

    /// A person begins or ends a call now. What had not arrived by now is lost.
    pub fn change(&self, person: usize, in_call: bool) {
        let Accounts { people, tally } = &mut *self.accounts();
        tally.lost[Direction::of(person) as usize] += u64::from(people[person].awaited.is_some());
        people[person].awaited = Some((in_call, Instant::now()));
    }

    /// What shows a call, or takes it away, arrived at the end of this direction.
    pub fn arrive(&self, direction: Direction, person: usize, shows: bool, at: Instant) {
        let Accounts { people, tally } = &mut *self.accounts();
        let account = &mut people[person];
        let own = Direction::of(person);
        if own != direction {
            tally.wrong[own as usize] += 1;
            return;
        }
        match account.awaited {
            Some((awaited, since)) if awaited == shows => {
                tally.took[direction as usize].push(at.saturating_duration_since(since));
                *account = Account { shown: shows, awaited: None };
            }
            _ if account.shown == shows => tally.repeated[direction as usize] += 1,
            _ => {
                account.shown = shows;
                tally.wrong[direction as usize] += 1;
            }
        }
    }

    /// Something arrived that no change leads to.
    pub fn stray(&self, person: usize) {
        self.accounts().tally.wrong[Direction::of(person) as usize] += 1;
    }

    /// Whether something is still to arrive.
    pub fn is_waiting(&self) -> bool {
        self.accounts().people.iter().any(|account| account.awaited.is_some())
    }

    /// What came of the changes since it was last asked; what has not arrived by now is lost.
    pub fn close(&self) -> Tally {
        let Accounts { people, tally } = &mut *self.accounts();
        for (person, account) in people.iter_mut().enumerate() {
            tally.lost[Direction::of(person) as usize] += u64::from(account.awaited.take().is_some());
        }
        std::mem::take(tally).sorted()
    }

    fn accounts(&self) -> MutexGuard<'_, Accounts> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
