//! Whether the process lives, whether it can work, and how it does.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Admin;
use super::problem::{Kind, Problem};
use crate::domain::directory::Match;
use crate::domain::slot::SlotName;
use crate::store::StoreError;
use crate::store::template::CareState;

pub(super) fn router() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(healthz)).routes(routes!(readyz)).routes(routes!(metrics))
}

/// Whether the process lives
#[utoipa::path(get, path = "/healthz", operation_id = "getHealth", tag = "health",
    responses((status = 200, description = "It does", body = String, content_type = "text/plain")))]
async fn healthz() -> &'static str {
    "alive\n"
}

/// Whether the gateway can work
#[utoipa::path(get, path = "/readyz", operation_id = "getReadiness", tag = "health",
    responses((status = 200, description = "It can", body = String, content_type = "text/plain"),
        (status = 503, description = "It says what is missing", body = String, content_type = "text/plain")))]
async fn readyz(State(admin): State<Admin>) -> Response {
    match admin.store.pending_migrations().await {
        Ok(pending) if pending.is_empty() => "ready\n".into_response(),
        Ok(pending) => (StatusCode::SERVICE_UNAVAILABLE, format!("missing: migrations {}\n", pending.join(", "))).into_response(),
        Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "missing: the database\n").into_response(),
    }
}

/// How the gateway does, for Prometheus
// What is counted as it happens is there already; what has a depth is looked up now.
#[utoipa::path(get, path = "/metrics", operation_id = "getMetrics", tag = "health",
    responses((status = 200, description = "All metrics", body = String, content_type = "text/plain; version=0.0.4")))]
async fn metrics(State(admin): State<Admin>) -> Result<Response, Problem> {
    if let Err(error) = measure(&admin).await {
        tracing::warn!(%error, "some metrics could not be brought up to date");
    }
    let text = admin.metrics.text();
    let text = text.map_err(|error| Problem::new(Kind::Internal, error.to_string()))?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response())
}

async fn measure(admin: &Admin) -> Result<(), StoreError> {
    let now = admin.clock.now();
    let age = |since: Option<Timestamp>| since.map_or(0.0, |since| now.duration_since(since).as_secs_f64().max(0.0));
    let inbox = admin.store.inbox_depth().await?;
    admin.metrics.note_inbox(inbox.posts, age(inbox.oldest));
    let outbox = admin.store.outbox_depth().await?;
    admin.metrics.note_outbox(outbox.letters, age(outbox.oldest));
    let shown = admin.store.shown().await?;
    for slot in SlotName::ALL {
        admin.metrics.note_shown(slot.label(), shown.get(&slot).copied().unwrap_or(0));
    }
    admin.metrics.note_directory_held_back(admin.store.directory_held_back().await?);
    let waiting = admin.store.waiting(now).await?;
    admin.metrics.note_users_waiting("decision", waiting.to_decide);
    admin.metrics.note_users_waiting("reading", waiting.to_read);
    let templates = admin.store.template_counts().await?;
    for state in CareState::ALL {
        admin.metrics.note_profile_templates(state.label(), templates.get(&state).copied().unwrap_or(0));
    }
    let people = admin.store.people_by_match().await?;
    for state in Match::LABELS {
        let count = people.iter().find(|(known, _)| known == state).map_or(0, |(_, count)| *count);
        admin.metrics.note_users(state, count);
    }
    Ok(())
}
