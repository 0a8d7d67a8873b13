//! Writes what differs, a few people at a time: nobody else's rows are locked, and not even theirs for long.
//!
//! Every batch is a transaction of its own that leaves the store sound. Whatever a crash leaves undone is found by the next
//! comparison.

use std::collections::HashSet;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::departure;
use super::due::{self, Due};
use crate::domain::directory::{Difference, Parcels, Person};
use crate::domain::ids::UserGuid;
use crate::domain::timeline::Waker;
use crate::store::lease::{self, Lease};
use crate::store::{Store, StoreError, Tx};

/// How many people are locked at once.
const BATCH_PEOPLE: usize = 500;

/// How many people were written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// New.
    pub inserted: usize,
    /// Known, and changed.
    pub altered: usize,
    /// No longer there.
    pub gone: usize,
}

impl Store {
    /// Writes a difference and wakes whom it concerns; `false`: the lease was lost on the way, and whoever has it does the rest.
    ///
    /// # Errors
    /// Postgres could not; some batches may be written, the next comparison finds the others.
    pub async fn write_difference(&self, difference: &Difference, lease: Lease, now: Timestamp) -> Result<bool, StoreError> {
        for gone in difference.gone.chunks(BATCH_PEOPLE) {
            let gone = guids(gone);
            let Some(mut tx) = self.begin_batch(&gone, lease).await? else { return Ok(false) };
            remove(&mut tx, &gone, now).await?;
            tx.commit().await?;
        }
        // People may have changed addresses with one another: before anybody is given a Teams user, nobody else still has it.
        let Parcels { giving_way, parcels } = difference.parcels(BATCH_PEOPLE);
        let lost: HashSet<UserGuid> = difference.lost().into_iter().collect();
        for users in giving_way.chunks(BATCH_PEOPLE) {
            let Some(mut tx) = self.begin_batch(&guids(users), lease).await? else { return Ok(false) };
            release(&mut tx, users, &lost, now).await?;
            tx.commit().await?;
        }
        for parcel in parcels {
            let users: Vec<Uuid> = parcel.people.iter().map(|person| person.xphone.guid.0).collect();
            let Some(mut tx) = self.begin_batch(&users, lease).await? else { return Ok(false) };
            release(&mut tx, &parcel.released, &lost, now).await?;
            write(&mut tx, &parcel.people, &users, now).await?;
            tx.commit().await?;
        }
        Ok(true)
    }

    /// Wakes everybody if that is [owed](Due::Waking); `false`: the lease was lost on the way.
    ///
    /// # Errors
    /// Postgres could not; it is still owed.
    pub async fn wake_everybody_if_due(&self, lease: Lease, now: Timestamp) -> Result<bool, StoreError> {
        let Some(asked) = self.due(Due::Waking).await? else { return Ok(true) };
        let everybody = sqlx::query_scalar!("select guid from person order by guid").fetch_all(&self.pool).await?;
        for people in everybody.chunks(BATCH_PEOPLE) {
            let Some(mut tx) = self.begin_batch(people, lease).await? else { return Ok(false) };
            wake(&mut tx, people, now).await?;
            tx.commit().await?;
        }
        due::done(&mut *self.pool.acquire().await?, Due::Waking, asked).await?;
        Ok(true)
    }

    /// A transaction in which nobody else changes these users, who are locked in the order of their guids; `None`: the lease is lost.
    async fn begin_batch(&self, users: &[Uuid], lease: Lease) -> Result<Option<Tx<'static>>, StoreError> {
        let mut tx = self.begin().await?;
        if !lease::is_held(&mut tx, lease).await? {
            return Ok(None);
        }
        sqlx::query!("select from user_state where user_guid = any($1) order by user_guid for no key update", users)
            .execute(&mut *tx)
            .await?;
        Ok(Some(tx))
    }
}

fn guids(users: &[UserGuid]) -> Vec<Uuid> {
    users.iter().map(|user| user.0).collect()
}

impl From<&Difference> for Changes {
    fn from(difference: &Difference) -> Self {
        let Difference { inserted, altered, gone } = difference;
        Self { inserted: inserted.len(), altered: altered.len(), gone: gone.len() }
    }
}

async fn remove(tx: &mut Tx<'_>, gone: &[Uuid], now: Timestamp) -> Result<(), StoreError> {
    departure::note(tx, gone, now).await?;
    clear_departed(tx, gone, now).await?;
    sqlx::query!("delete from person where guid = any($1)", gone).execute(&mut **tx).await?;
    Ok(())
}

