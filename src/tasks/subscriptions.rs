//! Keeps Graph telling us: certificates, subscriber accounts' tokens, and one subscription per account, renewed long before it ends.

mod acting;
mod care;
mod places;
mod silent;

pub use acting::is_ours;
pub use care::account_token;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use url::Url;
use uuid::Uuid;

use self::places::{Known, Standing};
use super::driver::{Task, chain};
use super::tenure::{LEASE_LIFE, Tenure};
use super::{Activators, Progress, TaskError};
use crate::clock::Clock;
use crate::domain::ids::TeamsUserId;
use crate::domain::subscription::{AccountId, Held, Listening, Settled, Step, Why, plan, renewals};
use crate::graph::client::{Client, Error};
use crate::graph::token::Delegated;
use crate::store::Store;
use crate::store::account::Account;
use crate::store::certificate::StoredCertificate;
use crate::store::lease::Lease;
use crate::store::subscription::StoredSubscription;
use crate::telemetry::Metrics;

const LEASE: &str = "subscriptions";
/// After a step failed, its account rests.
const RETRY_AFTER: SignedDuration = SignedDuration::from_secs(30);
/// A run takes no further step after so long; the next one looks anew.
const RUN_MAX: SignedDuration = SignedDuration::from_secs(60);

/// Where Graph posts to.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// Change notifications.
    pub notifications: Url,
    /// Lifecycle notifications.
    pub lifecycle: Url,
}

/// Keeps subscriptions.
pub struct Subscriptions {
    /// Our memory.
    pub store: Store,
    /// Where subscriptions are made.
    pub graph: Arc<Client>,
    /// Where accounts' tokens come from.
    pub delegated: Delegated,
    /// Where Graph posts to.
    pub addresses: Addresses,
    /// The app registration, to tell our subscriptions from others'.
    pub client_id: Uuid,
    /// Who we are among the replicas.
    pub replica: Uuid,
    /// Time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
    /// Whom this wakes.
    pub activators: Activators,
    /// Accounts for which something failed, and until when nothing more is tried.
    pub resting: Mutex<HashMap<AccountId, Timestamp>>,
    /// What is remembered from run to run while the lease is ours; `None`: it is read anew.
    pub known: Mutex<Option<Known>>,
}

/// What a run sees.
struct Look {
    now: Timestamp,
    accounts: Vec<Account>,
    stored: Vec<StoredSubscription>,
    listening: HashMap<Uuid, Listening>,
    /// Whether what was told is read soon enough to say what was not.
    hears: bool,
    wanted: Arc<BTreeSet<TeamsUserId>>,
    certificate: StoredCertificate,
    /// Subscriptions whose secret a key opens.
    secrets: BTreeSet<Uuid>,
}

impl Task for Subscriptions {
    fn name(&self) -> &'static str {
        "subscriptions"
    }

    fn run(&self) -> BoxFuture<'_, Result<Progress, TaskError>> {
        let lease = Lease { name: LEASE, holder: self.replica };
        let tenure = Tenure { store: &self.store, clock: &self.clock, lease };
        async move {
            let tended = Box::pin(tenure.during(self.tend(lease))).await?;
            if tended.is_none() {
                self.remember(None);
            }
            Ok(tended.unwrap_or(Progress::Idle))
        }
        .boxed()
    }
}

impl Subscriptions {
    async fn tend(&self, lease: Lease) -> Result<Progress, TaskError> {
        let now = self.clock.now();
        let mut known = match self.recall() {
            Some(known) => known,
            None => Known::recalled(self.store.swept_users().await?),
        };
        let look = self.look(&mut known, now).await?;
        self.note_silent(&look).await?;
        let mut held: Vec<Held> = look.stored.iter().map(|stored| self.held(stored, &look)).collect();
        silent::hold_back(&mut held, &look, &mut known);
        let accounts = self.usable(&look);
        let settled = known.settled.take().filter(|settled| settled.holds(&accounts, &held, now));
        let (mut failed, unfinished) = match settled {
            Some(settled) => self.renew_all(settled, &look, (&accounts, &held), lease, &mut known).await?,
            None => self.plan_anew(&look, (&accounts, &held), lease, &mut known).await?,
        };
        failed = self.look_after(&look).await.or(failed);
        Self::report(&mut known, &look, &accounts);
        self.remember(Some(known));
        let done = if unfinished { Progress::More } else { Progress::Idle };
        failed.map_or(Ok(done), Err)
    }

