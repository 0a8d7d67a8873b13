//! Which subscriber account watches which users: the plan of subscriptions, as a pure comparison of wanted and held.

use std::collections::{BTreeSet, HashSet};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::ids::TeamsUserId;

/// Graph takes no more users in one presence subscription.
pub const USERS_PER_SUBSCRIPTION_MAX: usize = 650;

/// How long a subscription is asked to live: Graph raises anything under 45 minutes and refuses anything over 60.
pub const SUBSCRIPTION_LIFE: SignedDuration = SignedDuration::from_mins(58);

/// Renewals come between these two after the last one.
pub const RENEWAL_AFTER_MIN: SignedDuration = SignedDuration::from_mins(10);
/// See [`RENEWAL_AFTER_MIN`].
pub const RENEWAL_AFTER_MAX: SignedDuration = SignedDuration::from_mins(20);

/// An account that may hold one subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub Uuid);

/// A subscription that Graph gave us.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Graph's id.
    pub id: Uuid,
    /// Whose it is.
    pub account: AccountId,
    /// Whom it watches.
    pub users: BTreeSet<TeamsUserId>,
    /// When it ends unless renewed.
    pub expires_at: Timestamp,
    /// When to renew it.
    pub renew_at: Timestamp,
    /// Whether it still encrypts for an earlier certificate.
    pub old_certificate: bool,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make a subscription.
    Create {
        /// With this account's token.
        account: AccountId,
        /// For these users, at most 650.
        users: BTreeSet<TeamsUserId>,
    },
    /// Renew one, with the current certificate.
    Renew(Uuid),
    /// Take one away: its account is gone, its time is over, or its users have changed (Graph cannot change them).
    Delete(Uuid),
}

/// What to do, and who is not watched by anybody.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// In order; a delete comes before the create that replaces it.
    pub steps: Vec<Step>,
    /// Users for whom there is no account: they are swept only.
    pub unwatched: BTreeSet<TeamsUserId>,
}

/// Compares who should be watched with what is held. Users stay where they are; a changed list means a new subscription.
#[must_use]
pub fn plan(users: &BTreeSet<TeamsUserId>, accounts: &[AccountId], held: &[Held], now: Timestamp) -> Plan {
    let live = |subscription: &&Held| subscription.expires_at > now && accounts.contains(&subscription.account);
    let mut steps = Vec::new();
    let mut placed = HashSet::new();
    let mut keep: Vec<(AccountId, Option<&Held>, BTreeSet<TeamsUserId>)> = Vec::new();
    for account in accounts {
        let mut of_account = held.iter().filter(|subscription| subscription.account == *account).filter(live);
        let current = of_account.next();
        steps.extend(of_account.map(|surplus| Step::Delete(surplus.id)));
        let stays = |user: &&TeamsUserId| users.contains(user) && placed.insert(**user);
        let watched = current.map(|current| current.users.iter().filter(stays).copied().collect()).unwrap_or_default();
        keep.push((*account, current, watched));
    }
    steps.extend(held.iter().filter(|subscription| !live(subscription)).map(|gone| Step::Delete(gone.id)));
    let mut new = users.iter().filter(|user| !placed.contains(user)).copied().collect::<BTreeSet<_>>().into_iter();
    for (account, current, mut watched) in keep {
        let free = USERS_PER_SUBSCRIPTION_MAX.saturating_sub(watched.len());
        watched.extend(new.by_ref().take(free));
        steps.extend(steps_for(account, current, watched, now));
    }
    Plan { steps, unwatched: new.collect() }
}

