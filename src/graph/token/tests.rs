//! Both identities against a small Entra ID on the loopback.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::digest::{SHA256, digest};
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::SignedDuration;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::clock::Clock;
use crate::config::{Credential, Graph};
use crate::domain::ids::TeamsUserId;
use crate::graph::testing::{CLIENT, Server, TENANT, noon, serve, settings};
use crate::graph::wire::http_client;

const ACCOUNT: Uuid = Uuid::from_u128(42);

type Form = HashMap<String, String>;

/// What Entra ID will answer next, and what it was asked.
#[derive(Default)]
struct Desk {
    answers: Mutex<VecDeque<(u16, Option<&'static str>, Value)>>,
    asked: Mutex<Vec<(String, Form)>>,
}

struct World {
    desk: Arc<Desk>,
    clock: Clock,
    config: Graph,
    _server: Server,
}

async fn answer(State(desk): State<Arc<Desk>>, Path((tenant, what)): Path<(Uuid, String)>, body: String) -> Response {
    assert_eq!(tenant, TENANT);
    let form = url::form_urlencoded::parse(body.as_bytes()).into_owned().collect();
    desk.asked.lock().unwrap().push((what, form));
    let (status, retry_after, body) = desk.answers.lock().unwrap().pop_front().unwrap();
    let mut response = (StatusCode::from_u16(status).unwrap(), Json(body)).into_response();
    if let Some(retry_after) = retry_after {
        response.headers_mut().insert("retry-after", retry_after.parse().unwrap());
    }
    response
}

impl World {
    async fn new() -> Self {
        let desk = Arc::new(Desk::default());
        let routes = Router::new().route("/{tenant}/oauth2/v2.0/{what}", post(answer)).with_state(desk.clone());
        let server = serve(routes).await;
        Self { desk, clock: Clock::standing_at(noon()), config: settings(&server.url), _server: server }
    }

    fn will_answer(&self, status: u16, body: Value) {
        self.desk.answers.lock().unwrap().push_back((status, None, body));
    }

    fn identity(&self) -> Identity {
        Identity::app(&self.config, http_client().unwrap(), self.clock.clone()).unwrap()
    }

    fn accounts(&self) -> Delegated {
        Delegated::new(&self.config, http_client().unwrap(), self.clock.clone()).unwrap()
    }

