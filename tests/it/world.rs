//! The world of the stories: both systems emulated, Postgres real, the gateway wired but run step by step, one clock for all.
//!
//! Every test has a world of its own: a database copied from a migrated template, emulators and listeners on free ports.

mod teams_side;
mod xphone_side;

use std::sync::LazyLock;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::{SignedDuration, Timestamp};
use presence_gateway::app::{App, Running};
use presence_gateway::clock::Clock;
use presence_gateway::command::sign_in::{SignInError, enrol};
use presence_gateway::config::{Config, Sources};
use presence_gateway::domain::explanation::Explanation;
use presence_gateway::domain::ids::UserGuid;
use presence_gateway::domain::slot::SlotName;
use presence_gateway::emulator::clock::EmulatedClock;
use presence_gateway::emulator::{graph, xphone};
use presence_gateway::store::Store;
use presence_gateway::store::audit::Actor;
use presence_gateway::store::directory::Accepted;
use presence_gateway::store::embedded::Durability;
use presence_gateway::store::scratch::{ScratchDatabase, ScratchServer};
use presence_gateway::tasks::driver::Task;
use presence_gateway::tasks::{Progress, TaskError};
use reqwest::{Method, Response, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Map, Value, json};
use sqlx::PgPool;
use tokio::net::TcpListener;
use tokio::sync::Mutex;
use uuid::Uuid;

pub const SUBSCRIBER: &str = "presence@example.com";
pub const ADMIN_TOKEN: &str = "an-admin-token-of-forty-characters-or-so";
/// More passes than any story needs; a story that needs them all never comes to rest.
const PASSES_MAX: usize = 200;
/// Microsoft's notifications arrive over real HTTP, on threads of their own: how long they may take on a busy machine.
const DELIVERED_WITHIN: Duration = Duration::from_secs(30);

struct Cluster {
    runtime: &'static tokio::runtime::Runtime,
    server: ScratchServer,
    template: ScratchDatabase,
    /// Postgres copies a template for one at a time.
    turn: Mutex<()>,
}

/// One Postgres for all tests; it goes when this program ends, however that happens.
static CLUSTER: LazyLock<Cluster> = LazyLock::new(|| {
    let ready = std::thread::spawn(|| {
        // The runtime must outlive every test: it holds the server's pipe.
        let runtime: &'static tokio::runtime::Runtime = Box::leak(Box::new(tokio::runtime::Runtime::new().unwrap()));
        runtime.block_on(async {
            let sources = Sources::new(None, environment());
            let path = std::env::var_os("PATH").unwrap_or_default();
            let server = ScratchServer::find(sources.database_url().as_ref(), Durability::Careless, &path).await.unwrap();
            let template = server.create(None).await.unwrap();
            let config = Config::load(&settings()).unwrap();
            let store = Store::connect(&template.url(), 2, config.secrets).await.unwrap();
            store.migrate().await.unwrap();
            store.close().await;
            Cluster { runtime, server, template, turn: Mutex::new(()) }
        })
    });
    ready.join().unwrap()
});

#[expect(clippy::disallowed_methods, reason = "the tests' own entrance")]
fn environment() -> Vec<(String, String)> {
    std::env::vars().collect()
}

/// Settings that would do but for the addresses.
pub fn settings() -> Sources {
    Sources::default()
        .with("GATEWAY__HTTP__PUBLIC_URL", "http://127.0.0.1:1")
        .with("GATEWAY__GRAPH__TENANT_ID", Uuid::nil())
        .with("GATEWAY__GRAPH__CLIENT_ID", Uuid::nil())
        .with("GATEWAY__GRAPH__CLIENT_SECRET", "secret")
        .with("GATEWAY__XPHONE__BASE_URL", "http://127.0.0.1:1")
        .with("GATEWAY__XPHONE__ACCOUNT_NAME", "gateway")
        .with("GATEWAY__XPHONE__PASSWORD", "password")
        .with("GATEWAY__SECRETS__KEY", STANDARD.encode([7; 32]))
        .with("GATEWAY__ADMIN__BOOTSTRAP_TOKEN", ADMIN_TOKEN)
}

