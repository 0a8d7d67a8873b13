//! Login data of users who linked themselves: kept only where the policy says so, sealed, used for one thing, and forgotten.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::SignedDuration;
use presence_gateway::config::Config;
use presence_gateway::store::Store;
use presence_gateway::tasks::driver::Task;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use super::PRIVATE;
use super::browser::Browser;
use crate::world::{ADMIN_TOKEN, Person, World, exhaust, settings};

impl World {
    async fn remember_login_data(&self, remember: bool) {
        let sync = json!({"mode": "telephony", "user_may_change": false, "remember_login_data": remember, "shadow": false});
        let path = format!("v1/locations/{}/teams-sync", self.location);
        self.told(self.admin_request(Method::PUT, &path).bearer_auth(ADMIN_TOKEN).json(&sync)).await;
    }

    /// Anna, linked by signing in where login data is remembered.
    async fn with_login_data() -> (Self, Person, String) {
        let (world, [anna]) = Self::with_people(["anna"]).await;
        world.account(PRIVATE).await;
        world.remember_login_data(true).await;
        let page = Browser::new(&world).link(&world.sign_in_link(anna).await, PRIVATE).await;
        assert_eq!(page.status, 200);
        (world, anna, page.text)
    }

    async fn prove_links(&self) {
        exhaust(self.app.tasks.logins.as_ref().unwrap()).await;
    }

    async fn kept(&self) -> Vec<Option<Vec<u8>>> {
        sqlx::query_scalar("select refresh_token from kept_login").fetch_all(&self.database().await).await.unwrap()
    }

    async fn refreshed(&self) -> u64 {
        self.graph_look("requests").await["grants"]["refresh_token"].as_u64().unwrap_or_default()
    }
}

#[tokio::test]
async fn it_is_asked_for_and_kept_only_where_the_policy_says_so() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.account(PRIVATE).await;
    let url = world.sign_in_link(anna).await;
    let mut browser = Browser::new(&world);
    let asked = async || world.graph_look("sign-ins").await[0]["scope"].clone();
    let id = browser.go_to_sign_in(&url).await;
    assert_eq!(asked().await, "openid profile");
    // Switched on in between: it was not asked for, so there is nothing to keep.
    world.remember_login_data(true).await;
    let back = world.approve_sign_in(id, PRIVATE).await;
    let page = browser.open(&back).await;
    assert!(page.text.contains("was not stored"), "{}", page.text);
    assert_eq!(world.linked(anna).await["login"], Value::Null);
    let id = browser.go_to_sign_in(&world.sign_in_link(anna).await).await;
    assert_eq!(asked().await, "openid profile offline_access");
    let back = world.approve_sign_in(id, PRIVATE).await;
    let page = browser.open(&back).await;
    assert!(page.text.contains("stored, encrypted") && page.text.contains("nothing else"), "{}", page.text);
    let now = world.clock.now();
    let login = json!({"state": "kept", "problem": null, "kept_at": now, "renewed_at": now});
    assert_eq!(world.linked(anna).await["login"], login);
    // Switched off in between: it is not kept, and what was kept goes with the earlier link.
    let id = browser.go_to_sign_in(&world.sign_in_link(anna).await).await;
    world.remember_login_data(false).await;
    let back = world.approve_sign_in(id, PRIVATE).await;
    let page = browser.open(&back).await;
    assert!(page.status == 200 && !page.text.contains("stored"), "{}", page.text);
    assert_eq!(world.linked(anna).await["login"], Value::Null);
}

#[tokio::test]
async fn accounts_that_sign_in_elsewhere_are_told_that_theirs_cannot_be_kept() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let federated = world.account("anna@adfs.example").await;
    world.graph_control(Method::PUT, "federated-domains", json!(["adfs.example"])).await;
    world.remember_login_data(true).await;
    let link = async |account: &str| Browser::new(&world).link(&world.sign_in_link(anna).await, account).await;
    let page = link("anna@adfs.example").await;
    assert!(page.status == 200 && page.text.contains("login server of its own"), "{}", page.text);
    assert_eq!(world.linked(anna).await["id"], json!(federated));
    // In doubt nothing is kept either.
    world.graph_faults(json!({"deny": [{"endpoint": "userrealm", "status": 500}]})).await;
    let page = link("anna@example.com").await;
    assert!(page.status == 200 && page.text.contains("was not stored"), "{}", page.text);
    assert!(world.kept().await.is_empty());
}

