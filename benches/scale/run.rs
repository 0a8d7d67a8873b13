//! One tenant, from an empty database through all parts.

use std::collections::{BTreeMap, HashMap};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::Arc;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use presence_gateway::clock::Clock;
use presence_gateway::config::SealingKeys;
use presence_gateway::store::Store;
use reqwest::{Client, Method, StatusCode};
use secrecy::SecretString;
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use crate::changes::{self, Crowd, Part};
use crate::emulators::Emulators;
use crate::surroundings::gateway::Gateway;
use crate::surroundings::machine::{self, CpuTimes};
use crate::surroundings::observer::Observer;
use crate::surroundings::postgres::Postgres;
use crate::tenant::Tenant;
use crate::upkeep::{self, Table};
use crate::watch::Watch;
use crate::{Arguments, Failure};

const ADMIN_TOKEN: &str = "an-admin-token-for-the-benchmark-of-scale";
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// As Prometheus would.
const SCRAPED_EVERY: Duration = Duration::from_secs(15);
/// Everything that takes longer has failed.
const DONE_MAX: Duration = Duration::from_mins(15);
/// Everybody was read on both sides and decided for, and nothing is left to be sent.
const SETTLED: [&str; 2] = [
    "select exists (select from outbox where decided_at <= $1)",
    "select exists (select from user_state s join person p on p.guid = s.user_guid
         where p.teams_id is not null and (s.native is null or s.xphone_observed_at is null or s.confirm_at is not null
             or s.revisit_at <= $1))",
];

/// What was measured of one tenant.
pub struct Measured {
    pub users: usize,
    pub accounts: usize,
    /// Until both systems were filled; says something about the emulators only.
    pub filling: Duration,
    pub from_nothing: Duration,
    pub rest: Rest,
    pub ready_after: Duration,
    /// The most memory the first gateway ever held, and the one after the restart.
    pub peak_memory: [Option<u64>; 2],
    pub steady: Part,
    pub steady_cpu: CpuTimes,
    /// 99 of 100 answers came within this; from the gateway's histogram.
    pub answered_within_seconds: f64,
    pub burst: Part,
    pub tables: Vec<Table>,
}

/// The gateway while nobody changes.
pub struct Rest {
    pub lasted: Duration,
    pub cpu: CpuTimes,
    pub emulators_cpu: Duration,
    pub memory: Option<u64>,
    /// `None`: none ended in that time.
    pub sweep_seconds: Option<f64>,
}

/// Prepares everything, measures and takes everything away again.
pub async fn run(users: usize, arguments: &Arguments, postgres: &Postgres) -> Result<Measured, Failure> {
    let name = format!("gateway_bench_{}", Uuid::new_v4().simple());
    let url = postgres.create(&name).await?;
    let measured = run_in(&url, users, arguments).await;
    postgres.remove(&name).await?;
    measured
}

