//! Stand-ins for Entra ID, Graph and XPhone: as little as the gateway asks for during a scenario, and true.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{get, post, put};
use axum::{Json, Router};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::Failure;
use crate::posts::words;
use crate::surroundings::people::People;
use crate::surroundings::welcome;

/// What the other systems know.
pub struct World {
    people: Arc<People>,
    places: HashMap<Uuid, usize>,
    per_user: usize,
    /// How many notifications about each person have been sent.
    told: Vec<AtomicUsize>,
    appointments: Mutex<HashMap<Uuid, HashMap<String, Value>>>,
}

/// The stand-ins, running until dropped.
pub struct StandIns {
    /// What they know.
    pub world: Arc<World>,
    /// Their address, without a slash at the end.
    pub address: String,
    _running: JoinSet<std::io::Result<()>>,
}

impl StandIns {
    /// Starts them on the loopback.
    pub async fn start(people: Arc<People>, per_user: usize, published_keys: Value) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let world = Arc::new(World {
            places: people.teams.iter().copied().zip(0..).collect(),
            told: people.teams.iter().map(|_| AtomicUsize::new(0)).collect(),
            people,
            per_user,
            appointments: Mutex::default(),
        });
        let router = Router::new()
            .route("/graph/v1.0/communications/getPresencesByUserId", post(presences))
            .route("/xphone/api/v1/presence", get(entries))
            .route("/xphone/api/v1/presence/events", get(no_events))
            .route("/xphone/api/v1/appointments", get(appointments))
            .route("/xphone/api/v1/users/{user}/appointments/{key}", put(set_appointment).delete(delete_appointment))
            .with_state(Arc::clone(&world))
            .merge(welcome::router(&address, published_keys));
        let mut running = JoinSet::new();
        running.spawn(async move { axum::serve(listener, router).await });
        Ok(Self { world, address, _running: running })
    }
}

impl World {
    /// From now on reads tell what this notification tells, unless they tell something newer.
    pub fn tell(&self, (person, told_before): (usize, usize)) {
        self.told[person].fetch_max(told_before + 1, Ordering::SeqCst);
    }

    /// How many people have an appointment.
    pub fn people_with_appointment(&self) -> usize {
        self.all_appointments(|all| all.values().filter(|one| !one.is_empty()).count())
    }

    fn all_appointments<T>(&self, look: impl FnOnce(&mut HashMap<Uuid, HashMap<String, Value>>) -> T) -> T {
        look(&mut self.appointments.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

type Known = State<Arc<World>>;

#[derive(Deserialize)]
struct Ids {
    ids: Vec<Uuid>,
}

async fn presences(State(world): Known, Json(asked): Json<Ids>) -> Json<Value> {
    let presence = |id: &Uuid| {
        let told = world.told[*world.places.get(id)?].load(Ordering::SeqCst);
        let (availability, activity) = words(told, world.per_user);
        Some(json!({ "id": id, "availability": availability, "activity": activity }))
    };
    Json(json!({ "value": asked.ids.iter().filter_map(presence).collect::<Vec<Value>>() }))
}

/// Nothing ever happens in XPhone.
async fn no_events() -> Body {
    Body::from_stream(futures::stream::pending::<Result<String, std::io::Error>>())
}

async fn entries(State(world): Known) -> Json<Value> {
    let people = &world.people;
    let entries: Vec<Value> = world.all_appointments(|all| {
        let entry = |user: &Uuid| {
            let shown = all.get(user).and_then(|keyed| keyed.values().next());
            json!({
                "userGuid": user,
                "presenceStateGuid": if shown.is_some() { people.busy } else { people.available },
                "profileGuid": shown.map(|shown| &shown["profileGuid"]),
                "origin": shown.map(|shown| &shown["origin"]),
                "telephoneState": 0, "meeting": "none", "clientConnected": true,
            })
        };
        people.xphone.iter().map(entry).collect()
    });
    Json(json!({ "sequence": 1, "entries": entries }))
}

async fn appointments(State(world): Known) -> Json<Value> {
    let listed: Vec<Value> = world.all_appointments(|all| {
        let keyed = all.iter().flat_map(|(user, keyed)| keyed.iter().map(move |(key, one)| (user, key, one)));
        let listed = keyed.map(|(user, key, appointment)| {
            let mut listed = appointment.clone();
            listed["userGuid"] = json!(user);
            listed["key"] = json!(key);
            listed
        });
        listed.collect()
    });
    Json(json!(listed))
}

async fn set_appointment(
    State(world): Known,
    Path((user, key)): Path<(Uuid, String)>,
    Json(appointment): Json<Value>,
) -> StatusCode {
    world.all_appointments(|all| all.entry(user).or_default().insert(key, appointment));
    StatusCode::NO_CONTENT
}

async fn delete_appointment(State(world): Known, Path((user, key)): Path<(Uuid, String)>) -> StatusCode {
    world.all_appointments(|all| all.get_mut(&user).and_then(|keyed| keyed.remove(&key)));
    StatusCode::NO_CONTENT
}
