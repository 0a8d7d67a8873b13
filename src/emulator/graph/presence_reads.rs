//! Reading presence: of one user, or of up to 650 at once.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::refusal::Refusal;
use super::state::{Emulator, User, World};
use super::tokens::Caller;

const MAX_IDS: usize = 650;

#[derive(Deserialize)]
struct Asked {
    ids: Vec<String>,
}

/// `GET /v1.0/users/{id}/presence` and `GET /v1.0/communications/presences/{id}`
pub async fn one(
    State(emulator): State<Arc<Emulator>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    reader(&emulator, &headers)?;
    let id = Uuid::parse_str(&id).map_err(|_| Refusal::bad_request("The user id must be a GUID."))?;
    let mut body = emulator
        .change(|world, now| {
            world.settle(id, now);
            present(world, id, now)
        })
        .ok_or_else(|| Refusal::not_found("User not found."))?;
    body["@odata.context"] = Value::from(format!("{}/v1.0/$metadata#users('{id}')/presence/$entity", emulator.base_url));
    Ok(Json(body))
}

/// `POST /v1.0/communications/getPresencesByUserId`: in the order asked, each id once, unknown ids missing.
pub async fn many(State(emulator): State<Arc<Emulator>>, headers: HeaderMap, body: Bytes) -> Result<Json<Value>, Refusal> {
    reader(&emulator, &headers)?;
    let asked: Asked = serde_json::from_slice(&body).map_err(|_| Refusal::bad_request("The parameter 'ids' is required."))?;
    if asked.ids.len() > MAX_IDS {
        return Err(Refusal::bad_request(format!("The number of ids must not exceed {MAX_IDS}.")));
    }
    let ids: Result<Vec<Uuid>, _> = asked.ids.iter().map(|id| Uuid::parse_str(id)).collect();
    let ids = ids.map_err(|_| Refusal::bad_request("An id is not a GUID."))?;
    let presences: Vec<Value> = emulator.change(|world, now| {
        let mut seen = BTreeSet::new();
        let mut presences = Vec::with_capacity(ids.len());
        for id in ids.into_iter().filter(|id| seen.insert(*id)) {
            world.settle(id, now);
            presences.extend(present(world, id, now));
        }
        presences
    });
    let context = format!("{}/v1.0/$metadata#Collection(microsoft.graph.presence)", emulator.base_url);
    Ok(Json(json!({ "@odata.context": context, "value": presences })))
}

fn reader(emulator: &Emulator, headers: &HeaderMap) -> Result<(), Refusal> {
    match emulator.caller(headers)?.who {
        Caller::Delegated { scopes, .. } if !scopes.allow("Presence.Read.All") => {
            Err(Refusal::forbidden("Missing scope permissions on the request. API requires one of 'Presence.Read.All'."))
        }
        Caller::App => emulator.app_may("Presence.Read.All"),
        Caller::Delegated { .. } => Ok(()),
    }
}

fn present(world: &World, id: Uuid, now: Timestamp) -> Option<Value> {
    let mut body = world.users.get(&id).map(|user| presence_body(id, user, now))?;
    if world.faults.sparse_presences
        && let Some(properties) = body.as_object_mut()
    {
        properties.retain(|name, _| matches!(name.as_str(), "id" | "availability" | "activity"));
    }
    Some(body)
}

fn presence_body(id: Uuid, user: &User, now: Timestamp) -> Value {
    let version = user.shown.read(now);
    json!({
        "id": id,
        "availability": version.pair.availability,
        "activity": version.pair.activity,
        "statusMessage": null,
        "outOfOfficeSettings": { "message": version.out_of_office, "isOutOfOffice": version.out_of_office.is_some() },
        "sequenceNumber": version.sequence_number,
    })
}
