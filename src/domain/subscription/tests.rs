//! The shard plan in tables, and its laws over random histories.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;

const NOW: Timestamp = Timestamp::UNIX_EPOCH;

fn user(number: u128) -> TeamsUserId {
    TeamsUserId(Uuid::from_u128(number))
}

fn users(range: std::ops::Range<u128>) -> BTreeSet<TeamsUserId> {
    range.map(user).collect()
}

fn account(number: u128) -> AccountId {
    AccountId(Uuid::from_u128(number))
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(1000 + number)
}

fn held(account_number: u128, watched: std::ops::Range<u128>) -> Held {
    Held {
        id: id(account_number),
        account: account(account_number),
        users: Arc::new(users(watched)),
        created_at: NOW - SignedDuration::from_mins(5),
        expires_at: NOW + SUBSCRIPTION_LIFE,
        renew_at: NOW + RENEWAL_AFTER_MIN,
        old_certificate: false,
        silent: false,
    }
}

fn create(number: u128, watched: std::ops::Range<u128>, replaces: Option<u128>) -> Step {
    Step::Create { account: account(number), users: users(watched), replaces: replaces.map(id) }
}

/// Everybody who came or went did so long ago.
fn long_ago(wanted: &BTreeSet<TeamsUserId>, held: &[Held]) -> Debounce {
    let mut debounce = Debounce::default();
    debounce.look(wanted, held, NOW - LEAVE_AFTER);
    debounce
}

fn check(
    wanted: std::ops::Range<u128>,
    accounts: &[u128],
    held: &[Held],
    steps: Vec<Step>,
    swept: &[(std::ops::Range<u128>, Why)],
) {
    let (wanted, accounts) = (users(wanted), accounts.iter().copied().map(account).collect::<Vec<_>>());
    let swept = swept.iter().flat_map(|(range, why)| range.clone().map(|number| (user(number), *why))).collect();
    assert_eq!(plan(&wanted, &accounts, held, &long_ago(&wanted, held), NOW), Plan { steps, swept });
}

#[test]
fn as_many_as_possible_are_watched() {
    check(0..0, &[1], &[], vec![], &[]);
    check(0..3, &[], &[], vec![], &[(0..3, Why::NoRoom)]);
    check(0..3, &[1], &[], vec![create(1, 0..3, None)], &[]);
    check(0..700, &[1], &[], vec![create(1, 0..650, None)], &[(650..700, Why::NoRoom)]);
    // A spare account is worth more than free places, and being watched more than a spare.
    check(0..620, &[1, 2], &[], vec![create(1, 0..620, None)], &[]);
    check(0..700, &[1, 2], &[], vec![create(1, 0..650, None), create(2, 650..700, None)], &[]);
    check(0..1200, &[1, 2, 3], &[], vec![create(1, 0..600, None), create(2, 600..1200, None)], &[]);
}

#[test]
fn who_comes_and_who_goes_changes_one_shard() {
    check(0..3, &[1], &[held(1, 0..3)], vec![], &[]);
    check(0..4, &[1], &[held(1, 0..3)], vec![Step::Delete(id(1)), create(1, 0..4, None)], &[]);
    check(0..4, &[1, 2], &[held(1, 0..3)], vec![create(2, 0..4, Some(1))], &[]);
    check(0..2, &[1], &[held(1, 0..3)], vec![Step::Delete(id(1)), create(1, 0..2, None)], &[]);
    check(0..2, &[1, 2], &[held(1, 0..3)], vec![create(2, 0..2, Some(1))], &[]);
    check(0..0, &[1], &[held(1, 0..3)], vec![Step::Delete(id(1))], &[]);
    check(0..660, &[1, 2], &[held(1, 0..650)], vec![create(2, 650..660, None)], &[]);
    // The spare goes round: what is freed by one makes the next before it breaks.
    check(
        0..1300,
        &[1, 2, 3],
        &[held(1, 0..640), held(2, 640..1280)],
        {
            let (first, second) =
                (users(0..640).into_iter().chain(users(1280..1290)), users(640..1280).into_iter().chain(users(1290..1300)));
            vec![
                Step::Create { account: account(3), users: first.collect(), replaces: Some(id(1)) },
                Step::Create { account: account(1), users: second.collect(), replaces: Some(id(2)) },
            ]
        },
        &[],
    );
}