    /// Nothing has changed that a plan would look at: what is due is renewed, and everybody's place stays what it is.
    async fn renew_all(
        &self,
        settled: Settled,
        look: &Look,
        (accounts, held): (&[AccountId], &[Held]),
        lease: Lease,
        known: &mut Known,
    ) -> Result<(Option<TaskError>, bool), TaskError> {
        let steps = renewals(accounts, held, look.now);
        let mut standing = Standing::of(look, accounts, &steps);
        let mut failed = self.carry_out(&steps, look, lease, &mut standing).await;
        failed = self.see_off(look, &standing).await.or(failed);
        if standing.changed {
            let swept = standing.swept(&look.wanted, known.swept(), |_| Some(Why::Lost));
            self.note_places(known, swept, look.now).await?;
        } else {
            known.settled = Some(settled);
        }
        Ok((failed, standing.unfinished))
    }

    async fn plan_anew(
        &self,
        look: &Look,
        (accounts, held): (&[AccountId], &[Held]),
        lease: Lease,
        known: &mut Known,
    ) -> Result<(Option<TaskError>, bool), TaskError> {
        known.debounce.look(&look.wanted, held, look.now);
        let plan = plan(&look.wanted, accounts, held, &known.debounce, look.now);
        let mut standing = Standing::of(look, accounts, &plan.steps);
        if !plan.steps.is_empty() {
            // Steps may take long: whoever has lost theirs is swept faster from now on.
            let is_lost = |user| known.debounce.is_lost(user) || known.debounce.is_listed(user);
            let swept = standing.swept(&look.wanted, &plan.swept, |user| is_lost(user).then_some(Why::Lost));
            self.note_places(known, swept, look.now).await?;
        }
        let mut failed = self.carry_out(&plan.steps, look, lease, &mut standing).await;
        failed = self.see_off(look, &standing).await.or(failed);
        let only_renews = plan.steps.iter().all(|step| matches!(step, Step::Renew(_)));
        let swept =
            if plan.steps.is_empty() { plan.swept } else { standing.swept(&look.wanted, &plan.swept, |_| Some(Why::Lost)) };
        self.note_places(known, swept, look.now).await?;
        if only_renews && !standing.changed {
            known.settled = Some(Settled::of(accounts, held, &known.debounce, look.now));
        }
        Ok((failed, standing.unfinished))
    }

    async fn look(&self, known: &mut Known, now: Timestamp) -> Result<Look, TaskError> {
        Ok(Look {
            now,
            certificate: self.certificate(now).await?,
            accounts: self.store.accounts().await?,
            stored: self.store.subscriptions(&mut known.lists).await?,
            listening: self.store.listening(now).await?,
            hears: self.hears(now).await?,
            wanted: self.wanted(known, now).await?,
            secrets: self.store.client_states().await?.into_iter().map(|(id, _)| id).collect(),
        })
    }

    /// Accounts that may hold a subscription now, those that failed lately last. One that rests stays: without it a list would be
    /// broken before it is made, for want of a spare that is there again in half a minute.
    fn usable(&self, look: &Look) -> Vec<AccountId> {
        let holds: HashSet<AccountId> =
            look.stored.iter().filter(|stored| stored.expires_at > look.now).map(|stored| stored.account).collect();
        // What a refused one still holds tells until it ends.
        let is_well = |account: &&Account| {
            let may = !account.is_refused(look.now) || holds.contains(&account.id);
            account.problem.is_none() && !account.leaving && may
        };
        let failed_lately =
            |account: &&Account| account.refusals > 0 || (!holds.contains(&account.id) && self.rests(account.id, look.now));
        let (last, first): (Vec<&Account>, Vec<&Account>) = look.accounts.iter().filter(is_well).partition(failed_lately);
        first.into_iter().chain(last).map(|account| account.id).collect()
    }

    /// A subscription that posts elsewhere than we listen, or whose secret no key opens any more, is as good as none.
    fn held(&self, stored: &StoredSubscription, look: &Look) -> Held {
        let account = look.account(stored.account);
        let is_silent = look.listening.get(&stored.id).is_some_and(Listening::is_silent);
        Held {
            id: stored.id,
            account: stored.account,
            users: Arc::clone(&stored.users),
            created_at: stored.created_at,
            expires_at: if self.is_useless(stored, look) { Timestamp::MIN } else { stored.expires_at },
            renew_at: stored.renew_at,
            old_certificate: stored.certificate != look.certificate.id,
            silent: is_silent && look.hears && account.is_some_and(|account| account.silence.may_end(look.now)),
        }
    }

    fn is_useless(&self, stored: &StoredSubscription, look: &Look) -> bool {
        stored.notification_url != self.addresses.notifications.as_str() || !look.secrets.contains(&stored.id)
    }

