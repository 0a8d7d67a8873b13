//! The four actions with which an app sets and clears presence, as strict as Graph's.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Span, SpanRelativeTo};
use serde::Deserialize;
use uuid::Uuid;

use super::presence::{AppSession, Pair, Preferred, preferred_lifetime};
use super::refusal::Refusal;
use super::state::{Emulator, User};
use super::tokens::Caller;

const SESSION_PAIRS: [(&str, &str); 5] = [
    ("Available", "Available"),
    ("Busy", "InACall"),
    ("Busy", "InAConferenceCall"),
    ("Away", "Away"),
    ("DoNotDisturb", "Presenting"),
];

const PREFERRED_PAIRS: [(&str, &str); 6] = [
    ("Available", "Available"),
    ("Busy", "Busy"),
    ("DoNotDisturb", "DoNotDisturb"),
    ("BeRightBack", "BeRightBack"),
    ("Away", "Away"),
    ("Offline", "OffWork"),
];

const SHORTEST_SESSION: SignedDuration = SignedDuration::from_mins(5);
const LONGEST_SESSION: SignedDuration = SignedDuration::from_hours(4);

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wish {
    session_id: Option<String>,
    availability: Option<String>,
    activity: Option<String>,
    expiration_duration: Option<String>,
}

/// `POST /v1.0/users/{id}/presence/setPresence`
pub async fn set_presence(
    State(emulator): State<Arc<Emulator>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let id = writable(&emulator, &headers, &id)?;
    let wish = Wish::parse(&body)?;
    wish.check_session(emulator.options.client_id)?;
    let pair = wish.pair(&SESSION_PAIRS)?;
    let lifetime = wish.duration()?.unwrap_or(SHORTEST_SESSION);
    if !(SHORTEST_SESSION..=LONGEST_SESSION).contains(&lifetime) {
        return Err(Refusal::invalid_argument("[ExpirationDuration]: must be between PT5M and PT4H."));
    }
    emulator.change(|world, now| {
        let set = |user: &mut User, change: u64| {
            let kept = user.sources.app.as_ref().filter(|session| session.pair == pair).map(|session| session.change);
            let session = AppSession { pair, change: kept.unwrap_or(change), refreshed_at: now, expires_at: now + lifetime };
            user.sources.app = Some(session);
            StatusCode::OK
        };
        world.alter(id, now, set).ok_or_else(unknown_user)
    })
}

/// `POST /v1.0/users/{id}/presence/clearPresence`: 404 where the app has no session.
pub async fn clear_presence(
    State(emulator): State<Arc<Emulator>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let id = writable(&emulator, &headers, &id)?;
    Wish::parse(&body)?.check_session(emulator.options.client_id)?;
    emulator.change(|world, now| {
        let had_session = world.alter(id, now, |user, _| user.sources.app.take().is_some()).ok_or_else(unknown_user)?;
        if had_session { Ok(StatusCode::OK) } else { Err(Refusal::not_found("The presence session was not found.")) }
    })
}

/// `POST /v1.0/users/{id}/presence/setUserPreferredPresence`
pub async fn set_preferred(
    State(emulator): State<Arc<Emulator>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let id = writable(&emulator, &headers, &id)?;
    let wish = Wish::parse(&body)?;
    let pair = wish.pair(&PREFERRED_PAIRS)?;
    let lifetime = wish.duration()?.unwrap_or_else(|| preferred_lifetime(&pair.availability));
    emulator.change(|world, now| {
        let preferred = Preferred { pair, expires_at: now.saturating_add(lifetime).unwrap_or(now) };
        world.alter(id, now, |user, _| user.sources.preferred = Some(preferred)).ok_or_else(unknown_user)?;
        Ok(StatusCode::OK)
    })
}

/// `POST /v1.0/users/{id}/presence/clearUserPreferredPresence`
pub async fn clear_preferred(
    State(emulator): State<Arc<Emulator>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let id = writable(&emulator, &headers, &id)?;
    emulator.change(|world, now| {
        world.alter(id, now, |user, _| user.sources.preferred = None).ok_or_else(unknown_user)?;
        Ok(StatusCode::OK)
    })
}

fn writable(emulator: &Emulator, headers: &HeaderMap, id: &str) -> Result<Uuid, Refusal> {
    let caller = emulator.caller(headers)?;
    let id = Uuid::parse_str(id).map_err(|_| Refusal::bad_request("The user id must be a GUID."))?;
    let Caller::Delegated { user, scopes } = caller.who else {
        return emulator.app_may("Presence.ReadWrite.All").map(|()| id);
    };
    if user != id {
        return Err(Refusal::new(StatusCode::UNAUTHORIZED, "Unauthorized", "Cannot set the presence of another user"));
    }
    if !scopes.allow("Presence.ReadWrite") {
        return Err(Refusal::forbidden("Missing scope permissions on the request. API requires one of 'Presence.ReadWrite'."));
    }
    Ok(id)
}

fn unknown_user() -> Refusal {
    Refusal::not_found("User not found.")
}

impl Wish {
    fn parse(body: &[u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(body).map_err(|_| Refusal::bad_request("Empty Payload. JSON content expected."))
    }

    fn check_session(&self, client: Uuid) -> Result<(), Refusal> {
        match self.session_id.as_deref() {
            None | Some("") => Err(Refusal::invalid_argument("[SessionId]: The SessionId field is required.")),
            Some(session) if Uuid::parse_str(session) == Ok(client) => Ok(()),
            Some(_) => Err(Refusal::invalid_argument("[SessionId]: The session id must be the id of the application.")),
        }
    }

    fn pair(&self, allowed: &[(&str, &str)]) -> Result<Pair, Refusal> {
        let availability = self.availability.as_deref().unwrap_or_default();
        let activity = self.activity.as_deref().unwrap_or_default();
        if allowed.contains(&(availability, activity)) {
            return Ok(Pair::new(availability, activity));
        }
        Err(Refusal::invalid_argument(format!(
            "The combination of availability '{availability}' and activity '{activity}' is not supported."
        )))
    }

    fn duration(&self) -> Result<Option<SignedDuration>, Refusal> {
        let Some(text) = &self.expiration_duration else { return Ok(None) };
        let duration =
            iso_duration(text).ok_or_else(|| Refusal::invalid_argument("[ExpirationDuration]: not an ISO 8601 duration."))?;
        Ok(Some(duration))
    }
}

/// A positive ISO 8601 duration such as `PT15M` or `P1D`; a day has 24 hours.
pub fn iso_duration(text: &str) -> Option<SignedDuration> {
    let span: Span = text.starts_with('P').then(|| text.parse().ok())??;
    let duration = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
    duration.is_positive().then_some(duration)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_iso_8601() {
        let table = [
            ("PT5M", Some(5)),
            ("PT4H", Some(240)),
            ("P1D", Some(24 * 60)),
            ("P1W", Some(7 * 24 * 60)),
            ("PT0S", None),
            ("-PT5M", None),
            ("5m", None),
            ("", None),
        ];
        for (text, minutes) in table {
            assert_eq!(iso_duration(text), minutes.map(SignedDuration::from_mins), "{text}");
        }
    }
}
