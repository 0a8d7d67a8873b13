//! Subscriber accounts: signed-in Teams users in whose name presence is subscribed to.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::audit::{self, Entry};
use super::sealed::{self, Purpose};
use super::{Store, StoreError, Tx};
use crate::domain::subscription::AccountId;

/// A subscriber account.
#[derive(Clone, Debug)]
pub struct Account {
    /// Entra ID's object id.
    pub id: AccountId,
    /// The sign-in name.
    pub user_principal_name: String,
    /// Why it is of no use until somebody signs in again.
    pub problem: Option<String>,
    /// It goes as soon as its subscription at Graph has gone.
    pub leaving: bool,
}

impl Store {
    /// Keeps an account that has just signed in, and remembers by whose doing; its refresh token is sealed.
    ///
    /// # Errors
    /// Postgres could not; the transaction is of no use any more.
    pub async fn enrol_account(
        &self,
        tx: &mut Tx<'_>,
        (id, user_principal_name): (AccountId, &str),
        refresh_token: &SecretString,
        entry: &Entry<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let sealed = sealed::seal(&self.keys, Purpose::RefreshToken, refresh_token.expose_secret().as_bytes())?;
        // The name may have belonged to an account that was deleted and made anew in Entra ID, under another id.
        let former = sqlx::query!(
            "delete from subscriber_account where lower(user_principal_name) = lower($1) and id <> $2",
            user_principal_name,
            id.0
        );
        former.execute(&mut **tx).await?;
        sqlx::query!(
            "insert into subscriber_account (id, user_principal_name, refresh_token, enrolled_at, refreshed_at) values ($1, $2, $3, $4, $4)
             on conflict (id) do update set user_principal_name = excluded.user_principal_name, refresh_token = excluded.refresh_token,
                 problem = null, leaving_at = null, enrolled_at = excluded.enrolled_at, refreshed_at = excluded.refreshed_at",
            id.0,
            user_principal_name,
            sealed,
            now.to_sqlx(),
        )
        .execute(&mut **tx)
        .await?;
        audit::record(tx, entry, now).await
    }

    /// Forgets an account that was to go, unless somebody enrolled it anew meanwhile, and its subscriptions.
    ///
    /// # Errors
    /// Postgres could not; nothing has changed.
    pub async fn forget_account(&self, id: AccountId, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query!(
            "with gone as (delete from subscriber_account where id = $1 and leaving_at is not null returning id)
             update notification_certificate c set last_named_at = $2
                 from gone join subscription s on s.account_id = gone.id where c.id = s.certificate_id",
            id.0,
            now.to_sqlx(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Forgets accounts that were to go and whose subscriptions have ended by themselves.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn forget_left_accounts(&self, now: Timestamp) -> Result<(), StoreError> {
        sqlx::query!(
            "delete from subscriber_account a where leaving_at is not null
                 and not exists (select from subscription s where s.account_id = a.id and s.expires_at > $1)",
            now.to_sqlx(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// All accounts, the longest enrolled first.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn accounts(&self) -> Result<Vec<Account>, StoreError> {
        let rows = sqlx::query!(
            r#"select id, user_principal_name, problem, leaving_at is not null as "leaving!" from subscriber_account
               order by enrolled_at, id"#
        );
        let account = |id: Uuid, user_principal_name, problem, leaving| Account {
            id: AccountId(id),
            user_principal_name,
            problem,
            leaving,
        };
        Ok(rows
            .fetch_all(&self.pool)
            .await?
            .into_iter()
            .map(|row| account(row.id, row.user_principal_name, row.problem, row.leaving))
            .collect())
    }

    /// The account's refresh token.
    ///
    /// # Errors
    /// Postgres cannot be asked, there is no such account, or no key opens the token.
    pub async fn refresh_token(&self, id: AccountId) -> Result<SecretString, StoreError> {
        let sealed = sqlx::query_scalar!("select refresh_token from subscriber_account where id = $1", id.0);
        let token = sealed::open(&self.keys, Purpose::RefreshToken, &sealed.fetch_one(&self.pool).await?)?;
        let token = std::str::from_utf8(&token).map_err(|_| StoreError::Sealed)?;
        Ok(SecretString::from(token))
    }

    /// Keeps the refresh token that a refresh brought, if it brought one, and notes that the account is well.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn note_account_refreshed(
        &self,
        id: AccountId,
        token: Option<&SecretString>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let seal = |token: &SecretString| sealed::seal(&self.keys, Purpose::RefreshToken, token.expose_secret().as_bytes());
        let sealed = token.map(seal).transpose()?;
        sqlx::query!(
            "update subscriber_account set refresh_token = coalesce($2, refresh_token), refreshed_at = $3, problem = null where id = $1",
            id.0,
            sealed,
            now.to_sqlx(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes why the account is of no use until somebody signs in again.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn note_account_problem(&self, id: AccountId, problem: &str) -> Result<(), StoreError> {
        sqlx::query!("update subscriber_account set problem = $2 where id = $1", id.0, problem).execute(&self.pool).await?;
        Ok(())
    }
}
