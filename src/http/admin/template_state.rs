//! What became of a place's profile template in XPhone.

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
use crate::domain::template::Maker;
use crate::http::Admin;
use crate::http::problem::Problem;
use crate::store::template::CareState;
use crate::store::tree::PlaceKind::{self, ConfigurationGroup, Location};

/// What became of the template `MS Teams` of this place in XPhone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"state": "refused", "refusal": "in_use", "detail": "the template is in use", "made_by_gateway": true,
    "since": "2026-11-02T09:00:00Z", "compared_at": "2026-11-02T09:05:00Z"}))]
pub struct TemplateState {
    state: TemplateStanding,
    /// Why XPhone would not: `in_use`, `not_found` (it has no such place), `no_templates` (this server has none at all),
    /// `no_such_status` (it has no presence status of this kind), `not_accepted`; null: it did.
    #[schema(required)]
    refusal: Option<String>,
    /// XPhone's own words about that, if it said any.
    #[schema(required)]
    detail: Option<String>,
    /// Whether the gateway made the template that is there. Only such a one is ever removed.
    made_by_gateway: bool,
    /// Since when this is so; null for `none`.
    #[schema(required)]
    since: Option<Timestamp>,
    /// When it was last compared with XPhone; null: not yet.
    #[schema(required)]
    compared_at: Option<Timestamp>,
}

/// How far the template is.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TemplateStanding {
    /// No template is to be there, and none of the gateway's is.
    None,
    /// XPhone is still to be told; it is tried again until it answers.
    Pending,
    /// It is as it is set.
    InStep,
    /// XPhone refuses what is set. That is tried again with every comparison.
    Refused,
}

pub fn router() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(of_location)).routes(routes!(of_group))
}

/// What became of a location's profile template in XPhone
#[utoipa::path(get, path = "/v1/locations/{guid}/profile-template/state", operation_id = "getLocationProfileTemplateState",
    tag = "settings", security(("bearer" = ["viewer"])), extensions(("x-scope" = json!("location"))),
    params(("guid" = Uuid, Path, description = "The location")),
    responses((status = 200, body = TemplateState, description = "As of the last comparison"),
        (status = 400, description = "bad-guid"), (status = 404, description = "There is no such location")))]
async fn of_location(permit: LocalViewer, State(admin): State<Admin>, Guid(guid): Guid) -> Result<Json<TemplateState>, Problem> {
    show(&admin, permit, Location, guid).await
}

/// What became of a configuration group's profile template in XPhone
///
/// Of the template that is set for the group itself; one that is inherited is its location's.
#[utoipa::path(get, path = "/v1/configuration-groups/{guid}/profile-template/state",
    operation_id = "getConfigurationGroupProfileTemplateState", tag = "settings", security(("bearer" = ["viewer"])),
    extensions(("x-scope" = json!("location"))), params(("guid" = Uuid, Path, description = "The configuration group")),
    responses((status = 200, body = TemplateState, description = "As of the last comparison"),
        (status = 400, description = "bad-guid"), (status = 404, description = "There is no such group")))]
async fn of_group(permit: LocalViewer, State(admin): State<Admin>, Guid(guid): Guid) -> Result<Json<TemplateState>, Problem> {
    show(&admin, permit, ConfigurationGroup, guid).await
}

async fn show(admin: &Admin, permit: LocalViewer, kind: PlaceKind, guid: Uuid) -> Result<Json<TemplateState>, Problem> {
    let place = there(admin, kind, guid).await?;
    permit.at(place.location)?;
    let Some(told) = admin.store.template_told(guid).await? else {
        let (state, made_by_gateway) = (TemplateStanding::None, false);
        return Ok(Json(TemplateState { state, refusal: None, detail: None, made_by_gateway, since: None, compared_at: None }));
    };
    let state = match told.state {
        CareState::Pending => TemplateStanding::Pending,
        CareState::InStep => TemplateStanding::InStep,
        CareState::Refused => TemplateStanding::Refused,
    };
    let (refusal, detail) = told.refusal.unzip();
    Ok(Json(TemplateState {
        state,
        refusal,
        detail: detail.flatten(),
        made_by_gateway: told.maker == Maker::Us,
        since: Some(told.since),
        compared_at: told.compared_at,
    }))
}
