//! The verbs about what Teams shows, and what people and Graph do there beside the users' own clients.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use super::{Person, World, exhaust, pair};

impl World {
    /// What others see of the user in Teams, as `availability/activity`.
    pub async fn in_teams(&self, person: Person) -> String {
        words(&self.teams_user(person).await)
    }

    /// Everything that has a say in what they see.
    pub async fn teams_user(&self, person: Person) -> Value {
        self.graph_look(&format!("users/{}", person.teams)).await
    }

    /// The user picks this in Teams by hand.
    pub async fn pick_in_teams(&self, person: Person, words: &str) {
        self.graph_control(Method::PUT, &format!("users/{}/preferred", person.teams), pair(words)).await;
    }

    /// The user takes back what was picked, by whomever.
    pub async fn reset_in_teams(&self, person: Person) {
        self.graph_control(Method::DELETE, &format!("users/{}/preferred", person.teams), Value::Null).await;
    }

    /// The user is in an XPhone meeting of this kind.
    pub async fn xphone_meeting(&self, person: Person, meeting: &str) {
        self.xphone_control(Method::PUT, &format!("users/{}/meeting", person.xphone), json!({"meeting": meeting})).await;
    }

    /// What XPhone has told up to now is heard and acted on, and so is what Teams tells of that.
    pub async fn hear(&self) {
        self.listen().await;
        self.settle().await;
        self.settle().await;
    }

    /// Some seconds pass, with everything that comes by itself in them: wake-ups, confirming reads, keep-alives, notifications.
    pub async fn seconds(&self, seconds: i64) {
        self.advance(SignedDuration::from_secs(seconds));
        self.graph_control(Method::POST, "clock/advance", json!({"seconds": 0})).await;
        self.listen().await;
        self.settle().await;
        exhaust(&self.app.tasks.confirmer).await;
        self.settle().await;
    }

    /// How often Graph answered this endpoint with this status.
    pub async fn asked_graph(&self, endpoint: &str, status: u16) -> u64 {
        let requests = self.graph_look("requests").await;
        requests["endpoints"][endpoint][status.to_string()].as_u64().unwrap_or_default()
    }
}

fn words(pair: &Value) -> String {
    format!("{}/{}", pair["availability"].as_str().unwrap(), pair["activity"].as_str().unwrap())
}
