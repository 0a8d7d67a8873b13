//! One user in full, for explaining what they show.

use jiff::Timestamp;
use uuid::Uuid;

use super::decision::{self, Due};
use super::{Store, StoreError, known};
use crate::domain::ids::UserGuid;
use crate::domain::reconcile::Timing;
use crate::domain::slot::SlotName;

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
    /// What is on its way, in the order of the slots.
    pub mailboxes: Vec<Mailbox>,
}

/// What lies in one of a user's mailboxes.
#[derive(Clone, Debug)]
pub struct Mailbox {
    /// Which.
    pub slot: SlotName,
    /// Whether it sets something, rather than taking it away.
    pub shows: bool,
    /// How often it was tried.
    pub attempts: i32,
    /// What failed last.
    pub problem: Option<String>,
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
    pub async fn portrait(&self, user: UserGuid, now: Timestamp, timing: Timing) -> Result<Option<Portrait>, StoreError> {
        let mut tx = self.begin().await?;
        let Some(due) = decision::load(&mut tx, &[user.0], now, timing).await?.pop() else { return Ok(None) };
        let row = sqlx::query!(
            "select p.match as matched, s.teams_availability, s.teams_activity, s.xphone_observed_at, s.decided_at, s.revisit_at
             from person p join user_state s on s.user_guid = p.guid where p.guid = $1",
            user.0,
        )
        .fetch_one(&mut *tx)
        .await?;
        let letters =
            sqlx::query!("select slot, shows, attempts, problem from outbox where user_guid = $1 order by slot desc", user.0);
        let mailboxes = letters.fetch_all(&mut *tx).await?.into_iter().map(|row| {
            let slot = known(&row.slot, SlotName::from_label)?;
            Ok(Mailbox { slot, shows: row.shows, attempts: row.attempts, problem: row.problem })
        });
        let mailboxes = mailboxes.collect::<Result<_, StoreError>>()?;
        Ok(Some(Portrait {
            due,
            matched: row.matched,
            teams_words: row.teams_availability.zip(row.teams_activity),
            xphone_observed_at: row.xphone_observed_at.map(jiff_sqlx::Timestamp::to_jiff),
            decided_at: row.decided_at.map(jiff_sqlx::Timestamp::to_jiff),
            revisit_at: row.revisit_at.map(jiff_sqlx::Timestamp::to_jiff),
            mailboxes,
        }))
    }
}