    /// Takes each step that can be taken now; whatever fails lets its account rest, and its users are swept meanwhile. While
    /// anything fails nothing that works is broken to be made anew: it might not come back, and the next neither.
    async fn carry_out(&self, steps: &[Step], look: &Look, lease: Lease, standing: &mut Standing<'_>) -> Option<TaskError> {
        let mut failed = None;
        let began = self.clock.now();
        standing.fails = self.anybody_rests(self.clock.now()) || look.several_are_refused();
        for (index, step) in steps.iter().enumerate() {
            let Some(account) = account_of(step, look) else { continue };
            let waits_for_its_account = matches!(step, Step::Create { .. }) && standing.is_taken(account);
            let breaks_what_works = standing.fails && breaks(step, steps.get(index + 1), look);
            let is_left_alone = self.rests(account, self.clock.now()) || look.is_refused(account);
            if waits_for_its_account || breaks_what_works || is_left_alone {
                continue;
            }
            if takes_too_long(began, self.clock.now()) {
                standing.unfinished = true;
                break;
            }
            // Each step may take long; whoever has lost the lease meanwhile must not undo what its new holder does.
            match self.store.keep_lease(lease, self.clock.now(), LEASE_LIFE).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => return Some(error.into()),
            }
            if let Err(error) = self.take(step, look, standing).await {
                tracing::warn!(error = %chain(&error), "a subscription could not be tended; its users are swept meanwhile");
                standing.fails = true;
                // To wait is everybody's: the next step would be told the same.
                let is_everybodys = matches!(error, TaskError::Graph(Error::Wait { .. }));
                failed = Some(error);
                if is_everybodys {
                    break;
                }
                self.rest(account, self.clock.now() + RETRY_AFTER);
            }
        }
        failed
    }

    fn rests(&self, account: AccountId, now: Timestamp) -> bool {
        let resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.get(&account).is_some_and(|until| is_still(*until, now))
    }

    fn anybody_rests(&self, now: Timestamp) -> bool {
        let resting = self.resting.lock().unwrap_or_else(PoisonError::into_inner);
        resting.values().any(|until| is_still(*until, now))
    }

    fn rest(&self, account: AccountId, until: Timestamp) {
        self.resting.lock().unwrap_or_else(PoisonError::into_inner).insert(account, until);
    }

    fn recall(&self) -> Option<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn remember(&self, known: Option<Known>) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }
}

/// Whether it is time to look again: a renewal may have become due, and the places have changed.
fn takes_too_long(began: Timestamp, now: Timestamp) -> bool {
    now < began || now.duration_since(began) >= RUN_MAX
}

/// A clock that was set back lets nobody rest for longer.
fn is_still(until: Timestamp, now: Timestamp) -> bool {
    until > now && until <= now + RETRY_AFTER
}

/// Whether this takes away what lives, so that its account can have another.
fn breaks(step: &Step, next: Option<&Step>, look: &Look) -> bool {
    let (Step::Delete(id), Some(Step::Create { account, replaces: None, .. })) = (step, next) else { return false };
    look.stored(*id).is_some_and(|stored| stored.account == *account && stored.expires_at > look.now)
}

fn account_of(step: &Step, look: &Look) -> Option<AccountId> {
    match step {
        Step::Create { account, .. } => Some(*account),
        Step::Renew(id) | Step::Delete(id) => look.stored(*id).map(|stored| stored.account),
    }
}

impl Look {
    fn stored(&self, id: Uuid) -> Option<&StoredSubscription> {
        self.stored.iter().find(|stored| stored.id == id)
    }

    /// One account may be haunted; where several are, Graph may refuse whatever is asked next.
    fn several_are_refused(&self) -> bool {
        let is_refused = |account: &&Account| account.refusals > 0 && account.problem.is_none() && !account.leaving;
        self.accounts.iter().filter(is_refused).count() > 1
    }

    fn is_refused(&self, id: AccountId) -> bool {
        self.account(id).is_some_and(|account| account.is_refused(self.now))
    }

    fn account(&self, id: AccountId) -> Option<&Account> {
        self.accounts.iter().find(|account| account.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_ends_after_a_minute_and_nobody_rests_longer_for_a_clock_set_back() {
        let at = |seconds| Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds);
        for (seconds, expected) in [(0, false), (59, false), (60, true), (-1, true)] {
            assert_eq!(takes_too_long(at(0), at(seconds)), expected, "{seconds}");
        }
        for (seconds, expected) in [(0, false), (1, true), (30, true), (31, false)] {
            assert_eq!(is_still(at(seconds), at(0)), expected, "{seconds}");
        }
    }
}
