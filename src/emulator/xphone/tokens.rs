//! Log-in: access tokens for half an hour, refresh tokens for four days that are good for one use.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use axum::extract::State;
use axum::routing::post;
use axum::{Json, Router};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::{Uuid, uuid};

use super::extract::Body;
use super::guid::Guid;
use super::refusal::Refusal;
use super::server::Server;

const TOKEN_LIFETIME: SignedDuration = SignedDuration::from_mins(30);
const REFRESH_TOKEN_LIFETIME: SignedDuration = SignedDuration::from_hours(4 * 24);
/// The oldest session ends when one more is opened.
const SESSIONS_MAX: usize = 1000;
/// `result` of a log-in that succeeded, and of one with a wrong name or password.
const RESULT_DONE: u32 = 0;
const RESULT_REFUSED: u32 = 1;
const ACCOUNT_GUID: Guid = Guid::fixed(uuid!("7d1c5f0a-2b64-4c1e-9a0f-58a3c4d2e900"));

pub fn router() -> Router<Arc<Server>> {
    Router::new().route("/api/v1/user/authenticate", post(authenticate)).route("/api/v1/user/refreshToken", post(refresh))
}

/// The API account, and the tokens it holds.
pub struct Tokens {
    account_name: String,
    password: String,
    access: HashMap<String, Timestamp>,
    sessions: BTreeMap<Guid, Session>,
}

struct Session {
    token: String,
    refresh_token: String,
    refresh_expires: Timestamp,
}

/// A pair of tokens as it is handed out; times in Unix milliseconds.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct TokenPair {
    token: String,
    token_expires_at: i64,
    refresh_token: String,
    refresh_token_expires_at: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct LogIn {
    account_name: String,
    password: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Renewal {
    token: String,
    refresh_token: String,
    session_guid: Guid,
}

impl Tokens {
    pub fn new(account_name: String, password: String) -> Self {
        Self { account_name, password, access: HashMap::new(), sessions: BTreeMap::new() }
    }

    /// Whether the access token is one of ours and still valid.
    pub fn admits(&self, token: &str, now: Timestamp) -> bool {
        self.access.get(token).is_some_and(|&expires| now < expires)
    }

    fn log_in(&mut self, request: &LogIn, now: Timestamp) -> Option<(Guid, TokenPair)> {
        if !request.account_name.eq_ignore_ascii_case(&self.account_name) || request.password != self.password {
            return None;
        }
        let oldest = self.sessions.iter().min_by_key(|(_, session)| session.refresh_expires).map(|(&guid, _)| guid);
        if self.sessions.len() >= SESSIONS_MAX
            && let Some(oldest) = oldest
        {
            self.sessions.remove(&oldest);
        }
        let session = Guid::new();
        Some((session, self.hand_out(session, now)))
    }

    /// Swaps both tokens of a session for new ones; the refresh token cannot be used again.
    fn refresh(&mut self, request: &Renewal, now: Timestamp) -> Option<TokenPair> {
        let session = self.sessions.get(&request.session_guid)?;
        let fits = session.token == request.token && session.refresh_token == request.refresh_token;
        (fits && now < session.refresh_expires).then(|| self.hand_out(request.session_guid, now))
    }

    fn hand_out(&mut self, session: Guid, now: Timestamp) -> TokenPair {
        self.access.retain(|_, expires| now < *expires);
        let (token, refresh_token) = (secret(), secret());
        let (expires, refresh_expires) = (now + TOKEN_LIFETIME, now + REFRESH_TOKEN_LIFETIME);
        self.access.insert(token.clone(), expires);
        self.sessions.insert(session, Session { token: token.clone(), refresh_token: refresh_token.clone(), refresh_expires });
        TokenPair {
            token,
            token_expires_at: expires.as_millisecond(),
            refresh_token,
            refresh_token_expires_at: refresh_expires.as_millisecond(),
        }
    }

    /// Access tokens end now; they can still be refreshed.
    pub fn expire(&mut self) {
        self.access.clear();
    }

    /// Sessions end now; whoever comes has to log in.
    pub fn forget(&mut self) {
        self.access.clear();
        self.sessions.clear();
    }
}

fn secret() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

async fn authenticate(State(server): State<Arc<Server>>, Body(request): Body<LogIn>) -> Json<Value> {
    let Some((session, tokens)) = server.look(|state, now| state.tokens.log_in(&request, now)) else {
        return Json(json!({ "result": RESULT_REFUSED }));
    };
    Json(json!({
        "result": RESULT_DONE,
        "userData": {
            "guid": ACCOUNT_GUID,
            "displayName": request.account_name,
            "distinguishedName": format!("cn={} {ACCOUNT_GUID}, ou=Organisation", request.account_name),
        },
        "tokenData": tokens,
        "sessionGuid": session,
    }))
}

async fn refresh(State(server): State<Arc<Server>>, Body(request): Body<Renewal>) -> Result<Json<TokenPair>, Refusal> {
    server.look(|state, now| state.tokens.refresh(&request, now)).map(Json).ok_or(Refusal::NoToken)
}