    fn asked(&self) -> Vec<(String, Form)> {
        std::mem::take(&mut self.desk.asked.lock().unwrap())
    }
}

fn app_token() -> Value {
    json!({"token_type": "Bearer", "expires_in": 3599, "ext_expires_in": 3599, "access_token": "app token"})
}

fn id_token(changes: &[(&str, Value)]) -> String {
    let mut claims =
        json!({"aud": CLIENT, "tid": TENANT, "oid": ACCOUNT, "preferred_username": "gateway-1@example.com", "exp": 1});
    for (name, value) in changes {
        claims[*name] = value.clone();
    }
    jsonwebtoken::encode(&Header::default(), &claims, &EncodingKey::from_secret(b"not looked at")).unwrap()
}

fn account_token(id_token: &str) -> Value {
    json!({
        "token_type": "Bearer", "scope": "Presence.Read.All", "expires_in": 4000, "access_token": "account token",
        "refresh_token": "refresh token", "id_token": id_token,
    })
}

fn device_code() -> Value {
    json!({
        "user_code": "ABCD", "device_code": "device", "verification_uri": "https://login.example/device",
        "expires_in": 900, "interval": 0, "message": "To sign in, ...",
    })
}

fn refused(error: &str, description: &str) -> Value {
    json!({"error": error, "error_description": description, "error_codes": [1], "trace_id": "x"})
}

#[tokio::test]
async fn the_app_shows_its_secret() {
    let world = World::new().await;
    world.will_answer(200, app_token());
    let token = world.identity().token().await.unwrap();
    assert_eq!((token.expose(), token.expires_at()), ("app token", noon() + SignedDuration::from_secs(3599)));
    assert_eq!(format!("{token:?}"), "AccessToken(until 2026-11-22T12:59:59Z)");
    let expected = [
        ("grant_type", "client_credentials".to_owned()),
        ("scope", "https://graph.microsoft.com/.default".to_owned()),
        ("client_id", CLIENT.to_string()),
        ("client_secret", "a shared secret".to_owned()),
    ];
    let expected: Form = expected.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    assert_eq!(world.asked(), [("token".to_owned(), expected)]);
}

#[tokio::test]
async fn the_app_signs_with_its_certificate() {
    let mut world = World::new().await;
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_RSA_SHA256).unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&key).unwrap();
    let (pem, secret) = (certificate.pem(), SecretString::from(key.serialize_pem()));
    world.config.credential = Credential::Certificate { certificate: pem, key: secret };
    world.will_answer(200, app_token());
    world.identity().token().await.unwrap();

    let (_, form) = world.asked().remove(0);
    assert_eq!(form["client_assertion_type"], "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    assert!(!form.contains_key("client_secret"));
    let mut validation = Validation::new(Algorithm::PS256);
    validation.validate_exp = false;
    validation.validate_aud = false;
    let public = DecodingKey::from_rsa_pem(key.public_key_pem().as_bytes()).unwrap();
    let assertion = jsonwebtoken::decode::<Value>(&form["client_assertion"], &public, &validation).unwrap();
    assert_eq!(assertion.header.typ.as_deref(), Some("JWT"));
    let thumbprint = URL_SAFE_NO_PAD.encode(digest(&SHA256, certificate.der()));
    assert_eq!(assertion.header.x5t_s256, Some(thumbprint));
    let now = noon().as_second();
    let mut claims = assertion.claims;
    assert!(claims["jti"].take().as_str().unwrap().parse::<Uuid>().is_ok());
    let audience = format!("{}{TENANT}/oauth2/v2.0/token", world.config.login_url);
    let expected = json!({"aud": audience, "iss": CLIENT, "sub": CLIENT, "jti": null, "nbf": now, "iat": now, "exp": now + 300});
    assert_eq!(claims, expected);
}

#[tokio::test]
async fn the_app_reads_its_federated_token_anew_each_time() {
    let mut world = World::new().await;
    let file = tempfile::NamedTempFile::new().unwrap();
    world.config.credential = Credential::FederatedTokenFile(file.path().to_owned());
    let identity = world.identity();
    for content in ["first\n", "second\n"] {
        std::fs::write(file.path(), content).unwrap();
        world.will_answer(200, app_token());
        let token = identity.token().await.unwrap();
        identity.invalidate(&token);
        assert_eq!(world.asked()[0].1["client_assertion"], content.trim());
    }
    drop(file);
    assert!(matches!(identity.token().await, Err(Error::Misconfigured { .. })));
}

#[tokio::test]
async fn an_unusable_certificate_is_told_at_once() {
    let mut world = World::new().await;
    world.config.credential = Credential::Certificate { certificate: "x".to_owned(), key: SecretString::from("x") };
    let error = Identity::app(&world.config, http_client().unwrap(), world.clock.clone()).err().unwrap();
    assert!(matches!(error, Error::Misconfigured { .. }));
}

#[tokio::test]
async fn refusals_of_the_token_endpoint_are_sorted() {
    let world = World::new().await;
    let check = async |status: u16, retry_after: Option<&'static str>, body: Value, expected: &str| {
        world.desk.answers.lock().unwrap().push_back((status, retry_after, body));
        let error = world.accounts().refresh(&SecretString::from("old")).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(expected), "{status} {error:?}");
    };
    check(400, None, refused("invalid_grant", "AADSTS50173: x"), "SignInAgain").await;
    check(401, None, refused("invalid_client", "AADSTS7000218: x"), "Misconfigured").await;
    check(429, Some("11"), json!({}), "Throttled { retry_after: 11s").await;
    check(429, None, json!({}), "Throttled { retry_after: 30s").await;
    check(503, Some("4"), json!({}), "Throttled { retry_after: 4s").await;
    check(500, None, json!({}), "Unreachable").await;
    check(400, None, json!("what?"), "Unreachable").await;
    check(200, None, json!({"access_token": 7}), "Unreachable").await;
}

