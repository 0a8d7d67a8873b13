//! What was observed long ago of people for whom nothing is synchronised: nobody keeps it up to date, so it is forgotten.
//!
//! Only what was observed goes. What is shown or on its way is left alone with all that it rests on, and nobody is woken: nothing is
//! to be done for these people. Rows that somebody else works on wait for the next time.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::feed::Feed;
use super::{Store, StoreError, rows};

/// So few in one statement that nobody waits long for their rows.
const BATCH: usize = 500;

impl Store {
    /// Forgets what both sides were last seen to say before this moment of those for whom nothing is synchronised.
    ///
    /// # Errors
    /// Postgres could not; what is left is forgotten the next time.
    pub async fn forget_observations(&self, before: Timestamp) -> Result<(), StoreError> {
        let mut after = Some(Uuid::nil());
        while let Some(last) = after {
            after = next(self.forget_in_teams(last, before).await?);
        }
        // A fact of XPhone's is noted when it changes, and holds for as long as XPhone is heard.
        let heard = sqlx::query_scalar!("select refreshed_at from feed where name = $1", Feed::XphonePresence.label());
        let heard_at = heard.fetch_optional(&self.pool).await?.map(jiff_sqlx::Timestamp::to_jiff);
        let mut after = heard_at.is_none_or(|heard_at| heard_at < before).then_some(Uuid::nil());
        while let Some(last) = after {
            after = next(self.forget_in_xphone(last, before).await?);
        }
        Ok(())
    }

    async fn forget_in_teams(&self, after: Uuid, before: Timestamp) -> Result<Vec<Uuid>, StoreError> {
        let forgotten = sqlx::query_scalar!(
            "update user_state s set teams_availability = null, teams_activity = null, teams_source = null, teams_observed_at = null,
                 read_availability = null, read_activity = null, read_at = null, native = null, native_since = null
             from (
                 select s.user_guid from user_state s
                     join person_unserved p on p.user_guid = s.user_guid
                 where s.user_guid > $1 and greatest(s.teams_observed_at, s.read_at, s.native_since) < $2 and not s.in_teams
                 order by s.user_guid limit $3 for no key update of s skip locked
             ) old where s.user_guid = old.user_guid returning s.user_guid",
            after,
            before.to_sqlx(),
            rows(BATCH),
        );
        Ok(forgotten.fetch_all(&self.pool).await?)
    }

    async fn forget_in_xphone(&self, after: Uuid, before: Timestamp) -> Result<Vec<Uuid>, StoreError> {
        let forgotten = sqlx::query_scalar!(
            "update user_state s set xphone_telephone_state = null, xphone_meeting = null, xphone_status_guid = null, xphone_ours = null,
                 xphone_client_connected = null, xphone_sequence = null, xphone_observed_at = null
             from (
                 select s.user_guid from user_state s
                     join person_unserved p on p.user_guid = s.user_guid
                 where s.user_guid > $1 and s.xphone_observed_at < $2 and not s.in_teams
                 order by s.user_guid limit $3 for no key update of s skip locked
             ) old where s.user_guid = old.user_guid returning s.user_guid",
            after,
            before.to_sqlx(),
            rows(BATCH),
        );
        Ok(forgotten.fetch_all(&self.pool).await?)
    }
}

/// Whom the next batch comes after; `None`: there is none.
fn next(forgotten: Vec<Uuid>) -> Option<Uuid> {
    (forgotten.len() == BATCH).then(|| forgotten.into_iter().max()).flatten()
}
