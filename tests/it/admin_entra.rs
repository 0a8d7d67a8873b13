//! People who sign in with Entra ID: whose tokens let them in, and as what.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock};

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rsa::{KeyPair, KeySize};
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::get;
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use insta::assert_snapshot;
use jiff::SignedDuration;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use presence_gateway::store::api_token::Role;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::admin::{check_problem, teams_sync};
use crate::admin_bodies::seen;
use crate::world::{ADMIN_TOKEN, Person, World};

const AUDIENCE: &str = "api://presence-gateway";

/// Signs, and publishes the key.
pub struct Entra {
    issuer: String,
    asked: Arc<AtomicU32>,
    _running: JoinSet<()>,
}

static SIGNER: LazyLock<EncodingKey> = LazyLock::new(|| {
    let pair = KeyPair::generate(KeySize::Rsa2048).unwrap();
    let text = STANDARD.encode(AsDer::as_der(&pair).unwrap().as_ref());
    let pem = format!("-----BEGIN PRIVATE KEY-----\n{text}\n-----END PRIVATE KEY-----\n");
    EncodingKey::from_rsa_pem(pem.as_bytes()).unwrap()
});

impl Entra {
    pub async fn start() -> Self {
        let asked = Arc::<AtomicU32>::default();
        let metadata =
            async |headers: HeaderMap| Json(json!({"jwks_uri": format!("http://{}/keys", headers["host"].to_str().unwrap())}));
        let keys = async |State(asked): State<Arc<AtomicU32>>| {
            asked.fetch_add(1, Ordering::SeqCst);
            let mut key = serde_json::to_value(Jwk::from_encoding_key(&SIGNER, Algorithm::RS256).unwrap()).unwrap();
            key["kid"] = json!("known");
            Json(json!({"keys": [key]}))
        };
        let routes = Router::new()
            .route("/tenant/v2.0/.well-known/openid-configuration", get(metadata))
            .route("/keys", get(keys))
            .with_state(asked.clone());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let issuer = format!("http://{}/tenant/v2.0", listener.local_addr().unwrap());
        let mut running = JoinSet::new();
        running.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        Self { issuer, asked, _running: running }
    }

    /// A world whose people sign in here.
    pub async fn world(&self) -> World {
        World::with(|sources| {
            sources.with("GATEWAY__ADMIN__OIDC_ISSUER", &self.issuer).with("GATEWAY__ADMIN__OIDC_AUDIENCE", AUDIENCE)
        })
        .await
    }

    /// A good token of this person, with these roles, but for what is changed.
    pub fn token(&self, world: &World, person: Uuid, roles: &[&str], changes: &Value) -> String {
        let now = world.clock.now().as_second();
        let mut claims = json!({
            "iss": self.issuer, "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + 3600, "oid": person, "sub": "pairwise",
            "roles": roles,
        });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        sign("known", &claims)
    }
}

fn sign(key_id: &str, claims: &Value) -> String {
    let header = Header { kid: Some(key_id.to_owned()), ..Header::new(Algorithm::RS256) };
    jsonwebtoken::encode(&header, claims, &SIGNER).unwrap()
}

#[tokio::test]
async fn a_person_has_the_highest_of_their_roles() {
    let entra = Entra::start().await;
    let world = entra.world().await;
    let person = Uuid::new_v4();
    let check = async |roles: &[&str], changes: Value, expected: Option<&str>| {
        let me = world.told(world.me(&entra.token(&world, person, roles, &changes))).await;
        let expected = json!({"kind": "person", "name": person, "role": expected, "location": null, "user": null});
        assert_eq!(me, expected, "{roles:?}");
    };
    check(&[], json!({}), None).await;
    check(&["Gateway.Viewer"], json!({}), Some("viewer")).await;
    check(&["Gateway.Operator", "Gateway.Viewer", "Other.Admin"], json!({}), Some("operator")).await;
    check(&["Gateway.Admin"], json!({"aud": ["x", AUDIENCE]}), Some("admin")).await;
    check(&["gateway.admin", "Admin"], json!({}), None).await;
    assert_eq!(entra.asked.load(Ordering::SeqCst), 1, "the keys are kept");
    world.person("anna").await;
    world.directory().await;
    let path = format!("v1/locations/{}/teams-sync", world.location);
    let operator = entra.token(&world, person, &["Gateway.Operator"], &json!({}));
    world.told(world.admin_request(Method::PUT, &path).bearer_auth(&operator).json(&teams_sync("none"))).await;
    assert_eq!(world.audit("").await["items"][0]["who"], json!({"kind": "person", "name": person}));
}

