//! XPhone's tree, with what is set and what is inherited.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::LocalViewer;
use super::extract::Asked;
use super::page::{self, Page};
use super::teams_sync::TeamsSync;
use crate::domain::ids::LocationGuid;
use crate::domain::policy::{self, Level, Mode};
use crate::http::Admin;
use crate::http::problem::{Kind, Problem};
use crate::store::tree::{Branch, Cut};

/// A location, with what is set there.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"guid": "1d7e9c42-3b5a-4f68-8a90-b1c2d3e4f506", "name": "Headquarters", "teams_sync": {
    "set": {"mode": "telephony", "user_may_change": false, "remember_login_data": false, "shadow": false},
    "effective": {"mode": "telephony", "user_may_change": false, "remember_login_data": false, "shadow": false},
    "from": "location"}}))]
pub struct Location {
    /// XPhone's.
    guid: Uuid,
    name: String,
    teams_sync: Inherited,
}

/// A configuration group, with what is set there or inherited from its location.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"guid": "8b2c1a90-6f5e-4b43-9d0a-0c1d2e3f4a5b", "name": "Sales",
    "location": {"guid": "1d7e9c42-3b5a-4f68-8a90-b1c2d3e4f506", "name": "Headquarters"}, "teams_sync": {"set": null,
    "effective": {"mode": "telephony", "user_may_change": false, "remember_login_data": false, "shadow": false},
    "from": "location"}}))]
pub struct ConfigurationGroup {
    /// XPhone's.
    guid: Uuid,
    name: String,
    location: Above,
    teams_sync: Inherited,
}

/// The location that a configuration group is in.
#[derive(Debug, Serialize, ToSchema)]
pub struct Above {
    guid: Uuid,
    name: String,
}

/// What is set, and what holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct Inherited {
    /// What is set there itself; null: nothing, for a group *Default*.
    #[schema(required)]
    set: Option<TeamsSync>,
    /// What holds there.
    effective: TeamsSync,
    /// Where that comes from.
    from: SetAt,
}

/// The level that a setting comes from; `unset`: nothing was ever set.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum SetAt {
    /// Nothing was ever set.
    Unset,
    /// The location.
    Location,
    /// The configuration group itself.
    ConfigurationGroup,
    /// The user's own choice.
    User,
}

/// Which part of the tree.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// The `next` of the page before.
    after: Option<Uuid>,
    /// How many, at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// Part of the name, in any case.
    #[param(pattern = r"^[^\x00]*$")]
    search: Option<String>,
}

/// Which configuration groups.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct WantedGroups {
    /// The `next` of the page before.
    after: Option<Uuid>,
    /// How many, at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// Part of the name, in any case.
    #[param(pattern = r"^[^\x00]*$")]
    search: Option<String>,
    /// Those of this location.
    location: Option<Uuid>,
}

impl From<Level> for SetAt {
    fn from(level: Level) -> Self {
        match level {
            Level::Unset => Self::Unset,
            Level::Location => Self::Location,
            Level::ConfigurationGroup => Self::ConfigurationGroup,
            Level::User => Self::User,
        }
    }
}

impl Inherited {
    /// All or nothing: a group with settings of its own takes nothing from its location.
    fn at(group: Option<policy::TeamsSync>, location: Option<policy::TeamsSync>) -> Self {
        let nothing = policy::TeamsSync { mode: Mode::None, user_may_change: false, remember_login_data: false, shadow: false };
        let from = policy::effective(location, group, None).mode_from;
        let effective = group.or(location).unwrap_or(nothing).into();
        Self { set: group.map(TeamsSync::from), effective, from: from.into() }
    }
}

pub fn router() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(locations)).routes(routes!(configuration_groups))
}

/// The locations, with what is set there
#[utoipa::path(get, path = "/v1/locations", operation_id = "listLocations", tag = "tree", params(Wanted),
    security(("bearer" = ["viewer"])), extensions(("x-scope" = json!("part"))),
    responses((status = 200, body = Page<Location>, description = "In the order of their guids"),
        (status = 400, description = "bad-query")))]
async fn locations(
    permit: LocalViewer,
    State(admin): State<Admin>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Page<Location>>, Problem> {
    let (cut, limit) = cut(&wanted, permit.part())?;
    let location = |branch: Branch| {
        let teams_sync = Inherited { set: branch.teams_sync.map(TeamsSync::from), ..Inherited::at(None, branch.teams_sync) };
        Location { guid: branch.guid, name: branch.name, teams_sync }
    };
    let found = admin.store.locations(&cut).await?.into_iter().map(location).collect();
    Ok(Json(Page::cut(found, limit, |location| location.guid.to_string())))
}

/// The configuration groups, with what is set there or inherited
#[utoipa::path(get, path = "/v1/configuration-groups", operation_id = "listConfigurationGroups", tag = "tree",
    params(WantedGroups), security(("bearer" = ["viewer"])), extensions(("x-scope" = json!("part"))),
    responses((status = 200, body = Page<ConfigurationGroup>, description = "In the order of their guids"),
        (status = 400, description = "bad-query")))]
async fn configuration_groups(
    permit: LocalViewer,
    State(admin): State<Admin>,
    Asked(wanted): Asked<WantedGroups>,
) -> Result<Json<Page<ConfigurationGroup>>, Problem> {
    let WantedGroups { after, limit, search, location } = wanted;
    let (mut cut, limit) = cut(&Wanted { after, limit, search }, permit.part())?;
    if let Some(location) = location {
        permit.at(LocationGuid(location))?;
        cut.location = Some(location);
    }
    let group = |branch: Branch| ConfigurationGroup {
        guid: branch.guid,
        name: branch.name,
        location: Above { guid: branch.location, name: branch.location_name },
        teams_sync: Inherited::at(branch.teams_sync, branch.location_teams_sync),
    };
    let found = admin.store.configuration_groups(&cut).await?.into_iter().map(group).collect();
    Ok(Json(Page::cut(found, limit, |group| group.guid.to_string())))
}

fn cut(wanted: &Wanted, part: Option<LocationGuid>) -> Result<(Cut, usize), Problem> {
    // Postgres keeps no such character, and would refuse the statement.
    if wanted.search.as_ref().is_some_and(|search| search.contains('\0')) {
        return Err(Problem::new(Kind::BadQuery, "search contains a character that no name has"));
    }
    let limit = page::limit(wanted.limit)?;
    let location = part.map(|location| location.0);
    Ok((Cut { location, search: wanted.search.clone(), after: wanted.after, limit: limit + 1 }, limit))
}
