//! XPhone's tree, with what is set and what is inherited.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::LocalViewer;
use super::extract::{self, Asked};
use super::microphone_sync::MicrophoneSync;
use super::page::{self, Page};
use super::profile_template::ProfileTemplate;
use super::teams_sync::TeamsSync;
use crate::domain::ids::LocationGuid;
use crate::domain::policy::{self, Level};
use crate::domain::{microphone, template};
use crate::http::Admin;
use crate::http::problem::Problem;
use crate::store::tree::{Branch, Cut};
use crate::store::{Store, StoreError};

/// A location, with what is set there.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"guid": "1d7e9c42-3b5a-4f68-8a90-b1c2d3e4f506", "name": "Headquarters", "teams_sync": {
    "set": {"mode": "telephony", "user_may_change": false, "remember_login_data": false, "shadow": false},
    "effective": {"mode": "telephony", "user_may_change": false, "remember_login_data": false, "shadow": false},
    "from": "location"},
    "microphone_sync": {"set": null, "from": "unset",
        "effective": {"enabled": false, "processes": [{"process": "Zoom", "alias": "Zoom Meeting", "active": true}]}},
    "profile_template": {"set": null, "from": "unset",
        "effective": {"create": false, "presence_status": "busy", "call_forwarding": {"mode": "none", "number": null}}}}))]
pub struct Location {
    /// XPhone's.
    guid: Uuid,
    name: String,
    #[serde(flatten)]
    functions: Functions,
}

/// A configuration group, with what is set there or inherited from its location.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"guid": "8b2c1a90-6f5e-4b43-9d0a-0c1d2e3f4a5b", "name": "Sales",
    "location": {"guid": "1d7e9c42-3b5a-4f68-8a90-b1c2d3e4f506", "name": "Headquarters"}, "teams_sync": {"set": null,
    "effective": {"mode": "telephony", "user_may_change": false, "remember_login_data": false, "shadow": false},
    "from": "location"},
    "microphone_sync": {"set": null, "from": "unset",
        "effective": {"enabled": false, "processes": [{"process": "Zoom", "alias": "Zoom Meeting", "active": true}]}},
    "profile_template": {"set": null, "from": "location",
        "effective": {"create": true, "presence_status": "busy", "call_forwarding": {"mode": "none", "number": null}}}}))]
pub struct ConfigurationGroup {
    /// XPhone's.
    guid: Uuid,
    name: String,
    location: Above,
    #[serde(flatten)]
    functions: Functions,
}

/// What is set and what holds, each function for itself.
#[derive(Debug, Serialize, ToSchema)]
pub struct Functions {
    /// How much of Teams and XPhone is kept in step.
    teams_sync: Inherited<TeamsSync>,
    /// Which programs are told of when they use the microphone.
    microphone_sync: Inherited<MicrophoneSync>,
    /// The central profile template `MS Teams`.
    profile_template: Inherited<ProfileTemplate>,
}

/// The location that a configuration group is in.
#[derive(Debug, Serialize, ToSchema)]
pub struct Above {
    guid: Uuid,
    name: String,
}

/// What is set, and what holds.
#[derive(Debug, Serialize, ToSchema)]
pub struct Inherited<T> {
    /// What is set there itself; null: nothing, for a group *Default*.
    #[schema(required)]
    set: Option<T>,
    /// What holds there.
    effective: T,
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
    #[param(pattern = r"^[^\x00]*$", max_length = 256)]
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
    #[param(pattern = r"^[^\x00]*$", max_length = 256)]
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

impl<T: Clone> Inherited<T> {
    /// All or nothing: a group with settings of its own takes nothing from its location.
    fn at<S: Clone + Into<T>>(branch: &Branch, set: &HashMap<Uuid, S>, unset: S) -> Self {
        let (here, above) = (set.get(&branch.guid), set.get(&branch.location));
        let group = here.filter(|_| branch.guid != branch.location);
        let (effective, from) = policy::inherit(above.cloned(), group.cloned(), unset);
        Self { set: here.cloned().map(Into::into), effective: effective.into(), from: from.into() }
    }
}

/// What is set at these branches and above them, read in one go for each function.
struct Set {
    teams_sync: HashMap<Uuid, policy::TeamsSync>,
    microphone_sync: HashMap<Uuid, microphone::MicrophoneSync>,
    profile_template: HashMap<Uuid, template::ProfileTemplate>,
}

impl Set {
    async fn around(branches: &[Branch], store: &Store) -> Result<Self, StoreError> {
        let guids: Vec<Uuid> = branches.iter().flat_map(|branch| [branch.guid, branch.location]).collect();
        Ok(Self {
            teams_sync: store.teams_syncs(&guids).await?,
            microphone_sync: store.microphone_syncs(&guids).await?,
            profile_template: store.profile_templates(&guids).await?,
        })
    }

    fn functions(&self, branch: &Branch) -> Functions {
        Functions {
            teams_sync: Inherited::at(branch, &self.teams_sync, policy::TeamsSync::UNSET),
            microphone_sync: Inherited::at(branch, &self.microphone_sync, microphone::MicrophoneSync::unset()),
            profile_template: Inherited::at(branch, &self.profile_template, template::ProfileTemplate::unset()),
        }
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
    let (cut, limit) = cut(wanted, permit.part())?;
    let branches = admin.store.locations(&cut).await?;
    let set = Set::around(&branches, &admin.store).await?;
    let location = |branch: Branch| Location { functions: set.functions(&branch), guid: branch.guid, name: branch.name };
    let found = branches.into_iter().map(location).collect();
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
    let (mut cut, limit) = cut(Wanted { after, limit, search }, permit.part())?;
    if let Some(location) = location {
        permit.at(LocationGuid(location))?;
        cut.location = Some(location);
    }
    let branches = admin.store.configuration_groups(&cut).await?;
    let set = Set::around(&branches, &admin.store).await?;
    let group = |branch: Branch| ConfigurationGroup {
        functions: set.functions(&branch),
        guid: branch.guid,
        name: branch.name,
        location: Above { guid: branch.location, name: branch.location_name },
    };
    let found = branches.into_iter().map(group).collect();
    Ok(Json(Page::cut(found, limit, |group| group.guid.to_string())))
}

fn cut(wanted: Wanted, part: Option<LocationGuid>) -> Result<(Cut, usize), Problem> {
    let limit = page::limit(wanted.limit)?;
    let location = part.map(|location| location.0);
    let search = extract::text("search", wanted.search)?;
    Ok((Cut { location, search, after: wanted.after, limit: limit + 1 }, limit))
}
