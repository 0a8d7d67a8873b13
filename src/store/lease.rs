//! Work that only one replica may do at a time.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::{Store, StoreError};

impl Store {
    /// Takes or keeps a lease; `true`: it is ours until `now + life`.
    ///
    /// The caller counts the life from `now`, the moment before it asked, and trusts it for less than that.
    ///
    /// # Errors
    /// Postgres cannot be asked; the lease must be taken for lost.
    pub async fn hold_lease(&self, name: &str, holder: Uuid, now: Timestamp, life: SignedDuration) -> Result<bool, StoreError> {
        let held = sqlx::query_scalar!(
            "insert into lease (name, holder, expires_at) values ($1, $2, $3)
             on conflict (name) do update set holder = excluded.holder, expires_at = excluded.expires_at
             where lease.holder = excluded.holder or lease.expires_at <= $4
             returning holder",
            name,
            holder,
            (now + life).to_sqlx(),
            now.to_sqlx(),
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(held.is_some())
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
