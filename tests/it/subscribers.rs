//! Subscriber accounts over the admin API: enrolled by device code, watched over, removed, and what becomes of their users.

use jiff::SignedDuration;
use presence_gateway::store::api_token::Role;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin::check_problem;
use crate::world::{ADMIN_TOKEN, SUBSCRIBER, World, exhaust};

const SECOND: &str = "presence-2@example.com";
const ON_THE_PHONE: &str = "On the phone (MS Teams)";

impl World {
    fn subscriber_request(&self, method: Method, path: &str) -> RequestBuilder {
        self.admin_request(method, &format!("v1/subscriber-accounts{path}")).bearer_auth(ADMIN_TOKEN)
    }

    async fn subscribers(&self) -> Vec<Value> {
        self.told(self.subscriber_request(Method::GET, "")).await["items"].as_array().unwrap().clone()
    }

    async fn subscriber(&self, name: &str) -> Value {
        let all = self.subscribers().await;
        let is_named = |account: &Value| account["user_principal_name"].as_str().unwrap().eq_ignore_ascii_case(name);
        all.into_iter().find(is_named).unwrap_or(Value::Null)
    }

    fn enrolment(&self, name: &str) -> RequestBuilder {
        self.subscriber_request(Method::POST, "").json(&json!({"user_principal_name": name}))
    }

    /// Begins an enrolment; tells the code.
    async fn begin_enrolment(&self, name: &str) -> String {
        let answer = self.enrolment(name).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::ACCEPTED);
        let begun: Value = answer.json().await.unwrap();
        assert_eq!(begun["verification_uri"], "https://microsoft.com/devicelogin");
        assert_eq!(begun["expires_at"], json!(self.clock.now() + SignedDuration::from_mins(15)));
        begun["user_code"].as_str().unwrap().to_owned()
    }

    fn cancel_enrolment(&self, id: &Value) -> RequestBuilder {
        self.admin_request(Method::DELETE, &format!("v1/subscriber-enrolments/{}", id.as_str().unwrap())).bearer_auth(ADMIN_TOKEN)
    }

    async fn enter_code(&self, code: &str, name: &str) {
        let path = format!("device-codes/{code}/approve");
        self.graph_control(Method::POST, &path, json!({"user_principal_name": name})).await;
    }

    /// Waits until the gateway has noticed how the enrolment ended.
    async fn enrolment_ended(&self, name: &str) -> Value {
        let ended = async {
            loop {
                let account = self.subscriber(name).await;
                if account["enrolment"]["state"] != "waiting" {
                    return account;
                }
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(std::time::Duration::from_secs(30), ended).await.expect("the enrolment never ends")
    }

    async fn account_in_entra(&self, name: &str) -> Uuid {
        let id = Uuid::new_v4();
        self.graph_control(Method::PUT, &format!("users/{id}"), json!({"userPrincipalName": name})).await;
        id
    }

    async fn remove_subscriber(&self, id: &Value) -> StatusCode {
        let path = format!("/{}", id.as_str().unwrap());
        self.subscriber_request(Method::DELETE, &path).send().await.unwrap().status()
    }
}

#[tokio::test]
async fn an_account_is_enrolled_and_tells_how_it_does() {
    let world = World::new().await;
    let anna = world.person("anna").await;
    world.directory().await;
    world.set_policy("telephony", false).await;
    let id = world.account_in_entra(SUBSCRIBER).await;
    let code = world.begin_enrolment("Presence@Example.com").await;
    let waiting = world.subscriber(SUBSCRIBER).await;
    assert_eq!((&waiting["id"], &waiting["state"]), (&Value::Null, &json!("not_enrolled")));
    let enrolment = json!({"id": waiting["enrolment"]["id"], "state": "waiting", "begun_at": world.clock.now(), "ended_at": null, "problem": null,
        "expires_at": world.clock.now() + SignedDuration::from_mins(15)});
    assert_eq!(waiting["enrolment"], enrolment);
    world.enter_code(&code, SUBSCRIBER).await;
    let ended = world.enrolment_ended(SUBSCRIBER).await;
    assert_eq!((&ended["id"], &ended["state"], &ended["users"]), (&json!(id), &json!("enrolled"), &json!(0)));
    assert_eq!(ended["enrolment"]["state"], "enrolled");
    world.tend_subscriptions().await;
    let working = world.subscriber(SUBSCRIBER).await;
    assert_eq!(working["users"], 1);
    assert_eq!(working["subscription"]["id"], world.graph_look("subscriptions").await[0]["id"]);
    world.teams(anna, "Busy/InACall").await;
    world.xphone_read().await;
    world.settle().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE, "a notification told it");
    world.graph_control(Method::POST, "refresh-tokens/revoke", json!({"user_principal_name": SUBSCRIBER})).await;
    world.advance(SignedDuration::from_mins(21));
    world.try_tend_subscriptions().await.unwrap_err();
    let troubled = world.subscriber(SUBSCRIBER).await;
    assert_eq!(troubled["state"], "needs_sign_in");
    assert!(troubled["problem"].as_str().unwrap().contains("AADSTS50173"));
    let audit = world.audit("").await;
    let what: Vec<_> = audit["items"].as_array().unwrap().iter().map(|item| item["what"].as_str().unwrap()).collect();
    assert_eq!(what[..2], ["subscriber account enrolled", "subscriber account enrolment begun"]);
    assert!(audit["items"].as_array().unwrap()[..2].iter().all(|item| item["who"]["kind"] == "bootstrap"));
    assert!(!audit.to_string().contains(&code));
}

