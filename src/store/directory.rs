//! People, their profiles and the tree they sit in, as both systems last told.

mod departure;
mod difference;
mod due;
mod imported;
pub mod link;
mod refusal;
mod teams;

use std::collections::HashMap;

use uuid::Uuid;

use super::lease::{self, Lease};
use super::{Store, StoreError, Tx, known, rows};
use crate::domain::directory::{Match, Person, PersonProfile, Seat, XphonePerson};
use crate::domain::ids::{ConfigurationGroupGuid, LocationGuid, PresenceStateGuid, ProfileGuid, TeamsUserId, UserGuid};

pub use difference::Changes;
pub use due::Due;
pub use imported::Imported;
pub use refusal::{Accepted, Refusal};
pub use teams::Position;

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

/// What becomes of places and statuses that were not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Missing {
    /// XPhone has them no more.
    Gone,
    /// What was read is not believed so far.
    Kept,
}

impl Store {
    /// Makes the stored statuses equal to these, and the stored tree too, if one is told, but for what is [`Missing::Kept`]; `false`: the
    /// lease is lost, and nothing was done. Where statuses changed,
    /// everybody must be [woken](Due::Waking).
    ///
    /// # Errors
    /// Postgres could not; nothing has changed.
    pub async fn replace_tree(
        &self,
        locations: Option<&[Location]>,
        statuses: &[Status],
        missing: Missing,
        lease: Lease,
    ) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        if !lease::is_held(&mut tx, lease).await? {
            return Ok(false);
        }
        if let Some(locations) = locations {
            replace_tree(&mut tx, locations, missing).await?;
        }
        if replace_statuses(&mut tx, statuses, missing).await? {
            due::ask(&mut tx, Due::Waking).await?;
        }
        tx.commit().await?;
        Ok(true)
    }

    /// Everybody who is stored, with their profiles.
    ///
    /// # Errors
    /// Postgres cannot be asked, or holds a word this version does not know.
    pub async fn people(&self) -> Result<Vec<Person>, StoreError> {
        let mut profiles = self.profiles().await?;
        let rows = sqlx::query!("select guid, name, email, location_guid, configuration_group_guid, match, teams_id from person");
        let people = rows.fetch_all(&self.pool).await?.into_iter().map(|row| {
            let xphone = XphonePerson {
                guid: UserGuid(row.guid),
                name: row.name,
                email: row.email,
                seat: Seat {
                    location: row.location_guid.map(LocationGuid),
                    group: row.configuration_group_guid.map(ConfigurationGroupGuid),
                },
                profiles: profiles.remove(&row.guid).unwrap_or_default(),
            };
            let teams_user = row.teams_id.map(TeamsUserId);
            let matched = known(&row.r#match, |label| Match::from_stored(label, teams_user))?;
            Ok(Person { xphone, matched })
        });
        people.collect()
    }

    async fn profiles(&self) -> Result<HashMap<Uuid, Vec<PersonProfile>>, StoreError> {
        let rows =
            sqlx::query!("select user_guid, guid, name, presence_status_guid, active from profile order by user_guid, position");
        let mut profiles: HashMap<Uuid, Vec<PersonProfile>> = HashMap::new();
        for row in rows.fetch_all(&self.pool).await? {
            let status = PresenceStateGuid(row.presence_status_guid);
            let profile = PersonProfile { guid: ProfileGuid(row.guid), name: row.name, status, active: row.active };
            profiles.entry(row.user_guid).or_default().push(profile);
        }
        Ok(profiles)
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
}

async fn replace_tree(tx: &mut Tx<'_>, locations: &[Location], missing: Missing) -> Result<(), StoreError> {
    let guids: Vec<Uuid> = locations.iter().map(|location| location.guid.0).collect();
    let names: Vec<String> = locations.iter().map(|location| location.name.clone()).collect();
    let groups: Vec<(Uuid, Uuid, String)> = locations
        .iter()
        .flat_map(|location| location.groups.iter().map(|(guid, name)| (guid.0, location.guid.0, name.clone())))
        .collect();
    let group_guids: Vec<Uuid> = groups.iter().map(|group| group.0).collect();
    let group_locations: Vec<Uuid> = groups.iter().map(|group| group.1).collect();
    let group_names: Vec<String> = groups.into_iter().map(|group| group.2).collect();
    if missing == Missing::Gone {
        sqlx::query!("delete from configuration_group where guid <> all($1)", &group_guids).execute(&mut **tx).await?;
        sqlx::query!("delete from location where guid <> all($1)", &guids).execute(&mut **tx).await?;
    }
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

async fn replace_statuses(tx: &mut Tx<'_>, statuses: &[Status], missing: Missing) -> Result<bool, StoreError> {
    let guids: Vec<Uuid> = statuses.iter().map(|status| status.guid.0).collect();
    let kinds: Vec<String> = statuses.iter().map(|status| status.kind.clone()).collect();
    let gone = match missing {
        Missing::Gone => {
            let gone = sqlx::query!("delete from presence_status where guid <> all($1)", &guids).execute(&mut **tx).await?;
            gone.rows_affected()
        }
        Missing::Kept => 0,
    };
    let changed = sqlx::query!(
        "insert into presence_status (guid, kind) select * from unnest($1::uuid[], $2::text[])
         on conflict (guid) do update set kind = excluded.kind where presence_status.kind <> excluded.kind",
        &guids,
        &kinds,
    )
    .execute(&mut **tx)
    .await?;
    Ok(gone + changed.rows_affected() > 0)
}
