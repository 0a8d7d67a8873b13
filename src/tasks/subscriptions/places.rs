//! Who is watched once the steps were taken, as far as they could be, and saying loudly what is missing.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::{Look, Subscriptions};
use crate::domain::ids::TeamsUserId;
use crate::domain::subscription::{AccountId, Coverage, Debounce, Settled, Step, Why};
use crate::store::mark::{AsOf, Table};
use crate::store::subscription::Lists;
use crate::tasks::TaskError;

/// Who should be watched is read anew so often, whatever the marks say: of whoever is not synchronised, what is still shown counts as
/// well, and decisions write no mark.
const WANTED_AGE_MAX: SignedDuration = SignedDuration::from_mins(5);

/// What is remembered from run to run.
#[derive(Debug)]
pub struct Known {
    pub(super) debounce: Debounce,
    /// Who is watched by which subscription.
    pub(super) lists: Lists,
    wanted: Option<Wanted>,
    /// What the last plan rested on, if it left nothing to be done and the users are the same.
    pub(super) settled: Option<Settled>,
    /// As stored.
    swept: BTreeMap<TeamsUserId, Why>,
    /// As last told.
    coverage: Option<Coverage>,
    /// That many are silent at once was told.
    pub(super) silent_together: bool,
}

/// Who should be watched, as last read.
#[derive(Debug)]
struct Wanted {
    as_of: AsOf,
    users: Arc<BTreeSet<TeamsUserId>>,
}

impl Known {
    pub(super) fn swept(&self) -> &BTreeMap<TeamsUserId, Why> {
        &self.swept
    }

    pub(super) fn recalled(swept: BTreeMap<TeamsUserId, Why>) -> Self {
        let lost = swept.iter().filter(|(_, why)| **why == Why::Lost).map(|(user, _)| *user).collect();
        Self {
            debounce: Debounce::recalling(lost),
            lists: Lists::default(),
            wanted: None,
            settled: None,
            swept,
            coverage: None,
            silent_together: false,
        }
    }
}

/// What stands at Graph while the steps are taken.
pub(super) struct Standing<'a> {
    /// Accounts that hold a subscription, whether they can still tend it or not.
    taken: HashMap<AccountId, Option<Uuid>>,
    /// Subscriptions that can be relied on, as known at first, and those made since.
    watching: HashMap<Uuid, &'a BTreeSet<TeamsUserId>>,
    made: Vec<BTreeSet<TeamsUserId>>,
    /// Users for whom a subscription is still to be made.
    awaited: HashSet<TeamsUserId>,
    /// Something failed lately: what works is not to be broken.
    pub(super) fails: bool,
    /// The run ended before all steps could be taken.
    pub(super) unfinished: bool,
    /// A subscription was made, or one is gone.
    pub(super) changed: bool,
}

impl<'a> Standing<'a> {
    pub(super) fn of(look: &'a Look, accounts: &[AccountId], steps: &[Step]) -> Self {
        let live = || look.stored.iter().filter(|stored| stored.expires_at > look.now);
        let reliable = live().filter(|stored| accounts.contains(&stored.account));
        let created = steps.iter().filter_map(|step| match step {
            Step::Create { users, .. } => Some(users),
            Step::Renew(_) | Step::Delete(_) => None,
        });
        Self {
            taken: live().map(|stored| (stored.account, Some(stored.id))).collect(),
            watching: reliable.map(|stored| (stored.id, &*stored.users)).collect(),
            made: Vec::new(),
            awaited: created.flatten().copied().collect(),
            fails: false,
            unfinished: false,
            changed: false,
        }
    }

    pub(super) fn is_taken(&self, account: AccountId) -> bool {
        self.taken.contains_key(&account)
    }

    pub(super) fn made(&mut self, account: AccountId, users: &BTreeSet<TeamsUserId>) {
        self.changed = true;
        self.taken.insert(account, None);
        for user in users {
            self.awaited.remove(user);
        }
        self.made.push(users.clone());
    }

    pub(super) fn gone(&mut self, id: Uuid) {
        self.changed = true;
        self.watching.remove(&id);
        self.taken.retain(|_, held| *held != Some(id));
    }

    /// Whether one of these waits for a subscription that could not be made yet.
    pub(super) fn is_awaited(&self, users: &BTreeSet<TeamsUserId>) -> bool {
        users.iter().any(|user| self.awaited.contains(user))
    }

    /// Whom nothing watches now that can be relied on, and why: as planned, or `otherwise` where one is planned that does not stand.
    pub(super) fn swept(
        &self,
        wanted: &BTreeSet<TeamsUserId>,
        planned: &BTreeMap<TeamsUserId, Why>,
        otherwise: impl Fn(TeamsUserId) -> Option<Why>,
    ) -> BTreeMap<TeamsUserId, Why> {
        let watched: HashSet<&TeamsUserId> = self.watching.values().copied().chain(&self.made).flatten().collect();
        let unwatched = wanted.iter().filter(|user| !watched.contains(user));
        unwatched.filter_map(|user| Some((*user, planned.get(user).copied().or_else(|| otherwise(*user))?))).collect()
    }
}

impl Subscriptions {
    /// Who should be watched: read only if something may have changed about it. The mark comes first: what changes behind it is read again.
    pub(super) async fn wanted(&self, known: &mut Known, now: Timestamp) -> Result<Arc<BTreeSet<TeamsUserId>>, TaskError> {
        let mark = self.store.mark(&[Table::People, Table::TeamsSync]).await?;
        if let Some(wanted) = known.wanted.as_ref().filter(|wanted| wanted.as_of.holds(&mark, now, WANTED_AGE_MAX)) {
            return Ok(Arc::clone(&wanted.users));
        }
        let users = Arc::new(self.store.users_to_watch().await?);
        if known.wanted.as_ref().is_none_or(|before| before.users != users) {
            known.settled = None;
        }
        known.wanted = Some(Wanted { as_of: AsOf::new(mark, now), users: Arc::clone(&users) });
        Ok(users)
    }

    /// Writes down who is swept only, as far as that has changed.
    pub(super) async fn note_places(
        &self,
        known: &mut Known,
        swept: BTreeMap<TeamsUserId, Why>,
        now: Timestamp,
    ) -> Result<(), TaskError> {
        let new: Vec<(TeamsUserId, Why)> =
            swept.iter().filter(|(user, why)| known.swept.get(user) != Some(why)).map(|(user, why)| (*user, *why)).collect();
        let no_more: Vec<TeamsUserId> = known.swept.keys().filter(|user| !swept.contains_key(user)).copied().collect();
        if !new.is_empty() || !no_more.is_empty() {
            self.store.note_swept(&new, &no_more, now).await?;
            known.swept = swept;
        }
        Ok(())
    }

    /// Says how many accounts are missing, when that changes.
    pub(super) fn report(known: &mut Known, look: &Look, accounts: &[AccountId]) {
        let coverage = Coverage::of(look.wanted.len(), accounts.len());
        if known.coverage.is_none_or(|before| before.accounts_missing != coverage.accounts_missing) {
            if coverage.accounts_missing > 0 {
                tracing::warn!(
                    accounts_missing = coverage.accounts_missing,
                    accounts = coverage.accounts,
                    users = coverage.users,
                    "too few subscriber accounts: users whom none watches are swept only; enrol more with `presence-gateway sign-in`"
                );
            } else if known.coverage.is_some() {
                tracing::info!(accounts = coverage.accounts, "there are subscriber accounts enough for everybody");
            }
        }
        known.coverage = Some(coverage);
    }
}