#[tokio::test]
async fn an_account_signs_in_by_device_code() {
    let world = World::new().await;
    let accounts = world.accounts();
    world.will_answer(200, device_code());
    let code = accounts.start().await.unwrap();
    assert_eq!((code.verification_uri.as_str(), code.user_code.as_str()), ("https://login.example/device", "ABCD"));
    assert_eq!(code.expires_at, noon() + SignedDuration::from_mins(15));
    let shown = format!("{code:?}");
    assert!(shown.contains("login.example") && !shown.contains("ABCD"), "{shown}");

    world.will_answer(400, refused("authorization_pending", "AADSTS70016"));
    world.will_answer(400, refused("authorization_pending", "AADSTS70016"));
    world.will_answer(200, account_token(&id_token(&[])));
    let enrolled = accounts.poll(&code).await.unwrap();
    assert_eq!(enrolled.user_principal_name, "gateway-1@example.com");
    assert_eq!(enrolled.object_id, TeamsUserId(ACCOUNT));
    assert_eq!(enrolled.refresh_token.expose_secret(), "refresh token");

    let asked = world.asked();
    assert_eq!(asked.len(), 4);
    let scope = "openid profile offline_access https://graph.microsoft.com/Presence.Read.All";
    assert_eq!((asked[0].0.as_str(), asked[0].1["scope"].as_str()), ("devicecode", scope));
    assert_eq!(asked[1].1["device_code"], "device");
    assert!(asked.iter().all(|(_, form)| form["client_id"] == CLIENT.to_string() && !form.contains_key("client_secret")));
}

#[tokio::test]
async fn a_sign_in_that_cannot_be_used_is_refused() {
    let world = World::new().await;
    let accounts = world.accounts();
    let without = |name: &str| {
        let mut answer = account_token(&id_token(&[]));
        answer.as_object_mut().unwrap().remove(name);
        answer
    };
    let table = [
        (400, refused("authorization_declined", "AADSTS70018"), "NotApproved"),
        (400, refused("expired_token", "AADSTS70020"), "NotApproved"),
        (200, account_token(&id_token(&[("tid", json!(Uuid::nil()))])), "WrongPlace"),
        (200, account_token(&id_token(&[("aud", json!(Uuid::nil()))])), "WrongPlace"),
        (200, account_token("junk"), "Unreachable"),
        (200, without("id_token"), "Unreachable"),
        (200, without("refresh_token"), "Unreachable"),
    ];
    for (status, body, expected) in table {
        world.will_answer(200, device_code());
        let code = accounts.start().await.unwrap();
        world.will_answer(status, body.clone());
        let error = accounts.poll(&code).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(expected), "{body} {error:?}");
    }
}

#[tokio::test]
async fn refresh_tokens_rotate() {
    let world = World::new().await;
    let accounts = world.accounts();
    world.will_answer(200, account_token("unread"));
    let refreshed = accounts.refresh(&SecretString::from("old")).await.unwrap();
    assert_eq!(refreshed.refresh_token.unwrap().expose_secret(), "refresh token");
    assert_eq!(refreshed.access.expires_at(), noon() + SignedDuration::from_secs(4000));
    world.will_answer(200, app_token());
    assert!(accounts.refresh(&SecretString::from("old")).await.unwrap().refresh_token.is_none());
    let asked = world.asked();
    assert_eq!((asked[0].1["grant_type"].as_str(), asked[0].1["refresh_token"].as_str()), ("refresh_token", "old"));
}

#[tokio::test]
async fn an_entra_id_that_is_away_is_unreachable() {
    let World { config, clock, .. } = World::new().await;
    let http = reqwest::Client::builder().timeout(Duration::from_secs(2)).build().unwrap();
    let identity = Identity::app(&Graph { login_url: "http://127.0.0.1:9".parse().unwrap(), ..config }, http, clock).unwrap();
    assert!(matches!(identity.token().await, Err(Error::Unreachable { .. })));
}
