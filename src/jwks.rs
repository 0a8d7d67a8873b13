//! An issuer's signing keys: fetched when needed, seldom, once however many wait, and kept when fetching fails.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use reqwest::Response;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::{Mutex, MutexGuard};
use url::Url;

use crate::clock::Clock;

/// Keys are fetched at most this often, whoever names unknown ones.
const FETCH_PAUSE: SignedDuration = SignedDuration::from_mins(1);
/// As long as there are no keys at all, they are asked for more eagerly.
const FIRST_FETCH_PAUSE: SignedDuration = SignedDuration::from_secs(5);
/// Keys of this age are fetched again when next used, so that withdrawn ones are forgotten.
const OLD: SignedDuration = SignedDuration::from_hours(12);

/// The longest answer that is read; Entra ID's keys have about 15 kB.
const BODY_BYTES_MAX: usize = 1024 * 1024;

/// The claims of a token, if this key signed it with RS256; `None`: it did not, or a claim is missing. Who, for whom and when is judged by
/// the caller, by our clock.
#[must_use]
fn signed<Claims: DeserializeOwned>(token: &str, key: &DecodingKey) -> Option<Claims> {
    let mut validation = Validation::new(Algorithm::RS256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    jsonwebtoken::decode::<Claims>(token, key, &validation).ok().map(|decoded| decoded.claims)
}

/// How far our clock and an issuer's may be apart.
pub(crate) const LEEWAY: SignedDuration = SignedDuration::from_mins(5);
/// A longer token is not looked at.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Whether a token with these claims is good now: from `nbf`, where it says that, to `exp`.
#[must_use]
pub fn is_in_time(exp: i64, nbf: Option<i64>, now: Timestamp) -> bool {
    let (now, leeway) = (now.as_second(), LEEWAY.as_secs());
    now < exp.saturating_add(leeway) && nbf.is_none_or(|not_before| now >= not_before.saturating_sub(leeway))
}

/// Why a token's claims are not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Doubt {
    /// The issuer did not sign it; says what is wrong with it.
    NotGenuine(&'static str),
    /// Nothing can be said now.
    Keys(KeysUnavailable),
}

/// The keys cannot be had, so nothing can be said of a token: try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Entra ID's signing keys cannot be fetched: try again in {} s", retry_after.as_secs())]
pub struct KeysUnavailable {
    /// Not before.
    pub retry_after: Duration,
}

/// An issuer's RSA signing keys, by their ids. Share one: it holds the keys.
pub(crate) struct SigningKeys {
    http: reqwest::Client,
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

    /// How long to leave the issuer alone; a clock that was set back counts as time passed.
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
    /// The claims of a token that the issuer signed. Who, for whom and [when](is_in_time) is judged by the caller.
    pub async fn claims<Claims: DeserializeOwned>(&self, token: &str) -> Result<Claims, Doubt> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(Doubt::NotGenuine("is too long"));
        }
        let header = jsonwebtoken::decode_header(token).map_err(|_| Doubt::NotGenuine("cannot be read"))?;
        let key_id = header.kid.filter(|_| header.alg == Algorithm::RS256).ok_or(Doubt::NotGenuine("names no RS256 key"))?;
        let key = self.find(&key_id).await.map_err(Doubt::Keys)?.ok_or(Doubt::NotGenuine("is signed with an unknown key"))?;
        signed(token, &key).ok_or(Doubt::NotGenuine("is not signed by its key, or lacks a claim"))
    }

    /// Will fetch the keys that the issuer's metadata leads to; fetches nothing yet.
    pub fn new(metadata_url: Url, http: reqwest::Client, clock: Clock) -> Self {
        Self { http, metadata_url, clock, kept: RwLock::default(), turn: Mutex::default() }
    }

    /// The key of this id; `None`: the issuer does not publish it. Fetches when the id is unknown, or the keys are old.
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
                tracing::warn!(%reason, kept = kept.by_id.len(), "signing keys could not be fetched");
                Kept { tried_at: Some(now), ..Kept::clone(&kept) }
            }
        };
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(next);
    }

    async fn fetch(&self) -> Result<HashMap<String, Arc<DecodingKey>>, String> {
        let metadata: Metadata = self.get(self.metadata_url.clone()).await?;
        let is_trusted = metadata.jwks_uri.scheme() == "https" || metadata.jwks_uri.origin() == self.metadata_url.origin();
        if !is_trusted {
            return Err("the metadata leads to keys over plain HTTP".to_owned());
        }
        let set: KeySet = self.get(metadata.jwks_uri).await?;
        let by_id: HashMap<_, _> = set.keys.into_iter().filter_map(WireKey::into_signing_key).collect();
        if by_id.is_empty() { Err("there is no RSA signing key among them".to_owned()) } else { Ok(by_id) }
    }

    async fn get<T: DeserializeOwned>(&self, url: Url) -> Result<T, String> {
        let response = self.http.get(url).send().await.map_err(|error| reason(&error))?;
        let status = response.status();
        if !status.is_success() {
            return Err(format!("status {}", status.as_u16()));
        }
        serde_json::from_slice(&body(response).await?).map_err(|error| error.to_string())
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

async fn body(mut response: Response) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|error| reason(&error))? {
        if bytes.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(format!("the answer is longer than {BODY_BYTES_MAX} bytes"));
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

/// The last cause, without the address asked for.
fn reason(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    if error.is_timeout() { "no answer in time".to_owned() } else { cause.to_string() }
}