#[test]
fn what_is_due_is_renewed_first_and_what_ended_made_anew() {
    let due = Held { renew_at: NOW, ..held(1, 0..3) };
    check(0..3, &[1], std::slice::from_ref(&due), vec![Step::Renew(id(1))], &[]);
    let set_back = Held { renew_at: NOW + RENEWAL_AFTER_MAX + SignedDuration::from_secs(61), ..held(1, 0..3) };
    check(0..3, &[1], &[set_back], vec![Step::Renew(id(1))], &[]);
    let skewed = Held { renew_at: NOW + RENEWAL_AFTER_MAX + SignedDuration::from_secs(60), ..held(1, 0..3) };
    check(0..3, &[1], &[skewed], vec![], &[]);
    let old = Held { old_certificate: true, ..held(1, 0..3) };
    check(0..3, &[1], &[old], vec![Step::Renew(id(1))], &[]);
    let over = Held { expires_at: NOW, ..held(1, 0..3) };
    check(0..3, &[1], std::slice::from_ref(&over), vec![Step::Delete(id(1)), create(1, 0..3, None)], &[]);
    let other = Held { expires_at: NOW, ..held(2, 3..6) };
    check(0..6, &[1, 2], &[due, other], vec![Step::Renew(id(1)), Step::Delete(id(2)), create(2, 3..6, None)], &[]);
    let silent = Held { silent: true, ..held(1, 0..3) };
    check(0..3, &[1, 2], &[silent], vec![Step::Delete(id(1)), create(1, 0..3, None)], &[]);
}

#[test]
fn a_failing_accounts_users_go_where_there_is_room_at_once() {
    // What it holds is left alone: nobody can delete it, and it tells until it ends.
    check(0..3, &[], &[held(2, 0..3)], vec![], &[(0..3, Why::Lost)]);
    check(0..3, &[1], &[held(2, 0..3)], vec![create(1, 0..3, None)], &[]);
    check(
        0..1300,
        &[1, 2],
        &[held(1, 0..600), held(3, 600..1200)],
        {
            let joined = users(0..600).into_iter().chain(users(1250..1300));
            vec![
                create(2, 600..1250, None),
                Step::Delete(id(1)),
                Step::Create { account: account(1), users: joined.collect(), replaces: None },
            ]
        },
        &[],
    );
    // Nobody who is well is broken for them: the spare takes all.
    let shards = [held(1, 0..600), held(2, 600..1200), held(3, 1200..1840)];
    check(0..1840, &[1, 2, 4], &shards, vec![create(4, 1200..1840, None)], &[]);
    // It was taken over, and now it is well again: what it still holds is not needed.
    let newer = Held { created_at: NOW, ..held(1, 0..3) };
    check(0..3, &[1, 2], &[newer, held(2, 0..3)], vec![Step::Delete(id(2))], &[]);
}

/// Every account is dead: each of the users is looked up once, not in each list.
#[test]
fn whoever_is_on_a_list_that_nobody_tends_is_lost_and_whoever_is_on_none_is_new() {
    let held: Vec<Held> = (0..20).map(|number| held(number, number * 650..(number + 1) * 650)).collect();
    let wanted = users(0..13_100);
    let mut debounce = Debounce::default();
    debounce.look(&wanted, &held, NOW);
    assert!(debounce.is_listed(user(12_999)) && !debounce.is_listed(user(13_000)));
    let planned = plan(&wanted, &[], &held, &long_ago(&wanted, &held), NOW);
    assert_eq!(planned.swept.values().filter(|why| **why == Why::Lost).count(), 13_000);
    assert_eq!(planned.swept.values().filter(|why| **why == Why::NoRoom).count(), 100);
}

#[test]
fn changes_wait_for_one_another() {
    let mut debounce = Debounce::default();
    debounce.look(&users(0..3), &[held(1, 0..3)], NOW);
    let mut at = |wanted: std::ops::Range<u128>, seconds: i64| {
        let (wanted, now) = (users(wanted), NOW + SignedDuration::from_secs(seconds));
        // It has been renewed all the while.
        let held = [Held { expires_at: now + SUBSCRIPTION_LIFE, renew_at: now + RENEWAL_AFTER_MIN, ..held(1, 0..3) }];
        debounce.look(&wanted, &held, now);
        plan(&wanted, &[account(1)], &held, &debounce, now)
    };
    let joining =
        |range: std::ops::Range<u128>| Plan { steps: vec![], swept: range.map(|number| (user(number), Why::Joining)).collect() };
    assert_eq!(at(0..4, 10), joining(3..4));
    assert_eq!(at(0..5, 25), joining(3..5), "another came: both wait");
    assert_eq!(at(0..5, 44), joining(3..5));
    assert_eq!(at(0..5, 45).steps.len(), 2, "quiet for 20 s");
    for second in (50..=120).step_by(10) {
        assert_eq!(at(0..u128::try_from(second).unwrap(), second).steps, vec![], "they keep coming");
    }
    let waited = at(0..130, 130);
    assert_eq!(waited.steps.len(), 2, "after two minutes whoever came first waits no more, and takes all along: {waited:?}");
    assert_eq!(waited.swept, BTreeMap::new());
    assert_eq!(at(0..2, 200), joining(0..0), "somebody left: nothing changes");
    assert_eq!(at(0..2, 200 + 3599), joining(0..0));
    assert_eq!(at(0..2, 200 + 3600).steps.len(), 2, "after an hour the list changes");
}

