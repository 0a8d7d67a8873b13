//! Stands for whoever lets the gateway in: Entra ID with its tokens and signing keys, XPhone's log-in and what it says it can.

use axum::extract::State;
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

/// Entra ID at `address`, publishing these keys, and XPhone's log-in below `/xphone`.
pub fn router(address: &str, published_keys: Value) -> Router {
    let metadata = json!({ "jwks_uri": format!("{address}/common/discovery/v2.0/keys") });
    let entra = Router::new()
        .route("/common/v2.0/.well-known/openid-configuration", get(published).with_state(metadata))
        .route("/common/discovery/v2.0/keys", get(published).with_state(published_keys))
        .route("/{tenant}/oauth2/v2.0/token", post(token));
    entra
        .route("/xphone/api/v1/user/authenticate", post(authenticate))
        .route("/xphone/api/v1/server/capabilities", get(capabilities))
}

async fn published(State(document): State<Value>) -> Json<Value> {
    Json(document)
}

async fn token() -> Json<Value> {
    Json(json!({ "token_type": "Bearer", "expires_in": 3599, "access_token": Uuid::new_v4() }))
}

async fn capabilities() -> Json<Value> {
    Json(json!({
        "serverVersion": "a stand-in", "contractVersion": 1, "appointments": true, "forwardingOnAppointment": true, "events": true,
        "profileTemplates": false,
    }))
}

#[expect(clippy::disallowed_methods, reason = "stands for another system, which has a clock of its own")]
async fn authenticate() -> Json<Value> {
    let ends = (Timestamp::now() + SignedDuration::from_hours(1)).as_millisecond();
    let tokens = json!({
        "token": Uuid::new_v4(), "tokenExpiresAt": ends, "refreshToken": Uuid::new_v4(), "refreshTokenExpiresAt": ends,
    });
    Json(json!({ "result": 0, "tokenData": tokens, "sessionGuid": Uuid::new_v4() }))
}
