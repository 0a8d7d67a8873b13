//! The shard plan: compares users, accounts and what is held, and says what to create, renew and delete.
//!
//! Whoever is watched stays where they are. Graph cannot change a subscription's list, so whoever comes or goes costs a new
//! subscription for up to 650 users: changes wait for one another ([`Debounce`]), and each goes to one shard where it can.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashSet, VecDeque};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{AccountId, Debounce, FREE_PLACES_KEPT, Held, Plan, RENEWAL_AFTER_MAX, Step, USERS_PER_SUBSCRIPTION_MAX, Why};
use crate::domain::ids::TeamsUserId;

/// A new shard takes so many at first.
const FILL: usize = USERS_PER_SUBSCRIPTION_MAX - FREE_PLACES_KEPT;

/// Replicas' clocks may differ by so much.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_mins(1);

/// A shard as it is to be.
struct Shard<'a> {
    account: AccountId,
    /// What stands for it at Graph.
    current: Option<&'a Held>,
    users: BTreeSet<TeamsUserId>,
    /// Its list is to be another than the current one.
    changed: bool,
}

/// What there is, sorted.
struct Standing<'a> {
    shards: Vec<Shard<'a>>,
    /// Of no use any more.
    deleted: Vec<Uuid>,
    claimed: HashSet<TeamsUserId>,
}

/// Compares who should be watched with what is held, which `debounce` has just looked at. `accounts` are those that may hold something
/// now; what others hold is left alone until it ends, and its users go elsewhere.
#[must_use]
pub fn plan(wanted: &BTreeSet<TeamsUserId>, accounts: &[AccountId], held: &[Held], debounce: &Debounce, now: Timestamp) -> Plan {
    let Standing { mut shards, deleted, claimed } = standing(wanted, accounts, held, debounce, now);
    let is_lost = |user: &TeamsUserId| debounce.is_lost(*user) || debounce.is_listed(*user);
    let unplaced = wanted.iter().filter(|user| !claimed.contains(user)).copied();
    let join_now = shards.is_empty() || debounce.join_now(now);
    let (ripe, waiting): (Vec<_>, Vec<_>) = unplaced.partition(|user| join_now || is_lost(user));
    let mut empty: VecDeque<AccountId> = accounts.iter().filter(|account| !has(&shards, **account)).copied().collect();
    let (lost, new): (Vec<_>, Vec<_>) = ripe.into_iter().partition(is_lost);
    // A spare account is there to take over; for whoever is new one is kept.
    let left_lost = place(&mut shards, &mut empty, lost, 0, USERS_PER_SUBSCRIPTION_MAX);
    let left_new = place(&mut shards, &mut empty, new, 1, FILL);
    let no_room = left_lost.into_iter().chain(left_new).map(|user| (user, if is_lost(&user) { Why::Lost } else { Why::NoRoom }));
    let swept = waiting.into_iter().map(|user| (user, Why::Joining)).chain(no_room).collect();
    Plan { steps: steps(shards, deleted, empty, now), swept }
}

fn has(shards: &[Shard<'_>], account: AccountId) -> bool {
    shards.iter().any(|shard| shard.account == account)
}

/// Which subscriptions stand, and whom each keeps. Where two watch the same user, the newer keeps them: the older was to be taken
/// away when something went wrong.
fn standing<'a>(
    wanted: &BTreeSet<TeamsUserId>,
    accounts: &[AccountId],
    held: &'a [Held],
    debounce: &Debounce,
    now: Timestamp,
) -> Standing<'a> {
    let mut newest_first: Vec<&Held> = held.iter().collect();
    newest_first.sort_by_key(|held| (Reverse(held.created_at), held.id));
    let (live, ended): (Vec<&Held>, Vec<&Held>) = newest_first.into_iter().partition(|held| held.expires_at > now);
    let mut found = Standing { shards: Vec::new(), deleted: Vec::new(), claimed: HashSet::new() };
    for held in live.into_iter().filter(|held| accounts.contains(&held.account)) {
        if has(&found.shards, held.account) {
            found.deleted.push(held.id);
            continue;
        }
        let users = found.claim(wanted, held);
        let is_watched_twice = held.users.iter().any(|user| wanted.contains(user) && !users.contains(user));
        let changed = is_watched_twice || debounce.leaves_now(wanted, &held.users, now);
        if users.is_empty() && (changed || held.silent || held.users.is_empty()) {
            found.deleted.push(held.id);
        } else {
            found.shards.push(Shard { account: held.account, current: Some(held), users, changed });
        }
    }
    for held in ended {
        found.deleted.push(held.id);
        let may_stay = accounts.contains(&held.account) && !has(&found.shards, held.account);
        let users = if may_stay { found.claim(wanted, held) } else { BTreeSet::new() };
        if !users.is_empty() {
            found.shards.push(Shard { account: held.account, current: None, users, changed: true });
        }
    }
    found
}

