//! What reads brought to light; every record also wakes whom it concerns, and nothing older replaces anything newer.
//!
//! Whatever changes several users' rows locks them in the order of their ids first: so nobody waits for somebody who waits for them.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::shard::Missed;
use super::{Store, StoreError, commit, rows, times};
use crate::domain::ids::TeamsUserId;
use crate::domain::timeline::Waker;
use crate::trace::TraceContext;

/// How soon a user is read again of whom the last read told something odd.
const READ_AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(3);

/// What Teams said of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamsFact {
    /// Whose presence.
    pub user: TeamsUserId,
    /// Graph's word.
    pub availability: String,
    /// Graph's other word.
    pub activity: String,
    /// Graph's version of this presence, where it came.
    pub sequence_number: Option<String>,
    /// A notification's arrival, a read's beginning.
    pub observed_at: Timestamp,
    /// Where the change is followed.
    pub trace: Option<TraceContext>,
}

/// What reading everybody, or somebody again, brought to light.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ReadOutcome {
    /// Users whose presence differed from what was recorded.
    pub changed: u64,
    /// Of those, users of whom no notification had told anything.
    pub missed: Vec<Missed>,
}

struct Columns {
    users: Vec<Uuid>,
    availabilities: Vec<String>,
    activities: Vec<String>,
    sequence_numbers: Vec<Option<String>>,
    observed: Vec<jiff_sqlx::Timestamp>,
}

fn columns(facts: &[TeamsFact]) -> Columns {
    Columns {
        users: facts.iter().map(|fact| fact.user.0).collect(),
        availabilities: facts.iter().map(|fact| fact.availability.clone()).collect(),
        activities: facts.iter().map(|fact| fact.activity.clone()).collect(),
        sequence_numbers: facts.iter().map(|fact| fact.sequence_number.clone()).collect(),
        observed: times(facts.iter().map(|fact| &fact.observed_at)),
    }
}

