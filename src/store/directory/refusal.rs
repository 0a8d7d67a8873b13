//! So many people would be dropped at once that an operator must agree first: what is known of that, and the operator's word.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::domain::ids::UserGuid;
use crate::store::audit::{self, Actor, Entry, Target};
use crate::store::feed::Feed;
use crate::store::{Store, StoreError, Tx, commit};

/// A change of people that is held back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// When it was first seen.
    pub since: Timestamp,
    /// When it was last seen.
    pub seen_at: Timestamp,
    /// How many people there are.
    pub people: usize,
    /// How many of them XPhone no longer has.
    pub gone: usize,
    /// How many are no longer matched, or no longer sit at any location.
    pub unmatched: usize,
    /// How many more were dropped within the day before, and count as well.
    pub recent: usize,
    /// Who: those who are gone, then the others.
    pub dropped: Vec<UserGuid>,
    /// When an operator agreed, and who that was; `None`: nobody has.
    pub accepted: Option<(Timestamp, String)>,
}

/// What became of an operator's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Accepted {
    /// It counts.
    Done,
    /// Nothing is held back.
    NothingHeld,
    /// Not so many as the operator thinks are held back, but this many.
    Others(usize),
}

impl Store {
    /// What is held back; `None`: nothing.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn directory_refusal(&self) -> Result<Option<Refusal>, StoreError> {
        let row = sqlx::query!(
            "select since, seen_at, people, gone, unmatched, recent, dropped, accepted_at, accepted_by from directory_refusal where single"
        );
        let count = |number: i32| usize::try_from(number).unwrap_or_default();
        Ok(row.fetch_optional(&self.pool).await?.map(|row| Refusal {
            since: row.since.to_jiff(),
            seen_at: row.seen_at.to_jiff(),
            people: count(row.people),
            gone: count(row.gone),
            unmatched: count(row.unmatched),
            recent: count(row.recent),
            dropped: row.dropped.into_iter().map(UserGuid).collect(),
            accepted: row.accepted_at.map(jiff_sqlx::Timestamp::to_jiff).zip(row.accepted_by),
        }))
    }

    /// How many people are not dropped until an operator agrees; 0: nothing is held back, or it is agreed to.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn directory_held_back(&self) -> Result<i64, StoreError> {
        let held = sqlx::query_scalar!(
            r#"select cardinality(dropped)::int8 as "held!" from directory_refusal where single and accepted_at is null"#
        );
        Ok(held.fetch_optional(&self.pool).await?.unwrap_or_default())
    }

    /// Notes what is held back. An operator's word for those and no others counts on, even if it came while they were compared; where
    /// anybody else is among them it counts no more.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn refuse_directory(&self, refusal: &Refusal) -> Result<(), StoreError> {
        let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        let dropped: Vec<Uuid> = refusal.dropped.iter().map(|user| user.0).collect();
        sqlx::query!(
            "insert into directory_refusal (since, seen_at, people, gone, unmatched, dropped, recent) values ($1, $2, $3, $4, $5, $6, $7)
             on conflict (single) do update set seen_at = excluded.seen_at, people = excluded.people, gone = excluded.gone,
                 unmatched = excluded.unmatched, dropped = excluded.dropped, recent = excluded.recent,
                 accepted_at = case when excluded.dropped <@ directory_refusal.dropped then directory_refusal.accepted_at end,
                 accepted_by = case when excluded.dropped <@ directory_refusal.dropped then directory_refusal.accepted_by end",
            refusal.since.to_sqlx(),
            refusal.seen_at.to_sqlx(),
            count(refusal.people),
            count(refusal.gone),
            count(refusal.unmatched),
            &dropped,
            count(refusal.recent),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Forgets what was held back: it has been carried out, or is not so any more. Whoever agreed to it has looked at those who went
    /// before as well: they count no more.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn settle_directory_refusal(&self) -> Result<(), StoreError> {
        sqlx::query!(
            "with settled as (delete from directory_refusal returning accepted_at)
             delete from directory_departure where exists (select from settled where accepted_at is not null)"
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// An operator at the command line, called `by`, agrees that the `expected` people who are held back may be dropped, and both
    /// systems are read again at once.
    ///
    /// # Errors
    /// Postgres could not; nothing has changed.
    pub async fn accept_directory(
        &self,
        expected: usize,
        (by, actor): (&str, &Actor),
        now: Timestamp,
    ) -> Result<Accepted, StoreError> {
        let mut tx = self.begin().await?;
        let held = sqlx::query!(
            r#"select people, gone, unmatched, recent, cardinality(dropped) as "dropped!" from directory_refusal
               where single for no key update"#
        );
        let Some(held) = held.fetch_optional(&mut *tx).await? else { return Ok(Accepted::NothingHeld) };
        let dropped = usize::try_from(held.dropped).unwrap_or_default();
        if dropped != expected {
            return Ok(Accepted::Others(dropped));
        }
        sqlx::query!("update directory_refusal set accepted_at = $1, accepted_by = $2", now.to_sqlx(), by)
            .execute(&mut *tx)
            .await?;
        let counts =
            json!({"people": held.people, "gone": held.gone, "unmatched": held.unmatched, "recent": held.recent, "by": by});
        remember(&mut tx, actor, counts, now).await?;
        sqlx::query!("delete from feed where name = $1", Feed::Directory.label()).execute(&mut *tx).await?;
        commit(tx).await?;
        Ok(Accepted::Done)
    }
}

async fn remember(tx: &mut Tx<'_>, actor: &Actor, accepted: Value, now: Timestamp) -> Result<(), StoreError> {
    let entry = Entry {
        actor,
        remote: None,
        action: "directory accepted",
        target: Target { kind: "directory", id: None },
        before: None,
        after: Some(accepted),
    };
    audit::record(tx, &entry, now).await
}
