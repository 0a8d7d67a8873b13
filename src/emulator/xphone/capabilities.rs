//! What the server can do, its presence statuses and its tree of places.

use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::directory::Location;
use super::kind::Kind;
use super::server::Server;

pub fn router() -> Router<Arc<Server>> {
    Router::new()
        .route("/api/v1/server/capabilities", get(capabilities))
        .route("/api/v1/presenceStates", get(presence_states))
        .route("/api/v1/locations", get(locations))
}

async fn capabilities(State(server): State<Arc<Server>>) -> Json<Value> {
    let (has_templates, incapable_of) =
        server.look(|state, _| (!state.faults.no_profile_templates, state.faults.incapable_of.clone()));
    let can = |ability: &str| !incapable_of.iter().any(|one| one == ability);
    Json(json!({
        "serverVersion": "10.0.0 (emulated)",
        "contractVersion": 1,
        "appointments": can("appointments"),
        "forwardingOnAppointment": can("forwardingOnAppointment"),
        "events": can("events"),
        "profileTemplates": has_templates,
    }))
}

async fn presence_states(State(server): State<Arc<Server>>) -> Json<Value> {
    let unnamed = server.look(|state, _| state.faults.unnamed_statuses.clone());
    let of = |kind: Kind| json!({ "guid": kind.guid(), "kind": kind, "name": kind.name(), "colour": kind.colour() });
    Json(Kind::ALL.into_iter().filter(|kind| !unnamed.contains(kind)).map(of).collect())
}

async fn locations(State(server): State<Arc<Server>>) -> Json<Vec<Location>> {
    Json(server.look(|state, _| state.locations.values().cloned().collect()))
}
