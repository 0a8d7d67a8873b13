//! Tokens of every kind against a small Entra ID on the loopback.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::get;
use axum::{Json, Router};
use futures::future::join_all;
use jiff::SignedDuration;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::graph::testing::{CLIENT, Server, TENANT, noon, serve, settings};
use crate::graph::wire::http_client;

const PUBLISHER: &str = "0bf30f3b-4a52-48df-9a82-234910c4a086";

/// Publishes keys, counts who asks, and may be told to fail or to lead astray.
#[derive(Default)]
struct Desk {
    published: Mutex<Vec<Value>>,
    asked: AtomicU32,
    failing: AtomicBool,
    jwks_uri: Mutex<Option<String>>,
}

struct World {
    desk: Arc<Desk>,
    clock: Clock,
    verifier: TokenVerifier,
    _server: Server,
}

fn signer(number: usize) -> &'static EncodingKey {
    static SIGNERS: [OnceLock<EncodingKey>; 2] = [const { OnceLock::new() }; 2];
    SIGNERS[number].get_or_init(|| {
        let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
        let pem = pkcs8_pem(AsDer::as_der(&pair).unwrap().as_ref());
        EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
    })
}

fn pkcs8_pem(der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n")
}

fn published(id: &str, number: usize) -> Value {
    let mut key = serde_json::to_value(Jwk::from_encoding_key(signer(number), Algorithm::RS256).unwrap()).unwrap();
    key["kid"] = json!(id);
    key["use"] = json!("sig");
    key["x5c"] = json!(["x"]);
    key
}

fn claims() -> Value {
    let now = noon().as_second();
    json!({
        "aud": CLIENT, "iss": format!("https://login.microsoftonline.com/{TENANT}/v2.0"), "ver": "2.0", "azp": PUBLISHER,
        "iat": now - 300, "nbf": now - 300, "exp": now + 86_400,
    })
}

fn sign(key_id: Option<&str>, number: usize, claims: &Value) -> String {
    let mut header = Header::new(Algorithm::RS256);
    header.kid = key_id.map(str::to_owned);
    jsonwebtoken::encode(&header, claims, signer(number)).unwrap()
}

fn genuine() -> String {
    sign(Some("k0"), 0, &claims())
}

async fn metadata(State(desk): State<Arc<Desk>>, headers: HeaderMap) -> Json<Value> {
    let here = format!("http://{}/keys", headers["host"].to_str().unwrap());
    Json(json!({"issuer": "x", "jwks_uri": desk.jwks_uri.lock().unwrap().clone().unwrap_or(here)}))
}

async fn key_set(State(desk): State<Arc<Desk>>) -> Result<Json<Value>, StatusCode> {
    desk.asked.fetch_add(1, Ordering::SeqCst);
    if desk.failing.load(Ordering::SeqCst) {
        return Err(StatusCode::INTERNAL_SERVER_ERROR);
    }
    let odd = [json!({"kty": "EC", "kid": "ec", "crv": "P-256"}), json!({"kty": "RSA"}), json!({})];
    let keys: Vec<Value> = odd.into_iter().chain(desk.published.lock().unwrap().clone()).collect();
    Ok(Json(json!({ "keys": keys })))
}

impl World {
    async fn new() -> Self {
        let desk = Arc::new(Desk::default());
        desk.published.lock().unwrap().push(published("k0", 0));
        let routes = Router::new()
            .route("/common/v2.0/.well-known/openid-configuration", get(metadata))
            .route("/keys", get(key_set))
            .with_state(desk.clone());
        let server = serve(routes).await;
        let clock = Clock::standing_at(noon());
        let verifier = TokenVerifier::new(&settings(&server.url), http_client().unwrap(), clock.clone()).unwrap();
        Self { desk, clock, verifier, _server: server }
    }

    async fn verify(&self, token: &str) -> Result<Result<(), Refusal>, KeysUnavailable> {
        self.verifier.verify(&[token]).await.map(|verdict| verdict.map(|_| ()))
    }

    fn asked(&self) -> u32 {
        self.desk.asked.load(Ordering::SeqCst)
    }

    fn fail(&self, failing: bool) {
        self.desk.failing.store(failing, Ordering::SeqCst);
    }

    fn pass(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }
}

