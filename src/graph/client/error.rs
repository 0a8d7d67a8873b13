//! Why Graph did not do what was asked, sorted by what the caller can do.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::Error as _;

use super::Endpoint;
use crate::graph::token;

/// How much of Graph's own words is kept.
const MESSAGE_CHARACTERS_MAX: usize = 200;

/// Why Graph did not do what was asked.
///
/// Messages carry no name, address, token or body and may be logged.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// Not now: ask again after this time.
    #[error("{waiting}: wait {} s", retry_after.as_secs_f32())]
    Wait {
        /// Not before.
        retry_after: Duration,
        /// Whose wish it is.
        waiting: Waiting,
    },
    /// Something broke that may work in a while.
    #[error("Graph gave no answer: {reason}")]
    Retry {
        /// What happened instead.
        reason: String,
        /// Whether the request may have been carried out nonetheless.
        maybe_applied: bool,
    },
    /// Graph does not want this request, now or later.
    #[error("Graph refused with {status} {code}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// Graph's code, empty if there was none.
        code: String,
        /// Graph's words without names, addresses, ids.
        message: String,
    },
    /// Graph does not want the batch itself, so nothing in it was looked at.
    #[error("Graph refused the whole batch with {status} {code}")]
    BatchRefused {
        /// The HTTP status.
        status: u16,
        /// Graph's code, empty if there was none.
        code: String,
        /// Graph's words without names, addresses, ids.
        message: String,
    },
    /// Graph does not accept the access token (401), for the app not even a new one.
    #[error("Graph does not accept the access token")]
    TokenRefused,
    /// There is no access token to ask with.
    #[error("there is no access token: {0}")]
    Token(#[from] token::Error),
    /// Graph answered with something else than documented.
    #[error("Graph's answer about {endpoint} cannot be understood")]
    Unclear {
        /// The kind of request.
        endpoint: &'static str,
        /// Where the answer departs from what was expected.
        source: Arc<serde_json::Error>,
    },
    /// More was asked for in one request than Graph takes; nothing was sent.
    #[error("{asked} ids in one request, Graph takes {max}")]
    TooMany {
        /// How many.
        asked: usize,
        /// How many at most.
        max: usize,
    },
    /// The link to the next page leads away from Graph; it was not followed, since it would take the token along.
    #[error("the link to the next page leads elsewhere than graph.base_url")]
    StrangeLink,
}

/// Whose wish it is to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waiting {
    /// Our own request budget is used up.
    Budget,
    /// Graph throttled this kind of request a while ago; this one was not sent.
    GateClosed,
    /// Graph throttled this request; it is known to have carried out some of those nonetheless.
    Throttled,
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Budget => "the request budget is used up",
            Self::GateClosed | Self::Throttled => "Graph throttles this kind of request",
        })
    }
}

impl Error {
    /// The status with which Graph refused, such as 404 and 409; `None` for every other error.
    #[must_use]
    pub fn refused_with(&self) -> Option<u16> {
        match self {
            Self::Refused { status, .. } => Some(*status),
            Self::TokenRefused => Some(401),
            _ => None,
        }
    }

    /// Whether Graph does not know any more from where to go on: what a link stood for has expired, or its form has changed.
    ///
    /// Documented as 410, and met as 400, `syncStateNotFound` and others.
    #[must_use]
    pub fn is_about_a_lost_place(&self) -> bool {
        matches!(self, Self::Refused { status: 400 | 404 | 410, .. })
    }

    /// Whether only the user that a presence write was about is concerned, so that writes about others may go on.
    ///
    /// A missing permission (403) looks like a user that may not be written: then every user's write says so by itself.
    #[must_use]
    pub fn is_about_one_user(&self) -> bool {
        matches!(self, Self::Refused { status: 400..=499, .. })
    }

    /// Whether Graph may have done what it was asked.
    #[must_use]
    pub fn maybe_applied(&self) -> bool {
        match self {
            Self::Wait { waiting, .. } => *waiting == Waiting::Throttled,
            Self::Retry { maybe_applied, .. } => *maybe_applied,
            Self::Unclear { .. } => true,
            Self::Refused { .. }
            | Self::BatchRefused { .. }
            | Self::TokenRefused
            | Self::Token(_)
            | Self::TooMany { .. }
            | Self::StrangeLink => false,
        }
    }

    /// What Graph said in its own words, as far as they name nobody; for whoever may see the user that it is about, not for the log.
    #[must_use]
    pub fn words(&self) -> Option<&str> {
        match self {
            Self::Refused { message, .. } | Self::BatchRefused { message, .. } => {
                Some(message).filter(|message| !message.is_empty()).map(String::as_str)
            }
            _ => None,
        }
    }

