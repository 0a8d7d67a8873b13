//! One question to XPhone over HTTP and its answer, failures sorted by what the caller can do.

use std::sync::Arc;
use std::time::Duration;

use jiff::fmt::rfc2822;
use reqwest::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use reqwest::{Certificate, Method, Response, StatusCode, Url};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;

use super::gate::{Gates, Kind};
use super::wire;
use crate::clock::Clock;
use crate::gate::CLOSED_MAX;
use crate::trace;
use crate::xphone::Error;
use crate::xphone::error::ServerFailure;

/// The longest answer we read: everybody's presence, for several 100,000 users.
const ANSWER_BYTES_MAX: usize = 256 * 1024 * 1024;
/// The longest refusal we read.
const REFUSAL_BYTES_MAX: usize = 16 * 1024;
const REASON_CHARACTERS_MAX: usize = 200;
/// Where the server asks to wait and does not say how long.
const RETRY_AFTER_MISSING: Duration = Duration::from_secs(5);

const USER_AGENT: &str = concat!(env!("CARGO_PKG_NAME"), "/", env!("CARGO_PKG_VERSION"));

/// How long we wait for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For a connection.
    pub connect: Duration,
    /// For a whole answer; of an event stream, for its beginning.
    pub request: Duration,
    /// For anything at all on an event stream.
    pub silence: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(5), request: Duration::from_secs(10), silence: Duration::from_secs(90) }
    }
}

/// A question: what is asked, and whom it concerns.
#[derive(Clone, Debug)]
pub(super) struct Question {
    /// How it is called in errors.
    pub call: &'static str,
    pub method: Method,
    pub url: Url,
    /// JSON.
    pub body: Option<Vec<u8>>,
    pub concerns: Concerns,
    /// Which gate it must pass.
    pub kind: Kind,
}

/// Whom a refusal would concern.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Concerns {
    /// The whole gateway: a refusal means that we and the server do not speak the same contract.
    Everybody,
    /// The user or the place in the address.
    One,
}

/// The HTTP client and the server's address.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    client: reqwest::Client,
    base_url: Url,
    clock: Clock,
    gates: Arc<Gates>,
    pub patience: Patience,
}

impl Transport {
    /// `authorities`: certificates in PEM that are believed beside the system's.
    pub(super) fn new(base_url: Url, authorities: Option<&str>, clock: Clock, patience: Patience) -> Result<Self, Error> {
        let set_up = |source: reqwest::Error| Error::SetUp { source: Arc::new(source) };
        let authorities = authorities.map(|pem| Certificate::from_pem_bundle(pem.as_bytes())).transpose().map_err(set_up)?;
        // No proxy: XPhone stands in the same house, and a password must not take a detour that no setting of ours names.
        let client = reqwest::Client::builder()
            .user_agent(USER_AGENT)
            .connect_timeout(patience.connect)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .tls_certs_merge(authorities.unwrap_or_default())
            .build()
            .map_err(set_up)?;
        let gates = Arc::new(Gates::new(&clock));
        Ok(Self { client, base_url, clock, gates, patience })
    }

    /// The server's address with `segments` behind it, each encoded.
    pub(super) fn url(&self, segments: &[&str]) -> Url {
        let mut url = self.base_url.clone();
        // Addresses without a path to add to (mailto:) are refused by the settings.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["api", "v1"]).extend(segments);
        }
        url
    }

    /// Fails as long as the server has asked to wait with questions of this kind.
    pub(super) fn may_ask(&self, question: &Question) -> Result<(), Error> {
        self.gates.pass(question.kind).map_err(|retry_after| Error::Wait { retry_after })
    }

    /// Asks once; any answer is an answer. `within` bounds the whole of it, body included.
    pub(super) async fn ask(
        &self,
        question: &Question,
        token: Option<&SecretString>,
        within: Option<Duration>,
    ) -> Result<Response, Error> {
        self.may_ask(question)?;
        let mut request = self.client.request(question.method.clone(), question.url.clone());
        if let Some(within) = within {
            request = request.timeout(within);
        }
        if let Some(token) = token {
            request = request.bearer_auth(token.expose_secret());
        }
        if let Some(body) = &question.body {
            request = request.header(CONTENT_TYPE, "application/json").body(body.clone());
        }
        if question.url.path().ends_with("/events") {
            request = request.header(ACCEPT, "text/event-stream");
        }
        let span = trace::call("xphone", question.call);
        let answer = request.send().await.map_err(|error| unreachable(question, error));
        if let Some(span) = span {
            match &answer {
                Ok(answer) => span.set("http.response.status_code", i64::from(answer.status().as_u16())),
                Err(_) => span.fail("no answer".to_owned()),
            }
        }
        answer
    }

    /// Lets success through and sorts everything else.
    pub(super) async fn sorted(&self, question: &Question, response: Response) -> Result<Response, Error> {
        let status = response.status();
        match status {
            status if status.is_success() => Ok(response),
            StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => {
                let stated = self.retry_after(&response);
                if let Some(stated) = stated {
                    self.gates.close(question.kind, stated);
                }
                Err(Error::Wait { retry_after: stated.unwrap_or(RETRY_AFTER_MISSING) })
            }
            status if status.is_server_error() || status == StatusCode::REQUEST_TIMEOUT => {
                Err(broken(question, ServerFailure(status.as_u16())))
            }
            StatusCode::UNAUTHORIZED => Err(Error::LogIn { reason: "it takes no token of ours".to_owned() }),
            status if status.is_client_error() && question.concerns == Concerns::One => {
                Err(Error::Refused { status: status.as_u16(), reason: reason(response).await })
            }
            status => Err(contract(question.call, format!("status {}", status.as_u16()))),
        }
    }

    /// How long the server asks to wait: seconds, or a date; `None`: it does not say.
    fn retry_after(&self, response: &Response) -> Option<Duration> {
        let text = response.headers().get(RETRY_AFTER)?.to_str().ok()?.trim();
        let wait = if let Ok(seconds) = text.parse() {
            Duration::from_secs(seconds)
        } else {
            let until = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
            until.duration_since(self.clock.now()).try_into().unwrap_or(Duration::ZERO)
        };
        Some(wait.min(CLOSED_MAX))
    }
}