#[tokio::test]
async fn it_proves_the_link_anew_every_month_and_lives_as_long_as_entra_takes_it() {
    let (world, anna, page) = World::with_login_data().await;
    assert!(page.contains("stored, encrypted"));
    let day = SignedDuration::from_hours(24);
    let mut seen = world.kept().await;
    for _ in 0..6 {
        let asked = world.refreshed().await;
        world.advance(day * 29);
        world.prove_links().await;
        assert_eq!(world.refreshed().await, asked, "not before its time");
        world.advance(day);
        world.prove_links().await;
        world.prove_links().await;
        assert_eq!(world.refreshed().await, asked + 1);
        seen.extend(world.kept().await);
        assert_eq!(world.linked(anna).await["login"]["renewed_at"], json!(world.clock.now()));
    }
    seen.dedup();
    assert_eq!(seen.len(), 7, "a new one each time");
}

#[tokio::test]
async fn what_entra_takes_no_more_is_forgotten_and_the_link_says_so() {
    let (world, anna, _) = World::with_login_data().await;
    let revoke = json!({"user_principal_name": PRIVATE, "error": "AADSTS50173"});
    world.graph_control(Method::POST, "refresh-tokens/revoke", revoke).await;
    world.advance(SignedDuration::from_hours(30 * 24));
    // Entra ID is away first: that says nothing.
    world.graph_faults(json!({"deny": [{"endpoint": "token", "status": 503}]})).await;
    assert!(world.app.tasks.logins.as_ref().unwrap().run().await.is_err());
    assert_eq!(world.linked(anna).await["login"]["state"], "kept");
    world.graph_faults(json!({})).await;
    world.prove_links().await;
    assert_eq!(world.linked(anna).await["login"]["state"], "kept", "not asked again at once");
    world.advance(SignedDuration::from_hours(1));
    world.prove_links().await;
    let linked = world.linked(anna).await;
    assert_eq!(linked["login"]["state"], "needs_sign_in");
    assert!(linked["login"]["problem"].as_str().unwrap().contains("AADSTS50173"), "{linked}");
    assert_eq!(linked["link"]["by"], "sign-in", "the link holds");
    assert_eq!(world.kept().await, [None]);
    let asked = world.refreshed().await;
    world.advance(SignedDuration::from_hours(30 * 24));
    world.prove_links().await;
    assert_eq!(world.refreshed().await, asked, "what is dead is not tried again");
    assert_eq!(Browser::new(&world).link(&world.sign_in_link(anna).await, PRIVATE).await.status, 200);
    assert_eq!(world.linked(anna).await["login"]["state"], "kept");
}

#[tokio::test]
async fn login_data_of_somebody_else_is_forgotten() {
    let (world, anna, _) = World::with_login_data().await;
    world.advance(SignedDuration::from_hours(30 * 24));
    world.graph_faults(json!({"id_token": {"claims": {"oid": Uuid::new_v4()}}})).await;
    world.prove_links().await;
    assert_eq!(world.linked(anna).await["login"]["state"], "needs_sign_in");
    assert_eq!(world.kept().await, [None]);
}

#[tokio::test]
async fn it_goes_with_the_link_with_another_link_and_with_the_policy() {
    let (world, anna, _) = World::with_login_data().await;
    let link = async || Browser::new(&world).link(&world.sign_in_link(anna).await, PRIVATE).await.status;
    world.unlink(anna).await;
    assert!(world.kept().await.is_empty());
    assert_eq!(link().await, 200);
    assert_eq!(world.kept().await.len(), 1);
    world.link(anna, anna.teams).await.unwrap();
    assert!(world.kept().await.is_empty());
    assert_eq!(link().await, 200);
    world.remember_login_data(false).await;
    world.prove_links().await;
    assert!(world.kept().await.is_empty());
    assert_eq!(world.linked(anna).await["link"]["by"], "sign-in", "the link stays");
}

