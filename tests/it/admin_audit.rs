//! Who changed what: told in full to administrators, with pseudonyms to works councils, altered by nobody.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use presence_gateway::config::SealingKeys;
use presence_gateway::store::api_token::Role;
use presence_gateway::store::{Store, StoreError};
use reqwest::Method;
use serde_json::{Value, json};

use crate::admin::{check_problem, teams_sync};
use crate::world::{ADMIN_TOKEN, World, exhaust};

impl World {
    pub async fn audit(&self, query: &str) -> Value {
        self.told(self.admin_request(Method::GET, &format!("v1/audit{query}")).bearer_auth(ADMIN_TOKEN)).await
    }
}

#[tokio::test]
async fn a_change_is_remembered_with_who_from_where_before_and_after() {
    let world = World::new().await;
    world.person("anna").await;
    world.directory().await;
    let token = world.token("rollout", Role::Operator, None).await;
    let path = format!("v1/locations/{}/teams-sync", world.location);
    for mode in ["none", "none", "telephony"] {
        world.told(world.admin_request(Method::PUT, &path).bearer_auth(&token).json(&teams_sync(mode))).await;
    }
    world.admin_request(Method::DELETE, &path).bearer_auth(ADMIN_TOKEN).send().await.unwrap();
    let page = world.audit("").await;
    let told: Vec<Value> =
        page["items"].as_array().unwrap().iter().map(|item| json!([item["what"], item["before"], item["after"]])).collect();
    let expected = [
        json!(["teams-sync unset", teams_sync("telephony"), null]),
        json!(["teams-sync set", teams_sync("none"), teams_sync("telephony")]),
        json!(["teams-sync set", null, teams_sync("none")]),
        json!(["token created", null, {"role": "operator", "location": null}]),
    ];
    assert_eq!(told, expected, "what is set already is no change");
    let change = &page["items"][1];
    assert_eq!(change["who"], json!({"kind": "token", "name": "rollout"}));
    assert_eq!((&change["from"], &change["at"]), (&json!("127.0.0.1"), &json!("2026-11-02T09:00:00Z")));
    assert_eq!(change["target"], json!({"kind": "location", "id": world.location}));
    assert_eq!(page["items"][0]["who"], json!({"kind": "bootstrap", "name": null}));
    assert_eq!(page["items"][3]["who"], json!({"kind": "command_line", "name": null}));
}

#[tokio::test]
async fn the_log_is_told_page_by_page() {
    let world = World::new().await;
    for name in ["a", "b", "c", "d", "e"] {
        world.token(name, Role::Viewer, None).await;
    }
    let mut names = Vec::new();
    let mut query = "?limit=2".to_owned();
    loop {
        let page = world.audit(&query).await;
        names.extend(page["items"].as_array().unwrap().iter().map(|item| item["target"]["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        query = format!("?limit=2&after={next}");
    }
    assert_eq!(names, ["e", "d", "c", "b", "a"]);
}

#[tokio::test]
async fn nothing_changes_the_log_but_upkeep_when_it_is_too_old() {
    let world = World::with(|sources| sources.with("GATEWAY__ADMIN__AUDIT_RETENTION_DAYS", 30)).await;
    world.token("old", Role::Viewer, None).await;
    let database = world.database().await;
    for forbidden in ["update audit set actor_kind = 'bootstrap'", "delete from audit", "truncate audit"] {
        let refused = sqlx::query(forbidden).execute(&database).await.unwrap_err();
        assert!(refused.to_string().contains("append-only"), "{forbidden}: {refused}");
    }
    world.advance(SignedDuration::from_hours(24 * 30));
    world.token("new", Role::Viewer, None).await;
    exhaust(&world.app.tasks.upkeep).await;
    assert_eq!(world.audit("").await["items"].as_array().unwrap().len(), 2, "to the day");
    world.advance(SignedDuration::from_hours(1));
    exhaust(&world.app.tasks.upkeep).await;
    assert_eq!(world.audit("").await["items"][0]["target"]["id"], "new");
    assert_eq!(world.audit("").await["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_export_names_no_person_and_always_the_same_pseudonym() {
    let world = World::new().await;
    let anna = world.person("anna").await;
    world.directory().await;
    let free = json!({"mode": "none", "user_may_change": true, "remember_login_data": false, "shadow": false});
    let path = format!("v1/locations/{}/teams-sync", world.location);
    world.told(world.admin_request(Method::PUT, &path).bearer_auth(ADMIN_TOKEN).json(&free)).await;
    let own = format!("v1/users/{}/teams-sync", anna.xphone);
    for mode in ["telephony", "none"] {
        let choose = world.admin_request(Method::PUT, &own).bearer_auth(ADMIN_TOKEN).json(&json!({"mode": mode}));
        world.told(choose).await;
    }
    let (told, export) = (world.audit("").await, world.audit("/export").await);
    assert!(told.to_string().contains(&anna.xphone.to_string()));
    assert!(!export.to_string().contains(&anna.xphone.to_string()) && !export.to_string().contains("127.0.0.1"));
    let (first, second) = (&export["items"][0]["target"]["id"], &export["items"][1]["target"]["id"]);
    assert!(first == second && first.as_str().unwrap().starts_with("pseudonym-"));
    assert_eq!(export["items"][0]["after"], json!({"mode": "none"}));
    assert_eq!(export["items"][2]["target"], told["items"][2]["target"], "a place is no person");
    assert_eq!(world.audit("/export").await, export);
}

#[tokio::test]
async fn a_pseudonym_key_that_nothing_opens_keeps_nobody_from_forgetting() {
    let key = |byte: u8| STANDARD.encode([byte; 32]);
    let world = World::with(|sources| sources.with("GATEWAY__SECRETS__PREVIOUS_KEYS", key(6))).await;
    // Sealed by a gateway whose key is lost.
    let lost = Store::connect(&world.database_url(), 2, SealingKeys::parse(&key(5), "").unwrap()).await.unwrap();
    lost.pseudonym_key().await.unwrap();
    assert!(matches!(world.app.store.pseudonym_key().await, Err(StoreError::Sealed)));
    let database = world.database().await;
    let old = "insert into timeline (user_guid, decided_at) values (gen_random_uuid(), '2020-01-01Z')";
    sqlx::query(old).execute(&database).await.unwrap();
    // Sealing anew comes before the timeline, and has a key to look for.
    exhaust(&world.app.tasks.upkeep).await;
    let left: i64 = sqlx::query_scalar("select count(*) from timeline").fetch_one(&database).await.unwrap();
    assert_eq!(left, 0);
    lost.pseudonym_key().await.expect("it is left as it was, for whoever finds the key again");
    lost.close().await;
}

#[tokio::test]
async fn where_the_policy_leaves_no_choice_nobody_has_one() {
    let world = World::new().await;
    let anna = world.person("anna").await;
    world.directory().await;
    let own = format!("v1/users/{}/teams-sync", anna.xphone);
    let choose = || world.admin_request(Method::PUT, &own).bearer_auth(ADMIN_TOKEN).json(&json!({"mode": "none"}));
    check_problem(choose(), 403, "no-choice").await;
    check_problem(world.admin_request(Method::DELETE, &own).bearer_auth(ADMIN_TOKEN), 403, "no-choice").await;
    let nobody = world.admin_request(Method::DELETE, "v1/users/00000000-0000-0000-0000-000000000000/teams-sync");
    check_problem(nobody.bearer_auth(ADMIN_TOKEN), 404, "not-found").await;
    assert_eq!(world.audit("").await, json!({"items": [], "next": null}));
}
