//! The client against a small Graph and a small Entra ID on the loopback.

use std::collections::VecDeque;
use std::sync::Mutex;

use axum::Router;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use jiff::SignedDuration;
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

mod writes;

use super::*;
use crate::domain::directory::{TeamsChange, Told};
use crate::domain::ids::TeamsUserId;
use crate::graph::testing::{Server, noon, serve, settings};
use crate::graph::wire::{SubscriptionId, http_client};

/// What Graph will answer next, and what it was asked.
#[derive(Default)]
struct Desk {
    answers: Mutex<VecDeque<(u16, Option<&'static str>, Value)>>,
    asked: Mutex<Vec<(String, String, Value)>>,
    tokens: Mutex<u32>,
    bad_ids: Mutex<Vec<Uuid>>,
}

struct World {
    desk: Arc<Desk>,
    client: Client,
    clock: Clock,
    seen: Arc<Mutex<Vec<String>>>,
    server: Server,
}

async fn token(State(desk): State<Arc<Desk>>) -> Response {
    let mut tokens = desk.tokens.lock().unwrap();
    *tokens += 1;
    axum::Json(json!({"token_type": "Bearer", "expires_in": 3599, "access_token": format!("app {tokens}")})).into_response()
}

async fn graph(State(desk): State<Arc<Desk>>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
    let bearer = parts.headers["authorization"].to_str().unwrap().to_owned();
    let call = format!("{} {}", parts.method, parts.uri);
    desk.asked.lock().unwrap().push((call, bearer, serde_json::from_slice(&body).unwrap_or(Value::Null)));
    if let Some((status, retry_after, body)) = desk.answers.lock().unwrap().pop_front() {
        let mut response = (StatusCode::from_u16(status).unwrap(), body.to_string()).into_response();
        if let Some(retry_after) = retry_after {
            response.headers_mut().insert("retry-after", retry_after.parse().unwrap());
        }
        return response;
    }
    presences(&desk, &body)
}

/// Every id is busy, but one bad id has all refused.
fn presences(desk: &Desk, body: &Bytes) -> Response {
    let asked: Value = serde_json::from_slice(body).unwrap();
    let ids: Vec<Uuid> = serde_json::from_value(asked["ids"].clone()).unwrap();
    if ids.iter().any(|id| desk.bad_ids.lock().unwrap().contains(id)) {
        return (StatusCode::BAD_REQUEST, r#"{"error":{"code":"BadRequest"}}"#).into_response();
    }
    let value: Vec<Value> = ids.iter().map(|id| json!({"id": id, "availability": "Busy", "activity": "InACall"})).collect();
    axum::Json(json!({ "value": value })).into_response()
}

impl World {
    async fn new() -> Self {
        Self::with_graph_at(None).await
    }

    /// With Graph elsewhere than Entra ID.
    async fn with_graph_at(base_url: Option<Url>) -> Self {
        let desk = Arc::new(Desk::default());
        let routes = Router::new().route("/{tenant}/oauth2/v2.0/token", post(token)).fallback(graph).with_state(desk.clone());
        let server = serve(routes).await;
        let clock = Clock::standing_at(noon());
        let mut config = settings(&server.url);
        config.base_url = base_url.unwrap_or(config.base_url);
        let http = http_client().unwrap();
        let identity = Identity::app(&config, http.clone(), clock.clone()).unwrap();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let lines = Arc::clone(&seen);
        let observer: Observer =
            Arc::new(move |endpoint, outcome| lines.lock().unwrap().push(format!("{} {}", endpoint.label(), outcome.label())));
        let client = Client::new(&config, identity, http, clock.clone(), observer);
        Self { desk, client, clock, seen, server }
    }

    fn will_answer(&self, status: u16, retry_after: Option<&'static str>, body: Value) {
        self.desk.answers.lock().unwrap().push_back((status, retry_after, body));
    }

    fn asked(&self) -> Vec<(String, String, Value)> {
        std::mem::take(&mut self.desk.asked.lock().unwrap())
    }

    fn seen(&self) -> Vec<String> {
        std::mem::take(&mut self.seen.lock().unwrap())
    }
}

fn account() -> AccessToken {
    AccessToken::new(SecretString::from("account"), noon() + SignedDuration::from_hours(1))
}

fn users(count: u128) -> Vec<TeamsUserId> {
    (1..=count).map(|number| TeamsUserId(Uuid::from_u128(number))).collect()
}

fn sort(error: &Error) -> String {
    match error {
        Error::Wait { retry_after, .. } => format!("wait {}", retry_after.as_secs()),
        Error::Retry { .. } => "retry".to_owned(),
        Error::Refused { status, .. } => format!("refused {status}"),
        Error::TokenRefused => "token refused".to_owned(),
        other => other.to_string(),
    }
}

#[tokio::test]
async fn answers_are_sorted_by_what_the_caller_can_do() {
    let wait = |seconds| format!("wait {seconds}");
    let table = [
        (429, Some("7"), wait(7)),
        (429, None, wait(30)),
        (503, Some("Sun, 22 Nov 2026 12:00:40 GMT"), wait(40)),
        (503, None, "retry".to_owned()),
        (504, Some("3"), wait(3)),
        (500, Some("3"), "retry".to_owned()),
        (502, None, "retry".to_owned()),
        (408, None, "retry".to_owned()),
        (400, None, "refused 400".to_owned()),
        (404, None, "refused 404".to_owned()),
        (409, None, "refused 409".to_owned()),
        (410, None, "refused 410".to_owned()),
        (422, None, "refused 422".to_owned()),
        (302, None, "refused 302".to_owned()),
        (401, None, "token refused".to_owned()),
        (403, None, "refused 403".to_owned()),
    ];
    for (status, retry_after, expected) in table {
        let world = World::new().await;
        world.will_answer(status, retry_after, json!({"error": {"code": "Code", "message": "Words"}}));
        world.will_answer(status, retry_after, json!({}));
        let error = world.client.presences(&users(1), Class::Renewal).await.unwrap_err();
        assert_eq!(sort(&error), expected, "{status} {retry_after:?}");
    }
}

#[tokio::test]
async fn a_throttled_kind_of_request_fails_fast_until_its_time_and_others_go_on() {
    let world = World::new().await;
    world.will_answer(429, Some("20"), json!({}));
    world.client.presences(&users(1), Class::Renewal).await.unwrap_err();
    world.clock.advance(SignedDuration::from_secs(5));
    let error = world.client.presences(&users(1), Class::Renewal).await.unwrap_err();
    assert_eq!(sort(&error), "wait 15");
    world.will_answer(
        200,
        None,
        json!({"value": [], "@odata.deltaLink": format!("{}v1.0/users/delta?$deltatoken=x", world.server.url)}),
    );
    world.client.users_changes(None).await.unwrap();
    world.clock.advance(SignedDuration::from_secs(15));
    world.client.presences(&users(1), Class::Renewal).await.unwrap();
    assert_eq!(world.seen(), ["presences 429", "presences gate_closed", "users 200", "presences 200"]);
}

#[tokio::test]
async fn nothing_is_sent_over_the_budget() {
    let world = World::new().await;
    let full = world.client.budget_remaining();
    for _ in 0..full {
        world.client.presences(&users(1), Class::Renewal).await.unwrap();
    }
    assert_eq!(world.client.budget_remaining(), 0);
    let error = world.client.presences(&users(1), Class::Renewal).await.unwrap_err();
    assert!(matches!(error, Error::Wait { waiting: Waiting::Budget, .. }), "{error}");
    assert_eq!(world.asked().len(), full as usize);
    assert_eq!(world.seen().last().unwrap(), "presences over_budget");
}

#[tokio::test]
async fn a_refused_token_is_replaced_once() {
    let world = World::new().await;
    world.will_answer(401, None, json!({}));
    world.client.presences(&users(1), Class::Renewal).await.unwrap();
    let bearers: Vec<String> = world.asked().into_iter().map(|(_, bearer, _)| bearer).collect();
    assert_eq!(bearers, ["Bearer app 1", "Bearer app 2"]);
    assert_eq!(world.seen(), ["presences 401", "presences 200"]);

    world.will_answer(401, None, json!({}));
    let error = world.client.list_subscriptions(&account()).await.unwrap_err();
    assert!(matches!(error, Error::TokenRefused), "an account's token is the caller's to replace");
    assert_eq!(world.asked().len(), 1);
}

#[tokio::test]
async fn users_are_followed_by_links_that_stay_with_graph() {
    let world = World::new().await;
    let link = |token: &str| format!("{}v1.0/users/delta?{token}", world.server.url);
    let id = |number| TeamsUserId(Uuid::from_u128(number));
    let told = |text: &str| Told::Now(Some(text.to_owned()));
    let alice = json!({"id": id(1).0, "userPrincipalName": "a@x", "mail": "", "accountEnabled": false, "more": {}});
    world.will_answer(200, None, json!({"@odata.context": "x", "value": [alice], "@odata.nextLink": link("$skiptoken=1")}));
    let gone = json!({"id": id(2).0, "@removed": {"reason": "changed"}});
    let changed = json!({"id": id(3).0, "mail": null, "accountEnabled": null});
    world.will_answer(200, None, json!({"value": [gone, changed], "@odata.deltaLink": link("$deltatoken=2")}));
    let page = world.client.users_changes(None).await.unwrap();
    let alice = TeamsChange { user_principal_name: told("a@x"), mail: Told::Now(None), enabled: Told::Now(false) };
    assert_eq!(page.users, [(id(1), Some(alice))]);
    let Next::Page(next) = page.next else { panic!("{:?}", page.next) };
    let page = world.client.users_changes(Some(&next)).await.unwrap();
    let changed = TeamsChange { mail: Told::Now(None), enabled: Told::Now(true), ..TeamsChange::default() };
    assert_eq!(page.users, [(id(2), None), (id(3), Some(changed))]);
    let Next::Later(later) = page.next else { panic!("{:?}", page.next) };
    assert_eq!(later.expose(), link("$deltatoken=2"));
    assert_eq!(format!("{later:?}"), "NextLink(..)");
    let calls: Vec<String> = world.asked().into_iter().map(|(call, ..)| call).collect();
    let first = "GET /v1.0/users/delta?$select=id,userPrincipalName,mail,accountEnabled";
    assert_eq!(calls, [first, "GET /v1.0/users/delta?$skiptoken=1"]);

    let host = world.server.url.authority();
    for strange in ["https://elsewhere.example/v1.0/users".to_owned(), format!("http://me@{host}/"), "no link".to_owned()] {
        for kind in ["@odata.nextLink", "@odata.deltaLink"] {
            world.will_answer(200, None, json!({"value": [], kind: strange}));
            let error = world.client.users_changes(None).await.unwrap_err();
            assert!(matches!(error, Error::StrangeLink), "{strange}");
        }
    }
    world.will_answer(200, None, json!({"value": []}));
    assert!(matches!(world.client.users_changes(None).await.unwrap_err(), Error::Unclear { .. }), "a page must lead on");
}

#[tokio::test]
async fn a_place_that_graph_has_lost_is_known_as_such() {
    let table = [(410, true), (400, true), (404, true), (401, false), (403, false), (409, false), (429, false), (500, false)];
    for (status, lost) in table {
        let world = World::new().await;
        for _ in 0..2 {
            world.will_answer(status, None, json!({"error": {"code": "syncStateNotFound", "message": "Words"}}));
        }
        let error = world.client.users_changes(None).await.unwrap_err();
        assert_eq!(error.is_about_a_lost_place(), lost, "{status}");
    }
}

#[tokio::test]
async fn bad_ids_are_found_and_the_rest_is_read() {
    let world = World::new().await;
    let all = users(650);
    *world.desk.bad_ids.lock().unwrap() = vec![all[3].0, all[400].0];
    let found = world.client.presences_bisecting(&all, Class::Renewal).await;
    assert_eq!(found.refused, [all[3], all[400]]);
    assert_eq!(found.presences.len(), 648);
    assert!(found.unread.is_empty() && found.stopped_by.is_none());
    assert!(world.asked().len() <= 64);
}

#[tokio::test]
async fn a_presence_that_cannot_be_read_costs_no_other() {
    let world = World::new().await;
    let all = users(4);
    let odd = json!({"id": all[0].0, "availability": null, "activity": "Away"});
    let good = json!({"id": all[1].0, "availability": "Away", "activity": "Away", "sequenceNumber": null});
    world.will_answer(200, None, json!({"value": [odd, good, 7, {"id": "nobody"}]}));
    let found = world.client.presences(&all, Class::Renewal).await.unwrap();
    assert_eq!(found.iter().map(|presence| presence.user).collect::<Vec<_>>(), [all[1]]);
    world.will_answer(200, None, json!({"value": null}));
    assert!(matches!(world.client.presences(&all, Class::Renewal).await.unwrap_err(), Error::Unclear { .. }));
}

#[tokio::test]
async fn when_everything_is_refused_the_ids_are_not_blamed() {
    let world = World::new().await;
    let all = users(650);
    *world.desk.bad_ids.lock().unwrap() = all.iter().map(|user| user.0).collect();
    let found = world.client.presences_bisecting(&all, Class::Renewal).await;
    assert!(found.refused.is_empty() && found.presences.is_empty() && found.stopped_by.is_some());
    assert_eq!(found.unread.len(), 650);
    assert!(world.asked().len() <= 17);
}

#[tokio::test]
async fn the_search_for_bad_ids_keeps_what_was_read_when_it_is_throttled() {
    let world = World::new().await;
    let all = users(4);
    world.will_answer(400, None, json!({}));
    world.will_answer(200, None, json!({"value": [{"id": all[0].0, "availability": "Away", "activity": "Away"}]}));
    world.will_answer(429, Some("9"), json!({}));
    let found = world.client.presences_bisecting(&all, Class::Renewal).await;
    assert_eq!(found.presences.len(), 1);
    assert_eq!(found.unread, all[2..]);
    assert_eq!(sort(&found.stopped_by.unwrap()), "wait 9");
}

#[tokio::test]
async fn more_than_650_are_not_asked_for() {
    let world = World::new().await;
    let error = world.client.presences(&users(651), Class::Renewal).await.unwrap_err();
    assert!(matches!(error, Error::TooMany { asked: 651, max: 650 }));
    assert!(world.client.presences(&[], Class::Renewal).await.unwrap().is_empty());
    assert!(world.asked().is_empty());
}

#[tokio::test]
async fn subscriptions_are_made_renewed_listed_and_ended() {
    let world = World::new().await;
    let certificate = EncryptionCertificate { id: "key 1".to_owned(), certificate_der: vec![1, 2, 3] };
    let new = NewSubscription {
        users: users(2),
        notification_url: "https://gw.example/graph/notifications".parse().unwrap(),
        lifecycle_notification_url: "https://gw.example/graph/lifecycle".parse().unwrap(),
        expires_at: noon() + SignedDuration::from_mins(57),
        client_state: SecretString::from("state"),
        certificate: certificate.clone(),
    };
    let made = json!({"id": "s/1", "expirationDateTime": "2026-11-22T12:57:00.1234567Z", "clientState": null, "resource": "r"});
    world.will_answer(201, None, made.clone());
    world.will_answer(200, None, made.clone());
    world.will_answer(200, None, json!({"value": [made, {"id": "bare"}]}));
    world.will_answer(204, None, json!({}));
    world.will_answer(404, None, json!({}));

    let subscription = world.client.create_subscription(&account(), &new).await.unwrap();
    assert_eq!(subscription.expires_at.unwrap().as_second(), new.expires_at.as_second());
    let later = noon() + SignedDuration::from_mins(70);
    world.client.renew_subscription(&account(), &subscription.id, later, Some(&certificate)).await.unwrap();
    let listed = world.client.list_subscriptions(&account()).await.unwrap();
    assert_eq!((listed.len(), listed[1].expires_at), (2, None));
    world.client.delete_subscription(&account(), &subscription.id).await.unwrap();
    world.client.delete_subscription(&account(), &SubscriptionId("gone".to_owned())).await.unwrap();

    let asked = world.asked();
    let calls: Vec<&str> = asked.iter().map(|(call, ..)| call.as_str()).collect();
    let expected = [
        "POST /v1.0/subscriptions",
        "PATCH /v1.0/subscriptions/s%2F1",
        "GET /v1.0/subscriptions",
        "DELETE /v1.0/subscriptions/s%2F1",
        "DELETE /v1.0/subscriptions/gone",
    ];
    assert_eq!(calls, expected);
    assert!(asked.iter().all(|(_, bearer, _)| bearer == "Bearer account"));
    let (one, two) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let creation = json!({
        "changeType": "updated",
        "notificationUrl": "https://gw.example/graph/notifications",
        "lifecycleNotificationUrl": "https://gw.example/graph/lifecycle",
        "resource": format!("/communications/presences?$filter=id in ('{one}','{two}')"),
        "expirationDateTime": "2026-11-22T12:57:00Z",
        "clientState": "state",
        "includeResourceData": true,
        "encryptionCertificate": "AQID",
        "encryptionCertificateId": "key 1",
        "latestSupportedTlsVersion": "v1_2",
    });
    assert_eq!(asked[0].2, creation);
    let renewal = json!({
        "expirationDateTime": "2026-11-22T13:10:00Z", "encryptionCertificate": "AQID", "encryptionCertificateId": "key 1",
    });
    assert_eq!(asked[1].2, renewal);
}

#[tokio::test]
async fn a_broken_connection_is_worth_another_try() {
    let World { client, seen, server, .. } = World::new().await;
    let identity_is_known = client.presences(&users(1), Class::Renewal).await.is_ok();
    drop(server);
    let error = client.presences(&users(1), Class::Renewal).await.unwrap_err();
    assert!(identity_is_known && matches!(error, Error::Retry { .. }), "{error}");
    assert_eq!(seen.lock().unwrap().last().unwrap(), "presences unreachable");
}
