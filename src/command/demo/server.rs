//! XPhone's server on the stage: its web API emulated, or its Integration API as a WCF service that Mono runs.

use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use uuid::Uuid;

use super::Way;
use super::scenery::{NAMES, Person, call};
use crate::clock::Clock;
use crate::command::Failure;
use crate::config::Sources;
use crate::domain::directory::{MembershipRow, membership};
use crate::emulator::clock::EmulatedClock;
use crate::emulator::wcf::{Host, Program};
use crate::emulator::xphone;
use crate::store::Store;
use crate::store::audit::Actor;
use crate::store::tree::Cut;

const PLACE: &str = "Headquarters";
const AVAILABLE: &str = "10000000-0000-0000-0000-000000000001";
const BUSY: &str = "10000000-0000-0000-0000-000000000003";
const DO_NOT_DISTURB: &str = "10000000-0000-0000-0000-000000000004";
/// The bit of the telephone state that says *connected or dialling out*.
const BUSY_LINE: u32 = 4;
const READ_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(25);

/// The server.
pub(super) enum Server {
    /// Emulated over HTTP.
    Http { running: xphone::Running, password: String },
    /// A WCF service.
    NetTcp { host: Box<Host>, _program: Program },
}

/// What somebody does in XPhone.
#[derive(Clone, Copy)]
pub(super) enum Done {
    /// The telephone's state in bits.
    Telephone(u32),
    Meeting(&'static str),
    Picks(&'static str),
    Resets,
}

impl Server {
    pub(super) async fn start(way: Way) -> Result<Self, Failure> {
        if way == Way::NetTcp {
            let program = Program::compile().await?;
            return Ok(Self::NetTcp { host: Box::new(Host::start(&program).await?), _program: program });
        }
        let (account_name, password) = ("gateway".to_owned(), Uuid::new_v4().to_string());
        let (listen, clock) = (([127, 0, 0, 1], 0).into(), EmulatedClock::default());
        let options = xphone::Options { listen, account_name, password: password.clone(), clock };
        Ok(Self::Http { running: xphone::start(options).await?, password })
    }

    /// The settings by which the gateway finds it.
    pub(super) fn settings(&self, sources: Sources) -> Sources {
        match self {
            Self::Http { running, password } => sources
                .with("GATEWAY__XPHONE__BASE_URL", &running.base_url)
                .with("GATEWAY__XPHONE__ACCOUNT_NAME", "gateway")
                .with("GATEWAY__XPHONE__PASSWORD", password),
            Self::NetTcp { host, .. } => sources
                .with("GATEWAY__XPHONE__TRANSPORT", "net-tcp")
                .with("GATEWAY__XPHONE__NET_TCP__ADDRESS", host.address())
                .with("GATEWAY__XPHONE__NET_TCP__ALLOW_UNENCRYPTED", true)
                .with("GATEWAY__XPHONE__NET_TCP__PRESENCE_STATES__BUSY", BUSY)
                .with("GATEWAY__XPHONE__NET_TCP__PRESENCE_STATES__DO_NOT_DISTURB", DO_NOT_DISTURB),
        }
    }

    /// The guid of the one location: made up, or that of an import where the server tells no tree.
    pub(super) async fn place(&self, store: &Store) -> Result<Uuid, Failure> {
        if let Self::Http { .. } = self {
            return Ok(Uuid::new_v4());
        }
        let row = |name: &str| MembershipRow {
            line: 0,
            email: format!("{name}@example.com"),
            location: PLACE.to_owned(),
            group: String::new(),
        };
        let tree = membership(NAMES.map(row)).map_err(|complaints| complaints.join(", "))?;
        store.import_tree(&tree, &Actor::CommandLine(None), Clock::system().now()).await?;
        let places = store.locations(&Cut { limit: 1, ..Cut::default() }).await?;
        Ok(places.first().ok_or("the imported location is not there")?.guid)
    }

    pub(super) async fn make_place(&self, http: &Client, location: Uuid) -> Result<(), Failure> {
        if let Self::Http { running, .. } = self {
            let place = json!({"name": PLACE, "configurationGroups": []});
            call(http, Method::PUT, &format!("{}/locations/{location}", running.control_url()), &place).await?;
        }
        Ok(())
    }

    /// Somebody who is free, with the profiles that users usually have.
    pub(super) async fn make_person(&self, http: &Client, person: &Person, name: &str, location: Uuid) -> Result<(), Failure> {
        match self {
            Self::Http { running, .. } => {
                let profile = |name: &str, kind: &str| json!({"name": name, "kind": kind, "active": true});
                let profiles = [
                    profile("Available", "available"),
                    profile("Appointment", "busy"),
                    profile("Do not disturb", "doNotDisturb"),
                ];
                let user = json!({
                    "email": person.email, "accountName": name, "displayName": name, "location": location,
                    "configurationGroup": null, "profiles": profiles,
                });
                let url = format!("{}/users/{}", running.control_url(), person.xphone);
                call(http, Method::PUT, &url, &user).await?;
                call(http, Method::PUT, &format!("{url}/client"), &json!({"connected": true})).await?;
            }
            Self::NetTcp { host, .. } => _ = host.order(&["add", &person.email, AVAILABLE, "Available"]).await?,
        }
        Ok(())
    }

    /// Where the server names nobody, the gateway does; that is known once it has read them.
    pub(super) async fn learn_guids(&self, store: &Store, people: &mut [Person; 2]) -> Result<(), Failure> {
        if let Self::Http { .. } = self {
            return Ok(());
        }
        let read = async {
            loop {
                let known = store.people().await?;
                if known.len() == people.len() {
                    return Ok::<_, Failure>(known);
                }
                tokio::time::sleep(LOOK_EVERY).await;
            }
        };
        let known =
            tokio::time::timeout(READ_WITHIN, read).await.map_err(|_| "the gateway did not read the people in time")??;
        for person in people {
            let found = known.iter().find(|known| known.xphone.email.as_ref() == Some(&person.email));
            person.xphone = found.ok_or("the gateway does not know everybody")?.xphone.guid.0;
        }
        Ok(())
    }

    pub(super) async fn act(&self, http: &Client, person: &Person, done: Done) -> Result<(), Failure> {
        match self {
            Self::Http { running, .. } => {
                let (method, what, body) = match done {
                    Done::Telephone(state) => (Method::PUT, "telephone", json!({"state": state})),
                    Done::Meeting(meeting) => (Method::PUT, "meeting", json!({"meeting": meeting})),
                    Done::Picks(kind) => (Method::PUT, "status", json!({"kind": kind, "origin": null})),
                    Done::Resets => (Method::DELETE, "status", Value::Null),
                };
                call(http, method, &format!("{}/users/{}/{what}", running.control_url(), person.xphone), &body).await?;
            }
            Self::NetTcp { host, .. } => {
                let email = person.email.as_str();
                _ = match done {
                    Done::Telephone(state) if state & BUSY_LINE != 0 => host.order(&["telephone", email, "Busy"]).await?,
                    Done::Telephone(_) => host.order(&["telephone", email, "Free"]).await?,
                    Done::Picks("doNotDisturb") => host.order(&["pick", email, DO_NOT_DISTURB, "Do not disturb"]).await?,
                    Done::Resets => host.order(&["reset", email, AVAILABLE, "Available"]).await?,
                    Done::Picks(_) | Done::Meeting(_) => return Err("this is not played with the Integration API".into()),
                };
            }
        }
        Ok(())
    }

    /// What somebody shows, and what others have set for them, in the words of the emulator's control API.
    pub(super) async fn look(&self, http: &Client, person: &Person) -> Result<Value, Failure> {
        match self {
            Self::Http { running, .. } => {
                let url = format!("{}/users/{}", running.control_url(), person.xphone);
                Ok(http.get(url).send().await?.error_for_status()?.json().await?)
            }
            Self::NetTcp { host, .. } => Ok(told(&host.order(&["show", &person.email]).await?)),
        }
    }

    pub(super) async fn stop(self) {
        match self {
            Self::Http { running, .. } => running.stop().await,
            // What is left of it ends with us.
            Self::NetTcp { host, .. } => _ = host.kill().await,
        }
    }
}

/// The telephone, then each presence as `origin|status|text`; the last one shows.
fn told(answer: &str) -> Value {
    let mut parts = answer.split('\t');
    let busy = parts.next().is_some_and(|telephone| telephone.contains("Busy"));
    let layers: Vec<(&str, &str)> =
        parts.map(|layer| (layer.split('|').next().unwrap_or("-"), layer.rsplit('|').next().unwrap_or(""))).collect();
    let ours: Vec<Value> =
        layers.iter().filter(|(origin, _)| *origin != "-").map(|(origin, _)| json!({"origin": origin})).collect();
    let text = layers.last().map_or("", |(_, text)| text);
    json!({"entry": {"presenceText": text, "telephoneState": if busy { BUSY_LINE } else { 2 }, "meeting": "none"}, "appointments": ours})
}
