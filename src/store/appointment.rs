//! What we recorded as shown in XPhone beside what is there: the two sides of a comparison, and what it found.

use std::collections::{BTreeMap, HashSet};

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::slot::look_columns;
use super::{Store, StoreError, known, times};
use crate::domain::ids::UserGuid;
use crate::domain::presence::Presence;
use crate::domain::slot::{Appointment, Audience, Sighting, SlotName};
use crate::domain::timeline::Waker;

/// How many people are locked at once.
const CLEARED_TOGETHER_MAX: usize = 500;

/// An appointment found in XPhone that nothing is recorded about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Whose.
    pub user: UserGuid,
    /// What it says.
    pub appointment: Appointment,
    /// Where it stands on the ladder, as far as its look tells.
    pub presence: Presence,
    /// When it began.
    pub start: Timestamp,
    /// When it ends by itself.
    pub end: Timestamp,
}

impl Store {
    /// Of how many users each slot may be seen: what is to be taken away counts until the side has confirmed it. A slot that nobody can
    /// see is left out.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn shown(&self) -> Result<BTreeMap<SlotName, i64>, StoreError> {
        let rows = sqlx::query!(r#"select slot as "name!", count(*) as "count!" from visible group by slot"#);
        let rows = rows.fetch_all(&self.pool).await?.into_iter();
        rows.map(|row| Ok((known(&row.name, SlotName::from_label)?, row.count))).collect()
    }

    /// Users whose recorded appointment had certainly reached XPhone before `before`, and of whom nothing is on its way.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn settled_appointments(&self, before: Timestamp) -> Result<Vec<UserGuid>, StoreError> {
        let users = sqlx::query_scalar!(
            "select s.user_guid from slot s
             where s.name = $1 and s.state = 'shown' and s.reached_at < $2 and s.until > $2 and s.sighting = 'as_set'
                 and not exists (select from outbox o where o.user_guid = s.user_guid and o.slot = s.name)",
            SlotName::XphoneAppointment.label(),
            before.to_sqlx(),
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(users.into_iter().map(UserGuid).collect())
    }

