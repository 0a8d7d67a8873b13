//! One gateway from an empty database through all three parts, and what they took.

use std::sync::Arc;
use std::time::{Duration, Instant};

use presence_gateway::clock::Clock;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Client, StatusCode};
use tokio::task::JoinSet;
use url::Url;
use uuid::Uuid;

use crate::ledger::Tally;
use crate::plan::{Direction, Planner};
use crate::reference::{Bare, Reference};
use crate::report::Report;
use crate::stand_ins::StandIns;
use crate::surroundings::gateway::{Gateway, settings};
use crate::surroundings::machine::{self, CpuTimes};
use crate::surroundings::notification::Signer;
use crate::surroundings::observer::Observer;
use crate::surroundings::people::People;
use crate::surroundings::postgres::{self, Furnished, Postgres};
use crate::wire::{self, Ready};
use crate::{Arguments, Failure};

/// How often we look whether everything arrived.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// What has not arrived so long after the last change is lost.
const ARRIVES_WITHIN: Duration = Duration::from_secs(30);
/// What was not taken is posted again after this; Graph waits longer.
const AGAIN_AFTER: Duration = Duration::from_millis(500);
/// Graph waits this long for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(3);
/// Both systems have been read, everybody was decided on, and nothing is left to send or to confirm.
const SETTLED: [&str; 3] = [
    "select exists (select from outbox where decided_at <= $1)",
    "select exists (select from user_state where native is null or xphone_observed_at is null or confirm_at is not null
         or revisit_at <= $1)",
    "select exists (select from inbox where received_at <= $1)",
];

/// What a part was.
#[derive(Clone, Debug)]
pub struct Part {
    /// In which directions there were changes.
    pub directions: Vec<Direction>,
    /// What came of them.
    pub tally: Tally,
    /// How long the webhook took to answer each post; sorted.
    pub answered: Vec<Duration>,
    /// How much later than planned each change happened; sorted.
    pub late: Vec<Duration>,
    /// From the first change to the last arrival.
    pub lasted: Duration,
    /// CPU used meanwhile.
    pub cpu: CpuTimes,
}

/// Prepares everything, runs it and takes everything away again.
pub async fn run(arguments: &Arguments, postgres: &Postgres) -> Result<Report, Failure> {
    let name = format!("gateway_bench_{}", Uuid::new_v4().simple());
    let url = postgres.create(&name).await?;
    let report = run_in(&url, arguments).await;
    postgres.remove(&name).await?;
    report
}

async fn run_in(url: &Url, arguments: &Arguments) -> Result<Report, Failure> {
    let clock = Clock::system();
    let people = People::invent(arguments.users);
    let Furnished { sealing_key, certificate } = postgres::furnish(url, &people, &clock).await?;
    let signer = Signer::make()?;
    let [teams, xphone] = Direction::ALL;
    let mut planner = Planner::new(arguments.users);
    let mut parts = Vec::new();
    for directions in [vec![teams], vec![xphone], vec![teams, xphone]] {
        let changes = planner.part(&directions, arguments.per_second, arguments.seconds);
        parts.push((directions, wire::ready(changes, &people, &certificate, &signer, clock.now())?));
    }

    let stand_ins = Arc::new(StandIns::start(&people, signer.published()).await?);
    let mut settings = settings(url, &sealing_key, &stand_ins.address, &signer);
    settings.insert("GATEWAY__GRAPH__REQUESTS_PER_30_SECONDS_MAX".to_owned(), arguments.graph_budget.to_string());
    let gateway = Gateway::start(settings).await?;
    let observer = Observer::connect(url, clock).await?;
    let http = Client::builder().no_proxy().timeout(ANSWER_MAX).build()?;
    let bare = Bare::prepare(url, http.clone(), format!("{}/nothing", stand_ins.address), arguments.per_second).await?;
    let report = Run { stand_ins, gateway: &gateway, observer, http, bare }.measure(arguments, parts).await;
    gateway.stop().await?;
    report
}