/// Somebody in both systems.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Person {
    pub xphone: Uuid,
    pub teams: Uuid,
}

/// What a user shows in XPhone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    pub text: String,
    pub origin: Option<String>,
}

pub struct World {
    pub app: App,
    pub http: reqwest::Client,
    pub clock: Clock,
    pub graph: graph::Running,
    pub xphone: xphone::Running,
    pub config: Config,
    pub location: Uuid,
    pub public: String,
    pub admin: String,
    listeners: Option<Running>,
    graph_clock: EmulatedClock,
    xphone_clock: EmulatedClock,
    database: ScratchDatabase,
}

impl World {
    /// Two empty systems, a gateway between them, and a location whose policy is telephony and presence.
    pub async fn new() -> Self {
        Box::pin(Self::with(|sources| sources)).await
    }

    /// The same with other settings.
    pub async fn with(change: impl FnOnce(Sources) -> Sources) -> Self {
        // On the heap: a whole world is large.
        Box::pin(Self::build(change)).await
    }

    async fn build(change: impl FnOnce(Sources) -> Sources) -> Self {
        let now: Timestamp = "2026-11-02T09:00:00Z".parse().unwrap();
        let (graph_clock, xphone_clock) = (EmulatedClock::standing_at(now), EmulatedClock::standing_at(now));
        let options = graph::Options { device_code_interval_seconds: 0, ..graph::Options::new(graph_clock.clone()) };
        let (tenant, client, secret) = (options.tenant_id, options.client_id, options.client_secret.clone());
        let graph = graph::start(options).await.unwrap();
        let account = xphone::Options {
            listen: ([127, 0, 0, 1], 0).into(),
            account_name: "gateway".to_owned(),
            password: "password".to_owned(),
            clock: xphone_clock.clone(),
        };
        let xphone = xphone::start(account).await.unwrap();
        let (public, admin) = (listener().await, listener().await);
        let (public_url, admin_url) = (address(&public), address(&admin));
        let sources = settings()
            .with("GATEWAY__HTTP__PUBLIC_URL", &public_url)
            .with("GATEWAY__HTTP__PUBLIC_LISTEN", public.local_addr().unwrap())
            .with("GATEWAY__HTTP__ADMIN_LISTEN", admin.local_addr().unwrap())
            .with("GATEWAY__GRAPH__BASE_URL", &graph.base_url)
            .with("GATEWAY__GRAPH__LOGIN_URL", &graph.base_url)
            .with("GATEWAY__GRAPH__TENANT_ID", tenant)
            .with("GATEWAY__GRAPH__CLIENT_ID", client)
            .with("GATEWAY__GRAPH__CLIENT_SECRET", secret)
            .with("GATEWAY__XPHONE__BASE_URL", &xphone.base_url);
        let sources = change(sources);
        let config = Config::load(&sources).unwrap();
        let cluster = &*CLUSTER;
        let database = {
            let _turn = cluster.turn.lock().await;
            cluster.server.create(Some(&cluster.template)).await.unwrap()
        };
        let clock = Clock::standing_at(now);
        let app = wire(&config, &database, &clock).await;
        let listeners = Some(app.listen_on(public, admin));
        let world = Self {
            app,
            http: reqwest::Client::new(),
            clock,
            graph,
            xphone,
            config,
            location: Uuid::new_v4(),
            public: public_url,
            admin: admin_url,
            listeners,
            graph_clock,
            xphone_clock,
            database,
        };
        let callback = json!([format!("{}/sign-in/callback", world.public)]);
        world.graph_control(Method::PUT, "redirect-uris", callback).await;
        let place = json!({"name": "Headquarters", "configurationGroups": []});
        world.xphone_control(Method::PUT, &format!("locations/{}", world.location), place).await;
        world
    }

