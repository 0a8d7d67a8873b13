//! Requests to Graph: within the budget, never into a closed gate, each with an answer the caller can act on.

mod budget;
mod class;
mod error;
mod presences;
mod subscriptions;
mod users;
mod writes;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::SignedDuration;
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Method, RequestBuilder, StatusCode};
use serde::de::DeserializeOwned;
use url::Url;
use uuid::Uuid;

use budget::Budget;

pub use budget::Spent;
pub use class::Class;
pub use error::{Error, Waiting};
pub use presences::{Bisected, PRESENCES_MAX, PresenceRead};
pub use subscriptions::{EncryptionCertificate, NewSubscription, Subscription, presences_resource};
pub use users::{ChangesPage, Next, NextLink};
pub use writes::{PresenceWrite, WRITES_MAX};

use super::token::{AccessToken, Identity};
use super::wire;
use crate::clock::Clock;
use crate::config::Graph;
use crate::gate::Gate;
use crate::trace;

/// How long Graph is left alone when it throttles without saying for how long: its limits count over 30 s.
const THROTTLED_UNSTATED: Duration = Duration::from_secs(30);

/// What kind of request it is: each has a gate of its own, and its own line in the metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Endpoint {
    /// Reading the directory.
    Users,
    /// Reading presences.
    Presences,
    /// Creating, renewing, listing, deleting subscriptions.
    Subscriptions,
    /// Setting and clearing presences, alone or each as a part of a batch.
    PresenceWrites,
    /// What carries several presence writes at once.
    Batch,
}

impl Endpoint {
    /// Every one, in the order of their gates.
    pub const ALL: [Self; 5] = [Self::Users, Self::Presences, Self::Subscriptions, Self::PresenceWrites, Self::Batch];

    /// For metrics and logs.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Users => "users",
            Self::Presences => "presences",
            Self::Subscriptions => "subscriptions",
            Self::PresenceWrites => "presence_writes",
            Self::Batch => "batch",
        }
    }
}

/// What became of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Graph answered with this status.
    Status(u16),
    /// Not sent: the budget is used up.
    OverBudget,
    /// Not sent: Graph asked to wait.
    GateClosed,
    /// No answer.
    Unreachable,
}

impl Outcome {
    /// For metrics and logs: the status, or why there is none.
    #[must_use]
    pub fn label(self) -> String {
        match self {
            Self::Status(status) => status.to_string(),
            Self::OverBudget => "over_budget".to_owned(),
            Self::GateClosed => "gate_closed".to_owned(),
            Self::Unreachable => "unreachable".to_owned(),
        }
    }
}

/// A request as the gates and the budget see it.
#[derive(Clone, Copy, Debug)]
struct Call {
    endpoint: Endpoint,
    class: Class,
}

/// Is told of every request, for the metrics.
pub type Observer = Arc<dyn Fn(Endpoint, Outcome) + Send + Sync>;

/// Asks Graph. Share one among all tasks: it holds the request budget.
pub struct Client {
    http: reqwest::Client,
    base_url: Url,
    identity: Identity,
    /// The id of our presence sessions: Graph wants the app's own.
    session_id: Uuid,
    budget: Budget,
    /// One for each kind of request: what Graph throttled stays closed, and nothing else does. See [`Self::gate`].
    gates: [Gate; Endpoint::ALL.len()],
    clock: Clock,
    /// How far our clock was ahead of Graph's at its last answer, in milliseconds.
    ahead_of_graph: AtomicI64,
    observer: Observer,
}

/// No answer has told what time it is.
const AHEAD_UNKNOWN: i64 = i64::MIN;

/// Whose token a request carries.
#[derive(Clone, Copy)]
enum Bearer<'a> {
    App,
    Account(&'a AccessToken),
}

impl Client {
    /// Prepares to ask Graph as `identity`; asks for nothing yet. Make `http` with [`super::http_client`].
    #[must_use]
    pub fn new(config: &Graph, identity: Identity, http: reqwest::Client, clock: Clock, observer: Observer) -> Self {
        let budget = Budget::new(config.requests_per_30_seconds_max, clock.clone());
        let gates = Endpoint::ALL.map(|_| Gate::new(clock.clone()));
        let (base_url, session_id) = (config.base_url.clone(), config.client_id);
        let ahead_of_graph = AtomicI64::new(AHEAD_UNKNOWN);
        Self { http, base_url, identity, session_id, budget, gates, clock, ahead_of_graph, observer }
    }

    /// How many requests could be sent right now without waiting.
    #[must_use]
    pub fn budget_remaining(&self) -> u32 {
        self.budget.remaining()
    }

    /// So many replicas ask Graph now, each with an even part of the budget; tells this one's part, in requests per 30 seconds.
    pub fn share_budget_among(&self, replicas: u32) -> u32 {
        self.budget.share_among(replicas)
    }

    /// What each class of requests has had of the budget since this was last asked.
    #[must_use]
    pub fn take_budget_tally(&self) -> [(Class, Spent); Class::ALL.len()] {
        self.budget.take_tally()
    }

    /// How far our clock was ahead of Graph's at its last answer, within about a second; `None`: no answer said what time it was.
    #[must_use]
    pub fn ahead_of_graph(&self) -> Option<SignedDuration> {
        let ahead = self.ahead_of_graph.load(Ordering::Relaxed);
        (ahead != AHEAD_UNKNOWN).then(|| SignedDuration::from_millis(ahead))
    }

