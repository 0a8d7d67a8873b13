//! Many requests in one.

use super::*;

const BATCH: &str = "v1.0/$batch";

/// A part that acts on Otto's presence.
fn action(id: &str, action: &str, body: &Value) -> Value {
    let headers = json!({ "content-type": "application/json" });
    json!({ "id": id, "method": "POST", "url": format!("/users/{OTTO}/presence/{action}"), "headers": headers, "body": body })
}

fn read(id: &str, url: &str) -> Value {
    json!({ "id": id, "method": "GET", "url": url })
}

impl Tenant {
    fn in_call(&self) -> Value {
        json!({ "sessionId": self.client_id, "availability": "Busy", "activity": "InACall", "expirationDuration": "PT15M" })
    }

    async fn batch(&self, token: &str, requests: &[Value]) -> (u16, Value) {
        self.send(Method::POST, BATCH, Some(token), json!({ "requests": requests })).await
    }

    /// The statuses by id, and the answers as they came.
    async fn answers(&self, token: &str, requests: &[Value]) -> (HashMap<String, u64>, Vec<Value>) {
        let (status, body) = self.batch(token, requests).await;
        assert_eq!(status, 200, "{body}");
        let answers = body["responses"].as_array().unwrap().clone();
        let by_id = |answer: &Value| (answer["id"].as_str().unwrap().to_owned(), answer["status"].as_u64().unwrap());
        (answers.iter().map(by_id).collect(), answers)
    }

    async fn counts(&self) -> Value {
        self.control(Method::GET, "requests", Value::Null).await.1["endpoints"].clone()
    }
}

fn statuses<const N: usize>(expected: [(&str, u64); N]) -> HashMap<String, u64> {
    expected.into_iter().map(|(id, status)| (id.to_owned(), status)).collect()
}

#[tokio::test]
async fn every_part_is_judged_and_counted_on_its_own() {
    let tenant = Tenant::start().await;
    let token = tenant.app_token().await;
    let mut stranger = action("stranger", "setPresence", &tenant.in_call());
    stranger["url"] = json!(format!("users/{}/presence/setPresence", Uuid::new_v4()));
    let mut own_token = read("own token", &format!("users/{ANNA}/presence"));
    own_token["headers"] = json!({ "Authorization": "Bearer nonsense" });
    let requests = [
        action("set", "setPresence", &tenant.in_call()),
        action(
            "wrong pair",
            "setPresence",
            &json!({ "sessionId": tenant.client_id, "availability": "Busy", "activity": "Busy" }),
        ),
        stranger,
        own_token,
        read("absolute", "https://graph.microsoft.com/v1.0/users"),
        read("nothing", "/no/such/thing"),
        read("forbidden", "/subscriptions"),
        read("users", "/users?$select=id&$top=1"),
    ];
    let (by_id, answers) = tenant.answers(&token, &requests).await;
    let expected = [
        ("set", 200),
        ("wrong pair", 400),
        ("stranger", 404),
        ("own token", 200),
        ("absolute", 400),
        ("nothing", 400),
        ("forbidden", 403),
        ("users", 200),
    ];
    assert_eq!(by_id, statuses(expected));
    assert_eq!(answers[0]["id"], "users", "the last one first");
    assert_eq!(answers[0]["body"]["value"], json!([{ "id": OTTO }]));
    assert_eq!(answers[0]["headers"]["Content-Type"], "application/json");
    assert_eq!(answers[7], json!({ "id": "set", "status": 200, "headers": {}, "body": null }));
    assert_eq!(tenant.presence(OTTO).await.0, "Busy/InACall");
    let counts = tenant.counts().await;
    assert_eq!(counts["batch"], json!({ "200": 1 }));
    assert_eq!(counts["setPresence"], json!({ "200": 1, "400": 1, "404": 1 }));
    assert_eq!((&counts["listSubscriptions"], &counts["users"]), (&json!({ "403": 1 }), &json!({ "200": 1 })));
}