#[test]
fn nothing_is_planned_anew_before_something_else_could_come_of_it() {
    let (accounts, stands) = ([account(1), account(2)], [held(1, 0..3)]);
    let mut debounce = Debounce::default();
    debounce.look(&users(0..3), &stands, NOW);
    let settled = Settled::of(&accounts, &stands, &debounce, NOW);
    let later = NOW + SignedDuration::from_mins(50);
    assert!(settled.holds(&accounts, &stands, NOW) && settled.holds(&accounts, &stands, later));
    assert!(!settled.holds(&accounts, &stands, NOW - SignedDuration::from_secs(1)), "the clock was set back");
    assert!(!settled.holds(&accounts[..1], &stands, later), "an account fails");
    assert!(!settled.holds(&accounts, &[], later), "a subscription is gone");
    assert!(!settled.holds(&accounts, &stands, NOW + SUBSCRIPTION_LIFE), "it has ended");
    assert!(!settled.holds(&accounts, &[Held { silent: true, ..held(1, 0..3) }], later), "it is silent");
    assert_eq!(renewals(&accounts, &stands, later), [Step::Renew(id(1))]);
    assert_eq!(renewals(&accounts[1..], &stands, later), [], "what nobody can tend is left alone");
    let check = |wanted: std::ops::Range<u128>, seconds| {
        let mut debounce = debounce.clone();
        debounce.look(&users(wanted), &stands, NOW);
        let until = debounce.next_after(NOW).unwrap();
        assert_eq!(until, NOW + SignedDuration::from_secs(seconds));
        let settled = Settled::of(&accounts, &stands, &debounce, NOW);
        let renewed = [Held { expires_at: until + SUBSCRIPTION_LIFE, ..held(1, 0..3) }];
        assert!(settled.holds(&accounts, &renewed, until - SignedDuration::from_secs(1)));
        assert!(!settled.holds(&accounts, &renewed, until));
    };
    check(0..4, 20);
    check(0..2, 3600);
}

/// What may happen.
#[derive(Clone, Debug)]
enum Event {
    Join(u128),
    Leave(u16),
    Enrol,
    /// An account fails, or works again.
    Toggle(u8),
    /// Graph loses a subscription, or it is found silent.
    Lose(u8),
    Silence(u8),
    Pass(i64),
    /// A plan is carried out only in part, and then time passes.
    Interrupted(u8),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        3 => prop_oneof![Just(1_u128), 1..30_u128, 400..900_u128].prop_map(Event::Join),
        2 => any::<u16>().prop_map(Event::Leave),
        2 => Just(Event::Enrol),
        1 => any::<u8>().prop_map(Event::Toggle),
        1 => any::<u8>().prop_map(Event::Lose),
        1 => any::<u8>().prop_map(Event::Silence),
        3 => prop_oneof![1..30_i64, 100..1000_i64, 3000..8000_i64].prop_map(Event::Pass),
        1 => any::<u8>().prop_map(Event::Interrupted),
    ]
}

/// Graph, the accounts and the people, as the plan sees them.
#[derive(Default)]
struct Tenant {
    wanted: BTreeSet<TeamsUserId>,
    next_user: u128,
    accounts: Vec<AccountId>,
    failing: BTreeSet<AccountId>,
    held: Vec<Held>,
    debounce: Debounce,
    seconds: i64,
    made: u128,
}

impl Tenant {
    fn now(&self) -> Timestamp {
        NOW + SignedDuration::from_secs(self.seconds)
    }

    fn usable(&self) -> Vec<AccountId> {
        self.accounts.iter().filter(|account| !self.failing.contains(account)).copied().collect()
    }

