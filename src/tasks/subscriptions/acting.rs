//! What a step of the plan does at Graph, and what is recorded of it.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use uuid::Uuid;

use super::places::Standing;
use super::{Look, RETRY_AFTER, Subscriptions};
use crate::domain::ids::TeamsUserId;
use crate::domain::subscription::{AccountId, RENEWAL_AFTER_MAX, RENEWAL_AFTER_MIN, SUBSCRIPTION_LIFE, Step, refused_pause};
use crate::graph::client::{EncryptionCertificate, Error, NewSubscription, Subscription};
use crate::graph::token::AccessToken;
use crate::graph::{SubscriptionId, certificate};
use crate::store::certificate::StoredCertificate;
use crate::store::subscription::StoredSubscription;
use crate::tasks::TaskError;
use crate::tasks::driver::chain;

/// What is asked for where Graph takes the usual for too long: it must have another time than we think.
const SHORTER_LIFE: SignedDuration = SignedDuration::from_mins(50);
/// A certificate serves for new subscriptions this long.
const CERTIFICATE_AGE_MAX: SignedDuration = SignedDuration::from_hours(90 * 24);

impl Subscriptions {
    pub(super) async fn take(&self, step: &Step, look: &Look, standing: &mut Standing<'_>) -> Result<(), TaskError> {
        match step {
            Step::Create { account, users, replaces } => {
                self.create(*account, users, look).await?;
                standing.made(*account, users);
                if let Some(replaced) = replaces.and_then(|id| look.stored(id)) {
                    self.let_go_of(replaced, look, standing).await?;
                }
                Ok(())
            }
            Step::Renew(id) => match look.stored(*id) {
                Some(stored) => self.renew(stored, look, standing).await,
                None => Ok(()),
            },
            Step::Delete(id) => match look.stored(*id) {
                Some(stored) => {
                    self.delete(stored, look).await?;
                    standing.gone(stored.id);
                    self.note_silence(stored, look).await
                }
                None => Ok(()),
            },
        }
    }

    /// Its users are watched by another: failing to delete it is no reason to call that one failed. It is tried again later.
    async fn let_go_of(&self, replaced: &StoredSubscription, look: &Look, standing: &mut Standing<'_>) -> Result<(), TaskError> {
        match self.delete(replaced, look).await {
            Err(TaskError::Store(error)) => return Err(error.into()),
            Err(error) => {
                tracing::warn!(error = %chain(&error), "a subscription that another replaces could not be deleted yet");
                standing.fails = true;
                self.rest(replaced.account, self.clock.now() + RETRY_AFTER);
            }
            Ok(()) => standing.gone(replaced.id),
        }
        Ok(())
    }

