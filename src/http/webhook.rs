//! Graph's posts: the handshake, and notifications, answered as soon as they are durable and before they are believed.

use std::time::Instant;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use serde::Deserialize;

use crate::clock::Clock;
use crate::graph::notification;
use crate::store::inbox::{Post, PostKind};
use crate::tasks::depositor::Deposits;
use crate::telemetry::Metrics;
use crate::trace::{self, Span, Tracer};

/// Graph's own posts stay far below.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// What the webhook works with.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Makes posts durable.
    pub deposits: Deposits,
    /// Time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
    /// Follows some of what comes.
    pub tracer: Tracer,
}

#[derive(Deserialize)]
struct Handshake {
    #[serde(rename = "validationToken")]
    validation_token: Option<String>,
}

pub(super) fn router(webhook: Webhook) -> Router {
    Router::new()
        .route("/graph/notifications", post(notifications))
        .route("/graph/lifecycle", post(lifecycle))
        // Nothing else answers here: not even what is wrong with a request.
        .method_not_allowed_fallback(async || StatusCode::NOT_FOUND)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(webhook)
}

async fn notifications(webhook: State<Webhook>, query: Asked, body: Result<Bytes, BytesRejection>) -> Response {
    answer(webhook.0, PostKind::Notification, query, body).await
}

async fn lifecycle(webhook: State<Webhook>, query: Asked, body: Result<Bytes, BytesRejection>) -> Response {
    answer(webhook.0, PostKind::Lifecycle, query, body).await
}

type Asked = Result<Query<Handshake>, QueryRejection>;

async fn answer(webhook: Webhook, kind: PostKind, query: Asked, body: Result<Bytes, BytesRejection>) -> Response {
    if let Ok(Query(Handshake { validation_token: Some(token) })) = &query {
        return echo(token.clone());
    }
    let began = Instant::now();
    let status = match body {
        Ok(body) if query.is_ok() => take(&webhook, kind, body).await,
        Ok(_) => StatusCode::BAD_REQUEST,
        Err(rejection) => rejection.status(),
    };
    let result = match status {
        StatusCode::ACCEPTED => None,
        StatusCode::SERVICE_UNAVAILABLE => Some("not_durable"),
        StatusCode::PAYLOAD_TOO_LARGE => Some("too_large"),
        _ => Some("not_json"),
    };
    if let Some(result) = result {
        webhook.metrics.count_notifications(result, 1);
    }
    webhook.metrics.note_ack(began.elapsed());
    status.into_response()
}

/// Graph wants its token back, decoded, as plain text; nothing in it may come alive in a browser.
fn echo(token: String) -> Response {
    let headers = [
        (header::CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8")),
        (HeaderName::from_static("x-content-type-options"), HeaderValue::from_static("nosniff")),
    ];
    (headers, token).into_response()
}

async fn take(webhook: &Webhook, kind: PostKind, body: Bytes) -> StatusCode {
    if notification::parse(&body).is_err() {
        return StatusCode::BAD_REQUEST;
    }
    // Whatever trace the request names is not asked for: whoever posts could have everything followed.
    let span = if kind == PostKind::Notification { webhook.tracer.begin("webhook") } else { None };
    let trace = span.as_ref().map(Span::context);
    let post = Post { kind, received_at: webhook.clock.now(), body: body.into(), trace };
    match trace::within(span.as_ref(), webhook.deposits.deposit(post)).await {
        Ok(()) => StatusCode::ACCEPTED,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}
