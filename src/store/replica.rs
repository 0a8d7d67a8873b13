//! The gateways that work on this database, by the sign of life that each gives.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::expiry::CLOCK_SKEW_TOLERATED;

/// A replica that has given no sign of life for so long counts as gone.
pub const GONE_AFTER: SignedDuration = SignedDuration::from_secs(20);
/// For so long it is remembered that there was one.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(1);

/// A gateway that works on this database, or did a while ago.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replica {
    /// As leases name it.
    pub id: Uuid,
    /// The program's version.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
    /// When it last gave a sign of life.
    pub seen_at: Timestamp,
}

impl Replica {
    /// Whether it counts as living at `now`.
    #[must_use]
    pub fn lives(&self, now: Timestamp) -> bool {
        self.seen_at > now - GONE_AFTER && self.seen_at < now + GONE_AFTER + CLOCK_SKEW_TOLERATED
    }
}

impl Store {
    /// Gives a sign of life, forgets replicas that are long gone, and tells how many live, this one included.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn note_alive(&self, id: Uuid, version: &str, now: Timestamp) -> Result<u32, StoreError> {
        let mut tx = self.begin_derived().await?;
        let noted = sqlx::query!(
            "insert into replica (id, version, started_at, seen_at) values ($1, $2, $3, $3)
             on conflict (id) do update set seen_at = excluded.seen_at",
            id,
            version,
            now.to_sqlx(),
        );
        noted.execute(&mut *tx).await?;
        let forgotten = sqlx::query!("delete from replica where seen_at < $1", (now - REMEMBERED).to_sqlx());
        forgotten.execute(&mut *tx).await?;
        let living = sqlx::query_scalar!(
            r#"select count(*) as "living!" from replica where seen_at > $1 and seen_at < $2"#,
            (now - GONE_AFTER).to_sqlx(),
            (now + GONE_AFTER + CLOCK_SKEW_TOLERATED).to_sqlx(),
        );
        let living = living.fetch_one(&mut *tx).await?;
        super::commit(tx).await?;
        Ok(u32::try_from(living).unwrap_or(u32::MAX).max(1))
    }

    /// Every replica that is remembered, the longest running first.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn replicas(&self) -> Result<Vec<Replica>, StoreError> {
        let rows = sqlx::query!("select id, version, started_at, seen_at from replica order by started_at, id");
        let replica = rows.fetch_all(&self.pool).await?.into_iter().map(|row| Replica {
            id: row.id,
            version: row.version,
            started_at: row.started_at.to_jiff(),
            seen_at: row.seen_at.to_jiff(),
        });
        Ok(replica.collect())
    }

    /// Takes a replica off the list, when it stops.
    ///
    /// # Errors
    /// Postgres could not; it counts as gone soon.
    pub async fn forget_replica(&self, id: Uuid) -> Result<(), StoreError> {
        sqlx::query!("delete from replica where id = $1", id).execute(&self.pool).await?;
        Ok(())
    }
}