#[tokio::test]
async fn a_token_that_is_not_for_us_now_lets_nobody_in() {
    let entra = Entra::start().await;
    let world = entra.world().await;
    let now = world.clock.now().as_second();
    let good = entra.token(&world, Uuid::new_v4(), &["Gateway.Admin"], &json!({}));
    let (body, signature) = good.rsplit_once('.').unwrap();
    let none = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","kid":"known"}"#);
    let bent = [
        format!("{body}.{}", signature.chars().rev().collect::<String>()),
        format!("{body}."),
        format!("{none}.{}.", body.split_once('.').unwrap().1),
        sign("unknown", &json!({"iss": entra.issuer})),
        "a.b.c".to_owned(),
        "x".repeat(20_000),
    ];
    let claims = [
        json!({"iss": "https://login.microsoftonline.com/tenant/v2.0"}),
        json!({"aud": "api://another"}),
        json!({"exp": now - 300}),
        json!({"exp": null}),
        json!({"nbf": now + 3600}),
        json!({"oid": null, "sub": null}),
    ];
    let others = claims.map(|changes| entra.token(&world, Uuid::new_v4(), &["Gateway.Admin"], &changes));
    let mut failures = 0;
    for token in bent.into_iter().chain(others) {
        check_problem(world.me(&token), 401, "not-signed-in").await;
        // Ten failures in a minute would be told otherwise.
        failures += 1;
        if failures % 8 == 0 {
            world.advance(SignedDuration::from_mins(1));
        }
    }
    let late = json!({"exp": world.clock.now().as_second() - 299, "nbf": world.clock.now().as_second() + 300});
    world.told(world.me(&entra.token(&world, Uuid::new_v4(), &[], &late))).await;
}

#[tokio::test]
async fn without_a_role_a_person_reaches_the_own_user_only() {
    let entra = Entra::start().await;
    let world = entra.world().await;
    let (anna, ben) = (world.person("anna").await, world.person("ben").await);
    world.directory().await;
    let free = json!({"mode": "none", "user_may_change": true, "remember_login_data": false, "shadow": false});
    let path = format!("v1/locations/{}/teams-sync", world.location);
    world.told(world.admin_request(Method::PUT, &path).bearer_auth(ADMIN_TOKEN).json(&free)).await;
    let token = entra.token(&world, anna.teams, &[], &json!({}));
    assert_eq!(world.told(world.me(&token)).await["user"], json!(anna.xphone));
    let choose = |person: Person| {
        let path = format!("v1/users/{}/teams-sync", person.xphone);
        world.admin_request(Method::PUT, &path).json(&json!({"mode": "telephony"}))
    };
    world.told(choose(anna).bearer_auth(&token)).await;
    check_problem(choose(ben).bearer_auth(&token), 403, "not-yours").await;
    let nobody = Person { xphone: Uuid::new_v4(), teams: Uuid::nil() };
    check_problem(choose(nobody).bearer_auth(&token), 403, "not-yours").await;
    check_problem(world.admin_request(Method::GET, "v1/locations").bearer_auth(&token), 403, "wrong-role").await;
    check_problem(world.admin_request(Method::GET, &path).bearer_auth(&token), 403, "wrong-role").await;
    let viewer = entra.token(&world, anna.teams, &["Gateway.Viewer"], &json!({}));
    world.told(choose(anna).bearer_auth(&viewer)).await;
    check_problem(choose(ben).bearer_auth(&viewer), 403, "wrong-role").await;
    let local = world.token("local", Role::Operator, Some(Uuid::new_v4())).await;
    check_problem(choose(anna).bearer_auth(&local), 403, "wrong-location").await;
    let token = world.token("operator", Role::Operator, Some(world.location)).await;
    world.told(choose(ben).bearer_auth(&token)).await;
}

