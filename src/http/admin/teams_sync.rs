//! How much of Teams and XPhone is kept in step, per location and configuration group.

use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::{LocalOperator, LocalViewer};
use super::etag::{Precondition, Tagged};
use super::extract::{Body, Guid};
use super::setting::{self, Setting};
use crate::domain::policy;
use crate::http::Admin;
use crate::http::problem::Problem;
use crate::store::policy::{lock_teams_sync, write_teams_sync};
use crate::store::tree::PlaceKind::{ConfigurationGroup, Location};
use crate::store::{Store, StoreError, Tx};
use crate::tasks::Activators;

/// Teams synchronisation, as set for a location or a configuration group.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"mode": "telephony", "user_may_change": false, "remember_login_data": false, "shadow": true}))]
pub struct TeamsSync {
    mode: Mode,
    /// Whether users choose a mode of their own.
    user_may_change: bool,
    /// Whether login data of users who link themselves is kept, and used to prove their links anew.
    remember_login_data: bool,
    /// Decide, record and explain, but show nothing.
    shadow: bool,
}

/// What is kept in step: nothing, calls, or calls and do not disturb.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Nothing.
    None,
    /// Calls.
    Telephony,
    /// Calls and do not disturb.
    TelephonyAndPresence,
}

impl From<Mode> for policy::Mode {
    fn from(wire: Mode) -> Self {
        match wire {
            Mode::None => Self::None,
            Mode::Telephony => Self::Telephony,
            Mode::TelephonyAndPresence => Self::TelephonyAndPresence,
        }
    }
}

impl From<policy::Mode> for Mode {
    fn from(mode: policy::Mode) -> Self {
        match mode {
            policy::Mode::None => Self::None,
            policy::Mode::Telephony => Self::Telephony,
            policy::Mode::TelephonyAndPresence => Self::TelephonyAndPresence,
        }
    }
}

impl From<TeamsSync> for policy::TeamsSync {
    fn from(wire: TeamsSync) -> Self {
        let TeamsSync { mode, user_may_change, remember_login_data, shadow } = wire;
        Self { mode: mode.into(), user_may_change, remember_login_data, shadow }
    }
}

impl From<policy::TeamsSync> for TeamsSync {
    fn from(sync: policy::TeamsSync) -> Self {
        let policy::TeamsSync { mode, user_may_change, remember_login_data, shadow } = sync;
        Self { mode: mode.into(), user_may_change, remember_login_data, shadow }
    }
}

impl Setting for TeamsSync {
    const SET: &'static str = "teams-sync set";
    const UNSET: &'static str = "teams-sync unset";

    async fn read(store: &Store, guid: Uuid) -> Result<Option<Self>, StoreError> {
        Ok(store.teams_sync(guid).await?.map(Self::from))
    }

    async fn lock(tx: &mut Tx<'_>, guid: Uuid) -> Result<Option<Self>, StoreError> {
        Ok(lock_teams_sync(tx, guid).await?.map(Self::from))
    }

    async fn write(tx: &mut Tx<'_>, guid: Uuid, setting: Option<Self>, now: Timestamp) -> Result<(), StoreError> {
        write_teams_sync(tx, guid, setting.map(Self::into), now).await
    }

    /// Whom it concerns is decided about anew, read, and subscribed to or not any more.
    fn wake(activators: &Activators) {
        activators.policies.wake();
        activators.reconciler.wake();
        activators.confirmer.wake();
        activators.subscriptions.wake();
        // Login data that is not to be remembered any more is forgotten.
        activators.logins.wake();
    }
}

pub fn router() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(show_location, put_location, reset_location)).routes(routes!(
        show_group,
        put_group,
        reset_group
    ))
}

type Shown = Result<Tagged<TeamsSync>, Problem>;

/// Teams synchronisation as set for a location
#[utoipa::path(get, path = "/v1/locations/{guid}/teams-sync", operation_id = "getLocationTeamsSync", tag = "settings",
    security(("bearer" = ["viewer"])), extensions(("x-scope" = json!("location"))),
    params(("guid" = Uuid, Path, description = "The location")),
    responses((status = 200, body = TeamsSync, description = "What is set", headers(("ETag" = String))),
        (status = 400, description = "bad-guid"), (status = 404, description = "Nothing is set, or there is no such location")))]
async fn show_location(permit: LocalViewer, State(admin): State<Admin>, Guid(guid): Guid) -> Shown {
    setting::show(&admin, permit, Location, guid).await
}

