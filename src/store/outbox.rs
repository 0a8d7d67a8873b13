//! The mailboxes: one per user and slot, the newest decision wins, a generation stops a late sender.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;

use uuid::Uuid;

use super::decision::look;
use super::{Store, StoreError, rows};
use crate::domain::ids::UserGuid;
use crate::domain::reconcile::Push;
use crate::domain::slot::{Appointment, SlotName};

/// A mailbox claimed for sending.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Whose.
    pub user: UserGuid,
    /// Which decision it carries.
    pub generation: i64,
    /// What to send.
    pub push: Push,
    /// Attempts, this one included.
    pub attempts: i32,
    /// Arrival of the change behind it.
    pub changed_at: Option<Timestamp>,
    /// Whether an earlier attempt may have taken effect.
    pub maybe_applied_before: bool,
    /// Nobody else sends it before this moment.
    pub claimed_until: Timestamp,
}

/// How full the mailboxes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxDepth {
    /// Mailboxes with something in them.
    pub letters: i64,
    /// When the oldest was decided.
    pub oldest: Option<Timestamp>,
}

impl Store {
    /// Claims mailboxes that are due, the longest waiting first, for `claim`. From here on the push may have taken effect.
    ///
    /// # Errors
    /// Postgres could not, or holds a letter that cannot be read.
    pub async fn claim_letters(&self, now: Timestamp, claim: SignedDuration, limit: usize) -> Result<Vec<Letter>, StoreError> {
        let claimed_until = now + claim;
        let rows = sqlx::query!(
            r#"
            update outbox o set claimed_until = $2, attempts = o.attempts + 1, maybe_applied = true
            from (
                select user_guid, slot, maybe_applied from outbox
                where due_at <= $1 and (claimed_until is null or claimed_until <= $1) and slot = $4
                order by due_at limit $3 for update skip locked
            ) due
            where o.user_guid = due.user_guid and o.slot = due.slot
            returning o.user_guid, o.generation, o.shows, o.subject, o.profile_guid, o.presence_status_guid, o.starts_at, o.ends_at,
                o.changed_at, o.attempts, due.maybe_applied
            "#,
            now.to_sqlx(),
            claimed_until.to_sqlx(),
            rows(limit),
            SlotName::XphoneAppointment.label(),
        )
        .fetch_all(&self.pool)
        .await?;
        let letters = rows.into_iter().map(|row| {
            let broken = || StoreError::Unknown("a letter without what belongs to it".to_owned());
            let push = if row.shows {
                let subject = row.subject.ok_or_else(broken)?;
                let look = look(row.profile_guid, row.presence_status_guid).ok_or_else(broken)?;
                let start = row.starts_at.ok_or_else(broken)?.to_jiff();
                let end = row.ends_at.ok_or_else(broken)?.to_jiff();
                Push::Show { appointment: Appointment { subject, look }, start, end }
            } else {
                Push::Clear
            };
            Ok(Letter {
                user: UserGuid(row.user_guid),
                generation: row.generation,
                push,
                attempts: row.attempts,
                changed_at: row.changed_at.map(jiff_sqlx::Timestamp::to_jiff),
                maybe_applied_before: row.maybe_applied,
                claimed_until,
            })
        });
        letters.collect()
    }

    /// The pushes have taken effect: their mailboxes are emptied, except where a newer decision lies in one, which is then due at
    /// once.
    ///
    /// # Errors
    /// Postgres could not; the pushes will be sent again, which changes nothing.
    pub async fn settle(&self, letters: &[&Letter], now: Timestamp) -> Result<(), StoreError> {
        let users: Vec<Uuid> = letters.iter().map(|letter| letter.user.0).collect();
        let generations: Vec<i64> = letters.iter().map(|letter| letter.generation).collect();
        let shows: Vec<bool> = letters.iter().map(|letter| matches!(letter.push, Push::Show { .. })).collect();
        // Like the reconciler: first the users, then what belongs to them. In a statement of its own, so that the next one sees what
        // was decided while this one waited.
        let mut tx = self.begin().await?;
        let held = sqlx::query!("select from user_state where user_guid = any($1) order by user_guid for no key update", &users);
        held.execute(&mut *tx).await?;
        sqlx::query!(
            "with letter as materialized (
                 select * from unnest($1::uuid[], $3::int8[], $4::bool[]) as letter (user_guid, generation, shows)
             ), emptied as (
                 delete from outbox o using letter l where o.user_guid = l.user_guid and o.slot = $2 and o.generation = l.generation
             ), released as (
                 update outbox o set claimed_until = null
                 from letter l where o.user_guid = l.user_guid and o.slot = $2 and o.generation <> l.generation
             )
             update slot s set reached_at = $5 from letter l
             where l.shows and s.user_guid = l.user_guid and s.name = $2 and s.state = 'shown'",
            &users,
            SlotName::XphoneAppointment.label(),
            &generations,
            &shows,
            now.to_sqlx(),
        )
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// The push failed: the letter waits until `due_at`; a newer decision in its place is due at once.
    ///
    /// # Errors
    /// Postgres could not; the claim runs out by itself.
    pub async fn put_back(
        &self,
        letter: &Letter,
        due_at: Timestamp,
        problem: &str,
        maybe_applied: bool,
    ) -> Result<(), StoreError> {
        let maybe_applied = maybe_applied || letter.maybe_applied_before;
        sqlx::query!(
            "update outbox set claimed_until = null,
                 due_at = case when generation = $3 then $4 else due_at end,
                 problem = case when generation = $3 then $5 else problem end,
                 maybe_applied = case when generation = $3 then $6 else maybe_applied end
             where user_guid = $1 and slot = $2",
            letter.user.0,
            SlotName::XphoneAppointment.label(),
            letter.generation,
            due_at.to_sqlx(),
            problem,
            maybe_applied,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// What the letter would show is over before it could be sent: it is dropped, and its user looked at again.
    ///
    /// # Errors
    /// Postgres could not; it is found over again later.
    pub async fn drop_letter(&self, letter: &Letter, now: Timestamp) -> Result<(), StoreError> {
        let user = letter.user.0;
        // Like `settle`: first the user, who may be gone, then what belongs to them.
        let mut tx = self.begin().await?;
        let held = sqlx::query!("select from user_state where user_guid = $1 for no key update", user);
        held.execute(&mut *tx).await?;
        let emptied = sqlx::query!(
            "with released as (
                 update outbox set claimed_until = null where user_guid = $1 and slot = $2 and generation <> $3
             )
             delete from outbox where user_guid = $1 and slot = $2 and generation = $3",
            user,
            SlotName::XphoneAppointment.label(),
            letter.generation,
        );
        emptied.execute(&mut *tx).await?;
        let woken =
            sqlx::query!("update user_state set revisit_at = least(revisit_at, $2) where user_guid = $1", user, now.to_sqlx(),);
        woken.execute(&mut *tx).await?;
        Ok(tx.commit().await?)
    }

    /// How full the mailboxes are.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn outbox_depth(&self) -> Result<OutboxDepth, StoreError> {
        let row = sqlx::query!(r#"select count(*) as "letters!", min(decided_at) as oldest from outbox"#);
        let row = row.fetch_one(&self.pool).await?;
        Ok(OutboxDepth { letters: row.letters, oldest: row.oldest.map(jiff_sqlx::Timestamp::to_jiff) })
    }
}