    /// The newest certificate, or a new one where that has served its time.
    pub(super) async fn certificate(&self, now: Timestamp) -> Result<StoredCertificate, TaskError> {
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

    async fn create(&self, account: AccountId, users: &BTreeSet<TeamsUserId>, look: &Look) -> Result<(), TaskError> {
        let token = self.token(account).await?;
        let certificate = &look.certificate;
        let expires_at = self.ends_at(SUBSCRIPTION_LIFE);
        let client_state = secret();
        let new = NewSubscription {
            users: users.iter().copied().collect(),
            notification_url: self.addresses.notifications.clone(),
            lifecycle_notification_url: self.addresses.lifecycle.clone(),
            expires_at,
            client_state: client_state.clone(),
            certificate: encryption(certificate),
        };
        let created = self.have_created(account, &token, &new, look).await?;
        let now = self.clock.now();
        let stored = StoredSubscription {
            id: guid(&created.id)?,
            account,
            certificate: certificate.id,
            notification_url: self.addresses.notifications.to_string(),
            users: Arc::new(users.clone()),
            created_at: now,
            expires_at: created.expires_at.unwrap_or(expires_at),
            renew_at: renew_at(now),
        };
        self.store.keep_subscription(&stored, &client_state).await?;
        self.note_served(account, look).await?;
        // What changed before Graph began to tell us is found by reading.
        self.store.confirm_users(&new.users, now).await?;
        self.activators.confirmer.wake();
        tracing::info!(users = users.len(), "subscribed to presence");
        Ok(())
    }

    /// Graph's subscription. A refusal that only time cures is noted: the account is left alone for longer each time.
    async fn have_created(
        &self,
        account: AccountId,
        token: &AccessToken,
        new: &NewSubscription,
        look: &Look,
    ) -> Result<Subscription, TaskError> {
        let created = match self.graph.create_subscription(token, new).await {
            Err(error) if error.refused_with() == Some(409) => {
                self.remove_ours(token).await?;
                self.graph.create_subscription(token, new).await
            }
            created => created,
        };
        if let Err(error) = &created
            && is_waited_out(error)
        {
            self.note_refused(account, error, look).await?;
        }
        Ok(created?)
    }

    async fn note_refused(&self, account: AccountId, error: &Error, look: &Look) -> Result<(), TaskError> {
        let refusals = look.account(account).map_or(0, |account| account.refusals).saturating_add(1);
        let (now, pause) = (self.clock.now(), refused_pause(refusals));
        self.store.note_account_refused(account, &error.to_string(), now, now + pause).await?;
        tracing::warn!(
            %error,
            refusals,
            pause_seconds = pause.as_secs(),
            "Graph lets a subscriber account have or renew no subscription; once it has none its users are swept faster until another takes them or Graph lets it again"
        );
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

    /// Graph takes no end more than an hour ahead by its own clock.
    fn ends_at(&self, life: SignedDuration) -> Timestamp {
        let ahead = self.graph.ahead_of_graph().unwrap_or_default().max(SignedDuration::ZERO);
        self.clock.now() - ahead + life
    }

    /// Asks for another life; until when it was given. Before what works is taken for broken, less is asked for.
    async fn prolong(
        &self,
        token: &AccessToken,
        id: &SubscriptionId,
        certificate: Option<&EncryptionCertificate>,
    ) -> Result<Timestamp, Error> {
        let asked = self.ends_at(SUBSCRIPTION_LIFE);
        match self.graph.renew_subscription(token, id, asked, certificate).await {
            Err(error) if error.refused_with() == Some(400) => {
                let asked = self.ends_at(SHORTER_LIFE);
                let renewed = self.graph.renew_subscription(token, id, asked, certificate).await?;
                Ok(renewed.expires_at.unwrap_or(asked))
            }
            renewed => Ok(renewed?.expires_at.unwrap_or(asked)),
        }
    }

    /// What cannot be renewed is made anew at once.
    async fn renew(&self, stored: &StoredSubscription, look: &Look, standing: &mut Standing<'_>) -> Result<(), TaskError> {
        let certificate = &look.certificate;
        let token = self.token(stored.account).await?;
        let id = SubscriptionId(stored.id.to_string());
        let changed = (stored.certificate != certificate.id).then(|| encryption(certificate));
        match self.prolong(&token, &id, changed.as_ref()).await {
            Ok(expires_at) => {
                let now = self.clock.now();
                self.store.note_renewed(stored.id, certificate.id, expires_at, renew_at(now), now).await?;
                if look.account(stored.account).is_some_and(|account| account.refusals > 0) {
                    self.store.note_account_served(stored.account).await?;
                }
                Ok(())
            }
            // While anything fails it is kept where it may still tell.
            Err(error)
                if matches!(error.refused_with(), Some(404 | 410))
                    || (matches!(error.refused_with(), Some(400 | 405)) && !standing.fails) =>
            {
                tracing::warn!(error = %chain(&error), "a subscription cannot be renewed and is made anew");
                self.graph.delete_subscription(&token, &id).await?;
                standing.gone(stored.id);
                self.store.forget_subscription(stored.id, self.clock.now()).await?;
                let users: BTreeSet<TeamsUserId> = stored.users.intersection(&look.wanted).copied().collect();
                if users.is_empty() {
                    return Ok(());
                }
                self.create(stored.account, &users, look).await?;
                standing.made(stored.account, &users);
                Ok(())
            }
            Err(error) => {
                if matches!(error.refused_with(), Some(403 | 409)) {
                    self.note_refused(stored.account, &error, look).await?;
                }
                Err(error.into())
            }
        }
    }

    /// What Graph may still tell by it is refused once it is forgotten: so Graph is asked first, and what lives on is kept.
    async fn delete(&self, stored: &StoredSubscription, look: &Look) -> Result<(), TaskError> {
        let tells = stored.expires_at > self.clock.now() && !self.is_useless(stored, look);
        if tells {
            self.delete_at_graph(stored).await?;
        }
        self.store.forget_subscription(stored.id, self.clock.now()).await?;
        if !tells && stored.expires_at > self.clock.now() {
            // It stands in nobody's way: a new one removes it.
            self.delete_at_graph(stored).await?;
        }
        Ok(())
    }

    async fn delete_at_graph(&self, stored: &StoredSubscription) -> Result<(), TaskError> {
        let token = self.token(stored.account).await?;
        match self.graph.delete_subscription(&token, &SubscriptionId(stored.id.to_string())).await {
            // Graph knows no such subscription, or will never delete it.
            Err(error) if !matches!(error.refused_with(), Some(400 | 404 | 405 | 410)) => Err(error.into()),
            _ => Ok(()),
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

/// Graph says that there is one already, which nobody finds, or that there may be none: both were seen to pass after hours. What it
/// cannot read (400) is no better for being asked each half minute.
fn is_waited_out(error: &Error) -> bool {
    matches!(error.refused_with(), Some(400 | 403 | 404 | 409))
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