/// Set Teams synchronisation for a location
#[utoipa::path(put, path = "/v1/locations/{guid}/teams-sync", operation_id = "putLocationTeamsSync", tag = "settings",
    security(("bearer" = ["operator"])), extensions(("x-scope" = json!("location"))),
    params(("guid" = Uuid, Path, description = "The location"),
        ("If-Match" = Option<String>, Header, description = "Only if this is set now"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if nothing is set now")),
    request_body = TeamsSync,
    responses((status = 200, body = TeamsSync, description = "It is set", headers(("ETag" = String))),
        (status = 400, description = "bad-guid, bad-json"), (status = 404, description = "There is no such location"),
        (status = 412, description = "Something else is set by now"), (status = 413, description = "The body is too long"),
        (status = 415, description = "The body is not JSON"), (status = 422, description = "The body is not of this form")))]
async fn put_location(
    permit: LocalOperator,
    State(admin): State<Admin>,
    Guid(guid): Guid,
    precondition: Precondition,
    Body(setting): Body<TeamsSync>,
) -> Shown {
    setting::put(&admin, permit, (Location, guid), &precondition, setting).await
}

/// Take back Teams synchronisation of a location
///
/// Nothing is kept in step there, but in groups with settings of their own.
#[utoipa::path(delete, path = "/v1/locations/{guid}/teams-sync", operation_id = "deleteLocationTeamsSync", tag = "settings",
    security(("bearer" = ["operator"])), extensions(("x-scope" = json!("location"))),
    params(("guid" = Uuid, Path, description = "The location"),
        ("If-Match" = Option<String>, Header, description = "Only if this is set now")),
    responses((status = 204, description = "Nothing is set any more"), (status = 400, description = "bad-guid"),
        (status = 404, description = "There is no such location"), (status = 412, description = "Something else is set by now")))]
async fn reset_location(
    permit: LocalOperator,
    State(admin): State<Admin>,
    Guid(guid): Guid,
    precondition: Precondition,
) -> Result<StatusCode, Problem> {
    setting::reset::<TeamsSync>(&admin, permit, (Location, guid), &precondition).await
}

/// Teams synchronisation as set for a configuration group
#[utoipa::path(get, path = "/v1/configuration-groups/{guid}/teams-sync", operation_id = "getConfigurationGroupTeamsSync",
    tag = "settings", security(("bearer" = ["viewer"])), extensions(("x-scope" = json!("location"))),
    params(("guid" = Uuid, Path, description = "The configuration group")),
    responses((status = 200, body = TeamsSync, description = "What is set", headers(("ETag" = String))),
        (status = 400, description = "bad-guid"), (status = 404, description = "Nothing is set, or there is no such group")))]
async fn show_group(permit: LocalViewer, State(admin): State<Admin>, Guid(guid): Guid) -> Shown {
    setting::show(&admin, permit, ConfigurationGroup, guid).await
}

/// Set Teams synchronisation for a configuration group: *Individual*
#[utoipa::path(put, path = "/v1/configuration-groups/{guid}/teams-sync", operation_id = "putConfigurationGroupTeamsSync",
    tag = "settings", security(("bearer" = ["operator"])), extensions(("x-scope" = json!("location"))),
    params(("guid" = Uuid, Path, description = "The configuration group"),
        ("If-Match" = Option<String>, Header, description = "Only if this is set now"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if nothing is set now")),
    request_body = TeamsSync,
    responses((status = 200, body = TeamsSync, description = "It is set", headers(("ETag" = String))),
        (status = 400, description = "bad-guid, bad-json"), (status = 404, description = "There is no such group"),
        (status = 412, description = "Something else is set by now"), (status = 413, description = "The body is too long"),
        (status = 415, description = "The body is not JSON"), (status = 422, description = "The body is not of this form")))]
async fn put_group(
    permit: LocalOperator,
    State(admin): State<Admin>,
    Guid(guid): Guid,
    precondition: Precondition,
    Body(setting): Body<TeamsSync>,
) -> Shown {
    setting::put(&admin, permit, (ConfigurationGroup, guid), &precondition, setting).await
}

/// Take back Teams synchronisation of a configuration group: *Default*
///
/// What holds there is inherited from its location again.
#[utoipa::path(delete, path = "/v1/configuration-groups/{guid}/teams-sync", operation_id = "deleteConfigurationGroupTeamsSync",
    tag = "settings", security(("bearer" = ["operator"])), extensions(("x-scope" = json!("location"))),
    params(("guid" = Uuid, Path, description = "The configuration group"),
        ("If-Match" = Option<String>, Header, description = "Only if this is set now")),
    responses((status = 204, description = "It is inherited again"), (status = 400, description = "bad-guid"),
        (status = 404, description = "There is no such group"), (status = 412, description = "Something else is set by now")))]
async fn reset_group(
    permit: LocalOperator,
    State(admin): State<Admin>,
    Guid(guid): Guid,
    precondition: Precondition,
) -> Result<StatusCode, Problem> {
    setting::reset::<TeamsSync>(&admin, permit, (ConfigurationGroup, guid), &precondition).await
}
