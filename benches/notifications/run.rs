//! One scenario from an empty database to the last push, and what it took.

use std::collections::HashMap;
use std::ffi::OsStr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use presence_gateway::clock::Clock;
use presence_gateway::config::SealingKeys;
use presence_gateway::graph::certificate;
use presence_gateway::store::Store;
use presence_gateway::store::embedded::{self, Durability, EmbeddedPostgres};
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use url::Url;
use uuid::Uuid;

use crate::Failure;
use crate::gateway::Gateway;
use crate::load::{Answers, Load};
use crate::machine::{self, CpuTimes};
use crate::people::People;
use crate::posts::{self, Post, Signer};
use crate::stand_ins::StandIns;

/// How often we look whether all is done.
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// A scenario that is not done by then has failed.
const DONE_MAX: Duration = Duration::from_mins(5);
const CONNECTIONS_MAX: u32 = 4;

/// What to load the gateway with.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// As people call it.
    pub name: &'static str,
    /// How many users.
    pub users: usize,
    /// Notifications for each.
    pub per_user: usize,
    /// Notifications a second; `None`: as fast as they are answered.
    pub offered_per_second: Option<f64>,
    /// Expected ratio to the raw limit, at least.
    pub ratio_min: Option<f64>,
}

/// What came out.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Of what.
    pub scenario: Scenario,
    /// From the first post until everything was decided and durable.
    pub decided_in: Duration,
    /// And until everything was pushed and confirmed by a read, too.
    pub pushed_in: Duration,
    /// How the posts were answered.
    pub answers: Answers,
    /// CPU used until everything was decided and durable.
    pub cpu: CpuTimes,
    /// The most memory the gateway held until the very end, in bytes.
    pub peak_memory: Option<u64>,
    /// Notifications of which a newer one made decryption needless.
    pub superseded: u64,
    /// Notifications refused, and users whose last notification did not come through: both must be 0.
    pub lost: i64,
}

impl Scenario {
    /// All its notifications.
    pub fn notifications(&self) -> usize {
        self.users * self.per_user
    }
}

impl Measured {
    /// Notifications a second, decided and durable.
    pub fn rate(&self) -> f64 {
        float(self.scenario.notifications()) / self.decided_in.as_secs_f64()
    }
}

/// A Postgres of our own, or somebody's; every scenario has a database of its own in it.
pub struct Postgres {
    url: Url,
    own: Option<EmbeddedPostgres>,
}

impl Postgres {
    /// The one that `GATEWAY__DATABASE__URL` names, else one of our own, durable.
    pub async fn find_or_start() -> Result<Self, Failure> {
        if let Some(url) = std::env::var_os("GATEWAY__DATABASE__URL") {
            let url = url.to_str().ok_or("GATEWAY__DATABASE__URL is not text")?.parse()?;
            return Ok(Self { url, own: None });
        }
        let search_path = std::env::var_os("PATH").unwrap_or_default();
        let own = embedded::start(Durability::Durable, OsStr::new(&search_path)).await?;
        Ok(Self { url: own.url().parse()?, own: Some(own) })
    }

    /// Stops it, if it is ours.
    pub async fn stop(self) -> Result<(), Failure> {
        match self.own {
            Some(own) => Ok(own.stop().await?),
            None => Ok(()),
        }
    }

    async fn create(&self, name: &str) -> Result<Url, Failure> {
        let mut connection = PgConnection::connect(self.url.as_str()).await?;
        sqlx::query(AssertSqlSafe(format!("create database {name}"))).execute(&mut connection).await?;
        connection.close().await?;
        let mut url = self.url.clone();
        url.set_path(name);
        Ok(url)
    }

    async fn remove(&self, name: &str) -> Result<(), Failure> {
        let mut connection = PgConnection::connect(self.url.as_str()).await?;
        sqlx::query(AssertSqlSafe(format!("drop database {name} with (force)"))).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }
}

/// Prepares a scenario, runs it and takes everything away again.
pub async fn run(scenario: Scenario, per_post: usize, connections: usize, postgres: &Postgres) -> Result<Measured, Failure> {
    let name = format!("gateway_bench_{}", Uuid::new_v4().simple());
    let url = postgres.create(&name).await?;
    let measured = run_in(&url, scenario, per_post, connections).await;
    postgres.remove(&name).await?;
    measured
}

async fn run_in(url: &Url, scenario: Scenario, per_post: usize, connections: usize) -> Result<Measured, Failure> {
    let clock = Clock::system();
    let mut sealing_key = [0; 32];
    aws_lc_rs::rand::fill(&mut sealing_key)?;
    let sealing_key = STANDARD.encode(sealing_key);
    let keys = SealingKeys::parse(&sealing_key, "")?;
    let store = Store::connect(&SecretString::from(url.as_str()), CONNECTIONS_MAX, keys).await?;
    store.migrate().await?;
    let people = Arc::new(People::invent(scenario.users));
    let certificate = certificate::make(&clock)?;
    people.settle_in(&store, &certificate, clock.now()).await?;
    store.close().await;
    let signer = Signer::make()?;
    let posts = posts::make(&people, scenario.per_user, per_post, &certificate, &signer, clock.now())?;

    let stand_ins = StandIns::start(Arc::clone(&people), scenario.per_user, signer.published()).await?;
    let gateway = Gateway::start(settings(url, &sealing_key, &stand_ins.address, &signer)).await?;
    let mut observer = Observer::connect(url, clock).await?;
    let measured = load(scenario, posts, connections, &stand_ins, &gateway, &mut observer).await;
    gateway.stop().await?;
    measured
}

