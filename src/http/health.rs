//! Whether the process lives, whether it can work, and how it does.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Admin;
use super::measure::measure;
use super::problem::{Kind, Problem};

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
