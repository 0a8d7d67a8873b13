//! Measures how many change notifications a second the running gateway turns into durable decisions, and how fast it answers.
//!
//! ```text
//! cargo bench --bench notifications
//! cargo bench --bench notifications -- --users 3000 --per-user 4
//! ```
//!
//! **What runs.** For each scenario: a fresh database in a durable Postgres (of our own, or on the server that
//! `GATEWAY__DATABASE__URL` names), the gateway as a process of its own with everything it runs in production except the care for
//! subscriptions (`graph.push` is off; the subscriptions are in the database), and stand-ins for Entra ID, Graph and XPhone on the
//! loopback. Reads tell what was notified last; XPhone keeps appointments. Encrypted notifications are made ahead, each with a data
//! key of its own, and posted over HTTP connections that are kept open, several in a post, with one validation token a post. Before
//! anything is measured everybody takes a call, Postgres tidies up, and the calls end: a gateway at work has connections that know its
//! statements, and tables with room in them.
//!
//! **What is counted.** Notifications a second from the first post until the inbox is empty and every user's stored decision follows
//! from their newest notification. Everybody begins as available and ends in a call, so each last notification changes a decision
//! and makes an appointment. Somebody's notifications are not neighbours: all users' first ones come before anybody's second one. Confirming reads stand back
//! for a burst: of a short one they are counted only in the time until everything is pushed and confirmed too.
//!
//! **How to read it.** RSA decryption is what a notification must cost: so the rate is told as its ratio to the decryptions a second
//! that the crypto library alone makes with as many threads as there are cores, measured before and after each scenario. With
//! distinct users each notification must be decrypted, the ratio stays below 1, and what is missing is HTTP, JSON, Postgres, the pushes
//! and this program, all on the same cores. With several notifications a user only the newest needs decrypting: the ratio may pass 1.
//! Under overload the rate is no aim: answers must stay fast and nothing may be lost. Rates alone say more about the machine than
//! about the gateway; compare ratios, and only those of runs in which other programs took little of the machine.

mod load;
mod posts;
mod raw;
mod report;
mod run;
mod stand_ins;
#[path = "../surroundings/mod.rs"]
#[allow(dead_code, reason = "each benchmark takes what it needs")]
mod surroundings;

use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;

use crate::report::Report;
use crate::run::{Measured, Scenario};
use crate::surroundings::postgres::Postgres;
use crate::surroundings::{Failure, begin, runtime};

/// How much of the raw limit the gateway is expected to reach where every notification must be decrypted.
const DISTINCT_RATIO_MIN: f64 = 0.6;
/// The same where each user has ten notifications or more, of which only the newest must be decrypted.
const REPEATED_RATIO_MIN: f64 = 3.0;
const REPEATED_FROM: usize = 10;
const OVERLOAD: f64 = 2.0;

/// Measures how many change notifications a second the running gateway turns into durable decisions.
#[derive(Clone, Debug, Parser)]
#[command(name = "notifications")]
struct Arguments {
    /// Measure only this many users instead of the usual scenarios.
    #[arg(long)]
    users: Option<usize>,
    /// Notifications for each of them.
    #[arg(long)]
    per_user: Option<usize>,
    /// Notifications in one post.
    #[arg(long, default_value_t = 10)]
    per_post: usize,
    /// Connections that post, each waiting for its answer.
    #[arg(long, default_value_t = 32)]
    connections: usize,
    /// How long the overload lasts; 0: none.
    #[arg(long, default_value_t = 6)]
    overload_seconds: u32,
    /// Fail when an expectation does not hold.
    #[arg(long)]
    check: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    begin("notifications", || {
        let arguments = Arguments::parse();
        let check = arguments.check;
        let held = runtime()?.block_on(measure(arguments))?;
        Ok(held || !check)
    })
}

/// Runs the scenarios and tells the results; `true`: every expectation held.
async fn measure(arguments: Arguments) -> Result<bool, Failure> {
    if arguments.per_post == 0 || arguments.connections == 0 || arguments.users == Some(0) || arguments.per_user == Some(0) {
        return Err("users, notifications and connections: at least one of each".into());
    }
    let postgres = Postgres::find_or_start().await?;
    let result = scenarios(&arguments, &postgres).await;
    postgres.stop().await?;
    let report = result?;
    println!("{report}");
    Ok(report.holds())
}

async fn scenarios(arguments: &Arguments, postgres: &Postgres) -> Result<Report, Failure> {
    let key = Arc::new(raw::RawKey::make()?);
    let mut report = Report::new(arguments.per_post, arguments.connections, raw::measure(&key).await?);
    for scenario in planned(arguments) {
        measure_one(scenario, arguments, postgres, &key, &mut report).await?;
    }
    let distinct = report.rate_of(|measured| measured.scenario.per_user == 1);
    if let Some(rate) = distinct.filter(|_| arguments.overload_seconds > 0 && !is_custom(arguments)) {
        let per_second = rate * OVERLOAD;
        let users = run::whole(per_second * f64::from(arguments.overload_seconds)).max(1);
        let overload =
            Scenario { name: "overload, twofold", users, per_user: 1, offered_per_second: Some(per_second), ratio_min: None };
        measure_one(overload, arguments, postgres, &key, &mut report).await?;
    }
    Ok(report)
}

async fn measure_one(
    scenario: Scenario,
    arguments: &Arguments,
    postgres: &Postgres,
    key: &Arc<raw::RawKey>,
    report: &mut Report,
) -> Result<(), Failure> {
    eprintln!("{}: {} users, {} notifications each ...", scenario.name, scenario.users, scenario.per_user);
    let measured: Measured = run::run(scenario, arguments.per_post, arguments.connections, postgres).await?;
    report.add(measured, raw::measure(key).await?);
    Ok(())
}

fn is_custom(arguments: &Arguments) -> bool {
    arguments.users.is_some() || arguments.per_user.is_some()
}

fn planned(arguments: &Arguments) -> Vec<Scenario> {
    let scenario = |name, users, per_user, ratio_min| Scenario { name, users, per_user, offered_per_second: None, ratio_min };
    if is_custom(arguments) {
        let (users, per_user) = (arguments.users.unwrap_or(5000), arguments.per_user.unwrap_or(1));
        let ratio_min = match per_user {
            1 => Some(DISTINCT_RATIO_MIN),
            REPEATED_FROM.. => Some(REPEATED_RATIO_MIN),
            _ => None,
        };
        return vec![scenario("as asked", users, per_user, ratio_min)];
    }
    vec![
        scenario("distinct users", 5000, 1, Some(DISTINCT_RATIO_MIN)),
        scenario("ten per user", 1500, REPEATED_FROM, Some(REPEATED_RATIO_MIN)),
    ]
}
