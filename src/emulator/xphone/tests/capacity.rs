//! Ten thousand users: a page, a snapshot and an appointment for everybody.

use serde_json::{Value, json};

use super::world::{World, ada};

const USERS: u32 = 10_000;

#[tokio::test]
async fn ten_thousand_users_are_held() {
    let world = World::start().await;
    for thousand in 0..USERS / 1000 {
        let users: Vec<Value> = (0..1000)
            .map(|number| {
                let mut user = ada();
                user["guid"] = json!(format!("dddddddd-0000-4000-8000-{:012}", thousand * 1000 + number));
                user["profiles"] = json!([]);
                user
            })
            .collect();
        world.control("POST", "/users", json!(users)).await;
    }
    let snapshot = world.get("/presence").await;
    assert_eq!(snapshot["entries"].as_array().map(Vec::len), Some(USERS as usize + 1));
    let page = world.get("/users?limit=1000&after=dddddddd-0000-4000-8000-000000008999").await;
    assert_eq!(page["users"].as_array().map(Vec::len), Some(1000));
    assert_eq!(page["next"], Value::Null);
}