async fn run_in(url: &Url, users: usize, arguments: &Arguments) -> Result<Measured, Failure> {
    let http = Client::builder().no_proxy().timeout(Duration::from_mins(1)).build()?;
    let (emulators, tenant) = (Emulators::start().await?, Arc::new(Tenant::invent(users)));
    eprintln!("{users} people are made ...");
    let began = Instant::now();
    tenant.settle_in(&emulators).await?;
    let filling = began.elapsed();
    let settings = settings(url, &emulators)?;

    eprintln!("{users} people become known ...");
    let began = Instant::now();
    let sealing = SealingKeys::parse(&settings["GATEWAY__SECRETS__KEY"], "")?;
    let store = Store::connect(&SecretString::from(url.as_str()), 4, sealing).await?;
    store.migrate().await?;
    let gateway = Gateway::start(settings.clone()).await?;
    let ordered: BTreeMap<String, String> = settings.clone().into_iter().collect();
    let accounts = tenant.enrol(&emulators, &ordered, &store).await?;
    store.close().await;
    let mut observer = Observer::connect(url, Clock::system()).await?;
    go_live(&gateway, &http, &emulators, &tenant, &mut observer).await?;
    let from_nothing = began.elapsed();

    eprintln!("{users} people at rest, for {} s ...", arguments.rest_seconds);
    let rest = rest(&gateway, &http, &emulators, observer.postmaster, arguments.rest_seconds).await?;
    let first_peak = machine::peak_memory(gateway.pid);
    gateway.stop().await?;
    let began = Instant::now();
    let gateway = Gateway::start(settings).await?;
    until_ready(&gateway, &http).await?;
    let ready_after = began.elapsed();

    eprintln!("{users} people: {} changes, {} a second ...", arguments.changes, arguments.per_second);
    let mut watch = Watch::begin(&emulators, Arc::clone(&tenant)).await?;
    let mut crowd = Crowd::at_rest(users);
    let both = (&emulators, &*tenant);
    let (before, cpu_before) = (gateway.metrics(&http).await?, CpuTimes::now(gateway.pid, observer.postmaster));
    let steady = changes::make(both, (&mut crowd, &mut watch), arguments.changes, arguments.per_second).await?;
    let steady_cpu = CpuTimes::now(gateway.pid, observer.postmaster).since(cpu_before);
    let answered_within_seconds = quantile(&before, &gateway.metrics(&http).await?, "notification_ack_seconds");
    eprintln!("{users} people: {} change within a second ...", arguments.burst);
    let burst = changes::make(both, (&mut crowd, &mut watch), arguments.burst, arguments.burst).await?;
    let peak_memory = [first_peak, machine::peak_memory(gateway.pid)];
    gateway.stop().await?;
    let tables = upkeep::tables(url).await?;
    Ok(Measured {
        users,
        accounts,
        filling,
        from_nothing,
        rest,
        ready_after,
        peak_memory,
        steady,
        steady_cpu,
        answered_within_seconds,
        burst,
        tables,
    })
}

fn settings(url: &Url, emulators: &Emulators) -> Result<HashMap<String, String>, Failure> {
    let mut key = [0; 32];
    aws_lc_rs::rand::fill(&mut key)?;
    // Graph must be told where we listen before we do.
    let public = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    let ours = [
        ("DATABASE__URL", url.to_string()),
        ("HTTP__PUBLIC_LISTEN", public.to_string()),
        ("HTTP__ADMIN_LISTEN", "127.0.0.1:0".to_owned()),
        ("HTTP__PUBLIC_URL", format!("http://{public}")),
        ("GRAPH__REQUESTS_PER_30_SECONDS_MAX", "10000".to_owned()),
        ("SECRETS__KEY", STANDARD.encode(key)),
        ("ADMIN__BOOTSTRAP_TOKEN", ADMIN_TOKEN.to_owned()),
        ("TELEMETRY__LOG_FORMAT", "text".to_owned()),
    ];
    let mut settings = emulators.settings();
    settings.extend(ours.map(|(key, value)| (format!("GATEWAY__{key}"), value)));
    Ok(settings)
}

/// Lets everything through for everybody, and waits until everybody is known, watched, read and decided for.
async fn go_live(
    gateway: &Gateway,
    http: &Client,
    emulators: &Emulators,
    tenant: &Tenant,
    observer: &mut Observer,
) -> Result<(), Failure> {
    let sync =
        json!({ "mode": "telephony_and_presence", "user_may_change": false, "remember_login_data": false, "shadow": false });
    let policy = format!("http://{}/v1/locations/{}/teams-sync", gateway.admin, tenant.location);
    let set = async || {
        let answer = http.put(&policy).bearer_auth(ADMIN_TOKEN).json(&sync).send().await?;
        Ok(answer.status() == StatusCode::OK)
    };
    until("the policy can be set", set).await?;
    let watched = async || {
        let subscriptions = emulators.graph(Method::GET, "subscriptions", &Value::Null).await?;
        let users = |subscription: &Value| subscription["users"].as_array().map_or(0, Vec::len);
        Ok(subscriptions.as_array().into_iter().flatten().map(users).sum::<usize>() >= tenant.teams.len())
    };
    until("everybody is watched", watched).await?;
    observer.wait_until_none("settled", &SETTLED).await
}

