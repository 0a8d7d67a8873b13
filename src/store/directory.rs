//! People, their profiles and the tree they sit in, as both systems last told; whoever changed is woken.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::{Store, StoreError, Tx, rows};
use crate::domain::directory::{Match, Seat};
use crate::domain::ids::{ConfigurationGroupGuid, LocationGuid, PresenceStateGuid, ProfileGuid, UserGuid};

/// A location with its configuration groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// XPhone's guid.
    pub guid: LocationGuid,
    /// Its name.
    pub name: String,
    /// Its configuration groups.
    pub groups: Vec<(ConfigurationGroupGuid, String)>,
}

/// One of XPhone's fixed presence statuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status {
    /// XPhone's guid.
    pub guid: PresenceStateGuid,
    /// A kind's label, or a word the server invented.
    pub kind: String,
}

/// A person of XPhone, and who that is in Teams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// XPhone's guid.
    pub guid: UserGuid,
    /// The address they are matched by.
    pub email: Option<String>,
    /// Where they sit.
    pub seat: Seat,
    /// Who they are in Teams.
    pub matched: Match,
    /// Their profiles, in their order.
    pub profiles: Vec<PersonProfile>,
}

/// One of a person's profiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PersonProfile {
    /// XPhone's guid.
    pub guid: ProfileGuid,
    /// As the user named it.
    pub name: String,
    /// Its status.
    pub status: PresenceStateGuid,
    /// Whether it is switched on.
    pub active: bool,
}

/// Everything the two directories told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Directory {
    /// The tree.
    pub locations: Vec<Location>,
    /// The statuses.
    pub statuses: Vec<Status>,
    /// The people.
    pub people: Vec<Person>,
}

/// How many people changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DirectoryChanges {
    /// New, moved, matched otherwise, or with other profiles.
    pub changed: u64,
    /// No longer there.
    pub gone: u64,
}

