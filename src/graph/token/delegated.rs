//! Accounts that sign in: by device code once, by refresh token ever after.

use std::fmt;

use jiff::{SignedDuration, Timestamp};
use oauth2::{RefreshToken, Scope, StandardDeviceAuthorizationResponse, TokenResponse};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use uuid::Uuid;

use super::AccessToken;
use super::error::{Error, Whose};
use super::oauth::{self, Answer, Endpoints, Entra};
use crate::clock::Clock;
use crate::config::Graph;
use crate::domain::ids::TeamsUserId;

/// Signs accounts in and keeps them signed in. Acts as a public client, since device sign-in is one.
#[derive(Clone)]
pub struct Delegated {
    endpoints: Endpoints,
    scopes: Vec<Scope>,
    tenant_id: Uuid,
    client_id: Uuid,
    entra: Entra,
    clock: Clock,
}

/// What a person must do to sign in: open the address, type the code.
#[derive(Clone)]
pub struct DeviceCode {
    /// Where to type the code.
    pub verification_uri: String,
    /// What to type.
    pub user_code: String,
    /// Until when.
    pub expires_at: Timestamp,
    answer: StandardDeviceAuthorizationResponse,
}

/// Without what it holds.
impl fmt::Debug for Delegated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Delegated")
    }
}

/// Without the code: whoever has it can sign in as the gateway's account.
impl fmt::Debug for DeviceCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceCode")
            .field("verification_uri", &self.verification_uri)
            .field("expires_at", &self.expires_at)
            .finish_non_exhaustive()
    }
}

/// Who signed in, and what keeps the account signed in.
#[derive(Debug)]
pub struct Enrolled {
    /// The account's name; compare it with who should have signed in.
    pub user_principal_name: String,
    /// The account's object id.
    pub object_id: TeamsUserId,
    /// To be stored encrypted.
    pub refresh_token: SecretString,
}

/// A fresh access token, and the refresh token to store in place of the one used, if there is a new one.
#[derive(Debug)]
pub struct Refreshed {
    /// Good right now.
    pub access: AccessToken,
    /// Replaces the one that was used; `None`: go on with that.
    pub refresh_token: Option<SecretString>,
}

#[derive(Deserialize)]
struct IdClaims {
    aud: String,
    tid: Uuid,
    oid: Uuid,
    preferred_username: Option<String>,
    upn: Option<String>,
}

impl Delegated {
    /// Prepares to sign accounts of the settings' tenant in; asks for nothing yet.
    ///
    /// # Errors
    /// `login_url` cannot carry a path.
    pub fn new(config: &Graph, http: reqwest::Client, clock: Clock) -> Result<Self, Error> {
        let presence = format!("{}/Presence.Read.All", config.cloud.base_url());
        let scopes = ["openid", "profile", "offline_access", &presence].map(|scope| Scope::new(scope.to_owned()));
        let (tenant_id, client_id) = (config.tenant_id, config.client_id);
        let (endpoints, entra) = (oauth::endpoints(config)?, Entra::new(http, clock.clone()));
        Ok(Self { endpoints, scopes: scopes.to_vec(), tenant_id, client_id, entra, clock })
    }

    /// Begins a sign-in by device code.
    ///
    /// # Errors
    /// Entra ID gives no code.
    pub async fn start(&self) -> Result<DeviceCode, Error> {
        let asked_at = self.clock.now();
        let sender = self.entra.sender();
        let request = self.endpoints.exchange_device_code().add_scopes(self.scopes.clone());
        let answer: StandardDeviceAuthorizationResponse =
            request.request_async(&sender).await.map_err(|error| oauth::sort(error, Whose::Account))?;
        let lifetime = SignedDuration::try_from(answer.expires_in()).unwrap_or(SignedDuration::ZERO);
        Ok(DeviceCode {
            verification_uri: answer.verification_uri().to_string(),
            user_code: answer.user_code().secret().clone(),
            expires_at: asked_at.saturating_add(lifetime).unwrap_or(Timestamp::MAX),
            answer,
        })
    }

    /// Waits until the person has approved, asking as often as Entra ID allows. Drop the future to stop waiting.
    ///
    /// # Errors
    /// Declined or too late; or it was an account of another tenant.
    pub async fn poll(&self, code: &DeviceCode) -> Result<Enrolled, Error> {
        let sender = self.entra.sender();
        let clock = self.clock.clone();
        let request = self
            .endpoints
            .exchange_device_access_token(&code.answer)
            .set_time_fn(move || std::time::SystemTime::from(clock.now()).into());
        let answer =
            request.request_async(&sender, tokio::time::sleep, None).await.map_err(|error| oauth::sort(error, Whose::Account))?;
        self.enrolled(&answer)
    }

    /// Exchanges a refresh token for an access token.
    ///
    /// # Errors
    /// [`Error::SignInAgain`] when only a person can help; otherwise later or by the operator.
    pub async fn refresh(&self, refresh_token: &SecretString) -> Result<Refreshed, Error> {
        let asked_at = self.clock.now();
        let sender = self.entra.sender();
        let refresh_token = RefreshToken::new(refresh_token.expose_secret().to_owned());
        let request = self.endpoints.exchange_refresh_token(&refresh_token).add_scopes(self.scopes.clone());
        let answer = request.request_async(&sender).await.map_err(|error| oauth::sort(error, Whose::Account))?;
        Ok(Refreshed { access: oauth::access_token(&answer, asked_at), refresh_token: next_refresh_token(&answer) })
    }

    fn enrolled(&self, answer: &Answer) -> Result<Enrolled, Error> {
        let unclear = |what: &str| Error::Unreachable { reason: format!("the sign-in's answer has no {what}") };
        let id_token = answer.extra_fields().id_token.as_deref().ok_or_else(|| unclear("id token"))?;
        // It came from the token endpoint over TLS just now, so its signature adds nothing (OpenID Connect Core, 3.1.3.7).
        let claims: IdClaims =
            jsonwebtoken::dangerous::insecure_decode_claims(id_token).map_err(|_| unclear("readable id token"))?;
        if claims.tid != self.tenant_id {
            return Err(Error::WrongPlace { what: "tenant" });
        }
        if claims.aud.parse() != Ok(self.client_id) {
            return Err(Error::WrongPlace { what: "app registration" });
        }
        Ok(Enrolled {
            user_principal_name: claims.preferred_username.or(claims.upn).ok_or_else(|| unclear("user name"))?,
            object_id: TeamsUserId(claims.oid),
            refresh_token: next_refresh_token(answer).ok_or_else(|| unclear("refresh token"))?,
        })
    }
}

fn next_refresh_token(answer: &Answer) -> Option<SecretString> {
    answer.refresh_token().map(|token| SecretString::from(token.secret().as_str()))
}