#[tokio::test]
async fn a_person_without_a_role_cannot_change_without_end() {
    let entra = Entra::start().await;
    let world = entra.world().await;
    let (anna, ben) = (world.person("anna").await, world.person("ben").await);
    world.directory().await;
    let free = json!({"mode": "telephony", "user_may_change": true, "remember_login_data": false, "shadow": false});
    world.put_setting(&format!("locations/{}/teams-sync", world.location), &free).await;
    let [token, bens] = [anna, ben].map(|person| entra.token(&world, person.teams, &[], &json!({})));
    let path = format!("v1/users/{}/teams-sync", anna.xphone);
    let choose = |number: u32| {
        let mode = if number.is_multiple_of(2) { "none" } else { "telephony" };
        world.admin_request(Method::PUT, &path).json(&json!({"mode": mode}))
    };
    let link = || world.admin_request(Method::POST, &format!("v1/users/{}/sign-in-link", anna.xphone));
    for number in 0..10 {
        world.told(choose(number).bearer_auth(&token)).await;
        assert_ne!(link().bearer_auth(&token).send().await.unwrap().status(), 429);
    }
    let audited = world.app.store.audit(None, 100).await.unwrap().len();
    for request in [choose(0), link(), world.admin_request(Method::DELETE, &path)] {
        let answer = request.try_clone().unwrap().bearer_auth(&token).send().await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (429, &"600".parse().unwrap()));
        assert_snapshot!("too_many_changes", seen(request.bearer_auth(&token)).await);
    }
    assert_eq!(world.app.store.audit(None, 100).await.unwrap().len(), audited);
    // Looking is free; nobody else is concerned, not even an operator who does it for her.
    world.told(world.admin_request(Method::GET, &path).bearer_auth(&token)).await;
    world.told(choose(0).bearer_auth(ADMIN_TOKEN)).await;
    let own = world.admin_request(Method::PUT, &format!("v1/users/{}/teams-sync", ben.xphone));
    world.told(own.json(&json!({"mode": "none"})).bearer_auth(&bens)).await;
    world.advance(SignedDuration::from_mins(10));
    let token = entra.token(&world, anna.teams, &[], &json!({}));
    world.told(choose(1).bearer_auth(&token)).await;
}

#[tokio::test]
async fn a_choice_is_seen_and_changed_only_by_whoever_saw_it() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let free = json!({"mode": "telephony", "user_may_change": true, "remember_login_data": false, "shadow": false});
    world.put_setting(&format!("locations/{}/teams-sync", world.location), &free).await;
    let path = format!("v1/users/{}/teams-sync", anna.xphone);
    let ask = |method: Method| world.admin_request(method, &path).bearer_auth(ADMIN_TOKEN);
    let put = |mode: &str| ask(Method::PUT).json(&json!({"mode": mode}));
    check_problem(ask(Method::GET), 404, "not-found").await;
    check_problem(put("none").header("if-match", "*"), 412, "stale").await;
    let made = put("none").header("if-none-match", "*").send().await.unwrap();
    let first = made.headers()["etag"].clone();
    let seen = ask(Method::GET).send().await.unwrap();
    assert_eq!((seen.headers()["etag"].clone(), seen.json::<Value>().await.unwrap()), (first.clone(), json!({"mode": "none"})));
    check_problem(put("telephony").header("if-none-match", "*"), 412, "stale").await;
    let second = put("telephony").header("if-match", &first).send().await.unwrap().headers()["etag"].clone();
    check_problem(put("none").header("if-match", &first), 412, "stale").await;
    check_problem(ask(Method::DELETE).header("if-match", &first), 412, "stale").await;
    assert_eq!(world.told(ask(Method::GET)).await, json!({"mode": "telephony"}), "what is refused changes nothing");
    assert_eq!(ask(Method::DELETE).header("if-match", &second).send().await.unwrap().status(), 204);
    check_problem(ask(Method::DELETE).header("if-match", &second), 412, "stale").await;
    check_problem(ask(Method::GET), 404, "not-found").await;
}

#[tokio::test]
async fn without_keys_nobody_can_be_told_from_a_forger() {
    let world = World::with(|sources| {
        sources.with("GATEWAY__ADMIN__OIDC_ISSUER", "http://127.0.0.1:1/t").with("GATEWAY__ADMIN__OIDC_AUDIENCE", AUDIENCE)
    })
    .await;
    let token = sign("known", &json!({"iss": "http://127.0.0.1:1/t"}));
    for _ in 0..12 {
        check_problem(world.me(&token), 503, "sign-in-unavailable").await;
    }
    world.told(world.me(ADMIN_TOKEN)).await;
}
