//! Graph: tells presences, takes presence sessions, alone and in batches.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{Arrived, Places};
use crate::ledger::Ledger;
use crate::plan::Direction;
use crate::wire::words;

/// What Graph knows.
pub struct Teams {
    places: Places,
    people: Mutex<Vec<Person>>,
    ledger: Arc<Ledger>,
}

#[derive(Clone, Copy, Default)]
struct Person {
    in_call: bool,
    /// A presence session says that they are.
    session: bool,
}

pub fn router(teams: &Arc<Teams>) -> Router {
    Router::new()
        .route("/graph/v1.0/communications/getPresencesByUserId", post(presences))
        .route("/graph/v1.0/users/{user}/presence/{action}", post(write))
        .route("/graph/v1.0/$batch", post(batch))
        .with_state(Arc::clone(teams))
}

impl Teams {
    pub fn new(places: Places, ledger: Arc<Ledger>) -> Self {
        let people = Mutex::new(vec![Person::default(); places.0.len()]);
        Self { places, people, ledger }
    }

    pub fn change(&self, person: usize, in_call: bool) {
        self.people()[person].in_call = in_call;
    }

    /// Takes a write to a person's presence; sorts it like Graph.
    fn take(&self, user: Uuid, action: &str, arrived: Arrived) -> StatusCode {
        let Some(person) = self.places.find(user) else { return StatusCode::NOT_FOUND };
        let session = match action {
            "setPresence" => true,
            "clearPresence" => false,
            _ => {
                self.ledger.stray(person);
                return StatusCode::OK;
            }
        };
        self.people()[person].session = session;
        self.ledger.arrive(Direction::XphoneToTeams, person, session, arrived.0);
        StatusCode::OK
    }

    fn people(&self) -> MutexGuard<'_, Vec<Person>> {
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Known = State<Arc<Teams>>;

#[derive(Deserialize)]
struct Ids {
    ids: Vec<Uuid>,
}

async fn presences(State(teams): Known, Json(asked): Json<Ids>) -> Json<Value> {
    let people = teams.people();
    let presence = |id: &Uuid| {
        let person = people[teams.places.find(*id)?];
        let (availability, activity) = words(person.in_call || person.session);
        Some(json!({ "id": id, "availability": availability, "activity": activity }))
    };
    Json(json!({ "value": asked.ids.iter().filter_map(presence).collect::<Vec<Value>>() }))
}

async fn write(arrived: Arrived, State(teams): Known, Path((user, action)): Path<(Uuid, String)>) -> StatusCode {
    teams.take(user, &action, arrived)
}

#[derive(Deserialize)]
struct Batch {
    requests: Vec<Item>,
}

#[derive(Deserialize)]
struct Item {
    id: String,
    url: String,
}

async fn batch(arrived: Arrived, State(teams): Known, Json(batch): Json<Batch>) -> Json<Value> {
    let answer = |item: &Item| {
        let status = match item.url.split('/').collect::<Vec<&str>>().as_slice() {
            ["", "users", user, "presence", action] => user.parse().ok().map(|user| teams.take(user, action, arrived)),
            _ => None,
        };
        json!({ "id": item.id, "status": status.unwrap_or(StatusCode::BAD_REQUEST).as_u16(), "headers": {} })
    };
    Json(json!({ "responses": batch.requests.iter().map(answer).collect::<Vec<Value>>() }))
}
