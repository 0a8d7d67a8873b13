//! Setting, replacing, listing, deleting and ending appointments.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::world::{ADA, NOBODY, PROFILE_OFF, PROFILE_SILENT, PROFILE_TEAMS, World};

#[tokio::test]
async fn an_appointment_is_created_replaced_listed_and_deleted() {
    let world = World::start().await;
    let mut body = world.appointment("MSTeams", "busy").await;
    body["visibleFrom"] = json!("teamColleague");
    assert_eq!(world.set("on the phone", body.clone()).await.0, 201);
    assert_eq!(world.set("on the phone", body.clone()).await.0, 200);
    assert_eq!(world.get("/appointments?origin=Other").await, json!([]));

    let mut expected = body;
    expected["userGuid"] = json!(ADA);
    expected["key"] = json!("on the phone");
    expected["profileGuid"] = Value::Null;
    assert_eq!(world.get("/appointments?origin=MSTeams").await, json!([expected]));
    assert_eq!(world.delete("on the phone").await, 204);
    assert_eq!(world.delete("on the phone").await, 404);
    assert_eq!(world.get("/appointments?origin=MSTeams").await, json!([]));
    assert_eq!(world.status_of("GET", "/appointments", Value::Null).await, 400);
}

#[tokio::test]
async fn what_does_not_fit_is_400() {
    let world = World::start().await;
    let good = world.appointment("MSTeams", "busy").await;
    let changes: [(&str, Value); 15] = [
        ("profileGuid", json!(PROFILE_TEAMS)),
        ("presenceStateGuid", Value::Null),
        ("presenceStateGuid", json!("busy")),
        ("presenceStateGuid", json!(good["presenceStateGuid"].as_str().expect("a guid").to_uppercase())),
        ("end", json!(world.clock.now() + SignedDuration::from_hours(12) + SignedDuration::from_secs(1))),
        ("end", json!(world.clock.now())),
        ("end", json!(world.minutes_ahead(-1))),
        ("end", json!("2026-11-20T12:00:00+01:00")),
        ("end", json!("2026-11-20 10:30:00Z")),
        ("end", Value::Null),
        ("start", json!("soon")),
        ("origin", json!("")),
        ("subject", Value::Null),
        ("visibleFrom", json!("everybody")),
        ("colour", json!("red")),
    ];
    for (member, value) in changes {
        let mut bad = good.clone();
        bad[member] = value;
        let (status, answer) = world.set("key", bad.clone()).await;
        assert_eq!(status, 400, "{bad}");
        assert!(answer["error"].is_string());
    }
    let url = format!("{}/api/v1/users/{ADA}/appointments/key", world.server.base_url);
    let unnamed = world.client.put(&url).bearer_auth(&world.token).body(good.to_string()).send().await.expect("an answer");
    assert_eq!(unnamed.status(), 400, "not said to be JSON");
    assert_eq!(world.status_of("PUT", "/users/ada/appointments/key", good.clone()).await, 400);

    let mut longest = good;
    longest["end"] = json!(world.minutes_ahead(12 * 60));
    assert_eq!(world.set("key", longest).await.0, 201);
}

#[tokio::test]
async fn unknown_people_profiles_and_statuses_are_refused() {
    let world = World::start().await;
    let good = world.appointment("MSTeams", "busy").await;
    assert_eq!(world.status_of("PUT", &format!("/users/{NOBODY}/appointments/key"), good.clone()).await, 404);
    assert_eq!(world.status_of("DELETE", &format!("/users/{NOBODY}/appointments/key"), Value::Null).await, 404);

    let mut unknown_status = good.clone();
    unknown_status["presenceStateGuid"] = json!(NOBODY);
    let mut unknown_profile = good.clone();
    unknown_profile["presenceStateGuid"] = Value::Null;
    unknown_profile["profileGuid"] = json!(NOBODY);
    let mut switched_off = unknown_profile.clone();
    switched_off["profileGuid"] = json!(PROFILE_OFF);
    for refused in [unknown_status, unknown_profile, switched_off] {
        let (status, answer) = world.set("key", refused).await;
        assert_eq!(status, 422);
        assert!(answer["error"].is_string());
    }
}

