//! Plays the administrator: people and places come, change and go.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::emulator::xphone::appointments::Appointment;
use crate::emulator::xphone::directory::{ConfigurationGroup, Location, Profile, TELEPHONE_FREE, User};
use crate::emulator::xphone::extract::{Body, InPath};
use crate::emulator::xphone::guid::Guid;
use crate::emulator::xphone::kind::Kind;
use crate::emulator::xphone::presence::{Entry, Meeting, Shown};
use crate::emulator::xphone::refusal::Refusal;
use crate::emulator::xphone::server::Server;
use crate::emulator::xphone::state::State as Memory;
use crate::emulator::xphone::templates::Place;
use crate::emulator::xphone::users::ListedUser;

pub fn router() -> Router<Arc<Server>> {
    let of_location = put(|state, path, body| async { use_template(Place::Location, state, path, body) });
    let of_group = put(|state, path, body| async { use_template(Place::ConfigurationGroup, state, path, body) });
    Router::new()
        .route("/users", post(set_users))
        .route("/users/{guid}", get(show_user).put(set_user).delete(delete_user))
        .route("/users/{guid}/listed", put(list_user))
        .route("/locations/{guid}", put(set_location))
        .route("/locations/{guid}/profileTemplates/{name}/use", of_location)
        .route("/configurationGroups/{guid}/profileTemplates/{name}/use", of_group)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct UserBody {
    guid: Option<Guid>,
    email: String,
    account_name: String,
    display_name: String,
    location: Guid,
    configuration_group: Option<Guid>,
    #[serde(default)]
    profiles: Vec<ProfileBody>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ProfileBody {
    guid: Option<Guid>,
    name: String,
    kind: Kind,
    active: bool,
}

impl ProfileBody {
    /// A profile keeps its guid by its name.
    fn among(self, known: &[Profile]) -> Profile {
        let Self { guid, name, kind, active } = self;
        let kept = known.iter().find(|profile| profile.name == name).map(|profile| profile.guid);
        Profile { guid: guid.or(kept).unwrap_or_else(Guid::new), name, kind, active }
    }
}

impl Memory {
    fn set_user(&mut self, guid: Guid, body: UserBody, now: Timestamp) -> Result<StatusCode, Refusal> {
        let location = self.locations.get(&body.location).ok_or_else(|| Refusal::bad("there is no such location"))?;
        let sits_in = |group: Guid| location.configuration_groups.iter().any(|known| known.guid == group);
        if body.configuration_group.is_some_and(|group| !sits_in(group)) {
            return Err(Refusal::bad("the location has no such configuration group"));
        }
        let status = if self.users.contains_key(&guid) { StatusCode::OK } else { StatusCode::CREATED };
        let user = self.users.entry(guid).or_insert_with(|| blank_user(guid, body.location));
        user.profiles = body.profiles.into_iter().map(|profile| profile.among(&user.profiles)).collect();
        user.email = body.email;
        user.account_name = body.account_name;
        user.display_name = body.display_name;
        user.location = body.location;
        user.configuration_group = body.configuration_group;
        // Changed people raise no event: the entry is told anew without one.
        user.published = user.entry_at(now);
        Ok(status)
    }

    fn show_user(&self, guid: Guid, now: Timestamp) -> Result<ShownUser, Refusal> {
        let user = self.user(guid)?;
        let shown_key = match user.shown_at(now) {
            Shown::Appointment(key, _) => Some(key),
            Shown::Picked(_) | Shown::Automatic(_) => None,
        };
        let appointments = user.appointments.iter().map(|(key, appointment)| ShownAppointment {
            key: key.clone(),
            shown: shown_key == Some(key),
            appointment: appointment.clone(),
        });
        Ok(ShownUser {
            user: ListedUser::from(user),
            entry: user.published.clone(),
            status: user.picked.as_ref().map(|picked| json!({ "kind": picked.kind, "origin": picked.origin })),
            appointments: appointments.collect(),
        })
    }
}

fn blank_user(guid: Guid, location: Guid) -> User {
    User {
        guid,
        listed: true,
        email: String::new(),
        account_name: String::new(),
        display_name: String::new(),
        location,
        configuration_group: None,
        profiles: Vec::new(),
        telephone_state: TELEPHONE_FREE,
        meeting: Meeting::None,
        client_connected: false,
        picked: None,
        appointments: BTreeMap::new(),
        published: Entry {
            user_guid: guid,
            email: String::new(),
            presence_state_guid: Kind::Offline.guid(),
            presence_text: String::new(),
            profile_guid: None,
            origin: None,
            telephone_state: TELEPHONE_FREE,
            meeting: Meeting::None,
            client_connected: false,
        },
    }
}

/// A user with everything the server holds of them.
#[derive(Serialize)]
struct ShownUser {
    user: ListedUser,
    entry: Entry,
    status: Option<Value>,
    appointments: Vec<ShownAppointment>,
}

#[derive(Serialize)]
struct ShownAppointment {
    key: String,
    shown: bool,
    #[serde(flatten)]
    appointment: Appointment,
}

async fn set_user(
    State(server): State<Arc<Server>>,
    InPath(guid): InPath<Guid>,
    Body(body): Body<UserBody>,
) -> Result<(StatusCode, Json<ShownUser>), Refusal> {
    if body.guid.is_some_and(|given| given != guid) {
        return Err(Refusal::bad("guid must be the one in the path"));
    }
    server.look(|state, now| {
        let status = state.set_user(guid, body, now)?;
        Ok((status, Json(state.show_user(guid, now)?)))
    })
}

async fn set_users(State(server): State<Arc<Server>>, Body(bodies): Body<Vec<UserBody>>) -> Result<StatusCode, Refusal> {
    server.look(|state, now| {
        for body in bodies {
            let guid = body.guid.ok_or_else(|| Refusal::bad("every user of a list needs a guid"))?;
            state.set_user(guid, body, now)?;
        }
        Ok(StatusCode::NO_CONTENT)
    })
}

async fn show_user(State(server): State<Arc<Server>>, InPath(guid): InPath<Guid>) -> Result<Json<ShownUser>, Refusal> {
    server.look(|state, now| state.show_user(guid, now)).map(Json)
}

async fn delete_user(State(server): State<Arc<Server>>, InPath(guid): InPath<Guid>) -> Result<StatusCode, Refusal> {
    server.look(|state, _| state.users.remove(&guid)).ok_or(Refusal::NotFound("user"))?;
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ListBody {
    listed: bool,
}

async fn list_user(
    State(server): State<Arc<Server>>,
    InPath(guid): InPath<Guid>,
    Body(body): Body<ListBody>,
) -> Result<StatusCode, Refusal> {
    server.look(|state, _| {
        state.users.get_mut(&guid).map(|user| user.listed = body.listed).ok_or(Refusal::NotFound("user"))?;
        Ok(StatusCode::NO_CONTENT)
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct LocationBody {
    name: String,
    #[serde(default)]
    configuration_groups: Vec<ConfigurationGroup>,
}

async fn set_location(
    State(server): State<Arc<Server>>,
    InPath(guid): InPath<Guid>,
    Body(body): Body<LocationBody>,
) -> StatusCode {
    let location = Location { guid, name: body.name, configuration_groups: body.configuration_groups };
    let replaced = server.look(|state, _| state.locations.insert(guid, location)).is_some();
    if replaced { StatusCode::OK } else { StatusCode::CREATED }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Use {
    in_use: bool,
}

fn use_template(
    place: fn(Guid) -> Place,
    State(server): State<Arc<Server>>,
    InPath((guid, name)): InPath<(Guid, String)>,
    Body(body): Body<Use>,
) -> Result<StatusCode, Refusal> {
    server.look(|state, _| state.use_template(place(guid), &name, body.in_use))?;
    Ok(StatusCode::NO_CONTENT)
}
