//! Places, people, pages.

use serde_json::{Value, json};

use super::world::{ADA, GROUP, LOCATION, NOBODY, PROFILE_TEAMS, World, ada};

#[tokio::test]
async fn capabilities_statuses_and_places_are_listed() {
    let world = World::start().await;
    let capabilities = world.get("/server/capabilities").await;
    assert_eq!(capabilities["contractVersion"], 1);
    assert_eq!(capabilities["events"], true);

    let states = world.get("/presenceStates").await;
    let kinds: Vec<_> = states.as_array().expect("a list").iter().map(|state| state["kind"].clone()).collect();
    assert_eq!(kinds, ["available", "beRightBack", "busy", "doNotDisturb", "unavailable", "offline"]);

    let expected = json!([{ "guid": LOCATION, "name": "Munich", "configurationGroups": [{ "guid": GROUP, "name": "Sales" }] }]);
    assert_eq!(world.get("/locations").await, expected);
}

#[tokio::test]
async fn a_user_is_listed_with_profiles_and_place() {
    let world = World::start().await;
    let listed = &world.get("/users?limit=10").await["users"][0];
    assert_eq!(listed["guid"], ADA);
    assert_eq!(listed["email"], "ada@example.com");
    let expected = format!("cn=Ada Lovelace {ADA}, ou=CG {GROUP}, ou=Branch {LOCATION}, ou=Organisation");
    assert_eq!(listed["distinguishedName"], expected);
    let names: Vec<_> = listed["profiles"].as_array().expect("a list").iter().map(|profile| profile["name"].clone()).collect();
    assert_eq!(names, ["MS Teams", "Silent", "Off"]);
    assert_eq!(listed["profiles"][2]["active"], false);
    assert_eq!(listed["profiles"][0]["presenceStateGuid"], world.status("busy").await);

    let mut moved = ada();
    moved["configurationGroup"] = Value::Null;
    moved["profiles"] =
        json!([{ "name": "MS Teams", "kind": "busy", "active": true }, { "name": "New", "kind": "busy", "active": true }]);
    let shown = world.control("PUT", &format!("/users/{ADA}"), moved).await;
    let expected = format!("cn=Ada Lovelace {ADA}, ou=Branch {LOCATION}, ou=Organisation");
    assert_eq!(shown["user"]["distinguishedName"], expected);
    assert_eq!(shown["user"]["profiles"][0]["guid"], PROFILE_TEAMS, "a profile keeps its guid by its name");
    assert!(shown["user"]["profiles"][1]["guid"].is_string());
}

#[tokio::test]
async fn users_come_in_pages_by_guid() {
    let world = World::start().await;
    let guids: Vec<String> = (0..5).map(|number| format!("cccccccc-0000-4000-8000-00000000000{number}")).collect();
    let one = |guid: &String| {
        let mut user = ada();
        user["guid"] = json!(guid);
        user["profiles"] = json!([]);
        user
    };
    let many: Vec<Value> = guids.iter().rev().map(one).collect();
    world.control("POST", "/users", json!(many)).await;

    let mut seen = Vec::new();
    let mut address = "/users?limit=2".to_owned();
    loop {
        let page = world.get(&address).await;
        let users = page["users"].as_array().expect("a list");
        assert!(!users.is_empty() && users.len() <= 2);
        seen.extend(users.iter().map(|user| user["guid"].as_str().expect("a guid").to_owned()));
        let Some(next) = page["next"].as_str() else { break };
        address = format!("/users?after={next}&limit=2");
    }
    let expected: Vec<String> = std::iter::once(ADA.to_owned()).chain(guids).collect();
    assert_eq!(seen, expected);

    for bad in ["limit=0", "limit=1001", "limit=x", "after=x", "after=CCCCCCCC-0000-4000-8000-000000000000", "page=2"] {
        assert_eq!(world.status_of("GET", &format!("/users?{bad}"), Value::Null).await, 400, "{bad}");
    }
    assert_eq!(world.status_of("GET", "/users?limit=1000", Value::Null).await, 200);
}

#[tokio::test]
async fn people_go_and_nobody_is_404() {
    let world = World::start().await;
    let before = world.sequence().await;
    world.control("DELETE", &format!("/users/{ADA}"), Value::Null).await;
    assert_eq!(world.get("/users").await["users"], json!([]));
    assert_eq!(world.get("/presence").await["entries"], json!([]));
    assert_eq!(world.sequence().await, before, "changed people raise no event");
    assert_eq!(world.try_control("GET", &format!("/users/{NOBODY}"), Value::Null).await.0, 404);
    assert_eq!(world.try_control("PUT", &format!("/users/{NOBODY}/client"), json!({ "connected": true })).await.0, 404);
    let mut lost = ada();
    lost["configurationGroup"] = json!(LOCATION);
    assert_eq!(world.try_control("PUT", &format!("/users/{ADA}"), lost).await.0, 400);
}

#[tokio::test]
async fn an_unknown_address_is_404_and_a_wrong_method_405() {
    let world = World::start().await;
    let (status, body) = world.api("GET", "/nothing", Value::Null).await;
    assert_eq!((status, body["error"].is_string()), (404, true));
    let (status, body) = world.api("POST", "/locations", json!({})).await;
    assert_eq!((status, body["error"].is_string()), (405, true));
}