#[tokio::test]
async fn what_an_earlier_key_sealed_is_sealed_anew_and_opens_for_nobody_else() {
    let (world, anna, _) = World::with_login_data().await;
    let key = |byte: u8| STANDARD.encode([byte; 32]);
    let old = world.kept().await;
    let keys = |current: u8, previous: &str| {
        let sources = settings().with("GATEWAY__SECRETS__KEY", key(current)).with("GATEWAY__SECRETS__PREVIOUS_KEYS", previous);
        Config::load(&sources).unwrap().secrets
    };
    let url = world.database_url();
    let pseudonyms = world.app.store.pseudonym_key().await.unwrap();
    // As after a start with a new key, the old one beside it.
    let rotated = Store::connect(&url, 2, keys(8, &key(7))).await.unwrap();
    rotated.seal_anew().await.unwrap();
    let anew = world.kept().await;
    assert_ne!(anew, old);
    rotated.seal_anew().await.unwrap();
    assert_eq!(world.kept().await, anew, "once");
    // As after a start without the old key.
    let without = Store::connect(&url, 2, keys(8, "")).await.unwrap();
    let later = world.clock.now() + SignedDuration::from_hours(31 * 24);
    assert_eq!(without.logins_due(later, 9).await.unwrap().logins.len(), 1);
    let account = without.accounts().await.unwrap()[0].id;
    without.refresh_token(account).await.unwrap();
    assert_eq!(without.client_states().await.unwrap().len(), 1);
    assert_eq!(without.private_keys().await.unwrap().len(), 1);
    assert_eq!(without.pseudonym_key().await.unwrap(), pseudonyms);
    let position = without.teams_position(world.config.graph.tenant_id).await.unwrap().unwrap();
    assert!(position.complete && position.link.is_some());
    // Moved to another account, as somebody with the database might, it opens no more.
    let other = Uuid::new_v4();
    let moved =
        "with moved as (delete from kept_login returning *), linked as (update teams_link set teams_id = $1 where user_guid = $2)
        select refresh_token from moved";
    let token: Option<Vec<u8>> =
        sqlx::query_scalar(moved).bind(other).bind(anna.xphone).fetch_one(&world.database().await).await.unwrap();
    sqlx::query("insert into kept_login values ($1, $2, $3, null, now(), now(), now())")
        .bind(anna.xphone)
        .bind(other)
        .bind(token)
        .execute(&world.database().await)
        .await
        .unwrap();
    let due = without.logins_due(later, 9).await.unwrap();
    assert_eq!((due.logins.len(), due.unopenable), (0, 1));
    assert_eq!(world.linked(anna).await["login"]["state"], "kept", "and is not destroyed");
}

#[tokio::test]
async fn a_key_that_is_missing_for_a_while_costs_nothing() {
    let (world, anna, _) = World::with_login_data().await;
    let kept = world.kept().await;
    let stranger = settings().with("GATEWAY__SECRETS__KEY", STANDARD.encode([9; 32]));
    let stranger = Store::connect(&world.database_url(), 2, Config::load(&stranger).unwrap().secrets).await.unwrap();
    world.advance(SignedDuration::from_hours(30 * 24));
    let due = stranger.logins_due(world.clock.now(), 9).await.unwrap();
    assert_eq!((due.logins.len(), due.unopenable), (0, 1));
    assert_eq!(world.kept().await, kept);
    let due = stranger.logins_due(world.clock.now(), 9).await.unwrap();
    assert_eq!(due.unopenable, 0, "others have their turn");
    world.advance(SignedDuration::from_hours(1));
    world.prove_links().await;
    assert_eq!(world.linked(anna).await["login"]["renewed_at"], json!(world.clock.now()));
}

#[tokio::test]
async fn what_is_found_about_an_earlier_sign_in_touches_no_later_one() {
    let (world, anna, _) = World::with_login_data().await;
    let store = &world.app.store;
    world.advance(SignedDuration::from_hours(30 * 24));
    let earlier = store.logins_due(world.clock.now(), 9).await.unwrap().logins.remove(0);
    assert_eq!(Browser::new(&world).link(&world.sign_in_link(anna).await, PRIVATE).await.status, 200);
    let (kept, shown) = (world.kept().await, world.linked(anna).await);
    store.note_login_problem(&earlier, "revoked").await.unwrap();
    store.note_login_renewed(&earlier, Some(&"older".into()), world.clock.now()).await.unwrap();
    store.put_login_off(&earlier, world.clock.now()).await.unwrap();
    assert_eq!((world.kept().await, world.linked(anna).await), (kept, shown));
}

#[tokio::test]
async fn logins_that_fail_hold_up_no_other_and_three_end_the_run() {
    let (world, people) = World::with_people(["anna", "ben", "cleo", "dora"]).await;
    world.remember_login_data(true).await;
    let names = ["anna@example.com", "ben@example.com", "cleo@example.com", "dora@example.com"];
    for (person, name) in people.into_iter().zip(names) {
        assert_eq!(Browser::new(&world).link(&world.sign_in_link(person).await, name).await.status, 200);
        world.advance(SignedDuration::from_secs(1));
    }
    let [anna, ben, cleo, dora] = people;
    let logins = world.app.tasks.logins.as_ref().unwrap();
    let proved = async |person: Person| world.linked(person).await["login"]["renewed_at"] == json!(world.clock.now());
    world.advance(SignedDuration::from_hours(30 * 24));
    world.graph_faults(json!({"deny": [{"endpoint": "token", "status": 503}]})).await;
    assert!(logins.run().await.is_err(), "it is told");
    world.graph_faults(json!({})).await;
    assert!(logins.run().await.is_ok());
    assert!(proved(dora).await, "the one that the first run did not come to");
    for person in [anna, ben, cleo] {
        assert!(!proved(person).await, "not again within the hour");
        assert_eq!(world.linked(person).await["login"]["state"], "kept");
    }
    world.advance(SignedDuration::from_hours(1));
    assert!(logins.run().await.is_ok());
    for person in [anna, ben, cleo] {
        assert!(proved(person).await, "but then");
    }
}
