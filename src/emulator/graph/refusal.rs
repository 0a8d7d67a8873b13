//! How Graph and Entra ID say no.

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::faults::Deny;
use super::requests::Endpoint;

/// A refusal of Graph: `{"error":{"code","message","innerError"}}`.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    code: String,
    message: String,
}

impl Refusal {
    pub fn new(status: StatusCode, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into() }
    }

    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidRequest", message)
    }

    pub fn invalid_argument(message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "InvalidArgument", message)
    }

    pub fn unauthenticated(message: &str) -> Self {
        Self::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message)
    }

    pub fn forbidden(message: &str) -> Self {
        Self::new(StatusCode::FORBIDDEN, "Forbidden", message)
    }

    pub fn not_found(message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, "NotFound", message)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let request = Uuid::new_v4();
        let inner = json!({ "request-id": request, "client-request-id": request });
        let body = json!({ "error": { "code": self.code, "message": self.message, "innerError": inner } });
        (self.status, Json(body)).into_response()
    }
}

/// A refusal of Entra ID: `error`, and `error_description` with its AADSTS number.
#[derive(Debug)]
pub struct EntraRefusal {
    status: StatusCode,
    error: String,
    number: u32,
    message: String,
    suberror: Option<&'static str>,
}

impl EntraRefusal {
    pub fn new(error: &str, number: u32, message: impl Into<String>) -> Self {
        let status = if error == "invalid_client" { StatusCode::UNAUTHORIZED } else { StatusCode::BAD_REQUEST };
        Self { status, error: error.to_owned(), number, message: message.into(), suberror: None }
    }

    pub fn suberror(mut self, suberror: &'static str) -> Self {
        self.suberror = Some(suberror);
        self
    }

    /// As it is shown to a person.
    pub fn shown(&self) -> String {
        format!("AADSTS{}: {}", self.number, self.message)
    }

    pub fn into_response(self, now: Timestamp) -> Response {
        let (trace, correlation) = (Uuid::new_v4(), Uuid::new_v4());
        let at = now.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
        let Self { status, error, number, message, suberror } = self;
        let description = format!("AADSTS{number}: {message} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {at}");
        let mut body = json!({
            "error": error, "error_description": description, "error_codes": [number], "timestamp": at,
            "trace_id": trace, "correlation_id": correlation,
        });
        if let Some(suberror) = suberror {
            body["suberror"] = Value::from(suberror);
        }
        (status, Json(body)).into_response()
    }
}

/// The answer that a fault demands.
pub fn denied(deny: &Deny, endpoint: Endpoint, now: Timestamp) -> Response {
    let status = StatusCode::from_u16(deny.status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let code = deny.error_code.as_deref();
    let mut response = if endpoint.is_entra() {
        let code = code.unwrap_or(if status == StatusCode::UNAUTHORIZED { "invalid_client" } else { "temporarily_unavailable" });
        let message = deny.message.as_deref().unwrap_or("There have been too many requests.");
        let mut refusal = EntraRefusal::new(code, 90_055, message);
        refusal.status = status;
        refusal.into_response(now)
    } else {
        let message = deny.message.as_deref().unwrap_or(usual_message(status));
        Refusal::new(status, code.unwrap_or(usual_code(status)), message).into_response()
    };
    retry_after(&mut response, deny.retry_after_seconds);
    response
}

/// Graph has taken too much; it may say after how many seconds it takes more.
pub fn throttled(retry_after_seconds: Option<u64>) -> Response {
    let status = StatusCode::TOO_MANY_REQUESTS;
    let mut response = Refusal::new(status, usual_code(status), usual_message(status)).into_response();
    retry_after(&mut response, retry_after_seconds);
    response
}

fn retry_after(response: &mut Response, seconds: Option<u64>) {
    if let Some(seconds) = seconds {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
    }
}

fn usual_code(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "BadRequest",
        401 => "InvalidAuthenticationToken",
        403 => "Forbidden",
        404 => "NotFound",
        409 => "Conflict",
        429 => "TooManyRequests",
        500 => "InternalServerError",
        503 => "serviceNotAvailable",
        504 => "timeout",
        _ => "UnknownError",
    }
}

fn usual_message(status: StatusCode) -> &'static str {
    if status == StatusCode::TOO_MANY_REQUESTS { "Too many requests" } else { "The request could not be served." }
}