impl Store {
    /// Records what a read said: the truth at the moment it began. Rows that would not change are left alone, except where the
    /// confirmation itself counts (something is to be confirmed, is native and must be kept alive, or is ours in Teams). Graph answers from
    /// many machines: a read that contradicts a notification is believed, and made once more. Of whom nothing was known before they were
    /// many perhaps, all those of a location that was switched on: they come after whoever changed just now.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn record_reads(&self, facts: &[TeamsFact], by: Waker, now: Timestamp) -> Result<ReadOutcome, StoreError> {
        let Columns { users, availabilities, activities, sequence_numbers, observed } = columns(facts);
        let mut tx = self.begin_derived().await?;
        let rows = sqlx::query!(
            r#"
            update user_state s set
                teams_availability = n.availability,
                teams_activity = n.activity,
                teams_sequence = coalesce(n.sequence_number, s.teams_sequence),
                teams_source = 'read',
                teams_observed_at = n.observed_at,
                read_availability = n.availability,
                read_activity = n.activity,
                read_at = n.observed_at,
                confirm_at = case when s.teams_source = 'notification'
                        and (s.teams_availability, s.teams_activity) is distinct from (n.availability, n.activity) then $7::timestamptz end,
                -- Who is read for the first time has not changed: that may be thousands, and whoever did change passes them.
                changed_at = case when (s.teams_availability, s.teams_activity) is distinct from (n.availability, n.activity)
                        and (s.teams_availability is not null or s.in_teams)
                    then coalesce(s.changed_at, $6) else s.changed_at end,
                revisit_at = case when s.in_teams or (s.teams_availability, s.teams_activity) is distinct from (n.availability, n.activity)
                    then case when s.teams_availability is null and not s.in_teams then least(s.revisit_at, '1980-01-01Z') else 'epoch' end
                    else s.revisit_at end,
                woken_by = case when s.in_teams or (s.teams_availability, s.teams_activity) is distinct from (n.availability, n.activity)
                    then s.woken_by | $8 else s.woken_by end
            from (
                select before.user_guid, n.teams_id, n.availability, n.activity, n.sequence_number, n.observed_at,
                    before.teams_availability as availability_before, before.teams_activity as activity_before,
                    before.confirm_at as confirm_at_before, before.teams_observed_at as observed_at_before
                from unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::timestamptz[])
                        as n (teams_id, availability, activity, sequence_number, observed_at)
                    join person p on p.teams_id = n.teams_id
                    join user_state before on before.user_guid = p.guid
                -- To lock a row is to write it: whom nothing is to be changed about is not touched, or a sweep would write everybody.
                where (before.teams_availability, before.teams_activity) is distinct from (n.availability, n.activity)
                    or before.confirm_at is not null or before.in_teams or before.native is distinct from 'free'
                order by before.user_guid for no key update of before
            ) n
            where s.user_guid = n.user_guid
                and (s.teams_observed_at is null or s.teams_observed_at <= n.observed_at or s.teams_observed_at > $6::timestamptz + interval '1 minute')
                and (n.sequence_number is null or s.teams_sequence is null
                    or n.sequence_number collate "C" >= s.teams_sequence collate "C")
                and ((s.teams_availability, s.teams_activity) is distinct from (n.availability, n.activity)
                    or s.confirm_at is not null or s.in_teams or s.native is distinct from 'free')
            returning
                (n.availability_before, n.activity_before) is distinct from (s.teams_availability, s.teams_activity) as "changed!",
                case when n.confirm_at_before is null then n.observed_at_before end as seen_unannounced, n.teams_id as "teams_id!"
            "#,
            &users,
            &availabilities,
            &activities,
            &sequence_numbers as _,
            observed as _,
            now.to_sqlx(),
            (now + READ_AGAIN_AFTER).to_sqlx(),
            by.bit(),
        )
        .fetch_all(&mut *tx)
        .await?;
        commit(tx).await?;
        // A sweep meets everybody, and whoever is due is asked about again anyway.
        if by != Waker::Sweep && rows.len() < facts.len() {
            self.postpone_confirmations(&users, now).await?;
        }
        let changed = rows.iter().filter(|row| row.changed).count() as u64;
        let missed = rows.iter().filter(|row| row.changed).filter_map(|row| {
            let seen_before = row.seen_unannounced?.to_jiff();
            Some(Missed { user: TeamsUserId(row.teams_id), seen_before })
        });
        let missed = missed.collect();
        Ok(ReadOutcome { changed, missed })
    }

    /// Whose read was older than what is known stays to be confirmed, but not at once: asking again would tell the same.
    async fn postpone_confirmations(&self, users: &[Uuid], now: Timestamp) -> Result<(), StoreError> {
        sqlx::query!(
            "update user_state s set confirm_at = $3 from (
                 select held.user_guid from user_state held join person p on p.guid = held.user_guid
                 where p.teams_id = any($1) and held.confirm_at <= $2 order by held.user_guid for no key update of held
             ) n where s.user_guid = n.user_guid",
            users,
            now.to_sqlx(),
            (now + READ_AGAIN_AFTER).to_sqlx(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Users whose provisional observation is due to be confirmed, the longest waiting first.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn users_to_confirm(&self, now: Timestamp, limit: usize) -> Result<Vec<TeamsUserId>, StoreError> {
        let ids = sqlx::query_scalar!(
            r#"select p.teams_id as "teams_id!" from user_state s join person p on p.guid = s.user_guid
               where s.confirm_at <= $1 and p.teams_id is not null order by s.confirm_at limit $2"#,
            now.to_sqlx(),
            rows(limit),
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(ids.into_iter().map(TeamsUserId).collect())
    }

    /// Asks for these users to be read at `at`, unless they are due earlier anyway.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn confirm_users(&self, users: &[TeamsUserId], at: Timestamp) -> Result<(), StoreError> {
        let ids: Vec<Uuid> = users.iter().map(|user| user.0).collect();
        sqlx::query!(
            "update user_state s set confirm_at = least(s.confirm_at, $2) from (
                 select held.user_guid from user_state held join person p on p.guid = held.user_guid where p.teams_id = any($1)
                 order by held.user_guid for no key update of held
             ) n where s.user_guid = n.user_guid",
            &ids,
            at.to_sqlx(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Gives up confirming users of whom Graph tells nothing, unless something newer than `asked_at` is to be confirmed.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn forget_confirmations(&self, users: &[TeamsUserId], asked_at: Timestamp) -> Result<(), StoreError> {
        let ids: Vec<Uuid> = users.iter().map(|user| user.0).collect();
        sqlx::query!(
            "update user_state s set confirm_at = null from (
                 select held.user_guid from user_state held join person p on p.guid = held.user_guid where p.teams_id = any($1)
                 order by held.user_guid for no key update of held
             ) n where s.user_guid = n.user_guid and s.confirm_at <= $2",
            &ids,
            asked_at.to_sqlx(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The next users, in the order of their ids, whose presence in Teams matters to anybody: matched, and either their policy may
    /// let something through, or something is shown.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn users_to_sweep(&self, after: Option<TeamsUserId>, limit: usize) -> Result<Vec<TeamsUserId>, StoreError> {
        let ids = sqlx::query_scalar!(
            r#"select p.teams_id as "teams_id!" from person_policy p
               -- One after the other, until there are enough: joined or hashed, everybody behind would be read for each page.
               where p.teams_id > $1 and (p.is_synchronised or (select true from slot where slot.user_guid = p.user_guid limit 1))
               order by p.teams_id limit $2"#,
            after.map_or(Uuid::nil(), |after| after.0),
            rows(limit),
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(ids.into_iter().map(TeamsUserId).collect())
    }

    /// Everybody whose presence in Teams matters, for subscriptions.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn users_to_watch(&self) -> Result<BTreeSet<TeamsUserId>, StoreError> {
        Ok(self.users_to_sweep(None, usize::MAX).await?.into_iter().collect())
    }
}
