//! When there is nothing to plan: what the last plan rested on still holds, and all that time asks for is renewals.

use jiff::Timestamp;
use uuid::Uuid;

use super::plan::is_due;
use super::{AccountId, Debounce, Held, Step};

/// What a plan rested on that left nothing to be done. While the users are the same and this holds, another plan would say the same:
/// so it need not be made, however many there are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settled {
    accounts: Vec<AccountId>,
    held: Vec<(Uuid, AccountId, bool)>,
    planned_at: Timestamp,
    /// When somebody who came or went has waited enough.
    until: Option<Timestamp>,
}

impl Settled {
    /// What a plan rested on that asked for nothing but renewals.
    #[must_use]
    pub fn of(accounts: &[AccountId], held: &[Held], debounce: &Debounce, now: Timestamp) -> Self {
        Self {
            accounts: accounts.to_vec(),
            held: held.iter().map(told_apart).collect(),
            planned_at: now,
            until: debounce.next_after(now),
        }
    }

    /// Whether it is still so. A clock that was set back tells nothing about what has waited for how long.
    #[must_use]
    pub fn holds(&self, accounts: &[AccountId], held: &[Held], now: Timestamp) -> bool {
        now >= self.planned_at
            && self.until.is_none_or(|until| now < until)
            && self.accounts == accounts
            && held.iter().map(told_apart).eq(self.held.iter().copied())
            && held.iter().all(|held| held.expires_at > now)
    }
}

fn told_apart(held: &Held) -> (Uuid, AccountId, bool) {
    (held.id, held.account, held.silent)
}

/// All that is to be done while everything is settled.
#[must_use]
pub fn renewals(accounts: &[AccountId], held: &[Held], now: Timestamp) -> Vec<Step> {
    let is_due = |held: &&Held| accounts.contains(&held.account) && (held.old_certificate || is_due(held, now));
    held.iter().filter(is_due).map(|held| Step::Renew(held.id)).collect()
}
