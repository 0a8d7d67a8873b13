//! The directory: `GET /v1.0/users`, page by page, and one user.

use std::collections::HashMap;
use std::ops::Bound;
use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use url::Url;
use uuid::Uuid;

use super::refusal::Refusal;
use super::state::{Emulator, User};
use super::tokens::Caller;

/// What Graph answers where nothing is selected; `accountEnabled` is not in it.
pub const DEFAULT_PROPERTIES: [&str; 11] = [
    "businessPhones",
    "displayName",
    "givenName",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
    "id",
];

const DEFAULT_PAGE_USERS: usize = 100;
const MAX_PAGE_USERS: usize = 999;

/// A checked query.
struct Listing {
    properties: Vec<String>,
    page_users: usize,
    after: Option<Uuid>,
    enabled: Option<bool>,
}

/// `GET /v1.0/users`
pub async fn list(
    State(emulator): State<Arc<Emulator>>,
    headers: HeaderMap,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<Value>, Refusal> {
    directory_reader(&emulator, &headers)?;
    let listing = Listing::parse(&query)?;
    let (page, last) = emulator.look(|world| {
        let start = listing.after.map_or(Bound::Unbounded, Bound::Excluded);
        let wanted = |user: &&User| listing.enabled.is_none_or(|enabled| user.is_enabled() == enabled);
        let mut rest = world.users.range((start, Bound::Unbounded)).filter(|(_, user)| wanted(user));
        let page: Vec<_> = rest.by_ref().take(listing.page_users).collect();
        let last = rest.next().and(page.last()).map(|(id, _)| **id);
        (page.iter().map(|(_, user)| listing.select(user)).collect::<Vec<_>>(), last)
    });
    let mut body = json!({ "@odata.context": format!("{}/v1.0/$metadata#users", emulator.base_url), "value": page });
    if let Some(last) = last {
        body["@odata.nextLink"] = Value::from(next_link(&emulator.base_url, &query, last));
    }
    Ok(Json(body))
}

/// `GET /v1.0/users/{id or userPrincipalName}`
pub async fn one(
    State(emulator): State<Arc<Emulator>>,
    headers: HeaderMap,
    Path(key): Path<String>,
    Query(query): Query<HashMap<String, String>>,
) -> Result<Json<Value>, Refusal> {
    directory_reader(&emulator, &headers)?;
    let listing = Listing::parse(&query)?;
    emulator.look(|world| {
        let id = Uuid::parse_str(&key).ok().or_else(|| world.user_by_name(&key));
        let user = id.and_then(|id| world.users.get(&id));
        let missing = || {
            let message =
                format!("Resource '{key}' does not exist or one of its queried reference-property objects are not present.");
            Refusal::new(StatusCode::NOT_FOUND, "Request_ResourceNotFound", message)
        };
        user.map(|user| Json(listing.select(user))).ok_or_else(missing)
    })
}

pub fn directory_reader(emulator: &Emulator, headers: &HeaderMap) -> Result<(), Refusal> {
    match emulator.caller(headers)?.who {
        Caller::App => emulator.app_may("User.Read.All"),
        Caller::Delegated { .. } => {
            let message = "Insufficient privileges to complete the operation.";
            Err(Refusal::new(StatusCode::FORBIDDEN, "Authorization_RequestDenied", message))
        }
    }
}

impl Listing {
    fn parse(query: &HashMap<String, String>) -> Result<Self, Refusal> {
        let mut listing = Self {
            properties: DEFAULT_PROPERTIES.map(str::to_owned).to_vec(),
            page_users: DEFAULT_PAGE_USERS,
            after: None,
            enabled: None,
        };
        for (option, value) in query {
            match option.as_str() {
                "$select" => listing.properties = value.split(',').map(|name| name.trim().to_owned()).collect(),
                "$top" => listing.page_users = page_users(value)?,
                "$skiptoken" => listing.after = Some(skipped_to(value).ok_or_else(|| unsupported("Invalid skip token."))?),
                "$filter" => listing.enabled = Some(enabled_filter(value)?),
                "$count" => {}
                _ => return Err(unsupported(format!("The query option '{option}' is not supported."))),
            }
        }
        Ok(listing)
    }

    fn select(&self, user: &User) -> Value {
        let value = |name: &String| user.properties.get(name).cloned().unwrap_or(Value::Null);
        let selected: Map<String, Value> = self.properties.iter().map(|name| (name.clone(), value(name))).collect();
        Value::Object(selected)
    }
}

fn page_users(top: &str) -> Result<usize, Refusal> {
    match top.parse() {
        Ok(users @ 1..=MAX_PAGE_USERS) => Ok(users),
        _ => Err(unsupported(format!("Invalid page size specified: '{top}'. Must be between 1 and {MAX_PAGE_USERS} inclusive."))),
    }
}

fn enabled_filter(filter: &str) -> Result<bool, Refusal> {
    match filter.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["accountEnabled", "eq", value] => value.parse().map_err(|_| unsupported("Invalid filter clause")),
        _ => Err(unsupported("Unsupported or invalid query filter clause specified.")),
    }
}

fn skipped_to(token: &str) -> Option<Uuid> {
    Uuid::from_slice(&URL_SAFE_NO_PAD.decode(token).ok()?).ok()
}

fn next_link(base_url: &str, query: &HashMap<String, String>, last: Uuid) -> String {
    let mut options: Vec<(&str, &str)> = query.iter().map(|(option, value)| (option.as_str(), value.as_str())).collect();
    options.retain(|(option, _)| *option != "$skiptoken");
    options.sort_unstable();
    let token = URL_SAFE_NO_PAD.encode(last.as_bytes());
    options.push(("$skiptoken", &token));
    let base = format!("{base_url}/v1.0/users");
    Url::parse_with_params(&base, &options).map_or(base, Into::into)
}

pub fn unsupported(message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, "Request_UnsupportedQuery", message)
}