async fn until_ready(gateway: &Gateway, http: &Client) -> Result<(), Failure> {
    let readiness = format!("http://{}/readyz", gateway.admin);
    until("ready", async || Ok(http.get(&readiness).send().await?.status() == StatusCode::OK)).await
}

async fn until(what: &str, holds: impl AsyncFn() -> Result<bool, Failure>) -> Result<(), Failure> {
    let began = Instant::now();
    while !holds().await? {
        if began.elapsed() > DONE_MAX {
            return Err(format!("after {} s not yet: {what}", DONE_MAX.as_secs()).into());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
    Ok(())
}

async fn rest(
    gateway: &Gateway,
    http: &Client,
    emulators: &Emulators,
    postmaster: Option<u32>,
    seconds: u64,
) -> Result<Rest, Failure> {
    let before = gateway.metrics(http).await?;
    let (cpu, emulators_cpu, began) = (CpuTimes::now(gateway.pid, postmaster), machine::cpu_of(emulators.pid), Instant::now());
    let ends = tokio::time::Instant::now() + Duration::from_secs(seconds);
    // Whoever measures scrapes as well: what that costs is part of the rest.
    while tokio::time::timeout_at(ends, tokio::time::sleep(SCRAPED_EVERY)).await.is_ok() {
        gateway.metrics(http).await?;
    }
    let (cpu, lasted) = (CpuTimes::now(gateway.pid, postmaster).since(cpu), began.elapsed());
    let emulators_cpu = machine::cpu_of(emulators.pid).saturating_sub(emulators_cpu);
    let after = gateway.metrics(http).await?;
    let value = |name: &str| metric(&after, name) - metric(&before, name);
    let sweeps = value("sweep_seconds_count");
    let sweep_seconds = (sweeps > 0.0).then(|| value("sweep_seconds_sum") / sweeps);
    Ok(Rest { lasted, cpu, emulators_cpu, memory: machine::resident_memory(gateway.pid), sweep_seconds })
}

/// A metric's value, all its labels added up.
fn metric(text: &str, name: &str) -> f64 {
    let name = format!("presence_gateway_{name}");
    let is_it = |line: &&str| line.strip_prefix(&name).is_some_and(|rest| rest.starts_with([' ', '{']));
    text.lines().filter(is_it).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

/// The lowest boundary of a histogram's that 99 of 100 of what was measured in between did not pass.
fn quantile(before: &str, after: &str, name: &str) -> f64 {
    let all = metric(after, &format!("{name}_count")) - metric(before, &format!("{name}_count"));
    let mut boundaries: Vec<f64> = after.lines().filter_map(|line| boundary(line, name)).collect();
    boundaries.sort_by(f64::total_cmp);
    boundaries.dedup();
    let within = |text: &str, boundary_wanted: f64| -> f64 {
        let is_it = |line: &&str| boundary(line, name).is_some_and(|found| (found - boundary_wanted).abs() < f64::EPSILON);
        text.lines().filter(is_it).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    let held = |boundary: &f64| within(after, *boundary) - within(before, *boundary) >= all * 0.99;
    boundaries.into_iter().find(held).unwrap_or(f64::INFINITY)
}

fn boundary(line: &str, name: &str) -> Option<f64> {
    let rest = line.strip_prefix(&format!("presence_gateway_{name}_bucket{{"))?;
    rest.split_once("le=\"")?.1.split('"').next()?.parse().ok().filter(|boundary: &f64| boundary.is_finite())
}
