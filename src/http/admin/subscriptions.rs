//! Graph's subscriptions: which account tells us about how many users, and until when.

use axum::Json;
use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::Viewer;
use super::extract::Asked;
use super::page::{self, Page};
use crate::domain::ids::UserGuid;
use crate::http::Admin;
use crate::http::problem::Problem;
use crate::store::subscriber::Told;

/// A renewal that is this late does not succeed.
const OVERDUE_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// A change notification subscription at Graph.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "0d6a2b1c-3e4f-4a5b-8c6d-7e8f90a1b2c3", "state": "live",
    "account": {"id": "6c9f0d3e-2b1a-4c5d-8e7f-a0b1c2d3e4f5", "user_principal_name": "presence-1@example.com"}, "users": 650,
    "created_at": "2026-11-02T09:00:00Z", "expires_at": "2026-11-02T09:58:00Z", "renew_at": "2026-11-02T09:14:00Z",
    "certificate": "9e8d7c6b-5a49-4838-a726-150413f2e1d0"}))]
pub struct Subscription {
    /// Graph's.
    id: Uuid,
    state: Condition,
    account: Holder,
    /// How many users it watches.
    users: i64,
    created_at: Timestamp,
    /// When it ends unless renewed.
    expires_at: Timestamp,
    /// When it is renewed.
    renew_at: Timestamp,
    /// The gateway's name for the certificate that Graph encrypts for.
    certificate: Uuid,
}

/// The account in whose name it is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SubscriptionAccount)]
pub struct Holder {
    /// Entra ID's object id.
    id: Uuid,
    user_principal_name: String,
}

/// `live`; `overdue`: its renewal is late, it tells us until it ends; `ended`: its users are swept until it is made anew.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SubscriptionState)]
pub enum Condition {
    /// It tells us.
    Live,
    /// It tells us, but was not renewed in time.
    Overdue,
    /// It tells us no more.
    Ended,
}

/// Which subscriptions, which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Only those that watch this user, by XPhone's guid.
    user: Option<Uuid>,
    /// The `next` of the page before.
    after: Option<Uuid>,
    /// How many, at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
}

pub fn router() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(list))
}

/// Graph's subscriptions
///
/// A user whom none watches is read each `graph.sweep_seconds`.
#[utoipa::path(get, path = "/v1/subscriptions", operation_id = "listSubscriptions", tag = "subscriptions", params(Which),
    security(("bearer" = ["viewer"])),
    responses((status = 200, body = Page<Subscription>, description = "In the order of their ids"),
        (status = 400, description = "bad-query")))]
async fn list(_: Viewer, State(admin): State<Admin>, Asked(which): Asked<Which>) -> Result<Json<Page<Subscription>>, Problem> {
    let limit = page::limit(which.limit)?;
    let told = admin.store.told_subscriptions(which.user.map(UserGuid), which.after, limit + 1).await?;
    let now = admin.clock.now();
    let items = told.into_iter().map(|told| subscription(told, now)).collect();
    Ok(Json(Page::cut(items, limit, |subscription: &Subscription| subscription.id.to_string())))
}

fn subscription(told: Told, now: Timestamp) -> Subscription {
    let Told { account, user_principal_name, certificate, created_at, carried } = told;
    let state = match now {
        now if carried.expires_at <= now => Condition::Ended,
        now if now.duration_since(carried.renew_at) > OVERDUE_AFTER => Condition::Overdue,
        _ => Condition::Live,
    };
    Subscription {
        id: carried.id,
        state,
        account: Holder { id: account.0, user_principal_name },
        users: carried.users,
        created_at,
        expires_at: carried.expires_at,
        renew_at: carried.renew_at,
        certificate,
    }
}