    /// A world with these people in it, subscribed, at rest.
    pub async fn with_people<const N: usize>(names: [&str; N]) -> (Self, [Person; N]) {
        // On the heap: a whole world is large.
        Box::pin(Self::build_with_people(names)).await
    }

    async fn build_with_people<const N: usize>(names: [&str; N]) -> (Self, [Person; N]) {
        let world = Self::new().await;
        let mut people = Vec::new();
        for name in names {
            people.push(world.person(name).await);
        }
        world.go_live().await;
        (world, people.try_into().unwrap())
    }

    /// Lets the gateway read the people, sets the policy, signs the subscriber account in and subscribes.
    pub async fn go_live(&self) {
        self.directory().await;
        self.set_policy("telephony_and_presence", false).await;
        self.graph_control(Method::PUT, &format!("users/{}", Uuid::new_v4()), json!({"userPrincipalName": SUBSCRIBER})).await;
        self.sign_in(SUBSCRIBER, SUBSCRIBER).await.unwrap();
        self.xphone_read().await;
        self.tend_subscriptions().await;
        self.sweep().await;
        self.settle().await;
    }

    // ---- People ----

    /// Somebody with the same address in both systems, free, with the usual profiles.
    pub async fn person(&self, name: &str) -> Person {
        let person = Person { xphone: Uuid::new_v4(), teams: Uuid::new_v4() };
        let email = format!("{name}@example.com");
        self.teams_account(person.teams, &email, Some(&email), true).await;
        self.teams(person, "Available/Available").await;
        self.xphone_user(person.xphone, &email, &[("Appointment", "busy", true), ("Do not disturb", "doNotDisturb", true)]).await;
        self.xphone_client(person, true).await;
        person
    }

    pub async fn teams_account(&self, id: Uuid, user_principal_name: &str, mail: Option<&str>, enabled: bool) {
        let account = json!({"userPrincipalName": user_principal_name, "mail": mail, "accountEnabled": enabled});
        self.graph_control(Method::PUT, &format!("users/{id}"), account).await;
    }

    // ---- What people do ----

    /// The user's Teams client says this, written as `availability/activity`.
    pub async fn teams(&self, person: Person, words: &str) {
        self.graph_control(Method::PUT, &format!("users/{}/teams", person.teams), pair(words)).await;
    }

    /// The same for several at once, so that their notifications travel together.
    pub async fn teams_of_many(&self, people: &[Person], words: &str) {
        let everybody: Map<String, Value> = people.iter().map(|person| (person.teams.to_string(), pair(words))).collect();
        self.graph_control(Method::PUT, "teams", everybody.into()).await;
    }

    // ---- What goes wrong ----

    pub async fn graph_faults(&self, faults: Value) {
        self.graph_control(Method::PUT, "faults", faults).await;
    }

    /// Somebody drops the database under the running gateway.
    pub async fn lose_database(&self) {
        self.database.clone().remove().await.unwrap();
    }

    /// Somebody posts to the public listener.
    pub async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> StatusCode {
        self.http.post(format!("{}/{path}", self.public)).body(body).send().await.unwrap().status()
    }

    // ---- What the gateway does ----

    pub async fn set_policy(&self, mode: &str, shadow: bool) {
        let sync = json!({"mode": mode, "user_may_change": false, "remember_login_data": false, "shadow": shadow});
        let url = format!("{}/v1/locations/{}/teams-sync", self.admin, self.location);
        let answer = self.http.put(url).bearer_auth(ADMIN_TOKEN).json(&sync).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        self.carry_policies_out().await;
    }

    /// A change of policy wakes the task that carries it out; here that runs by hand.
    pub async fn carry_policies_out(&self) {
        exhaust(&self.app.tasks.policies).await;
    }

    /// Signs `who` in where `expected` should.
    pub async fn sign_in(&self, expected: &str, who: &str) -> Result<(), SignInError> {
        let (told, code) = tokio::sync::oneshot::channel();
        let show = |code: &presence_gateway::graph::token::DeviceCode| _ = told.send(code.user_code.clone());
        let enter = async {
            let path = format!("device-codes/{}/approve", code.await.unwrap());
            self.graph_control(Method::POST, &path, json!({"user_principal_name": who})).await
        };
        let enrolled = enrol(&self.config, &self.app.store, &self.clock, expected, &Actor::CommandLine(None), show);
        tokio::join!(enrolled, enter).0
    }

