//! How far a change of policy has come: how many users of a place it still has to reach.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::LocalViewer;
use super::extract::Guid;
use super::setting::there;
use crate::http::Admin;
use crate::http::problem::Problem;
use crate::store::progress;
use crate::store::tree::PlaceKind::{self, ConfigurationGroup, Location};

/// How far the users of a place have followed what is set for Teams synchronisation.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"done": false, "changed_at": "2026-11-02T09:00:00Z", "users": 10000, "to_decide": 4500, "to_read": 0,
    "to_send": {"xphone": 212, "teams": 1804, "failed": 0, "oldest_at": "2026-11-02T09:00:01Z"},
    "shown": {"xphone": 300, "teams": 2100}}))]
pub struct Progress {
    /// Whether nobody waits for anything. Presence goes on changing, so now and then somebody does.
    done: bool,
    /// When it was last changed there or, for a group, in its location; null: never.
    #[schema(required)]
    changed_at: Option<Timestamp>,
    /// How many users there are, those in the groups of a location included.
    users: i64,
    /// How many wait for being decided about.
    to_decide: i64,
    /// How many wait for being read in Teams: whoever has just been switched on, and, seconds later, whose call was taken back there.
    to_read: i64,
    to_send: Letters,
    shown: Shown,
}

/// What was decided and waits for being sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct Letters {
    /// To XPhone.
    xphone: i64,
    /// To Teams, within the budget of requests to Graph.
    teams: i64,
    /// Of these, how many were tried in vain. They are tried again; `presence-gateway explain` says why for each user.
    failed: i64,
    /// When the oldest was decided; null: nothing waits.
    #[schema(required)]
    oldest_at: Option<Timestamp>,
}

/// Of how many users something can be seen that the gateway put there: until the side has confirmed that it is gone.
#[derive(Debug, Serialize, ToSchema)]
pub struct Shown {
    /// In XPhone.
    xphone: i64,
    /// In Teams.
    teams: i64,
}

impl From<progress::Progress> for Progress {
    fn from(progress: progress::Progress) -> Self {
        let progress::Progress { changed_at, users, to_decide, to_read, letters_xphone, letters_teams, .. } = progress;
        let to_send = Letters {
            xphone: letters_xphone,
            teams: letters_teams,
            failed: progress.letters_failed,
            oldest_at: progress.oldest_letter,
        };
        let shown = Shown { xphone: progress.shown_xphone, teams: progress.shown_teams };
        let done = to_decide + to_read + letters_xphone + letters_teams == 0;
        Self { done, changed_at, users, to_decide, to_read, to_send, shown }
    }
}

pub fn router() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(of_location)).routes(routes!(of_group))
}

/// How far a change has come in a location
///
/// Ask every few seconds after a change: it counts only when asked.
#[utoipa::path(get, path = "/v1/locations/{guid}/progress", operation_id = "getLocationProgress", tag = "tree",
    security(("bearer" = ["viewer"])), extensions(("x-scope" = json!("location"))),
    params(("guid" = Uuid, Path, description = "The location")),
    responses((status = 200, body = Progress, description = "As of now"), (status = 400, description = "bad-guid"),
        (status = 404, description = "There is no such location")))]
async fn of_location(permit: LocalViewer, State(admin): State<Admin>, Guid(guid): Guid) -> Result<Json<Progress>, Problem> {
    show(&admin, permit, Location, guid).await
}

/// How far a change has come in a configuration group
///
/// Ask every few seconds after a change: it counts only when asked.
#[utoipa::path(get, path = "/v1/configuration-groups/{guid}/progress", operation_id = "getConfigurationGroupProgress", tag = "tree",
    security(("bearer" = ["viewer"])), extensions(("x-scope" = json!("location"))),
    params(("guid" = Uuid, Path, description = "The configuration group")),
    responses((status = 200, body = Progress, description = "As of now"), (status = 400, description = "bad-guid"),
        (status = 404, description = "There is no such group")))]
async fn of_group(permit: LocalViewer, State(admin): State<Admin>, Guid(guid): Guid) -> Result<Json<Progress>, Problem> {
    show(&admin, permit, ConfigurationGroup, guid).await
}

async fn show(admin: &Admin, permit: LocalViewer, kind: PlaceKind, guid: Uuid) -> Result<Json<Progress>, Problem> {
    let place = there(admin, kind, guid).await?;
    permit.at(place.location)?;
    Ok(Json(admin.store.progress(guid, admin.clock.now()).await?.into()))
}
