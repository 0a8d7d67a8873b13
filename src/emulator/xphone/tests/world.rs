//! A server with one location, one group and one user, and verbs to speak with it.

use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, Method, Response};
use serde_json::{Value, json};

use crate::emulator::clock::EmulatedClock;
use crate::emulator::xphone::{Options, Running, start};

pub const LOCATION: &str = "11111111-0000-4000-8000-000000000001";
pub const GROUP: &str = "22222222-0000-4000-8000-000000000001";
pub const ADA: &str = "aaaaaaaa-0000-4000-8000-000000000001";
pub const PROFILE_TEAMS: &str = "bbbbbbbb-0000-4000-8000-000000000001";
pub const PROFILE_SILENT: &str = "bbbbbbbb-0000-4000-8000-000000000002";
pub const PROFILE_OFF: &str = "bbbbbbbb-0000-4000-8000-000000000003";
pub const NOBODY: &str = "aaaaaaaa-0000-4000-8000-00000000dead";
/// What the server's sequence begins with.
pub const FIRST_SEQUENCE: u64 = 1_000_000;

/// A status and a body; `Null` where there is none.
pub type Answer = (u16, Value);

pub struct World {
    pub server: Running,
    pub clock: EmulatedClock,
    pub client: Client,
    pub token: String,
}

impl World {
    /// At ten o'clock, by a clock that stands.
    pub async fn start() -> Self {
        Self::start_at(EmulatedClock::standing_at("2026-11-20T10:00:00Z".parse().expect("a moment"))).await
    }

    pub async fn start_at(clock: EmulatedClock) -> Self {
        let options = Options {
            listen: "127.0.0.1:0".parse().expect("an address"),
            account_name: "gateway".to_owned(),
            password: "correct horse".to_owned(),
            clock: clock.clone(),
        };
        let server = start(options).await.expect("a free port");
        let mut world = Self { server, clock, client: Client::new(), token: String::new() };
        world.log_in().await;
        let location = json!({ "name": "Munich", "configurationGroups": [{ "guid": GROUP, "name": "Sales" }] });
        world.control("PUT", &format!("/locations/{LOCATION}"), location).await;
        world.control("PUT", &format!("/users/{ADA}"), ada()).await;
        world
    }

    pub async fn log_in(&mut self) -> Value {
        let account = json!({ "AccountName": "gateway", "Password": "correct horse" });
        let (status, answer) = self.api("POST", "/user/authenticate", account).await;
        assert_eq!((status, &answer["result"]), (200, &json!(0)));
        answer["tokenData"]["token"].as_str().expect("a token").clone_into(&mut self.token);
        answer
    }

    /// Calls the API; a body of `Null` is none.
    pub async fn api(&self, method: &str, path: &str, body: Value) -> Answer {
        let answer = self.send(method, path, body).await.expect("an answer");
        taken(answer).await
    }

    /// Calls the API and keeps the headers, or the broken connection.
    pub async fn send(&self, method: &str, path: &str, body: Value) -> reqwest::Result<Response> {
        let url = format!("{}/api/v1{path}", self.server.base_url);
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let request = self.client.request(method, url).bearer_auth(&self.token);
        if body.is_null() { request.send().await } else { request.json(&body).send().await }
    }

    pub async fn get(&self, path: &str) -> Value {
        let (status, body) = self.api("GET", path, Value::Null).await;
        assert_eq!(status, 200, "{path}: {body}");
        body
    }

    pub async fn status_of(&self, method: &str, path: &str, body: Value) -> u16 {
        self.api(method, path, body).await.0
    }

    /// Calls the control API, which must agree.
    pub async fn control(&self, method: &str, path: &str, body: Value) -> Value {
        let (status, body) = self.try_control(method, path, body).await;
        assert!((200..300).contains(&status), "{path}: {status} {body}");
        body
    }

    pub async fn try_control(&self, method: &str, path: &str, body: Value) -> Answer {
        let url = format!("{}{path}", self.server.control_url());
        let method = Method::from_bytes(method.as_bytes()).expect("a method");
        let request = self.client.request(method, url);
        let request = if body.is_null() { request } else { request.json(&body) };
        taken(request.send().await.expect("the control API always answers")).await
    }

