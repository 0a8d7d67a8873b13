//! People who sign in with Entra ID: what their tokens must say.

use serde::Deserialize;
use uuid::Uuid;

use crate::clock::Clock;
use crate::config::Oidc;
use crate::domain::ids::TeamsUserId;
use crate::jwks::{Doubt, KeysUnavailable, SigningKeys, is_in_time};
use crate::store::api_token::Role;

/// Verifies people's tokens. Share one: it holds the keys.
pub struct Entra {
    keys: SigningKeys,
    issuer: String,
    audience: String,
    clock: Clock,
}

/// Who signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// The object id; for a program without one, its subject.
    pub id: String,
    /// The same as a Teams user, if it is an object id.
    pub teams: Option<TeamsUserId>,
    /// The highest role, if there is any.
    pub role: Option<Role>,
}

/// Why a token lets nobody in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is no token of our issuer for us.
    #[error("it {0}")]
    NotGenuine(&'static str),
    /// It was one, or will be.
    #[error("it is not valid at this time")]
    NotInTime,
    /// Nothing can be said.
    #[error(transparent)]
    Keys(#[from] KeysUnavailable),
}

#[derive(Deserialize)]
struct Claims {
    iss: String,
    aud: Audience,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    oid: Option<String>,
    #[serde(default)]
    sub: Option<String>,
    #[serde(default)]
    roles: Vec<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Entra {
    pub fn new(settings: &Oidc, http: reqwest::Client, clock: Clock) -> Self {
        let keys = SigningKeys::new(settings.metadata_url.clone(), http, clock.clone());
        Self { keys, issuer: settings.issuer.clone(), audience: settings.audience.clone(), clock }
    }

    pub async fn verify(&self, token: &str) -> Result<Person, Refusal> {
        self.judge(self.keys.claims(token).await?)
    }

    fn judge(&self, claims: Claims) -> Result<Person, Refusal> {
        if claims.iss != self.issuer {
            return Err(Refusal::NotGenuine("is of another issuer"));
        }
        let is_for_us = match &claims.aud {
            Audience::One(audience) => *audience == self.audience,
            Audience::Several(audiences) => audiences.contains(&self.audience),
        };
        if !is_for_us {
            return Err(Refusal::NotGenuine("is for another audience"));
        }
        if !is_in_time(claims.exp, claims.nbf, self.clock.now()) {
            return Err(Refusal::NotInTime);
        }
        let id = claims.oid.clone().or(claims.sub).ok_or(Refusal::NotGenuine("names nobody"))?;
        let teams = claims.oid.and_then(|oid| oid.parse::<Uuid>().ok()).map(TeamsUserId);
        let role = claims.roles.iter().filter_map(|role| role_named(role)).max();
        Ok(Person { id, teams, role })
    }
}

impl From<Doubt> for Refusal {
    fn from(doubt: Doubt) -> Self {
        match doubt {
            Doubt::NotGenuine(what) => Self::NotGenuine(what),
            Doubt::Keys(unavailable) => Self::Keys(unavailable),
        }
    }
}

fn role_named(role: &str) -> Option<Role> {
    match role {
        "Gateway.Viewer" => Some(Role::Viewer),
        "Gateway.Operator" => Some(Role::Operator),
        "Gateway.Admin" => Some(Role::Admin),
        _ => None,
    }
}
