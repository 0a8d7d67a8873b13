//! What goes wrong on demand, and the record of what was asked.

use serde_json::{Value, json};

use super::world::{ADA, NOBODY, World};

#[tokio::test]
async fn a_refusal_strikes_as_often_as_told_and_names_the_pause() {
    let world = World::start().await;
    let deny = json!({ "endpoint": "users", "user": null, "status": 503, "retry_after_seconds": 7, "times": 2 });
    world.faults(json!({ "deny": [deny] })).await;
    for _ in 0..2 {
        let answer = world.send("GET", "/users", Value::Null).await.expect("an answer");
        assert_eq!((answer.status().as_u16(), &answer.headers()["retry-after"]), (503, &"7".parse().expect("a header")));
    }
    assert_eq!(world.status_of("GET", "/users", Value::Null).await, 200);
    let shown = world.control("GET", "/faults", Value::Null).await;
    assert_eq!(shown["deny"][0]["times"], 0);
}

#[tokio::test]
async fn a_refusal_may_be_aimed_at_calls_and_at_one_user() {
    let world = World::start().await;
    let body = world.appointment("MSTeams", "busy").await;
    let aimed = |user: &str| json!({ "deny": [{ "endpoint": "appointments", "user": user, "status": 422 }] });
    world.faults(aimed(ADA)).await;
    let (status, answer) = world.set("key", body.clone()).await;
    assert_eq!((status, answer["error"].is_string()), (422, true));
    assert_eq!(world.status_of("GET", "/presence", Value::Null).await, 200);
    assert_eq!(world.status_of("GET", "/appointments?origin=X", Value::Null).await, 200);
    world.faults(aimed(NOBODY)).await;
    assert_eq!(world.set("key", body).await.0, 201);

    let covered = [
        ("all", "/locations", 500),
        ("presence", "/presence", 500),
        ("presence", "/presence/events?since=1000000", 500),
        ("events", "/presence/events?since=1000000", 500),
        ("events", "/presence", 200),
    ];
    for (endpoint, path, expected) in covered {
        world.faults(json!({ "deny": [{ "endpoint": endpoint, "status": 500 }] })).await;
        assert_eq!(world.status_of("GET", path, Value::Null).await, expected, "{endpoint} {path}");
    }
    for path in ["/user/authenticate", "/user/refreshToken"] {
        world.faults(json!({ "deny": [{ "endpoint": "authenticate", "status": 429 }] })).await;
        assert_eq!(world.status_of("POST", path, json!({})).await, 429);
    }
}

#[tokio::test]
async fn a_server_that_is_down_cuts_connections_and_streams() {
    let world = World::start().await;
    let mut events = world.follow(world.sequence().await).await;
    world.faults(json!({ "down": true })).await;
    assert!(events.next().await.is_err());
    for path in ["/presence", "/nothing"] {
        let error = world.send("GET", path, Value::Null).await.expect_err("no answer");
        assert!(error.status().is_none() && !error.is_connect(), "{error:?}");
    }
    assert_eq!(world.control("GET", "/faults", Value::Null).await["down"], true);
    world.faults(json!({})).await;
    assert_eq!(world.status_of("GET", "/presence", Value::Null).await, 200);
}

#[tokio::test]
async fn a_change_may_be_applied_though_its_answer_is_lost() {
    let world = World::start().await;
    let body = world.appointment("MSTeams", "busy").await;
    world.faults(json!({ "applied_but_answer_lost": 1 })).await;
    let path = format!("/users/{ADA}/appointments/key");
    assert_eq!(world.status_of("PUT", &path, json!({})).await, 400, "nothing was applied, nothing is lost");
    assert!(world.send("PUT", &path, body.clone()).await.is_err());
    assert_eq!(world.shows().await.1.as_deref(), Some("MSTeams"));
    assert_eq!(world.set("key", body).await.0, 200);
    world.faults(json!({ "applied_but_answer_lost": 1 })).await;
    assert!(world.send("DELETE", &path, Value::Null).await.is_err());
    assert_eq!(world.delete("key").await, 404);
}

#[tokio::test]
async fn faults_that_make_no_sense_are_400() {
    let world = World::start().await;
    for bad in [
        json!({ "deny": [{ "endpoint": "users", "status": 200 }] }),
        json!({ "deny": [{ "endpoint": "people", "status": 503 }] }),
        json!({ "deaf": true }),
    ] {
        assert_eq!(world.try_control("PUT", "/faults", bad).await.0, 400);
    }
}

#[tokio::test]
async fn requests_are_counted_and_writes_remembered() {
    let world = World::start().await;
    world.control("DELETE", "/requests", Value::Null).await;
    let path = format!("/users/{ADA}/appointments/on%20the%20phone");
    world.api("PUT", &path, json!({})).await;
    world.api("DELETE", &path, Value::Null).await;
    world.get("/presence").await;
    world.get("/presence").await;
    world.faults(json!({ "down": true })).await;
    world.send("DELETE", &path, Value::Null).await.expect_err("cut");

    let record = world.control("GET", "/requests", Value::Null).await;
    let expected = json!([
        { "endpoint": "presence", "status": 200, "count": 2 },
        { "endpoint": "appointments", "status": null, "count": 1 },
        { "endpoint": "appointments", "status": 400, "count": 1 },
        { "endpoint": "appointments", "status": 404, "count": 1 },
    ]);
    assert_eq!(record["counts"], expected);
    let at = json!(world.clock.now());
    let write =
        |verb: &str, status: Value| json!({ "user": ADA, "key": "on the phone", "verb": verb, "at": at, "status": status });
    let expected = [write("PUT", json!(400)), write("DELETE", json!(404)), write("DELETE", Value::Null)];
    assert_eq!(record["appointment_writes"], json!(expected));
}
