//! The subscriptions we hold at Graph, and whom each watches.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::sealed::{self, Purpose};
use super::{Store, StoreError};
use crate::domain::ids::TeamsUserId;
use crate::domain::subscription::AccountId;

/// A subscription as recorded.
#[derive(Clone, Debug)]
pub struct StoredSubscription {
    /// Graph's id.
    pub id: Uuid,
    /// Whose it is.
    pub account: AccountId,
    /// The certificate that Graph encrypts for.
    pub certificate: Uuid,
    /// Where Graph posts to.
    pub notification_url: String,
    /// Whom it watches.
    pub users: Arc<BTreeSet<TeamsUserId>>,
    /// When Graph gave it.
    pub created_at: Timestamp,
    /// When it ends unless renewed.
    pub expires_at: Timestamp,
    /// When to renew it.
    pub renew_at: Timestamp,
}

/// The lists of subscriptions that were read before. Graph cannot change a list, so whatever was read of one holds as long as it lives.
#[derive(Debug, Default)]
pub struct Lists(HashMap<Uuid, Arc<BTreeSet<TeamsUserId>>>);

impl Store {
    /// Records a subscription that Graph has just given.
    ///
    /// # Errors
    /// Postgres could not; Graph's subscription is then found and removed by the next run.
    pub async fn keep_subscription(
        &self,
        subscription: &StoredSubscription,
        client_state: &SecretString,
    ) -> Result<(), StoreError> {
        let sealed = sealed::seal(&self.keys, Purpose::ClientState, client_state.expose_secret().as_bytes())?;
        let users: Vec<Uuid> = subscription.users.iter().map(|user| user.0).collect();
        let mut tx = self.begin().await?;
        sqlx::query!(
            "insert into subscription (id, account_id, client_state, certificate_id, notification_url, created_at, expires_at, renew_at)
             values ($1, $2, $3, $4, $5, $6, $7, $8)",
            subscription.id,
            subscription.account.0,
            sealed,
            subscription.certificate,
            subscription.notification_url,
            subscription.created_at.to_sqlx(),
            subscription.expires_at.to_sqlx(),
            subscription.renew_at.to_sqlx(),
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "insert into subscription_user (subscription_id, teams_id) select $1, unnest($2::uuid[])",
            subscription.id,
            &users
        )
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// Records a renewal.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn note_renewed(
        &self,
        id: Uuid,
        certificate: Uuid,
        expires_at: Timestamp,
        renew_at: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "with named as (update notification_certificate set last_named_at = $5 where id = $2
                 or id = (select certificate_id from subscription where id = $1))
             update subscription set certificate_id = $2, expires_at = $3, renew_at = $4 where id = $1",
            id,
            certificate,
            expires_at.to_sqlx(),
            renew_at.to_sqlx(),
            now.to_sqlx(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Forgets a subscription.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn forget_subscription(&self, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query!(
            "with gone as (delete from subscription where id = $1 returning certificate_id)
             update notification_certificate c set last_named_at = $2 from gone where c.id = gone.certificate_id",
            id,
            now.to_sqlx(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Asks for a subscription to be renewed now.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn hurry_renewal(&self, id: Uuid, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query!("update subscription set renew_at = least(renew_at, $2) where id = $1", id, now.to_sqlx())
            .execute(&self.pool)
            .await?;
        Ok(())
    }

    /// All subscriptions recorded; only lists that are not in `lists` yet are read.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn subscriptions(&self, lists: &mut Lists) -> Result<Vec<StoredSubscription>, StoreError> {
        let rows = sqlx::query!(
            "select id, account_id, certificate_id, notification_url, created_at, expires_at, renew_at from subscription order by created_at, id"
        );
        let rows = rows.fetch_all(&self.pool).await?;
        lists.0.retain(|id, _| rows.iter().any(|row| row.id == *id));
        let unread: Vec<Uuid> = rows.iter().map(|row| row.id).filter(|id| !lists.0.contains_key(id)).collect();
        if !unread.is_empty() {
            // Whatever has no list was deleted in between.
            lists.0.extend(self.listed(&unread).await?.into_iter().map(|(id, users)| (id, Arc::new(users))));
        }
        let subscriptions = rows.into_iter().map(|row| StoredSubscription {
            id: row.id,
            account: AccountId(row.account_id),
            certificate: row.certificate_id,
            notification_url: row.notification_url,
            users: lists.0.get(&row.id).cloned().unwrap_or_default(),
            created_at: row.created_at.to_jiff(),
            expires_at: row.expires_at.to_jiff(),
            renew_at: row.renew_at.to_jiff(),
        });
        Ok(subscriptions.collect())
    }

    /// Whom these subscriptions watch.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn listed(&self, subscriptions: &[Uuid]) -> Result<HashMap<Uuid, BTreeSet<TeamsUserId>>, StoreError> {
        let members = sqlx::query!(
            "select subscription_id, teams_id from subscription_user where subscription_id = any($1)",
            subscriptions
        );
        let mut users: HashMap<Uuid, BTreeSet<TeamsUserId>> = HashMap::new();
        for member in members.fetch_all(&self.pool).await? {
            users.entry(member.subscription_id).or_default().insert(TeamsUserId(member.teams_id));
        }
        Ok(users)
    }

    /// The secrets that notifications must repeat, by subscription; without those that no key opens any more.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn client_states(&self) -> Result<Vec<(Uuid, SecretString)>, StoreError> {
        let rows = sqlx::query!("select id, client_state from subscription").fetch_all(&self.pool).await?;
        let opened = rows.into_iter().filter_map(|row| {
            let state = sealed::open(&self.keys, Purpose::ClientState, &row.client_state).ok()?;
            Some((row.id, SecretString::from(std::str::from_utf8(&state).ok()?)))
        });
        Ok(opened.collect())
    }
}
