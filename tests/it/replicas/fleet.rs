//! Several gateways on one database, as processes of the built program; both systems emulated in another; people in both.

use std::net::SocketAddr;
use std::process::Stdio;

use reqwest::{Method, StatusCode};
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use uuid::Uuid;

use super::balancer::Balancer;
use super::cluster::Cluster;
use super::until;
use crate::command::{changed, gateway};
use crate::world::{ADMIN_TOKEN, Person, SUBSCRIBER};

/// What XPhone says of a telephone in use, and of a free one.
pub const BUSY: u32 = 4;
pub const FREE: u32 = 2;

/// The world of these stories.
pub struct Fleet {
    pub cluster: Cluster,
    pub balancer: Balancer,
    pub http: reqwest::Client,
    /// They change in Teams only.
    pub in_teams: Vec<Person>,
    /// They change in XPhone only.
    pub in_xphone: Vec<Person>,
    settings: Vec<(String, String)>,
    graph: String,
    xphone: String,
    location: Uuid,
    logs: TempDir,
    _emulators: Child,
}

/// A running gateway.
pub struct Replica {
    pub public: SocketAddr,
    pub admin: SocketAddr,
    child: Child,
}

/// What both systems were asked to write, and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Writes {
    pub appointments_set: u64,
    pub appointments_deleted: u64,
    pub sessions_set: u64,
    pub sessions_cleared: u64,
}

