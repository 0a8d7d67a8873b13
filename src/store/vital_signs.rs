//! What Prometheus is told about the whole gateway whenever it asks, looked up then and at no other time.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;

use super::{Store, StoreError};

/// What should have gone so long ago is stuck; every retry that succeeds at all succeeds before.
const STUCK_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// Subscriber accounts by state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AccountCounts {
    /// May hold a subscription.
    pub usable: i64,
    /// Somebody has to sign them in again.
    pub need_sign_in: i64,
    /// Somebody removed them.
    pub leaving: i64,
}

/// Subscriptions that live.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LiveSubscriptions {
    /// How many.
    pub count: i64,
    /// Of those, how many are known to tell nothing.
    pub silent: i64,
    /// When the first of them ends.
    pub first_ends_at: Option<Timestamp>,
}

impl Store {
    /// What the database's own clock says.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn database_time(&self) -> Result<Timestamp, StoreError> {
        let time = sqlx::query_scalar!(r#"select clock_timestamp() as "time!""#);
        Ok(time.fetch_one(&self.pool).await?.to_jiff())
    }

    /// When each feed was last read whole, by the feed's label.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn feeds(&self) -> Result<Vec<(String, Timestamp)>, StoreError> {
        let feeds = sqlx::query!("select name, refreshed_at from feed").fetch_all(&self.pool).await?;
        Ok(feeds.into_iter().map(|feed| (feed.name, feed.refreshed_at.to_jiff())).collect())
    }

    /// How many subscriber accounts are in which state.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn account_counts(&self) -> Result<AccountCounts, StoreError> {
        let counts = sqlx::query_as!(
            AccountCounts,
            r#"select count(*) filter (where problem is null and leaving_at is null) as "usable!",
                   count(*) filter (where problem is not null and leaving_at is null) as "need_sign_in!",
                   count(*) filter (where leaving_at is not null) as "leaving!" from subscriber_account"#,
        );
        Ok(counts.fetch_one(&self.pool).await?)
    }

    /// How many subscriptions live, and until when.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn live_subscriptions(&self, now: Timestamp) -> Result<LiveSubscriptions, StoreError> {
        let live = sqlx::query!(
            r#"select count(*) as "count!", count(silent_since) as "silent!", min(expires_at) as first_ends_at
               from subscription where expires_at > $1"#,
            now.to_sqlx(),
        );
        let live = live.fetch_one(&self.pool).await?;
        let first_ends_at = live.first_ends_at.map(jiff_sqlx::Timestamp::to_jiff);
        Ok(LiveSubscriptions { count: live.count, silent: live.silent, first_ends_at })
    }

    /// How much is shown, by the slot's label, though it should have gone minutes ago.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn stuck(&self, now: Timestamp) -> Result<Vec<(String, i64)>, StoreError> {
        let rows = sqlx::query!(
            r#"select slot as "slot!", count(*) as "count!" from (
                   select slot, user_guid from outbox where not shows and decided_at < $1
                   union select name, user_guid from slot where state = 'shown' and until < $1
               ) stuck group by slot"#,
            (now - STUCK_AFTER).to_sqlx(),
        );
        Ok(rows.fetch_all(&self.pool).await?.into_iter().map(|row| (row.slot, row.count)).collect())
    }
}
