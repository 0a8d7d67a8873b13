//! Measures how long a change on one side takes to reach the other, while the gateway runs and both sides go on changing.
//!
//! ```text
//! cargo bench --bench latency
//! cargo bench --bench latency -- --per-second 50 --seconds 30
//! cargo bench --bench latency -- --check
//! ```
//!
//! **What runs.** A durable Postgres (of our own, or on the server that `GATEWAY__DATABASE__URL` names), the gateway as a process of
//! its own with everything it runs in production except the care for subscriptions (`graph.push` is off; the subscriptions are in the
//! database), and stand-ins for Entra ID, Graph and XPhone on the loopback. They tell the truth: reads of Teams tell the call and our
//! session, XPhone keeps appointments and tells of them in its events, as the product does. The request budget for Graph is set to
//! what Microsoft documents (10 000 in 30 s); with the careful default of 1500 no more than 50 writes a second may go to Teams, and
//! `--graph-budget 1500` shows it.
//!
//! **What is counted.** Half of the people change in Teams only, the other half in XPhone only, each in turn begins or ends a call.
//! They change in three parts: those of Teams, those of XPhone, and both at once, always with `--per-second` changes in all, at
//! irregular moments. Half of each half begin in a call, so that beginnings and ends are mixed from the first second on.
//! - Teams to XPhone: from just before the change notification (encrypted, with its token, made ahead, alone in its post) is sent,
//!   until the PUT or DELETE of the appointment is received.
//! - XPhone to Teams: from the moment the event enters the gateway's event stream until setPresence or clearPresence is received,
//!   alone or inside a `$batch`.
//!
//! Whoever changed rests for seconds, so every change must be pushed by itself. One is *lost* if its push has not come before the
//! same person's next change, or within half a minute after the last; a push that nobody waits for and that changes what is shown is
//! *wrong*. Either ends the benchmark with a failure; slowness never does.
//!
//! **How to read it.** Beside it, one update of one row, durably committed, and one HTTP request over the loopback are measured, at
//! the same pace, before and after the changes, by this program. The gateway cannot do with less than one of each: what a change
//! takes is told as a multiple of that. Milliseconds say more about the machine than about the gateway; compare multiples, and only
//! those of runs in which other programs took little of the machine. Everything here, this program too, shares the same cores.

mod ledger;
mod plan;
mod reference;
mod report;
mod run;
mod stand_ins;
#[path = "../surroundings/mod.rs"]
#[allow(dead_code, reason = "each benchmark takes what it needs")]
mod surroundings;
mod wire;

use std::process::ExitCode;

use clap::Parser;

use crate::plan::REST_MIN;
use crate::surroundings::figures::float;
use crate::surroundings::postgres::Postgres;
use crate::surroundings::{Failure, begin, runtime};

/// The tiny version: enough to see that nothing is lost.
const CHECK: (usize, u32, u32) = (200, 25, 3);

/// Measures how long a change on one side takes to reach the other.
#[derive(Clone, Debug, Parser)]
#[command(name = "latency")]
pub struct Arguments {
    /// People; half of them change in Teams, half in XPhone.
    #[arg(long, default_value_t = 2000)]
    users: usize,
    /// Changes a second, in all.
    #[arg(long, default_value_t = 100)]
    per_second: u32,
    /// How long each of the three parts lasts.
    #[arg(long, default_value_t = 20)]
    seconds: u32,
    /// Requests to Graph in 30 seconds, at most.
    #[arg(long, default_value_t = 10_000)]
    graph_budget: u32,
    /// A tiny version that takes seconds: its times mean little, but nothing may be lost.
    #[arg(long)]
    check: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    begin("latency", || {
        let arguments = Arguments::parse().sized()?;
        runtime()?.block_on(measure(arguments))
    })
}

impl Arguments {
    fn sized(mut self) -> Result<Self, Failure> {
        if self.check {
            (self.users, self.per_second, self.seconds) = CHECK;
        }
        if self.per_second == 0 || self.seconds == 0 {
            return Err("changes and seconds: at least one of each".into());
        }
        let rest = float(self.users / 2) / f64::from(self.per_second);
        if rest < REST_MIN.as_secs_f64() {
            let users = (REST_MIN * self.per_second).as_secs() * 2;
            return Err(format!("so few people would change too often to tell their changes apart: at least {users}").into());
        }
        Ok(self)
    }
}

/// Runs all three parts and tells the results; `true`: nothing was lost, nothing was wrong.
async fn measure(arguments: Arguments) -> Result<bool, Failure> {
    let postgres = Postgres::find_or_start().await?;
    let result = run::run(&arguments, &postgres).await;
    postgres.stop().await?;
    let report = result?;
    println!("{report}");
    Ok(report.is_sound())
}
