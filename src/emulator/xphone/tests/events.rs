//! Following changes: what is told, in which order, and what is no longer held.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::world::{ADA, FIRST_SEQUENCE, LOCATION, World, ada};
use crate::emulator::clock::EmulatedClock;

#[tokio::test]
async fn every_change_raises_one_event_with_the_whole_entry() {
    let world = World::start().await;
    let mut events = world.follow(world.sequence().await).await;
    world.ada("PUT", "client", json!({ "connected": true })).await;
    world.ada("PUT", "telephone", json!({ "state": 4 })).await;
    world.ada("PUT", "telephone", json!({ "state": 4 })).await;
    world.ada("PUT", "meeting", json!({ "meeting": "video" })).await;
    world.set("key", world.appointment("MSTeams", "busy").await).await;

    let (sequence, event) = events.next().await.expect("an event");
    assert_eq!(sequence, FIRST_SEQUENCE + 1);
    assert_eq!(event["userGuid"], ADA);
    assert_eq!(event["changed"], json!(["presence", "text", "client"]));
    assert_eq!(event["entry"]["email"], "ada@example.com");
    assert_eq!(events.next_changed().await, (FIRST_SEQUENCE + 2, json!(["telephone"])));
    assert_eq!(events.next_changed().await, (FIRST_SEQUENCE + 3, json!(["meeting"])));
    let (sequence, event) = events.next().await.expect("an event");
    assert_eq!((sequence, &event["changed"]), (FIRST_SEQUENCE + 4, &json!(["presence", "text"])));
    assert_eq!(event["entry"], world.entry().await);
    assert_eq!(world.sequence().await, FIRST_SEQUENCE + 4);
}

#[tokio::test]
async fn who_was_away_reads_on_from_where_it_stopped() {
    let world = World::start().await;
    for state in [4, 2, 16, 2] {
        world.ada("PUT", "telephone", json!({ "state": state })).await;
    }
    let mut events = world.follow(FIRST_SEQUENCE + 2).await;
    let (sequence, event) = events.next().await.expect("an event");
    assert_eq!((sequence, &event["entry"]["telephoneState"]), (FIRST_SEQUENCE + 3, &json!(16)));
    assert_eq!(events.next_changed().await.0, FIRST_SEQUENCE + 4);
}

#[tokio::test]
async fn what_is_not_held_is_410() {
    let world = World::start().await;
    for since in [FIRST_SEQUENCE - 1, FIRST_SEQUENCE + 1, 0] {
        assert_eq!(world.status_of("GET", &format!("/presence/events?since={since}"), Value::Null).await, 410, "{since}");
    }
    for bad in ["", "?since=", "?since=-1", "?since=x"] {
        assert_eq!(world.status_of("GET", &format!("/presence/events{bad}"), Value::Null).await, 400, "{bad}");
    }
}

#[tokio::test]
async fn changed_people_and_profiles_raise_no_event() {
    let world = World::start().await;
    world.set("key", world.appointment("MSTeams", "busy").await).await;
    let before = world.sequence().await;
    let mut changed = ada();
    changed["email"] = json!("countess@example.com");
    changed["profiles"] = json!([]);
    world.control("PUT", &format!("/users/{ADA}"), changed).await;
    world.control("PUT", &format!("/locations/{LOCATION}"), json!({ "name": "Vienna" })).await;
    assert_eq!(world.sequence().await, before);
    assert_eq!(world.entry().await["email"], "countess@example.com");
}

#[tokio::test]
async fn time_that_leaps_is_played_in_its_order() {
    let world = World::start().await;
    let mut short = world.appointment("MSTeams", "busy").await;
    short["end"] = json!(world.minutes_ahead(10));
    let mut later = world.appointment("MSTeams", "doNotDisturb").await;
    later["start"] = json!(world.minutes_ahead(20));
    later["end"] = json!(world.minutes_ahead(30));
    world.set("later", later).await;
    world.set("short", short).await;
    let mut events = world.follow(world.sequence().await).await;
    world.control("POST", "/clock/advance", json!({ "seconds": 3600 })).await;
    let mut texts = Vec::new();
    for _ in 0..3 {
        texts.push(events.next().await.expect("an event").1["entry"]["presenceText"].clone());
    }
    assert_eq!(texts, ["Offline", "doNotDisturb by MSTeams", "Offline"]);
}

#[tokio::test]
async fn an_end_is_told_without_anybody_asking() {
    let world = World::start_at(EmulatedClock::default()).await;
    let mut body = world.appointment("MSTeams", "busy").await;
    body["end"] = json!(world.clock.now() + SignedDuration::from_millis(1500));
    let mut events = world.follow(world.sequence().await).await;
    world.set("key", body).await;
    events.next().await.expect("the beginning");
    let (_, event) = tokio::time::timeout(Duration::from_secs(10), events.next()).await.expect("in time").expect("the end");
    assert_eq!(event["entry"]["presenceText"], "Offline");
}

#[tokio::test]
async fn a_restart_breaks_streams_and_begins_lower() {
    let mut world = World::start().await;
    world.ada("PUT", "telephone", json!({ "state": 4 })).await;
    let before = world.sequence().await;
    let mut events = world.follow(before).await;
    world.control("POST", "/restart", Value::Null).await;
    assert!(events.next().await.is_err(), "broken, not ended");
    world.log_in().await;
    assert!(world.sequence().await < before);
    assert_eq!(world.status_of("GET", &format!("/presence/events?since={before}"), Value::Null).await, 410);
    assert_eq!(world.entry().await["telephoneState"], 4);
    let mut events = world.follow(world.sequence().await).await;
    world.ada("PUT", "telephone", json!({ "state": 2 })).await;
    assert_eq!(events.next_changed().await.1, json!(["telephone"]));
}

#[tokio::test]
async fn a_silenced_stream_tells_nothing_until_it_may_again() {
    let world = World::start().await;
    let mut events = world.follow(world.sequence().await).await;
    world.faults(json!({ "silent_events": true })).await;
    world.ada("PUT", "telephone", json!({ "state": 4 })).await;
    assert!(tokio::time::timeout(Duration::from_millis(100), events.next()).await.is_err());
    world.faults(json!({})).await;
    assert_eq!(events.next_changed().await.1, json!(["telephone"]));
}

#[tokio::test]
async fn stopping_the_server_breaks_streams_and_frees_the_port() {
    let world = World::start().await;
    let mut events = world.follow(world.sequence().await).await;
    let World { server, client, .. } = world;
    let url = format!("{}/requests", server.control_url());
    server.stop().await;
    assert!(events.next().await.is_err());
    assert!(client.get(url).send().await.is_err());
}
