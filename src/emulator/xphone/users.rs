//! Lists people page by page, and what everybody shows.

use std::ops::Bound;
use std::sync::Arc;

use axum::extract::State;
use axum::routing::get;
use axum::{Json, Router};
use serde::{Deserialize, Serialize};

use super::directory::{Profile, User};
use super::extract::InQuery;
use super::guid::Guid;
use super::presence::Entry;
use super::refusal::Refusal;
use super::server::Server;

/// How many users one page may hold.
const LIMIT_MAX: usize = 1000;
const LIMIT_DEFAULT: usize = 100;

pub fn router() -> Router<Arc<Server>> {
    Router::new().route("/api/v1/users", get(users)).route("/api/v1/presence", get(snapshot))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Page {
    after: Option<Guid>,
    limit: Option<usize>,
}

/// A user as lists show them.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ListedUser {
    guid: Guid,
    email: String,
    account_name: String,
    display_name: String,
    distinguished_name: String,
    profiles: Vec<ListedProfile>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListedProfile {
    guid: Guid,
    name: String,
    presence_state_guid: Guid,
    active: bool,
}

impl From<&Profile> for ListedProfile {
    fn from(profile: &Profile) -> Self {
        let Profile { guid, name, kind, active } = profile;
        Self { guid: *guid, name: name.clone(), presence_state_guid: kind.guid(), active: *active }
    }
}

impl From<&User> for ListedUser {
    fn from(user: &User) -> Self {
        Self {
            guid: user.guid,
            email: user.email.clone(),
            account_name: user.account_name.clone(),
            display_name: user.display_name.clone(),
            distinguished_name: user.distinguished_name(),
            profiles: user.profiles.iter().map(ListedProfile::from).collect(),
        }
    }
}

#[derive(Serialize)]
struct UserPage {
    users: Vec<ListedUser>,
    /// Give this as `after` to go on; `None`: that was all.
    next: Option<Guid>,
}

#[derive(Serialize)]
struct Snapshot {
    sequence: u64,
    entries: Vec<Entry>,
}

async fn users(State(server): State<Arc<Server>>, InQuery(page): InQuery<Page>) -> Result<Json<UserPage>, Refusal> {
    let limit = page.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Refusal::bad(format!("limit must be 1 to {LIMIT_MAX}")));
    }
    let after = page.after.map_or(Bound::Unbounded, Bound::Excluded);
    Ok(Json(server.look(|state, _| {
        let mut rest = state.users.range((after, Bound::Unbounded)).map(|(_, user)| user).filter(|user| user.listed);
        let users: Vec<_> = rest.by_ref().take(limit).map(ListedUser::from).collect();
        let next = rest.next().and(users.last()).map(|last| last.guid);
        UserPage { users, next }
    })))
}

async fn snapshot(State(server): State<Arc<Server>>) -> Json<Snapshot> {
    Json(server.look(|state, _| Snapshot {
        sequence: state.feed.sequence(),
        entries: state.users.values().map(|user| user.published.clone()).collect(),
    }))
}
