//! What a user shows, as hands, programs, appointments and clients follow one another.

use serde_json::{Value, json};

use super::world::{ADA, World};

fn shown(text: &str, origin: Option<&str>) -> (String, Option<String>) {
    (text.to_owned(), origin.map(str::to_owned))
}

#[tokio::test]
async fn without_anything_else_the_client_decides() {
    let world = World::start().await;
    assert_eq!(world.shows().await, shown("Offline", None));
    world.ada("PUT", "client", json!({ "connected": true })).await;
    assert_eq!(world.shows().await, shown("Available", None));
    assert_eq!(world.entry().await["clientConnected"], true);
    world.ada("PUT", "client", json!({ "connected": false })).await;
    assert_eq!(world.shows().await, shown("Offline", None));
}

#[tokio::test]
async fn a_status_picked_by_hand_hides_older_appointments_and_newer_ones_hide_it() {
    let world = World::start().await;
    let ours = world.appointment("MSTeams", "busy").await;
    world.set("key", ours.clone()).await;
    assert_eq!(world.shows().await, shown("busy by MSTeams", Some("MSTeams")));

    world.ada("PUT", "status", json!({ "kind": "doNotDisturb", "origin": null })).await;
    assert_eq!(world.shows().await, shown("Do not disturb", None));
    let seen = world.control("GET", &format!("/users/{ADA}"), Value::Null).await;
    assert_eq!(seen["appointments"][0]["shown"], false, "hidden, not deleted");
    assert_eq!(seen["status"], json!({ "kind": "doNotDisturb", "origin": null }));

    assert_eq!(world.set("key", ours).await.0, 200);
    assert_eq!(world.shows().await, shown("busy by MSTeams", Some("MSTeams")), "replaced later: shows again");
    world.delete("key").await;
    assert_eq!(world.shows().await, shown("Do not disturb", None));
    world.ada("DELETE", "status", Value::Null).await;
    assert_eq!(world.shows().await, shown("Offline", None));
}

#[tokio::test]
async fn back_to_automatic_shows_what_was_hidden() {
    let world = World::start().await;
    world.set("key", world.appointment("MSTeams", "busy").await).await;
    world.ada("PUT", "status", json!({ "kind": "available", "origin": null })).await;
    world.ada("DELETE", "status", Value::Null).await;
    assert_eq!(world.shows().await, shown("busy by MSTeams", Some("MSTeams")));
}

#[tokio::test]
async fn a_foreign_program_shows_its_origin() {
    let world = World::start().await;
    world.ada("PUT", "status", json!({ "kind": "busy", "origin": "TeamsSync" })).await;
    assert_eq!(world.shows().await, shown("Busy", Some("TeamsSync")));
}

#[tokio::test]
async fn the_newest_appointment_shows_and_removing_it_by_hand_shows_the_one_before() {
    let world = World::start().await;
    world.ada("PUT", "appointments/meeting", world.appointment("Calendar", "busy").await).await;
    world.set("key", world.appointment("MSTeams", "doNotDisturb").await).await;
    assert_eq!(world.shows().await, shown("doNotDisturb by MSTeams", Some("MSTeams")));
    world.ada("DELETE", "appointments/key", Value::Null).await;
    assert_eq!(world.shows().await, shown("busy by Calendar", Some("Calendar")));
    assert_eq!(world.delete("key").await, 404);
}

#[tokio::test]
async fn telephone_and_meeting_stand_beside_the_presence() {
    let world = World::start().await;
    assert_eq!(world.entry().await["telephoneState"], 2);
    world.ada("PUT", "telephone", json!({ "state": 12 })).await;
    world.ada("PUT", "meeting", json!({ "meeting": "screenShare" })).await;
    let entry = world.entry().await;
    assert_eq!((&entry["telephoneState"], &entry["meeting"]), (&json!(12), &json!("screenShare")));
    assert_eq!(world.shows().await, shown("Offline", None));
}