#[tokio::test]
async fn a_batch_that_is_wrong_does_nothing() {
    let tenant = Tenant::start().await;
    let token = tenant.app_token().await;
    let set = || action("Set", "setPresence", &tenant.in_call());
    let without = |field: &str| {
        let mut request = set();
        request.as_object_mut().unwrap().remove(field);
        vec![request]
    };
    let mut second = action("second", "clearPresence", &json!({ "sessionId": tenant.client_id }));
    second["dependsOn"] = json!(["Set"]);
    let wrong = [
        vec![],
        (0..21).map(|turn| read(&turn.to_string(), "/users")).collect(),
        vec![set(), action("sET", "setPresence", &tenant.in_call())],
        vec![set(), second],
        without("id"),
        without("url"),
        without("method"),
        without("body"),
        without("headers"),
    ];
    for requests in &wrong {
        assert_eq!(tenant.batch(&token, requests).await.0, 400, "{requests:?}");
    }
    assert_eq!(tenant.send(Method::POST, BATCH, None, json!({ "requests": [set()] })).await.0, 401);
    assert_eq!(tenant.presence(OTTO).await.0, "Offline/Offline");
    assert_eq!(tenant.counts().await["batch"], json!({ "400": wrong.len(), "401": 1 }));
    let twenty: Vec<Value> = (0..20).map(|turn| read(&turn.to_string(), "/users")).collect();
    assert_eq!(tenant.answers(&token, &twenty).await.0.len(), 20);
    let mut nested = action("nested", "", &json!({ "requests": [set()] }));
    nested["url"] = json!("/$batch");
    assert_eq!(tenant.answers(&token, &[nested]).await.0, statuses([("nested", 400)]));
}

#[tokio::test]
async fn parts_are_refused_without_the_batch_and_the_batch_without_its_parts() {
    let tenant = Tenant::start().await;
    let token = tenant.app_token().await;
    let requests = [read("users", "/users"), action("set", "setPresence", &tenant.in_call())];
    let deny = json!({ "endpoint": "presence", "method": "POST", "status": 429, "retry_after_seconds": 7, "times": 1 });
    tenant.control(Method::PUT, "faults", json!({ "deny": [deny] })).await;
    let (by_id, answers) = tenant.answers(&token, &requests).await;
    assert_eq!(by_id, statuses([("users", 200), ("set", 429)]));
    assert_eq!(answers[0]["headers"]["Retry-After"], "7");
    assert_eq!(answers[0]["body"]["error"]["code"], "TooManyRequests");
    assert_eq!(tenant.presence(OTTO).await.0, "Offline/Offline");
    let deny = json!({ "endpoint": "batch", "status": 503, "times": 1 });
    tenant.control(Method::PUT, "faults", json!({ "deny": [deny] })).await;
    assert_eq!(tenant.batch(&token, &requests).await.0, 503);
    assert_eq!(tenant.counts().await["setPresence"], json!({ "429": 1 }));
}

#[tokio::test]
async fn a_part_may_be_done_and_yet_refused() {
    let tenant = Tenant::start().await;
    let token = tenant.app_token().await;
    let faults = json!({ "batch": { "executed_yet_429": 1, "retry_after_seconds": 3 } });
    assert_eq!(tenant.control(Method::PUT, "faults", faults).await.0, 200);
    assert_eq!(tenant.presence(OTTO).await.0, "Offline/Offline", "what comes alone is not meant");
    let requests = [action("set", "setPresence", &tenant.in_call())];
    let (by_id, answers) = tenant.answers(&token, &requests).await;
    assert_eq!(by_id, statuses([("set", 429)]));
    assert_eq!(answers[0]["headers"]["Retry-After"], "3");
    assert_eq!(tenant.presence(OTTO).await.0, "Busy/InACall");
    assert_eq!(tenant.answers(&token, &requests).await.0, statuses([("set", 200)]));
}
