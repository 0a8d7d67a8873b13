//! Enrolments of subscriber accounts over the admin API: begun, waited for, ended; their codes are never stored.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::{Store, StoreError, Tx};

/// How an enrolment ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The account signed in.
    Enrolled,
    /// Another account signed in; nothing was kept of it.
    SomebodyElse,
    /// Nobody did in time, or the person declined.
    NotApproved,
    /// Something else went wrong.
    Failed,
    /// An administrator wants it no more.
    Cancelled,
}

impl Outcome {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Enrolled, Self::SomebodyElse, Self::NotApproved, Self::Failed, Self::Cancelled];

    /// Stable text for storage and documents.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Enrolled => "enrolled",
            Self::SomebodyElse => "somebody_else",
            Self::NotApproved => "not_approved",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    pub(super) fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|outcome| outcome.label() == label)
    }
}

/// One attempt to enrol an account.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// Which.
    pub id: Uuid,
    /// Who should sign in.
    pub user_principal_name: String,
    /// Until when the code can be entered.
    pub expires_at: Timestamp,
}

impl Store {
    /// Whether the attempt is still the latest of its name; its gateway waits for it until `alive_until` at least.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn note_enrolment_alive(&self, attempt: Uuid, alive_until: Timestamp) -> Result<bool, StoreError> {
        let noted = sqlx::query!(
            "update subscriber_enrolment set alive_until = $2 where attempt = $1 and ended_at is null",
            attempt,
            alive_until.to_sqlx(),
        );
        Ok(noted.execute(&self.pool).await?.rows_affected() > 0)
    }

    /// Nobody waits for these attempts any more.
    ///
    /// # Errors
    /// Postgres could not; it is noticed when their time is over.
    pub async fn give_up_enrolments(&self, attempts: &[Uuid], now: Timestamp) -> Result<(), StoreError> {
        sqlx::query!(
            "update subscriber_enrolment set alive_until = $2 where attempt = any($1) and ended_at is null",
            attempts,
            now.to_sqlx(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Forgets attempts that were begun before this moment.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn forget_enrolments(&self, before: Timestamp) -> Result<(), StoreError> {
        sqlx::query!("delete from subscriber_enrolment where begun_at < $1", before.to_sqlx()).execute(&self.pool).await?;
        Ok(())
    }
}

/// Notes that an attempt has begun, in the place of an earlier one for the same account.
///
/// # Errors
/// Postgres could not.
pub async fn begin_enrolment(
    tx: &mut Tx<'_>,
    attempt: &Attempt,
    now: Timestamp,
    alive_until: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into subscriber_enrolment (name, user_principal_name, attempt, begun_at, expires_at, alive_until)
         values (lower($1), $1, $2, $3, $4, $5)
         on conflict (name) do update set user_principal_name = excluded.user_principal_name, attempt = excluded.attempt,
             begun_at = excluded.begun_at, expires_at = excluded.expires_at, alive_until = excluded.alive_until,
             ended_at = null, outcome = null, problem = null",
        attempt.user_principal_name,
        attempt.id,
        now.to_sqlx(),
        attempt.expires_at.to_sqlx(),
        alive_until.to_sqlx(),
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Notes how an attempt ended; `false`: a newer one has taken its place, and nothing of it is to be kept.
///
/// # Errors
/// Postgres could not.
pub async fn end_enrolment(
    tx: &mut Tx<'_>,
    attempt: Uuid,
    outcome: Outcome,
    problem: Option<&str>,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let ended = sqlx::query!(
        "update subscriber_enrolment set ended_at = $2, outcome = $3, problem = $4 where attempt = $1 and ended_at is null",
        attempt,
        now.to_sqlx(),
        outcome.label(),
        problem,
    );
    Ok(ended.execute(&mut **tx).await?.rows_affected() > 0)
}
