//! What the app sets, what it meets there, and how it ends.

use super::notifications::Subscribed;
use super::*;

impl Tenant {
    async fn described(&self, id: Uuid) -> Value {
        self.control(Method::GET, &format!("users/{id}"), Value::Null).await.1
    }

    async fn set(&self, token: &str, availability: &str, activity: &str, lasting: Option<&str>) -> u16 {
        let mut body = json!({ "sessionId": self.client_id, "availability": availability, "activity": activity });
        if let Some(lasting) = lasting {
            body["expirationDuration"] = json!(lasting);
        }
        self.act(token, OTTO, "setPresence", body).await
    }
}

impl Subscribed {
    async fn shown(&mut self) -> String {
        let envelope = self.receiver.next().await;
        let content = self.receiver.open(&envelope["value"][0]);
        format!("{}/{}", content["availability"].as_str().unwrap(), content["activity"].as_str().unwrap())
    }
}

#[tokio::test]
async fn sessions_and_preferred_presences_end_by_themselves_and_say_so() {
    let mut story = Subscribed::start().await;
    let token = story.tenant.app_token().await;
    assert_eq!(story.tenant.set(&token, "Available", "Available", Some("PT12M")).await, 200);
    assert_eq!(story.shown().await, "Available/Available");
    let picked = json!({ "availability": "Busy", "activity": "Busy", "expirationDuration": "PT3M" });
    assert_eq!(story.tenant.act(&token, OTTO, "setUserPreferredPresence", picked).await, 200);
    assert_eq!(story.shown().await, "Busy/Busy");
    let user = story.tenant.described(OTTO).await;
    assert_eq!(user["sessions"]["app"]["expiresAt"], json!(story.tenant.in_minutes(12)));
    assert_eq!(user["preferred"]["expiresAt"], json!(story.tenant.in_minutes(3)));
    // The preferred presence ends after 3 minutes, the session fades after 5 and 10 and ends after 12.
    story.tenant.control(Method::POST, "clock/advance", json!({ "seconds": 720 })).await;
    for expected in ["Available/Available", "Available/AvailableInactive", "Away/Away", "Offline/Offline"] {
        assert_eq!(story.shown().await, expected);
    }
    let user = story.tenant.described(OTTO).await;
    assert_eq!((&user["sessions"]["app"], &user["preferred"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn a_preferred_presence_waits_for_a_session_and_lasts_a_day_or_a_week() {
    let tenant = Tenant::start().await;
    let token = tenant.app_token().await;
    for (availability, activity, days) in [("DoNotDisturb", "DoNotDisturb", 1), ("Busy", "Busy", 1), ("Away", "Away", 7)] {
        let picked = json!({ "availability": availability, "activity": activity });
        assert_eq!(tenant.act(&token, OTTO, "setUserPreferredPresence", picked).await, 200);
        let user = tenant.described(OTTO).await;
        assert_eq!(user["preferred"]["expiresAt"], json!(tenant.in_minutes(days * 24 * 60)), "{availability}");
        assert_eq!(user["availability"], "Offline", "nobody is there");
    }
    assert_eq!(tenant.set(&token, "Busy", "InACall", None).await, 200);
    assert_eq!(tenant.presence(OTTO).await.0, "Away/Away");
    tenant.control(Method::POST, "clock/advance", json!({ "seconds": 299 })).await;
    assert_eq!(tenant.presence(OTTO).await.0, "Away/Away");
    tenant.control(Method::POST, "clock/advance", json!({ "seconds": 1 })).await;
    assert_eq!(tenant.presence(OTTO).await.0, "Offline/Offline", "a session lasts five minutes where nobody says");
}

#[tokio::test]
async fn writes_run_out_for_half_a_minute() {
    let tenant = Tenant::start().await;
    let token = tenant.app_token().await;
    tenant.control(Method::PUT, "faults", json!({ "writes_per_30_seconds": 2 })).await;
    let clear = json!({ "sessionId": tenant.client_id });
    assert_eq!(tenant.set(&token, "Busy", "InACall", None).await, 200);
    tenant.clock.advance(SignedDuration::from_secs(10));
    assert_eq!(tenant.act(&token, OTTO, "clearPresence", clear.clone()).await, 200);
    let url = format!("{}/v1.0/users/{OTTO}/presence/setPresence", tenant.running.base_url);
    let refused = tenant.http.post(url).bearer_auth(&token).json(&clear).send().await.unwrap();
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (429, "20"));
    assert_eq!(tenant.presence(OTTO).await.0, "Offline/Offline", "reads have no part in it");
    let headers = json!({ "Content-Type": "application/json" });
    let part = |id: &str| {
        let url = format!("/users/{OTTO}/presence/clearUserPreferredPresence");
        json!({ "id": id, "method": "POST", "url": url, "headers": headers, "body": {} })
    };
    let requests = json!({ "requests": [part("1"), part("2"), part("3")] });
    tenant.clock.advance(SignedDuration::from_secs(20));
    let (_, answer) = tenant.send(Method::POST, "v1.0/$batch", Some(&token), requests).await;
    let statuses: Vec<_> = answer["responses"].as_array().unwrap().iter().map(|part| part["status"].as_u64().unwrap()).collect();
    assert_eq!(statuses, [200, 200, 429]);
    assert_eq!(answer["responses"][2]["headers"]["Retry-After"], "30");
}
