//! What every request passes: faults, counting, the access token.

use std::sync::Arc;

use axum::Json;
use axum::extract::{ConnectInfo, RawPathParams, Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde_json::json;

use super::connection::Line;
use super::endpoint::Endpoint;
use super::faults::Verdict;
use super::guid::Guid;
use super::refusal::Refusal;
use super::requests::Write;
use super::server::Server;

/// What the gate knows of a request.
struct Call {
    endpoint: Endpoint,
    method: Method,
    user: Option<String>,
    place: Option<String>,
    key: Option<String>,
}

impl Call {
    fn of(request: &Request, parameters: Option<&RawPathParams>) -> Self {
        let endpoint = Endpoint::of(request.uri().path());
        let parameter = |wanted: &str| parameters?.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned());
        Self {
            endpoint,
            method: request.method().clone(),
            user: parameter("user"),
            place: parameter("guid"),
            key: parameter("key"),
        }
    }

    fn changes_something(&self) -> bool {
        matches!(self.method, Method::PUT | Method::DELETE)
    }

    /// Counts the call; `status` is `None` where the connection was cut.
    fn note(self, server: &Server, status: Option<u16>) {
        server.look(|state, now| {
            state.requests.count(self.endpoint, status);
            if let (true, Some(user), Some(key)) = (self.changes_something(), self.user, self.key) {
                state.requests.remember(Write { user, key, verb: self.method.to_string(), at: now, status });
            }
        });
    }
}

/// Lets a request through, or does to it what the faults say.
pub async fn pass(
    State(server): State<Arc<Server>>,
    ConnectInfo(line): ConnectInfo<Line>,
    parameters: Result<RawPathParams, axum::extract::rejection::RawPathParamsRejection>,
    request: Request,
    next: Next,
) -> Response {
    let call = Call::of(&request, parameters.as_ref().ok());
    let user = call.user.as_deref().and_then(Guid::parse);
    let about = user.or_else(|| call.place.as_deref().and_then(Guid::parse));
    let verdict = server.look(|state, _| state.faults.judge(call.endpoint, about, call.changes_something()));
    let response = match verdict {
        Verdict::Answer => {
            if !hang(&server, &call, user).await {
                return cut(&server, call, &line);
            }
            next.run(request).await
        }
        Verdict::Refuse { status, retry_after_seconds, reason } => refuse(status, retry_after_seconds, reason.as_deref()),
        Verdict::Cut => return cut(&server, call, &line),
    };
    let applied = call.changes_something() && response.status().is_success();
    if applied && server.look(|state, _| state.faults.loses_answer()) {
        return cut(&server, call, &line);
    }
    call.note(&server, Some(response.status().as_u16()));
    response
}

/// Holds a write up where the faults say so; `false`: the server stopped meanwhile.
async fn hang(server: &Server, call: &Call, user: Option<Guid>) -> bool {
    if call.endpoint != Endpoint::Appointments || !call.changes_something() {
        return true;
    }
    let Some(how_long) = server.look(|state, _| state.faults.hangs(user)) else { return true };
    server.stop.run_until_cancelled(tokio::time::sleep(how_long)).await.is_some()
}

fn cut(server: &Server, call: Call, line: &Line) -> Response {
    call.note(server, None);
    line.cut();
    // Never sent: the line is cut before a byte of it is written.
    StatusCode::SERVICE_UNAVAILABLE.into_response()
}

fn refuse(status: u16, retry_after_seconds: Option<u64>, reason: Option<&str>) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, Json(json!({ "error": reason.unwrap_or("refused by an emulated fault") }))).into_response();
    if let Some(seconds) = retry_after_seconds {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Answers 401 unless the request carries an access token that is still valid.
pub async fn require_token(State(server): State<Arc<Server>>, request: Request, next: Next) -> Response {
    let header = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = header.and_then(|value| value.strip_prefix("Bearer "));
    let valid = token.is_some_and(|token| server.look(|state, now| state.tokens.admits(token, now)));
    if valid { next.run(request).await } else { Refusal::NoToken.into_response() }
}

/// Presence is stale at once: no answer may be kept.
pub async fn uncached(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

pub async fn unknown_address() -> Refusal {
    Refusal::NotFound("address")
}

pub async fn wrong_method() -> Response {
    (StatusCode::METHOD_NOT_ALLOWED, Json(json!({ "error": "this address has no such method" }))).into_response()
}
