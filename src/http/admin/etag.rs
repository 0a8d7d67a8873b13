//! Entity tags: whoever changes a setting can say which one they saw.

use std::fmt::Write;

use aws_lc_rs::digest::{SHA256, digest};
use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderName, HeaderValue, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::http::Admin;
use crate::http::problem::{Kind, Problem};

/// Long enough that no two settings share it by chance.
const BYTES: usize = 16;

/// A body with the entity tag that its content makes: equal settings have equal tags.
pub struct Tagged<T>(pub T);

/// `If-Match` and `If-None-Match`; absent ones expect nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Precondition {
    matches: Option<Vec<String>>,
    matches_none: Option<Vec<String>>,
}

fn tag<T: Serialize>(content: &T) -> Result<String, Problem> {
    let json = serde_json::to_vec(content).map_err(|error| Problem::new(Kind::Internal, error.to_string()))?;
    let mut tag = "\"".to_owned();
    for byte in &digest(&SHA256, &json).as_ref()[..BYTES] {
        // Writing to a text does not fail.
        _ = write!(tag, "{byte:02x}");
    }
    tag.push('"');
    Ok(tag)
}

impl<T: Serialize> IntoResponse for Tagged<T> {
    fn into_response(self) -> Response {
        let tag = match tag(&self.0) {
            Ok(tag) => tag,
            Err(problem) => return problem.into_response(),
        };
        let mut response = Json(self.0).into_response();
        if let Ok(tag) = HeaderValue::from_str(&tag) {
            response.headers_mut().insert(header::ETAG, tag);
        }
        response
    }
}

impl Precondition {
    fn read(headers: &HeaderMap) -> Self {
        Self { matches: tags(headers, &header::IF_MATCH), matches_none: tags(headers, &header::IF_NONE_MATCH) }
    }

    /// Fails if what is set now is not what was expected.
    pub fn check<T: Serialize>(&self, current: Option<&T>) -> Result<(), Problem> {
        let current = current.map(tag).transpose()?;
        let is_named =
            |tags: &Vec<String>| current.as_ref().is_some_and(|current| tags.iter().any(|tag| tag == "*" || tag == current));
        let is_expected = self.matches.as_ref().is_none_or(is_named);
        let is_unwanted = self.matches_none.as_ref().is_some_and(is_named);
        if is_expected && !is_unwanted {
            return Ok(());
        }
        let detail = match current {
            Some(current) => format!("the setting is another one by now, {current}: read it again"),
            None => "nothing is set here by now: read it again".to_owned(),
        };
        Err(Problem::new(Kind::Stale, detail))
    }
}

/// Weak tags stay as they are written, and match nothing.
fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<String>> {
    let lines: Vec<&HeaderValue> = headers.get_all(name).iter().collect();
    let tags = lines.iter().filter_map(|line| line.to_str().ok()).flat_map(|line| line.split(','));
    (!lines.is_empty()).then(|| tags.map(|tag| tag.trim().to_owned()).collect())
}

impl FromRequestParts<Admin> for Precondition {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Admin) -> Result<Self, Problem> {
        Ok(Self::read(&parts.headers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_refused_unless_it_knows_what_is_set() {
        let own = tag(&1).unwrap();
        let check = |headers: &[(HeaderName, &str)], current: Option<u8>, passes: bool| {
            let headers: HeaderMap = headers.iter().map(|(name, value)| (name.clone(), value.parse().unwrap())).collect();
            assert_eq!(Precondition::read(&headers).check(current.as_ref()).is_ok(), passes, "{headers:?} {current:?}");
        };
        let (matches, none) = (header::IF_MATCH, header::IF_NONE_MATCH);
        check(&[], Some(1), true);
        check(&[], None, true);
        check(&[(matches.clone(), &own)], Some(1), true);
        check(&[(matches.clone(), &own)], Some(2), false);
        check(&[(matches.clone(), &own)], None, false);
        check(&[(matches.clone(), &format!("\"x\", {own}"))], Some(1), true);
        check(&[(matches.clone(), "*")], Some(1), true);
        check(&[(matches.clone(), "*")], None, false);
        check(&[(matches.clone(), &format!("W/{own}"))], Some(1), false);
        check(&[(matches.clone(), "")], Some(1), false);
        check(&[(none.clone(), "*")], None, true);
        check(&[(none.clone(), "*")], Some(1), false);
        check(&[(none.clone(), &own)], Some(1), false);
        check(&[(none, &own)], Some(2), true);
    }
}
