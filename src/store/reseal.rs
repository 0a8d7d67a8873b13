//! Seals anew with the current key what an earlier one sealed, so that `secrets.previous_keys` can be emptied.

use uuid::Uuid;

use super::sealed::{self, Purpose};
use super::{Store, StoreError};
use crate::domain::ids::{TeamsUserId, UserGuid};

/// Rows read at once.
const PAGE_ROWS: i64 = 500;

impl Store {
    /// Seals anew whatever an earlier key sealed; without earlier keys there is nothing to do. What no key opens stays as it is, and
    /// what changes meanwhile is sealed with the current key by whoever changes it.
    ///
    /// # Errors
    /// Postgres could not; what was done stays done.
    pub async fn seal_anew(&self) -> Result<(), StoreError> {
        if self.keys.previous.is_empty() {
            return Ok(());
        }
        let sealed = self.accounts_anew().await?
            + self.certificates_anew().await?
            + self.client_states_anew().await?
            + self.people_link_anew().await?
            + self.logins_anew().await?;
        match self.pseudonym_key().await {
            // Whoever asks for it is told, and `check` says so; what ages must be forgotten all the same.
            Ok(_) | Err(StoreError::Sealed) => {}
            Err(error) => return Err(error),
        }
        if sealed > 0 {
            tracing::info!(secrets = sealed, "sealed anew with secrets.key what one of secrets.previous_keys had sealed");
        }
        Ok(())
    }

    /// `None`: nothing to do, or nothing that can be done.
    fn anew(&self, purpose: Purpose, sealed: &[u8]) -> Option<Vec<u8>> {
        sealed::anew(&self.keys, purpose, sealed).ok().flatten()
    }

    async fn accounts_anew(&self) -> Result<usize, StoreError> {
        let mut count = 0;
        for row in sqlx::query!("select id, refresh_token from subscriber_account").fetch_all(&self.pool).await? {
            let Some(anew) = self.anew(Purpose::RefreshToken, &row.refresh_token) else { continue };
            let write = sqlx::query!(
                "update subscriber_account set refresh_token = $3 where id = $1 and refresh_token = $2",
                row.id,
                row.refresh_token,
                anew
            );
            count += usize::from(write.execute(&self.pool).await?.rows_affected() > 0);
        }
        Ok(count)
    }

    async fn certificates_anew(&self) -> Result<usize, StoreError> {
        let mut count = 0;
        for row in sqlx::query!("select id, private_key from notification_certificate").fetch_all(&self.pool).await? {
            let Some(anew) = self.anew(Purpose::PrivateKey, &row.private_key) else { continue };
            let write = sqlx::query!("update notification_certificate set private_key = $2 where id = $1", row.id, anew);
            count += usize::from(write.execute(&self.pool).await?.rows_affected() > 0);
        }
        Ok(count)
    }

    async fn client_states_anew(&self) -> Result<usize, StoreError> {
        let mut count = 0;
        for row in sqlx::query!("select id, client_state from subscription").fetch_all(&self.pool).await? {
            let Some(anew) = self.anew(Purpose::ClientState, &row.client_state) else { continue };
            let write = sqlx::query!("update subscription set client_state = $2 where id = $1", row.id, anew);
            count += usize::from(write.execute(&self.pool).await?.rows_affected() > 0);
        }
        Ok(count)
    }

    async fn people_link_anew(&self) -> Result<usize, StoreError> {
        let link = sqlx::query_scalar!(r#"select link as "link!" from teams_feed where link is not null"#);
        let Some(link) = link.fetch_optional(&self.pool).await? else { return Ok(0) };
        let Some(anew) = self.anew(Purpose::PeopleLink, &link) else { return Ok(0) };
        let write = sqlx::query!("update teams_feed set link = $2 where link = $1", link, anew);
        Ok(usize::from(write.execute(&self.pool).await?.rows_affected() > 0))
    }

    async fn logins_anew(&self) -> Result<usize, StoreError> {
        let (mut count, mut after) = (0, Uuid::nil());
        loop {
            let page = sqlx::query!(
                r#"select user_guid, teams_id, refresh_token as "refresh_token!" from kept_login
                   where refresh_token is not null and user_guid > $1 order by user_guid limit $2"#,
                after,
                PAGE_ROWS
            );
            let page = page.fetch_all(&self.pool).await?;
            let Some(last) = page.last() else { return Ok(count) };
            after = last.user_guid;
            for row in page {
                let purpose = Purpose::KeptLogin(UserGuid(row.user_guid), TeamsUserId(row.teams_id));
                let Some(anew) = self.anew(purpose, &row.refresh_token) else { continue };
                let write = sqlx::query!(
                    "update kept_login set refresh_token = $3 where user_guid = $1 and refresh_token = $2",
                    row.user_guid,
                    row.refresh_token,
                    anew
                );
                count += usize::from(write.execute(&self.pool).await?.rows_affected() > 0);
            }
        }
    }
}
