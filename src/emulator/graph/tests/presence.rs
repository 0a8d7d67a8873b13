//! Reading and writing presence, and the directory.

use super::*;

impl Tenant {
    pub(super) async fn act(&self, token: &str, id: Uuid, action: &str, body: Value) -> u16 {
        self.send(Method::POST, &format!("v1.0/users/{id}/presence/{action}"), Some(token), body).await.0
    }
}

#[tokio::test]
async fn an_app_sets_and_clears_what_the_user_shows() {
    let tenant = Tenant::start().await;
    let token = tenant.app_token().await;
    let session = |availability: &str, activity: &str, lasting: &str| {
        json!({
            "sessionId": tenant.client_id,
            "availability": availability,
            "activity": activity,
            "expirationDuration": lasting,
        })
    };
    tenant.teams(OTTO, "Available", "Available").await;
    let (_, before) = tenant.presence(OTTO).await;
    assert_eq!(tenant.act(&token, OTTO, "setPresence", session("Busy", "InACall", "PT15M")).await, 200);
    let (shown, after) = tenant.presence(OTTO).await;
    assert_eq!(shown, "Busy/InACall");
    assert!(after["sequenceNumber"].as_str() > before["sequenceNumber"].as_str());
    tenant.clock.advance(SignedDuration::from_mins(15));
    assert_eq!(tenant.presence(OTTO).await.0, "Available/Available");
    let clear = json!({ "sessionId": tenant.client_id });
    assert_eq!(tenant.act(&token, OTTO, "clearPresence", clear.clone()).await, 404, "the session has run out");
    assert_eq!(tenant.act(&token, OTTO, "setPresence", session("DoNotDisturb", "Presenting", "PT4H")).await, 200);
    assert_eq!(tenant.act(&token, OTTO, "clearPresence", clear).await, 200);
    assert_eq!(tenant.presence(OTTO).await.0, "Available/Available");
    let preferred = json!({ "availability": "DoNotDisturb", "activity": "DoNotDisturb", "expirationDuration": "P1D" });
    assert_eq!(tenant.act(&token, OTTO, "setUserPreferredPresence", preferred).await, 200);
    assert_eq!(tenant.presence(OTTO).await.0, "DoNotDisturb/DoNotDisturb");
    assert_eq!(tenant.act(&token, OTTO, "clearUserPreferredPresence", json!({})).await, 200);
    assert_eq!(tenant.presence(OTTO).await.0, "Available/Available");

    let refused = [
        ("setPresence", session("Busy", "Busy", "PT5M")),
        ("setPresence", session("Busy", "InACall", "PT4M")),
        ("setPresence", session("Busy", "InACall", "PT4H1M")),
        ("setPresence", json!({ "availability": "Busy", "activity": "InACall" })),
        ("setPresence", json!({ "sessionId": Uuid::new_v4(), "availability": "Busy", "activity": "InACall" })),
        ("clearPresence", json!({})),
        ("setUserPreferredPresence", json!({ "availability": "Busy", "activity": "InACall" })),
    ];
    for (action, body) in refused {
        assert_eq!(tenant.act(&token, OTTO, action, body.clone()).await, 400, "{action} {body}");
    }
    assert_eq!(tenant.act(&token, Uuid::new_v4(), "setPresence", session("Busy", "InACall", "PT5M")).await, 404);
    let anna = tenant.user_token("anna@example.org").await;
    assert_eq!(tenant.act(&anna, OTTO, "setPresence", session("Busy", "InACall", "PT5M")).await, 401);
    tenant.clock.advance(SignedDuration::from_hours(1));
    assert_eq!(tenant.act(&token, OTTO, "setPresence", session("Busy", "InACall", "PT5M")).await, 401, "the token ran out");
}

#[tokio::test]
async fn many_presences_are_read_at_once() {
    let tenant = Tenant::start().await;
    tenant.teams(OTTO, "Busy", "InAMeeting").await;
    let path = "v1.0/communications/getPresencesByUserId";
    for token in [tenant.app_token().await, tenant.user_token("anna@example.org").await] {
        let body = json!({ "ids": [OTTO, Uuid::new_v4(), OTTO, ANNA] });
        let (status, body) = tenant.send(Method::POST, path, Some(&token), body).await;
        assert_eq!(status, 200);
        let shown: Vec<_> = body["value"].as_array().unwrap().iter().map(|presence| &presence["activity"]).collect();
        assert_eq!(shown, ["InAMeeting", "Offline"]);
        let too_many: Vec<Uuid> = (0..651).map(Uuid::from_u128).collect();
        assert_eq!(tenant.send(Method::POST, path, Some(&token), json!({ "ids": too_many })).await.0, 400);
    }
    assert_eq!(tenant.send(Method::POST, path, None, json!({ "ids": [] })).await.0, 401);
}

#[tokio::test]
async fn the_directory_is_read_page_by_page() {
    let tenant = Tenant::start().await;
    let token = tenant.app_token().await;
    let first = "v1.0/users?$select=id,accountEnabled&$top=1";
    let (_, page) = tenant.send(Method::GET, first, Some(&token), Value::Null).await;
    assert_eq!(page["value"], json!([{ "id": OTTO, "accountEnabled": true }]));
    let next = page["@odata.nextLink"].as_str().unwrap();
    let next = next.strip_prefix(&format!("{}/", tenant.running.base_url)).unwrap();
    let (_, page) = tenant.send(Method::GET, next, Some(&token), Value::Null).await;
    assert_eq!(page["value"], json!([{ "id": ANNA, "accountEnabled": true }]));
    assert!(page.get("@odata.nextLink").is_none());
    assert_eq!(tenant.send(Method::GET, "v1.0/users?$top=1000", Some(&token), Value::Null).await.0, 400);
}

#[tokio::test]
async fn reads_lag_and_requests_are_refused_on_demand() {
    let tenant = Tenant::start().await;
    tenant.control(Method::PUT, "faults", json!({ "presence_lag": true })).await;
    tenant.teams(OTTO, "Busy", "InACall").await;
    tenant.teams(OTTO, "Away", "Away").await;
    assert_eq!(tenant.presence(OTTO).await.0, "Offline/Offline");
    let deny = json!({ "endpoint": "presence", "status": 429, "retry_after_seconds": 5, "times": 1 });
    tenant.control(Method::PUT, "faults", json!({ "deny": [deny] })).await;
    let url = format!("{}/v1.0/users/{OTTO}/presence", tenant.running.base_url);
    let refused = tenant.http.get(url).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (429, "5"));
    assert_eq!(tenant.presence(OTTO).await.0, "Away/Away");
    let (_, counts) = tenant.control(Method::GET, "requests", Value::Null).await;
    assert_eq!(counts["endpoints"]["presence"], json!({ "200": 2, "429": 1 }));
    assert_eq!(counts["grants"], json!({ "client_credentials": 2 }));
}
