//! People who sign in with their browser to say who they are: an authorization code with PKCE, and the ID token that comes of it.

use oauth2::{
    AuthUrl, AuthorizationCode, CsrfToken, PkceCodeChallenge, PkceCodeVerifier, RedirectUrl, RefreshToken, Scope, TokenResponse,
};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use subtle::ConstantTimeEq;
use url::Url;
use uuid::Uuid;

use super::app::{self, Proof};
use super::error::{Error, Whose};
use super::oauth::{self, Answer, CodeEndpoints, Entra};
use crate::clock::Clock;
use crate::config::Graph;
use crate::domain::ids::TeamsUserId;
use crate::jwks::{Doubt, KeysUnavailable, SigningKeys, is_in_time};

/// Who is asked for: nothing of Graph, only who signs in.
const SCOPES: [&str; 2] = ["openid", "profile"];
/// Asked for only where login data is to be remembered.
const REMEMBERING: &str = "offline_access";

/// Signs people of one tenant in. Acts as the app registration, whose secret or certificate a web sign-in wants.
pub struct People {
    endpoints: CodeEndpoints,
    proof: Proof,
    keys: SigningKeys,
    issuer: String,
    tenant_id: Uuid,
    client_id: Uuid,
    realms: Url,
    http: reqwest::Client,
    entra: Entra,
    clock: Clock,
}

/// What is asked of Entra ID when a browser is sent there.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Comes back with the browser.
    pub state: &'a str,
    /// Comes back inside the ID token.
    pub nonce: &'a str,
    /// Proves later that the code is ours; 43 characters at least.
    pub verifier: &'a str,
    /// Whether login data is to be remembered.
    pub remember: bool,
}

/// Who signed in.
#[derive(Debug)]
pub struct Person {
    /// The object id in the settings' tenant.
    pub id: TeamsUserId,
    /// The sign-in name, for people; nothing is decided by it.
    pub user_principal_name: Option<String>,
    /// What keeps them signed in, if that was asked for.
    pub refresh_token: Option<SecretString>,
}