impl Standing<'_> {
    fn claim(&mut self, wanted: &BTreeSet<TeamsUserId>, held: &Held) -> BTreeSet<TeamsUserId> {
        held.users.iter().filter(|user| wanted.contains(user) && self.claimed.insert(**user)).copied().collect()
    }
}

impl Shard<'_> {
    fn free(&self) -> usize {
        USERS_PER_SUBSCRIPTION_MAX - self.users.len()
    }

    /// Takes as many as there is room for.
    fn fill(&mut self, new: &mut Vec<TeamsUserId>, most: usize) {
        let taken = new.len().min(most).min(self.free());
        self.changed |= taken > 0;
        self.users.extend(new.drain(..taken));
    }
}

/// Finds places: all in one shard if there is one with room; then in new shards of so many, as long as so many accounts stay free
/// to make before break with; then wherever there is room, first where the list changes anyway; then in the last free account.
/// Returns whoever is left.
fn place(
    shards: &mut Vec<Shard<'_>>,
    empty: &mut VecDeque<AccountId>,
    mut new: Vec<TeamsUserId>,
    kept: usize,
    fill: usize,
) -> Vec<TeamsUserId> {
    if new.is_empty() {
        return new;
    }
    let fits = shards.iter_mut().filter(|shard| shard.free() >= new.len());
    if let Some(shard) = fits.max_by_key(|shard| (shard.changed, shard.free(), Reverse(shard.account))) {
        shard.fill(&mut new, USERS_PER_SUBSCRIPTION_MAX);
        return new;
    }
    let mut opened = Vec::new();
    for _ in 0..new.len().div_ceil(fill).min(empty.len().saturating_sub(kept)) {
        open(&mut opened, empty, &mut new, fill);
    }
    shards.sort_by_key(|shard| (Reverse(shard.changed), Reverse(shard.free()), shard.account));
    for shard in shards.iter_mut().chain(&mut opened) {
        shard.fill(&mut new, USERS_PER_SUBSCRIPTION_MAX);
    }
    if !new.is_empty() {
        open(&mut opened, empty, &mut new, USERS_PER_SUBSCRIPTION_MAX);
    }
    shards.append(&mut opened);
    new
}

fn open(opened: &mut Vec<Shard<'_>>, empty: &mut VecDeque<AccountId>, new: &mut Vec<TeamsUserId>, most: usize) {
    if let Some(account) = empty.pop_front() {
        let mut shard = Shard { account, current: None, users: BTreeSet::new(), changed: true };
        shard.fill(new, most);
        opened.push(shard);
    }
}

/// No renewal is planned for later than the longest wait, unless the clock was set back: Graph's goes on.
pub(super) fn is_due(held: &Held, now: Timestamp) -> bool {
    held.renew_at <= now || held.renew_at > now + RENEWAL_AFTER_MAX + CLOCKS_DIFFER
}

/// What turns what is into what is to be. Renewals come first: nothing that takes long may make one late.
fn steps(shards: Vec<Shard<'_>>, deleted: Vec<Uuid>, mut empty: VecDeque<AccountId>, now: Timestamp) -> Vec<Step> {
    let mut renewed = Vec::new();
    let mut made = Vec::new();
    let mut rebuilt = Vec::new();
    for Shard { account, current, users, changed } in shards {
        match current {
            None => made.push(Step::Create { account, users, replaces: None }),
            // It tells nothing, so nothing is lost while it is away.
            Some(held) if held.silent => {
                made.extend([Step::Delete(held.id), Step::Create { account, users, replaces: None }]);
            }
            Some(held) if changed => match empty.pop_front() {
                Some(spare) => {
                    empty.push_back(account);
                    rebuilt.push(Step::Create { account: spare, users, replaces: Some(held.id) });
                }
                None => rebuilt.extend([Step::Delete(held.id), Step::Create { account, users, replaces: None }]),
            },
            Some(held) if is_due(held, now) || held.old_certificate => renewed.push(Step::Renew(held.id)),
            Some(_) => {}
        }
    }
    let deleted = deleted.into_iter().map(Step::Delete);
    renewed.into_iter().chain(deleted).chain(made).chain(rebuilt).collect()
}
