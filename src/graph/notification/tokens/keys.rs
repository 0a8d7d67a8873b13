//! Entra ID's signing keys: fetched when needed, seldom, once however many wait, and kept when fetching fails.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::DecodingKey;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, MutexGuard};
use url::Url;

use super::KeysUnavailable;
use crate::clock::Clock;
use crate::config::Graph;
use crate::graph::wire;

/// Keys are fetched at most this often, whoever names unknown ones.
const FETCH_PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// As long as there are no keys at all, they are asked for more eagerly.
const FIRST_FETCH_PAUSE: SignedDuration = SignedDuration::from_secs(5);
/// Keys of this age are fetched again when next used, so that withdrawn ones are forgotten.
const OLD: SignedDuration = SignedDuration::from_hours(12);

/// Entra ID's signing keys.
pub(super) struct SigningKeys {
    http: reqwest::Client,
    login_url: Url,
    metadata_url: Url,
    clock: Clock,
    kept: RwLock<Arc<Kept>>,
    turn: Mutex<()>,
}

#[derive(Clone, Default)]
struct Kept {
    by_id: HashMap<String, Arc<DecodingKey>>,
    fetched_at: Option<Timestamp>,
    tried_at: Option<Timestamp>,
}

#[derive(Deserialize)]
struct Metadata {
    jwks_uri: Url,
}

#[derive(Deserialize)]
struct KeySet {
    keys: Vec<WireKey>,
}

#[derive(Deserialize)]
struct WireKey {
    kid: Option<String>,
    kty: Option<String>,
    #[serde(rename = "use")]
    purpose: Option<String>,
    n: Option<String>,
    e: Option<String>,
}

impl Kept {
    fn is_old(&self, now: Timestamp) -> bool {
        self.fetched_at.is_none_or(|at| now.duration_since(at) >= OLD)
    }

    /// How long to leave Entra ID alone; a clock that was set back counts as time passed.
    fn pause(&self, now: Timestamp) -> Option<Duration> {
        let pause = if self.by_id.is_empty() { FIRST_FETCH_PAUSE } else { FETCH_PAUSE };
        let since = now.duration_since(self.tried_at?);
        let left = pause - since;
        (!since.is_negative() && left.is_positive()).then(|| left.unsigned_abs())
    }

    fn is_latest_fetch_good(&self) -> bool {
        self.fetched_at.is_some() && self.fetched_at == self.tried_at
    }
}

impl SigningKeys {
    pub fn new(config: &Graph, http: reqwest::Client, clock: Clock) -> Result<Self, url::ParseError> {
        let login = config.login_url.as_str().trim_end_matches('/');
        let metadata_url = format!("{login}/common/v2.0/.well-known/openid-configuration").parse()?;
        let (kept, turn) = (RwLock::default(), Mutex::default());
        Ok(Self { http, login_url: config.login_url.clone(), metadata_url, clock, kept, turn })
    }

    /// The key of this id; `None`: Entra ID does not publish it. Fetches when the id is unknown, or the keys are old.
    pub async fn find(&self, id: &str) -> Result<Option<Arc<DecodingKey>>, KeysUnavailable> {
        let kept = self.kept();
        match kept.by_id.get(id) {
            Some(key) if kept.is_old(self.clock.now()) => {
                // Whoever comes first renews them; nobody else waits, and a failure costs nothing.
                if let Ok(turn) = self.turn.try_lock() {
                    self.fetch_in_turn(turn).await;
                    return Ok(self.kept().by_id.get(id).cloned());
                }
                Ok(Some(Arc::clone(key)))
            }
            Some(key) => Ok(Some(Arc::clone(key))),
            None => self.fetch_for(id).await,
        }
    }

    /// Whether the keys were fetched at this moment or later.
    pub fn are_from(&self, moment: Timestamp) -> bool {
        self.kept().fetched_at.is_some_and(|at| at >= moment)
    }

    async fn fetch_for(&self, id: &str) -> Result<Option<Arc<DecodingKey>>, KeysUnavailable> {
        let turn = self.turn.lock().await;
        if let Some(key) = self.kept().by_id.get(id) {
            return Ok(Some(Arc::clone(key)));
        }
        self.fetch_in_turn(turn).await;
        let kept = self.kept();
        match kept.by_id.get(id) {
            Some(key) => Ok(Some(Arc::clone(key))),
            None if kept.is_latest_fetch_good() => Ok(None),
            None => Err(KeysUnavailable { retry_after: kept.pause(self.clock.now()).unwrap_or(Duration::from_secs(1)) }),
        }
    }

    /// Fetches, unless that was done just now.
    async fn fetch_in_turn(&self, _turn: MutexGuard<'_, ()>) {
        let now = self.clock.now();
        let kept = self.kept();
        if kept.pause(now).is_some() {
            return;
        }
        let fetched = self.fetch().await;
        let next = match fetched {
            Ok(by_id) => Kept { by_id, fetched_at: Some(now), tried_at: Some(now) },
            Err(reason) => {
                tracing::warn!(%reason, kept = kept.by_id.len(), "Entra ID's signing keys could not be fetched");
                Kept { tried_at: Some(now), ..Kept::clone(&kept) }
            }
        };
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
    }

    async fn fetch(&self) -> Result<HashMap<String, Arc<DecodingKey>>, String> {
        let metadata: Metadata = self.get(self.metadata_url.clone()).await?;
        let is_trusted = metadata.jwks_uri.scheme() == "https" || metadata.jwks_uri.origin() == self.login_url.origin();
        if !is_trusted {
            return Err("the metadata leads to keys over plain HTTP".to_owned());
        }
        let set: KeySet = self.get(metadata.jwks_uri).await?;
        let by_id: HashMap<_, _> = set.keys.into_iter().filter_map(WireKey::into_signing_key).collect();
        if by_id.is_empty() { Err("there is no RSA signing key among them".to_owned()) } else { Ok(by_id) }
    }

    async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T, String> {
        let response = self.http.get(url).send().await.map_err(|error| wire::reason(&error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(format!("status {}", status.as_u16()));
        }
        serde_json::from_slice(&wire::body(response).await?).map_err(|error| error.to_string())
    }

    fn kept(&self) -> Arc<Kept> {
        Arc::clone(&self.kept.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl WireKey {
    fn into_signing_key(self) -> Option<(String, Arc<DecodingKey>)> {
        let is_rsa = self.kty.as_deref() == Some("RSA");
        let is_for_signing = self.purpose.as_deref().is_none_or(|purpose| purpose == "sig");
        if !is_rsa || !is_for_signing {
            return None;
        }
        let key = DecodingKey::from_rsa_components(&self.n?, &self.e?).ok()?;
        Some((self.kid?, Arc::new(key)))
    }
}
