//! The stage: a database, both emulated systems with two people in them, and the gateway between.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::story::{Picture, Seen, teams_word};
use crate::app::{App, Running};
use crate::clock::Clock;
use crate::command::Failure;
use crate::command::sign_in::enrol;
use crate::config::{Config, Sources};
use crate::emulator::clock::EmulatedClock;
use crate::emulator::{graph, xphone};
use crate::store::Store;
use crate::store::scratch::ScratchDatabase;

const SUBSCRIBER: &str = "presence@example.com";
const NAMES: [&str; 2] = ["anna", "ben"];
const PREPARED_WITHIN: std::time::Duration = std::time::Duration::from_secs(30);
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(25);

/// Everything that runs during the demo.
pub(super) struct Stage {
    graph: graph::Running,
    xphone: xphone::Running,
    gateway: Running,
    http: reqwest::Client,
    people: [Person; 2],
}

struct Person {
    xphone: Uuid,
    teams: Uuid,
}

impl Stage {
    /// Builds everything and waits until the gateway would notice a change.
    pub(super) async fn set(database: &ScratchDatabase) -> Result<Self, Failure> {
        let options = graph::Options { device_code_interval_seconds: 0, ..graph::Options::new(EmulatedClock::default()) };
        let (tenant, client, secret) = (options.tenant_id, options.client_id, options.client_secret.clone());
        let graph = graph::start(options).await?;
        let (account_name, password) = ("gateway".to_owned(), Uuid::new_v4().to_string());
        let listen = ([127, 0, 0, 1], 0).into();
        let clock = EmulatedClock::default();
        let xphone = xphone::start(xphone::Options { listen, account_name, password: password.clone(), clock }).await?;
        let public = TcpListener::bind("127.0.0.1:0").await?;
        let admin = TcpListener::bind("127.0.0.1:0").await?;
        let token = Uuid::new_v4().to_string();
        let settings = Sources::default()
            .with("GATEWAY__HTTP__PUBLIC_URL", format!("http://{}", public.local_addr()?))
            .with("GATEWAY__GRAPH__BASE_URL", &graph.base_url)
            .with("GATEWAY__GRAPH__LOGIN_URL", &graph.base_url)
            .with("GATEWAY__GRAPH__TENANT_ID", tenant)
            .with("GATEWAY__GRAPH__CLIENT_ID", client)
            .with("GATEWAY__GRAPH__CLIENT_SECRET", secret)
            .with("GATEWAY__XPHONE__BASE_URL", &xphone.base_url)
            .with("GATEWAY__XPHONE__ACCOUNT_NAME", "gateway")
            .with("GATEWAY__XPHONE__PASSWORD", password)
            .with("GATEWAY__SECRETS__KEY", STANDARD.encode([Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat()))
            .with("GATEWAY__ADMIN__BOOTSTRAP_TOKEN", &token);
        let config = Config::load(&settings)?;
        let store = Store::connect(&database.url(), config.database.connections_max, config.secrets.clone()).await?;
        store.migrate().await?;
        let http = reqwest::Client::new();
        let scenery = Scenery { graph: &graph.base_url, xphone: xphone.control_url(), http: &http };
        let location = Uuid::new_v4();
        let people = scenery.fill(location).await?;
        scenery.sign_in(&config, &store).await?;
        let admin_url = format!("http://{}", admin.local_addr()?);
        let gateway = App::new(&config, store.clone(), Clock::system())?.start_on(public, admin);
        scenery.switch_on(&admin_url, &token, location).await?;
        scenery.subscribed().await?;
        Ok(Self { graph, xphone, gateway, http, people })
    }

    /// Lets both users' Teams clients say what the pictures want.
    pub(super) async fn act(&self, pictures: &[Picture; 2]) -> Result<(), Failure> {
        let said = self.people.iter().zip(pictures).map(|(person, picture)| {
            let (availability, activity) = picture.client;
            (person.teams.to_string(), json!({"availability": availability, "activity": activity}))
        });
        let said: Value = said.collect::<serde_json::Map<_, _>>().into();
        call(&self.http, Method::PUT, &format!("{}/control/teams", self.graph.base_url), &said).await?;
        Ok(())
    }

    /// What both users show in both systems at this moment.
    pub(super) async fn seen(&self) -> Result<[Seen; 2], Failure> {
        let [a, b] = &self.people;
        Ok([self.seen_of(a).await?, self.seen_of(b).await?])
    }

    async fn seen_of(&self, person: &Person) -> Result<Seen, Failure> {
        let teams = self.get(&format!("{}/control/users/{}", self.graph.base_url, person.teams)).await?;
        let xphone = self.get(&format!("{}/users/{}", self.xphone.control_url(), person.xphone)).await?;
        let word = |value: &Value| value.as_str().unwrap_or("?").to_owned();
        let teams = teams_word(&word(&teams["availability"]), &word(&teams["activity"]));
        Ok(Seen { teams, xphone: word(&xphone["entry"]["presenceText"]) })
    }

    async fn get(&self, url: &str) -> Result<Value, Failure> {
        Ok(self.http.get(url).send().await?.error_for_status()?.json().await?)
    }

    /// Takes everything down.
    pub(super) async fn strike(self) {
        self.gateway.stop(std::future::pending()).await;
        self.graph.stop().await;
        self.xphone.stop().await;
    }
}

/// Where people are put in.
struct Scenery<'a> {
    graph: &'a str,
    xphone: &'a str,
    http: &'a reqwest::Client,
}

