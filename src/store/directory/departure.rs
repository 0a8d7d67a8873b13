//! Whoever was dropped lately without an operator's word, so that what leaks away slowly is added up; and what is left of the departed.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use crate::domain::directory::Departure;
use crate::domain::ids::UserGuid;
use crate::store::{Store, StoreError, Tx};

impl Store {
    /// Whoever was dropped after this moment, and whose drop no operator has agreed to.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn departures(&self, after: Timestamp) -> Result<Vec<Departure>, StoreError> {
        let rows = sqlx::query!("select user_guid, was_matched from directory_departure where departed_at > $1", after.to_sqlx());
        let departure = |user, was_matched| Departure { user: UserGuid(user), was_matched };
        Ok(rows.fetch_all(&self.pool).await?.into_iter().map(|row| departure(row.user_guid, row.was_matched)).collect())
    }

    /// Forgets whoever was dropped before this moment, and what was still to be sent for those who left: everything that we show ends
    /// by itself sooner.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn forget_departures(&self, before: Timestamp) -> Result<(), StoreError> {
        let forgotten = sqlx::query!("delete from directory_departure where departed_at <= $1", before.to_sqlx());
        forgotten.execute(&self.pool).await?;
        let void = sqlx::query!(
            "delete from outbox where decided_at <= $1 and not exists (select from person where guid = outbox.user_guid)",
            before.to_sqlx()
        );
        void.execute(&self.pool).await?;
        Ok(())
    }
}

/// Remembers that these are dropped, while they still are who they were.
pub(super) async fn note(tx: &mut Tx<'_>, users: &[Uuid], now: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into directory_departure (user_guid, departed_at, was_matched)
         select guid, $2, teams_id is not null from person where guid = any($1)
         on conflict (user_guid) do update set departed_at = excluded.departed_at,
             was_matched = directory_departure.was_matched or excluded.was_matched",
        users,
        now.to_sqlx(),
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
