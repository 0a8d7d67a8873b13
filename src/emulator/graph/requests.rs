//! Knows every request by its endpoint: counts it, and refuses it where a fault says so.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use jiff::fmt::rfc2822::DateTimePrinter;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use uuid::Uuid;

use super::batch::Part;
use super::faults::Deniable;
use super::refusal;
use super::state::{Emulator, World};

/// What a request asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Endpoint {
    Token,
    Devicecode,
    Metadata,
    Keys,
    Authorize,
    Userrealm,
    Users,
    UsersDelta,
    Presence,
    GetPresencesByUserId,
    SetPresence,
    ClearPresence,
    SetUserPreferredPresence,
    ClearUserPreferredPresence,
    CreateSubscription,
    ListSubscriptions,
    GetSubscription,
    RenewSubscription,
    DeleteSubscription,
    Batch,
}

impl Endpoint {
    /// The endpoint of a request; `None` for the control API and for what does not exist.
    fn of(method: &Method, path: &str) -> Option<Self> {
        let segments: Vec<&str> = path.trim_matches('/').split('/').collect();
        match segments.as_slice() {
            ["control", ..] => None,
            ["v1.0", "users", "delta"] => Some(Self::UsersDelta),
            ["v1.0", "users"] | ["v1.0", "users", _] => Some(Self::Users),
            ["v1.0", "users", _, "presence"] | ["v1.0", "communications", "presences", _] => Some(Self::Presence),
            ["v1.0", "users", _, "presence", action] => Self::of_action(action),
            ["v1.0", "communications", "getPresencesByUserId"] => Some(Self::GetPresencesByUserId),
            ["v1.0", "subscriptions"] if method == Method::POST => Some(Self::CreateSubscription),
            ["v1.0", "subscriptions"] => Some(Self::ListSubscriptions),
            ["v1.0", "subscriptions", _] if method == Method::PATCH => Some(Self::RenewSubscription),
            ["v1.0", "subscriptions", _] if method == Method::DELETE => Some(Self::DeleteSubscription),
            ["v1.0", "subscriptions", _] => Some(Self::GetSubscription),
            ["v1.0", "$batch"] => Some(Self::Batch),
            [_, "oauth2", "v2.0", "token"] => Some(Self::Token),
            [_, "oauth2", "v2.0", "devicecode"] => Some(Self::Devicecode),
            [_, "oauth2", "v2.0", "authorize"] => Some(Self::Authorize),
            [_, "userrealm", _] => Some(Self::Userrealm),
            [_, .., "openid-configuration"] => Some(Self::Metadata),
            [_, "discovery", .., "keys"] => Some(Self::Keys),
            _ => None,
        }
    }

    fn of_action(action: &str) -> Option<Self> {
        match action {
            "setPresence" => Some(Self::SetPresence),
            "clearPresence" => Some(Self::ClearPresence),
            "setUserPreferredPresence" => Some(Self::SetUserPreferredPresence),
            "clearUserPreferredPresence" => Some(Self::ClearUserPreferredPresence),
            _ => None,
        }
    }

    /// The name under which faults know it.
    pub fn deniable(self) -> Deniable {
        match self {
            Self::Token | Self::Devicecode | Self::Authorize => Deniable::Token,
            Self::Userrealm => Deniable::Userrealm,
            Self::Metadata | Self::Keys => Deniable::Keys,
            Self::Users | Self::UsersDelta => Deniable::Users,
            Self::GetPresencesByUserId => Deniable::GetPresencesByUserId,
            Self::Presence
            | Self::SetPresence
            | Self::ClearPresence
            | Self::SetUserPreferredPresence
            | Self::ClearUserPreferredPresence => Deniable::Presence,
            Self::CreateSubscription
            | Self::ListSubscriptions
            | Self::GetSubscription
            | Self::RenewSubscription
            | Self::DeleteSubscription => Deniable::Subscriptions,
            Self::Batch => Deniable::Batch,
        }
    }

    /// The four actions that set and clear presence.
    fn writes_presence(self) -> bool {
        matches!(
            self,
            Self::SetPresence | Self::ClearPresence | Self::SetUserPreferredPresence | Self::ClearUserPreferredPresence
        )
    }