impl Scenery<'_> {
    async fn fill(&self, location: Uuid) -> Result<[Person; 2], Failure> {
        let place = json!({"name": "Headquarters", "configurationGroups": []});
        self.put(&format!("{}/locations/{location}", self.xphone), &place).await?;
        let subscriber = json!({"userPrincipalName": SUBSCRIBER});
        self.put(&format!("{}/control/users/{}", self.graph, Uuid::new_v4()), &subscriber).await?;
        let [a, b] = NAMES;
        Ok([self.person(a, location).await?, self.person(b, location).await?])
    }

    /// Somebody who is signed in on both systems and free, with the profiles that users usually have.
    async fn person(&self, name: &str, location: Uuid) -> Result<Person, Failure> {
        let person = Person { xphone: Uuid::new_v4(), teams: Uuid::new_v4() };
        let email = format!("{name}@example.com");
        let account = json!({"userPrincipalName": email, "mail": email});
        self.put(&format!("{}/control/users/{}", self.graph, person.teams), &account).await?;
        let free = json!({"availability": "Available", "activity": "Available"});
        self.put(&format!("{}/control/users/{}/teams", self.graph, person.teams), &free).await?;
        let profile = |name: &str, kind: &str| json!({"name": name, "kind": kind, "active": true});
        let user = json!({
            "email": email, "accountName": name, "displayName": name, "location": location, "configurationGroup": null,
            "profiles": [profile("Available", "available"), profile("Appointment", "busy"), profile("Do not disturb", "doNotDisturb")],
        });
        self.put(&format!("{}/users/{}", self.xphone, person.xphone), &user).await?;
        self.put(&format!("{}/users/{}/client", self.xphone, person.xphone), &json!({"connected": true})).await?;
        Ok(person)
    }

    /// Signs the subscriber account in with a device code, and is the person who enters it.
    async fn sign_in(&self, config: &Config, store: &Store) -> Result<(), Failure> {
        let (told, code) = tokio::sync::oneshot::channel();
        let show = |code: &crate::graph::token::DeviceCode| _ = told.send(code.user_code.clone());
        let clock = Clock::system();
        let enter = async {
            let code = code.await?;
            let url = format!("{}/control/device-codes/{code}/approve", self.graph);
            call(self.http, Method::POST, &url, &json!({"user_principal_name": SUBSCRIBER})).await
        };
        let (enrolled, entered) = tokio::join!(enrol(config, store, &clock, SUBSCRIBER, show), enter);
        entered?;
        Ok(enrolled?)
    }

    /// Switches synchronisation on as an administrator does, as soon as the gateway knows the location.
    async fn switch_on(&self, admin: &str, token: &str, location: Uuid) -> Result<(), Failure> {
        let url = format!("{admin}/v1/locations/{location}/teams-sync");
        let sync =
            json!({"mode": "telephony_and_presence", "user_may_change": false, "remember_login_data": false, "shadow": false});
        let switched = async {
            loop {
                let answer = self.http.put(&url).bearer_auth(token).json(&sync).send().await?;
                if answer.status().is_success() {
                    return Ok::<(), Failure>(());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(PREPARED_WITHIN, switched).await.map_err(|_| "the gateway did not read the directory in time")?
    }

    /// Waits until Graph would tell the gateway of a change.
    async fn subscribed(&self) -> Result<(), Failure> {
        let subscribed = async {
            loop {
                let answer = self.http.get(format!("{}/control/subscriptions", self.graph)).send().await?;
                let subscriptions: Value = answer.json().await?;
                if subscriptions.as_array().is_some_and(|subscriptions| !subscriptions.is_empty()) {
                    return Ok::<(), Failure>(());
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(PREPARED_WITHIN, subscribed).await.map_err(|_| "the gateway did not subscribe in time")?
    }

    async fn put(&self, url: &str, body: &Value) -> Result<Response, Failure> {
        call(self.http, Method::PUT, url, body).await
    }
}

async fn call(http: &reqwest::Client, method: Method, url: &str, body: &Value) -> Result<Response, Failure> {
    Ok(http.request(method, url).json(body).send().await?.error_for_status()?)
}
