//! Everything that calls us: Graph on the public listener, administrators and Prometheus on the other.

mod admin;
mod health;
mod problem;
mod webhook;

pub use admin::auth::Auth;
pub use admin::document as admin_document;
pub use webhook::Webhook;

use axum::Router;

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
    pub auth: Auth,
}

/// The public listener: Graph's posts, and nothing else.
pub fn public_router(webhook: Webhook) -> Router {
    webhook::router(webhook)
}

/// The admin listener: health, metrics, and the admin API for whoever has a token.
pub fn admin_router(admin: Admin) -> Router {
    admin::router(admin)
}