fn steps_for(account: AccountId, current: Option<&Held>, users: BTreeSet<TeamsUserId>, now: Timestamp) -> Vec<Step> {
    match current {
        Some(held) if users.is_empty() => vec![Step::Delete(held.id)],
        Some(held) if held.users == users && (held.renew_at <= now || held.old_certificate) => vec![Step::Renew(held.id)],
        Some(held) if held.users == users => Vec::new(),
        Some(held) => vec![Step::Delete(held.id), Step::Create { account, users }],
        None if users.is_empty() => Vec::new(),
        None => vec![Step::Create { account, users }],
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn users(range: std::ops::Range<u128>) -> BTreeSet<TeamsUserId> {
        range.map(|number| TeamsUserId(Uuid::from_u128(number))).collect()
    }

    fn account(number: u128) -> AccountId {
        AccountId(Uuid::from_u128(number))
    }

    fn held(account_number: u128, watched: std::ops::Range<u128>) -> Held {
        Held {
            id: Uuid::from_u128(1000 + account_number),
            account: account(account_number),
            users: users(watched),
            expires_at: NOW + SUBSCRIPTION_LIFE,
            renew_at: NOW + RENEWAL_AFTER_MIN,
            old_certificate: false,
        }
    }

    #[test]
    fn plans() {
        let check = |wanted, accounts: &[AccountId], held: &[Held], steps: Vec<Step>, unwatched| {
            let expected = Plan { steps, unwatched: users(unwatched) };
            assert_eq!(plan(&users(wanted), accounts, held, NOW), expected);
        };
        let one = [account(1)];
        let create = |number, watched| Step::Create { account: account(number), users: users(watched) };
        let id = |number: u128| Uuid::from_u128(1000 + number);
        check(0..0, &one, &[], vec![], 0..0);
        check(0..3, &[], &[], vec![], 0..3);
        check(0..3, &one, &[], vec![create(1, 0..3)], 0..0);
        check(0..700, &one, &[], vec![create(1, 0..650)], 650..700);
        check(0..3, &one, &[held(1, 0..3)], vec![], 0..0);
        check(0..4, &one, &[held(1, 0..3)], vec![Step::Delete(id(1)), create(1, 0..4)], 0..0);
        check(0..2, &one, &[held(1, 0..3)], vec![Step::Delete(id(1)), create(1, 0..2)], 0..0);
        check(0..0, &one, &[held(1, 0..3)], vec![Step::Delete(id(1))], 0..0);
        check(0..3, &one, &[held(2, 0..3)], vec![Step::Delete(id(2)), create(1, 0..3)], 0..0);
        let due = Held { renew_at: NOW, ..held(1, 0..3) };
        check(0..3, &one, &[due], vec![Step::Renew(id(1))], 0..0);
        let old = Held { old_certificate: true, ..held(1, 0..3) };
        check(0..3, &one, &[old], vec![Step::Renew(id(1))], 0..0);
        let over = Held { expires_at: NOW, ..held(1, 0..3) };
        check(0..3, &one, &[over], vec![Step::Delete(id(1)), create(1, 0..3)], 0..0);
        let two = [account(1), account(2)];
        check(0..660, &two, &[held(1, 0..650)], vec![create(2, 650..660)], 0..0);
    }

    proptest! {
        #[test]
        fn everybody_is_watched_once_or_named(wanted in 0..2000u128, accounts in 0..4u128, watched in prop::collection::vec(0..1500u128, 0..4)) {
            let accounts: Vec<_> = (1..=accounts).map(account).collect();
            let held: Vec<_> = watched.iter().zip(1..).map(|(from, number)| held(number, *from..from + 300)).collect();
            let wanted = users(0..wanted);
            let plan = plan(&wanted, &accounts, &held, NOW);
            let deleted: Vec<_> = plan.steps.iter().filter_map(|step| if let Step::Delete(id) = step { Some(*id) } else { None }).collect();
            let kept = held.iter().filter(|held| !deleted.contains(&held.id)).map(|held| &held.users);
            let created = plan.steps.iter().filter_map(|step| if let Step::Create { users, .. } = step { Some(users) } else { None });
            let mut seen: Vec<_> = kept.chain(created).inspect(|users| assert!(users.len() <= USERS_PER_SUBSCRIPTION_MAX)).flatten().copied().collect();
            seen.extend(&plan.unwatched);
            seen.sort();
            prop_assert_eq!(seen, wanted.into_iter().collect::<Vec<_>>());
        }
    }
}