    pub async fn directory(&self) {
        self.app.tasks.directory.run().await.unwrap();
    }

    /// Until the directories have been read again and everything has followed from it.
    pub async fn next_directory(&self) {
        for _ in 0..6 {
            self.minute().await;
        }
    }

    /// How many people are not dropped until somebody agrees.
    pub async fn held_back(&self) -> usize {
        self.count("directory_held_back").await.try_into().unwrap()
    }

    /// An operator agrees that so many people are dropped.
    pub async fn accept_directory(&self, people: usize) {
        let accepted =
            self.app.store.accept_directory(people, ("the operator", &Actor::CommandLine(None)), self.clock.now()).await.unwrap();
        assert_eq!(accepted, Accepted::Done);
    }

    pub async fn tend_subscriptions(&self) -> Progress {
        self.try_tend_subscriptions().await.unwrap()
    }

    pub async fn try_tend_subscriptions(&self) -> Result<Progress, TaskError> {
        self.app.tasks.subscriptions.as_ref().unwrap().run().await
    }

    /// One whole sweep, if it is time.
    pub async fn sweep(&self) {
        exhaust(&self.app.tasks.sweep).await;
    }

    /// Graph delivers what it has, and the gateway takes it in.
    pub async fn intake(&self) {
        self.delivered().await;
        exhaust(&self.app.tasks.intake).await;
        exhaust(&self.app.tasks.lifecycle).await;
    }

    pub async fn reconcile(&self) {
        self.carry_policies_out().await;
        exhaust(&self.app.tasks.reconciler).await;
    }

    pub async fn dispatch(&self) {
        exhaust(&self.app.tasks.xphone_dispatcher).await;
        exhaust(&self.app.tasks.teams_dispatcher).await;
    }

    /// Reads what notifications told, and acts on it.
    pub async fn confirm(&self) {
        self.advance(SignedDuration::from_millis(400));
        exhaust(&self.app.tasks.confirmer).await;
        self.reconcile().await;
        self.dispatch().await;
    }

    /// Lets everything happen that happens without time passing.
    pub async fn settle(&self) {
        self.intake().await;
        self.reconcile().await;
        self.dispatch().await;
    }

    /// A minute passes, in which everything runs that runs by itself.
    pub async fn minute(&self) {
        self.advance(SignedDuration::from_secs(60));
        self.intake().await;
        self.directory().await;
        self.xphone_read().await;
        self.tend_subscriptions().await;
        self.sweep().await;
        self.settle().await;
        self.confirm().await;
    }

    /// The gateway dies here and now and starts again on the same database.
    pub async fn restart(&mut self) {
        if let Some(listeners) = self.listeners.take() {
            // The listening sockets go; nothing else gets a chance to finish anything.
            listeners.stop(std::future::ready(())).await;
        }
        self.app.store.close().await;
        self.app = wire(&self.config, &self.database, &self.clock).await;
        let public = rebind(self.config.http.public_listen).await;
        let admin = rebind(self.config.http.admin_listen).await;
        self.listeners = Some(self.app.listen_on(public, admin));
        // The dead one's leases run out.
        self.advance(SignedDuration::from_secs(121));
    }

    /// The gateway is told to stop, and finishes what it has begun.
    pub async fn stop_softly(&mut self) {
        if let Some(listeners) = self.listeners.take() {
            listeners.stop(std::future::pending()).await;
        }
    }

    /// Another replica of the gateway, with a clock of its own.
    pub async fn replica(&self, clock: &Clock) -> App {
        wire(&self.config, &self.database, clock).await
    }

    // ---- Time ----

    pub fn advance(&self, by: SignedDuration) {
        self.clock.advance(by);
        self.graph_clock.advance(by);
        self.xphone_clock.advance(by);
    }

