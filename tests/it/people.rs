//! Who is who: people matched through both real directories, never guessed, and nobody dropped in numbers without a word.

use jiff::SignedDuration;
use presence_gateway::domain::ids::UserGuid;
use presence_gateway::tasks::driver::Task;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Person, World};

const ON_THE_PHONE: &str = "On the phone (MS Teams)";
pub const PROFILES: [(&str, &str, bool); 1] = [("Appointment", "busy", true)];

/// Somebody of XPhone, whom Teams may know: `(mail, sign-in name, enabled)` for each account.
struct Row {
    email: &'static str,
    accounts: &'static [(Option<&'static str>, &'static str, bool)],
    matched: &'static str,
}

const TABLE: [Row; 12] = [
    Row { email: "anna@example.com", accounts: &[(Some("anna@example.com"), "a@tenant.example", true)], matched: "matched" },
    Row { email: "Ben@Example.COM", accounts: &[(Some("bEN@example.com"), "b@tenant.example", true)], matched: "matched" },
    Row { email: "cleo@example.com", accounts: &[(None, "cleo@example.com", true)], matched: "matched" },
    Row { email: "dan@example.com", accounts: &[(None, "DAN@EXAMPLE.COM", true)], matched: "matched" },
    // Whoever has a mailbox goes by it, not by the sign-in name.
    Row { email: "eve@example.com", accounts: &[(Some("eve@other.example"), "eve@example.com", true)], matched: "not_in_teams" },
    Row { email: "fred@example.com", accounts: &[], matched: "not_in_teams" },
    Row { email: "", accounts: &[(Some("gina@example.com"), "gina@example.com", true)], matched: "no_email" },
    Row { email: "   ", accounts: &[], matched: "no_email" },
    Row {
        email: "twin@example.com",
        accounts: &[(Some("twin@example.com"), "t@tenant.example", true)],
        matched: "duplicate_in_xphone",
    },
    Row { email: "TWIN@example.com", accounts: &[], matched: "duplicate_in_xphone" },
    Row {
        email: "hal@example.com",
        accounts: &[(Some("hal@example.com"), "h1@tenant.example", true), (None, "hal@example.com", true)],
        matched: "duplicate_in_teams",
    },
    Row {
        email: "ina@example.com",
        accounts: &[(Some("ina@example.com"), "i@tenant.example", false)],
        matched: "disabled_in_teams",
    },
];

/// Everybody of the table in both systems, with those of Teams in a call: the people of XPhone in its order.
async fn populate(world: &World) -> Vec<Person> {
    let mut people = Vec::new();
    for Row { email, accounts, .. } in TABLE {
        let mut person = Person { xphone: Uuid::new_v4(), teams: Uuid::nil() };
        world.xphone_user(person.xphone, email, &PROFILES).await;
        world.xphone_control(Method::PUT, &format!("users/{}/client", person.xphone), json!({"connected": true})).await;
        for (mail, name, enabled) in accounts {
            person.teams = Uuid::new_v4();
            world.teams_account(person.teams, name, *mail, *enabled).await;
            world.teams(person, "Busy/InACall").await;
        }
        people.push(person);
    }
    people
}

#[tokio::test]
async fn people_are_matched_by_address_and_never_guessed() {
    let world = World::new().await;
    let people = populate(&world).await;
    world.go_live().await;
    world.minute().await;
    let unmatched = world.app.store.unmatched_people(100).await.unwrap();
    for (row, person) in TABLE.iter().zip(&people) {
        let found = unmatched.iter().find(|(guid, _)| *guid == UserGuid(person.xphone)).map_or("matched", |(_, why)| why);
        assert_eq!(found, row.matched, "{}", row.email);
        let expected = if row.matched == "matched" { ON_THE_PHONE } else { "Available" };
        assert_eq!(world.text(*person).await, expected, "{}", row.email);
    }
    assert_eq!(users(&world, "linked_to_another").await, 0);
    for row in &TABLE {
        let count = TABLE.iter().filter(|other| other.matched == row.matched).count();
        assert_eq!(users(&world, row.matched).await, count, "{}", row.matched);
    }
    assert_eq!(world.writes().await, 4);
    assert_eq!(world.app.store.unmatched_people(3).await.unwrap().len(), 3);
}

pub async fn users(world: &World, state: &str) -> usize {
    world.count(&format!("users{{state={state:?}}}")).await.try_into().unwrap()
}

