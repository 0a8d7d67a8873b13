//! Measures what a tenant of 100,000 people costs beside one of 10,000: at rest, at a restart, while people change, in one burst.
//!
//! ```text
//! cargo bench --bench scale
//! cargo bench --bench scale -- --users 10000,100000 --changes 1000000
//! cargo bench --bench scale -- --check
//! ```
//!
//! **What runs.** A durable Postgres (of our own, or on the server that `GATEWAY__DATABASE__URL` names), the gateway as a process of
//! its own with all that it runs in production, subscriptions too, and both systems' emulators in another process. The gateway begins
//! with an empty database: it reads everybody from both systems, matches them, makes one subscription for each 650 and sweeps each
//! minute. The request budget for Graph is what Microsoft documents (10 000 in 30 s).
//!
//! **What is measured**, for each number of users in turn:
//! - *from nothing*: until everybody is known, subscribed, read on both sides and decided for.
//! - *at rest*: memory and CPU of the gateway and of Postgres while nobody changes, and how long a sweep takes. Sweeps, the reading of
//!   XPhone and the comparison of appointments go on, the directories are read once, and the metrics are scraped each 15 s.
//! - *restart*: from the start of the process until `/readyz` answers 200.
//! - *changes*: `--per-second` people a second begin or end a call in Teams, evenly, `--changes` in all. An answer's time is the
//!   gateway's own measure, to the next of its histogram's boundaries. A push's time is counted by this program, from before the change
//!   is given to the emulator until XPhone's event tells of the appointment: the emulator's encrypting and delivering is in it.
//! - *burst*: `--burst` people change within a second; how long until the last is shown.
//! - *upkeep*: what Postgres then says of the tables that were written most: dead rows, updates in place, size.
//!
//! **How to read it.** Cost should grow with what changes, not with who is there: compare the columns. RSA decryption is the floor of
//! what a change costs, about a millisecond of one core; Postgres, the emulators (they sign and encrypt) and this program share the same
//! cores. Where the machine cannot take what is offered, changes overtake one another and the times say how long the queue was.

mod changes;
mod emulators;
mod report;
mod run;
#[path = "../surroundings/mod.rs"]
#[allow(dead_code, reason = "each benchmark takes what it needs")]
mod surroundings;
mod tenant;
mod upkeep;
mod watch;

use std::process::ExitCode;

use clap::Parser;

use crate::report::Report;
use crate::surroundings::postgres::Postgres;
use crate::surroundings::{Failure, begin, runtime};

/// Measures what a large tenant costs.
#[derive(Clone, Debug, Parser)]
#[command(name = "scale")]
pub struct Arguments {
    /// People of each tenant, one after the other.
    #[arg(long, value_delimiter = ',', default_values_t = [10_000, 100_000])]
    users: Vec<usize>,
    /// How long the gateway is watched at rest; the directories are read each 300 s.
    #[arg(long, default_value_t = 330)]
    rest_seconds: u64,
    /// Changes a second, in the part with a steady rate.
    #[arg(long, default_value_t = 1000)]
    per_second: usize,
    /// Changes in all, in that part.
    #[arg(long, default_value_t = 60_000)]
    changes: usize,
    /// People who change within one second, in the last part.
    #[arg(long, default_value_t = 10_000)]
    burst: usize,
    /// A tiny version that takes a minute: its figures mean nothing, but nothing may be lost.
    #[arg(long)]
    check: bool,
    /// Given by cargo.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(emulators::ARGUMENT) {
        return surroundings::ended(emulators::be().map(|()| true));
    }
    begin("scale", || {
        let arguments = Arguments::parse().sized()?;
        runtime()?.block_on(measure(arguments))
    })
}

impl Arguments {
    fn sized(mut self) -> Result<Self, Failure> {
        if self.check {
            (self.users, self.rest_seconds, self.per_second) = (vec![300, 1500], 5, 50);
            (self.changes, self.burst) = (500, 200);
        }
        let least = self.users.iter().min().copied().unwrap_or_default();
        if least == 0 || self.per_second == 0 || self.changes == 0 || self.rest_seconds == 0 {
            return Err("users, seconds and changes: at least one of each".into());
        }
        self.burst = self.burst.min(least);
        Ok(self)
    }
}

/// Measures one tenant after the other and tells the results; `true`: nothing was lost.
async fn measure(arguments: Arguments) -> Result<bool, Failure> {
    let postgres = Postgres::find_or_start().await?;
    let mut report = Report::new(&arguments);
    let mut result = Ok(());
    for users in &arguments.users {
        result = run::run(*users, &arguments, &postgres).await.map(|measured| report.add(measured));
        if result.is_err() {
            break;
        }
    }
    postgres.stop().await?;
    result?;
    println!("{report}");
    Ok(report.is_sound())
}
