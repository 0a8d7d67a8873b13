//! The scenery: two people in both emulated systems, a subscriber account that is signed in, synchronisation switched on.

use reqwest::{Method, Response};
use serde_json::{Value, json};
use uuid::Uuid;

use super::server::Server;
use crate::clock::Clock;
use crate::command::Failure;
use crate::command::sign_in::enrol;
use crate::config::Config;
use crate::store::Store;
use crate::store::audit::Actor;

const SUBSCRIBER: &str = "presence@example.com";
pub(super) const NAMES: [&str; 2] = ["anna", "ben"];
const PREPARED_WITHIN: std::time::Duration = std::time::Duration::from_secs(30);
const LOOK_EVERY: std::time::Duration = std::time::Duration::from_millis(25);

/// Somebody with an account on both sides.
pub(super) struct Person {
    /// As XPhone names them, if it does.
    pub xphone: Uuid,
    pub teams: Uuid,
    pub email: String,
}

/// Where people are put in.
pub(super) struct Scenery<'a> {
    pub graph: &'a str,
    pub xphone: &'a Server,
    pub http: &'a reqwest::Client,
}

impl Scenery<'_> {
    /// Puts everybody in; both people are signed in on both systems and free.
    pub(super) async fn fill(&self, location: Uuid) -> Result<[Person; 2], Failure> {
        self.xphone.make_place(self.http, location).await?;
        let subscriber = json!({"userPrincipalName": SUBSCRIBER});
        self.put(&format!("{}/control/users/{}", self.graph, Uuid::new_v4()), &subscriber).await?;
        let [a, b] = NAMES;
        Ok([self.person(a, location).await?, self.person(b, location).await?])
    }

    async fn person(&self, name: &str, location: Uuid) -> Result<Person, Failure> {
        let person = Person { xphone: Uuid::new_v4(), teams: Uuid::new_v4(), email: format!("{name}@example.com") };
        let account = json!({"userPrincipalName": person.email, "mail": person.email});
        self.put(&format!("{}/control/users/{}", self.graph, person.teams), &account).await?;
        let free = json!({"availability": "Available", "activity": "Available"});
        self.put(&format!("{}/control/users/{}/teams", self.graph, person.teams), &free).await?;
        self.xphone.make_person(self.http, &person, name, location).await?;
        Ok(person)
    }

    /// Signs the subscriber account in with a device code, and is the person who enters it.
    pub(super) async fn sign_in(&self, config: &Config, store: &Store) -> Result<(), Failure> {
        let (told, code) = tokio::sync::oneshot::channel();
        let show = |code: &crate::graph::token::DeviceCode| _ = told.send(code.user_code.clone());
        let clock = Clock::system();
        let enter = async {
            let code = code.await?;
            let url = format!("{}/control/device-codes/{code}/approve", self.graph);
            call(self.http, Method::POST, &url, &json!({"user_principal_name": SUBSCRIBER})).await
        };
        let (enrolled, entered) = tokio::join!(enrol(config, store, &clock, SUBSCRIBER, &Actor::CommandLine(None), show), enter);
        entered?;
        Ok(enrolled?)
    }

    /// Switches synchronisation on as an administrator does, as soon as the gateway knows the location.
    pub(super) async fn switch_on(&self, admin: &str, token: &str, location: Uuid) -> Result<(), Failure> {
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
    pub(super) async fn subscribed(&self) -> Result<(), Failure> {
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

/// One request to a control API.
pub(super) async fn call(http: &reqwest::Client, method: Method, url: &str, body: &Value) -> Result<Response, Failure> {
    Ok(http.request(method, url).json(body).send().await?.error_for_status()?)
}
