//! API tokens: made, listed, used and revoked; and what failed log-ins lead to.

use insta::assert_snapshot;
use jiff::SignedDuration;
use presence_gateway::domain::ids::LocationGuid;
use presence_gateway::store::api_token::Role;
use presence_gateway::store::audit::Actor;
use reqwest::{Method, RequestBuilder, StatusCode};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin::check_problem;
use crate::admin_bodies::seen;
use crate::world::{ADMIN_TOKEN, World};

impl World {
    /// A token of this role, for one location or for everything.
    pub async fn token(&self, name: &str, role: Role, location: Option<Uuid>) -> String {
        let made = self
            .app
            .store
            .create_api_token(name, role, location.map(LocationGuid), &Actor::CommandLine(None), self.clock.now())
            .await;
        made.unwrap().expect("no token has this name").expose_secret().to_owned()
    }

    pub fn me(&self, token: &str) -> RequestBuilder {
        self.admin_request(Method::GET, "v1/me").bearer_auth(token)
    }

    pub async fn told(&self, request: RequestBuilder) -> Value {
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json().await.unwrap()
    }
}

#[tokio::test]
async fn a_token_says_who_somebody_is_until_it_is_revoked() {
    let world = World::new().await;
    let here = world.location;
    let token = world.token("rollout", Role::Operator, Some(here)).await;
    assert!(token.starts_with("pgw_") && token.len() == 47, "{token}");
    let me = json!({"kind": "token", "name": "rollout", "role": "operator", "location": here, "user": null});
    assert_eq!(world.told(world.me(&token)).await, me);
    let lower = world.admin_request(Method::GET, "v1/me").header("authorization", format!("bearer  {token}"));
    assert_eq!(world.told(lower).await, me, "the scheme's case does not count");
    assert_eq!(world.told(world.me(ADMIN_TOKEN)).await["kind"], "bootstrap");
    let twin = world
        .app
        .store
        .create_api_token("rollout", Role::Viewer, None, &Actor::CommandLine(None), world.clock.now())
        .await
        .unwrap();
    assert!(twin.is_none(), "the name is taken");
    assert!(world.app.store.revoke_api_token("rollout", &Actor::CommandLine(None), world.clock.now()).await.unwrap());
    assert!(!world.app.store.revoke_api_token("rollout", &Actor::CommandLine(None), world.clock.now()).await.unwrap());
    check_problem(world.me(&token), 401, "not-signed-in").await;
    let next = world.token("rollout", Role::Viewer, None).await;
    assert_eq!(world.told(world.me(&next)).await["role"], "viewer", "the name is free again");
}

#[tokio::test]
async fn the_last_use_is_noted_once_a_minute_and_the_token_is_nowhere() {
    let world = World::new().await;
    let token = world.token("rollout", Role::Viewer, None).await;
    let last_use = async || world.app.store.api_tokens().await.unwrap()[0].last_used_at;
    assert_eq!(last_use().await, None);
    let first = world.clock.now();
    world.told(world.me(&token)).await;
    world.advance(SignedDuration::from_secs(59));
    world.told(world.me(&token)).await;
    assert_eq!(last_use().await, Some(first));
    world.advance(SignedDuration::from_secs(1));
    world.told(world.me(&token)).await;
    assert_eq!(last_use().await, Some(world.clock.now()));
    let rows: Vec<String> =
        sqlx::query_scalar("select t::text from api_token t").fetch_all(&world.database().await).await.unwrap();
    assert!(rows.len() == 1 && !rows[0].contains(&token[4..]), "{rows:?}");
}

#[tokio::test]
async fn after_ten_failures_an_address_is_told_to_wait_but_a_good_token_counts() {
    let world = World::new().await;
    for _ in 0..10 {
        check_problem(world.admin_request(Method::GET, "v1/me"), 401, "not-signed-in").await;
        check_problem(world.me("pgw_guessed"), 401, "not-signed-in").await;
    }
    for _ in 0..3 {
        let answer = world.me("pgw_guessed").send().await.unwrap();
        assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (429, &"60".parse().unwrap()));
    }
    assert_snapshot!("too_many_failures", seen(world.me("pgw_guessed")).await);
    check_problem(world.admin_request(Method::GET, "v1/me"), 401, "not-signed-in").await;
    // Whoever has a good token pays for nobody behind the same address.
    let token = world.token("good", Role::Viewer, None).await;
    for good in [ADMIN_TOKEN, &token] {
        world.told(world.me(good)).await;
        check_problem(world.me("pgw_guessed"), 429, "too-many-failures").await;
    }
    world.advance(SignedDuration::from_mins(1));
    check_problem(world.me("pgw_guessed"), 401, "not-signed-in").await;
}
