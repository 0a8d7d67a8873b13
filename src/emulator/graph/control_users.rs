//! The part of the control API that plays the people: who there is, what their Teams client says, what they pick by hand.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::control::parse;
use super::presence::{ClientSession, Pair, Preferred, preferred_lifetime};
use super::presence_writes::iso_duration;
use super::refusal::Refusal;
use super::state::{Emulator, User, World};

/// `GET /control/users`
pub async fn list(State(emulator): State<Arc<Emulator>>) -> Json<Value> {
    emulator.catch_up_with_time();
    let now = emulator.now();
    emulator.look(|world| Json(world.users.values().map(|user| described(user, now)).collect()))
}

/// `GET /control/users/{id}`
pub async fn show(State(emulator): State<Arc<Emulator>>, Path(id): Path<Uuid>) -> Result<Json<Value>, Refusal> {
    emulator.change(|world, now| {
        world.settle(id, now);
        world.users.get(&id).map(|user| Json(described(user, now))).ok_or_else(no_user)
    })
}

/// `PUT /control/users/{id}`: makes the user, or changes the directory properties; presence stays.
pub async fn put(State(emulator): State<Arc<Emulator>>, Path(id): Path<Uuid>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let properties = complete(id, parse(&body)?)?;
    let now = emulator.now();
    emulator.look(|world| {
        enter(world, id, properties);
        world.users.get(&id).map(|user| Json(described(user, now))).ok_or_else(no_user)
    })
}

/// `POST /control/users`: the same for many at once, each with an `id`; all or none.
pub async fn put_many(State(emulator): State<Arc<Emulator>>, body: Bytes) -> Result<StatusCode, Refusal> {
    let everybody: Vec<Map<String, Value>> = parse(&body)?;
    let named = |properties: Map<String, Value>| {
        let id = properties.get("id").and_then(Value::as_str).and_then(|id| id.parse::<Uuid>().ok());
        let id = id.ok_or_else(|| Refusal::bad_request("Every user of a list needs an id."))?;
        Ok((id, complete(id, properties)?))
    };
    let everybody: Result<Vec<_>, Refusal> = everybody.into_iter().map(named).collect();
    let everybody = everybody?;
    emulator.look(|world| {
        for (id, properties) in everybody {
            enter(world, id, properties);
        }
    });
    Ok(StatusCode::NO_CONTENT)
}

/// What a user is made of, with Graph's own values for what nobody gave.
fn complete(id: Uuid, mut properties: Map<String, Value>) -> Result<Map<String, Value>, Refusal> {
    let Some(name) = properties.get("userPrincipalName").filter(|name| name.is_string()).cloned() else {
        return Err(Refusal::bad_request("userPrincipalName is required."));
    };
    properties.entry("displayName").or_insert(name);
    properties.entry("mail").or_insert(Value::Null);
    properties.entry("accountEnabled").or_insert(Value::Bool(true));
    properties.insert("id".to_owned(), Value::from(id.to_string()));
    Ok(properties)
}

fn enter(world: &mut World, id: Uuid, properties: Map<String, Value>) {
    let change = world.next_change();
    let user = world.users.entry(id).or_insert_with(|| User::new(Map::new(), change));
    let before = std::mem::replace(&mut user.properties, properties);
    world.chronicle.put(id, &before, &user.properties, change);
}

#[derive(Deserialize)]
struct Removal {
    #[serde(default)]
    for_good: bool,
}

/// `DELETE /control/users/{id}`
pub async fn remove(State(emulator): State<Arc<Emulator>>, Path(id): Path<Uuid>, body: Bytes) -> Result<StatusCode, Refusal> {
    // Whoever says nothing may say it with `null`.
    let Removal { for_good } = parse::<Option<Removal>>(&body)?.unwrap_or(Removal { for_good: false });
    emulator.look(|world| {
        world.users.remove(&id).ok_or_else(no_user)?;
        let change = world.next_change();
        world.chronicle.remove(id, for_good, change);
        Ok(StatusCode::NO_CONTENT)
    })
}

