//! How an app proves itself to Entra ID: a secret, a token it signed with its certificate, or a federated token.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{RSA_PSS_2048_8192_SHA256, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::encryption::public_key_of;
use super::refusal::EntraRefusal;
use super::state::{Emulator, World};
use super::tokens::Form;

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// How far a caller's clock may be off.
const SKEW_SECONDS: i64 = 300;

#[derive(Deserialize)]
struct Header {
    alg: String,
    #[serde(rename = "x5t#S256")]
    thumbprint: Option<String>,
}

#[derive(Deserialize)]
struct Claims {
    aud: String,
    iss: String,
    sub: String,
    jti: Option<String>,
    nbf: Option<i64>,
    exp: i64,
}

impl Emulator {
    /// Checks whatever proof the form carries; `false` where it carries none.
    pub fn authenticate(&self, world: &mut World, tenant: &str, form: &Form, now: Timestamp) -> Result<bool, EntraRefusal> {
        if let Some(assertion) = form.get("client_assertion") {
            if form.get("client_assertion_type") != Some(ASSERTION_TYPE) {
                return Err(EntraRefusal::new("invalid_request", 50_027, "client_assertion_type must be the JWT bearer type."));
            }
            if self.options.federated_token.as_deref() != Some(assertion) {
                self.check_assertion(world, tenant, assertion, now)?;
            }
            return Ok(true);
        }
        match form.get("client_secret") {
            None => Ok(false),
            Some(secret) if secret == self.options.client_secret => Ok(true),
            Some(_) => {
                let message = "Invalid client secret provided. Ensure the secret being sent in the \
                        request is the client secret value, not the client secret ID.";
                Err(EntraRefusal::new("invalid_client", 7_000_215, message))
            }
        }
    }

    fn check_assertion(&self, world: &mut World, tenant: &str, assertion: &str, now: Timestamp) -> Result<(), EntraRefusal> {
        let unreadable = || EntraRefusal::new("invalid_client", 50_027, "JWT token is invalid or malformed.");
        let unknown_key = || {
            EntraRefusal::new(
                "invalid_client",
                700_027,
                "The certificate with identifier used to sign the client assertion is not registered on application.",
            )
        };
        let certificate = self.options.client_certificate_der.as_deref().ok_or_else(unknown_key)?;
        let (signed, signature) = assertion.rsplit_once('.').ok_or_else(unreadable)?;
        let (header, claims) = signed.split_once('.').ok_or_else(unreadable)?;
        let header: Header = decoded(header).ok_or_else(unreadable)?;
        let claims: Claims = decoded(claims).ok_or_else(unreadable)?;
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| unreadable())?;
        if header.alg != "PS256" {
            return Err(EntraRefusal::new("invalid_client", 5_002_738, "The client assertion must be signed with PS256."));
        }
        let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, certificate));
        if header.thumbprint.as_deref() != Some(&thumbprint) {
            return Err(unknown_key());
        }
        let key = public_key_of(certificate).ok_or_else(unknown_key)?;
        let key = UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, key);
        let bad_signature = |_| EntraRefusal::new("invalid_client", 700_027, "Client assertion failed signature validation.");
        key.verify(signed.as_bytes(), &signature).map_err(bad_signature)?;
        self.check_claims(tenant, &claims, now)?;
        let jti = claims.jti.ok_or_else(unreadable)?;
        let expires_at = Timestamp::from_second(claims.exp).map_err(|_| unreadable())?;
        if world.tokens.used_assertions.insert(jti, expires_at).is_some() {
            return Err(EntraRefusal::new("invalid_client", 50_027, "JWT token is invalid: its jti was used before."));
        }
        Ok(())
    }

    fn check_claims(&self, tenant: &str, claims: &Claims, now: Timestamp) -> Result<(), EntraRefusal> {
        let now = now.as_second();
        let too_early = claims.nbf.is_some_and(|nbf| nbf > now + SKEW_SECONDS);
        if too_early || claims.exp <= now - SKEW_SECONDS {
            return Err(EntraRefusal::new("invalid_client", 700_024, "Client assertion is not within its valid time range."));
        }
        if claims.aud != format!("{}/{tenant}/oauth2/v2.0/token", self.base_url) {
            return Err(EntraRefusal::new(
                "invalid_client",
                700_023,
                "Client assertion audience claim does not match Realm issuer.",
            ));
        }
        let client = Ok(self.options.client_id);
        if Uuid::parse_str(&claims.iss) != client || Uuid::parse_str(&claims.sub) != client {
            return Err(EntraRefusal::new(
                "invalid_client",
                700_021,
                "Client assertion application identifier doesn't match 'client_id' parameter.",
            ));
        }
        Ok(())
    }
}

fn decoded<T: DeserializeOwned>(part: &str) -> Option<T> {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).ok()?).ok()
}
