//! Notifications that were not believed: when, why, how many, and never what they said.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::{FORGOTTEN_AT_ONCE, Store, StoreError, Tx, times};

const MINUTE_SECONDS: i64 = 60;

/// Refusals of some posts, counted by minute of arrival, reason, and subscription if it is one of ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refusals(BTreeMap<(Timestamp, &'static str, Option<Uuid>), u64>);

impl Refusals {
    /// Counts one more.
    pub fn add(&mut self, received_at: Timestamp, reason: &'static str, subscription_id: Option<Uuid>) {
        let minute = received_at - SignedDuration::from_secs(received_at.as_second().rem_euclid(MINUTE_SECONDS));
        let minute = minute - SignedDuration::from_nanos(minute.subsec_nanosecond().into());
        *self.0.entry((minute, reason, subscription_id)).or_default() += 1;
    }

    /// Counts those of others too.
    pub fn extend(&mut self, others: Self) {
        for (key, count) in others.0 {
            *self.0.entry(key).or_default() += count;
        }
    }

    /// Reasons, each with a count; a reason may come several times.
    pub fn by_reason(&self) -> impl Iterator<Item = (&'static str, u64)> {
        self.0.iter().map(|((_, reason, _), count)| (*reason, *count))
    }
}

/// Remembers refusals.
///
/// # Errors
/// Postgres could not.
pub async fn record(tx: &mut Tx<'_>, refusals: &Refusals) -> Result<(), StoreError> {
    if refusals.0.is_empty() {
        return Ok(());
    }
    let minutes = times(refusals.0.keys().map(|(minute, ..)| minute));
    let reasons: Vec<String> = refusals.0.keys().map(|(_, reason, _)| (*reason).to_owned()).collect();
    let subscriptions: Vec<Option<Uuid>> = refusals.0.keys().map(|(.., subscription)| *subscription).collect();
    let counts: Vec<i64> = refusals.0.values().map(|count| i64::try_from(*count).unwrap_or(i64::MAX)).collect();
    sqlx::query!(
        "insert into refusal (minute, reason, subscription_id, refused)
         select * from unnest($1::timestamptz[], $2::text[], $3::uuid[], $4::int8[])
         on conflict on constraint refusal_key do update set refused = refusal.refused + excluded.refused",
        minutes as _,
        &reasons,
        &subscriptions as _,
        &counts,
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
        let rows = sqlx::query!(r#"select reason, sum(refused)::int8 as "count!" from refusal group by reason order by reason"#);
        Ok(rows.fetch_all(&self.pool).await?.into_iter().map(|row| (row.reason, row.count)).collect())
    }

    /// Forgets refusals older than `before`, so many rows at a time.
    ///
    /// # Errors
    /// Postgres could not; what is left is forgotten the next time.
    pub async fn forget_refusals(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        loop {
            let some = sqlx::query!(
                "delete from refusal where ctid = any(array(select ctid from refusal where minute < $1 limit $2))",
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
