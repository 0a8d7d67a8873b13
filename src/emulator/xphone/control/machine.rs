//! Plays the machine: time passes, it restarts, it fails; and it tells what it was asked.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::emulator::xphone::extract::Body;
use crate::emulator::xphone::faults::Faults;
use crate::emulator::xphone::refusal::Refusal;
use crate::emulator::xphone::requests::{Record, Requests};
use crate::emulator::xphone::server::Server;

pub fn router() -> Router<Arc<Server>> {
    Router::new()
        .route("/clock/advance", post(advance))
        .route("/restart", post(restart))
        .route("/events", get(show_events))
        .route("/tokens/expire", post(expire_tokens))
        .route("/faults", get(show_faults).put(set_faults))
        .route("/requests", get(show_requests).delete(forget_requests))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Advance {
    seconds: u32,
}

async fn advance(State(server): State<Arc<Server>>, Body(advance): Body<Advance>) -> Json<Value> {
    server.clock.advance(SignedDuration::from_secs(advance.seconds.into()));
    server.look(|_, now| Json(json!({ "now": now })))
}

async fn restart(State(server): State<Arc<Server>>) -> StatusCode {
    server.look(|state, _| {
        state.tokens.forget();
        state.feed.restart();
    });
    server.break_streams();
    StatusCode::NO_CONTENT
}

async fn show_events(State(server): State<Arc<Server>>) -> Json<Value> {
    server.look(|state, _| Json(json!({ "sequence": state.feed.sequence() })))
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Expire {
    #[serde(default)]
    refresh_tokens: bool,
}

async fn expire_tokens(State(server): State<Arc<Server>>, body: Bytes) -> Result<StatusCode, Refusal> {
    let expire = if body.is_empty() { Ok(Expire::default()) } else { serde_json::from_slice(&body) };
    let expire = expire.map_err(|error| Refusal::bad(error.to_string()))?;
    server.look(|state, _| if expire.refresh_tokens { state.tokens.forget() } else { state.tokens.expire() });
    Ok(StatusCode::NO_CONTENT)
}

async fn show_faults(State(server): State<Arc<Server>>) -> Json<Faults> {
    Json(server.look(|state, _| state.faults.clone()))
}

async fn set_faults(State(server): State<Arc<Server>>, Body(faults): Body<Faults>) -> Result<Json<Faults>, Refusal> {
    if faults.deny.iter().any(|deny| !(400..=599).contains(&deny.status)) {
        return Err(Refusal::bad("a status that denies is 400 to 599"));
    }
    server.look(|state, _| state.faults = faults.clone());
    if faults.down {
        server.break_streams();
    }
    server.wake_streams();
    Ok(Json(faults))
}

async fn show_requests(State(server): State<Arc<Server>>) -> Json<Record> {
    Json(server.look(|state, _| state.requests.record()))
}

async fn forget_requests(State(server): State<Arc<Server>>) -> StatusCode {
    server.look(|state, _| state.requests = Requests::default());
    StatusCode::NO_CONTENT
}