    /// Does something to Ada.
    pub async fn ada(&self, method: &str, what: &str, body: Value) {
        self.control(method, &format!("/users/{ADA}/{what}"), body).await;
    }

    pub async fn faults(&self, faults: Value) {
        self.control("PUT", "/faults", faults).await;
    }

    /// The moment so many minutes from the server's now.
    pub fn minutes_ahead(&self, minutes: i64) -> Timestamp {
        self.clock.now() + SignedDuration::from_mins(minutes)
    }

    /// An hour's appointment with a status.
    pub async fn appointment(&self, origin: &str, kind: &str) -> Value {
        json!({
            "origin": origin,
            "subject": format!("{kind} by {origin}"),
            "presenceStateGuid": self.status(kind).await,
            "start": self.clock.now(),
            "end": self.minutes_ahead(60),
        })
    }

    /// The guid of a status.
    pub async fn status(&self, kind: &str) -> Value {
        let states = self.get("/presenceStates").await;
        let found = states.as_array().expect("a list").iter().find(|state| state["kind"] == kind);
        found.expect("a kind")["guid"].clone()
    }

    /// Sets an appointment of Ada's by the API.
    pub async fn set(&self, key: &str, body: Value) -> Answer {
        self.api("PUT", &format!("/users/{ADA}/appointments/{key}"), body).await
    }

    pub async fn delete(&self, key: &str) -> u16 {
        self.status_of("DELETE", &format!("/users/{ADA}/appointments/{key}"), Value::Null).await
    }

    /// Ada's entry in the snapshot.
    pub async fn entry(&self) -> Value {
        let snapshot = self.get("/presence").await;
        let found = snapshot["entries"].as_array().expect("a list").iter().find(|entry| entry["userGuid"] == ADA);
        found.expect("Ada's entry").clone()
    }

    /// What Ada shows: text and origin.
    pub async fn shows(&self) -> (String, Option<String>) {
        let entry = self.entry().await;
        (entry["presenceText"].as_str().expect("a text").to_owned(), entry["origin"].as_str().map(str::to_owned))
    }

    pub async fn sequence(&self) -> u64 {
        self.get("/presence").await["sequence"].as_u64().expect("a sequence")
    }

    pub async fn follow(&self, since: u64) -> Follower {
        let answer = self.send("GET", &format!("/presence/events?since={since}"), Value::Null).await.expect("an answer");
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        Follower { answer, read: String::new() }
    }
}

pub fn ada() -> Value {
    json!({
        "email": "ada@example.com",
        "accountName": "ada",
        "displayName": "Ada Lovelace",
        "location": LOCATION,
        "configurationGroup": GROUP,
        "profiles": [
            { "guid": PROFILE_TEAMS, "name": "MS Teams", "kind": "busy", "active": true },
            { "guid": PROFILE_SILENT, "name": "Silent", "kind": "doNotDisturb", "active": true },
            { "guid": PROFILE_OFF, "name": "Off", "kind": "doNotDisturb", "active": false },
        ],
    })
}

async fn taken(answer: Response) -> Answer {
    let status = answer.status().as_u16();
    let text = answer.text().await.expect("a body");
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// An open event stream.
pub struct Follower {
    answer: Response,
    read: String,
}

impl Follower {
    /// The next event: its sequence and what it tells; `Err` when the connection broke.
    pub async fn next(&mut self) -> reqwest::Result<(u64, Value)> {
        loop {
            if let Some((frame, rest)) = self.read.split_once("\n\n") {
                let event = frame.split_once('\n').map(|(id, data)| {
                    let id = id.strip_prefix("id: ").and_then(|id| id.parse().ok()).expect("an id");
                    let data = data.strip_prefix("data: ").and_then(|data| serde_json::from_str(data).ok()).expect("JSON");
                    (id, data)
                });
                self.read = rest.to_owned();
                match event {
                    Some(event) => return Ok(event),
                    None => continue,
                }
            }
            let bytes = self.answer.chunk().await?.expect("a server breaks event streams, it does not end them");
            self.read.push_str(std::str::from_utf8(&bytes).expect("UTF-8"));
        }
    }

    /// What the next event calls changed, and its sequence.
    pub async fn next_changed(&mut self) -> (u64, Value) {
        let (sequence, event) = self.next().await.expect("an event");
        (sequence, event["changed"].clone())
    }
}