    /// Entra words its refusals differently from Graph.
    pub fn is_entra(self) -> bool {
        matches!(self, Self::Token | Self::Devicecode | Self::Authorize | Self::Userrealm | Self::Metadata | Self::Keys)
    }
}

/// What was asked since the start.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Requests {
    /// By endpoint and status.
    pub endpoints: BTreeMap<Endpoint, BTreeMap<u16, u64>>,
    /// Token requests by `grant_type`.
    pub grants: BTreeMap<String, u64>,
    /// Fetches of the signing keys.
    pub jwks_fetches: u64,
    pub notifications: Deliveries,
}

/// What became of notifications since the start, each counted on its own even where several travelled together.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Deliveries {
    /// Accepted with a 2xx in time.
    pub delivered: u64,
    /// Attempts that met another status, a timeout or nobody.
    pub refused: u64,
    /// Attempts after the first.
    pub retried: u64,
    /// Swallowed by a fault.
    pub lost: u64,
    /// Never accepted within four hours.
    pub given_up: u64,
}

impl World {
    /// What a fault or the write budget answers in the place of the endpoint.
    fn refuse(&mut self, endpoint: Endpoint, method: &Method, now: Timestamp) -> Option<Response> {
        if let Some(deny) = self.faults.strike(endpoint, method.as_str()) {
            return Some(refusal::denied(&deny, endpoint, now));
        }
        let limit = self.faults.writes_per_30_seconds.filter(|_| endpoint.writes_presence())?;
        self.writes.take(limit, now).err().map(|seconds| refusal::throttled(Some(seconds)))
    }
}

/// Counts every request and refuses those that a fault names.
pub async fn observe(State(emulator): State<Arc<Emulator>>, request: Request, next: Next) -> Response {
    let Some(endpoint) = Endpoint::of(request.method(), request.uri().path()) else {
        return next.run(request).await;
    };
    let part_of_batch = request.extensions().get::<Part>().is_some();
    let now = emulator.now();
    let refused = emulator.look(|world| world.refuse(endpoint, request.method(), now));
    let mut response = match refused {
        Some(refusal) => refusal,
        None => next.run(request).await,
    };
    if part_of_batch && response.status().is_success() {
        let hidden = emulator.look(|world| {
            let faults = &mut world.faults.batch;
            faults.hides_success().then_some(faults.retry_after_seconds)
        });
        response = hidden.map_or(response, refusal::throttled);
    }
    let status = response.status().as_u16();
    emulator.look(|world| {
        *world.requests.endpoints.entry(endpoint).or_default().entry(status).or_default() += 1;
        if endpoint == Endpoint::Keys {
            world.requests.jwks_fetches += 1;
        }
    });
    let ahead = SignedDuration::from_secs(emulator.look(|world| world.faults.date_ahead_seconds));
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&(emulator.now() + ahead));
    if let Some(date) = date.ok().and_then(|date| HeaderValue::from_str(&date).ok()) {
        response.headers_mut().insert(header::DATE, date);
    }
    if let Ok(id) = HeaderValue::from_str(&Uuid::new_v4().to_string()) {
        response.headers_mut().insert("request-id", id);
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_known_by_method_and_path() {
        let table = [
            ("POST", "/tenant/oauth2/v2.0/token", Some(Endpoint::Token)),
            ("GET", "/common/.well-known/openid-configuration", Some(Endpoint::Metadata)),
            ("GET", "/common/v2.0/.well-known/openid-configuration", Some(Endpoint::Metadata)),
            ("GET", "/common/discovery/v2.0/keys", Some(Endpoint::Keys)),
            ("GET", "/common/discovery/keys", Some(Endpoint::Keys)),
            ("POST", "/v1.0/users/1/presence/setPresence", Some(Endpoint::SetPresence)),
            ("PATCH", "/v1.0/subscriptions/1", Some(Endpoint::RenewSubscription)),
            ("GET", "/v1.0/users/1", Some(Endpoint::Users)),
            ("GET", "/v1.0/users/delta", Some(Endpoint::UsersDelta)),
            ("POST", "/v1.0/$batch", Some(Endpoint::Batch)),
            ("GET", "/control/requests", None),
            ("GET", "/v1.0/nothing", None),
        ];
        for (method, path, endpoint) in table {
            assert_eq!(Endpoint::of(&method.parse().unwrap(), path), endpoint, "{method} {path}");
        }
    }
}