    fn plan(&mut self) -> Plan {
        let (now, usable) = (self.now(), self.usable());
        self.debounce.look(&self.wanted, &self.held, now);
        plan(&self.wanted, &usable, &self.held, &self.debounce, now)
    }

    /// How often each user is watched by somebody who can be relied on.
    fn watched(&self) -> HashMap<TeamsUserId, usize> {
        let (now, usable) = (self.now(), self.usable());
        let mut watched = HashMap::new();
        for held in self.held.iter().filter(|held| held.expires_at > now && usable.contains(&held.account)) {
            held.users.iter().for_each(|user| *watched.entry(*user).or_default() += 1);
        }
        watched
    }

    fn take(&mut self, step: &Step) {
        let now = self.now();
        match step {
            Step::Renew(id) => {
                for held in self.held.iter_mut().filter(|held| held.id == *id) {
                    (held.expires_at, held.renew_at, held.old_certificate) =
                        (now + SUBSCRIPTION_LIFE, now + RENEWAL_AFTER_MIN, false);
                }
            }
            Step::Delete(id) => self.held.retain(|held| held.id != *id),
            Step::Create { account, users, replaces } => {
                let is_free = self.held.iter().all(|held| held.account != *account || held.expires_at <= now);
                assert!(is_free, "Graph gives an account one subscription");
                assert!(!users.is_empty() && users.len() <= USERS_PER_SUBSCRIPTION_MAX);
                assert!(self.usable().contains(account));
                self.made += 1;
                self.held.push(Held {
                    id: id(self.made),
                    account: *account,
                    users: Arc::new(users.clone()),
                    created_at: now,
                    expires_at: now + SUBSCRIPTION_LIFE,
                    renew_at: now + RENEWAL_AFTER_MIN,
                    old_certificate: false,
                    silent: false,
                });
                self.held.retain(|held| Some(held.id) != *replaces);
            }
        }
    }

    fn happens(&mut self, event: &Event) {
        match event {
            Event::Join(many) => {
                self.wanted.extend((0..*many).map(|number| user(self.next_user + number)));
                self.next_user += many;
            }
            Event::Leave(which) => {
                let index = usize::from(*which) % self.wanted.len().max(1);
                if let Some(leaver) = self.wanted.iter().nth(index).copied() {
                    self.wanted.remove(&leaver);
                }
            }
            Event::Enrol => self.accounts.push(account(self.accounts.len() as u128)),
            Event::Toggle(which) => {
                if let Some(account) = self.accounts.get(usize::from(*which) % self.accounts.len().max(1))
                    && !self.failing.remove(account)
                {
                    self.failing.insert(*account);
                }
            }
            Event::Lose(which) => {
                let index = usize::from(*which) % self.held.len().max(1);
                if index < self.held.len() {
                    self.held.remove(index);
                }
            }
            Event::Silence(which) => {
                let index = usize::from(*which) % self.held.len().max(1);
                if let Some(held) = self.held.get_mut(index) {
                    held.silent = true;
                }
            }
            Event::Pass(seconds) => self.seconds += seconds,
            Event::Interrupted(_) => {}
        }
    }

    /// Carries the plan out and holds it to what must always be.
    fn settle(&mut self) -> Result<(), TestCaseError> {
        let before = self.watched();
        let usable = self.usable();
        let plan = self.plan();
        let created = plan.steps.iter().filter(|step| matches!(step, Step::Create { replaces: None, .. })).count();
        let taken = |account: &AccountId| self.held.iter().any(|held| held.account == *account && held.expires_at > self.now());
        let had_spare = usable.iter().filter(|account| !taken(account)).count() > created;
        let silent: BTreeSet<TeamsUserId> =
            self.held.iter().filter(|held| held.silent).flat_map(|held| held.users.iter().copied()).collect();
        for step in &plan.steps {
            self.take(step);
            if had_spare {
                let watched = self.watched();
                let dropped = before
                    .keys()
                    .find(|user| self.wanted.contains(user) && !silent.contains(user) && !watched.contains_key(user));
                prop_assert_eq!(dropped, None, "with a spare account nobody is unwatched for a moment: {:?}", &plan.steps);
            }
        }
        let watched = self.watched();
        for user in &self.wanted {
            let places = watched.get(user).copied().unwrap_or(0) + usize::from(plan.swept.contains_key(user));
            prop_assert_eq!(places, 1, "{:?} has one place: {:?}", user, plan.swept.get(user));
        }
        prop_assert!(plan.swept.keys().all(|user| self.wanted.contains(user)));
        let free: usize = usable.len() * USERS_PER_SUBSCRIPTION_MAX;
        let without_room = plan.swept.values().filter(|why| **why != Why::Joining).count();
        let still_listed = watched.keys().filter(|user| !self.wanted.contains(user)).count();
        prop_assert!(
            without_room == 0 || watched.len() == free || still_listed > 0,
            "as many as possible: {without_room} {}",
            watched.len()
        );
        let again = self.plan();
        prop_assert_eq!(again.steps, vec![], "what was carried out is what was wanted");
        Ok(())
    }

