//! The `oauth2` crate over our HTTP client: one request, one answer, no waiting.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use oauth2::basic::{BasicErrorResponse, BasicRevocationErrorResponse, BasicTokenIntrospectionResponse, BasicTokenType};
use oauth2::{
    AuthType, ClientId, DeviceAuthorizationUrl, EndpointNotSet, EndpointSet, ErrorResponse, ErrorResponseType, ExtraTokenFields,
    HttpRequest, HttpResponse, RequestTokenError, StandardErrorResponse, StandardRevocableToken, StandardTokenResponse,
    TokenResponse, TokenUrl,
};
use reqwest::StatusCode;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use super::AccessToken;
use super::error::{Error, Whose, refusal};
use crate::clock::Clock;
use crate::config::Graph;
use crate::gate::Gate;
use crate::graph::wire;

/// What is believed of a token that does not say how long it lives.
const LIFETIME_UNSTATED: Duration = Duration::from_mins(10);
/// When Entra ID throttles without saying for how long.
const THROTTLED_UNSTATED: Duration = Duration::from_secs(30);

/// An answer of the token endpoint.
pub(super) type Answer = StandardTokenResponse<IdToken, BasicTokenType>;

/// The two endpoints of one tenant, with our client id.
pub(super) type Endpoints = oauth2::Client<
    BasicErrorResponse,
    Answer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointNotSet,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// The same, and where browsers are sent to sign in.
pub(super) type CodeEndpoints = oauth2::Client<
    BasicErrorResponse,
    Answer,
    BasicTokenIntrospectionResponse,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// The id token beside an access token, where `openid` was asked for.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(super) struct IdToken {
    pub id_token: Option<String>,
}

impl ExtraTokenFields for IdToken {}

/// Why the token endpoint gave no answer to look at.
#[derive(Debug, thiserror::Error)]
pub(super) enum Transport {
    #[error("throttled")]
    Throttled(Duration),
    #[error("{0}")]
    Unreachable(String),
}

pub(super) type Exchange = Pin<Box<dyn Future<Output = Result<HttpResponse, Transport>> + Send>>;

/// Where tokens of the tenant are asked for.
pub(super) fn token_url(config: &Graph) -> Result<Url, Error> {
    endpoint(config, "token")
}

pub(super) fn endpoints(config: &Graph) -> Result<Endpoints, Error> {
    let client = oauth2::Client::new(ClientId::new(config.client_id.to_string()));
    Ok(client
        .set_auth_type(AuthType::RequestBody)
        .set_token_uri(TokenUrl::from_url(token_url(config)?))
        .set_device_authorization_url(DeviceAuthorizationUrl::from_url(endpoint(config, "devicecode")?)))
}

/// One of the tenant's addresses.
pub(super) fn endpoint(config: &Graph, name: &str) -> Result<Url, Error> {
    let login = config.login_url.as_str().trim_end_matches('/');
    address(&format!("{login}/{}/oauth2/v2.0/{name}", config.tenant_id))
}

/// An address that begins with the settings' own.
pub(super) fn address(text: &str) -> Result<Url, Error> {
    text.parse().map_err(|_| Error::Misconfigured {
        code: "graph.login_url".to_owned(),
        remedy: "give Entra ID's address without a path",
    })
}

/// The way to Entra ID, which is closed for as long as it asks us to wait; clones share it.
#[derive(Clone)]
pub(super) struct Entra {
    http: reqwest::Client,
    clock: Clock,
    gate: Arc<Gate>,
}

impl Entra {
    pub fn new(http: reqwest::Client, clock: Clock) -> Self {
        let gate = Arc::new(Gate::new(clock.clone()));
        Self { http, clock, gate }
    }

    /// Sends what the `oauth2` crate wants sent; 429 and 5xx never reach it, since it would drop their `Retry-After`.
    pub fn sender(&self) -> impl Fn(HttpRequest) -> Exchange + Send + Sync + use<> {
        let entra = self.clone();
        move |request| {
            let entra = entra.clone();
            Box::pin(async move { entra.exchange(request).await })
        }
    }

    async fn exchange(&self, request: HttpRequest) -> Result<HttpResponse, Transport> {
        self.gate.pass().map_err(Transport::Throttled)?;
        let outcome = exchange(&self.http, &self.clock, request).await;
        if let Err(Transport::Throttled(wait)) = &outcome {
            self.gate.close(*wait);
        }
        outcome
    }
}

async fn exchange(http: &reqwest::Client, clock: &Clock, request: HttpRequest) -> Result<HttpResponse, Transport> {
    let unreachable = |error: reqwest::Error| Transport::Unreachable(wire::reason(&error));
    let request = reqwest::Request::try_from(request).map_err(unreachable)?;
    let response = http.execute(request).await.map_err(unreachable)?;
    let status = response.status();
    let wait = wire::retry_after(response.headers(), clock.now());
    match wait {
        _ if status == StatusCode::TOO_MANY_REQUESTS => return Err(Transport::Throttled(wait.unwrap_or(THROTTLED_UNSTATED))),
        Some(wait) if status.is_server_error() => return Err(Transport::Throttled(wait)),
        None if status.is_server_error() => return Err(Transport::Unreachable(format!("status {}", status.as_u16()))),
        _ => {}
    }
    let headers = response.headers().clone();
    let body = wire::body(response).await.map_err(Transport::Unreachable)?;
    let mut answer = HttpResponse::new(body);
    *answer.status_mut() = status;
    *answer.headers_mut() = headers;
    Ok(answer)
}

/// Sorts what the `oauth2` crate says went wrong.
pub(super) fn sort<T>(error: RequestTokenError<Transport, StandardErrorResponse<T>>, whose: Whose) -> Error
where
    T: ErrorResponseType + AsRef<str> + 'static,
    StandardErrorResponse<T>: ErrorResponse,
{
    match error {
        RequestTokenError::ServerResponse(answer) => {
            refusal(answer.error().as_ref(), answer.error_description().map(String::as_str), whose)
        }
        RequestTokenError::Request(Transport::Throttled(retry_after)) => Error::Throttled { retry_after },
        RequestTokenError::Request(Transport::Unreachable(reason)) => Error::Unreachable { reason },
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            Error::Unreachable { reason: "the answer is not one of a token endpoint".to_owned() }
        }
    }
}

/// The access token of an answer; its life is counted from when it was asked for.
pub(super) fn access_token(answer: &Answer, asked_at: Timestamp) -> AccessToken {
    let lifetime = SignedDuration::try_from(answer.expires_in().unwrap_or(LIFETIME_UNSTATED)).unwrap_or(SignedDuration::ZERO);
    let expires_at = asked_at.saturating_add(lifetime).unwrap_or(Timestamp::MAX);
    AccessToken::new(SecretString::from(answer.access_token().secret().as_str()), expires_at)
}
