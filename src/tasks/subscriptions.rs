//! Keeps Graph telling us: certificates, subscriber accounts' tokens, and one subscription per account, renewed long before it ends.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use url::Url;
use uuid::Uuid;

use super::driver::{Task, chain};
use super::tenure::{LEASE_LIFE, Tenure};
use super::{Activators, Progress, TaskError};
use crate::clock::Clock;
use crate::domain::ids::TeamsUserId;
use crate::domain::subscription::{AccountId, Held, RENEWAL_AFTER_MAX, RENEWAL_AFTER_MIN, SUBSCRIPTION_LIFE, Step, plan};
use crate::graph::client::{Client, EncryptionCertificate, NewSubscription, Subscription};
use crate::graph::token::{AccessToken, Delegated};
use crate::graph::{self, SubscriptionId, certificate};
use crate::store::account::Account;
use crate::store::certificate::StoredCertificate;
use crate::store::lease::Lease;
use crate::store::subscription::StoredSubscription;
use crate::store::{Store, StoreError};
use crate::telemetry::Metrics;

const LEASE: &str = "subscriptions";
/// A certificate serves for new subscriptions this long.
const CERTIFICATE_AGE_MAX: SignedDuration = SignedDuration::from_hours(90 * 24);
/// After a step failed, its account rests.
const RETRY_AFTER: SignedDuration = SignedDuration::from_secs(30);

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
    /// How many users nobody watched when last looked at.
    pub unwatched: AtomicUsize,
}

impl Task for Subscriptions {
    fn name(&self) -> &'static str {
        "subscriptions"
    }

    fn run(&self) -> BoxFuture<'_, Result<Progress, TaskError>> {
        let lease = Lease { name: LEASE, holder: self.replica };
        let tended = Tenure { store: &self.store, clock: &self.clock, lease }.during(self.tend(lease));
        tended.map(|tended| tended.map(|progress| progress.unwrap_or(Progress::Idle))).boxed()
    }
}

impl Subscriptions {
    async fn tend(&self, lease: Lease) -> Result<Progress, TaskError> {
        let now = self.clock.now();
        let certificate = self.certificate(now).await?;
        let accounts = self.store.accounts().await?;
        let usable: Vec<AccountId> =
            accounts.iter().filter(|account| account.problem.is_none() && !account.leaving).map(|account| account.id).collect();
        let stored = self.store.subscriptions().await?;
        let secrets: BTreeSet<Uuid> = self.store.client_states().await?.into_iter().map(|(id, _)| id).collect();
        // What an account in trouble holds goes on telling us until it ends; without the account nobody can renew or delete it.
        let ours = |stored: &&StoredSubscription| usable.contains(&stored.account) || stored.expires_at <= now;
        let held: Vec<Held> = stored.iter().filter(ours).map(|stored| self.held(stored, &certificate, &secrets)).collect();
        let plan = plan(&self.store.users_to_watch().await?, &usable, &held, now);
        let mut failed = self.see_off(&accounts, &stored, now).await;
        for step in &plan.steps {
            let account = account_of(step, &stored);
            // Each step may take long; whoever has lost the lease meanwhile must not undo what its new holder does.
            if self.rests(account, now) || !self.store.keep_lease(lease, self.clock.now(), LEASE_LIFE).await? {
                continue;
            }
            if let Err(error) = self.take(step, &stored, &certificate).await {
                tracing::warn!(error = %chain(&error), "a subscription could not be tended; its users are swept meanwhile");
                self.rest(account, now + RETRY_AFTER);
                failed = Some(error);
            }
        }
        if self.unwatched.swap(plan.unwatched.len(), Ordering::Relaxed) != plan.unwatched.len() {
            tracing::warn!(
                users = plan.unwatched.len(),
                "users whom no subscriber account watches are swept only; where there are any, enrol more accounts with `presence-gateway sign-in`"
            );
        }
        self.measure().await?;
        failed.map_or(Ok(Progress::Idle), Err)
    }

    /// Lets accounts go that somebody removed: first what they hold at Graph, then what is kept of them.
    async fn see_off(&self, accounts: &[Account], stored: &[StoredSubscription], now: Timestamp) -> Option<TaskError> {
        let mut failed = None;
        for account in accounts.iter().filter(|account| account.leaving && !self.rests(Some(account.id), now)) {
            let live = stored.iter().filter(|held| held.account == account.id && held.expires_at > now);
            if let Err(error) = self.let_go(account, live).await {
                tracing::warn!(error = %chain(&error), "a removed account's subscription could not be deleted; it ends within the hour");
                self.rest(Some(account.id), now + RETRY_AFTER);
                failed = Some(error);
            }
        }
        failed
    }