    // ---- What can be seen ----

    /// Why the user shows what they show.
    pub async fn reason(&self, person: Person) -> String {
        self.explanation(person).await.slot(SlotName::XphoneAppointment).reason.label().to_owned()
    }

    pub async fn explanation(&self, person: Person) -> Explanation {
        let explained = self.app.store.explain(UserGuid(person.xphone), self.clock.now(), self.config.terms()).await;
        explained.unwrap().unwrap()
    }

    /// A metric's value by its line, such as `notifications_total{result="recorded"}`; 0 where it has not been counted yet.
    pub async fn metric(&self, line: &str) -> f64 {
        self.measured(line).await.map_or(0.0, |value| value.parse().unwrap())
    }

    /// The same where only whole numbers make sense.
    pub async fn count(&self, line: &str) -> u64 {
        self.measured(line).await.map_or(0, |value| value.parse().unwrap())
    }

    pub async fn measured(&self, line: &str) -> Option<String> {
        let text = self.http.get(format!("{}/metrics", self.admin)).send().await.unwrap().text().await.unwrap();
        let name = format!("presence_gateway_{line} ");
        text.lines().find_map(|candidate| candidate.strip_prefix(&name)).map(str::to_owned)
    }

    pub async fn graph_look(&self, path: &str) -> Value {
        self.http.get(format!("{}/control/{path}", self.graph.base_url)).send().await.unwrap().json().await.unwrap()
    }

    pub async fn graph_control(&self, method: Method, path: &str, body: Value) -> Response {
        self.call(method, &format!("{}/control/{path}", self.graph.base_url), body).await
    }

    async fn call(&self, method: Method, url: &str, body: Value) -> Response {
        let answer = self.http.request(method, url).json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{url}: {}", answer.text().await.unwrap());
        answer
    }

    /// The gateway's database, to look at what lies there.
    pub async fn database(&self) -> PgPool {
        PgPool::connect(self.database.url().expose_secret()).await.unwrap()
    }

    /// Where that is.
    pub fn database_url(&self) -> SecretString {
        self.database.url()
    }

    /// Waits until nothing of Graph's is on its way to us.
    pub async fn delivered(&self) {
        let quiet = async {
            while self.graph_look("notifications/pending").await["pending"] != 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(DELIVERED_WITHIN, quiet).await.expect("Graph's notifications were not taken");
    }
}

/// A database of its own for a test that runs the program itself: empty, or with an up-to-date schema.
pub async fn scratch_database(migrated: bool) -> ScratchDatabase {
    let cluster = &*CLUSTER;
    let _turn = cluster.turn.lock().await;
    cluster.server.create(migrated.then_some(&cluster.template)).await.unwrap()
}

impl Drop for World {
    /// A server of our own takes its databases with it; on any other they are removed.
    fn drop(&mut self) {
        if !CLUSTER.server.is_own() {
            let database = self.database.clone();
            _ = std::thread::spawn(move || CLUSTER.runtime.block_on(database.remove())).join();
        }
    }
}

async fn wire(config: &Config, database: &ScratchDatabase, clock: &Clock) -> App {
    let store = Store::connect(&database.url(), 8, config.secrets.clone()).await.unwrap();
    App::new(config, store, clock.clone()).unwrap()
}

/// Runs a task until it has nothing more to do.
pub async fn exhaust(task: &dyn Task) {
    for _ in 0..PASSES_MAX {
        if task.run().await.unwrap() == Progress::Idle {
            return;
        }
    }
    panic!("{} never comes to rest", task.name());
}

async fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

async fn rebind(address: std::net::SocketAddr) -> TcpListener {
    TcpListener::bind(address).await.unwrap()
}

fn address(listener: &TcpListener) -> String {
    format!("http://{}", listener.local_addr().unwrap())
}

fn pair(words: &str) -> Value {
    let (availability, activity) = words.split_once('/').unwrap();
    json!({"availability": availability, "activity": activity})
}