/// `POST /control/users/delta/expire`: whoever follows the changes must begin anew.
pub async fn expire_delta(State(emulator): State<Arc<Emulator>>) -> StatusCode {
    emulator.look(|world| world.chronicle.forget_places());
    StatusCode::NO_CONTENT
}

#[derive(Deserialize)]
struct Said {
    #[serde(flatten)]
    pair: Pair,
    #[serde(rename = "outOfOfficeMessage")]
    out_of_office: Option<String>,
}

/// `PUT /control/users/{id}/teams`
pub async fn put_teams(State(emulator): State<Arc<Emulator>>, Path(id): Path<Uuid>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let said: Said = parse(&body)?;
    emulator.change(|world, now| {
        say(world, id, said, now)?;
        world.users.get(&id).map(|user| Json(described(user, now))).ok_or_else(no_user)
    })
}

/// `PUT /control/teams`: by user id, all at once, so that notifications travel together.
pub async fn put_teams_of_many(State(emulator): State<Arc<Emulator>>, body: Bytes) -> Result<StatusCode, Refusal> {
    let everybody: BTreeMap<Uuid, Said> = parse(&body)?;
    emulator.change(|world, now| {
        for (id, said) in everybody {
            say(world, id, said, now)?;
        }
        Ok(StatusCode::NO_CONTENT)
    })
}

fn say(world: &mut World, id: Uuid, said: Said, now: Timestamp) -> Result<(), Refusal> {
    let say = |user: &mut User, change: u64| {
        let signed_in = !said.pair.is("Offline", "Offline");
        user.sources.client = signed_in.then_some(ClientSession { pair: said.pair, change });
        user.out_of_office = said.out_of_office;
    };
    world.alter(id, now, say).ok_or_else(no_user)
}

#[derive(Deserialize)]
struct Picked {
    #[serde(flatten)]
    pair: Pair,
    #[serde(rename = "expirationDuration")]
    expiration_duration: Option<String>,
}

/// `PUT /control/users/{id}/preferred`
pub async fn put_preferred(
    State(emulator): State<Arc<Emulator>>,
    Path(id): Path<Uuid>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let Picked { pair, expiration_duration } = parse(&body)?;
    let lifetime = match expiration_duration.as_deref() {
        None => preferred_lifetime(&pair.availability),
        Some(text) => {
            iso_duration(text).ok_or_else(|| Refusal::bad_request("expirationDuration is not an ISO 8601 duration."))?
        }
    };
    emulator.change(|world, now| {
        let preferred = Preferred { pair, expires_at: now.saturating_add(lifetime).unwrap_or(now) };
        world.alter(id, now, |user, _| user.sources.preferred = Some(preferred)).ok_or_else(no_user)?;
        world.users.get(&id).map(|user| Json(described(user, now))).ok_or_else(no_user)
    })
}

/// `DELETE /control/users/{id}/preferred`
pub async fn remove_preferred(State(emulator): State<Arc<Emulator>>, Path(id): Path<Uuid>) -> Result<StatusCode, Refusal> {
    emulator.change(|world, now| {
        world.alter(id, now, |user, _| user.sources.preferred = None).ok_or_else(no_user)?;
        Ok(StatusCode::NO_CONTENT)
    })
}

fn described(user: &User, now: Timestamp) -> Value {
    let shown = user.shown.current();
    json!({
        "user": user.properties,
        "availability": shown.pair.availability,
        "activity": shown.pair.activity,
        "sequenceNumber": shown.sequence_number,
        "reads": user.shown.read(now).pair,
        "outOfOfficeMessage": user.out_of_office,
        "sessions": { "teams": user.sources.client, "app": user.sources.app },
        "preferred": user.sources.preferred,
    })
}

fn no_user() -> Refusal {
    Refusal::not_found("No such user.")
}
