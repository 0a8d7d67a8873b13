//! Work that only one replica may do at a time.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::{Store, StoreError, Tx};
use crate::domain::expiry::CLOCK_SKEW_TOLERATED;

/// A lease, and who should hold it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Which.
    pub name: &'static str,
    /// Who we are among the replicas.
    pub holder: Uuid,
}

/// Whether the lease is still this holder's; it stays so while the transaction lasts: whoever would take it waits.
///
/// Its time is not looked at. As long as nobody else has taken it, nobody can have written anything under it.
///
/// # Errors
/// Postgres cannot be asked.
pub async fn is_held(tx: &mut Tx<'_>, lease: Lease) -> Result<bool, StoreError> {
    let held =
        sqlx::query_scalar!("select holder from lease where name = $1 and holder = $2 for share", lease.name, lease.holder);
    Ok(held.fetch_optional(&mut **tx).await?.is_some())
}

impl Store {
    /// Takes or keeps a lease; `true`: it is ours until `now + life`.
    ///
    /// One that runs further ahead than ours ever do was taken by a clock that was wrong: it counts for nothing.
    ///
    /// The caller counts the life from `now`, the moment before it asked, and trusts it for less than that.
    ///
    /// # Errors
    /// Postgres cannot be asked; the lease must be taken for lost.
    pub async fn hold_lease(&self, name: &str, holder: Uuid, now: Timestamp, life: SignedDuration) -> Result<bool, StoreError> {
        let held = sqlx::query_scalar!(
            "insert into lease (name, holder, expires_at) values ($1, $2, $3)
             on conflict (name) do update set holder = excluded.holder, expires_at = excluded.expires_at
             where lease.holder = excluded.holder or lease.expires_at <= $4 or lease.expires_at > $5
             returning holder",
            name,
            holder,
            (now + life).to_sqlx(),
            now.to_sqlx(),
            (now + life + CLOCK_SKEW_TOLERATED).to_sqlx(),
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(held.is_some())
    }

    /// Prolongs a lease that nobody else has held since we took it; `false`: somebody has, or may have.
    ///
    /// # Errors
    /// Postgres cannot be asked; the lease must be taken for lost.
    pub async fn keep_lease(&self, lease: Lease, now: Timestamp, life: SignedDuration) -> Result<bool, StoreError> {
        let kept = sqlx::query!(
            "update lease set expires_at = $3 where name = $1 and holder = $2",
            lease.name,
            lease.holder,
            (now + life).to_sqlx()
        );
        Ok(kept.execute(&self.pool).await?.rows_affected() > 0)
    }

    /// Gives up one lease, so that another may try what we could not do.
    ///
    /// # Errors
    /// Postgres could not; it runs out by itself.
    pub async fn release_lease(&self, lease: Lease) -> Result<(), StoreError> {
        let released = sqlx::query!("delete from lease where name = $1 and holder = $2", lease.name, lease.holder);
        released.execute(&self.pool).await?;
        Ok(())
    }

    /// Gives up every lease of a replica that stops, so that another need not wait.
    ///
    /// # Errors
    /// Postgres could not; they run out by themselves.
    pub async fn release_leases(&self, holder: Uuid) -> Result<(), StoreError> {
        sqlx::query!("delete from lease where holder = $1", holder).execute(&self.pool).await?;
        Ok(())
    }
}