#[tokio::test]
async fn a_key_of_another_origin_is_409() {
    let world = World::start().await;
    let foreign = world.appointment("Calendar", "busy").await;
    world.ada("PUT", "appointments/key", foreign.clone()).await;
    assert_eq!(world.delete("key").await, 409, "a caller that did nothing yet has no origin");
    let own = world.appointment("MSTeams", "busy").await;
    assert_eq!(world.set("key", own.clone()).await.0, 409);
    assert_eq!(world.set("own", own).await.0, 201);
    assert_eq!(world.delete("key").await, 409);
    assert_eq!(world.shows().await.1.as_deref(), Some("MSTeams"));
    assert_eq!(world.delete("own").await, 204);
    assert_eq!(world.shows().await.1.as_deref(), Some("Calendar"));
}

#[tokio::test]
async fn a_profile_shows_its_status_and_forwarding_profile() {
    let world = World::start().await;
    let mut body = world.appointment("MSTeams", "busy").await;
    body["presenceStateGuid"] = Value::Null;
    body["profileGuid"] = json!(PROFILE_SILENT);
    body["subject"] = json!("Do not disturb (MS Teams)");
    world.set("key", body).await;
    let entry = world.entry().await;
    assert_eq!(entry["presenceStateGuid"], world.status("doNotDisturb").await);
    assert_eq!(entry["profileGuid"], PROFILE_SILENT);
    assert_eq!(entry["presenceText"], "Do not disturb (MS Teams)");
    assert_eq!(entry["origin"], "MSTeams");
}

#[tokio::test]
async fn an_appointment_ends_by_the_clock() {
    let world = World::start().await;
    world.set("key", world.appointment("MSTeams", "busy").await).await;
    world.control("POST", "/clock/advance", json!({ "seconds": 3599 })).await;
    // The access token ended meanwhile; the control API still sees the appointment.
    let shown = world.control("GET", &format!("/users/{ADA}"), Value::Null).await;
    assert_eq!(shown["appointments"][0]["shown"], true);
    world.control("POST", "/clock/advance", json!({ "seconds": 1 })).await;
    let shown = world.control("GET", &format!("/users/{ADA}"), Value::Null).await;
    assert_eq!(shown["appointments"], json!([]));
    assert_eq!(shown["entry"]["presenceText"], "Offline");
}

#[tokio::test]
async fn an_appointment_that_is_over_goes_at_once_and_one_to_come_waits() {
    let world = World::start().await;
    let running = world.appointment("MSTeams", "busy").await;
    let mut over = running.clone();
    over["start"] = json!(world.minutes_ahead(-10));
    over["end"] = json!(world.minutes_ahead(-5));
    let mut coming = running.clone();
    coming["start"] = json!(world.minutes_ahead(10));
    coming["subject"] = json!("later");
    let before = world.sequence().await;
    assert_eq!(world.set("over", over.clone()).await.0, 201);
    assert_eq!(world.set("coming", coming).await.0, 201);
    assert_eq!(world.shows().await.0, "Offline");
    assert_eq!(world.sequence().await, before, "nothing was shown");
    assert_eq!(world.get("/appointments?origin=MSTeams").await.as_array().map(Vec::len), Some(1));
    world.control("POST", "/clock/advance", json!({ "seconds": 600 })).await;
    assert_eq!(world.shows().await.0, "later");

    world.set("key", running).await;
    assert_eq!(world.set("key", over).await.0, 200, "replaced by what is over: gone");
    assert_eq!(world.delete("key").await, 404);
}

#[tokio::test]
async fn appointments_survive_a_restart() {
    let mut world = World::start().await;
    world.set("key", world.appointment("MSTeams", "busy").await).await;
    world.control("POST", "/restart", Value::Null).await;
    world.log_in().await;
    assert_eq!(world.shows().await.1.as_deref(), Some("MSTeams"));
    assert_eq!(world.delete("key").await, 204);
}
