//! What Graph posted and was told 202 for, until it has become facts or refusals.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use super::{Store, StoreError, Tx, commit, rows, times, trace, traces};
use crate::trace::TraceContext;

/// Posts in memory at a time: a stranger may send four megabytes in each.
const TAKEN_BYTES_MAX: i64 = 48 * 1024 * 1024;

/// Locks on numbers of this kind tell that whoever took posts under the number is still at it.
const TAKERS: i32 = 0x1b0;

/// What a post is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PostKind {
    /// Change notifications.
    Notification,
    /// Lifecycle notifications.
    Lifecycle,
}

impl PostKind {
    fn label(self) -> &'static str {
        match self {
            Self::Notification => "notification",
            Self::Lifecycle => "lifecycle",
        }
    }
}

/// One post as it came.
#[derive(Clone, Debug)]
pub struct Post {
    /// What it is about.
    pub kind: PostKind,
    /// When it came.
    pub received_at: Timestamp,
    /// Its body.
    pub body: Vec<u8>,
    /// Where it is followed.
    pub trace: Option<TraceContext>,
}

/// A post taken from the inbox.
#[derive(Clone, Debug)]
pub struct Taken {
    /// Its place in the inbox; grows with arrival.
    pub id: i64,
    /// When it came.
    pub received_at: Timestamp,
    /// Its body.
    pub body: Vec<u8>,
    /// Where it is followed.
    pub trace: Option<TraceContext>,
}

/// How full the inbox is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InboxDepth {
    /// Posts waiting.
    pub posts: i64,
    /// Arrival of the oldest.
    pub oldest: Option<Timestamp>,
}

impl Store {
    /// Makes posts durable, all or none.
    ///
    /// # Errors
    /// Postgres could not; nothing was kept.
    pub async fn deposit(&self, posts: &[Post]) -> Result<(), StoreError> {
        let kinds: Vec<String> = posts.iter().map(|post| post.kind.label().to_owned()).collect();
        let received = times(posts.iter().map(|post| &post.received_at));
        let bodies: Vec<&[u8]> = posts.iter().map(|post| post.body.as_slice()).collect();
        let traces = traces(posts.iter().map(|post| post.trace));
        sqlx::query!(
            "insert into inbox (kind, received_at, due_at, body, trace)
             select kind, received_at, received_at, body, trace
             from unnest($1::text[], $2::timestamptz[], $3::bytea[], $4::text[]) as post (kind, received_at, body, trace)",
            &kinds,
            received as _,
            &bodies as _,
            &traces as _,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// How full the inbox is.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn inbox_depth(&self) -> Result<InboxDepth, StoreError> {
        let row = sqlx::query!(r#"select count(*) as "posts!", min(received_at) as oldest from inbox"#);
        let row = row.fetch_one(&self.pool).await?;
        Ok(InboxDepth { posts: row.posts, oldest: row.oldest.map(jiff_sqlx::Timestamp::to_jiff) })
    }
}

/// Posts that have been taken, a few or many at a time: nobody else gets them while this lasts; whoever dies gives them back at once.
///
/// Rows are not locked meanwhile: a transaction that has touched a row keeps Postgres from tidying up any table, and opening a burst
/// takes seconds in which every other queue would drag its dead entries along. What this holds is just a lock on a number, and that
/// number in a row says who is at it.
pub struct Holding {
    held: Tx<'static>,
    number: i32,
    bytes_left: i64,
}

impl Holding {
    /// Holds nothing yet.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn begin(store: &Store) -> Result<Self, StoreError> {
        let number = fastrand::i32(..);
        let mut held = store.begin_derived().await?;
        sqlx::query!("select pg_advisory_xact_lock($1, $2)", TAKERS, number).execute(&mut *held).await?;
        Ok(Self { held, number, bytes_left: TAKEN_BYTES_MAX })
    }

    /// Takes the oldest posts that are due, in the order of their arrival: at most `limit`, and in all no more than a few megabytes
    /// unless a single one is larger.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn take(&mut self, store: &Store, kind: PostKind, now: Timestamp, limit: usize) -> Result<Vec<Taken>, StoreError> {
        let mut tx = store.begin_derived().await?;
        let taken = sqlx::query!(
            r#"
            update inbox set taken_by = $5
            -- As an array: joined, what lies there would be gone through once for each post, if a plan was made while nothing lay there.
            where id = any(array(
                select id from (
                    select id, sum(bytes) over (order by due_at, id) - bytes as bytes_before
                    from (
                        select id, due_at, octet_length(body) as bytes from inbox
                        where kind = $1 and due_at <= $2
                            and (taken_by is null or taken_by <> $5 and pg_try_advisory_xact_lock($6, taken_by))
                        order by due_at, id limit $3 for update skip locked
                    ) due
                ) due
                where bytes_before < $4
            ))
            returning id, received_at, body, trace
            "#,
            kind.label(),
            now.to_sqlx(),
            rows(limit),
            self.bytes_left,
            self.number,
            TAKERS,
        )
        .fetch_all(&mut *tx)
        .await?;
        commit(tx).await?;
        let taken = taken.into_iter();
        let mut taken: Vec<Taken> = taken
            .map(|row| Taken { id: row.id, received_at: row.received_at.to_jiff(), body: row.body, trace: trace(row.trace) })
            .collect();
        let bytes: usize = taken.iter().map(|post| post.body.len()).sum();
        self.bytes_left = self.bytes_left.saturating_sub(i64::try_from(bytes).unwrap_or(i64::MAX));
        // What had to wait came before what did not.
        taken.sort_unstable_by_key(|post| (post.received_at, post.id));
        Ok(taken)
    }

    /// No more fits in.
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.bytes_left <= 0
    }

    /// The transaction to remove or postpone in what was taken; when it ends, nothing is held any more.
    #[must_use]
    pub fn finish(self) -> Tx<'static> {
        self.held
    }
}

/// Removes posts that have been dealt with.
///
/// # Errors
/// Postgres could not.
pub async fn remove(tx: &mut Tx<'_>, ids: &[i64]) -> Result<(), StoreError> {
    sqlx::query!("delete from inbox where id = any($1)", ids).execute(&mut **tx).await?;
    Ok(())
}

/// Leaves posts for later.
///
/// # Errors
/// Postgres could not.
pub async fn postpone(tx: &mut Tx<'_>, ids: &[i64], until: Timestamp) -> Result<(), StoreError> {
    sqlx::query!("update inbox set due_at = $2, taken_by = null where id = any($1)", ids, until.to_sqlx())
        .execute(&mut **tx)
        .await?;
    Ok(())
}