#[tokio::test]
async fn an_enrolment_that_comes_to_nothing_says_why_and_keeps_nothing() {
    let world = World::new().await;
    for name in [SUBSCRIBER, "somebody@example.com"] {
        world.account_in_entra(name).await;
    }
    let code = world.begin_enrolment(SUBSCRIBER).await;
    world.enter_code(&code, "somebody@example.com").await;
    let ended = world.enrolment_ended(SUBSCRIBER).await;
    assert_eq!((&ended["state"], &ended["enrolment"]["state"]), (&json!("not_enrolled"), &json!("somebody_else")));
    assert!(ended["enrolment"]["problem"].as_str().unwrap().contains("private window"));
    let code = world.begin_enrolment(SUBSCRIBER).await;
    assert_eq!(world.subscriber(SUBSCRIBER).await["enrolment"]["state"], "waiting", "a new attempt takes its place");
    world.graph_control(Method::POST, &format!("device-codes/{code}/deny"), Value::Null).await;
    assert_eq!(world.enrolment_ended(SUBSCRIBER).await["enrolment"]["state"], "not_approved");
    // An attempt whose place a newer one took keeps nothing, even if somebody signs in with its code.
    let (older, newer) = (world.begin_enrolment(SUBSCRIBER).await, world.begin_enrolment(SUBSCRIBER).await);
    world.enter_code(&older, SUBSCRIBER).await;
    world.graph_control(Method::POST, &format!("device-codes/{newer}/deny"), Value::Null).await;
    assert_eq!(world.enrolment_ended(SUBSCRIBER).await["enrolment"]["state"], "not_approved");
    assert!(world.app.store.accounts().await.unwrap().is_empty());
}

