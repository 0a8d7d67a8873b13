//! The stage: a database, both emulated systems with two people in them, and the gateway between.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use reqwest::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use uuid::Uuid;

use super::Way;
use super::deliveries::Deliveries;
use super::scenery::{Person, Scenery, call};
use super::server::{Done, Server};
use super::story::{Deed, Fault, READ_GRACE_SECONDS, SWEEP_SECONDS, Seen, ours, teams_words, xphone_words};
use crate::app::{App, Running};
use crate::clock::Clock;
use crate::command::Failure;
use crate::command::explain::describe;
use crate::config::{Config, Sources};
use crate::domain::ids::UserGuid;
use crate::domain::reconcile::Terms;
use crate::emulator::clock::EmulatedClock;
use crate::emulator::graph;
use crate::store::Store;
use crate::store::scratch::ScratchDatabase;

/// Everything that runs during the demo.
pub(super) struct Stage {
    graph: graph::Running,
    xphone: Server,
    gateway: Running,
    store: Store,
    terms: Terms,
    http: reqwest::Client,
    people: [Person; 2],
}

impl Stage {
    /// Builds everything and waits until the gateway would notice a change.
    pub(super) async fn set(database: &ScratchDatabase, way: Way) -> Result<Self, Failure> {
        let options = graph::Options { device_code_interval_seconds: 0, ..graph::Options::new(EmulatedClock::default()) };
        let (tenant, client, secret) = (options.tenant_id, options.client_id, options.client_secret.clone());
        let graph = graph::start(options).await?;
        let xphone = Server::start(way).await?;
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
            .with("GATEWAY__GRAPH__SWEEP_SECONDS", SWEEP_SECONDS)
            .with("GATEWAY__GRAPH__READ_GRACE_SECONDS", READ_GRACE_SECONDS)
            .with("GATEWAY__SECRETS__KEY", STANDARD.encode([Uuid::new_v4().into_bytes(), Uuid::new_v4().into_bytes()].concat()))
            .with("GATEWAY__ADMIN__BOOTSTRAP_TOKEN", &token);
        let config = Config::load(&xphone.settings(settings))?;
        let store = Store::connect(&database.url(), config.database.connections_max, config.secrets.clone()).await?;
        store.migrate().await?;
        let http = reqwest::Client::new();
        let scenery = Scenery { graph: &graph.base_url, xphone: &xphone, http: &http };
        let location = xphone.place(&store).await?;
        let mut people = scenery.fill(location).await?;
        scenery.sign_in(&config, &store).await?;
        let admin_url = format!("http://{}", admin.local_addr()?);
        let gateway = App::new(&config, store.clone(), Clock::system())?.start_on(public, admin);
        scenery.switch_on(&admin_url, &token, location).await?;
        scenery.subscribed().await?;
        xphone.learn_guids(&store, &mut people).await?;
        Ok(Self { graph, xphone, gateway, store, terms: config.terms(), http, people })
    }

    /// Does what a person, or bad luck, does.
    pub(super) async fn act(&self, deed: &Deed) -> Result<(), Failure> {
        let in_teams = |who: usize| format!("{}/control/users/{}/preferred", self.graph.base_url, self.people[who].teams);
        let in_xphone = |who: usize, done: Done| self.xphone.act(&self.http, &self.people[who], done);
        let (method, url, body) = match deed {
            Deed::TeamsClients(said) => {
                let said = said.iter().map(|(who, (availability, activity))| {
                    (self.people[*who].teams.to_string(), json!({"availability": availability, "activity": activity}))
                });
                let said: Value = said.collect::<serde_json::Map<_, _>>().into();
                (Method::PUT, format!("{}/control/teams", self.graph.base_url), said)
            }
            Deed::PicksInTeams(who, (availability, activity)) => {
                (Method::PUT, in_teams(*who), json!({"availability": availability, "activity": activity}))
            }
            Deed::ResetsInTeams(who) => (Method::DELETE, in_teams(*who), Value::Null),
            Deed::Telephone(who, state) => return in_xphone(*who, Done::Telephone(*state)).await,
            Deed::Meeting(who, meeting) => return in_xphone(*who, Done::Meeting(meeting)).await,
            Deed::PicksInXphone(who, kind) => return in_xphone(*who, Done::Picks(kind)).await,
            Deed::ResetsInXphone(who) => return in_xphone(*who, Done::Resets).await,
            Deed::Fault(fault) => (Method::PUT, format!("{}/control/faults", self.graph.base_url), faults(*fault)),
        };
        call(&self.http, method, &url, &body).await?;
        Ok(())
    }

    /// What both users show in both systems at this moment.
    pub(super) async fn seen(&self) -> Result<[Seen; 2], Failure> {
        let [a, b] = &self.people;
        Ok([self.seen_of(a).await?, self.seen_of(b).await?])
    }

    async fn seen_of(&self, person: &Person) -> Result<Seen, Failure> {
        let teams = self.get(&format!("{}/control/users/{}", self.graph.base_url, person.teams)).await?;
        let xphone = self.xphone.look(&self.http, person).await?;
        Ok(Seen { teams: teams_words(&teams), xphone: xphone_words(&xphone["entry"]), ours: ours(&teams, &xphone) })
    }

    /// What became of change notifications so far.
    pub(super) async fn deliveries(&self) -> Result<Deliveries, Failure> {
        let ended = self.get(&format!("{}/control/requests", self.graph.base_url)).await?;
        let open = self.get(&format!("{}/control/notifications/pending", self.graph.base_url)).await?;
        let count = |value: &Value| value.as_u64().ok_or("the emulator counts no notifications");
        let ended = &ended["notifications"];
        let to_come = count(&open["late"])? + count(&open["pending"])?;
        Ok(Deliveries { delivered: count(&ended["delivered"])?, lost: count(&ended["lost"])?, to_come })
    }

    /// What `presence-gateway explain` says about somebody.
    pub(super) async fn explain(&self, who: usize) -> Result<String, Failure> {
        let now = Clock::system().now();
        let explanation = self.store.explain(UserGuid(self.people[who].xphone), now, self.terms).await?;
        Ok(explanation.as_ref().map(describe).transpose()?.unwrap_or_default())
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

fn faults(fault: Fault) -> Value {
    match fault {
        Fault::None => json!({}),
        Fault::Lose(times) => json!({"notifications": {"lose": times}}),
        Fault::Late { seconds } => json!({"lag": {"reads_seconds": 0, "notifications_seconds": seconds}}),
    }
}
