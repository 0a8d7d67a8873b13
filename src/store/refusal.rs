//! Notifications that were not believed: when, why, and never what they said.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::{Store, StoreError, Tx, times};

/// One notification that was not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refused {
    /// When it came.
    pub received_at: Timestamp,
    /// The check it failed.
    pub reason: &'static str,
    /// The subscription it named, whether we know it or not.
    pub subscription_id: Option<Uuid>,
}

/// Remembers refusals.
///
/// # Errors
/// Postgres could not.
pub async fn record(tx: &mut Tx<'_>, refused: &[Refused], now: Timestamp) -> Result<(), StoreError> {
    if refused.is_empty() {
        return Ok(());
    }
    let received = times(refused.iter().map(|refused| &refused.received_at));
    let reasons: Vec<String> = refused.iter().map(|refused| refused.reason.to_owned()).collect();
    let subscriptions: Vec<Option<Uuid>> = refused.iter().map(|refused| refused.subscription_id).collect();
    sqlx::query!(
        "insert into refusal (refused_at, received_at, reason, subscription_id)
         select $1, received_at, reason, subscription_id
         from unnest($2::timestamptz[], $3::text[], $4::uuid[]) as refused (received_at, reason, subscription_id)",
        now.to_sqlx(),
        received as _,
        &reasons,
        &subscriptions as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

impl Store {
    /// Refusals by reason, over all that are still kept.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn refusals(&self) -> Result<Vec<(String, i64)>, StoreError> {
        let rows = sqlx::query!(r#"select reason, count(*) as "count!" from refusal group by reason order by reason"#);
        Ok(rows.fetch_all(&self.pool).await?.into_iter().map(|row| (row.reason, row.count)).collect())
    }

    /// Forgets refusals older than `before`.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn forget_refusals(&self, before: Timestamp) -> Result<u64, StoreError> {
        let forgotten = sqlx::query!("delete from refusal where refused_at < $1", before.to_sqlx()).execute(&self.pool);
        Ok(forgotten.await?.rows_affected())
    }
}
