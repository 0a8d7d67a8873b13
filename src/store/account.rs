//! Subscriber accounts: signed-in Teams users in whose name presence is subscribed to.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use secrecy::{ExposeSecret, SecretString};

use super::audit::{self, Entry};
use super::sealed::{self, Purpose};
use super::{Store, StoreError, Tx};
use crate::domain::subscription::{AccountId, ProblemKind, Silence};

/// A subscriber account.
#[derive(Clone, Debug)]
pub struct Account {
    /// Entra ID's object id.
    pub id: AccountId,
    /// The sign-in name.
    pub user_principal_name: String,
    /// Why it is of no use until somebody signs in again.
    pub problem: Option<String>,
    /// When Entra ID last gave a token for it.
    pub refreshed_at: Timestamp,
    /// How often in a row Graph would not let it have a subscription.
    pub refusals: u32,
    /// Nothing is asked of an account with a problem, or one that is refused, before this.
    pub retry_at: Option<Timestamp>,
    /// How often its subscription was found silent.
    pub silence: Silence,
    /// It goes as soon as its subscription at Graph has gone.
    pub leaving: bool,
}

impl Account {
    /// Whether Graph would not let it have a subscription, and is not to be asked again yet.
    #[must_use]
    pub fn is_refused(&self, now: Timestamp) -> bool {
        self.refusals > 0 && self.retry_at.is_some_and(|at| at > now)
    }
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
                 problem = null, problem_kind = null, problem_at = null, refusals = 0, refused_since = null, refusal = null,
                 retry_at = null, leaving_at = null, enrolled_at = excluded.enrolled_at, refreshed_at = excluded.refreshed_at",
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
            r#"select id, user_principal_name, problem, refreshed_at, refusals, retry_at, silences, silence_found_at,
                 leaving_at is not null as "leaving!" from subscriber_account
               order by enrolled_at, id"#
        );
        let accounts = rows.fetch_all(&self.pool).await?.into_iter().map(|row| Account {
            id: AccountId(row.id),
            user_principal_name: row.user_principal_name,
            problem: row.problem,
            refreshed_at: row.refreshed_at.to_jiff(),
            refusals: u32::try_from(row.refusals).unwrap_or(0),
            retry_at: row.retry_at.map(jiff_sqlx::Timestamp::to_jiff),
            silence: Silence {
                times: u32::try_from(row.silences).unwrap_or(0),
                found_at: row.silence_found_at.map(jiff_sqlx::Timestamp::to_jiff),
            },
            leaving: row.leaving,
        });
        Ok(accounts.collect())
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
            "update subscriber_account set refresh_token = coalesce($2, refresh_token), refreshed_at = $3, problem = null,
                 problem_kind = null, problem_at = null, retry_at = case when problem is null then retry_at end where id = $1",
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
    pub async fn note_account_problem(
        &self,
        id: AccountId,
        kind: ProblemKind,
        problem: &str,
        now: Timestamp,
        retry_at: Option<Timestamp>,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "update subscriber_account set problem = $2, problem_kind = $3, problem_at = coalesce(problem_at, $4), retry_at = $5 where id = $1",
            id.0,
            problem,
            kind.label(),
            now.to_sqlx(),
            retry_at.map(ToSqlx::to_sqlx) as _,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes that Graph would not let the account have a subscription, what it said, and when to ask again.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn note_account_refused(
        &self,
        id: AccountId,
        refusal: &str,
        now: Timestamp,
        retry_at: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "update subscriber_account set refusals = refusals + 1, refused_since = coalesce(refused_since, $3), refusal = $2, retry_at = $4
             where id = $1",
            id.0,
            refusal,
            now.to_sqlx(),
            retry_at.to_sqlx(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes that Graph lets the account have a subscription again.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn note_account_served(&self, id: AccountId) -> Result<(), StoreError> {
        sqlx::query!(
            "update subscriber_account set refusals = 0, refused_since = null, refusal = null, retry_at = null where id = $1",
            id.0
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes that a silent subscription of the account was made anew.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn note_silence_ended(&self, id: AccountId, silence: Silence) -> Result<(), StoreError> {
        sqlx::query!(
            "update subscriber_account set silences = $2, silence_found_at = $3 where id = $1",
            id.0,
            i32::try_from(silence.times).unwrap_or(i32::MAX),
            silence.found_at.map(ToSqlx::to_sqlx) as _,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
