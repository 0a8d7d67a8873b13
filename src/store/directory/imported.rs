//! The tree and who sits where, as imported: for servers that do not tell it.

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::Location;
use crate::domain::directory::{Membership, Seat};
use crate::domain::ids::{ConfigurationGroupGuid, LocationGuid};
use crate::store::audit::{self, Actor, Entry, Target};
use crate::store::feed::{self, Feed};
use crate::store::{Store, StoreError, Tx};

/// How many there are of what.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Locations.
    pub locations: usize,
    /// Configuration groups.
    pub groups: usize,
    /// People with a seat.
    pub people: usize,
}

impl Store {
    /// Puts this tree and these seats in place of those imported before. Places keep their guids, and with them what is set for them,
    /// as long as they keep their names. The directory is read again at once.
    ///
    /// # Errors
    /// Postgres could not; nothing has changed.
    pub async fn import_tree(&self, membership: &Membership, actor: &Actor, now: Timestamp) -> Result<Imported, StoreError> {
        let mut tx = self.begin().await?;
        let before = count(&mut tx).await?;
        let locations = with_guids(&mut tx, membership).await?;
        super::replace_tree(&mut tx, &locations, super::Missing::Gone).await?;
        replace_seats(&mut tx, membership, &locations).await?;
        let after = count(&mut tx).await?;
        let told = |imported: &Imported| {
            Some(json!({"locations": imported.locations, "configuration_groups": imported.groups, "people": imported.people}))
        };
        let target = Target { kind: "tree", id: None };
        let entry = Entry { actor, remote: None, action: "tree.import", target, before: told(&before), after: told(&after) };
        audit::record(&mut tx, &entry, now).await?;
        feed::expire(&mut tx, Feed::Directory).await?;
        tx.commit().await?;
        Ok(after)
    }

    /// Who sits where, by address in lower case.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn imported_seats(&self) -> Result<HashMap<String, Seat>, StoreError> {
        let rows = sqlx::query!("select email, location_guid, configuration_group_guid from imported_seat");
        let seats = rows.fetch_all(&self.pool).await?.into_iter().map(|row| {
            let group = row.configuration_group_guid.map(ConfigurationGroupGuid);
            (row.email, Seat { location: Some(LocationGuid(row.location_guid)), group })
        });
        Ok(seats.collect())
    }
}

async fn count(tx: &mut Tx<'_>) -> Result<Imported, StoreError> {
    let row = sqlx::query!(
        r#"select (select count(*) from location) as "locations!", (select count(*) from configuration_group) as "groups!",
             (select count(*) from imported_seat) as "people!""#
    );
    let row = row.fetch_one(&mut **tx).await?;
    let number = |count: i64| usize::try_from(count).unwrap_or_default();
    Ok(Imported { locations: number(row.locations), groups: number(row.groups), people: number(row.people) })
}

/// The tree with guids: those of the same names, and new ones.
async fn with_guids(tx: &mut Tx<'_>, membership: &Membership) -> Result<Vec<Location>, StoreError> {
    let known = sqlx::query!("select guid, name from location order by guid desc").fetch_all(&mut **tx).await?;
    let known: HashMap<String, Uuid> = known.into_iter().map(|row| (row.name, row.guid)).collect();
    let groups = sqlx::query!("select guid, location_guid, name from configuration_group order by guid desc");
    let groups = groups.fetch_all(&mut **tx).await?;
    let groups: HashMap<(Uuid, String), Uuid> = groups.into_iter().map(|row| ((row.location_guid, row.name), row.guid)).collect();
    let located = membership.tree.iter().map(|(name, names)| {
        let guid = known.get(name).copied().unwrap_or_else(Uuid::new_v4);
        let group = |name: &String| {
            let known = groups.get(&(guid, name.clone())).copied();
            (ConfigurationGroupGuid(known.unwrap_or_else(Uuid::new_v4)), name.clone())
        };
        Location { guid: LocationGuid(guid), name: name.clone(), groups: names.iter().map(group).collect() }
    });
    Ok(located.collect())
}

async fn replace_seats(tx: &mut Tx<'_>, membership: &Membership, locations: &[Location]) -> Result<(), StoreError> {
    let places: HashMap<&str, &Location> = locations.iter().map(|location| (location.name.as_str(), location)).collect();
    let (mut emails, mut location_guids, mut group_guids) = (Vec::new(), Vec::new(), Vec::new());
    for (email, (location, group)) in &membership.seats {
        let Some(location) = places.get(location.as_str()) else { continue };
        let found = location.groups.iter().find(|(_, name)| Some(name) == group.as_ref()).map(|(guid, _)| guid.0);
        emails.push(email.clone());
        location_guids.push(location.guid.0);
        group_guids.push(found);
    }
    sqlx::query!("delete from imported_seat").execute(&mut **tx).await?;
    sqlx::query!(
        "insert into imported_seat (email, location_guid, configuration_group_guid)
         select * from unnest($1::text[], $2::uuid[], $3::uuid[])",
        &emails,
        &location_guids,
        &group_guids as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