#[tokio::test]
async fn an_enrolment_that_waits_can_be_cancelled() {
    let world = World::new().await;
    world.account_in_entra(SUBSCRIBER).await;
    let code = world.begin_enrolment(SUBSCRIBER).await;
    let id = world.subscriber(SUBSCRIBER).await["enrolment"]["id"].clone();
    assert_eq!(world.cancel_enrolment(&id).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    let cancelled = world.subscriber(SUBSCRIBER).await["enrolment"].clone();
    assert_eq!((&cancelled["state"], &cancelled["ended_at"]), (&json!("cancelled"), &json!(world.clock.now())));
    check_problem(world.cancel_enrolment(&id), 404, "not-found").await;
    let audit = world.audit("?limit=1").await["items"][0].clone();
    let target = json!({"kind": "subscriber_enrolment", "id": id});
    assert_eq!((&audit["what"], &audit["target"]), (&json!("subscriber account enrolment cancelled"), &target));
    // Whoever enters the code all the same enrols nothing; another attempt is free to.
    let newer = world.begin_enrolment(SUBSCRIBER).await;
    world.enter_code(&code, SUBSCRIBER).await;
    check_problem(world.cancel_enrolment(&id), 404, "not-found").await;
    assert_eq!(world.subscriber(SUBSCRIBER).await["enrolment"]["state"], "waiting");
    world.enter_code(&newer, SUBSCRIBER).await;
    assert_eq!(world.enrolment_ended(SUBSCRIBER).await["enrolment"]["state"], "enrolled");
}

#[tokio::test]
async fn an_enrolment_ends_with_its_gateway_and_that_is_told() {
    let mut world = World::new().await;
    world.account_in_entra(SUBSCRIBER).await;
    let code = world.begin_enrolment(SUBSCRIBER).await;
    world.restart().await;
    let lost = world.subscriber(SUBSCRIBER).await;
    assert_eq!((&lost["state"], &lost["enrolment"]["state"]), (&json!("not_enrolled"), &json!("lost")));
    assert!(lost["enrolment"]["problem"].as_str().unwrap().contains("begin anew"));
    world.enter_code(&code, SUBSCRIBER).await;
    let code = world.begin_enrolment(SUBSCRIBER).await;
    world.enter_code(&code, SUBSCRIBER).await;
    assert_eq!(world.enrolment_ended(SUBSCRIBER).await["state"], "enrolled");
    world.advance(SignedDuration::from_hours(8 * 24));
    exhaust(&world.app.tasks.upkeep).await;
    assert_eq!(world.subscriber(SUBSCRIBER).await["enrolment"], Value::Null, "forgotten after a week");
}

#[tokio::test]
async fn a_gateway_that_stops_softly_gives_its_enrolments_up() {
    let mut world = World::new().await;
    world.account_in_entra(SUBSCRIBER).await;
    world.begin_enrolment(SUBSCRIBER).await;
    let replica = world.replica(&world.clock).await;
    world.stop_softly().await;
    let told = replica.store.subscribers(None, 9).await.unwrap();
    let enrolment = told[0].enrolment.clone().unwrap();
    assert!(enrolment.ended.is_none() && enrolment.alive_until == world.clock.now(), "{enrolment:?}");
}

#[tokio::test]
async fn an_enrolment_that_cannot_be_begun_is_refused() {
    let world = World::new().await;
    for name in ["", " ", "presence", "@example.com", "presence@", "a b@example.com", "a@b\u{0}"] {
        check_problem(world.enrolment(name), 422, "bad-body").await;
    }
    world.graph_faults(json!({"deny": [{"endpoint": "token", "status": 401, "error_code": "invalid_client"}]})).await;
    check_problem(world.enrolment(SUBSCRIBER), 502, "entra-refused").await;
    world.graph_faults(json!({"deny": [{"endpoint": "token", "status": 503}]})).await;
    check_problem(world.enrolment(SUBSCRIBER), 503, "entra-unavailable").await;
    world.graph_faults(json!({"deny": [{"endpoint": "token", "status": 429, "retry_after_seconds": 7, "times": 1}]})).await;
    let answer = world.enrolment(SUBSCRIBER).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"7".parse().unwrap()));
    world.advance(SignedDuration::from_secs(8));
    assert!(world.subscribers().await.is_empty(), "nothing waits");
    world.graph_faults(json!({})).await;
    for number in 0..16 {
        world.begin_enrolment(&format!("presence-{number}@example.com")).await;
    }
    check_problem(world.enrolment(SUBSCRIBER), 429, "too-many-enrolments").await;
    assert_eq!(world.subscribers().await.len(), 16);
    let page = world.told(world.subscriber_request(Method::GET, "?limit=10")).await;
    assert_eq!(page["items"].as_array().unwrap().len(), 10);
    let next = page["next"].as_str().unwrap();
    let rest = world.told(world.subscriber_request(Method::GET, "").query(&[("after", next)])).await;
    assert_eq!((rest["items"].as_array().unwrap().len(), &rest["next"]), (6, &Value::Null));
}

