//! Who calls: holders of the bootstrap token or an API token, workstations, and people who signed in with Entra ID.

mod entra;
mod limiter;
mod pace;
mod permit;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::ConnectInfo;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use crate::clock::Clock;
use crate::config::Oidc;
use crate::domain::ids::{LocationGuid, TeamsUserId};
use crate::http::problem::{Kind, Problem};
use crate::store::api_token::{self, Role};
use crate::store::audit::{Actor, Entry, Target};
use crate::store::workstation::{self, Workstation};
use crate::store::{Store, StoreError};
use entra::Entra;
use limiter::Limiter;
use pace::Pace;

pub use permit::{
    Administrator, Anybody, LocalOperator, LocalViewer, Operator, OperatorNotSelf, OperatorOrSelf, Reporter, Viewer, ViewerOrOwn,
    ViewerOrSelf,
};

/// Finds out who calls; clones share what they know.
#[derive(Clone)]
pub struct Auth(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    bootstrap: Option<SecretString>,
    entra: Option<Entra>,
    limiter: Limiter,
    pace: Pace,
}

impl std::fmt::Debug for Auth {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Auth")
    }
}

/// Who calls, and what they may.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// As the audit log knows them.
    pub actor: Actor,
    /// What they may do; `None`: nothing but with their own user.
    pub role: Option<Role>,
    /// All that they reach; `None`: everything.
    pub location: Option<LocationGuid>,
    /// Who they are in Teams, if they are a person.
    pub teams: Option<TeamsUserId>,
    /// Which workstation, if they are one.
    pub workstation: Option<Workstation>,
    /// Where they call from.
    pub remote: IpAddr,
}

impl Caller {
    /// Who they are, in a word or two.
    pub fn describe(&self) -> String {
        let kind = self.actor.kind();
        self.actor.name().map_or_else(|| kind.to_owned(), |name| format!("{kind} {name}"))
    }

    /// An entry of the audit log about something they do.
    pub fn entry(&self, action: &'static str, target: Target) -> Entry<'_> {
        Entry { actor: &self.actor, remote: Some(self.remote), action, target, before: None, after: None }
    }
}

impl Auth {
    /// Lets in who knows the bootstrap token, holds an API token or signed in with Entra ID.
    #[must_use]
    pub fn new(store: Store, clock: Clock, bootstrap: Option<SecretString>, entra: Option<(&Oidc, reqwest::Client)>) -> Self {
        let entra = entra.map(|(settings, http)| Entra::new(settings, http, clock.clone()));
        let (limiter, pace) = (Limiter::new(clock.clone()), Pace::new(clock.clone()));
        Self(Arc::new(Inner { store, clock, bootstrap, entra, limiter, pace }))
    }

    /// People without a role change little about themselves, and not again and again.
    fn step(&self, person: TeamsUserId) -> Result<(), Problem> {
        self.0.pace.step(person).map_err(|wait| {
            let detail = format!("you changed a lot within ten minutes; try again in {} s", wait.as_secs().max(1));
            Problem::new(Kind::TooManyChanges, detail).retry_after(wait)
        })
    }

    async fn caller(&self, parts: &Parts) -> Result<Caller, Problem> {
        let from = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(from)| from.ip().to_canonical());
        let remote = from.ok_or_else(|| Problem::new(Kind::Internal, "it is not known where this request came from"))?;
        let Some(token) = bearer(&parts.headers) else {
            let detail = "send `Authorization: Bearer` with a token of `presence-gateway token create`, or of Entra ID";
            return Err(Problem::new(Kind::NotSignedIn, detail));
        };
        let limiter = &self.0.limiter;
        let _turn = limiter.turn(remote).await;
        match self.0.find(token, remote).await {
            Ok(caller) => Ok(caller),
            Err(NotIn::Failed(detail)) => Err(match limiter.note_failure(remote) {
                None => Problem::new(Kind::NotSignedIn, detail),
                Some(wait) => {
                    let detail = format!("too many log-ins failed; try again in {} s", wait.as_secs().max(1));
                    Problem::new(Kind::TooManyFailures, detail).retry_after(wait)
                }
            }),
            Err(NotIn::Told(problem)) => Err(problem),
        }
    }
}

/// Why somebody is not let in.
enum NotIn {
    /// The token is not good; it counts.
    Failed(String),
    /// Anything else.
    Told(Problem),
}

impl From<StoreError> for NotIn {
    fn from(error: StoreError) -> Self {
        Self::Told(error.into())
    }
}

impl Inner {
    async fn find(&self, token: &str, remote: IpAddr) -> Result<Caller, NotIn> {
        let everywhere = |actor, role| Caller { actor, role, location: None, teams: None, workstation: None, remote };
        if self.bootstrap.as_ref().is_some_and(|ours| ours.expose_secret().as_bytes().ct_eq(token.as_bytes()).into()) {
            return Ok(everywhere(Actor::Bootstrap, Some(Role::Admin)));
        }
        if token.starts_with(api_token::PREFIX) {
            let found = self.store.find_api_token(token, self.clock.now()).await?;
            let found = found.ok_or_else(|| NotIn::Failed("the token is unknown or was revoked".to_owned()))?;
            return Ok(Caller { location: found.location, ..everywhere(Actor::Token(found.name), Some(found.role)) });
        }
        if token.starts_with(workstation::PREFIX) {
            let found = self.store.find_workstation(token, self.clock.now()).await?;
            let found = found.ok_or_else(|| NotIn::Failed("the token is unknown, or its workstation was removed".to_owned()))?;
            let actor = Actor::Workstation(found.name.clone());
            return Ok(Caller { workstation: Some(found), ..everywhere(actor, None) });
        }
        let Some(entra) = &self.entra else { return Err(NotIn::Failed("the token is unknown".to_owned())) };
        match entra.verify(token).await {
            Ok(person) => Ok(Caller { teams: person.teams, ..everywhere(Actor::Person(person.id), person.role) }),
            Err(entra::Refusal::Keys(unavailable)) => {
                let problem = Problem::new(Kind::SignInUnavailable, unavailable.to_string());
                Err(NotIn::Told(problem.retry_after(unavailable.retry_after)))
            }
            // Whoever leaves a page open overnight guesses nothing.
            Err(refusal @ entra::Refusal::NotInTime) => {
                Err(NotIn::Told(Problem::new(Kind::NotSignedIn, format!("the token is not good: {refusal}"))))
            }
            Err(refusal @ entra::Refusal::NotGenuine(_)) => Err(NotIn::Failed(format!("the token is not good: {refusal}"))),
        }
    }
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("Bearer") && !token.is_empty()).then_some(token)
}