    /// Where an answer departs from what was expected is told by place, never by content.
    pub(super) fn unclear(endpoint: Endpoint, source: serde_json::Error) -> Self {
        // What we say ourselves has no place.
        let source = if source.line() == 0 {
            source
        } else {
            let kind = if source.is_data() { "JSON of another shape" } else { "something that is not JSON" };
            serde_json::Error::custom(format!("{kind} (line {}, column {})", source.line(), source.column()))
        };
        Self::Unclear { endpoint: endpoint.label(), source: Arc::new(source) }
    }

    /// The same failure of the batch, told to whoever has a request in it.
    pub(super) fn of_the_batch(self) -> Self {
        match self {
            Self::Refused { status, code, message } => Self::BatchRefused { status, code, message },
            other => other,
        }
    }
}

#[derive(Default, Deserialize)]
struct Answer {
    #[serde(default)]
    error: Details,
}

#[derive(Default, Deserialize)]
struct Details {
    #[serde(default)]
    code: Option<String>,
    #[serde(default)]
    message: Option<String>,
}

/// A server that answers with a failure of its own may have done some of its work before.
pub(super) fn failed(status: StatusCode) -> Error {
    Error::Retry { reason: format!("status {}", status.as_u16()), maybe_applied: true }
}

/// A refusal with what its body says, if it says anything.
pub(super) fn refused(status: StatusCode, body: &[u8]) -> Error {
    let Details { code, message } = serde_json::from_slice::<Answer>(body).unwrap_or_default().error;
    let is_of_a_code = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-');
    Error::Refused {
        status: status.as_u16(),
        code: code.unwrap_or_default().chars().filter(is_of_a_code).take(64).collect(),
        message: without_personal_content(&message.unwrap_or_default()),
    }
}

/// Leaves out what may name a person: quoted text, addresses, ids.
fn without_personal_content(message: &str) -> String {
    let mut kept = String::new();
    for (index, part) in message.split(['\'', '"']).enumerate() {
        let is_quoted = index % 2 == 1;
        if is_quoted && !part.chars().all(|c| c.is_ascii_digit()) {
            kept.push('…');
        } else {
            kept.push_str(part);
        }
    }
    let words = kept.split_whitespace().map(|word| if may_name_somebody(word) { "…" } else { word });
    words.collect::<Vec<_>>().join(" ").chars().take(MESSAGE_CHARACTERS_MAX).collect()
}

fn may_name_somebody(word: &str) -> bool {
    let digits = word.chars().filter(char::is_ascii_digit).count();
    word.contains('@') || word.contains("://") || word.len() > 30 || (word.contains('-') && digits > 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_name_a_person_is_left_out() {
        let check = |message: &str, expected: &str| assert_eq!(without_personal_content(message), expected);
        check("Resource 'alice@example.com' does not exist", "Resource … does not exist");
        check("User alice@example.com is unknown", "User … is unknown");
        check("App 'a1b2' has reached its limit of '1' 'x' subscription", "App … has reached its limit of 1 … subscription");
        check("id 1f2e3d4c-0000-1111-2222-333344445555 is invalid", "id … is invalid");
        check("see https://graph.example.com/users/alice", "see …");
        check("Invalid filter clause", "Invalid filter clause");
        check(&"word ".repeat(100), &"word ".repeat(40));
    }

    #[test]
    fn a_refusal_is_read_from_whatever_body() {
        let check = |body: &str, expected: &str, words: Option<&str>| {
            let error = refused(StatusCode::CONFLICT, body.as_bytes());
            assert_eq!((error.to_string().as_str(), error.words()), (expected, words));
        };
        check(
            r#"{"error":{"code":"Conflict","message":"A subscripton already exists.","innerError":{"x":1}}}"#,
            "Graph refused with 409 Conflict",
            Some("A subscripton already exists."),
        );
        check(r#"{"error":{"code":null}}"#, "Graph refused with 409 ", None);
        check("<html>", "Graph refused with 409 ", None);
        check("", "Graph refused with 409 ", None);
    }

    #[test]
    fn what_cannot_be_understood_is_not_quoted() {
        let check = |body: &str, expected: &str| {
            let source = serde_json::from_str::<Vec<u8>>(body).unwrap_err();
            let Error::Unclear { source, .. } = Error::unclear(Endpoint::Users, source) else { panic!("{body}") };
            assert_eq!(source.to_string(), expected);
        };
        check(r#""anna@example.com""#, "JSON of another shape (line 1, column 18)");
        check("[1, anna", "something that is not JSON (line 1, column 5)");
        let ours = Error::unclear(Endpoint::Users, serde_json::Error::custom("our own words"));
        assert!(matches!(&ours, Error::Unclear { source, .. } if source.to_string() == "our own words"), "{ours:?}");
    }
}
