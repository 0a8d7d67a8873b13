//! Lets changes of a shard's users wait for one another, because each costs a new subscription for up to 650.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use jiff::{SignedDuration, Timestamp};

use super::Held;
use crate::domain::ids::TeamsUserId;

/// Whoever joins waits until nobody else has for so long...
pub const JOIN_QUIET: SignedDuration = SignedDuration::from_secs(20);
/// ... but no longer than this.
pub const JOIN_WAIT_MAX: SignedDuration = SignedDuration::from_mins(2);
/// Whoever has left stays on a shard's list for so long, unless it changes anyway; what is told of them goes to nobody.
pub const LEAVE_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// Who came and went, and when that was first seen. Losing it only lets changes wait longer.
#[derive(Clone, Debug, Default)]
pub struct Debounce {
    joined: BTreeMap<TeamsUserId, Timestamp>,
    /// When the first and the last of them did.
    first_and_last_joined: Option<(Timestamp, Timestamp)>,
    left: BTreeMap<TeamsUserId, Timestamp>,
    /// Users whose subscription went away under them.
    lost: BTreeSet<TeamsUserId>,
    /// Users that were on a list at the last look.
    watched: HashSet<TeamsUserId>,
}

impl Debounce {
    /// Begins with these users known as lost.
    #[must_use]
    pub fn recalling(lost: BTreeSet<TeamsUserId>) -> Self {
        Self { lost, ..Self::default() }
    }

    /// Looks at who should be watched and what is held, each time before a plan.
    pub fn look(&mut self, wanted: &BTreeSet<TeamsUserId>, held: &[Held], now: Timestamp) {
        let listed: HashSet<TeamsUserId> = held.iter().flat_map(|held| held.users.iter()).copied().collect();
        self.lost.retain(|user| wanted.contains(user) && !listed.contains(user));
        self.lost.extend(self.watched.iter().filter(|user| wanted.contains(user) && !listed.contains(user)));
        let is_new = |user: &&TeamsUserId| !listed.contains(user) && !self.lost.contains(user);
        self.joined = seen(&self.joined, wanted.iter().filter(is_new), now);
        self.first_and_last_joined = self.joined.values().min().copied().zip(self.joined.values().max().copied());
        self.left = seen(&self.left, listed.iter().filter(|user| !wanted.contains(user)), now);
        self.watched = listed;
    }

    /// Whether this user's subscription went away.
    #[must_use]
    pub fn is_lost(&self, user: TeamsUserId) -> bool {
        self.lost.contains(&user)
    }

    /// Whether this user was on a list at the last look.
    #[must_use]
    pub fn is_listed(&self, user: TeamsUserId) -> bool {
        self.watched.contains(&user)
    }

    /// Whether those who came have waited enough: all go together, so that they change a shard once.
    #[must_use]
    pub fn join_now(&self, now: Timestamp) -> bool {
        self.first_and_last_joined
            .is_some_and(|(first, last)| now.duration_since(first) >= JOIN_WAIT_MAX || now.duration_since(last) >= JOIN_QUIET)
    }

    /// When somebody will next have waited enough; `None`: nobody waits.
    #[must_use]
    pub fn next_after(&self, now: Timestamp) -> Option<Timestamp> {
        let joins = self.first_and_last_joined.filter(|_| !self.join_now(now));
        let joins = joins.map(|(first, last)| (first + JOIN_WAIT_MAX).min(last + JOIN_QUIET));
        let leaves = self.left.values().map(|since| *since + LEAVE_AFTER).filter(|at| *at > now);
        leaves.chain(joins).min()
    }

    /// Whether somebody on this list has been gone for long enough.
    #[must_use]
    pub fn leaves_now(&self, wanted: &BTreeSet<TeamsUserId>, listed: &BTreeSet<TeamsUserId>, now: Timestamp) -> bool {
        let is_due = |user: &TeamsUserId| self.left.get(user).is_some_and(|since| now.duration_since(*since) >= LEAVE_AFTER);
        listed.iter().any(|user| !wanted.contains(user) && is_due(user))
    }
}

/// Since when each was seen; a clock that was set back begins anew.
fn seen<'a>(
    before: &BTreeMap<TeamsUserId, Timestamp>,
    users: impl Iterator<Item = &'a TeamsUserId>,
    now: Timestamp,
) -> BTreeMap<TeamsUserId, Timestamp> {
    users.map(|user| (*user, before.get(user).copied().unwrap_or(now).min(now))).collect()
}
