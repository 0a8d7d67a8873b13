//! Login data of users who linked themselves, where the policy says to remember it: sealed for that user alone, gone with the link.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use secrecy::{ExposeSecret, SecretString};

use super::sealed::{self, Purpose};
use super::{Store, StoreError, Tx, rows};
use crate::domain::directory::Link;
use crate::domain::ids::{TeamsUserId, UserGuid};

/// Entra ID forgets what is not used for 90 days; twice more there is time for a gateway that was away.
pub const RENEWED_EVERY: SignedDuration = SignedDuration::from_hours(30 * 24);
/// When that is tried again which did not work, for a reason that may pass.
const TRIED_AGAIN_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// Login data whose time to be renewed has come.
#[derive(Debug)]
pub struct DueLogin {
    /// Whose it is, and as whom they signed in.
    pub link: Link,
    /// What Entra ID gave.
    pub refresh_token: SecretString,
    /// As it was kept: whatever was kept since is another sign-in's, and not touched.
    sealed: Vec<u8>,
}

/// What is due at once.
#[derive(Debug)]
pub struct DueLogins {
    /// The longest due first.
    pub logins: Vec<DueLogin>,
    /// How many more no key of the settings opens just now.
    pub unopenable: usize,
}

impl Store {
    /// Keeps what Entra ID gave to a user who has just linked themselves, in the transaction of the link.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn keep_login(
        &self,
        tx: &mut Tx<'_>,
        link: Link,
        refresh_token: &SecretString,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "insert into kept_login (user_guid, teams_id, refresh_token, kept_at, renewed_at, renew_at) values ($1, $2, $3, $4, $4, $5)",
            link.user.0,
            link.teams_user.0,
            self.seal_login(link, refresh_token)?,
            now.to_sqlx(),
            (now + RENEWED_EVERY).to_sqlx(),
        )
        .execute(&mut **tx)
        .await?;
        Ok(())
    }

    fn seal_login(&self, link: Link, refresh_token: &SecretString) -> Result<Vec<u8>, StoreError> {
        sealed::seal(&self.keys, Purpose::KeptLogin(link.user, link.teams_user), refresh_token.expose_secret().as_bytes())
    }

    /// Login data to be renewed, the longest due first. What no key opens is left out, put off and left as it is: the settings may lack
    /// a key that somebody still has.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn logins_due(&self, now: Timestamp, limit: usize) -> Result<DueLogins, StoreError> {
        let due = sqlx::query!(
            r#"select user_guid, teams_id, refresh_token as "refresh_token!" from kept_login
               where refresh_token is not null and renew_at <= $1 order by renew_at limit $2"#,
            now.to_sqlx(),
            rows(limit),
        );
        let mut due_logins = DueLogins { logins: Vec::new(), unopenable: 0 };
        for row in due.fetch_all(&self.pool).await? {
            let link = Link { user: UserGuid(row.user_guid), teams_user: TeamsUserId(row.teams_id) };
            let opened = sealed::open(&self.keys, Purpose::KeptLogin(link.user, link.teams_user), &row.refresh_token);
            let opened = opened.ok().and_then(|token| std::str::from_utf8(&token).ok().map(SecretString::from));
            if let Some(refresh_token) = opened {
                due_logins.logins.push(DueLogin { link, refresh_token, sealed: row.refresh_token });
            } else {
                due_logins.unopenable += 1;
                self.put_off_sealed(link, &row.refresh_token, now).await?;
            }
        }
        Ok(due_logins)
    }

    /// Tries it again in an hour: whatever failed may pass, and meanwhile others have their turn.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn put_login_off(&self, login: &DueLogin, now: Timestamp) -> Result<(), StoreError> {
        self.put_off_sealed(login.link, &login.sealed, now).await
    }

    async fn put_off_sealed(&self, link: Link, sealed: &[u8], now: Timestamp) -> Result<(), StoreError> {
        sqlx::query!(
            "update kept_login set renew_at = $4 where user_guid = $1 and teams_id = $2 and refresh_token = $3",
            link.user.0,
            link.teams_user.0,
            sealed,
            (now + TRIED_AGAIN_AFTER).to_sqlx(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The link was proved anew; keeps the refresh token that came with it, if there is a new one.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn note_login_renewed(
        &self,
        login: &DueLogin,
        token: Option<&SecretString>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let link = login.link;
        let sealed = token.map(|token| self.seal_login(link, token)).transpose()?;
        sqlx::query!(
            "update kept_login set refresh_token = coalesce($3, refresh_token), renewed_at = $4, renew_at = $5
             where user_guid = $1 and teams_id = $2 and refresh_token = $6",
            link.user.0,
            link.teams_user.0,
            sealed,
            now.to_sqlx(),
            (now + RENEWED_EVERY).to_sqlx(),
            login.sealed,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes why the user must sign in again, and forgets what is of no use any more.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn note_login_problem(&self, login: &DueLogin, problem: &str) -> Result<(), StoreError> {
        sqlx::query!(
            "update kept_login set refresh_token = null, problem = $3
             where user_guid = $1 and teams_id = $2 and refresh_token = $4",
            login.link.user.0,
            login.link.teams_user.0,
            problem,
            login.sealed,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Forgets login data of whom the policy no longer says to remember it; tells how many.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn forget_unwanted_logins(&self) -> Result<u64, StoreError> {
        let forgotten = sqlx::query!(
            "delete from kept_login k using person_policy e where e.user_guid = k.user_guid and not e.remember_login_data",
        );
        Ok(forgotten.execute(&self.pool).await?.rows_affected())
    }
}
