//! The admin API: for whoever holds a token.

mod teams_sync;

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::Admin;
use super::problem::Problem;

/// The one token that lets in, as long as it is set.
#[derive(Clone, Debug)]
pub struct AdminToken(Option<SecretString>);

impl AdminToken {
    /// `None`: nobody is let in.
    #[must_use]
    pub fn new(bootstrap: Option<SecretString>) -> Self {
        Self(bootstrap)
    }

    fn lets_in(&self, offered: &str) -> bool {
        self.0.as_ref().is_some_and(|token| token.expose_secret().as_bytes().ct_eq(offered.as_bytes()).into())
    }
}

pub(super) fn router(token: &AdminToken) -> Router<Admin> {
    let teams_sync = |level| {
        use teams_sync::{delete_setting, get_setting, put_setting};
        get(get_setting).put(put_setting).delete(delete_setting).layer(axum::Extension(level))
    };
    Router::new()
        .route("/v1/locations/{guid}/teams-sync", teams_sync(teams_sync::Place::Location))
        .route("/v1/configuration-groups/{guid}/teams-sync", teams_sync(teams_sync::Place::ConfigurationGroup))
        .route_layer(from_fn_with_state(token.clone(), let_in))
}

async fn let_in(State(token): State<AdminToken>, request: Request, next: Next) -> Result<Response, Problem> {
    let offered = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let offered = offered.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or_default();
    if token.lets_in(offered) {
        return Ok(next.run(request).await);
    }
    let detail = "send `Authorization: Bearer` with the token that admin.bootstrap_token sets";
    Err(Problem::new(StatusCode::UNAUTHORIZED, "not-signed-in", detail))
}