    /// As whom the client asks when no account's token is given.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let base = self.base_url.as_str().trim_end_matches('/');
        self.http.request(method, format!("{base}/v1.0/{path}"))
    }

    async fn ask<T: DeserializeOwned>(&self, call: Call, bearer: Bearer<'_>, request: RequestBuilder) -> Result<T, Error> {
        let answer = self.send(call, bearer, request).await?;
        serde_json::from_slice(&answer).map_err(|error| Error::unclear(call.endpoint, error))
    }

    /// With the app's own token a refused one is replaced and the request repeated, once.
    async fn send(&self, call: Call, bearer: Bearer<'_>, request: RequestBuilder) -> Result<Vec<u8>, Error> {
        match bearer {
            Bearer::Account(token) => self.send_once(call, token, request).await,
            Bearer::App => self.send_as_app(call, request).await,
        }
    }

    async fn send_as_app(&self, call: Call, request: RequestBuilder) -> Result<Vec<u8>, Error> {
        let again = request.try_clone();
        let token = self.identity.token().await?;
        match (self.send_once(call, &token, request).await, again) {
            (Err(Error::TokenRefused), Some(again)) => {
                self.identity.invalidate(&token);
                let token = self.identity.token().await?;
                self.send_once(call, &token, again).await
            }
            (answer, _) => answer,
        }
    }

    async fn send_once(&self, call: Call, token: &AccessToken, request: RequestBuilder) -> Result<Vec<u8>, Error> {
        self.may_send(call)?;
        self.exchange(call.endpoint, token, request).await
    }

    /// Sends what may be sent.
    async fn exchange(&self, endpoint: Endpoint, token: &AccessToken, request: RequestBuilder) -> Result<Vec<u8>, Error> {
        let span = trace::call("graph", endpoint.label());
        let answer = trace::within(span.as_ref(), self.answer(endpoint, token, request)).await;
        if let (Some(span), true) = (span, answer.is_err()) {
            span.fail("not carried out".to_owned());
        }
        answer
    }

    async fn answer(&self, endpoint: Endpoint, token: &AccessToken, request: RequestBuilder) -> Result<Vec<u8>, Error> {
        let mut bearer = HeaderValue::try_from(format!("Bearer {}", token.expose())).map_err(|_| Error::TokenRefused)?;
        bearer.set_sensitive(true);
        let response = match request.header(AUTHORIZATION, bearer).send().await {
            Ok(response) => response,
            Err(error) => return Err(self.broken(endpoint, wire::reason(&error), !error.is_connect())),
        };
        let (status, now) = (response.status(), self.clock.now());
        if let Some(date) = wire::date(response.headers()) {
            self.ahead_of_graph
                .store(now.duration_since(date).as_millis().try_into().unwrap_or(AHEAD_UNKNOWN), Ordering::Relaxed);
        }
        trace::note("http.response.status_code", i64::from(status.as_u16()));
        let retry_after = wire::retry_after(response.headers(), now);
        let body = wire::body(response).await.map_err(|reason| self.broken(endpoint, reason, true))?;
        self.sort(endpoint, status, retry_after, body)
    }

    fn may_send(&self, Call { endpoint, class }: Call) -> Result<(), Error> {
        self.gate(endpoint).pass().map_err(|wait| self.hold_back(endpoint, wait, Waiting::GateClosed))?;
        self.budget.spend(class).map_err(|wait| self.hold_back(endpoint, wait, Waiting::Budget))
    }

    /// A batch has no gate of its own: what throttles it throttles the writes in it.
    fn gate(&self, endpoint: Endpoint) -> &Gate {
        let gate = if endpoint == Endpoint::Batch { Endpoint::PresenceWrites } else { endpoint };
        &self.gates[gate as usize]
    }

    fn hold_back(&self, endpoint: Endpoint, retry_after: Duration, waiting: Waiting) -> Error {
        let is_over_budget = waiting == Waiting::Budget;
        (self.observer)(endpoint, if is_over_budget { Outcome::OverBudget } else { Outcome::GateClosed });
        Error::Wait { retry_after, waiting }
    }

    fn broken(&self, endpoint: Endpoint, reason: String, maybe_applied: bool) -> Error {
        (self.observer)(endpoint, Outcome::Unreachable);
        Error::Retry { reason, maybe_applied }
    }

    /// Tells the observer of an answer, closes the gate if the answer asks for it, and says what the answer means.
    fn sort(&self, endpoint: Endpoint, status: StatusCode, wait: Option<Duration>, body: Vec<u8>) -> Result<Vec<u8>, Error> {
        (self.observer)(endpoint, Outcome::Status(status.as_u16()));
        tracing::debug!(endpoint = endpoint.label(), status = status.as_u16(), "Graph answered");
        let asked_to_wait = match status {
            StatusCode::TOO_MANY_REQUESTS => Some(wait.unwrap_or(THROTTLED_UNSTATED)),
            StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT => wait,
            _ => None,
        };
        if let Some(retry_after) = asked_to_wait {
            self.gate(endpoint).close(retry_after);
            return Err(Error::Wait { retry_after, waiting: Waiting::Throttled });
        }
        match status {
            _ if status.is_success() => Ok(body),
            StatusCode::UNAUTHORIZED => Err(Error::TokenRefused),
            // In a batch a request fails with 424 through no fault of its own.
            StatusCode::REQUEST_TIMEOUT | StatusCode::FAILED_DEPENDENCY => Err(error::failed(status)),
            _ if status.is_server_error() => Err(error::failed(status)),
            _ => Err(error::refused(status, &body)),
        }
    }
}

#[cfg(test)]
mod tests;
