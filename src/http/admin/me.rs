//! Who the caller is, as the gateway sees it.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::Anybody;
use crate::http::Admin;
use crate::http::problem::Problem;

/// Who the caller is, and what they may.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"kind": "token", "name": "rollout", "role": "operator", "location": null, "user": null}))]
pub struct Me {
    /// `bootstrap`, `token`, `person` or `workstation`.
    kind: &'static str,
    /// The token's or workstation's name, or the person's object id in Entra ID.
    #[schema(required)]
    name: Option<String>,
    /// `viewer`, `operator` or `admin`; null: only the own user is within reach.
    #[schema(required)]
    role: Option<&'static str>,
    /// The one location within reach; null: all.
    #[schema(required)]
    location: Option<Uuid>,
    /// The person's own user in XPhone, if there is one; whose microphone the workstation reports.
    #[schema(required)]
    user: Option<Uuid>,
}

pub fn router() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(me))
}

/// Who the caller is, and what they may
#[utoipa::path(get, path = "/v1/me", operation_id = "getMe", tag = "me", security(("bearer" = [])),
    extensions(("x-scope" = json!("anybody"))), responses((status = 200, body = Me, description = "The caller")))]
async fn me(Anybody(caller): Anybody, State(admin): State<Admin>) -> Result<Json<Me>, Problem> {
    let user = match caller.teams {
        Some(teams) => admin.store.user_of(teams).await?.map(|user| user.0),
        None => caller.workstation.as_ref().map(|workstation| workstation.user.0),
    };
    Ok(Json(Me {
        kind: caller.actor.kind(),
        name: caller.actor.name().map(str::to_owned),
        role: caller.role.map(crate::store::api_token::Role::label),
        location: caller.location.map(|location| location.0),
        user,
    }))
}