#[tokio::test]
async fn tokens_are_judged_claim_by_claim() {
    let world = World::new().await;
    let now = noon().as_second();
    let check = async |changes: &[(&str, Value)], expected: Result<(), Refusal>| {
        let mut claims = claims();
        for (name, value) in changes {
            claims[*name] = value.clone();
        }
        let verdict = world.verify(&sign(Some("k0"), 0, &claims)).await.unwrap();
        assert_eq!(verdict, expected, "{changes:?}");
    };
    let v1 = |publisher: &str| {
        let issuer = json!(format!("https://sts.windows.net/{TENANT}/"));
        [("ver", json!("1.0")), ("iss", issuer), ("appid", json!(publisher)), ("azp", Value::Null)]
    };
    check(&[], Ok(())).await;
    check(&v1(PUBLISHER), Ok(())).await;
    check(&[("aud", json!(CLIENT.to_string().to_uppercase()))], Ok(())).await;
    check(&[("exp", json!(now - 299))], Ok(())).await;
    check(&[("nbf", json!(now + 300))], Ok(())).await;
    check(&[("nbf", Value::Null)], Ok(())).await;

    check(&[("aud", json!(Uuid::nil()))], Err(Refusal::TokenAudience)).await;
    check(&[("aud", json!("https://graph.microsoft.com"))], Err(Refusal::TokenAudience)).await;
    let elsewhere = [Uuid::nil().to_string(), format!("{TENANT}x")];
    for tenant in elsewhere {
        let issuer = json!(format!("https://login.microsoftonline.com/{tenant}/v2.0"));
        check(&[("iss", issuer)], Err(Refusal::TokenIssuer)).await;
    }
    let other_cloud = json!(format!("https://login.microsoftonline.us/{TENANT}/v2.0"));
    check(&[("iss", other_cloud)], Err(Refusal::TokenIssuer)).await;
    check(&[("exp", json!(now - 300))], Err(Refusal::TokenExpired)).await;
    check(&[("nbf", json!(now + 301))], Err(Refusal::TokenExpired)).await;
    check(&[("azp", json!(CLIENT))], Err(Refusal::TokenPublisher)).await;
    check(&[("azp", Value::Null), ("appid", json!(PUBLISHER))], Err(Refusal::TokenPublisher)).await;
    check(&v1(&CLIENT.to_string()), Err(Refusal::TokenPublisher)).await;
    check(&[("ver", json!("1.0"))], Err(Refusal::TokenPublisher)).await;
    check(&[("ver", json!("3.0"))], Err(Refusal::TokenPublisher)).await;
    check(&[("ver", Value::Null)], Err(Refusal::TokenPublisher)).await;
    check(&[("exp", Value::Null)], Err(Refusal::TokenMalformed)).await;
    check(&[("aud", json!(7))], Err(Refusal::TokenMalformed)).await;
    assert_eq!(world.asked(), 1);
}

#[tokio::test]
async fn tokens_are_judged_by_signature_before_anything_they_say() {
    let world = World::new().await;
    let (head, rest) = genuine().split_once('.').map(|(head, rest)| (head.to_owned(), rest.to_owned())).unwrap();
    let (_, signature) = rest.split_once('.').unwrap();
    let unsigned = "eyJhbGciOiJub25lIn0";
    let symmetric = jsonwebtoken::encode(&Header::default(), &claims(), &EncodingKey::from_secret(b"x")).unwrap();
    let table = [
        (genuine(), Ok(())),
        (sign(Some("k0"), 1, &claims()), Err(Refusal::TokenSignature)),
        (format!("{head}.e30.{signature}"), Err(Refusal::TokenSignature)),
        (symmetric, Err(Refusal::TokenSignature)),
        (format!("{unsigned}.{rest}"), Err(Refusal::TokenMalformed)),
        (sign(None, 0, &claims()), Err(Refusal::TokenMalformed)),
        (sign(Some("k9"), 0, &claims()), Err(Refusal::UnknownKey)),
        (String::new(), Err(Refusal::TokenMalformed)),
        ("a.b.c".to_owned(), Err(Refusal::TokenMalformed)),
        ("x".repeat(20_000), Err(Refusal::TokenMalformed)),
    ];
    for (token, expected) in table {
        let verdict = world.verify(&token).await.unwrap();
        assert_eq!(verdict, expected, "{token}");
    }
}

