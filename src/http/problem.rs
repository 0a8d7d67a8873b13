//! Errors as people and programs can read them: RFC 9457 problem details, of the kinds listed here and no others.

use std::time::Duration;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::store::StoreError;
use crate::tasks::driver::chain;

const TYPE_PREFIX: &str = "urn:presence-gateway:problem:";

/// What can be wrong with a request. Programs may rely on the names: a kind may be added, none is renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An address names something by what is no GUID.
    BadGuid,
    /// The query is wrong.
    BadQuery,
    /// The body is no JSON.
    BadJson,
    /// Nobody is signed in.
    NotSignedIn,
    /// The role does not suffice.
    WrongRole,
    /// The token is for another location.
    WrongLocation,
    /// Somebody else's.
    NotYours,
    /// The policy leaves the user no choice.
    NoChoice,
    /// There is no such thing.
    NotFound,
    /// There is such a thing, but not for this method.
    WrongMethod,
    /// It took too long.
    TooSlow,
    /// Teams' directory has no such account.
    TeamsAccountUnknown,
    /// The account may not sign in.
    TeamsAccountDisabled,
    /// Somebody else is linked to the account.
    TeamsAccountTaken,
    /// Nobody can reach our pages.
    NoPublicUrl,
    /// Somebody else changed it meanwhile.
    Stale,
    /// The body is too long.
    TooLarge,
    /// The body is of another media type.
    WrongMediaType,
    /// The body is JSON, but not what is wanted.
    BadBody,
    /// Too many failed log-ins.
    TooManyFailures,
    /// A person changed too much about themselves.
    TooManyChanges,
    /// Too many enrolments wait for a person.
    TooManyEnrolments,
    /// A microphone is reported too often.
    TooManyReports,
    /// A defect of ours.
    Internal,
    /// Entra ID does not take what the settings say.
    EntraRefused,
    /// Postgres fails.
    DatabaseUnavailable,
    /// Entra ID fails.
    SignInUnavailable,
    /// Entra ID gives no codes.
    EntraUnavailable,
}

impl Kind {
    /// Every kind, by status.
    pub const ALL: [Self; 28] = [
        Self::BadGuid,
        Self::BadQuery,
        Self::BadJson,
        Self::NotSignedIn,
        Self::WrongRole,
        Self::WrongLocation,
        Self::NotYours,
        Self::NoChoice,
        Self::NotFound,
        Self::WrongMethod,
        Self::TooSlow,
        Self::TeamsAccountUnknown,
        Self::TeamsAccountDisabled,
        Self::TeamsAccountTaken,
        Self::NoPublicUrl,
        Self::Stale,
        Self::TooLarge,
        Self::WrongMediaType,
        Self::BadBody,
        Self::TooManyFailures,
        Self::TooManyChanges,
        Self::TooManyEnrolments,
        Self::TooManyReports,
        Self::Internal,
        Self::EntraRefused,
        Self::DatabaseUnavailable,
        Self::SignInUnavailable,
        Self::EntraUnavailable,
    ];

