//! Subscriber accounts: their tokens, what is wrong with them, those that are to go, and those that stand ready.

use std::collections::HashSet;

use jiff::SignedDuration;

use super::places::Standing;
use super::{Look, RETRY_AFTER, Subscriptions};
use crate::clock::Clock;
use crate::domain::subscription::{AccountId, Listening, TROUBLED_RETRY};
use crate::graph::SubscriptionId;
use crate::graph::token::{AccessToken, Delegated, Error};
use crate::store::account::Account;
use crate::store::subscription::StoredSubscription;
use crate::store::{Store, StoreError};
use crate::tasks::TaskError;
use crate::tasks::driver::chain;

/// An account that holds nothing proves so often that it could: a spare one must not turn out dead when it is needed, and a
/// refresh token that nobody uses dies after 90 days.
const PROVED_EVERY: SignedDuration = SignedDuration::from_hours(6);

/// Graph stops delivering when the token of the last renewal ends: every step takes a fresh one.
///
/// # Errors
/// Entra ID gives none, or nothing could be kept. What is wrong with the account is noted, and told.
pub async fn account_token(
    store: &Store,
    delegated: &Delegated,
    account: AccountId,
    clock: &Clock,
) -> Result<AccessToken, TaskError> {
    let refresh_token = store.refresh_token(account).await?;
    match delegated.refresh(&refresh_token).await {
        Ok(refreshed) => {
            store.note_account_refreshed(account, refreshed.refresh_token.as_ref(), clock.now()).await?;
            Ok(refreshed.access)
        }
        Err(error) => {
            if let Error::SignInAgain { kind, .. } = &error {
                let now = clock.now();
                let retry_at = kind.may_pass().then(|| now + TROUBLED_RETRY);
                store.note_account_problem(account, *kind, &error.to_string(), now, retry_at).await?;
                tracing::warn!(
                    problem = kind.label(),
                    remedy = kind.remedy(),
                    "a subscriber account is of no use until somebody helps; its users are swept faster until another takes them"
                );
            }
            Err(error.into())
        }
    }
}

impl Subscriptions {
    pub(super) async fn token(&self, account: AccountId) -> Result<AccessToken, TaskError> {
        let token = account_token(&self.store, &self.delegated, account, &self.clock).await;
        if matches!(token, Err(TaskError::Token(Error::SignInAgain { .. }))) {
            // Whoever has room takes its users at once.
            self.activators.subscriptions.wake();
        }
        token
    }

    /// Proves now and then that accounts which hold nothing could, and asks those whose trouble may pass whether it has.
    pub(super) async fn look_after(&self, look: &Look) -> Option<TaskError> {
        let holding: HashSet<AccountId> = look.stored.iter().map(|stored| stored.account).collect();
        let is_due = |account: &&Account| match account.problem {
            Some(_) => account.retry_at.is_some_and(|at| at <= look.now),
            None => !holding.contains(&account.id) && look.now.duration_since(account.refreshed_at) >= PROVED_EVERY,
        };
        let mut failed = None;
        for account in look.accounts.iter().filter(|account| !account.leaving && !self.rests(account.id, look.now)).filter(is_due)
        {
            match self.token(account.id).await {
                Ok(_) if account.problem.is_some() => {
                    tracing::info!("a subscriber account works again");
                    self.activators.subscriptions.wake();
                }
                Ok(_) => {}
                // That is known, told, and asked about again later.
                Err(TaskError::Token(Error::SignInAgain { .. })) if account.problem.is_some() => {}
                Err(error) => {
                    self.rest(account.id, look.now + RETRY_AFTER);
                    failed = Some(error);
                }
            }
        }
        failed
    }

    /// Remembers that a silent subscription was taken away to be made anew: at once, since once it is gone nothing tells of it, and
    /// whatever is made in its place may have to wait.
    pub(super) async fn note_silence(&self, stored: &StoredSubscription, look: &Look) -> Result<(), TaskError> {
        let was_silent = look.listening.get(&stored.id).is_some_and(Listening::is_silent);
        let Some(account) = look.account(stored.account).filter(|_| was_silent) else { return Ok(()) };
        let silence = account.silence.ended(self.clock.now());
        self.store.note_silence_ended(account.id, silence).await?;
        self.metrics.count_silent_subscription();
        tracing::warn!(times = silence.times, "a subscription told nothing, though sweeps found changes, and is made anew");
        Ok(())
    }

    /// Remembers that Graph lets the account have a subscription.
    pub(super) async fn note_served(&self, id: AccountId, look: &Look) -> Result<(), TaskError> {
        let Some(account) = look.account(id) else { return Ok(()) };
        if account.refusals > 0 {
            self.store.note_account_served(id).await?;
            tracing::info!("Graph lets a subscriber account have its subscription again");
        }
        Ok(())
    }

    /// Lets accounts go that somebody removed, once others watch their users as far as there is room: first what they hold at Graph,
    /// then what is kept of them.
    pub(super) async fn see_off(&self, look: &Look, standing: &Standing<'_>) -> Option<TaskError> {
        let mut failed = None;
        for account in look.accounts.iter().filter(|account| account.leaving && !self.rests(account.id, look.now)) {
            let live: Vec<&StoredSubscription> =
                look.stored.iter().filter(|held| held.account == account.id && held.expires_at > look.now).collect();
            if live.iter().any(|held| standing.is_awaited(&held.users)) {
                continue;
            }
            if let Err(error) = self.let_go(account, &live).await {
                tracing::warn!(error = %chain(&error), "a removed account's subscription could not be deleted; it ends within the hour");
                self.rest(account.id, look.now + RETRY_AFTER);
                failed = Some(error);
            }
        }
        failed
    }

    async fn let_go(&self, account: &Account, live: &[&StoredSubscription]) -> Result<(), TaskError> {
        for held in live {
            match self.token(account.id).await {
                Ok(token) => self.graph.delete_subscription(&token, &SubscriptionId(held.id.to_string())).await?,
                // Nobody can delete it any more: it ends by itself, and what it tells until then is refused.
                Err(TaskError::Token(Error::SignInAgain { .. }) | TaskError::Store(StoreError::Sealed)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.store.forget_account(account.id, self.clock.now()).await?)
    }
}