    /// Records what became of appointments that should have been there at `before`, and wakes their users; what was set again
    /// since is left alone.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn record_sighting(&self, users: &[UserGuid], sighting: Sighting, before: Timestamp) -> Result<(), StoreError> {
        let users: Vec<Uuid> = users.iter().map(|user| user.0).collect();
        sqlx::query!(
            "with held as materialized (
                 select user_guid from user_state where user_guid = any($1) order by user_guid for no key update
             ), woken as (
                 update user_state u set revisit_at = 'epoch', woken_by = u.woken_by | $5 from held
                 where u.user_guid = held.user_guid returning u.user_guid
             )
             update slot s set sighting = $2 from woken w
             where s.user_guid = w.user_guid and s.name = $3 and s.state = 'shown' and s.reached_at < $4
                 and not exists (select from outbox o where o.user_guid = s.user_guid and o.slot = s.name)",
            &users,
            sighting.label(),
            SlotName::XphoneAppointment.label(),
            before.to_sqlx(),
            Waker::Appointments.bit(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Has the appointment taken away from everybody in Teams of whom none is recorded and nothing is on its way; returns how many that
    /// are.
    ///
    /// # Errors
    /// Postgres could not; some may be cleared, the next call finds the others.
    pub async fn clear_unrecorded(&self, now: Timestamp) -> Result<u64, StoreError> {
        let everybody = sqlx::query_scalar!("select guid from person where teams_id is not null order by guid");
        let everybody = everybody.fetch_all(&self.pool).await?;
        let mut cleared = 0;
        for people in everybody.chunks(CLEARED_TOGETHER_MAX) {
            let mut tx = self.begin().await?;
            // As the reconciler does: first the users, then what belongs to them.
            let lock =
                sqlx::query!("select from user_state where user_guid = any($1) order by user_guid for no key update", people);
            lock.execute(&mut *tx).await?;
            let letters = sqlx::query!(
                "insert into outbox (user_guid, slot, shows, decided_at, due_at)
                 select n.guid, $2, false, $3, $3 from unnest($1::uuid[]) as n (guid)
                 where not exists (select from slot s where s.user_guid = n.guid and s.name = $2 and s.state = 'shown')
                 on conflict (user_guid, slot) do nothing",
                people,
                SlotName::XphoneAppointment.label(),
                now.to_sqlx(),
            );
            cleared += letters.execute(&mut *tx).await?.rows_affected();
            tx.commit().await?;
        }
        Ok(cleared)
    }

    /// Adopts appointments that were there at `before` but are not recorded, where nothing is on its way and nothing was decided or
    /// taken away since, and wakes their users: the reconciler keeps what still has a cause and takes the rest away.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn adopt(&self, found: &[Found], before: Timestamp, now: Timestamp) -> Result<u64, StoreError> {
        let found = self.unrecorded(found).await?;
        if found.is_empty() {
            return Ok(0);
        }
        let users: Vec<Uuid> = found.iter().map(|found| found.user.0).collect();
        let subjects: Vec<String> = found.iter().map(|found| found.appointment.subject.clone()).collect();
        let (profiles, statuses): (Vec<Option<Uuid>>, Vec<Option<Uuid>>) =
            found.iter().map(|found| look_columns(found.appointment.look)).unzip();
        let presences: Vec<String> = found.iter().map(|found| found.presence.label().to_owned()).collect();
        let colleagues_only: Vec<bool> =
            found.iter().map(|found| found.appointment.audience == Audience::TeamColleagues).collect();
        let starts = times(found.iter().map(|found| &found.start));
        let ends = times(found.iter().map(|found| &found.end));
        let mut tx = self.begin().await?;
        // As the reconciler does: first the users, then what belongs to them.
        let lock = sqlx::query!("select from user_state where user_guid = any($1) order by user_guid for no key update", &users);
        lock.execute(&mut *tx).await?;
        let adopted = sqlx::query!(
            "with adopted as (
                 insert into slot (user_guid, name, state, since, until, presence, subject, profile_guid, presence_status_guid, reached_at,
                     colleagues_only)
                 select f.user_guid, $8, 'shown', f.start_at, f.end_at, f.presence, f.subject, f.profile_guid, f.presence_status_guid, $7,
                     f.colleagues_only
                 from unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::timestamptz[], $9::text[], $12::bool[])
                         as f (user_guid, subject, profile_guid, presence_status_guid, start_at, end_at, presence, colleagues_only)
                     join user_state s on s.user_guid = f.user_guid and (s.decided_at is null or s.decided_at < $10)
                         and (s.cleared_at is null or s.cleared_at < $10)
                 where not exists (select from outbox o where o.user_guid = f.user_guid and o.slot = $8)
                 on conflict (user_guid, name) do nothing
                 returning user_guid
             )
             update user_state s set revisit_at = 'epoch', woken_by = s.woken_by | $11 from adopted where s.user_guid = adopted.user_guid",
            &users,
            &subjects,
            &profiles as _,
            &statuses as _,
            starts as _,
            ends as _,
            now.to_sqlx(),
            SlotName::XphoneAppointment.label(),
            &presences,
            before.to_sqlx(),
            Waker::Appointments.bit(),
            &colleagues_only,
        )
        .execute(&mut *tx)
        .await?
        .rows_affected();
        tx.commit().await?;
        Ok(adopted)
    }

    /// Those of whose users nothing is recorded. Nearly all of them are ours: nobody is locked to find that out.
    async fn unrecorded<'a>(&self, found: &'a [Found]) -> Result<Vec<&'a Found>, StoreError> {
        let users: Vec<Uuid> = found.iter().map(|found| found.user.0).collect();
        let unrecorded = sqlx::query_scalar!(
            r#"select user_guid as "user_guid!" from unnest($1::uuid[]) as f (user_guid)
               where (select true from slot where user_guid = f.user_guid and name = $2 limit 1) is null"#,
            &users,
            SlotName::XphoneAppointment.label(),
        );
        let unrecorded: HashSet<Uuid> = unrecorded.fetch_all(&self.pool).await?.into_iter().collect();
        Ok(found.iter().filter(|found| unrecorded.contains(&found.user.0)).collect())
    }
}
