//! What requests carry, read strictly: unknown fields and parameters are refused, and each refusal is a problem of its kind.

use std::error::Error;

use axum::Json;
use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, FromRequestParts, Path, Query, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;
use uuid::Uuid;

use super::wording;
use crate::http::Admin;
use crate::http::problem::{Kind, Problem};

/// A body; its type denies unknown fields.
pub struct Body<T>(pub T);

/// The query; its type denies unknown fields.
pub struct Asked<T>(pub T);

/// The GUID in the address.
pub struct Guid(pub Uuid);

/// Nobody's name or address is longer, and nobody types more.
const TEXT_CHARACTERS_MAX: usize = 256;

/// A text that the query looks for, called `name` there.
pub fn text(name: &str, text: Option<String>) -> Result<Option<String>, Problem> {
    // Postgres keeps no such character, and would refuse the statement.
    if text.as_ref().is_some_and(|text| text.contains('\0')) {
        return Err(Problem::new(Kind::BadQuery, format!("{name} contains a character that no name has")));
    }
    if text.as_ref().is_some_and(|text| text.chars().count() > TEXT_CHARACTERS_MAX) {
        return Err(Problem::new(Kind::BadQuery, format!("{name} may have {TEXT_CHARACTERS_MAX} characters")));
    }
    Ok(text)
}

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
        let Json(body) = read.map_err(|refused| problem(&refused))?;
        // Serde would take a list of values for an object.
        if !body.get().starts_with('{') {
            return Err(Problem::new(Kind::BadBody, "the body must be a JSON object"));
        }
        let read = Json::<T>::from_bytes(body.get().as_bytes());
        read.map(|Json(body)| Self(body)).map_err(|refused| problem(&refused))
    }
}

fn problem(refused: &JsonRejection) -> Problem {
    match refused.status() {
        StatusCode::UNPROCESSABLE_ENTITY => Problem::new(Kind::BadBody, wording::say(&found(refused))),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::new(Kind::WrongMediaType, "send the body as application/json"),
        StatusCode::PAYLOAD_TOO_LARGE => Problem::new(Kind::TooLarge, "no body that is wanted here is so long"),
        _ => Problem::new(Kind::BadJson, wording::say_where(&found(refused))),
    }
}

/// What was found wrong, without the frame that it was put into.
fn found(refused: &dyn Error) -> String {
    refused.source().map_or_else(String::new, ToString::to_string)
}

impl<T: DeserializeOwned> FromRequestParts<Admin> for Asked<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, admin: &Admin) -> Result<Self, Problem> {
        match Query::<T>::from_request_parts(parts, admin).await {
            Ok(Query(asked)) => Ok(Self(asked)),
            Err(refused) => Err(Problem::new(Kind::BadQuery, wording::say(&found(&refused)))),
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
