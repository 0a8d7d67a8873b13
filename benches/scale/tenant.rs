//! A tenant of so many people, the same in both systems, with as many subscriber accounts as Graph wants for them.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::{StreamExt, TryStreamExt, stream};
use presence_gateway::clock::Clock;
use presence_gateway::command::sign_in::enrol;
use presence_gateway::config::{Config, Sources};
use presence_gateway::store::Store;
use presence_gateway::store::audit::Actor;
use reqwest::Method;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::emulators::Emulators;
use crate::surroundings::Failure;

/// Users of one subscription, Graph's own limit.
pub const USERS_PER_ACCOUNT: usize = 650;
/// People made known with one request.
const AT_ONCE: usize = 2000;
/// Accounts that sign in at a time.
const SIGNING_IN: usize = 8;

/// The people, known by their place.
pub struct Tenant {
    /// Their ids in Teams.
    pub teams: Vec<Uuid>,
    /// Their guids in XPhone.
    xphone: Vec<Uuid>,
    /// Who somebody of XPhone is.
    places: HashMap<Uuid, usize>,
    /// Where they all sit in XPhone.
    pub location: Uuid,
}

impl Tenant {
    /// Invents people.
    pub fn invent(users: usize) -> Self {
        let ids = || -> Vec<Uuid> { std::iter::repeat_with(Uuid::new_v4).take(users).collect() };
        let xphone = ids();
        let places = xphone.iter().enumerate().map(|(place, guid)| (*guid, place)).collect();
        Self { teams: ids(), xphone, places, location: Uuid::new_v4() }
    }

    /// Which of the people this is.
    pub fn place(&self, xphone: Uuid) -> Option<usize> {
        self.places.get(&xphone).copied()
    }

    /// Makes everybody known to both systems, available in Teams.
    pub async fn settle_in(&self, emulators: &Emulators) -> Result<(), Failure> {
        let place = json!({ "name": "Everywhere", "configurationGroups": [] });
        emulators.xphone(Method::PUT, &format!("locations/{}", self.location), &place).await?;
        for (teams, xphone) in self.teams.chunks(AT_ONCE).zip(self.xphone.chunks(AT_ONCE)) {
            let users: Vec<Value> = teams.iter().zip(xphone).map(|(teams, xphone)| in_teams(*teams, &address(*xphone))).collect();
            emulators.graph(Method::POST, "users", &users.into()).await?;
            let users: Vec<Value> = xphone.iter().map(|xphone| self.in_xphone(*xphone)).collect();
            emulators.xphone(Method::POST, "users", &users.into()).await?;
        }
        self.say(emulators, (0..self.teams.len()).map(|place| (place, false))).await?;
        let accounts: Vec<Value> = self.accounts().map(|name| in_teams(Uuid::new_v4(), &name)).collect();
        emulators.graph(Method::POST, "users", &accounts.into()).await?;
        Ok(())
    }

    /// Lets these people begin a call in Teams, or be available again.
    pub async fn say(&self, emulators: &Emulators, people: impl Iterator<Item = (usize, bool)>) -> Result<(), Failure> {
        let said = |in_a_call: bool| {
            let (availability, activity) = if in_a_call { ("Busy", "InACall") } else { ("Available", "Available") };
            json!({ "availability": availability, "activity": activity })
        };
        let people: Vec<(usize, bool)> = people.collect();
        for people in people.chunks(AT_ONCE) {
            let people: Map<String, Value> =
                people.iter().map(|(place, in_a_call)| (self.teams[*place].to_string(), said(*in_a_call))).collect();
            emulators.graph(Method::PUT, "teams", &people.into()).await?;
        }
        Ok(())
    }

    /// Signs every subscriber account in.
    pub async fn enrol(
        &self,
        emulators: &Emulators,
        settings: &BTreeMap<String, String>,
        store: &Store,
    ) -> Result<usize, Failure> {
        let config = Config::load(&Sources::new(None, settings.clone()))?;
        let (config, clock, enrolled) = (&config, &Clock::system(), AtomicUsize::new(0));
        let sign_in = |name: String| {
            let enrolled = &enrolled;
            async move {
                let (told, code) = tokio::sync::oneshot::channel();
                let show = |code: &presence_gateway::graph::token::DeviceCode| _ = told.send(code.user_code.clone());
                let enter = async {
                    let path = format!("device-codes/{}/approve", code.await?);
                    emulators.graph(Method::POST, &path, &json!({ "user_principal_name": name })).await
                };
                let (signed_in, entered) =
                    tokio::join!(enrol(config, store, clock, &name, &Actor::CommandLine(None), show), enter);
                entered?;
                signed_in?;
                enrolled.fetch_add(1, Ordering::Relaxed);
                Ok::<(), Failure>(())
            }
        };
        stream::iter(self.accounts()).map(sign_in).buffer_unordered(SIGNING_IN).try_collect::<Vec<()>>().await?;
        Ok(enrolled.into_inner())
    }

    fn accounts(&self) -> impl Iterator<Item = String> {
        (0..self.teams.len().div_ceil(USERS_PER_ACCOUNT)).map(|number| format!("subscriber-{number}@scale.example"))
    }

    fn in_xphone(&self, guid: Uuid) -> Value {
        let email = address(guid);
        json!({
            "guid": guid, "email": email, "accountName": email, "displayName": email, "location": self.location,
            "profiles": [{ "guid": guid, "name": "MS Teams", "kind": "busy", "active": true }],
        })
    }
}

fn in_teams(id: Uuid, name: &str) -> Value {
    json!({ "id": id, "userPrincipalName": name, "mail": name })
}

fn address(guid: Uuid) -> String {
    format!("{}@scale.example", guid.simple())
}
