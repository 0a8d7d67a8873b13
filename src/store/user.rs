//! One user in full, for explaining what they show.

use jiff::Timestamp;
use uuid::Uuid;

use super::decision::{self, Due};
use super::{Store, StoreError};
use crate::domain::ids::UserGuid;

/// Everything there is to say about a user beyond the snapshot itself.
#[derive(Clone, Debug)]
pub struct Portrait {
    /// What the reconciler would see.
    pub due: Due,
    /// Why they are matched, or not.
    pub matched: String,
    /// Teams' words as they came.
    pub teams_words: Option<(String, String)>,
    /// When XPhone was last seen to change.
    pub xphone_observed_at: Option<Timestamp>,
    /// When the last decision was made.
    pub decided_at: Option<Timestamp>,
    /// When to look again.
    pub revisit_at: Option<Timestamp>,
    /// What the mailbox holds: whether it shows or clears, how often it was tried, and what failed.
    pub mailbox: Option<(bool, i32, Option<String>)>,
}

impl Store {
    /// Finds a user by XPhone's guid or by e-mail address, ignoring case.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn find_user(&self, name: &str) -> Result<Vec<UserGuid>, StoreError> {
        let guid: Option<Uuid> = name.parse().ok();
        let found =
            sqlx::query_scalar!("select guid from person where guid = $1 or lower(email) = lower($2) order by guid", guid, name);
        Ok(found.fetch_all(&self.pool).await?.into_iter().map(UserGuid).collect())
    }

    /// Everything there is to say about a user; `None`: there is no such user.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn portrait(&self, user: UserGuid, now: Timestamp) -> Result<Option<Portrait>, StoreError> {
        let mut tx = self.begin().await?;
        let Some(due) = decision::load(&mut tx, &[user.0], now).await?.pop() else { return Ok(None) };
        let row = sqlx::query!(
            r#"select p.match as matched, s.teams_availability, s.teams_activity, s.xphone_observed_at, s.decided_at, s.revisit_at,
                   o.shows as "shows?", o.attempts as "attempts?", o.problem as "problem?"
               from person p join user_state s on s.user_guid = p.guid left join outbox o on o.user_guid = p.guid
               where p.guid = $1"#,
            user.0,
        )
        .fetch_one(&mut *tx)
        .await?;
        Ok(Some(Portrait {
            due,
            matched: row.matched,
            teams_words: row.teams_availability.zip(row.teams_activity),
            xphone_observed_at: row.xphone_observed_at.map(jiff_sqlx::Timestamp::to_jiff),
            decided_at: row.decided_at.map(jiff_sqlx::Timestamp::to_jiff),
            revisit_at: row.revisit_at.map(jiff_sqlx::Timestamp::to_jiff),
            mailbox: row.shows.map(|shows| (shows, row.attempts.unwrap_or_default(), row.problem)),
        }))
    }
}
