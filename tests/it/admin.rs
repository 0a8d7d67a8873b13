//! The admin listener: health, metrics, and how much is kept in step where.

use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{ADMIN_TOKEN, Person, World};

const ON_THE_PHONE: &str = "On the phone (MS Teams)";

/// Every metric that the documentation names, as far as it exists, with the labels it must carry.
const METRICS: [(&str, &[&str]); 17] = [
    ("notifications_total", &["result"]),
    ("notification_ack_seconds_count", &[]),
    ("inbox_depth", &[]),
    ("inbox_oldest_seconds", &[]),
    ("decisions_total", &["result"]),
    ("push_total", &["slot", "result"]),
    ("change_to_push_seconds_count", &["direction"]),
    ("outbox_depth", &[]),
    ("outbox_oldest_seconds", &[]),
    ("users", &["state"]),
    ("subscriptions", &["state"]),
    ("subscription_expires_seconds", &[]),
    ("sweep_seconds_count", &[]),
    ("missed_changes_total", &[]),
    ("graph_requests_total", &["endpoint", "status"]),
    ("graph_budget_remaining", &[]),
    ("xphone_connected", &[]),
];

impl World {
    pub fn admin_request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}/{path}", self.admin))
    }

    async fn look_at(&self, path: &str) -> (StatusCode, String) {
        let answer = self.admin_request(Method::GET, path).send().await.unwrap();
        (answer.status(), answer.text().await.unwrap())
    }

    async fn teams_sync(&self, place: &str) -> Option<Value> {
        let answer =
            self.admin_request(Method::GET, &format!("v1/{place}/teams-sync")).bearer_auth(ADMIN_TOKEN).send().await.unwrap();
        match answer.status() {
            StatusCode::OK => Some(answer.json().await.unwrap()),
            StatusCode::NOT_FOUND => None,
            status => panic!("{place}: {status}"),
        }
    }

    async fn put_teams_sync(&self, place: &str, mode: &str) {
        let request = self.admin_request(Method::PUT, &format!("v1/{place}/teams-sync")).bearer_auth(ADMIN_TOKEN);
        let answer = request.json(&teams_sync(mode)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        assert_eq!(answer.json::<Value>().await.unwrap(), teams_sync(mode));
    }

    async fn delete_teams_sync(&self, place: &str) {
        let request = self.admin_request(Method::DELETE, &format!("v1/{place}/teams-sync")).bearer_auth(ADMIN_TOKEN);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::NO_CONTENT);
    }
}

pub fn teams_sync(mode: &str) -> Value {
    json!({"mode": mode, "user_may_change": false, "remember_login_data": true, "shadow": false})
}

/// What a program can rely on: the media type, the status repeated, a stable kind.
pub async fn check_problem(request: RequestBuilder, status: u16, kind: &str) {
    let answer = request.send().await.unwrap();
    assert_eq!(answer.status().as_u16(), status, "{kind}");
    assert_eq!(answer.headers()["content-type"], "application/problem+json", "{kind}");
    assert_eq!(answer.headers().contains_key("www-authenticate"), status == 401);
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["type"], format!("urn:presence-gateway:problem:{kind}"));
    assert_eq!(problem["status"], status);
    assert!(!problem["detail"].as_str().unwrap().is_empty() && problem["title"].is_string());
}

#[tokio::test]
async fn the_process_lives_and_says_whether_it_can_work() {
    let world = World::new().await;
    assert_eq!(world.look_at("healthz").await, (StatusCode::OK, "alive\n".to_owned()));
    assert_eq!(world.look_at("readyz").await, (StatusCode::OK, "ready\n".to_owned()));
    world.lose_database().await;
    let (status, missing) = world.look_at("readyz").await;
    assert_eq!((status, missing.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "missing: the database\n"));
    assert_eq!(world.look_at("healthz").await.0, StatusCode::OK);
    assert_eq!(world.look_at("metrics").await.0, StatusCode::OK, "what needs no database is told");
    let path = format!("v1/locations/{}/teams-sync", world.location);
    check_problem(world.admin_request(Method::GET, &path).bearer_auth(ADMIN_TOKEN), 503, "database-unavailable").await;
}

#[tokio::test]
async fn a_closed_store_is_not_ready() {
    let world = World::new().await;
    world.app.store.close().await;
    let (status, missing) = world.look_at("readyz").await;
    assert_eq!((status, missing.as_str()), (StatusCode::SERVICE_UNAVAILABLE, "missing: the database\n"));
}

