//! Plays the users and foreign programs: calls, meetings, clients, statuses picked, appointments planted and removed.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::put;
use serde::Deserialize;

use crate::emulator::xphone::appointments::{AppointmentBody, Written};
use crate::emulator::xphone::directory::User;
use crate::emulator::xphone::extract::{Body, InPath};
use crate::emulator::xphone::guid::Guid;
use crate::emulator::xphone::kind::Kind;
use crate::emulator::xphone::presence::{Meeting, Picked};
use crate::emulator::xphone::refusal::Refusal;
use crate::emulator::xphone::server::Server;

pub fn router() -> Router<Arc<Server>> {
    Router::new()
        .route("/users/{guid}/telephone", put(telephone))
        .route("/users/{guid}/meeting", put(meeting))
        .route("/users/{guid}/client", put(client))
        .route("/users/{guid}/status", put(pick_status).delete(unpick_status))
        .route("/users/{guid}/appointments/{key}", put(plant_appointment).delete(remove_appointment))
}

type Done = Result<StatusCode, Refusal>;

/// Changes a user; an event tells what came of it.
fn change(server: &Server, guid: Guid, how: impl FnOnce(&mut User, u64)) -> Done {
    server.look(|state, now| {
        let turn = state.next_turn();
        how(state.user_mut(guid)?, turn);
        state.publish(guid, now);
        Ok(StatusCode::NO_CONTENT)
    })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Telephone {
    state: u32,
}

async fn telephone(State(server): State<Arc<Server>>, InPath(guid): InPath<Guid>, Body(body): Body<Telephone>) -> Done {
    change(&server, guid, |user, _| user.telephone_state = body.state)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct InMeeting {
    meeting: Meeting,
}

async fn meeting(State(server): State<Arc<Server>>, InPath(guid): InPath<Guid>, Body(body): Body<InMeeting>) -> Done {
    change(&server, guid, |user, _| user.meeting = body.meeting)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Client {
    connected: bool,
}

async fn client(State(server): State<Arc<Server>>, InPath(guid): InPath<Guid>, Body(body): Body<Client>) -> Done {
    change(&server, guid, |user, _| user.client_connected = body.connected)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Pick {
    kind: Kind,
    origin: Option<String>,
}

async fn pick_status(State(server): State<Arc<Server>>, InPath(guid): InPath<Guid>, Body(body): Body<Pick>) -> Done {
    change(&server, guid, |user, turn| user.picked = Some(Picked { kind: body.kind, origin: body.origin, turn }))
}

async fn unpick_status(State(server): State<Arc<Server>>, InPath(guid): InPath<Guid>) -> Done {
    change(&server, guid, |user, _| user.picked = None)
}

async fn plant_appointment(
    State(server): State<Arc<Server>>,
    InPath((guid, key)): InPath<(Guid, String)>,
    Body(body): Body<AppointmentBody>,
) -> Done {
    server.look(|state, now| state.set_appointment(guid, key, body, now)).map(Written::status)
}

async fn remove_appointment(State(server): State<Arc<Server>>, InPath((guid, key)): InPath<(Guid, String)>) -> Done {
    server.look(|state, now| state.remove_appointment(guid, &key, now))?;
    Ok(StatusCode::NO_CONTENT)
}
