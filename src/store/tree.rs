//! XPhone's tree of locations and configuration groups, with what is set where.

use uuid::Uuid;

use super::{Store, StoreError, known, rows};
use crate::domain::ids::LocationGuid;
use crate::domain::policy::{Mode, TeamsSync};

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

/// A location or a configuration group, with what is set there.
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
    /// What is set there itself.
    pub teams_sync: Option<TeamsSync>,
    /// What is set at the location.
    pub location_teams_sync: Option<TeamsSync>,
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
            Row,
            r#"select l.guid, l.name, l.guid as "location!", l.name as "location_name!", s.mode as "mode?",
                 s.user_may_change as "user_may_change?", s.remember_login_data as "remember_login_data?", s.shadow as "shadow?",
                 s.mode as "location_mode?", s.user_may_change as "location_user_may_change?",
                 s.remember_login_data as "location_remember_login_data?", s.shadow as "location_shadow?"
             from location l left join teams_sync s on s.guid = l.guid
             where ($1::uuid is null or l.guid = $1) and ($2::uuid is null or l.guid > $2)
                 and ($3::text is null or position(lower($3) in lower(l.name)) > 0)
             order by l.guid limit $4"#,
            cut.location,
            cut.after,
            cut.search,
            rows(cut.limit),
        );
        rows.fetch_all(&self.pool).await?.into_iter().map(Row::branch).collect()
    }

    /// Configuration groups, in the order of their guids.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn configuration_groups(&self, cut: &Cut) -> Result<Vec<Branch>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"select g.guid, g.name, l.guid as "location!", l.name as "location_name!", s.mode as "mode?",
                 s.user_may_change as "user_may_change?", s.remember_login_data as "remember_login_data?", s.shadow as "shadow?",
                 t.mode as "location_mode?", t.user_may_change as "location_user_may_change?",
                 t.remember_login_data as "location_remember_login_data?", t.shadow as "location_shadow?"
             from configuration_group g join location l on l.guid = g.location_guid
                 left join teams_sync s on s.guid = g.guid left join teams_sync t on t.guid = l.guid
             where ($1::uuid is null or l.guid = $1) and ($2::uuid is null or g.guid > $2)
                 and ($3::text is null or position(lower($3) in lower(g.name)) > 0)
             order by g.guid limit $4"#,
            cut.location,
            cut.after,
            cut.search,
            rows(cut.limit),
        );
        rows.fetch_all(&self.pool).await?.into_iter().map(Row::branch).collect()
    }
}

struct Row {
    guid: Uuid,
    name: String,
    location: Uuid,
    location_name: String,
    mode: Option<String>,
    user_may_change: Option<bool>,
    remember_login_data: Option<bool>,
    shadow: Option<bool>,
    location_mode: Option<String>,
    location_user_may_change: Option<bool>,
    location_remember_login_data: Option<bool>,
    location_shadow: Option<bool>,
}

impl Row {
    fn branch(self) -> Result<Branch, StoreError> {
        let here = (self.mode, self.user_may_change, self.remember_login_data, self.shadow);
        let above = (self.location_mode, self.location_user_may_change, self.location_remember_login_data, self.location_shadow);
        Ok(Branch {
            guid: self.guid,
            name: self.name,
            location: self.location,
            location_name: self.location_name,
            teams_sync: teams_sync(here)?,
            location_teams_sync: teams_sync(above)?,
        })
    }
}

type Columns = (Option<String>, Option<bool>, Option<bool>, Option<bool>);

fn teams_sync(columns: Columns) -> Result<Option<TeamsSync>, StoreError> {
    let (Some(mode), Some(user_may_change), Some(remember_login_data), Some(shadow)) = columns else { return Ok(None) };
    Ok(Some(TeamsSync { mode: known(&mode, Mode::from_label)?, user_may_change, remember_login_data, shadow }))
}
