//! One scenario from an empty database to the last push, and what it took.

use std::sync::Arc;
use std::time::{Duration, Instant};

use presence_gateway::clock::Clock;
use url::Url;
use uuid::Uuid;

use crate::Failure;
use crate::load::{Answers, Load};
use crate::posts::{self, Post, WARM_UP};
use crate::stand_ins::{StandIns, World};
use crate::surroundings::figures::float;
use crate::surroundings::gateway::{Gateway, settings};
use crate::surroundings::machine::{self, CpuTimes};
use crate::surroundings::notification::Signer;
use crate::surroundings::observer::Observer;
use crate::surroundings::people::People;
use crate::surroundings::postgres::{self, Furnished, Postgres};

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
    let people = Arc::new(People::invent(scenario.users));
    let Furnished { sealing_key, certificate } = postgres::furnish(url, &people, &clock).await?;
    let signer = Signer::make()?;
    let make = |rounds| posts::make(&people, rounds, scenario.per_user, per_post, &certificate, &signer, clock.now());
    let (warming, posts) = ([make(0..1)?, make(1..WARM_UP)?], make(WARM_UP..WARM_UP + scenario.per_user)?);

    let stand_ins = StandIns::start(Arc::clone(&people), scenario.per_user, signer.published()).await?;
    let gateway = Gateway::start(settings(url, &sealing_key, &stand_ins.address, &signer)).await?;
    let mut observer = Observer::connect(url, clock).await?;
    let target = Target { world: Arc::clone(&stand_ins.world), connections, gateway: &gateway };
    let measured = load(scenario, warming, posts, &target, &mut observer).await;
    gateway.stop().await?;
    measured
}

/// What is loaded, and how.
struct Target<'a> {
    world: Arc<World>,
    connections: usize,
    gateway: &'a Gateway,
}

impl Target<'_> {
    fn load(&self, posts: Vec<Post>, http: &reqwest::Client) -> Load {
        let url = format!("http://{}/graph/notifications", self.gateway.public);
        Load { posts, url, world: Arc::clone(&self.world), http: http.clone() }
    }
}

/// Has everybody take a call and end it: a gateway that is at work has its connections to Postgres, which know its statements by now, and
/// tables with room where others were. Nobody waits for Postgres to tidy up by itself: it does so between the two, since each statement is
/// planned once more after it.
async fn warm_up(
    [calls, ends]: [Vec<Post>; WARM_UP],
    target: &Target<'_>,
    http: &reqwest::Client,
    observer: &mut Observer,
) -> Result<(), Failure> {
    reach(observer, Stage::KnownAsFree).await?;
    target.load(calls, http).one_after_the_other(target.connections).await?;
    reach(observer, Stage::Decided).await?;
    reach(observer, Stage::Pushed).await?;
    observer.tidy_up().await?;
    target.load(ends, http).one_after_the_other(target.connections).await?;
    reach(observer, Stage::KnownAsFree).await?;
    reach(observer, Stage::Pushed).await
}

async fn load(
    scenario: Scenario,
    warming: [Vec<Post>; WARM_UP],
    posts: Vec<Post>,
    target: &Target<'_>,
    observer: &mut Observer,
) -> Result<Measured, Failure> {
    let (http, gateway) = (Load::client()?, target.gateway);
    warm_up(warming, target, &http, observer).await?;
    let superseded_before = gateway.notifications(&http, "superseded").await?;
    let posts_count = posts.len();
    let load = target.load(posts, &http);
    let (cpu_before, began) = (CpuTimes::now(gateway.pid, observer.postmaster), Instant::now());
    let posting = async {
        match scenario.offered_per_second {
            Some(rate) => load.at_pace(rate * float(posts_count) / float(scenario.notifications())).await,
            None => load.one_after_the_other(target.connections).await,
        }
    };
    let answers = posting.await?;
    reach(observer, Stage::Decided).await?;
    let (decided_in, cpu_after) = (began.elapsed(), CpuTimes::now(gateway.pid, observer.postmaster));
    reach(observer, Stage::Pushed).await?;
    let pushed_in = began.elapsed();
    let without_appointment = scenario.users.abs_diff(target.world.people_with_appointment());
    Ok(Measured {
        scenario,
        decided_in,
        pushed_in,
        answers,
        cpu: cpu_after.since(cpu_before),
        peak_memory: machine::peak_memory(gateway.pid),
        superseded: gateway.notifications(&http, "superseded").await? - superseded_before,
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
    /// All ask for what is still to be done.
    fn questions(self) -> &'static [&'static str] {
        match self {
            Self::KnownAsFree => &[
                "select exists (select from inbox where received_at <= $1)",
                "select exists (select from user_state where native is distinct from 'free' or xphone_observed_at is null
                     or confirm_at is not null or revisit_at <= $1)",
            ],
            Self::Decided => &[
                "select exists (select from inbox where received_at <= $1)",
                "select exists (select from user_state where native is distinct from 'call' or revisit_at <= $1)",
                // Never so: but to say that, all that was committed so far must have come to the disk.
                "select pg_logical_emit_message(true, 'benchmark', $1::text) is null",
            ],
            Self::Pushed => &[
                "select exists (select from outbox where decided_at <= $1)",
                "select exists (select from user_state where confirm_at is not null or revisit_at <= $1)",
            ],
        }
    }
}

async fn reach(observer: &mut Observer, stage: Stage) -> Result<(), Failure> {
    observer.wait_until_none(&format!("{stage:?}"), stage.questions()).await
}

/// The nearest whole number.
pub fn whole(number: f64) -> usize {
    usize::try_from(Duration::from_secs_f64(number.max(0.0)).as_secs()).unwrap_or(usize::MAX)
}