#[tokio::test]
async fn every_token_counts_and_none_is_refused() {
    let world = World::new().await;
    let (good, bad) = (genuine(), sign(Some("k0"), 1, &claims()));
    let verify = async |tokens: &[&str]| world.verifier.verify(tokens).await.unwrap().map(|_| ());
    assert_eq!(verify(&[]).await, Err(Refusal::NoToken));
    assert_eq!(verify(&[&good, &good]).await, Ok(()));
    assert_eq!(verify(&[&good, &bad]).await, Err(Refusal::TokenSignature));
    assert_eq!(verify(&[good.as_str(); 33]).await, Err(Refusal::TokenMalformed));
}

#[tokio::test]
async fn a_remembered_token_still_ends() {
    let world = World::new().await;
    let token = genuine();
    assert_eq!(world.verify(&token).await, Ok(Ok(())));
    world.fail(true);
    world.pass(86_400 + 299);
    assert_eq!(world.verify(&token).await, Ok(Ok(())));
    world.pass(1);
    assert_eq!(world.verify(&token).await, Ok(Err(Refusal::TokenExpired)));
    assert_eq!(world.asked(), 1, "a remembered token needs no key");
}

#[tokio::test]
async fn unknown_keys_are_asked_for_once_a_minute() {
    let world = World::new().await;
    assert_eq!(world.verify(&genuine()).await, Ok(Ok(())));
    let forged: Vec<String> = (0..50).map(|number| sign(Some(&format!("f{number}")), 1, &claims())).collect();
    for token in &forged {
        assert_eq!(world.verify(token).await, Ok(Err(Refusal::UnknownKey)));
    }
    assert_eq!(world.asked(), 1);
    world.pass(60);
    let verdicts = join_all(forged.iter().map(|token| world.verify(token))).await;
    assert!(verdicts.iter().all(|verdict| *verdict == Ok(Err(Refusal::UnknownKey))));
    assert_eq!(world.asked(), 2);

    world.desk.published.lock().unwrap().push(published("k1", 1));
    let rotated = sign(Some("k1"), 1, &claims());
    assert_eq!(world.verify(&rotated).await, Ok(Err(Refusal::UnknownKey)));
    world.pass(60);
    assert_eq!(world.verify(&rotated).await, Ok(Ok(())), "an unknown key is not remembered as a refusal");
}

#[tokio::test]
async fn when_keys_cannot_be_fetched_nothing_is_refused() {
    let world = World::new().await;
    world.fail(true);
    let seconds = |seconds| Err(KeysUnavailable { retry_after: Duration::from_secs(seconds) });
    let (token, unknown) = (genuine(), sign(Some("k1"), 1, &claims()));
    let verdicts = join_all((0..20).map(|_| world.verify(&token))).await;
    assert!(verdicts.iter().all(|verdict| *verdict == seconds(5)));
    assert_eq!(world.asked(), 1, "those who waited share the failure");
    world.pass(5);
    world.fail(false);
    assert_eq!(world.verify(&token).await, Ok(Ok(())));

    world.pass(60);
    world.fail(true);
    assert_eq!(world.verify(&unknown).await, seconds(60));
    let another = sign(Some("k0"), 0, &json!({"aud": "x", "iss": "x", "exp": 1}));
    assert_eq!(world.verify(&another).await, Ok(Err(Refusal::TokenAudience)), "kept keys still serve");
    world.pass(13 * 3600);
    let another = sign(Some("k0"), 0, &json!({"aud": "y", "iss": "x", "exp": 1}));
    assert_eq!(world.verify(&another).await, Ok(Err(Refusal::TokenAudience)), "even old ones, while there are no newer");
    assert_eq!(world.asked(), 4);
}

#[tokio::test]
async fn withdrawn_keys_are_forgotten_in_time() {
    let world = World::new().await;
    assert_eq!(world.verify(&genuine()).await, Ok(Ok(())));
    *world.desk.published.lock().unwrap() = vec![published("k1", 1)];
    world.pass(12 * 3600);
    let late = sign(Some("k0"), 0, &json!({"aud": "x", "iss": "x", "exp": 1}));
    assert_eq!(world.verify(&late).await, Ok(Err(Refusal::UnknownKey)));
}

#[tokio::test]
async fn keys_over_plain_http_from_elsewhere_are_not_taken() {
    let world = World::new().await;
    *world.desk.jwks_uri.lock().unwrap() = Some("http://elsewhere.example/keys".to_owned());
    assert!(world.verify(&genuine()).await.is_err());
    assert_eq!(world.asked(), 0);
}
