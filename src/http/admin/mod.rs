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
mod microphone_reports;
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
mod wording;
mod workstations;

pub use microphone_reports::Reports;

use std::time::Duration;

use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use tokio::time::timeout;
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
        microphone_reports::router(),
        workstations::router(),
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

/// Everything that the admin listener answers, and how soon it does.
pub fn router(admin: Admin, within: Duration) -> Router {
    let nowhere = || async { Problem::not_found("nothing is at this address") };
    let otherwise = || async { Problem::new(Kind::WrongMethod, "this address takes other methods") };
    let (router, document) = parts();
    router
        .merge(docs::router(document))
        .fallback(nowhere)
        .method_not_allowed_fallback(otherwise)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(from_fn(move |request, next| in_time(within, request, next)))
        .layer(from_fn(docs::secure))
        .with_state(admin)
}

/// Whoever sends slowly holds a body's worth of memory.
async fn in_time(within: Duration, request: Request, next: Next) -> Response {
    let late = |_| Problem::new(Kind::TooSlow, "this took too long, and is given up: send the whole request, and try again");
    timeout(within, next.run(request)).await.map_err(late).into_response()
}

#[cfg(test)]
mod tests {
    use std::future::{IntoFuture, pending};

    use axum::routing::get;
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn what_does_not_end_is_given_up_with_a_problem() {
        let router = Router::new().route("/", get(pending::<()>));
        let router = router.layer(from_fn(|request, next| in_time(Duration::ZERO, request, next)));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let answer = tokio::select! {
            answer = reqwest::get(url) => answer.unwrap(),
            ended = axum::serve(listener, router).into_future() => panic!("{ended:?}"),
        };
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["content-type"]),
            (408, &"application/problem+json".parse().unwrap())
        );
        let problem: serde_json::Value = serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap();
        assert_eq!(problem["type"], "urn:presence-gateway:problem:too-slow");
    }
}
