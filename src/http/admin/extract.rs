//! What requests carry, read strictly: unknown fields and parameters are refused, and each refusal is a problem of its kind.

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use uuid::Uuid;

use crate::http::Admin;
use crate::http::problem::{Kind, Problem};

/// A body; its type denies unknown fields.
pub struct Body<T>(pub T);

/// The query; its type denies unknown fields.
pub struct Asked<T>(pub T);

/// The GUID in the address.
pub struct Guid(pub Uuid);

/// Reads a GUID of an address.
pub fn guid(text: &str) -> Result<Uuid, Problem> {
    // Other spellings of the same GUID are no addresses: braces, URNs, no hyphens.
    let hyphened = text.parse().ok().filter(|_| text.len() == uuid::fmt::Hyphenated::LENGTH);
    hyphened.ok_or_else(|| Problem::new(Kind::BadGuid, "the address must name this by its GUID, with hyphens"))
}

impl<T: DeserializeOwned> FromRequest<Admin> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, admin: &Admin) -> Result<Self, Problem> {
        let read = Json::<Box<RawValue>>::from_request(request, admin).await;
        let Json(body) = read.map_err(|refused| Problem::new(kind(&refused), refused.body_text()))?;
        // Serde would take a list of values for an object.
        if !body.get().starts_with('{') {
            return Err(Problem::new(Kind::BadBody, "the body must be a JSON object"));
        }
        let read = Json::<T>::from_bytes(body.get().as_bytes());
        read.map(|Json(body)| Self(body)).map_err(|refused| Problem::new(kind(&refused), refused.body_text()))
    }
}

fn kind(refused: &JsonRejection) -> Kind {
    match refused.status() {
        StatusCode::UNPROCESSABLE_ENTITY => Kind::BadBody,
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Kind::WrongMediaType,
        StatusCode::PAYLOAD_TOO_LARGE => Kind::TooLarge,
        _ => Kind::BadJson,
    }
}

impl<T: DeserializeOwned> FromRequestParts<Admin> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, admin: &Admin) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, admin).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(refused) => Err(Problem::new(Kind::BadQuery, refused.body_text())),
        }
    }
}

impl FromRequestParts<Admin> for Guid {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, admin: &Admin) -> Result<Self, Problem> {
        let named = Path::<String>::from_request_parts(parts, admin).await;
        // What does not decode is no GUID either.
        guid(named.as_ref().map_or("", |Path(named)| named)).map(Self)
    }
}
