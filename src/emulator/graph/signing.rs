//! The keys Entra ID signs with, how it publishes them, and JSON Web Tokens made with them.

use std::sync::Arc;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use axum::Json;
use axum::extract::{Path, State};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::state::Emulator;

/// Keys that are no longer signed with stay published, but not for ever.
const PUBLISHED_KEYS: usize = 3;

/// A minted validation token is used again for this long.
const TOKEN_REUSE: SignedDuration = SignedDuration::from_mins(30);

/// An RSA key with its name.
pub struct SigningKey {
    pub kid: String,
    key: KeyPair,
}

impl SigningKey {
    /// Makes a new 2048-bit key; takes a good part of a second.
    pub fn generate() -> Result<Self, aws_lc_rs::error::Unspecified> {
        let kid = URL_SAFE_NO_PAD.encode(Uuid::new_v4().as_bytes());
        Ok(Self { kid, key: KeyPair::generate(KeySize::Rsa2048)? })
    }

    /// A signed token (RS256) with these claims.
    pub fn sign(&self, claims: &Value) -> String {
        let header = json!({ "typ": "JWT", "alg": "RS256", "kid": self.kid, "x5t": self.kid });
        let mut token = format!("{}.{}", URL_SAFE_NO_PAD.encode(header.to_string()), URL_SAFE_NO_PAD.encode(claims.to_string()));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), token.as_bytes(), &mut signature)
            .expect("an RSA key signs any text into room of its own size");
        token.push('.');
        token.push_str(&URL_SAFE_NO_PAD.encode(signature));
        token
    }

    /// As Entra publishes it: without `alg`.
    fn published(&self, tenant: Uuid) -> Value {
        let modulus = self.key.public_key().modulus().big_endian_without_leading_zero().to_vec();
        let exponent = self.key.public_key().exponent().big_endian_without_leading_zero().to_vec();
        json!({
            "kty": "RSA", "use": "sig", "kid": self.kid, "x5t": self.kid,
            "n": URL_SAFE_NO_PAD.encode(modulus), "e": URL_SAFE_NO_PAD.encode(exponent),
            "cloud_instance_name": "microsoftonline.com",
            "issuer": format!("https://login.microsoftonline.com/{tenant}/v2.0"),
        })
    }
}

/// The published keys, newest last; the newest signs.
pub struct SigningKeys {
    keys: Vec<Arc<SigningKey>>,
    minted: Option<Minted>,
}

/// A validation token kept for the next notifications.
struct Minted {
    token: String,
    at: Timestamp,
    v1: bool,
}

impl SigningKeys {
    pub fn new(first: SigningKey) -> Self {
        Self { keys: vec![Arc::new(first)], minted: None }
    }

    pub fn current(&self) -> Arc<SigningKey> {
        Arc::clone(self.keys.last().expect("there is a key from the start on, and rotation keeps the newest"))
    }

    /// From now on signs with this key; older ones stay published unless `drop_old`.
    pub fn rotate(&mut self, key: SigningKey, drop_old: bool) {
        self.keys.push(Arc::new(key));
        let kept = if drop_old { 1 } else { PUBLISHED_KEYS };
        self.keys.drain(..self.keys.len().saturating_sub(kept));
        self.minted = None;
    }

    /// A good validation token, new or fresh enough.
    pub fn validation_token(&mut self, v1: bool, now: Timestamp, mint: impl FnOnce(&SigningKey) -> String) -> String {
        let reusable = |minted: &&Minted| minted.v1 == v1 && now.duration_since(minted.at).abs() < TOKEN_REUSE;
        if let Some(minted) = self.minted.as_ref().filter(reusable) {
            return minted.token.clone();
        }
        let token = mint(&self.current());
        self.minted = Some(Minted { token: token.clone(), at: now, v1 });
        token
    }
}

/// `GET /{common or tenant}/discovery/[v2.0/]keys`
pub async fn keys(State(emulator): State<Arc<Emulator>>, Path(_tenant): Path<String>) -> Json<Value> {
    let tenant = emulator.options.tenant_id;
    let keys: Vec<Value> = emulator.look(|world| world.signing.keys.iter().map(|key| key.published(tenant)).collect());
    Json(json!({ "keys": keys }))
}

/// `GET /{common or tenant}/v2.0/.well-known/openid-configuration`
pub async fn metadata_v2(State(emulator): State<Arc<Emulator>>, Path(tenant): Path<String>) -> Json<Value> {
    let issuer = format!("https://login.microsoftonline.com/{}/v2.0", issuing_tenant(&tenant));
    let base = format!("{}/{tenant}", emulator.base_url);
    Json(json!({
        "issuer": issuer,
        "jwks_uri": format!("{base}/discovery/v2.0/keys"),
        "authorization_endpoint": format!("{base}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{base}/oauth2/v2.0/token"),
        "device_authorization_endpoint": format!("{base}/oauth2/v2.0/devicecode"),
        "id_token_signing_alg_values_supported": ["RS256"],
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
        "subject_types_supported": ["pairwise"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
    }))
}

/// `GET /{common or tenant}/.well-known/openid-configuration`
pub async fn metadata_v1(State(emulator): State<Arc<Emulator>>, Path(tenant): Path<String>) -> Json<Value> {
    let base = format!("{}/{tenant}", emulator.base_url);
    Json(json!({
        "issuer": format!("https://sts.windows.net/{}/", issuing_tenant(&tenant)),
        "jwks_uri": format!("{base}/discovery/keys"),
        "token_endpoint": format!("{base}/oauth2/token"),
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["code", "id_token", "code id_token", "token id_token", "token"],
        "subject_types_supported": ["pairwise"],
    }))
}

/// The shared documents name no tenant, they show where its id goes.
fn issuing_tenant(asked: &str) -> &str {
    if matches!(asked, "common" | "organizations") { "{tenantid}" } else { asked }
}
