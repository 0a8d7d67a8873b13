//! Everything that calls us: Graph on the public listener, administrators and Prometheus on the other.

mod admin;
mod health;
mod measure;
mod problem;
pub mod sign_in;
mod webhook;

pub use admin::Reports;
pub use admin::auth::Auth;
pub use admin::document as admin_document;
pub use measure::People as PeopleCounts;
pub use sign_in::SignIn;
pub use webhook::Webhook;

use std::time::Duration;

use axum::Router;
use jiff::SignedDuration;
use url::Url;

use crate::clock::Clock;
use crate::domain::reconcile::Terms;
use crate::store::Store;
use crate::tasks::Activators;
use crate::tasks::enrolment::desk::Enrolments;
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
    /// Where subscriber accounts are enrolled.
    pub enrolments: Enrolments,
    /// How often microphones are reported.
    pub reports: Reports,
    /// How many people there are, for Prometheus.
    pub people: PeopleCounts,
    /// Where users reach the sign-in pages, if they do.
    pub public_url: Option<Url>,
    /// What the rules depend on besides facts.
    pub terms: Terms,
    /// Whether Graph can tell us anything.
    pub push: bool,
    /// How long anything is remembered of what people showed.
    pub presence_kept: SignedDuration,
}

/// The public listener: Graph's posts, the sign-in pages if people can reach them, and nothing else.
pub fn public_router(webhook: Webhook, sign_in: Option<SignIn>) -> Router {
    let pages = sign_in.map(sign_in::router).unwrap_or_default();
    webhook::router(webhook).merge(pages)
}

/// The admin listener: health, metrics, and the admin API for whoever has a token. What takes longer than `within` is given up.
pub fn admin_router(admin: Admin, within: Duration) -> Router {
    admin::router(admin, within)
}
