//! The admin API: for whoever has a role, and for people about their own user.
//!
//! A handler's first argument says whom it lets in (see `auth/permit.rs`), and its `utoipa::path` says the same to readers; a test
//! walks the document and holds one against the other.

mod audit;
pub mod auth;
mod choice;
mod docs;
mod etag;
mod extract;
mod me;
mod microphone_sync;
mod openapi;
mod page;
mod profile_template;
mod progress;
mod setting;
mod shadow_report;
mod sign_in_link;
mod subscriber_accounts;
mod subscriptions;
mod tasks;
mod teams_account;
mod teams_sync;
mod template_state;
mod tree;
mod users;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;

use super::problem::{Kind, Problem};
use super::{Admin, health};

/// No setting is longer.
const BODY_BYTES_MAX: usize = 64 * 1024;

fn parts() -> (Router<Admin>, OpenApi) {
    let parts = vec![
        tree::router(),
        teams_sync::router(),
        microphone_sync::router(),
        profile_template::router(),
        template_state::router(),
        progress::router(),
        shadow_report::router(),
        users::router(),
        choice::router(),
        teams_account::router(),
        sign_in_link::router(),
        subscriber_accounts::router(),
        subscriptions::router(),
        tasks::router(),
        audit::router(),
        me::router(),
        health::router(),
    ];
    let all = parts.into_iter().fold(OpenApiRouter::with_openapi(openapi::base()), OpenApiRouter::merge);
    let (router, document) = all.split_for_parts();
    (router, openapi::complete(document))
}

/// The document of the admin API.
#[must_use]
pub fn document() -> OpenApi {
    parts().1
}

/// Everything that the admin listener answers.
pub fn router(admin: Admin) -> Router {
    let nowhere = || async { Problem::not_found("nothing is at this address") };
    let otherwise = || async { Problem::new(Kind::WrongMethod, "this address takes other methods") };
    let (router, document) = parts();
    router
        .merge(docs::router(document))
        .fallback(nowhere)
        .method_not_allowed_fallback(otherwise)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn(docs::secure))
        .with_state(admin)
}
