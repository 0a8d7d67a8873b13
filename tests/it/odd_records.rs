//! What XPhone tells oddly stops nobody else, and what an operator says about it counts.

use presence_gateway::domain::ids::UserGuid;
use presence_gateway::store::directory::Refusal;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::people::users;
use crate::world::{ADMIN_TOKEN, Person, World};

const ON_THE_PHONE: &str = "On the phone (MS Teams)";

impl World {
    /// The person has this address, and a profile with an odd name.
    async fn sit(&self, person: Person, email: &str) {
        let user = json!({
            "email": email, "accountName": email, "displayName": email, "location": self.location, "configurationGroup": null,
            "profiles": [{"name": "Appoint\0ment", "kind": "busy", "active": true}],
        });
        self.xphone_control(Method::PUT, &format!("users/{}", person.xphone), user).await;
    }
}

#[tokio::test]
async fn one_odd_record_stops_nobody() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.sit(anna, "an\0na@example.com").await;
    let (elsewhere, group) = (Uuid::new_v4(), Uuid::new_v4());
    // The same group at two places, with names that Postgres refuses.
    for (place, name) in [(world.location, "Head\0quarters"), (elsewhere, "Else\0where")] {
        let place = format!("locations/{place}");
        world
            .xphone_control(
                Method::PUT,
                &place,
                json!({"name": name, "configurationGroups": [{"guid": group, "name": "Sa\0les"}]}),
            )
            .await;
    }
    let ben = world.person("ben").await;
    world.next_directory().await;
    assert_eq!(users(&world, "matched").await, 2);
    world.teams_of_many(&[anna, ben], "Busy/InACall").await;
    world.minute().await;
    assert_eq!([world.text(anna).await, world.text(ben).await], [ON_THE_PHONE; 2]);
    let named = |told: &Value| -> Vec<String> {
        let items = told["items"].as_array().unwrap();
        let mut names: Vec<String> = items.iter().map(|item| item["name"].as_str().unwrap().to_owned()).collect();
        names.sort();
        names
    };
    assert_eq!(named(&world.get("v1/locations", ADMIN_TOKEN).await), ["Elsewhere", "Headquarters"]);
    assert_eq!(named(&world.get("v1/configuration-groups", ADMIN_TOKEN).await), ["Sales"]);
}

#[tokio::test]
async fn an_operators_word_is_not_lost_to_a_comparison_under_way() {
    let world = World::new().await;
    let store = &world.app.store;
    let now = world.clock.now();
    let refuse = async |dropped: std::ops::Range<u128>| {
        let dropped: Vec<UserGuid> = dropped.map(|number| UserGuid(Uuid::from_u128(number))).collect();
        let refusal = Refusal {
            since: now,
            seen_at: now,
            people: 9,
            gone: dropped.len(),
            unmatched: 0,
            recent: 0,
            dropped,
            accepted: None,
        };
        store.refuse_directory(&refusal).await.unwrap();
        store.directory_refusal().await.unwrap().unwrap().accepted.map(|(_, by)| by)
    };
    assert_eq!(refuse(0..5).await, None);
    world.accept_directory(5).await;
    let agreed = Some("the operator".to_owned());
    assert_eq!([refuse(0..5).await, refuse(1..4).await], [agreed.clone(), agreed]);
    assert_eq!(refuse(1..5).await, None, "somebody whom the last word was not about");
}