#[tokio::test]
async fn whoever_stops_matching_has_the_appointment_taken_back() {
    let (world, [anna, ben, cleo, dan]) = World::with_people(["anna", "ben", "cleo", "dan"]).await;
    world.teams_of_many(&[anna, ben, cleo, dan], "Busy/InACall").await;
    world.settle().await;
    assert_eq!(users(&world, "matched").await, 4);
    // Anna's address changes in Teams, Ben's account is disabled, Cleo's is deleted, and somebody new in XPhone has Dan's address.
    world.teams_account(anna.teams, "anna.b@example.com", Some("anna.b@example.com"), true).await;
    world.teams_account(ben.teams, "ben@example.com", Some("ben@example.com"), false).await;
    world.graph_control(Method::DELETE, &format!("users/{}", cleo.teams), Value::Null).await;
    let twin = Uuid::new_v4();
    world.xphone_user(twin, "dan@example.com", &PROFILES).await;
    world.next_directory().await;
    assert_eq!([users(&world, "matched").await, world.held_back().await], [4, 4], "four of four are more than a tenth");
    world.accept_directory(4).await;
    world.minute().await;
    for (person, reason) in
        [(anna, "not_in_teams"), (ben, "disabled_in_teams"), (cleo, "not_in_teams"), (dan, "duplicate_in_xphone")]
    {
        assert_eq!((world.text(person).await.as_str(), world.appointment(person).await), ("Available", None), "{reason}");
    }
    assert_eq!(
        [users(&world, "matched").await, users(&world, "not_in_teams").await],
        [0, 2],
        "a state that nobody has counts none"
    );
    // All of it heals.
    world.teams_account(anna.teams, "anna@example.com", Some("anna@example.com"), true).await;
    world.teams_account(ben.teams, "ben@example.com", Some("ben@example.com"), true).await;
    world.xphone_control(Method::DELETE, &format!("users/{twin}"), Value::Null).await;
    world.next_directory().await;
    for person in [anna, ben, dan] {
        assert_eq!(world.text(person).await, ON_THE_PHONE);
    }
    assert_eq!([users(&world, "matched").await, users(&world, "not_in_teams").await], [3, 1]);
    assert_eq!([users(&world, "disabled_in_teams").await, users(&world, "duplicate_in_xphone").await], [0, 0]);
}

#[tokio::test]
async fn an_empty_directory_drops_nobody() {
    for empty_side in ["Teams", "XPhone"] {
        let (world, [anna, ben]) = World::with_people(["anna", "ben"]).await;
        world.teams_of_many(&[anna, ben], "Busy/InACall").await;
        world.settle().await;
        if empty_side == "Teams" {
            for user in world.graph_look("users").await.as_array().unwrap() {
                let path = format!("users/{}", user["user"]["id"].as_str().unwrap());
                world.graph_control(Method::DELETE, &path, Value::Null).await;
            }
        } else {
            for person in [anna, ben] {
                world.xphone_control(Method::DELETE, &format!("users/{}", person.xphone), Value::Null).await;
            }
        }
        for _ in 0..3 {
            world.advance(SignedDuration::from_secs(300));
            world.directory().await;
            assert_eq!([users(&world, "matched").await, world.held_back().await], [2, 2], "{empty_side}");
        }
        world.settle().await;
        assert_eq!(world.writes().await, 2, "{empty_side}: nothing was taken back");
    }
}

#[tokio::test]
async fn a_directory_that_breaks_half_way_changes_nothing() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    world.teams_account(anna.teams, "anna.b@example.com", None, true).await;
    for status in [500, 403, 429] {
        world.advance(SignedDuration::from_secs(300));
        world.graph_faults(json!({"deny": [{"endpoint": "users", "status": status, "times": 1}]})).await;
        assert!(world.app.tasks.directory.run().await.is_err(), "{status}");
        assert_eq!(users(&world, "matched").await, 1, "{status}");
        world.xphone_faults(json!({"deny": [{"endpoint": "users", "status": 500, "times": 1}]})).await;
        assert!(world.app.tasks.directory.run().await.is_err(), "{status}");
    }
    world.xphone_faults(json!({})).await;
    world.next_directory().await;
    assert_eq!((users(&world, "matched").await, world.text(anna).await.as_str()), (0, "Available"));
}
