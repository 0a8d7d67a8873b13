//! What a genuine validation token says. Pure: no I/O, no clock.

use jiff::Timestamp;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use uuid::Uuid;

use super::super::Refusal;
use crate::config::Graph;
use crate::jwks::LEEWAY;

/// Microsoft Graph Change Tracking: to whom Entra ID gives these tokens.
const PUBLISHER: Uuid = Uuid::from_u128(0x0bf3_0f3b_4a52_48df_9a82_2349_10c4_a086);

/// When a token is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lifetime {
    not_before: Timestamp,
    expires_at: Timestamp,
}

impl Lifetime {
    pub fn covers(self, now: Timestamp) -> Result<(), Refusal> {
        let is_begun = self.not_before.duration_since(now) <= LEEWAY;
        let is_over = now.duration_since(self.expires_at) >= LEEWAY;
        if is_begun && !is_over { Ok(()) } else { Err(Refusal::TokenExpired) }
    }
}

/// Who the token must be for, and from.
pub(super) struct Rules {
    audience: Uuid,
    issuers: [String; 2],
    validation: Validation,
}

#[derive(Deserialize)]
struct Claims {
    aud: String,
    iss: String,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    ver: Option<String>,
    #[serde(default)]
    appid: Option<String>,
    #[serde(default)]
    azp: Option<String>,
}

/// The key that a token says it is signed with.
pub(super) fn key_id(token: &str) -> Result<String, Refusal> {
    let header = jsonwebtoken::decode_header(token).map_err(|_| Refusal::TokenMalformed)?;
    if header.alg != Algorithm::RS256 {
        return Err(Refusal::TokenSignature);
    }
    header.kid.ok_or(Refusal::TokenMalformed)
}

impl Rules {
    pub fn new(config: &Graph) -> Self {
        // The signature alone: audience, issuer and time are judged below, each with its own refusal and by our clock.
        let mut validation = Validation::new(Algorithm::RS256);
        validation.required_spec_claims.clear();
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        Self { audience: config.client_id, issuers: config.cloud.issuers(config.tenant_id), validation }
    }

    pub fn judge(&self, token: &str, key: &DecodingKey) -> Result<Lifetime, Refusal> {
        let refusal = |error: jsonwebtoken::errors::Error| match error.kind() {
            ErrorKind::InvalidSignature | ErrorKind::InvalidAlgorithm => Refusal::TokenSignature,
            _ => Refusal::TokenMalformed,
        };
        let claims = jsonwebtoken::decode::<Claims>(token, key, &self.validation).map_err(refusal)?.claims;
        if claims.aud.parse() != Ok(self.audience) {
            return Err(Refusal::TokenAudience);
        }
        if !self.issuers.contains(&claims.iss) {
            return Err(Refusal::TokenIssuer);
        }
        if claims.publisher() != Some(PUBLISHER) {
            return Err(Refusal::TokenPublisher);
        }
        claims.lifetime().ok_or(Refusal::TokenMalformed)
    }
}

impl Claims {
    fn publisher(&self) -> Option<Uuid> {
        let named = match self.ver.as_deref()? {
            "1.0" => self.appid.as_deref(),
            "2.0" => self.azp.as_deref(),
            _ => None,
        };
        named?.parse().ok()
    }

    fn lifetime(&self) -> Option<Lifetime> {
        let not_before = self.nbf.map_or(Ok(Timestamp::MIN), Timestamp::from_second).ok()?;
        Some(Lifetime { not_before, expires_at: Timestamp::from_second(self.exp).ok()? })
    }
}