struct Run<'a> {
    stand_ins: Arc<StandIns>,
    gateway: &'a Gateway,
    observer: Observer,
    http: Client,
    bare: Bare,
}

impl Run<'_> {
    async fn measure(mut self, arguments: &Arguments, parts: Vec<(Vec<Direction>, Vec<Ready>)>) -> Result<Report, Failure> {
        eprintln!("{} people, half of them in a call, are made known ...", arguments.users);
        self.arrivals(ANSWER_MAX * 20).await;
        self.observer.wait_until_none("settled", &SETTLED).await?;
        let at_first = self.stand_ins.ledger.close();
        let mut reference = Reference::default();
        self.bare.measure(&mut reference).await?;
        let mut measured = Vec::new();
        for (directions, ready) in parts {
            let labels: Vec<&str> = directions.iter().map(|direction| direction.label()).collect();
            eprintln!("{}: {} changes in {} s ...", labels.join(" and "), ready.len(), arguments.seconds);
            measured.push(self.part(directions, ready).await?);
        }
        self.bare.measure(&mut reference).await?;
        Ok(Report {
            users: arguments.users,
            per_second: arguments.per_second,
            at_first,
            parts: measured,
            reference,
            durability: self.bare.durability().await?,
            refused: self.observer.refusals().await?,
            superseded: self.gateway.notifications(&self.http, "superseded").await?,
            peak_memory: machine::peak_memory(self.gateway.pid),
        })
    }

    async fn part(&self, directions: Vec<Direction>, ready: Vec<Ready>) -> Result<Part, Failure> {
        let cpu = || CpuTimes::now(self.gateway.pid, self.observer.postmaster);
        let (cpu_before, began) = (cpu(), Instant::now());
        let (mut posting, mut late) = (JoinSet::new(), Vec::with_capacity(ready.len()));
        for Ready { change, post } in ready {
            tokio::time::sleep_until((began + change.at).into()).await;
            late.push(began.elapsed().saturating_sub(change.at));
            match post {
                None => self.stand_ins.happen(change),
                Some(body) => {
                    let (stand_ins, http) = (Arc::clone(&self.stand_ins), self.http.clone());
                    let request = http.post(format!("http://{}/graph/notifications", self.gateway.public));
                    let request = request.header(CONTENT_TYPE, "application/json").body(body).build()?;
                    posting.spawn(async move {
                        stand_ins.happen(change);
                        post_until_taken(&http, &request).await
                    });
                }
            }
        }
        let mut answered = Vec::new();
        while let Some(taken) = posting.join_next().await {
            answered.push(taken??);
        }
        self.arrivals(ARRIVES_WITHIN).await;
        let (lasted, cpu) = (began.elapsed(), cpu().since(cpu_before));
        answered.sort_unstable();
        late.sort_unstable();
        Ok(Part { directions, tally: self.stand_ins.ledger.close(), answered, late, lasted, cpu })
    }

    /// Waits until everything has arrived, but not longer than this.
    async fn arrivals(&self, max: Duration) {
        let began = Instant::now();
        while self.stand_ins.ledger.is_waiting() && began.elapsed() < max {
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }
}

/// How long the first answer took; whatever is not taken is posted again, as Graph does.
async fn post_until_taken(http: &Client, request: &reqwest::Request) -> Result<Duration, Failure> {
    let began = Instant::now();
    let mut first = None;
    loop {
        let request = request.try_clone().ok_or("a post that cannot be repeated")?;
        let answer = http.execute(request).await;
        let first = *first.get_or_insert_with(|| began.elapsed());
        match answer.map(|answer| answer.status()) {
            Ok(StatusCode::ACCEPTED) => return Ok(first),
            Ok(StatusCode::SERVICE_UNAVAILABLE) => {}
            Ok(other) => return Err(format!("a post was answered with {other}").into()),
            Err(error) if error.is_timeout() => {}
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(AGAIN_AFTER).await;
    }
}