impl Store {
    /// Makes the stored directory equal to this one, in one transaction.
    ///
    /// # Errors
    /// Postgres could not; nothing has changed.
    pub async fn replace_directory(&self, directory: &Directory, now: Timestamp) -> Result<DirectoryChanges, StoreError> {
        let mut tx = self.begin().await?;
        // Rare, and about everybody: nobody else changes a user meanwhile, and all are locked in the order of their guids.
        sqlx::query!("select from user_state order by user_guid for no key update").execute(&mut *tx).await?;
        replace_tree(&mut tx, &directory.locations).await?;
        let statuses_changed = replace_statuses(&mut tx, &directory.statuses).await?;
        let guids: Vec<Uuid> = directory.people.iter().map(|person| person.guid.0).collect();
        clear_departed(&mut tx, &guids, now).await?;
        let gone = sqlx::query!("delete from person where guid <> all($1)", &guids).execute(&mut *tx).await?.rows_affected();
        let mut changed = replace_people(&mut tx, &directory.people).await?;
        changed.extend(replace_profiles(&mut tx, &directory.people).await?);
        changed.sort_unstable();
        changed.dedup();
        sqlx::query!(
            "insert into user_state (user_guid, revisit_at) select guid, 'epoch' from person on conflict (user_guid) do nothing",
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "update user_state s set revisit_at = least(s.revisit_at, '1980-01-01Z'),
                 confirm_at = case when p.teams_id is not null then least(s.confirm_at, $2) end
             from person p where p.guid = s.user_guid and ($3 or s.user_guid = any($1))",
            &changed,
            now.to_sqlx(),
            statuses_changed,
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(DirectoryChanges { changed: changed.len() as u64, gone })
    }

    /// How many people there are of each match.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn people_by_match(&self) -> Result<Vec<(String, i64)>, StoreError> {
        let rows = sqlx::query!(r#"select match, count(*) as "count!" from person group by match order by match"#);
        Ok(rows.fetch_all(&self.pool).await?.into_iter().map(|row| (row.r#match, row.count)).collect())
    }

    /// People who could not be matched, and why.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn unmatched_people(&self, limit: usize) -> Result<Vec<(UserGuid, String)>, StoreError> {
        let rows =
            sqlx::query!("select guid, match from person where match <> 'matched' order by match, guid limit $1", rows(limit));
        Ok(rows.fetch_all(&self.pool).await?.into_iter().map(|row| (UserGuid(row.guid), row.r#match)).collect())
    }

    /// How many people are stored.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn people_count(&self) -> Result<i64, StoreError> {
        Ok(sqlx::query_scalar!(r#"select count(*) as "count!" from person"#).fetch_one(&self.pool).await?)
    }
}

/// Whoever leaves XPhone leaves nothing of ours in Teams; in XPhone the appointment goes with its user.
async fn clear_departed(tx: &mut Tx<'_>, staying: &[Uuid], now: Timestamp) -> Result<(), StoreError> {
    sqlx::query!("delete from outbox where user_guid <> all($1) and teams_id is null", staying).execute(&mut **tx).await?;
    sqlx::query!(
        "insert into outbox (user_guid, slot, shows, teams_id, decided_at, due_at)
         select user_guid, name, false, teams_id, $2, $2 from slot where user_guid <> all($1) and teams_id is not null and state = 'shown'
         on conflict (user_guid, slot) do update set generation = nextval('outbox_generation'), shows = false, teams_id = excluded.teams_id,
             decided_at = excluded.decided_at, due_at = excluded.due_at, attempts = 0, problem = null",
        staying,
        now.to_sqlx(),
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn replace_tree(tx: &mut Tx<'_>, locations: &[Location]) -> Result<(), StoreError> {
    let guids: Vec<Uuid> = locations.iter().map(|location| location.guid.0).collect();
    let names: Vec<String> = locations.iter().map(|location| location.name.clone()).collect();
    let groups: Vec<(Uuid, Uuid, String)> = locations
        .iter()
        .flat_map(|location| location.groups.iter().map(|(guid, name)| (guid.0, location.guid.0, name.clone())))
        .collect();
    let group_guids: Vec<Uuid> = groups.iter().map(|group| group.0).collect();
    let group_locations: Vec<Uuid> = groups.iter().map(|group| group.1).collect();
    let group_names: Vec<String> = groups.into_iter().map(|group| group.2).collect();
    sqlx::query!("delete from configuration_group where guid <> all($1)", &group_guids).execute(&mut **tx).await?;
    sqlx::query!("delete from location where guid <> all($1)", &guids).execute(&mut **tx).await?;
    sqlx::query!(
        "insert into location (guid, name) select * from unnest($1::uuid[], $2::text[])
         on conflict (guid) do update set name = excluded.name where location.name <> excluded.name",
        &guids,
        &names,
    )
    .execute(&mut **tx)
    .await?;
    sqlx::query!(
        "insert into configuration_group (guid, location_guid, name) select * from unnest($1::uuid[], $2::uuid[], $3::text[])
         on conflict (guid) do update set location_guid = excluded.location_guid, name = excluded.name
         where (configuration_group.location_guid, configuration_group.name) <> (excluded.location_guid, excluded.name)",
        &group_guids,
        &group_locations,
        &group_names,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn replace_statuses(tx: &mut Tx<'_>, statuses: &[Status]) -> Result<bool, StoreError> {
    let guids: Vec<Uuid> = statuses.iter().map(|status| status.guid.0).collect();
    let kinds: Vec<String> = statuses.iter().map(|status| status.kind.clone()).collect();
    let gone = sqlx::query!("delete from presence_status where guid <> all($1)", &guids).execute(&mut **tx).await?;
    let changed = sqlx::query!(
        "insert into presence_status (guid, kind) select * from unnest($1::uuid[], $2::text[])
         on conflict (guid) do update set kind = excluded.kind where presence_status.kind <> excluded.kind",
        &guids,
        &kinds,
    )
    .execute(&mut **tx)
    .await?;
    Ok(gone.rows_affected() + changed.rows_affected() > 0)
}

async fn replace_people(tx: &mut Tx<'_>, people: &[Person]) -> Result<Vec<Uuid>, StoreError> {
    let guids: Vec<Uuid> = people.iter().map(|person| person.guid.0).collect();
    let emails: Vec<Option<String>> = people.iter().map(|person| person.email.clone()).collect();
    let locations: Vec<Option<Uuid>> = people.iter().map(|person| person.seat.location.map(|guid| guid.0)).collect();
    let groups: Vec<Option<Uuid>> = people.iter().map(|person| person.seat.group.map(|guid| guid.0)).collect();
    let matches: Vec<String> = people.iter().map(|person| person.matched.label().to_owned()).collect();
    let teams: Vec<Option<Uuid>> = people.iter().map(|person| person.matched.teams_user().map(|id| id.0)).collect();
    // Two people may have changed addresses with one another: first nobody holds an id that is to be somebody else's.
    let released = sqlx::query_scalar!(
        "update person p set teams_id = null, match = 'not_in_teams' from unnest($1::uuid[], $2::uuid[]) as n (guid, teams_id)
         where p.guid = n.guid and p.teams_id is not null and p.teams_id is distinct from n.teams_id returning p.guid",
        &guids,
        &teams as _,
    )
    .fetch_all(&mut **tx)
    .await?;
    // What was observed of another Teams user says nothing about this one.
    sqlx::query!(
        "update user_state set teams_availability = null, teams_activity = null, teams_sequence = null, teams_source = null,
             teams_observed_at = null, read_availability = null, read_activity = null, read_at = null, confirm_at = null, native = null,
             native_since = null
         where user_guid = any($1)",
        &released,
    )
    .execute(&mut **tx)
    .await?;
    forget_moved(tx, &guids, &locations, &groups).await?;
    // What is shown for it may stay until the new one has been read, but says nothing about the new one's causes.
    sqlx::query!("delete from slot where user_guid = any($1) and state <> 'shown'", &released).execute(&mut **tx).await?;
    sqlx::query!("update slot set cause = null where user_guid = any($1) and teams_id is null", &released)
        .execute(&mut **tx)
        .await?;
    let mut changed = sqlx::query_scalar!(
        "insert into person (guid, email, location_guid, configuration_group_guid, match, teams_id)
         select * from unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::text[], $6::uuid[])
         on conflict (guid) do update set email = excluded.email, location_guid = excluded.location_guid,
             configuration_group_guid = excluded.configuration_group_guid, match = excluded.match, teams_id = excluded.teams_id
         where (person.email, person.location_guid, person.configuration_group_guid, person.match, person.teams_id)
             is distinct from (excluded.email, excluded.location_guid, excluded.configuration_group_guid, excluded.match, excluded.teams_id)
         returning guid",
        &guids,
        &emails as _,
        &locations as _,
        &groups as _,
        &matches,
        &teams as _,
    )
    .fetch_all(&mut **tx)
    .await?;
    changed.extend(released);
    Ok(changed)
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
             left join teams_sync l on l.guid = p.location_guid
             left join teams_sync g on g.guid = p.configuration_group_guid
         where s.user_guid = p.guid
             and (p.location_guid, p.configuration_group_guid) is distinct from (n.location_guid, n.group_guid)
             and coalesce(g.mode, l.mode, 'none') = 'none' and not coalesce(g.user_may_change, l.user_may_change, false)",
        guids,
        locations as _,
        groups as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn replace_profiles(tx: &mut Tx<'_>, people: &[Person]) -> Result<Vec<Uuid>, StoreError> {
    let rows =
        || people.iter().flat_map(|person| person.profiles.iter().zip(0..).map(move |(profile, n)| (person.guid.0, n, profile)));
    let users: Vec<Uuid> = rows().map(|(user, ..)| user).collect();
    let positions: Vec<i32> = rows().map(|(_, position, _)| position).collect();
    let guids: Vec<Uuid> = rows().map(|(.., profile)| profile.guid.0).collect();
    let names: Vec<String> = rows().map(|(.., profile)| profile.name.clone()).collect();
    let statuses: Vec<Uuid> = rows().map(|(.., profile)| profile.status.0).collect();
    let active: Vec<bool> = rows().map(|(.., profile)| profile.active).collect();
    let mut changed = sqlx::query_scalar!(
        "delete from profile p where not exists (
             select from unnest($1::uuid[], $2::int4[]) as n (user_guid, position)
             where n.user_guid = p.user_guid and n.position = p.position)
         returning user_guid",
        &users,
        &positions,
    )
    .fetch_all(&mut **tx)
    .await?;
    let written = sqlx::query_scalar!(
        "insert into profile (user_guid, position, guid, name, presence_status_guid, active)
         select * from unnest($1::uuid[], $2::int4[], $3::uuid[], $4::text[], $5::uuid[], $6::bool[])
         on conflict (user_guid, position) do update set guid = excluded.guid, name = excluded.name,
             presence_status_guid = excluded.presence_status_guid, active = excluded.active
         where (profile.guid, profile.name, profile.presence_status_guid, profile.active)
             <> (excluded.guid, excluded.name, excluded.presence_status_guid, excluded.active)
         returning user_guid",
        &users,
        &positions,
        &guids,
        &names,
        &statuses,
        &active,
    )
    .fetch_all(&mut **tx)
    .await?;
    changed.extend(written);
    Ok(changed)
}