#[tokio::test]
async fn the_documented_metrics_are_there() {
    let (world, [anna, _]) = World::with_people(["anna", "ben"]).await;
    world.teams(anna, "Busy/InACall").await;
    world.minute().await;
    let (status, text) = world.look_at("metrics").await;
    assert_eq!(status, StatusCode::OK);
    for (name, labels) in METRICS {
        let name = format!("presence_gateway_{name}");
        let line = text.lines().find(|line| line.split(['{', ' ']).next() == Some(&name));
        let line = line.unwrap_or_else(|| panic!("{name} is missing:\n{text}"));
        assert!(labels.iter().all(|label| line.contains(&format!("{label}=\""))), "{line}");
    }
    assert!(!text.contains("example.com"), "no names");
    assert!(world.metric(r#"graph_requests_total{endpoint="presences",status="200"}"#).await >= 1.0);
    assert!(world.metric("graph_budget_remaining").await > 1.0);
    assert!(world.metric("xphone_connected").await > 0.0);
}

#[tokio::test]
async fn without_the_token_nobody_is_let_in() {
    let world = World::new().await;
    world.go_live().await;
    let path = format!("v1/locations/{}/teams-sync", world.location);
    for method in [Method::GET, Method::PUT, Method::DELETE] {
        let request = || world.admin_request(method.clone(), &path).json(&teams_sync("none"));
        check_problem(request(), 401, "not-signed-in").await;
        for wrong in ["", "x", &ADMIN_TOKEN[1..], &format!("{ADMIN_TOKEN}x")] {
            check_problem(request().bearer_auth(wrong), 401, "not-signed-in").await;
        }
        check_problem(request().basic_auth("admin", Some(ADMIN_TOKEN)), 401, "not-signed-in").await;
        check_problem(request().query(&[("token", ADMIN_TOKEN)]), 401, "not-signed-in").await;
    }
    assert_eq!(world.teams_sync(&format!("locations/{}", world.location)).await.unwrap()["mode"], "telephony_and_presence");
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_and_nothing_changes() {
    let world = World::new().await;
    world.go_live().await;
    let place = format!("locations/{}", world.location);
    let before = world.teams_sync(&place).await;
    let put = |place: &str| world.admin_request(Method::PUT, &format!("v1/{place}/teams-sync")).bearer_auth(ADMIN_TOKEN);
    for nowhere in [format!("locations/{}", Uuid::nil()), format!("configuration-groups/{}", world.location)] {
        check_problem(put(&nowhere).json(&teams_sync("none")), 404, "not-found").await;
        assert_eq!(world.teams_sync(&nowhere).await, None);
    }
    check_problem(put("locations/headquarters").json(&teams_sync("none")), 400, "bad-guid").await;
    check_problem(world.admin_request(Method::GET, "v1/nothing").bearer_auth(ADMIN_TOKEN), 404, "not-found").await;
    let wrong_method = world.admin_request(Method::PATCH, &format!("v1/{place}/teams-sync")).bearer_auth(ADMIN_TOKEN);
    check_problem(wrong_method, 405, "wrong-method").await;
    let mut with_more = teams_sync("none");
    with_more["colour"] = json!("green");
    let mut with_less = teams_sync("none");
    with_less.as_object_mut().unwrap().remove("shadow");
    for (status, body) in
        [(422, with_more), (422, with_less), (422, teams_sync("everything")), (422, json!("none")), (422, json!([]))]
    {
        check_problem(put(&place).json(&body), status, "bad-body").await;
    }
    check_problem(put(&place).header("content-type", "application/json").body("{"), 400, "bad-json").await;
    check_problem(put(&place).header("content-type", "application/json").body(""), 400, "bad-json").await;
    check_problem(put(&place).body(teams_sync("none").to_string()), 415, "wrong-media-type").await;
    check_problem(put(&place).json(&"x".repeat(70_000)), 413, "too-large").await;
    assert_eq!(world.teams_sync(&place).await, before);
}

#[tokio::test]
async fn a_group_inherits_from_its_location_unless_it_says_otherwise() {
    let world = World::new().await;
    let group = Uuid::new_v4();
    let headquarters = json!({"name": "Headquarters", "configurationGroups": [{"guid": group, "name": "Sales"}]});
    world.xphone_control(Method::PUT, &format!("locations/{}", world.location), headquarters).await;
    let (anna, ben) = (world.person("anna").await, world.person("ben").await);
    let in_group = json!({
        "email": "ben@example.com", "accountName": "ben", "displayName": "ben", "location": world.location,
        "configurationGroup": group, "profiles": [{"name": "Appointment", "kind": "busy", "active": true}],
    });
    world.xphone_control(Method::PUT, &format!("users/{}", ben.xphone), in_group).await;
    world.go_live().await;
    world.teams_of_many(&[anna, ben], "Busy/InACall").await;
    world.settle().await;
    let (here, there) = (format!("locations/{}", world.location), format!("configuration-groups/{group}"));
    // Each step: what is done, then whether Anna, at the location, and Ben, in the group, show their call.
    let check = async |step: &str, expected: [bool; 2]| {
        world.settle().await;
        // Whoever was switched on is read before anything shows.
        world.confirm().await;
        let text = |shows| if shows { ON_THE_PHONE } else { "Available" };
        let shown = async |person: Person| world.text(person).await;
        assert_eq!([shown(anna).await, shown(ben).await], expected.map(text), "{step}");
    };
    check("inherited", [true, true]).await;
    assert_eq!(world.teams_sync(&there).await, None, "nothing is set there");
    world.put_teams_sync(&there, "none").await;
    assert_eq!(world.teams_sync(&there).await, Some(teams_sync("none")));
    check("the group shows nothing", [true, false]).await;
    world.delete_teams_sync(&there).await;
    check("back to the location's", [true, true]).await;
    world.put_teams_sync(&here, "none").await;
    check("the location shows nothing, nor does who inherits", [false, false]).await;
    world.put_teams_sync(&there, "telephony").await;
    check("the group alone", [false, true]).await;
    world.delete_teams_sync(&here).await;
    assert_eq!(world.teams_sync(&here).await, None);
    check("a location where nothing is set shows nothing", [false, true]).await;
    world.put_teams_sync(&here, "telephony_and_presence").await;
    check("everybody again", [true, true]).await;
    world.delete_teams_sync(&there).await;
    world.delete_teams_sync(&there).await;
    check("deleting twice does no harm", [true, true]).await;
}