/// Whoever leaves leaves nothing of ours behind: letters stay for them. XPhone deletes appointments with their user, but it may be that
/// only our account no longer sees them.
async fn clear_departed(tx: &mut Tx<'_>, gone: &[Uuid], now: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into outbox (user_guid, slot, shows, teams_id, decided_at, due_at)
         select user_guid, name, false, teams_id, $2, $2 from slot where user_guid = any($1) and state = 'shown'
         on conflict (user_guid, slot) do update set generation = nextval('outbox_generation'), shows = false, subject = null,
             profile_guid = null, presence_status_guid = null, starts_at = null, ends_at = null, teams_id = excluded.teams_id,
             decided_at = excluded.decided_at, due_at = excluded.due_at, attempts = 0, problem = null",
        gone,
        now.to_sqlx(),
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Parts people from whom they were in Teams, and wakes them; remembers those who are `lost`.
async fn release(tx: &mut Tx<'_>, users: &[UserGuid], lost: &HashSet<UserGuid>, now: Timestamp) -> Result<(), StoreError> {
    if users.is_empty() {
        return Ok(());
    }
    let lost: Vec<Uuid> = users.iter().filter(|user| lost.contains(user)).map(|user| user.0).collect();
    departure::note(tx, &lost, now).await?;
    let users = &guids(users);
    sqlx::query!("update person set teams_id = null, match = 'not_in_teams' where guid = any($1)", users)
        .execute(&mut **tx)
        .await?;
    // What was observed of another Teams user says nothing about this one.
    sqlx::query!(
        "update user_state set teams_availability = null, teams_activity = null, teams_sequence = null, teams_source = null,
             teams_observed_at = null, read_availability = null, read_activity = null, read_at = null, confirm_at = null, native = null,
             native_since = null, revisit_at = least(revisit_at, '1980-01-01Z'), woken_by = woken_by | $2
         where user_guid = any($1)",
        users,
        Waker::Directory.bit(),
    )
    .execute(&mut **tx)
    .await?;
    // What is shown for it may stay until the new one has been read, but says nothing about the new one's causes. What must not be set
    // again, and what may still be in Teams, is kept.
    let shown = sqlx::query!(
        "update slot set cause = null where user_guid = any($1) and name = 'xphone_appointment' and state = 'shown'",
        users,
    );
    shown.execute(&mut **tx).await?;
    Ok(())
}

async fn write(tx: &mut Tx<'_>, people: &[&Person], guids: &[Uuid], now: Timestamp) -> Result<(), StoreError> {
    let names: Vec<String> = people.iter().map(|person| person.xphone.name.clone()).collect();
    let emails: Vec<Option<String>> = people.iter().map(|person| person.xphone.email.clone()).collect();
    let locations: Vec<Option<Uuid>> = people.iter().map(|person| person.xphone.seat.location.map(|guid| guid.0)).collect();
    let groups: Vec<Option<Uuid>> = people.iter().map(|person| person.xphone.seat.group.map(|guid| guid.0)).collect();
    let matches: Vec<String> = people.iter().map(|person| person.matched.label().to_owned()).collect();
    let teams: Vec<Option<Uuid>> = people.iter().map(|person| person.matched.teams_user().map(|id| id.0)).collect();
    forget_moved(tx, guids, &locations, &groups).await?;
    forget_left_trials(tx, guids, &locations, &groups).await?;
    sqlx::query!(
        "insert into person (guid, email, location_guid, configuration_group_guid, match, teams_id, name)
         select * from unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::uuid[], $7::text[])
         on conflict (guid) do update set name = excluded.name, email = excluded.email, location_guid = excluded.location_guid,
             configuration_group_guid = excluded.configuration_group_guid, match = excluded.match, teams_id = excluded.teams_id",
        guids,
        &emails as _,
        &locations as _,
        &groups as _,
        &matches,
        &teams as _,
        &names,
    )
    .execute(&mut **tx)
    .await?;
    replace_profiles(tx, people).await?;
    sqlx::query!(
        "insert into user_state (user_guid, revisit_at) select guid, '1980-01-01Z' from unnest($1::uuid[]) as n (guid)
         on conflict (user_guid) do nothing",
        guids,
    )
    .execute(&mut **tx)
    .await?;
    wake(tx, guids, now).await
}