    async fn let_go(&self, account: &Account, live: impl Iterator<Item = &StoredSubscription>) -> Result<(), TaskError> {
        for held in live {
            match self.token(account.id).await {
                Ok(token) => self.graph.delete_subscription(&token, &SubscriptionId(held.id.to_string())).await?,
                // Nobody can delete it any more: it ends by itself, and what it tells until then is refused.
                Err(TaskError::Token(graph::token::Error::SignInAgain { .. }) | TaskError::Store(StoreError::Sealed)) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(self.store.forget_account(account.id, self.clock.now()).await?)
    }

    fn rests(&self, account: Option<AccountId>, now: Timestamp) -> bool {
        let resting = self.resting.lock().ok();
        resting.zip(account).is_some_and(|(resting, account)| resting.get(&account).is_some_and(|until| *until > now))
    }

    fn rest(&self, account: Option<AccountId>, until: Timestamp) {
        if let (Ok(mut resting), Some(account)) = (self.resting.lock(), account) {
            resting.insert(account, until);
        }
    }

    /// A subscription that posts elsewhere than we listen, or whose secret no key opens any more, is as good as none.
    fn held(&self, stored: &StoredSubscription, certificate: &StoredCertificate, secrets: &BTreeSet<Uuid>) -> Held {
        let useless = stored.notification_url != self.addresses.notifications.as_str() || !secrets.contains(&stored.id);
        Held {
            id: stored.id,
            account: stored.account,
            users: stored.users.clone(),
            expires_at: if useless { Timestamp::MIN } else { stored.expires_at },
            renew_at: stored.renew_at,
            old_certificate: stored.certificate != certificate.id,
        }
    }

    async fn take(&self, step: &Step, stored: &[StoredSubscription], certificate: &StoredCertificate) -> Result<(), TaskError> {
        match step {
            Step::Create { account, users } => self.create(*account, users, certificate).await,
            Step::Renew(id) => match stored.iter().find(|stored| stored.id == *id) {
                Some(stored) => self.renew(stored, certificate).await,
                None => Ok(()),
            },
            Step::Delete(id) => match stored.iter().find(|stored| stored.id == *id) {
                Some(stored) => self.delete(stored).await,
                None => Ok(()),
            },
        }
    }

    /// The newest certificate, or a new one where that has served its time.
    async fn certificate(&self, now: Timestamp) -> Result<StoredCertificate, TaskError> {
        let newest = self.store.newest_certificate().await?;
        if let Some(newest) = newest.filter(|newest| newest.made_at + CERTIFICATE_AGE_MAX > now) {
            return Ok(newest);
        }
        let clock = self.clock.clone();
        let made = tokio::task::spawn_blocking(move || certificate::make(&clock)).await.map_err(|_| TaskError::Panicked)??;
        let id = Uuid::new_v4();
        self.store.keep_certificate(id, &made.certificate_der, &made.private_key_pkcs8_der, now).await?;
        Ok(StoredCertificate { id, certificate: made.certificate_der, made_at: now })
    }

    async fn token(&self, account: AccountId) -> Result<AccessToken, TaskError> {
        account_token(&self.store, &self.delegated, account, &self.clock).await
    }

    async fn create(
        &self,
        account: AccountId,
        users: &BTreeSet<TeamsUserId>,
        certificate: &StoredCertificate,
    ) -> Result<(), TaskError> {
        let token = self.token(account).await?;
        let expires_at = self.clock.now() + SUBSCRIPTION_LIFE;
        let client_state = secret();
        let new = NewSubscription {
            users: users.iter().copied().collect(),
            notification_url: self.addresses.notifications.clone(),
            lifecycle_notification_url: self.addresses.lifecycle.clone(),
            expires_at,
            client_state: client_state.clone(),
            certificate: encryption(certificate),
        };
        let created = match self.graph.create_subscription(&token, &new).await {
            Err(error) if error.refused_with() == Some(409) => {
                self.remove_ours(&token).await?;
                self.graph.create_subscription(&token, &new).await?
            }
            created => created?,
        };
        let now = self.clock.now();
        let stored = StoredSubscription {
            id: guid(&created.id)?,
            account,
            certificate: certificate.id,
            notification_url: self.addresses.notifications.to_string(),
            users: users.clone(),
            expires_at: created.expires_at.unwrap_or(expires_at),
            renew_at: renew_at(now),
        };
        self.store.keep_subscription(&stored, &client_state, now).await?;
        // What changed before Graph began to tell us is found by reading.
        self.store.confirm_users(&new.users, now).await?;
        self.activators.confirmer.wake();
        tracing::info!(users = users.len(), "subscribed to presence");
        Ok(())
    }

    /// Removes what stands in the way of a new subscription: Graph gives an app one presence subscription per account, so whatever
    /// there is was made by an earlier run, or by somebody who uses our app registration and our account.
    async fn remove_ours(&self, token: &AccessToken) -> Result<(), TaskError> {
        for subscription in self.graph.list_subscriptions(token).await? {
            if is_ours(&subscription, self.client_id) {
                self.graph.delete_subscription(token, &subscription.id).await?;
            }
        }
        Ok(())
    }

    /// What cannot be renewed is forgotten, so that the next run makes a new one.
    async fn renew(&self, stored: &StoredSubscription, certificate: &StoredCertificate) -> Result<(), TaskError> {
        let token = self.token(stored.account).await?;
        let expires_at = self.clock.now() + SUBSCRIPTION_LIFE;
        let id = SubscriptionId(stored.id.to_string());
        let changed = (stored.certificate != certificate.id).then(|| encryption(certificate));
        match self.graph.renew_subscription(&token, &id, expires_at, changed.as_ref()).await {
            Ok(renewed) => {
                let now = self.clock.now();
                let expires_at = renewed.expires_at.unwrap_or(expires_at);
                self.store.note_renewed(stored.id, certificate.id, expires_at, renew_at(now), now).await?;
                Ok(())
            }
            Err(error) if matches!(error.refused_with(), Some(400 | 404 | 405 | 410)) => {
                tracing::warn!(error = %chain(&error), "a subscription cannot be renewed and is made anew");
                self.graph.delete_subscription(&token, &id).await?;
                self.store.forget_subscription(stored.id, self.clock.now()).await?;
                self.create(stored.account, &stored.users, certificate).await
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What we cannot delete ends by itself within the hour, and stands in nobody's way: a new one removes it.
    async fn delete(&self, stored: &StoredSubscription) -> Result<(), TaskError> {
        self.store.forget_subscription(stored.id, self.clock.now()).await?;
        if stored.expires_at > self.clock.now() {
            let token = self.token(stored.account).await?;
            self.graph.delete_subscription(&token, &SubscriptionId(stored.id.to_string())).await?;
        }
        Ok(())
    }

    async fn measure(&self) -> Result<(), TaskError> {
        let now = self.clock.now();
        let subscriptions = self.store.subscriptions().await?;
        let left = subscriptions.iter().map(|subscription| subscription.expires_at.duration_since(now).as_secs_f64());
        let live: Vec<f64> = left.filter(|left| *left > 0.0).collect();
        self.metrics.note_subscriptions(live.len(), live.iter().copied().reduce(f64::min).unwrap_or(0.0));
        Ok(())
    }
}

/// Graph stops delivering when the token of the last renewal ends: every step takes a fresh one.
///
/// # Errors
/// Entra ID gives none, or nothing could be kept. That a person must sign in again is noted with the account.
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
            if matches!(error, graph::token::Error::SignInAgain { .. }) {
                store.note_account_problem(account, &error.to_string()).await?;
            }
            Err(error.into())
        }
    }
}

/// Whether a subscription is one to presence that this app registration made.
#[must_use]
pub fn is_ours(subscription: &Subscription, client_id: Uuid) -> bool {
    let app = subscription.application_id.as_deref().and_then(|id| id.parse().ok());
    let resource = subscription.resource.as_deref().unwrap_or_default().to_ascii_lowercase();
    app.is_none_or(|app: Uuid| app == client_id) && resource.contains("communications/presences")
}

fn account_of(step: &Step, stored: &[StoredSubscription]) -> Option<AccountId> {
    let of = |id: &Uuid| stored.iter().find(|stored| stored.id == *id).map(|stored| stored.account);
    match step {
        Step::Create { account, .. } => Some(*account),
        Step::Renew(id) | Step::Delete(id) => of(id),
    }
}

fn encryption(certificate: &StoredCertificate) -> EncryptionCertificate {
    EncryptionCertificate { id: certificate.id.to_string(), certificate_der: certificate.certificate.clone() }
}

/// 122 random bits twice: nobody guesses it, and Graph takes up to 128 characters.
fn secret() -> SecretString {
    SecretString::from(format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()))
}

fn renew_at(now: Timestamp) -> Timestamp {
    let spread = (RENEWAL_AFTER_MAX - RENEWAL_AFTER_MIN).as_secs();
    now + RENEWAL_AFTER_MIN + SignedDuration::from_secs(fastrand::i64(0..=spread))
}

fn guid(id: &SubscriptionId) -> Result<Uuid, TaskError> {
    id.as_str().parse().map_err(|_| TaskError::Implausible("Graph gave a subscription an id that is no GUID"))
}