/// Reads the whole answer as JSON.
pub(super) async fn json<T: DeserializeOwned>(question: &Question, response: Response) -> Result<T, Error> {
    let body = match body(response, ANSWER_BYTES_MAX).await {
        Ok(Some(body)) => body,
        Ok(None) => return Err(contract(question.call, "an answer beyond all bounds")),
        Err(error) => return Err(unreachable(question, error)),
    };
    parsed(question.call, &body)
}

/// Reads JSON; what was wrong is told by place, never by content.
pub(super) fn parsed<T: DeserializeOwned>(call: &'static str, body: &[u8]) -> Result<T, Error> {
    serde_json::from_slice(body).map_err(|error| {
        let kind = match error.classify() {
            serde_json::error::Category::Data => "JSON of another shape",
            _ => "something that is not JSON",
        };
        contract(call, format!("{kind} (line {}, column {})", error.line(), error.column()))
    })
}

pub(super) fn contract(call: &'static str, reason: impl Into<String>) -> Error {
    Error::Contract { call, reason: reason.into() }
}

/// A failure of the connection. Its address would name a user and is left out.
pub(super) fn unreachable(question: &Question, error: reqwest::Error) -> Error {
    if error.is_builder() {
        return Error::SetUp { source: Arc::new(error.without_url()) };
    }
    let maybe_applied = changes_something(question) && !error.is_connect();
    Error::Unreachable { maybe_applied, source: Arc::new(error.without_url()) }
}

/// A failure after the question arrived.
pub(super) fn broken(question: &Question, source: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::Unreachable { maybe_applied: changes_something(question), source: Arc::new(source) }
}

fn changes_something(question: &Question) -> bool {
    question.method != Method::GET
}

/// The body; `None` if it is longer than `bytes_max`.
async fn body(mut response: Response, bytes_max: usize) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > bytes_max {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

/// Reads what is left of an answer that says nothing more to us, so that the connection can be used again.
pub(super) async fn drain(response: Response) {
    // It was applied, however the rest goes.
    _ = body(response, REFUSAL_BYTES_MAX).await;
}

/// What a refusal says of itself, as far as it may be kept.
async fn reason(response: Response) -> String {
    let body = body(response, REFUSAL_BYTES_MAX).await.ok().flatten().unwrap_or_default();
    match serde_json::from_slice::<wire::Refusal>(&body) {
        Ok(refusal) => impersonal(&refusal.error),
        Err(_) => "it does not say why".to_owned(),
    }
}

/// The text without what may be somebody's: quotations, addresses, accounts, distinguished names.
fn impersonal(text: &str) -> String {
    // Of text cut at quotation marks every second piece was quoted.
    let pieces = text.split(['"', '“', '”', '„', '«', '»']).enumerate();
    let unquoted: Vec<&str> = pieces.map(|(place, piece)| if place % 2 == 0 { piece } else { "…" }).collect();
    let unquoted = unquoted.concat();
    // A distinguished name goes on over blanks: nothing behind its beginning is kept.
    let words = unquoted.split_whitespace().take_while(|word| !word.contains('='));
    let words = words.map(|word| if word.contains(['@', '\\']) { "…" } else { word });
    let kept = words.collect::<Vec<_>>().join(" ");
    kept.chars().filter(|character| !character.is_control()).take(REASON_CHARACTERS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::impersonal;

    #[test]
    fn a_reason_names_nobody() {
        let check = |text, kept| assert_eq!(impersonal(text), kept);
        check("no such profile", "no such profile");
        check("no profile \"Zahnarzt\" here", "no profile … here");
        check("an open \"quotation", "an open …");
        check("user anna@example.org is unknown", "user … is unknown");
        check("EXAMPLE\\anna may not", "… may not");
        check("not found: cn=Anna Maier 1, ou=CG", "not found:");
        check("two\r\nlines\u{7}", "two lines");
        check(&"x".repeat(500), &"x".repeat(200));
    }
}
