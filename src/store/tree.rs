//! XPhone's tree of locations and configuration groups.

use uuid::Uuid;

use super::{Store, StoreError, rows};
use crate::domain::ids::LocationGuid;

/// Where something can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PlaceKind {
    /// A location.
    Location,
    /// A configuration group.
    ConfigurationGroup,
}

/// A location or a configuration group that is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which of both.
    pub kind: PlaceKind,
    /// Its own guid.
    pub guid: Uuid,
    /// The location that it is, or that it is in.
    pub location: LocationGuid,
}

/// A location or a configuration group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Branch {
    /// XPhone's guid.
    pub guid: Uuid,
    /// Its name.
    pub name: String,
    /// The location that it is, or that it is in.
    pub location: Uuid,
    /// That location's name.
    pub location_name: String,
}

/// Which part of the tree is asked for.
#[derive(Clone, Debug, Default)]
pub struct Cut {
    /// One location only.
    pub location: Option<Uuid>,
    /// Part of the name, in any case.
    pub search: Option<String>,
    /// Those after this one, in the order of their guids.
    pub after: Option<Uuid>,
    /// As many.
    pub limit: usize,
}

impl Store {
    /// The place of this guid, if XPhone has it.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn place(&self, kind: PlaceKind, guid: Uuid) -> Result<Option<Place>, StoreError> {
        let location = match kind {
            PlaceKind::Location => {
                let found = sqlx::query_scalar!("select guid from location where guid = $1", guid);
                found.fetch_optional(&self.pool).await?
            }
            PlaceKind::ConfigurationGroup => {
                let found = sqlx::query_scalar!("select location_guid from configuration_group where guid = $1", guid);
                found.fetch_optional(&self.pool).await?
            }
        };
        Ok(location.map(|location| Place { kind, guid, location: LocationGuid(location) }))
    }

    /// Locations, in the order of their guids.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn locations(&self, cut: &Cut) -> Result<Vec<Branch>, StoreError> {
        let rows = sqlx::query_as!(
            Branch,
            r#"select guid, name, guid as "location!", name as "location_name!" from location
             where ($1::uuid is null or guid = $1) and ($2::uuid is null or guid > $2)
                 and ($3::text is null or position(lower($3) in lower(name)) > 0)
             order by guid limit $4"#,
            cut.location,
            cut.after,
            cut.search,
            rows(cut.limit),
        );
        Ok(rows.fetch_all(&self.pool).await?)
    }

    /// Configuration groups, in the order of their guids.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn configuration_groups(&self, cut: &Cut) -> Result<Vec<Branch>, StoreError> {
        let rows = sqlx::query_as!(
            Branch,
            r#"select g.guid, g.name, l.guid as "location!", l.name as "location_name!"
             from configuration_group g join location l on l.guid = g.location_guid
             where ($1::uuid is null or l.guid = $1) and ($2::uuid is null or g.guid > $2)
                 and ($3::text is null or position(lower($3) in lower(g.name)) > 0)
             order by g.guid limit $4"#,
            cut.location,
            cut.after,
            cut.search,
            rows(cut.limit),
        );
        Ok(rows.fetch_all(&self.pool).await?)
    }
}
