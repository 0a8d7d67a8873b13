//! Everything that calls us: Graph on the public listener, administrators and Prometheus on the other.

mod admin;
mod health;
mod problem;
mod webhook;

pub use admin::AdminToken;
pub use webhook::Webhook;

use axum::Router;
use axum::http::StatusCode;

use self::problem::Problem;
use crate::clock::Clock;
use crate::store::Store;
use crate::tasks::Activators;
use crate::telemetry::Metrics;

/// What the admin listener works with.
#[derive(Clone, Debug)]
pub struct Admin {
    /// Our memory.
    pub store: Store,
    /// Time.
    pub clock: Clock,
    /// What Prometheus is shown.
    pub metrics: Metrics,
    /// Whom a change wakes.
    pub activators: Activators,
    /// Who may come in.
    pub token: AdminToken,
}

/// The public listener: Graph's posts, and nothing else.
pub fn public_router(webhook: Webhook) -> Router {
    webhook::router(webhook)
}

/// The admin listener: health, metrics, and the admin API for whoever has a token.
pub fn admin_router(admin: Admin) -> Router {
    let nowhere = || async { Problem::not_found("nothing is at this address") };
    let otherwise = || async { Problem::new(StatusCode::METHOD_NOT_ALLOWED, "wrong-method", "this address takes other methods") };
    let routes = health::router().merge(admin::router(&admin.token));
    routes.fallback(nowhere).method_not_allowed_fallback(otherwise).with_state(admin)
}
