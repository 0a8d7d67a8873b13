//! The app's own access token: client credentials with a secret, a certificate or a federated token.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use oauth2::{ClientSecret, Scope};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use uuid::Uuid;

use super::error::{Error, Whose};
use super::oauth::{self, Endpoints, Entra};
use super::{AccessToken, RefreshingToken};
use crate::clock::Clock;
use crate::config::{Credential, Graph};

const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// How long a client assertion is good.
const ASSERTION_SECONDS: i64 = 300;

/// The app registration, as which we act: always has a good access token, or says why not.
pub struct Identity {
    tokens: RefreshingToken<Error>,
}

impl Identity {
    /// Prepares to act as the app registration of the settings; asks for nothing yet.
    ///
    /// # Errors
    /// The certificate or its key cannot be used.
    pub fn app(config: &Graph, http: reqwest::Client, clock: Clock) -> Result<Self, Error> {
        let asking = Arc::new(Asking {
            endpoints: endpoints(config)?,
            scope: Scope::new(format!("{}/.default", config.cloud.base_url())),
            proof: Proof::new(config)?,
            entra: Entra::new(http, clock.clone()),
            clock: clock.clone(),
        });
        let fetch = move || -> futures::future::BoxFuture<'static, _> {
            let asking = Arc::clone(&asking);
            Box::pin(async move { asking.ask().await })
        };
        Ok(Self { tokens: RefreshingToken::new(clock, fetch) })
    }

    /// A good access token for Graph.
    ///
    /// # Errors
    /// Entra ID gives none.
    pub async fn token(&self) -> Result<Arc<AccessToken>, Error> {
        self.tokens.get().await
    }

    /// Graph refused this token.
    pub fn invalidate(&self, refused: &AccessToken) {
        self.tokens.invalidate(refused);
    }
}

/// The token endpoints, with the app's secret if that is how it proves itself.
pub(super) fn endpoints(config: &Graph) -> Result<Endpoints, Error> {
    let endpoints = oauth::endpoints(config)?;
    Ok(match &config.credential {
        Credential::Secret(secret) => endpoints.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned())),
        Credential::Certificate { .. } | Credential::FederatedTokenFile(_) => endpoints,
    })
}

struct Asking {
    endpoints: Endpoints,
    scope: Scope,
    proof: Proof,
    entra: Entra,
    clock: Clock,
}

impl Asking {
    async fn ask(&self) -> Result<AccessToken, Error> {
        let asked_at = self.clock.now();
        let sender = self.entra.sender();
        let assertion = self.proof.assertion(asked_at).await?;
        let mut request = self.endpoints.exchange_client_credentials().add_scope(self.scope.clone());
        for (name, value) in proved(assertion.as_ref()) {
            request = request.add_extra_param(name, value);
        }
        let answer = request.request_async(&sender).await.map_err(|error| oauth::sort(error, Whose::App))?;
        Ok(oauth::access_token(&answer, asked_at))
    }
}

/// What a request must carry beside the endpoints' own secret.
pub(super) fn proved(assertion: Option<&SecretString>) -> impl Iterator<Item = (&'static str, &str)> {
    let assertion = assertion.map(SecretString::expose_secret);
    assertion.into_iter().flat_map(|assertion| [("client_assertion_type", ASSERTION_TYPE), ("client_assertion", assertion)])
}

/// How we prove to be the app, ready to use.
pub(super) enum Proof {
    /// The endpoints carry the secret with each request.
    Secret,
    Certificate(Box<Signer>),
    FederatedTokenFile(PathBuf),
}

impl Proof {
    pub(super) fn new(config: &Graph) -> Result<Self, Error> {
        Ok(match &config.credential {
            Credential::Secret(_) => Self::Secret,
            Credential::Certificate { certificate, key } => Self::Certificate(Box::new(Signer::new(config, certificate, key)?)),
            Credential::FederatedTokenFile(path) => Self::FederatedTokenFile(path.clone()),
        })
    }

    pub(super) async fn assertion(&self, now: Timestamp) -> Result<Option<SecretString>, Error> {
        match self {
            Self::Secret => Ok(None),
            Self::Certificate(signer) => signer.sign(now).map(Some),
            Self::FederatedTokenFile(path) => federated_token(path).await.map(Some),
        }
    }
}

async fn federated_token(path: &Path) -> Result<SecretString, Error> {
    let unusable = |_| Error::Misconfigured {
        code: "graph.federated_token_file".to_owned(),
        remedy: "the file cannot be read: check that it exists and that we may read it",
    };
    let text = tokio::fs::read_to_string(path).await.map_err(unusable)?;
    Ok(SecretString::from(text.trim()))
}

/// Signs client assertions with the certificate's key.
pub(super) struct Signer {
    key: EncodingKey,
    header: Header,
    audience: String,
    client_id: Uuid,
}

#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    iss: Uuid,
    sub: Uuid,
    jti: Uuid,
    nbf: i64,
    iat: i64,
    exp: i64,
}

impl Signer {
    fn new(config: &Graph, certificate: &str, key: &SecretString) -> Result<Self, Error> {
        let unusable = |code: &str, remedy| Error::Misconfigured { code: code.to_owned(), remedy };
        let certificate = CertificateDer::from_pem_slice(certificate.as_bytes())
            .map_err(|_| unusable("graph.client_certificate_file", "the file holds no certificate in PEM"))?;
        let key = EncodingKey::from_rsa_pem(key.expose_secret().as_bytes())
            .map_err(|_| unusable("graph.client_key_file", "the file holds no RSA private key in PEM"))?;
        let mut header = Header::new(Algorithm::PS256);
        header.x5t_s256 = Some(URL_SAFE_NO_PAD.encode(digest(&SHA256, &certificate)));
        Ok(Self { key, header, audience: oauth::token_url(config)?.to_string(), client_id: config.client_id })
    }

    fn sign(&self, now: Timestamp) -> Result<SecretString, Error> {
        let (audience, now) = (self.audience.as_str(), now.as_second());
        let (iss, sub, jti) = (self.client_id, self.client_id, Uuid::new_v4());
        let claims = Claims { aud: audience, iss, sub, jti, nbf: now, iat: now, exp: now + ASSERTION_SECONDS };
        let signed = jsonwebtoken::encode(&self.header, &claims, &self.key);
        signed.map(SecretString::from).map_err(|_| Error::Misconfigured {
            code: "graph.client_key_file".to_owned(),
            remedy: "the key does not sign: it must be RSA with at least 2048 bits",
        })
    }
}
