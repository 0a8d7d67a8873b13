//! Changes of the directory: `GET /v1.0/users/delta`, page by page, then from where the last round ended.
//!
//! As Graph does, the first round tells everybody with what is set, and later rounds tell of each user at least what changed of
//! what was selected. What changes while a round is read is told again in the next.

use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

use super::refusal::Refusal;
use super::state::{Emulator, User, World};
use super::users::{DEFAULT_PROPERTIES, directory_reader, unsupported};

/// Graph remembers for seven days.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(7 * 24);

/// When what changed about whom.
#[derive(Default)]
pub struct Chronicle {
    told: BTreeMap<Uuid, Told>,
    left: BTreeMap<Uuid, Left>,
    /// Places of an earlier generation are no longer known.
    generation: u64,
}

struct Told {
    made: u64,
    properties: BTreeMap<String, u64>,
}

struct Left {
    change: u64,
    reason: &'static str,
}

impl Chronicle {
    /// A user was made or changed.
    pub fn put(&mut self, id: Uuid, before: &Map<String, Value>, after: &Map<String, Value>, change: u64) {
        self.left.remove(&id);
        let told = self.told.entry(id).or_insert_with(|| Told { made: change, properties: BTreeMap::new() });
        for name in before.keys().chain(after.keys()) {
            if before.get(name) != after.get(name) {
                told.properties.insert(name.clone(), change);
            }
        }
    }

    /// A user was deleted, for good or so that they may be restored.
    pub fn remove(&mut self, id: Uuid, for_good: bool, change: u64) {
        self.told.remove(&id);
        self.left.insert(id, Left { change, reason: if for_good { "deleted" } else { "changed" } });
    }

    /// Everybody who was ever told of, in their order, each once: nobody is both there and gone.
    fn ids(&self, after: Bound<Uuid>) -> impl Iterator<Item = Uuid> {
        let mut told = self.told.range((after, Bound::Unbounded)).map(|(id, _)| *id).peekable();
        let mut left = self.left.range((after, Bound::Unbounded)).map(|(id, _)| *id).peekable();
        std::iter::from_fn(move || match (told.peek(), left.peek()) {
            (Some(here), Some(gone)) if gone < here => left.next(),
            (Some(_), _) => told.next(),
            (None, _) => left.next(),
        })
    }

    /// Forgets every place that was ever handed out.
    pub fn forget_places(&mut self) {
        self.generation += 1;
    }
}

/// Where somebody is in the changes.
#[derive(Clone, Serialize, Deserialize)]
struct Place {
    generation: u64,
    handed_out: Timestamp,
    /// Changes up to here were told in earlier rounds.
    since: u64,
    /// Within a round: where the next begins, and whom this one has told.
    within: Option<(u64, Uuid)>,
    properties: Vec<String>,
}

/// `GET /v1.0/users/delta`
pub async fn changes(
    State(emulator): State<Arc<Emulator>>,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Response, Refusal> {
    directory_reader(&emulator, &headers)?;
    let now = emulator.now();
    emulator.look(|world| {
        let place = Place::parse(&query, world.chronicle.generation, now)?;
        if place.generation != world.chronicle.generation || place.handed_out + REMEMBERED < now {
            return Ok(lost(&emulator.base_url));
        }
        Ok(Json(page(world, &emulator.base_url, place, now)).into_response())
    })
}

fn lost(base_url: &str) -> Response {
    let message = "The sync state generation is not found. The delta token is expired and data must be synchronized again.";
    let mut response = Refusal::new(StatusCode::GONE, "syncStateNotFound", message).into_response();
    if let Ok(location) = HeaderValue::from_str(&format!("{base_url}/v1.0/users/delta?$deltatoken=")) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn page(world: &World, base_url: &str, place: Place, now: Timestamp) -> Value {
    let (upto, after) = match place.within {
        Some((upto, after)) => (upto, Bound::Excluded(after)),
        None => (world.last_change(), Bound::Unbounded),
    };
    let chronicle = &world.chronicle;
    let mut told = chronicle.ids(after).filter_map(|id| Some((id, place.describe(world, id)?)));
    let users = world.faults.delta.page_users.max(1);
    let page: Vec<(Uuid, Value)> = told.by_ref().take(users).collect();
    let more = told.next().and(page.last()).map(|(id, _)| *id);
    let value: Vec<Value> = page.into_iter().map(|(_, user)| user).collect();
    let (kind, token, since, within) = match more {
        Some(last) => ("@odata.nextLink", "$skiptoken", place.since, Some((upto, last))),
        None => ("@odata.deltaLink", "$deltatoken", upto, None),
    };
    let next = Place { since, within, handed_out: now, ..place };
    let mut body = json!({ "@odata.context": format!("{base_url}/v1.0/$metadata#users"), "value": value });
    body[kind] = Value::from(next.link(base_url, token));
    body
}

impl Place {
    fn parse(query: &HashMap<String, String>, generation: u64, now: Timestamp) -> Result<Self, Refusal> {
        let properties = DEFAULT_PROPERTIES.map(str::to_owned).to_vec();
        let mut place = Self { generation, handed_out: now, since: 0, within: None, properties };
        for (option, value) in query {
            match option.as_str() {
                "$select" => place.properties = value.split(',').map(|name| name.trim().to_owned()).collect(),
                // What a lost place leads to: everything from the beginning.
                "$deltatoken" if value.is_empty() => {}
                "$deltatoken" | "$skiptoken" => return Self::open(value).ok_or_else(|| unsupported("Invalid token.")),
                _ => return Err(unsupported(format!("The query option '{option}' is not supported."))),
            }
        }
        Ok(place)
    }

    fn open(token: &str) -> Option<Self> {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token).ok()?).ok()
    }

    fn link(&self, base_url: &str, token: &str) -> String {
        let base = format!("{base_url}/v1.0/users/delta");
        let sealed = URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default());
        Url::parse_with_params(&base, [(token, sealed)]).map_or(base, Into::into)
    }

    /// What this round tells of a user; `None`: nothing.
    fn describe(&self, world: &World, id: Uuid) -> Option<Value> {
        if let Some(left) = world.chronicle.left.get(&id) {
            let removed = || json!({ "id": id, "@removed": { "reason": left.reason } });
            return (self.since > 0 && left.change > self.since).then(removed);
        }
        let (user, told) = (world.users.get(&id)?, world.chronicle.told.get(&id)?);
        let is_new = told.made > self.since;
        let wanted = |name: &&String| {
            let changed = told.properties.get(*name).is_some_and(|change| *change > self.since);
            if is_new { user.properties.get(*name).is_some_and(|value| !value.is_null()) } else { changed }
        };
        let mut item = self.select(user, wanted);
        if item.is_empty() && !is_new {
            return None;
        }
        item.insert("id".to_owned(), Value::from(id.to_string()));
        Some(Value::Object(item))
    }

    fn select(&self, user: &User, wanted: impl Fn(&&String) -> bool) -> Map<String, Value> {
        let value = |name: &String| user.properties.get(name).cloned().unwrap_or(Value::Null);
        self.properties.iter().filter(wanted).map(|name| (name.clone(), value(name))).collect()
    }
}
