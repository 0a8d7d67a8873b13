//! Questions that change nothing, for whoever wants to know what Graph allows us: one request each, outside budget and gates.

use jiff::Timestamp;
use reqwest::header::{AUTHORIZATION, DATE, HeaderValue};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::token::AccessToken;
use super::wire;
use crate::config::Graph;
use crate::domain::ids::TeamsUserId;

/// The service plan that is Teams.
const TEAMS_PLAN: &str = "57ff2da0-773e-42df-b2af-ffb7a2317929";

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// One user, whoever.
    OneUser,
    /// This user's presence.
    Presences(TeamsUserId),
    /// To clear our session of this user, who should have none.
    ClearSession(TeamsUserId),
    /// What this user is licensed for.
    Plans(TeamsUserId),
}

/// Whom it is asked.
pub struct Probe {
    http: Client,
    base_url: Url,
    session_id: Uuid,
}

/// What Graph says.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Graph's code, where it refuses.
    pub code: String,
    /// What Graph's clock showed.
    pub date: Option<Timestamp>,
    body: Value,
}

impl Probe {
    /// Make `http` with [`super::http_client`].
    #[must_use]
    pub fn new(config: &Graph, http: Client) -> Self {
        Self { http, base_url: config.base_url.clone(), session_id: config.client_id }
    }

    /// Asks once.
    ///
    /// # Errors
    /// Why there was no answer, for people.
    pub async fn ask(&self, token: &AccessToken, question: Question) -> Result<Answer, String> {
        let (method, path, body) = match question {
            Question::OneUser => (Method::GET, "users?$top=1&$select=id".to_owned(), None),
            Question::Presences(user) => {
                (Method::POST, "communications/getPresencesByUserId".to_owned(), Some(json!({ "ids": [user.to_string()] })))
            }
            Question::ClearSession(user) => {
                let body = json!({ "sessionId": self.session_id });
                (Method::POST, format!("users/{user}/presence/clearPresence"), Some(body))
            }
            Question::Plans(user) => (Method::GET, format!("users/{user}?$select=id,assignedPlans"), None),
        };
        let url = format!("{}/v1.0/{path}", self.base_url.as_str().trim_end_matches('/'));
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose())).map_err(|_| "the token is no token")?;
        bearer.set_sensitive(true);
        let mut request = self.http.request(method, url).header(AUTHORIZATION, bearer);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let response = request.send().await.map_err(|error| wire::reason(&error))?;
        let status = response.status().as_u16();
        let date = response.headers().get(DATE).and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date).ok());
        let body: Value = serde_json::from_slice(&wire::body(response).await?).unwrap_or_default();
        let code = body["error"]["code"].as_str().unwrap_or_default().chars().take(60).collect();
        Ok(Answer { status, code, date, body })
    }
}

impl Answer {
    /// The id of the first thing in a list.
    #[must_use]
    pub fn first_id(&self) -> Option<Uuid> {
        self.body["value"][0]["id"].as_str()?.parse().ok()
    }

    /// Whether the user may use Teams; `None`: Graph does not tell.
    #[must_use]
    pub fn has_teams(&self) -> Option<bool> {
        let plans = self.body["assignedPlans"].as_array()?;
        let is_teams = |plan: &Value| {
            plan["servicePlanId"].as_str().is_some_and(|id| id.eq_ignore_ascii_case(TEAMS_PLAN))
                && plan["capabilityStatus"].as_str().is_some_and(|status| status.eq_ignore_ascii_case("Enabled"))
        };
        Some(plans.iter().any(is_teams))
    }
}