impl Fleet {
    /// So many people of each kind, both systems, an empty database, no gateway yet.
    pub async fn new(people: usize) -> Self {
        let (cluster, balancer, logs) = (Cluster::start().await, Balancer::start().await, tempfile::tempdir().unwrap());
        let ports = ["emulate", "--graph-listen", "127.0.0.1:0", "--xphone-listen", "127.0.0.1:0"];
        let mut emulators = gateway(&ports, &[]).stdout(Stdio::piped()).spawn().unwrap();
        let mut printed = BufReader::new(emulators.stdout.take().unwrap()).lines();
        let mut settings = Vec::new();
        while let Some(line) = printed.next_line().await.unwrap() {
            if line.starts_with("# Control") {
                break;
            }
            settings.extend(line.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())));
        }
        let setting = |name: &str| settings.iter().find(|(key, _)| key == name).unwrap().1.clone();
        let graph = format!("{}/control", setting("GATEWAY__GRAPH__BASE_URL"));
        let xphone = setting("GATEWAY__XPHONE__BASE_URL");
        let xphone = format!("{}/control", xphone.split("/XPhoneConnect").next().unwrap());
        settings.push(("GATEWAY__DATABASE__URL".to_owned(), cluster.url()));
        settings.push(("GATEWAY__HTTP__PUBLIC_URL".to_owned(), format!("http://{}", balancer.address)));
        let (http, location) = (reqwest::Client::new(), Uuid::new_v4());
        let (in_teams, in_xphone) = (Vec::new(), Vec::new());
        let mut fleet =
            Self { cluster, balancer, http, in_teams, in_xphone, settings, graph, xphone, location, logs, _emulators: emulators };
        fleet.settle_in(people).await;
        fleet
    }

    async fn settle_in(&mut self, people: usize) {
        let subscriber = json!({"userPrincipalName": SUBSCRIBER});
        self.graph(Method::PUT, &format!("users/{}", Uuid::new_v4()), subscriber).await;
        let place = json!({"name": "Headquarters", "configurationGroups": []});
        self.xphone(Method::PUT, &format!("locations/{}", self.location), place).await;
        for number in 0..people * 2 {
            let person = Person { xphone: Uuid::new_v4(), teams: Uuid::new_v4() };
            let email = format!("person-{number}@example.com");
            self.graph(Method::PUT, &format!("users/{}", person.teams), json!({"userPrincipalName": email, "mail": email})).await;
            let user = json!({
                "email": email, "accountName": email, "displayName": email, "location": self.location,
                "configurationGroup": null, "profiles": [{"name": "Appointment", "kind": "busy", "active": true}],
            });
            self.xphone(Method::PUT, &format!("users/{}", person.xphone), user).await;
            self.xphone(Method::PUT, &format!("users/{}/client", person.xphone), json!({"connected": true})).await;
            if number < people { self.in_teams.push(person) } else { self.in_xphone.push(person) }
        }
        self.say_in_teams("Available", "Available").await;
        let everybody: Map<String, Value> = self.in_xphone.iter().map(|person| said(*person, "Available", "Available")).collect();
        self.graph(Method::PUT, "teams", everybody.into()).await;
    }

    /// Starts a gateway and waits until it is ready; connections do not go to it yet.
    pub async fn start(&self, name: &str) -> Replica {
        let log = std::fs::File::create(self.logs.path().join(name)).unwrap();
        let listening = [("GATEWAY__HTTP__PUBLIC_LISTEN", free_address()), ("GATEWAY__HTTP__ADMIN_LISTEN", free_address())];
        let mut environment = changed(&[]);
        environment.extend(self.settings.iter().map(|(key, value)| (key.as_str(), value.as_str())));
        environment.extend(listening.iter().map(|(key, value)| (*key, value.as_str())));
        let mut command = gateway(&["serve"], &environment);
        let child = command.current_dir("/").stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let [public, admin] = listening.map(|(_, address)| address.parse().unwrap());
        let replica = Replica { public, admin, child };
        until(&format!("{name} is ready"), async || self.readiness(&replica).await == Some(StatusCode::OK)).await;
        replica
    }

    /// A policy that lets everything through, a subscriber account, everybody subscribed and read; by way of this gateway.
    pub async fn go_live(&self, replica: &Replica) {
        let sync =
            json!({"mode": "telephony_and_presence", "user_may_change": false, "remember_login_data": false, "shadow": false});
        let path = format!("locations/{}/teams-sync", self.location);
        until("the tree is read", async || self.admin(replica, Method::PUT, &path, &sync).await.0.is_success()).await;
        let account = json!({"user_principal_name": SUBSCRIBER});
        let (status, told) = self.admin(replica, Method::POST, "subscriber-accounts", &account).await;
        assert_eq!(status, StatusCode::ACCEPTED, "{told}");
        let approval = format!("device-codes/{}/approve", told["user_code"].as_str().unwrap());
        self.graph(Method::POST, &approval, json!({"user_principal_name": SUBSCRIBER})).await;
        until("everybody is subscribed", async || {
            let subscriptions = self.graph(Method::GET, "subscriptions", Value::Null).await;
            let users = |subscription: &Value| subscription["users"].as_array().map_or(0, Vec::len);
            subscriptions.as_array().unwrap().iter().map(users).sum::<usize>() == self.in_teams.len() + self.in_xphone.len()
        })
        .await;
        let unread = "select count(*) from person p join user_state s on s.user_guid = p.guid
            where teams_id is not null and (teams_observed_at is null or xphone_telephone_state is null or revisit_at <= now())";
        until("everybody is read on both sides", async || self.count(unread).await == Some(0)).await;
    }

    /// Everybody who changes in Teams begins or ends a call there.
    pub async fn call_in_teams(&self, in_a_call: bool) {
        let (availability, activity) = if in_a_call { ("Busy", "InACall") } else { ("Available", "Available") };
        self.say_in_teams(availability, activity).await;
    }

    async fn say_in_teams(&self, availability: &str, activity: &str) {
        let everybody: Map<String, Value> = self.in_teams.iter().map(|person| said(*person, availability, activity)).collect();
        self.graph(Method::PUT, "teams", everybody.into()).await;
    }

    /// Everybody who changes in XPhone begins or ends a call there.
    pub async fn call_in_xphone(&self, in_a_call: bool) {
        let state = if in_a_call { BUSY } else { FREE };
        for person in &self.in_xphone {
            self.xphone(Method::PUT, &format!("users/{}/telephone", person.xphone), json!({"state": state})).await;
        }
    }

    /// Waits until XPhone shows for all who call in Teams that they do, or that they do not.
    pub async fn until_xphone_shows(&self, in_a_call: bool) {
        until(&format!("XPhone shows it: {in_a_call}"), async || {
            for person in &self.in_teams {
                let user = self.xphone(Method::GET, &format!("users/{}", person.xphone), Value::Null).await;
                if user["appointments"].as_array().unwrap().is_empty() == in_a_call {
                    return false;
                }
            }
            true
        })
        .await;
    }

    /// Waits until Teams shows for all who call in XPhone that they do, or that they do not.
    pub async fn until_teams_shows(&self, in_a_call: bool) {
        until(&format!("Teams shows it: {in_a_call}"), async || {
            for person in &self.in_xphone {
                let user = self.graph(Method::GET, &format!("users/{}", person.teams), Value::Null).await;
                if user["sessions"]["app"].is_null() == in_a_call {
                    return false;
                }
            }
            true
        })
        .await;
    }

    /// What was written so far, each part of a batch counted, successes only.
    pub async fn writes(&self) -> Writes {
        let requests = self.graph(Method::GET, "requests", Value::Null).await;
        let graph = |endpoint: &str| requests["endpoints"][endpoint]["200"].as_u64().unwrap_or_default();
        let record = self.xphone(Method::GET, "requests", Value::Null).await;
        let written = record["appointment_writes"].as_array().unwrap();
        // The server remembers a thousand.
        assert!(written.len() < 1000, "this story writes too much to be counted");
        let count = |verb: &str| {
            let is_it = |write: &&Value| write["verb"] == verb && write["status"].as_u64().is_some_and(|status| status < 300);
            written.iter().filter(is_it).count() as u64
        };
        Writes {
            appointments_set: count("PUT"),
            appointments_deleted: count("DELETE"),
            sessions_set: graph("setPresence"),
            sessions_cleared: graph("clearPresence"),
        }
    }

    /// What the database answers; `None`: it does not.
    pub async fn count(&self, question: &'static str) -> Option<i64> {
        let mut connection = self.cluster.connect().await.ok()?;
        sqlx::query_scalar(question).fetch_one(&mut connection).await.ok()
    }

    /// Whether the gateway says that it can work; `None`: it says nothing.
    pub async fn readiness(&self, replica: &Replica) -> Option<StatusCode> {
        Some(self.http.get(format!("http://{}/readyz", replica.admin)).send().await.ok()?.status())
    }

    /// Of a metric's values those whose line has all of these words, added up.
    pub async fn metric(&self, replica: &Replica, name: &str, words: &[&str]) -> f64 {
        let text = self.http.get(format!("http://{}/metrics", replica.admin)).send().await.unwrap().text().await.unwrap();
        let name = format!("presence_gateway_{name}");
        let is_it = |line: &&str| line.starts_with(&name) && words.iter().all(|word| line.contains(word));
        text.lines().filter(is_it).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    }

    /// What a gateway has logged so far.
    pub fn log(&self, name: &str) -> String {
        std::fs::read_to_string(self.logs.path().join(name)).unwrap()
    }

    async fn admin(&self, replica: &Replica, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
        let url = format!("http://{}/v1/{path}", replica.admin);
        let answer = self.http.request(method, url).bearer_auth(ADMIN_TOKEN).json(body).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap_or_default())
    }

    pub async fn graph(&self, method: Method, path: &str, body: Value) -> Value {
        self.call(method, format!("{}/{path}", self.graph), body).await
    }

    pub async fn xphone(&self, method: Method, path: &str, body: Value) -> Value {
        self.call(method, format!("{}/{path}", self.xphone), body).await
    }

    async fn call(&self, method: Method, url: String, body: Value) -> Value {
        let request = self.http.request(method, &url);
        let request = if body.is_null() { request } else { request.json(&body) };
        let answer = request.send().await.unwrap();
        let (status, text) = (answer.status(), answer.text().await.unwrap());
        assert!(status.is_success(), "{url}: {status} {text}");
        serde_json::from_str(&text).unwrap_or_default()
    }
}

impl Replica {
    /// SIGTERM, and its orderly end.
    pub async fn stop(mut self) {
        let id = self.child.id().unwrap().to_string();
        assert!(Command::new("sh").args(["-c", "kill -TERM \"$0\"", &id]).status().await.unwrap().success());
        let mut status = None;
        until("it stops", async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        assert_eq!(status.unwrap().code(), Some(0));
    }

    /// SIGKILL.
    pub async fn kill(mut self) {
        self.child.kill().await.unwrap();
    }
}

fn said(person: Person, availability: &str, activity: &str) -> (String, Value) {
    (person.teams.to_string(), json!({"availability": availability, "activity": activity}))
}

/// An address that nobody had a moment ago.
fn free_address() -> String {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}
