//! Reads paths, queries and bodies; whatever does not fit is 400 with a reason, never a guess.

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::header;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::refusal::Refusal;

/// The parameters in the path.
pub struct InPath<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for InPath<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Path(value) =
            Path::from_request_parts(parts, state).await.map_err(|rejection| Refusal::bad(rejection.body_text()))?;
        Ok(Self(value))
    }
}

/// The parameters in the query.
pub struct InQuery<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for InQuery<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let Query(value) =
            Query::from_request_parts(parts, state).await.map_err(|rejection| Refusal::bad(rejection.body_text()))?;
        Ok(Self(value))
    }
}

/// A JSON body that says it is JSON.
pub struct Body<T>(pub T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for Body<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> Result<Self, Refusal> {
        if !says_json(&request) {
            return Err(Refusal::bad("the body must be sent as application/json"));
        }
        let bytes = Bytes::from_request(request, state).await.map_err(|rejection| Refusal::bad(rejection.body_text()))?;
        let value = serde_json::from_slice(&bytes).map_err(|error| Refusal::bad(format!("the body does not fit: {error}")))?;
        Ok(Self(value))
    }
}

fn says_json(request: &Request) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim().eq_ignore_ascii_case("application/json"))
}
