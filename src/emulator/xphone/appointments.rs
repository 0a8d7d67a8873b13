//! Appointments: set, replaced, listed and deleted by origin, ended by the clock.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use jiff::{SignedDuration, Timestamp};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};

use super::directory::User;
use super::extract::{Body, InPath, InQuery};
use super::guid::Guid;
use super::kind::Kind;
use super::refusal::Refusal;
use super::server::Server;
use super::state::State as Memory;

/// How far ahead an appointment may end.
const AHEAD_MAX: SignedDuration = SignedDuration::from_hours(12);
const OTHER_ORIGIN: Refusal = Refusal::Conflict("this key belongs to an appointment of another origin");

pub fn router() -> Router<Arc<Server>> {
    Router::new()
        .route("/api/v1/appointments", get(list))
        .route("/api/v1/users/{user}/appointments/{key}", put(set).delete(delete))
}

/// Who may see an appointment; everybody where it is not given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum VisibleFrom {
    TeamColleague,
}

/// An appointment, and what the server made of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Appointment {
    pub origin: String,
    pub subject: String,
    pub profile_guid: Option<Guid>,
    pub presence_state_guid: Option<Guid>,
    pub start: Timestamp,
    pub end: Timestamp,
    pub visible_from: Option<VisibleFrom>,
    /// The status shown: given, or the profile's when the appointment was set.
    #[serde(skip)]
    pub shows: Kind,
    #[serde(skip)]
    pub turn: u64,
}

impl Appointment {
    pub fn in_force(&self, now: Timestamp) -> bool {
        self.start <= now && now < self.end
    }
}

/// An appointment as a caller writes it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AppointmentBody {
    origin: String,
    subject: String,
    profile_guid: Option<Guid>,
    presence_state_guid: Option<Guid>,
    #[serde(deserialize_with = "utc")]
    start: Timestamp,
    #[serde(deserialize_with = "utc")]
    end: Timestamp,
    visible_from: Option<VisibleFrom>,
}

/// Reads a time with `T` and `Z`; other zones are not the contract's.
fn utc<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    let looks_right = text.as_bytes().get(10) == Some(&b'T') && text.ends_with('Z');
    let moment = text.parse().ok().filter(|_| looks_right);
    moment.ok_or_else(|| D::Error::custom("a time is written as 2026-11-22T12:00:00Z"))
}

impl AppointmentBody {
    /// Checks what holds whoever the user is.
    fn check(&self, now: Timestamp) -> Result<(), Refusal> {
        if self.origin.is_empty() {
            return Err(Refusal::bad("origin must not be empty"));
        }
        if self.profile_guid.is_some() == self.presence_state_guid.is_some() {
            return Err(Refusal::bad("give exactly one of profileGuid and presenceStateGuid"));
        }
        if self.end <= self.start {
            return Err(Refusal::bad("end must be after start"));
        }
        if self.end > now + AHEAD_MAX {
            return Err(Refusal::bad("end must be at most 12 hours ahead"));
        }
        Ok(())
    }

    fn status_for(&self, user: &User) -> Result<Kind, Refusal> {
        if let Some(guid) = self.presence_state_guid {
            return Kind::of(guid).ok_or(Refusal::Unprocessable("there is no such presence status"));
        }
        let profile = user.profiles.iter().find(|profile| Some(profile.guid) == self.profile_guid);
        let profile = profile.ok_or(Refusal::Unprocessable("the user has no such profile"))?;
        profile.active.then_some(profile.kind).ok_or(Refusal::Unprocessable("the profile is switched off"))
    }
}

/// Whether a key was new.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    Created,
    Replaced,
}

impl Written {
    pub fn status(self) -> StatusCode {
        match self {
            Self::Created => StatusCode::CREATED,
            Self::Replaced => StatusCode::OK,
        }
    }
}

impl Memory {
    /// Sets or replaces an appointment; a key of another origin stays as it is.
    pub fn set_appointment(
        &mut self,
        guid: Guid,
        key: String,
        body: AppointmentBody,
        now: Timestamp,
    ) -> Result<Written, Refusal> {
        let user = self.user(guid)?;
        body.check(now)?;
        let replaced = user.appointments.get(&key);
        if replaced.is_some_and(|replaced| replaced.origin != body.origin) {
            return Err(OTHER_ORIGIN);
        }
        let written = if replaced.is_some() { Written::Replaced } else { Written::Created };
        let shows = body.status_for(user)?;
        let AppointmentBody { origin, subject, profile_guid, presence_state_guid, start, end, visible_from } = body;
        let turn = self.next_turn();
        let appointment =
            Appointment { origin, subject, profile_guid, presence_state_guid, start, end, visible_from, shows, turn };
        self.look_again(guid, start, now);
        self.look_again(guid, end, now);
        self.user_mut(guid)?.appointments.insert(key, appointment);
        self.publish(guid, now);
        // What is already over goes at once.
        self.settle(now);
        Ok(written)
    }

    /// Removes an appointment, whosever it is.
    pub fn remove_appointment(&mut self, guid: Guid, key: &str, now: Timestamp) -> Result<(), Refusal> {
        self.user_mut(guid)?.appointments.remove(key).ok_or(Refusal::NotFound("appointment"))?;
        self.publish(guid, now);
        Ok(())
    }

    fn delete_own_appointment(&mut self, guid: Guid, key: &str, now: Timestamp) -> Result<(), Refusal> {
        let appointment = self.user(guid)?.appointments.get(key).ok_or(Refusal::NotFound("appointment"))?;
        if self.caller_origin.as_ref() != Some(&appointment.origin) {
            return Err(OTHER_ORIGIN);
        }
        self.remove_appointment(guid, key, now)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct OfOrigin {
    origin: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    user_guid: Guid,
    key: String,
    #[serde(flatten)]
    appointment: Appointment,
}

async fn list(State(server): State<Arc<Server>>, InQuery(query): InQuery<OfOrigin>) -> Result<Json<Vec<Listed>>, Refusal> {
    if query.origin.is_empty() {
        return Err(Refusal::bad("origin must not be empty"));
    }
    Ok(Json(server.look(|state, _| {
        let listed = state.users.iter().flat_map(|(&user_guid, user)| {
            let own = user.appointments.iter().filter(|(_, appointment)| appointment.origin == query.origin);
            own.map(move |(key, appointment)| Listed { user_guid, key: key.clone(), appointment: appointment.clone() })
        });
        let listed = listed.collect();
        state.caller_origin = Some(query.origin);
        listed
    })))
}

async fn set(
    State(server): State<Arc<Server>>,
    InPath((user, key)): InPath<(Guid, String)>,
    Body(body): Body<AppointmentBody>,
) -> Result<StatusCode, Refusal> {
    server.look(|state, now| {
        let origin = body.origin.clone();
        let written = state.set_appointment(user, key, body, now)?;
        state.caller_origin = Some(origin);
        Ok(written.status())
    })
}

async fn delete(State(server): State<Arc<Server>>, InPath((user, key)): InPath<(Guid, String)>) -> Result<StatusCode, Refusal> {
    server.look(|state, now| state.delete_own_appointment(user, &key, now))?;
    Ok(StatusCode::NO_CONTENT)
}