    /// As long as everything is settled, a plan would ask for the renewals and sweep the same users.
    fn stays_settled(&mut self, seconds: &[i64]) -> Result<(), TestCaseError> {
        let before = self.plan();
        let settled = Settled::of(&self.usable(), &self.held, &self.debounce, self.now());
        for passed in seconds {
            self.seconds += passed;
            let (usable, now) = (self.usable(), self.now());
            if settled.holds(&usable, &self.held, now) {
                let mut renewals = renewals(&usable, &self.held, now);
                let mut planned = self.plan();
                renewals.sort_by_key(|step| format!("{step:?}"));
                planned.steps.sort_by_key(|step| format!("{step:?}"));
                prop_assert_eq!(&planned.steps, &renewals, "{} s", passed);
                prop_assert_eq!(&planned.swept, &before.swept);
                for step in &renewals {
                    self.take(step);
                }
            }
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn everybody_has_one_place_whatever_happens(events in prop::collection::vec(event(), 1..60)) {
        let mut tenant = Tenant::default();
        for event in &events {
            tenant.happens(event);
            if let Event::Interrupted(steps) = event {
                let plan = tenant.plan();
                plan.steps.iter().take(usize::from(*steps) % (plan.steps.len() + 1)).for_each(|step| tenant.take(step));
                tenant.seconds += 30;
            }
            tenant.settle()?;
        }
    }

    #[test]
    fn while_everything_is_settled_a_plan_would_ask_for_renewals_only(
        events in prop::collection::vec(event(), 1..30),
        seconds in prop::collection::vec(prop_oneof![Just(-5_i64), 1..40_i64, 300..1300_i64], 1..12),
    ) {
        let mut tenant = Tenant::default();
        for event in &events {
            tenant.happens(event);
            tenant.settle()?;
        }
        tenant.stays_settled(&seconds)?;
    }

    #[test]
    fn one_who_comes_changes_one_shard_and_one_who_leaves_none_at_once(
        many in 1..3000_u128, accounts in 1..7_u8, leaver in any::<u16>(),
    ) {
        let mut tenant = Tenant::default();
        (0..accounts).for_each(|_| tenant.happens(&Event::Enrol));
        tenant.happens(&Event::Join(many));
        tenant.settle()?;
        tenant.happens(&Event::Leave(leaver));
        prop_assert_eq!(tenant.plan().steps, vec![]);
        tenant.happens(&Event::Pass(60));
        tenant.happens(&Event::Join(1));
        prop_assert_eq!(tenant.plan().steps, vec![]);
        tenant.happens(&Event::Pass(30));
        let plan = tenant.plan();
        let creates = plan.steps.iter().filter(|step| matches!(step, Step::Create { .. })).count();
        prop_assert!(creates <= 1 && plan.steps.len() <= 2, "{:?}", plan.steps);
        tenant.settle()?;
    }

    #[test]
    fn an_account_that_fails_is_taken_over_where_a_spare_stands_ready(many in 1..2400_u128, which in any::<u8>()) {
        let mut tenant = Tenant::default();
        let accounts = many.div_ceil(600) + 1;
        (0..accounts).for_each(|_| tenant.happens(&Event::Enrol));
        tenant.happens(&Event::Join(many));
        tenant.settle()?;
        tenant.happens(&Event::Toggle(which));
        let had_users = tenant.held.iter().any(|held| tenant.failing.contains(&held.account));
        let steps = tenant.plan().steps;
        prop_assert!(steps.iter().all(|step| matches!(step, Step::Create { .. })), "no healthy one is broken: {:?}", steps);
        prop_assert_eq!(steps.len(), usize::from(had_users));
        tenant.settle()?;
        prop_assert_eq!(tenant.plan().swept.len(), 0);
    }
}
