//! XPhone: keeps appointments, tells everybody's presence, and every change of it in a stream that never ends.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::routing::{get, put};
use axum::{Json, Router};
use futures::stream;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::watch;
use uuid::Uuid;

use super::{Arrived, Places};
use crate::ledger::Ledger;
use crate::plan::Direction;
use crate::surroundings::people::People;
use crate::wire::{self, Shown};

/// What XPhone knows.
pub struct Xphone {
    places: Places,
    available: Uuid,
    busy: Uuid,
    now: Mutex<Now>,
    /// The number of the latest event.
    raised: watch::Sender<usize>,
    ledger: Arc<Ledger>,
}

struct Now {
    people: Vec<Shown>,
    /// All events there ever were; the first has the number 1.
    events: Vec<Bytes>,
}

pub fn router(xphone: &Arc<Xphone>) -> Router {
    Router::new()
        .route("/xphone/api/v1/presence", get(snapshot))
        .route("/xphone/api/v1/presence/events", get(follow))
        .route("/xphone/api/v1/appointments", get(appointments))
        .route("/xphone/api/v1/users/{user}/appointments/{key}", put(set).delete(remove))
        .with_state(Arc::clone(xphone))
}

impl Xphone {
    pub fn new(people: &People, ledger: Arc<Ledger>) -> Self {
        let shown = |user: &Uuid| Shown { user: *user, in_call: false, status: people.available, appointment: None };
        let now = Now { people: people.xphone.iter().map(shown).collect(), events: Vec::new() };
        let (places, (available, busy)) = (Places::of(&people.xphone), (people.available, people.busy));
        Self { places, available, busy, now: Mutex::new(now), raised: watch::Sender::new(0), ledger }
    }

    pub fn change(&self, person: usize, in_call: bool) {
        self.raise(person, "telephone", |shown| shown.in_call = in_call);
    }

    /// Something changes, and whoever listens is told of it.
    fn raise(&self, person: usize, changed: &str, change: impl FnOnce(&mut Shown)) {
        let mut now = self.now();
        change(&mut now.people[person]);
        let number = now.events.len() + 1;
        let event = wire::event(number as u64, changed, &now.people[person]);
        now.events.push(event);
        self.raised.send_replace(number);
    }

    fn keep(&self, user: Uuid, appointment: Option<Value>, arrived: Arrived) -> StatusCode {
        let Some(person) = self.places.find(user) else { return StatusCode::NOT_FOUND };
        self.ledger.arrive(Direction::TeamsToXphone, person, appointment.is_some(), arrived.0);
        self.raise(person, "presence", |shown| {
            shown.status = if appointment.is_some() { self.busy } else { self.available };
            shown.appointment = appointment;
        });
        StatusCode::NO_CONTENT
    }

    fn now(&self) -> MutexGuard<'_, Now> {
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

type Known = State<Arc<Xphone>>;

async fn snapshot(State(xphone): Known) -> Json<Value> {
    let now = xphone.now();
    let entries: Vec<Value> = now.people.iter().map(wire::entry).collect();
    Json(json!({ "sequence": now.events.len(), "entries": entries }))
}

#[derive(Deserialize)]
struct Since {
    since: usize,
}

async fn follow(State(xphone): Known, Query(Since { since }): Query<Since>) -> Body {
    let raised = xphone.raised.subscribe();
    let next = async |(xphone, mut raised, told): (Arc<Xphone>, watch::Receiver<usize>, usize)| {
        let number = *raised.wait_for(|number| *number > told).await.ok()?;
        let events: Vec<u8> = xphone.now().events[told..number].concat();
        Some((Ok::<_, io::Error>(Bytes::from(events)), (xphone, raised, number)))
    };
    Body::from_stream(stream::unfold((xphone, raised, since), next))
}

async fn appointments(State(xphone): Known) -> Json<Value> {
    let now = xphone.now();
    let listed = now.people.iter().filter_map(|shown| {
        let mut listed = shown.appointment.clone()?;
        listed["userGuid"] = json!(shown.user);
        Some(listed)
    });
    Json(Value::Array(listed.collect()))
}

async fn set(
    arrived: Arrived,
    State(xphone): Known,
    Path((user, key)): Path<(Uuid, String)>,
    Json(mut appointment): Json<Value>,
) -> StatusCode {
    appointment["key"] = json!(key);
    xphone.keep(user, Some(appointment), arrived)
}

async fn remove(arrived: Arrived, State(xphone): Known, Path((user, _)): Path<(Uuid, String)>) -> StatusCode {
    xphone.keep(user, None, arrived)
}