fn settings(url: &Url, sealing_key: &str, stand_ins: &str, signer: &Signer) -> HashMap<String, String> {
    let settings = [
        ("DATABASE__URL", url.to_string()),
        ("HTTP__PUBLIC_LISTEN", "127.0.0.1:0".to_owned()),
        ("HTTP__ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
        ("GRAPH__BASE_URL", format!("{stand_ins}/graph")),
        ("GRAPH__LOGIN_URL", stand_ins.to_owned()),
        ("GRAPH__TENANT_ID", signer.tenant.to_string()),
        ("GRAPH__CLIENT_ID", signer.client.to_string()),
        ("GRAPH__CLIENT_SECRET", "a shared secret".to_owned()),
        ("GRAPH__PUSH", "false".to_owned()),
        ("XPHONE__BASE_URL", format!("{stand_ins}/xphone")),
        ("XPHONE__ACCOUNT_NAME", "gateway".to_owned()),
        ("XPHONE__PASSWORD", "a password".to_owned()),
        ("SECRETS__KEY", sealing_key.to_owned()),
        ("TELEMETRY__LOG_FORMAT", "text".to_owned()),
    ];
    settings.into_iter().map(|(key, value)| (format!("GATEWAY__{key}"), value)).collect()
}

async fn load(
    scenario: Scenario,
    posts: Vec<Post>,
    connections: usize,
    stand_ins: &StandIns,
    gateway: &Gateway,
    observer: &mut Observer,
) -> Result<Measured, Failure> {
    observer.wait_until(Stage::KnownAsFree).await?;
    let http = Load::client()?;
    let url = format!("http://{}/graph/notifications", gateway.public);
    let posts_count = posts.len();
    let load = Load { posts, url, world: Arc::clone(&stand_ins.world), http: http.clone() };
    let (cpu_before, began) = (CpuTimes::now(gateway.pid, observer.postmaster), Instant::now());
    let posting = async {
        match scenario.offered_per_second {
            Some(rate) => load.at_pace(rate * float(posts_count) / float(scenario.notifications())).await,
            None => load.one_after_the_other(connections).await,
        }
    };
    let answers = posting.await?;
    observer.wait_until(Stage::Decided).await?;
    let (decided_in, cpu_after) = (began.elapsed(), CpuTimes::now(gateway.pid, observer.postmaster));
    observer.wait_until(Stage::Pushed).await?;
    let pushed_in = began.elapsed();
    let without_appointment = scenario.users.abs_diff(stand_ins.world.people_with_appointment());
    Ok(Measured {
        scenario,
        decided_in,
        pushed_in,
        answers,
        cpu: cpu_after.since(cpu_before),
        peak_memory: machine::peak_memory(gateway.pid),
        superseded: gateway.notifications(&http, "superseded").await?,
        lost: observer.refusals().await? + i64::try_from(without_appointment)?,
    })
}

/// How far the gateway has come, as the database tells.
#[derive(Clone, Copy, Debug)]
enum Stage {
    /// Both systems have been read and everybody was decided on.
    KnownAsFree,
    /// No post waits, and everybody's decision is that of a call.
    Decided,
    /// Nothing is left to send, nor to confirm.
    Pushed,
}

impl Stage {
    /// Both ask for what is still to be done, the cheap question first: it is asked often, on the cores that are measured.
    fn questions(self) -> [&'static str; 2] {
        match self {
            Self::KnownAsFree => [
                "select exists (select from inbox where received_at <= $1)",
                "select exists (select from user_state where native is distinct from 'free' or xphone_observed_at is null
                     or confirm_at is not null or revisit_at <= $1)",
            ],
            Self::Decided => [
                "select exists (select from inbox where received_at <= $1)",
                "select exists (select from user_state where native is distinct from 'call' or revisit_at <= $1)",
            ],
            Self::Pushed => [
                "select exists (select from outbox where decided_at <= $1)",
                "select exists (select from user_state where confirm_at is not null or revisit_at <= $1)",
            ],
        }
    }
}

/// Looks into the database beside the gateway.
struct Observer {
    connection: PgConnection,
    clock: Clock,
    /// The process that all of Postgres' are children of, if it runs here.
    postmaster: Option<u32>,
}

impl Observer {
    async fn connect(url: &Url, clock: Clock) -> Result<Self, Failure> {
        let mut connection = PgConnection::connect(url.as_str()).await?;
        let backend: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut connection).await?;
        let postmaster = u32::try_from(backend).ok().and_then(machine::postmaster_of);
        Ok(Self { connection, clock, postmaster })
    }

    async fn wait_until(&mut self, stage: Stage) -> Result<(), Failure> {
        let began = Instant::now();
        while began.elapsed() < DONE_MAX {
            if self.is_at(stage).await? {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(format!("after {} s not yet {stage:?}", DONE_MAX.as_secs()).into())
    }

    async fn is_at(&mut self, stage: Stage) -> Result<bool, Failure> {
        for question in stage.questions() {
            let now: Timestamp = self.clock.now();
            let query = sqlx::query_scalar(question).bind(jiff_sqlx::Timestamp::from(now));
            if query.fetch_one(&mut self.connection).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    async fn refusals(&mut self) -> Result<i64, Failure> {
        Ok(sqlx::query_scalar("select count(*) from refusal").fetch_one(&mut self.connection).await?)
    }
}

/// Numbers of this program are small enough to be told exactly.
pub fn float(number: usize) -> f64 {
    u32::try_from(number).map_or(f64::MAX, f64::from)
}

/// The nearest whole number.
pub fn whole(number: f64) -> usize {
    usize::try_from(Duration::from_secs_f64(number.max(0.0)).as_secs()).unwrap_or(usize::MAX)
}