    /// Status, name, and what it means.
    fn row(self) -> (StatusCode, &'static str, &'static str) {
        match self {
            Self::BadGuid => (StatusCode::BAD_REQUEST, "bad-guid", "The address names something by what is no GUID"),
            Self::BadQuery => (StatusCode::BAD_REQUEST, "bad-query", "The query has an unknown parameter, or a wrong value"),
            Self::BadJson => (StatusCode::BAD_REQUEST, "bad-json", "The body is no JSON"),
            Self::NotSignedIn => (StatusCode::UNAUTHORIZED, "not-signed-in", "No token, or none that is valid"),
            Self::WrongRole => (StatusCode::FORBIDDEN, "wrong-role", "The token's role does not suffice"),
            Self::WrongLocation => (StatusCode::FORBIDDEN, "wrong-location", "The token reaches one location only, not this"),
            Self::NotYours => (StatusCode::FORBIDDEN, "not-yours", "A person without a role reaches the own user only"),
            Self::NoChoice => (StatusCode::FORBIDDEN, "no-choice", "The policy there leaves users no choice"),
            Self::NotFound => (StatusCode::NOT_FOUND, "not-found", "There is no such thing"),
            Self::WrongMethod => (StatusCode::METHOD_NOT_ALLOWED, "wrong-method", "This address takes other methods"),
            Self::TooSlow => (StatusCode::REQUEST_TIMEOUT, "too-slow", "The request did not come, or was not done, in time"),
            Self::TeamsAccountUnknown => (StatusCode::CONFLICT, "teams-account-unknown", "Teams' directory has no such account"),
            Self::TeamsAccountDisabled => (StatusCode::CONFLICT, "teams-account-disabled", "The Teams account may not sign in"),
            Self::TeamsAccountTaken => {
                (StatusCode::CONFLICT, "teams-account-taken", "Somebody else is linked to this Teams account")
            }
            Self::NoPublicUrl => (StatusCode::CONFLICT, "no-public-url", "The settings do not say where users reach the gateway"),
            Self::Stale => {
                (StatusCode::PRECONDITION_FAILED, "stale", "What is set is not what If-Match or If-None-Match expects")
            }
            Self::TooLarge => (StatusCode::PAYLOAD_TOO_LARGE, "too-large", "The body is too long"),
            Self::WrongMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "wrong-media-type", "The body is not application/json"),
            Self::BadBody => {
                (StatusCode::UNPROCESSABLE_ENTITY, "bad-body", "A field is unknown, missing, or has a value it may not have")
            }
            Self::TooManyFailures => {
                (StatusCode::TOO_MANY_REQUESTS, "too-many-failures", "No valid token, and too many log-ins failed before; wait")
            }
            Self::TooManyChanges => (
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-changes",
                "A person without a role changed too much in a short time; wait",
            ),
            Self::TooManyEnrolments => {
                (StatusCode::TOO_MANY_REQUESTS, "too-many-enrolments", "Too many enrolments wait for a person")
            }
            Self::TooManyReports => (
                StatusCode::TOO_MANY_REQUESTS,
                "too-many-reports",
                "A user's microphone is reported too often, or from too many places",
            ),
            Self::Internal => (StatusCode::INTERNAL_SERVER_ERROR, "internal", "A defect of the gateway"),
            Self::EntraRefused => (StatusCode::BAD_GATEWAY, "entra-refused", "Entra ID does not take what the settings say"),
            Self::DatabaseUnavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "database-unavailable", "Postgres cannot be used just now")
            }
            Self::SignInUnavailable => {
                (StatusCode::SERVICE_UNAVAILABLE, "sign-in-unavailable", "Entra ID's signing keys cannot be had just now")
            }
            Self::EntraUnavailable => (StatusCode::SERVICE_UNAVAILABLE, "entra-unavailable", "Entra ID gives no answer just now"),
        }
    }

    /// The status it comes with.
    pub fn status(self) -> StatusCode {
        self.row().0
    }

    /// The stable `type`.
    pub fn uri(self) -> String {
        format!("{TYPE_PREFIX}{}", self.row().1)
    }

    /// What it means, for people.
    pub fn title(self) -> &'static str {
        self.row().2
    }
}

/// What went wrong with a request; the kind is stable, the detail is for people.
#[derive(Clone, Debug)]
pub struct Problem {
    kind: Kind,
    detail: String,
    retry_after: Option<Duration>,
}

/// What went wrong with a request (RFC 9457).
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Problem)]
pub struct ProblemDetails {
    /// Says which kind of problem it is; stable.
    #[serde(rename = "type")]
    pub kind: String,
    /// What problems of this kind have in common.
    pub title: &'static str,
    /// The answer's status.
    #[schema(minimum = 400, maximum = 599)]
    pub status: u16,
    /// What is wrong with this very request, for people.
    pub detail: String,
}

impl Problem {
    /// A problem of this kind.
    pub fn new(kind: Kind, detail: impl Into<String>) -> Self {
        Self { kind, detail: detail.into(), retry_after: None }
    }

    /// There is no such thing.
    pub fn not_found(detail: impl Into<String>) -> Self {
        Self::new(Kind::NotFound, detail)
    }

    /// Says when trying again may help.
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// As it travels.
    pub fn details(&self) -> ProblemDetails {
        ProblemDetails {
            kind: self.kind.uri(),
            title: self.kind.title(),
            status: self.kind.status().as_u16(),
            detail: self.detail.clone(),
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = %chain(&error), "a request failed");
        match error {
            StoreError::Unavailable(_) | StoreError::NotLetIn(_) => {
                let detail = "the database cannot be used just now; try again, and look at the gateway's log";
                Self::new(Kind::DatabaseUnavailable, detail)
            }
            _ => Self::new(Kind::Internal, "this cannot be answered; the gateway's log says why"),
        }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let mut response = (self.kind.status(), Json(self.details())).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if self.kind == Kind::NotSignedIn {
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some(wait) = self.retry_after {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            headers.insert(header::RETRY_AFTER, seconds.max(1).into());
        }
        response
    }
}
