//! What a policy on trial would have shown: kept while the trial lasts.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::{FORGOTTEN_AT_ONCE, Store, StoreError, Tx};

impl Store {
    /// Forgets what would have been shown before this moment, so many rows at a time.
    ///
    /// # Errors
    /// Postgres could not; what is left is forgotten the next time.
    pub async fn forget_trials(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        loop {
            let some = sqlx::query!(
                "delete from shadow_show where ctid = any(array(select ctid from shadow_show where began_at < $1 limit $2))",
                before.to_sqlx(),
                FORGOTTEN_AT_ONCE,
            );
            let some = some.execute(&self.pool).await?.rows_affected();
            forgotten += some;
            if some < FORGOTTEN_AT_ONCE.unsigned_abs() {
                return Ok(forgotten);
            }
        }
    }
}

/// The trial of this policy is over.
pub(super) async fn forget(tx: &mut Tx<'_>, policy: Uuid) -> Result<(), StoreError> {
    sqlx::query!("delete from shadow_show where policy_guid = $1", policy).execute(&mut **tx).await?;
    Ok(())
}
