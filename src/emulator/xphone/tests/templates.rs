//! Central profile templates of places.

use serde_json::{Value, json};

use super::world::{GROUP, LOCATION, NOBODY, World};

async fn template(world: &World) -> Value {
    json!({
        "presenceStateGuid": world.status("busy").await,
        "callForwarding": { "mode": "none", "number": null },
        "active": true,
    })
}

#[tokio::test]
async fn templates_are_set_listed_and_deleted_at_either_place() {
    let world = World::start().await;
    for place in [format!("/locations/{LOCATION}"), format!("/configurationGroups/{GROUP}")] {
        let all = format!("{place}/profileTemplates");
        let one = format!("{all}/MS%20Teams");
        let mut body = template(&world).await;
        assert_eq!(world.get(&all).await, json!([]));
        assert_eq!(world.status_of("PUT", &one, body.clone()).await, 201);
        body["name"] = json!("MS Teams");
        assert_eq!(world.status_of("PUT", &one, body.clone()).await, 200);
        assert_eq!(world.get(&all).await, json!([body]));
        assert_eq!(world.status_of("DELETE", &one, Value::Null).await, 204);
        assert_eq!(world.status_of("DELETE", &one, Value::Null).await, 404);
    }
    for place in [format!("/locations/{NOBODY}"), format!("/configurationGroups/{LOCATION}")] {
        assert_eq!(world.status_of("GET", &format!("{place}/profileTemplates"), Value::Null).await, 404);
    }
}

#[tokio::test]
async fn a_template_in_use_stays_and_stays_active() {
    let world = World::start().await;
    let one = format!("/locations/{LOCATION}/profileTemplates/Lunch");
    let mut body = template(&world).await;
    world.api("PUT", &one, body.clone()).await;
    world.control("PUT", &format!("{one}/use"), json!({ "inUse": true })).await;
    assert_eq!(world.status_of("DELETE", &one, Value::Null).await, 409);
    assert_eq!(world.status_of("PUT", &one, body.clone()).await, 200);
    body["active"] = json!(false);
    assert_eq!(world.status_of("PUT", &one, body.clone()).await, 409);
    world.control("PUT", &format!("{one}/use"), json!({ "inUse": false })).await;
    assert_eq!(world.status_of("PUT", &one, body).await, 200);
}

#[tokio::test]
async fn a_template_that_does_not_fit_is_refused() {
    let world = World::start().await;
    let good = template(&world).await;
    let changes: [(&str, Value, u16); 7] = [
        ("name", json!("Other"), 400),
        ("callForwarding", json!({ "mode": "number", "number": null }), 400),
        ("callForwarding", json!({ "mode": "none", "number": "+49891234" }), 400),
        ("callForwarding", json!({ "mode": "fax", "number": null }), 400),
        ("active", Value::Null, 400),
        ("presenceStateGuid", json!(NOBODY), 422),
        ("callForwarding", json!({ "mode": "number", "number": "+49891234" }), 201),
    ];
    for (member, value, expected) in changes {
        let mut body = good.clone();
        body[member] = value;
        let status = world.status_of("PUT", &format!("/locations/{LOCATION}/profileTemplates/T"), body.clone()).await;
        assert_eq!(status, expected, "{body}");
    }
}
