//! What every exchange with Microsoft shares: the HTTP client, `Retry-After`, bodies of bounded length.

use std::fmt;
use std::time::Duration;

use jiff::fmt::rfc2822;
use jiff::{SignedDuration, Timestamp};
use reqwest::header::{DATE, HeaderMap, RETRY_AFTER};
use reqwest::{Client, Response, redirect};
use serde::Deserialize;

/// How long an ordinary request may take.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// How long it may take to connect.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer that is read; a page of 999 users has about 250 kB.
const BODY_BYTES_MAX: usize = 16 * 1024 * 1024;
/// A `Retry-After` beyond this is not believed.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(1);
/// A `Retry-After` of nothing still means: not at once.
const RETRY_AFTER_MIN: Duration = Duration::from_secs(1);

/// The HTTP client for Graph and Entra ID: 10 s a request, no redirects (they would carry tokens elsewhere).
///
/// # Errors
/// The TLS roots of this machine cannot be read.
pub fn http_client() -> Result<Client, reqwest::Error> {
    Client::builder()
        .user_agent(concat!("presence-gateway/", env!("CARGO_PKG_VERSION")))
        .timeout(REQUEST_TIMEOUT)
        .connect_timeout(CONNECT_TIMEOUT)
        .redirect(redirect::Policy::none())
        .build()
}

/// A subscription's id as Graph gave it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(transparent)]
pub struct SubscriptionId(pub String);

impl SubscriptionId {
    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// How long `Retry-After` asks to wait, in seconds or until a date; between 1 s and 1 h.
pub(super) fn retry_after(headers: &HeaderMap, now: Timestamp) -> Option<Duration> {
    pause(headers.get(RETRY_AFTER)?.to_str().ok()?, now)
}

/// What time it was where the answer was made: whoever writes it leaves the parts of a second out, half of one on average.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    let date = rfc2822::DateTimeParser::new().parse_timestamp(headers.get(DATE)?.to_str().ok()?).ok()?;
    Some(date + SignedDuration::from_millis(500))
}

/// The same of a header's text, wherever it stood.
pub(super) fn pause(retry_after: &str, now: Timestamp) -> Option<Duration> {
    let text = retry_after.trim();
    let wait = match text.parse::<u64>() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => until(text, now)?,
    };
    Some(wait.clamp(RETRY_AFTER_MIN, RETRY_AFTER_MAX))
}

fn until(http_date: &str, now: Timestamp) -> Option<Duration> {
    let at = rfc2822::DateTimeParser::new().parse_timestamp(http_date).ok()?;
    let wait: SignedDuration = at.duration_since(now);
    Some(Duration::try_from(wait).unwrap_or(Duration::ZERO))
}

/// Reads a body to its end, or fails when it is too long.
pub(super) async fn body(mut response: Response) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| reason(&error))? {
        if bytes.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(format!("the answer is longer than {BODY_BYTES_MAX} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// Why a request failed, down to the last cause, without the address asked for.
pub(super) fn reason(error: &reqwest::Error) -> String {
    if error.is_timeout() {
        return "no answer in time".to_owned();
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let what = if error.is_connect() { "no connection" } else { "the exchange broke off" };
    format!("{what}: {cause}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_read_in_seconds_and_as_a_date() {
        let now: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
        let check = |text: &str, expected: Option<u64>| {
            let mut headers = HeaderMap::new();
            headers.insert(RETRY_AFTER, text.parse().unwrap());
            assert_eq!(retry_after(&headers, now), expected.map(Duration::from_secs), "{text}");
        };
        check("17", Some(17));
        check(" 5 ", Some(5));
        check("0", Some(1));
        check("999999", Some(3600));
        check("Sun, 22 Nov 2026 10:01:30 GMT", Some(90));
        check("Sun, 22 Nov 2026 09:00:00 GMT", Some(1));
        check("Sun, 22 Nov 2099 10:00:00 GMT", Some(3600));
        check("soon", None);
        check("-3", None);
        check("", None);
        assert_eq!(retry_after(&HeaderMap::new(), now), None);
    }
}
