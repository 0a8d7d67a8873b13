//! Reads and notifications that come behind the changes.

use super::notifications::Subscribed;
use super::*;

impl Tenant {
    async fn advance(&self, seconds: u32) {
        assert_eq!(self.control(Method::POST, "clock/advance", json!({ "seconds": seconds })).await.0, 200);
    }
}

impl Subscribed {
    /// The activities of the next notification request.
    async fn activities(&mut self) -> Vec<String> {
        let envelope = self.receiver.next().await;
        let activity = |notification| self.receiver.open(notification)["activity"].as_str().unwrap().to_owned();
        envelope["value"].as_array().unwrap().iter().map(activity).collect()
    }

    async fn lag(&self, reads_seconds: u32, notifications_seconds: u32) {
        let lag = json!({ "reads_seconds": reads_seconds, "notifications_seconds": notifications_seconds });
        assert_eq!(self.tenant.control(Method::PUT, "faults", json!({ "lag": lag })).await.0, 200);
    }

    /// How many changes wait for the end of the lag.
    async fn late(&self) -> Value {
        self.tenant.control(Method::GET, "notifications/pending", Value::Null).await.1["late"].clone()
    }
}

#[tokio::test]
async fn reads_show_what_was_true_some_seconds_ago() {
    let tenant = Tenant::start().await;
    tenant.control(Method::PUT, "faults", json!({ "lag": { "reads_seconds": 10 } })).await;
    tenant.teams(OTTO, "Busy", "InACall").await;
    tenant.advance(4).await;
    tenant.teams(OTTO, "Away", "Away").await;
    // Seconds to move on; what a read shows then.
    let table = [(0, "Offline/Offline"), (5, "Offline/Offline"), (1, "Busy/InACall"), (3, "Busy/InACall"), (1, "Away/Away")];
    for (seconds, shown) in table {
        tenant.advance(seconds).await;
        assert_eq!(tenant.presence(OTTO).await.0, shown);
        let (_, user) = tenant.control(Method::GET, &format!("users/{OTTO}"), Value::Null).await;
        assert_eq!(user["activity"], "Away", "what is true");
    }
    tenant.teams(OTTO, "Busy", "InACall").await;
    assert_eq!(tenant.presence(OTTO).await.0, "Away/Away");
    tenant.control(Method::PUT, "faults", json!({})).await;
    assert_eq!(tenant.presence(OTTO).await.0, "Busy/InACall");
}

#[tokio::test]
async fn what_changed_back_in_the_meantime_is_notified_in_its_order() {
    let mut story = Subscribed::start().await;
    story.lag(0, 20).await;
    for activity in ["InACall", "InAMeeting", "InACall"] {
        story.tenant.teams(OTTO, "Busy", activity).await;
    }
    story.tenant.teams(ANNA, "Away", "Away").await;
    assert_eq!(story.tenant.presence(OTTO).await.0, "Busy/InACall");
    story.tenant.advance(19).await;
    assert_eq!(story.late().await, 4);
    story.tenant.advance(1).await;
    assert_eq!(story.activities().await, ["InACall", "Away"], "different users travel together");
    assert_eq!(story.activities().await, ["InAMeeting"]);
    assert_eq!(story.activities().await, ["InACall"]);
    assert_eq!(story.late().await, 0);
    story.tenant.teams(OTTO, "Available", "Available").await;
    story.lag(0, 0).await;
    assert_eq!(story.activities().await, ["Available"], "the end of the lag lets everything go");
}

#[tokio::test]
async fn a_leap_of_the_clock_skips_nothing() {
    let mut story = Subscribed::start().await;
    let token = story.tenant.app_token().await;
    let path = format!("users/{OTTO}/preferred");
    story.tenant.teams(OTTO, "Available", "Available").await;
    assert_eq!(story.activities().await, ["Available"]);
    let client_id = story.tenant.client_id;
    let session = json!({ "sessionId": client_id, "availability": "Busy", "activity": "InACall", "expirationDuration": "PT1H" });
    assert_eq!(story.tenant.act(&token, OTTO, "setPresence", session).await, 200);
    assert_eq!(story.activities().await, ["InACall"]);
    let picked = json!({ "availability": "DoNotDisturb", "activity": "DoNotDisturb", "expirationDuration": "PT30M" });
    assert_eq!(story.tenant.control(Method::PUT, &path, picked).await.0, 200);
    assert_eq!(story.activities().await, ["DoNotDisturb"]);
    story.lag(0, 60).await;
    story.tenant.advance(31 * 60).await;
    assert_eq!(story.activities().await, ["InACall"], "the preferred presence ended on the way, and the lag as well");
}
