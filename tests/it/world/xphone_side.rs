//! The verbs about XPhone: what people do there, what goes wrong there, how the gateway listens to it, what can be seen of it.

use presence_gateway::app::App;
use presence_gateway::tasks::driver::Task;
use presence_gateway::tasks::{Progress, TaskError};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use super::{PASSES_MAX, Person, Shown, World};

impl World {
    pub async fn xphone_user(&self, guid: Uuid, email: &str, profiles: &[(&str, &str, bool)]) {
        let profile = |(name, kind, active): &(&str, &str, bool)| json!({"name": name, "kind": kind, "active": active});
        let user = json!({
            "email": email, "accountName": email, "displayName": email, "location": self.location, "configurationGroup": null,
            "profiles": profiles.iter().map(profile).collect::<Vec<_>>(),
        });
        self.xphone_control(Method::PUT, &format!("users/{guid}"), user).await;
    }

    /// The user picks a status in XPhone by hand.
    pub async fn xphone_status(&self, person: Person, kind: &str) {
        self.xphone_control(Method::PUT, &format!("users/{}/status", person.xphone), json!({"kind": kind, "origin": null})).await;
    }

    pub async fn xphone_telephone(&self, person: Person, state: u32) {
        self.xphone_control(Method::PUT, &format!("users/{}/telephone", person.xphone), json!({"state": state})).await;
    }

    /// The user's client starts or ends.
    pub async fn xphone_client(&self, person: Person, connected: bool) {
        self.xphone_control(Method::PUT, &format!("users/{}/client", person.xphone), json!({"connected": connected})).await;
    }

    /// The user removes what the gateway set.
    pub async fn remove_appointment(&self, person: Person) {
        self.xphone_control(Method::DELETE, &format!("users/{}/appointments/presence-gateway", person.xphone), Value::Null).await;
    }

    pub async fn xphone_faults(&self, faults: Value) {
        self.xphone_control(Method::PUT, "faults", faults).await;
    }

    /// Everything XPhone has told up to now is recorded, and the appointments are compared if it is time.
    pub async fn xphone_read(&self) {
        self.listen().await;
        self.app.tasks.appointments.run().await.unwrap();
    }

    /// Listens until everything XPhone has told up to now is recorded, everybody's presence too if it is time for that.
    pub async fn listen(&self) {
        self.listen_as(&self.app).await;
    }

    /// The same for a replica of the gateway.
    pub async fn listen_as(&self, replica: &App) {
        let told = self.xphone_look("events").await["sequence"].as_u64();
        for _ in 0..PASSES_MAX {
            if replica.tasks.listener.recorded_up_to().await == told {
                return;
            }
            // A connection that broke meanwhile fails once.
            let ran = replica.tasks.listener.run().await;
            assert!(!matches!(ran, Ok(Progress::Idle)), "it is not for this replica to listen");
        }
        panic!("what XPhone tells is never all recorded");
    }

    /// One step of listening.
    pub async fn try_listen(&self) -> Result<Progress, TaskError> {
        self.app.tasks.listener.run().await
    }

    /// What XPhone shows for the user.
    pub async fn shown(&self, person: Person) -> Shown {
        let user = self.xphone_look(&format!("users/{}", person.xphone)).await;
        let text = user["entry"]["presenceText"].as_str().unwrap().to_owned();
        Shown { text, origin: user["entry"]["origin"].as_str().map(str::to_owned) }
    }

    /// What people read in XPhone about the user.
    pub async fn text(&self, person: Person) -> String {
        self.shown(person).await.text
    }

    /// The user's appointments of our key, hidden or not.
    pub async fn appointment(&self, person: Person) -> Option<Value> {
        let user = self.xphone_look(&format!("users/{}", person.xphone)).await;
        let mut ours = user["appointments"].as_array().unwrap().iter().filter(|one| one["key"] == "presence-gateway");
        let found = ours.next().cloned();
        assert_eq!(ours.next(), None);
        found
    }

    /// Writes to XPhone's appointments so far.
    pub async fn writes(&self) -> usize {
        self.xphone_look("requests").await["appointment_writes"].as_array().unwrap().len()
    }

    pub async fn xphone_look(&self, path: &str) -> Value {
        self.http.get(format!("{}/{path}", self.xphone.control_url())).send().await.unwrap().json().await.unwrap()
    }

    pub async fn xphone_control(&self, method: Method, path: &str, body: Value) -> Response {
        self.call(method, &format!("{}/{path}", self.xphone.control_url()), body).await
    }
}
