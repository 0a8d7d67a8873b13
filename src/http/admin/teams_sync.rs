//! How much of Teams and XPhone is kept in step, per location and configuration group.

use axum::extract::rejection::JsonRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::super::Admin;
use super::super::problem::Problem;
use crate::domain::policy::{self, Mode};

/// Whose setting the address names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    Location,
    ConfigurationGroup,
}

/// The setting, as it travels.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TeamsSync {
    mode: WireMode,
    user_may_change: bool,
    remember_login_data: bool,
    shadow: bool,
}

#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
enum WireMode {
    None,
    Telephony,
    TelephonyAndPresence,
}

impl From<TeamsSync> for policy::TeamsSync {
    fn from(wire: TeamsSync) -> Self {
        let mode = match wire.mode {
            WireMode::None => Mode::None,
            WireMode::Telephony => Mode::Telephony,
            WireMode::TelephonyAndPresence => Mode::TelephonyAndPresence,
        };
        let TeamsSync { user_may_change, remember_login_data, shadow, .. } = wire;
        Self { mode, user_may_change, remember_login_data, shadow }
    }
}

impl From<policy::TeamsSync> for TeamsSync {
    fn from(sync: policy::TeamsSync) -> Self {
        let mode = match sync.mode {
            Mode::None => WireMode::None,
            Mode::Telephony => WireMode::Telephony,
            Mode::TelephonyAndPresence => WireMode::TelephonyAndPresence,
        };
        let policy::TeamsSync { user_may_change, remember_login_data, shadow, .. } = sync;
        Self { mode, user_may_change, remember_login_data, shadow }
    }
}

pub(super) async fn get_setting(
    State(admin): State<Admin>,
    Extension(place): Extension<Place>,
    Path(guid): Path<String>,
) -> Result<Json<TeamsSync>, Problem> {
    let guid = there(&admin, place, &guid).await?;
    match admin.store.teams_sync(guid).await? {
        Some(sync) => Ok(Json(sync.into())),
        None => Err(Problem::not_found("nothing is set here: what holds is inherited, or `none` where nothing was ever set")),
    }
}

pub(super) async fn put_setting(
    State(admin): State<Admin>,
    Extension(place): Extension<Place>,
    Path(guid): Path<String>,
    body: Result<Json<TeamsSync>, JsonRejection>,
) -> Result<Json<TeamsSync>, Problem> {
    let guid = there(&admin, place, &guid).await?;
    let Json(sync) = body.map_err(|refused| Problem::new(refused.status(), "bad-body", refused.body_text()))?;
    admin.store.set_teams_sync(guid, sync.into(), admin.clock.now()).await?;
    wake(&admin);
    Ok(Json(sync))
}

pub(super) async fn delete_setting(
    State(admin): State<Admin>,
    Extension(place): Extension<Place>,
    Path(guid): Path<String>,
) -> Result<StatusCode, Problem> {
    let guid = there(&admin, place, &guid).await?;
    admin.store.unset_teams_sync(guid, admin.clock.now()).await?;
    wake(&admin);
    Ok(StatusCode::NO_CONTENT)
}

/// Whom it concerns is decided about anew, read, and subscribed to or not any more.
fn wake(admin: &Admin) {
    admin.activators.reconciler.wake();
    admin.activators.confirmer.wake();
    admin.activators.subscriptions.wake();
}

/// The place's guid, if XPhone has such a place.
async fn there(admin: &Admin, place: Place, guid: &str) -> Result<Uuid, Problem> {
    let not_one = |_| Problem::new(StatusCode::BAD_REQUEST, "bad-guid", "the address must name the place by its guid");
    let guid: Uuid = guid.parse().map_err(not_one)?;
    let (there, what) = match place {
        Place::Location => (admin.store.has_location(guid).await?, "location"),
        Place::ConfigurationGroup => (admin.store.has_configuration_group(guid).await?, "configuration group"),
    };
    if there {
        return Ok(guid);
    }
    Err(Problem::not_found(format!("XPhone has no {what} with this guid; a new one is known within directory.refresh_seconds")))
}
