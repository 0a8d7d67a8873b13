//! What a policy on trial would have shown.

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
use crate::store::shadow::{self, Counted};
use crate::store::tree::PlaceKind::{self, ConfigurationGroup, Location};

/// What would have been shown, were the policy not on trial.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"since": "2026-11-02T08:00:00Z", "counted_since": "2026-11-02T08:00:00Z", "people": 120,
    "people_shown": 34, "people_now": 3, "shown": [{"slot": "xphone_appointment", "presence": "on_the_phone", "times": 71,
    "people": 30, "now": 2}, {"slot": "teams_session", "presence": "on_the_phone", "times": 55, "people": 21, "now": 1}]}))]
pub struct ShadowReport {
    /// Since when the policy is on trial.
    since: Timestamp,
    /// Since when is counted: `since`, or as long as `admin.presence_retention_days` lets it be kept.
    counted_since: Timestamp,
    /// How many people it is about.
    people: i64,
    /// For how many of them something would have been shown.
    people_shown: i64,
    /// For how many of them something would be shown now.
    people_now: i64,
    /// Where, what, how often; what never would have been shown is left out.
    shown: Vec<Shown>,
}

/// How often something would have been shown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShadowCount)]
pub struct Shown {
    /// `xphone_appointment`, `teams_session` or `teams_preferred`.
    slot: &'static str,
    /// `on_the_phone` or `do_not_disturb`.
    presence: &'static str,
    /// How often that would have begun.
    times: i64,
    /// For how many people.
    people: i64,
    /// For how many it would be shown now.
    now: i64,
}

impl From<Counted> for Shown {
    fn from(counted: Counted) -> Self {
        let Counted { slot, presence, times, people, now } = counted;
        Self { slot: slot.label(), presence: presence.label(), times, people, now }
    }
}

pub fn router() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(of_location)).routes(routes!(of_group))
}

/// What the policy of a location would have shown, were it not on trial
///
/// About everybody there but in groups with settings of their own.
#[utoipa::path(get, path = "/v1/locations/{guid}/shadow-report", operation_id = "getLocationShadowReport", tag = "settings",
    security(("bearer" = ["viewer"])), extensions(("x-scope" = json!("location"))),
    params(("guid" = Uuid, Path, description = "The location")),
    responses((status = 200, body = ShadowReport, description = "What would have been shown up to now"),
        (status = 400, description = "bad-guid"),
        (status = 404, description = "No policy is on trial there, or there is no such location")))]
async fn of_location(permit: LocalViewer, State(admin): State<Admin>, Guid(guid): Guid) -> Result<Json<ShadowReport>, Problem> {
    report(&admin, permit, Location, guid).await
}

/// What the policy that holds for a configuration group would have shown, were it not on trial
///
/// About everybody in the group, also where it inherits the policy of its location.
#[utoipa::path(get, path = "/v1/configuration-groups/{guid}/shadow-report", operation_id = "getConfigurationGroupShadowReport",
    tag = "settings", security(("bearer" = ["viewer"])), extensions(("x-scope" = json!("location"))),
    params(("guid" = Uuid, Path, description = "The configuration group")),
    responses((status = 200, body = ShadowReport, description = "What would have been shown up to now"),
        (status = 400, description = "bad-guid"),
        (status = 404, description = "No policy is on trial there, or there is no such group")))]
async fn of_group(permit: LocalViewer, State(admin): State<Admin>, Guid(guid): Guid) -> Result<Json<ShadowReport>, Problem> {
    report(&admin, permit, ConfigurationGroup, guid).await
}

async fn report(admin: &Admin, permit: LocalViewer, kind: PlaceKind, guid: Uuid) -> Result<Json<ShadowReport>, Problem> {
    let place = there(admin, kind, guid).await?;
    permit.at(place.location)?;
    let kept_from = admin.clock.now() - admin.presence_kept;
    let report = admin.store.shadow_report(kind, guid, kept_from).await?;
    let shadow::Report { since, people, people_shown, people_now, shown } = report
        .ok_or_else(|| Problem::not_found("no policy is on trial here: there is a report only while its shadow is true"))?;
    let shown = shown.into_iter().map(Shown::from).collect();
    Ok(Json(ShadowReport { since, counted_since: since.max(kept_from), people, people_shown, people_now, shown }))
}