#[tokio::test]
async fn a_removed_account_goes_and_its_users_go_to_another() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.account_in_entra(SECOND).await;
    world.sign_in(SECOND, SECOND).await.unwrap();
    let first = world.subscriber(SUBSCRIBER).await["id"].clone();
    assert_eq!(world.remove_subscriber(&first).await, StatusCode::NO_CONTENT);
    let leaving = world.subscriber(SUBSCRIBER).await;
    assert_eq!((&leaving["state"], &leaving["users"]), (&json!("leaving"), &json!(1)), "it carries its users until it goes");
    assert_eq!(world.remove_subscriber(&first).await, StatusCode::NOT_FOUND);
    world.tend_subscriptions().await;
    assert_eq!(world.subscriber(SUBSCRIBER).await, Value::Null);
    let second = world.subscriber(SECOND).await;
    assert_eq!(second["users"], 1);
    let at_graph = world.graph_look("subscriptions").await;
    assert_eq!(at_graph.as_array().unwrap().len(), 1);
    assert_eq!(at_graph[0]["creatorId"], second["id"]);
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE, "a notification told it");
    let audit = world.audit("?limit=1").await;
    assert_eq!(audit["items"][0]["what"], "subscriber account removed");
    assert_eq!((&audit["items"][0]["target"]["id"], &audit["items"][0]["after"]), (&first, &Value::Null));
    // Without another they are swept.
    assert_eq!(world.remove_subscriber(&second["id"]).await, StatusCode::NO_CONTENT);
    world.tend_subscriptions().await;
    assert!(world.graph_look("subscriptions").await.as_array().unwrap().is_empty());
    world.teams(anna, "Available/Available").await;
    world.minute().await;
    assert_eq!(world.text(anna).await, "Available");
}

#[tokio::test]
async fn an_account_whose_subscription_cannot_be_deleted_goes_when_it_can_or_when_that_has_ended() {
    let (world, _) = World::with_people(["anna"]).await;
    let id = world.subscriber(SUBSCRIBER).await["id"].clone();
    world.graph_faults(json!({"deny": [{"endpoint": "subscriptions", "method": "DELETE", "status": 503}]})).await;
    world.remove_subscriber(&id).await;
    world.try_tend_subscriptions().await.unwrap_err();
    assert_eq!(world.subscriber(SUBSCRIBER).await["state"], "leaving");
    world.graph_faults(json!({})).await;
    world.tend_subscriptions().await;
    assert_eq!(world.subscriber(SUBSCRIBER).await["state"], "leaving", "it rests after a failure");
    world.advance(SignedDuration::from_secs(31));
    world.tend_subscriptions().await;
    assert_eq!(world.subscriber(SUBSCRIBER).await, Value::Null);
    // Once more, signed out: nobody can delete it.
    world.sign_in(SUBSCRIBER, SUBSCRIBER).await.unwrap();
    world.tend_subscriptions().await;
    world.graph_control(Method::POST, "refresh-tokens/revoke", json!({"user_principal_name": SUBSCRIBER})).await;
    world.remove_subscriber(&id).await;
    world.tend_subscriptions().await;
    assert_eq!(world.subscriber(SUBSCRIBER).await, Value::Null);
    // And once more, enrolled anew before it went.
    world.sign_in(SUBSCRIBER, SUBSCRIBER).await.unwrap();
    world.tend_subscriptions().await;
    world.remove_subscriber(&id).await;
    world.sign_in(SUBSCRIBER, SUBSCRIBER).await.unwrap();
    world.tend_subscriptions().await;
    assert_eq!(world.subscriber(SUBSCRIBER).await["state"], "enrolled");
}

#[tokio::test]
async fn viewers_look_and_only_administrators_change() {
    let (world, _) = World::with_people(["anna"]).await;
    let id = world.subscriber(SUBSCRIBER).await["id"].as_str().unwrap().to_owned();
    let viewer = world.token("viewer", Role::Viewer, None).await;
    let operator = world.token("operator", Role::Operator, None).await;
    let request = |method, path: &str| world.admin_request(method, &format!("v1/subscriber-accounts{path}"));
    assert_eq!(world.told(request(Method::GET, "").bearer_auth(&viewer)).await["items"].as_array().unwrap().len(), 1);
    let body = json!({"user_principal_name": SECOND});
    check_problem(request(Method::POST, "").bearer_auth(&operator).json(&body), 403, "wrong-role").await;
    check_problem(request(Method::DELETE, &format!("/{id}")).bearer_auth(&operator), 403, "wrong-role").await;
    check_problem(request(Method::DELETE, "/x").bearer_auth(ADMIN_TOKEN), 400, "bad-guid").await;
    let nobody = format!("/{}", Uuid::new_v4());
    check_problem(request(Method::DELETE, &nobody).bearer_auth(ADMIN_TOKEN), 404, "not-found").await;
}