/// Has these decided for anew, on what Teams says now.
async fn wake(tx: &mut Tx<'_>, users: &[Uuid], now: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        "update user_state s set revisit_at = least(s.revisit_at, '1980-01-01Z'), woken_by = s.woken_by | $3,
             confirm_at = case when p.teams_id is not null then least(s.confirm_at, $2) end
         from person p where p.guid = s.user_guid and s.user_guid = any($1)",
        users,
        now.to_sqlx(),
        Waker::Directory.bit(),
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whoever comes from where nothing is synchronised was not read there: what is known of them may be long out of date.
async fn forget_moved(
    tx: &mut Tx<'_>,
    guids: &[Uuid],
    locations: &[Option<Uuid>],
    groups: &[Option<Uuid>],
) -> Result<(), StoreError> {
    sqlx::query!(
        "update user_state s set teams_availability = null, teams_activity = null, teams_source = null, teams_observed_at = null,
             read_availability = null, read_activity = null, read_at = null, native = null, native_since = null
         from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as n (guid, location_guid, group_guid)
             join person p on p.guid = n.guid
             join person_policy e on e.user_guid = n.guid
         where s.user_guid = p.guid and s.user_guid = any($1)
             and (p.location_guid, p.configuration_group_guid) is distinct from (n.location_guid, n.group_guid)
             and (not e.is_synchronised or exists (select from policy_due d where d.guid in (p.location_guid, p.configuration_group_guid)
                 and s.teams_observed_at <= d.unread_until))",
        guids,
        locations as _,
        groups as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whoever comes under the policy of another place comes out of a trial, or into another one, which counts what goes on from its beginning.
async fn forget_left_trials(
    tx: &mut Tx<'_>,
    guids: &[Uuid],
    locations: &[Option<Uuid>],
    groups: &[Option<Uuid>],
) -> Result<(), StoreError> {
    sqlx::query!(
        "update user_state s set on_trial = 0
         from unnest($1::uuid[], $2::uuid[], $3::uuid[]) as n (guid, location_guid, group_guid)
             join person p on p.guid = n.guid
             left join teams_sync was_at on was_at.guid = p.location_guid
             left join teams_sync was_in on was_in.guid = p.configuration_group_guid
             left join teams_sync is_at on is_at.guid = n.location_guid
             left join teams_sync is_in on is_in.guid = n.group_guid
         where s.user_guid = p.guid and s.on_trial <> 0
             and coalesce(was_in.guid, was_at.guid) is distinct from coalesce(is_in.guid, is_at.guid)",
        guids,
        locations as _,
        groups as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn replace_profiles(tx: &mut Tx<'_>, people: &[&Person]) -> Result<(), StoreError> {
    let rows = || {
        people
            .iter()
            .flat_map(|person| person.xphone.profiles.iter().zip(0..).map(|(profile, n)| (person.xphone.guid.0, n, profile)))
    };
    let users: Vec<Uuid> = rows().map(|(user, ..)| user).collect();
    let positions: Vec<i32> = rows().map(|(_, position, _)| position).collect();
    let guids: Vec<Uuid> = rows().map(|(.., profile)| profile.guid.0).collect();
    let names: Vec<String> = rows().map(|(.., profile)| profile.name.clone()).collect();
    let statuses: Vec<Uuid> = rows().map(|(.., profile)| profile.status.0).collect();
    let active: Vec<bool> = rows().map(|(.., profile)| profile.active).collect();
    sqlx::query!(
        "delete from profile p where p.user_guid = any($3) and not exists (
             select from unnest($1::uuid[], $2::int4[]) as n (user_guid, position)
             where n.user_guid = p.user_guid and n.position = p.position)",
        &users,
        &positions,
        &people.iter().map(|person| person.xphone.guid.0).collect::<Vec<_>>(),
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "insert into profile (user_guid, position, guid, name, presence_status_guid, active)
         select * from unnest($1::uuid[], $2::int4[], $3::uuid[], $4::text[], $5::uuid[], $6::bool[])
         on conflict (user_guid, position) do update set guid = excluded.guid, name = excluded.name,
             presence_status_guid = excluded.presence_status_guid, active = excluded.active
         where (profile.guid, profile.name, profile.presence_status_guid, profile.active)
             <> (excluded.guid, excluded.name, excluded.presence_status_guid, excluded.active)",
        &users,
        &positions,
        &guids,
        &names,
        &statuses,
        &active,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