/// Why nobody has signed in.
#[derive(Debug, thiserror::Error)]
pub enum PersonError {
    /// Entra ID gave no token.
    #[error(transparent)]
    Token(#[from] Error),
    /// Nothing can be said of the ID token now.
    #[error(transparent)]
    Keys(#[from] KeysUnavailable),
    /// It is no ID token of Entra ID for this sign-in.
    #[error("the ID token {0}")]
    NotGenuine(&'static str),
    /// It is about an account of another tenant.
    #[error("the ID token is about an account of another tenant")]
    OtherTenant,
}

/// How an account signs in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Realm {
    /// With Entra ID itself.
    Managed,
    /// Elsewhere, such as with ADFS: what Entra ID gives cannot be relied upon without that other place.
    Federated,
    /// Entra ID does not say.
    Unknown,
}

#[derive(Deserialize)]
struct Claims {
    aud: String,
    iss: String,
    exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    tid: Uuid,
    oid: Uuid,
    #[serde(default)]
    nonce: Option<String>,
    #[serde(default)]
    preferred_username: Option<String>,
}

#[derive(Deserialize)]
struct WireRealm {
    account_type: Option<String>,
}

impl People {
    /// Prepares to sign in people of the settings' tenant, whose browsers come back to `redirect`; asks for nothing yet.
    ///
    /// # Errors
    /// The certificate or its key cannot be used, or `login_url` cannot carry a path.
    pub fn new(config: &Graph, redirect: Url, http: reqwest::Client, clock: Clock) -> Result<Self, Error> {
        let authorize = AuthUrl::from_url(oauth::endpoint(config, "authorize")?);
        let endpoints = app::endpoints(config)?.set_auth_uri(authorize).set_redirect_uri(RedirectUrl::from_url(redirect));
        let login = config.login_url.as_str().trim_end_matches('/');
        let [_, issuer] = config.cloud.issuers(config.tenant_id);
        let metadata = oauth::address(&format!("{login}/{}/v2.0/.well-known/openid-configuration", config.tenant_id))?;
        Ok(Self {
            endpoints,
            proof: Proof::new(config)?,
            keys: SigningKeys::new(metadata, http.clone(), clock.clone()),
            issuer,
            tenant_id: config.tenant_id,
            client_id: config.client_id,
            realms: oauth::address(&format!("{login}/common/userrealm/"))?,
            entra: Entra::new(http.clone(), clock.clone()),
            http,
            clock,
        })
    }

    /// Where to send the browser.
    #[must_use]
    pub fn address(&self, question: Question<'_>) -> Url {
        let verifier = PkceCodeVerifier::new(question.verifier.to_owned());
        let scopes = SCOPES.into_iter().chain(question.remember.then_some(REMEMBERING));
        let request = self.endpoints.authorize_url(|| CsrfToken::new(question.state.to_owned()));
        let request = request
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .add_scopes(scopes.map(|scope| Scope::new(scope.to_owned())))
            .add_extra_param("nonce", question.nonce.to_owned())
            .add_extra_param("response_mode", "query")
            // Whoever has several accounts must not find the wrong one linked.
            .add_extra_param("prompt", "select_account");
        request.url().0
    }

    /// Exchanges the code that a browser brought back, and finds out who signed in.
    ///
    /// # Errors
    /// See [`PersonError`]; [`Error::SignInAgain`] also where the code is of no use.
    pub async fn identify(&self, code: &str, verifier: &str, nonce: &str) -> Result<Person, PersonError> {
        let sender = self.entra.sender();
        let assertion = self.proof.assertion(self.clock.now()).await?;
        let mut request = self.endpoints.exchange_code(AuthorizationCode::new(code.to_owned()));
        request = request.set_pkce_verifier(PkceCodeVerifier::new(verifier.to_owned()));
        for (name, value) in app::proved(assertion.as_ref()) {
            request = request.add_extra_param(name, value);
        }
        let answer = request.request_async(&sender).await.map_err(|error| oauth::sort(error, Whose::Account))?;
        self.person(&answer, Some(nonce)).await
    }

    /// Proves with a refresh token who once signed in.
    ///
    /// # Errors
    /// See [`PersonError`]; [`Error::SignInAgain`] when only the person can help.
    pub async fn identify_again(&self, refresh_token: &SecretString) -> Result<Person, PersonError> {
        let sender = self.entra.sender();
        let assertion = self.proof.assertion(self.clock.now()).await?;
        let refresh_token = RefreshToken::new(refresh_token.expose_secret().to_owned());
        let scopes = SCOPES.into_iter().chain([REMEMBERING]).map(|scope| Scope::new(scope.to_owned()));
        let mut request = self.endpoints.exchange_refresh_token(&refresh_token).add_scopes(scopes);
        for (name, value) in app::proved(assertion.as_ref()) {
            request = request.add_extra_param(name, value);
        }
        let answer = request.request_async(&sender).await.map_err(|error| oauth::sort(error, Whose::Account))?;
        self.person(&answer, None).await
    }

    /// How this account signs in.
    ///
    /// # Errors
    /// Entra ID cannot be asked.
    pub async fn realm(&self, user_principal_name: &str) -> Result<Realm, Error> {
        let unreachable = |error: reqwest::Error| Error::Unreachable { reason: crate::graph::wire::reason(&error) };
        let mut address = self.realms.clone();
        if let Ok(mut path) = address.path_segments_mut() {
            path.pop_if_empty().push(user_principal_name);
        }
        address.query_pairs_mut().append_pair("api-version", "1.0");
        let answer = self.http.get(address).send().await.map_err(unreachable)?;
        let answer = answer.error_for_status().map_err(unreachable)?;
        let body = crate::graph::wire::body(answer).await.map_err(|reason| Error::Unreachable { reason })?;
        let kind = serde_json::from_slice::<WireRealm>(&body).ok().and_then(|realm| realm.account_type).unwrap_or_default();
        Ok(match kind.to_ascii_lowercase().as_str() {
            "managed" => Realm::Managed,
            "federated" => Realm::Federated,
            _ => Realm::Unknown,
        })
    }

    async fn person(&self, answer: &Answer, nonce: Option<&str>) -> Result<Person, PersonError> {
        let token = answer.extra_fields().id_token.as_deref().ok_or(PersonError::NotGenuine("is missing"))?;
        let claims: Claims = self.keys.claims(token).await?;
        self.judge(&claims, nonce)?;
        Ok(Person {
            id: TeamsUserId(claims.oid),
            user_principal_name: claims.preferred_username,
            refresh_token: answer.refresh_token().map(|token| SecretString::from(token.secret().as_str())),
        })
    }

    fn judge(&self, claims: &Claims, nonce: Option<&str>) -> Result<(), PersonError> {
        if claims.tid != self.tenant_id {
            return Err(PersonError::OtherTenant);
        }
        if claims.iss != self.issuer {
            return Err(PersonError::NotGenuine("is of another issuer"));
        }
        if claims.aud.parse() != Ok(self.client_id) {
            return Err(PersonError::NotGenuine("is for another app"));
        }
        if !is_in_time(claims.exp, claims.nbf, self.clock.now()) {
            return Err(PersonError::NotGenuine("is not valid at this time"));
        }
        let told = claims.nonce.as_deref().unwrap_or_default();
        let is_ours = nonce.is_none_or(|nonce| nonce.as_bytes().ct_eq(told.as_bytes()).into());
        if is_ours { Ok(()) } else { Err(PersonError::NotGenuine("is of another sign-in")) }
    }
}

impl From<Doubt> for PersonError {
    fn from(doubt: Doubt) -> Self {
        match doubt {
            Doubt::NotGenuine(what) => Self::NotGenuine(what),
            Doubt::Keys(unavailable) => Self::Keys(unavailable),
        }
    }
}
