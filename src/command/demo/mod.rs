//! Plays what users see when they call each other in Teams: on emulated systems, through the real chain, shown as it happens.

mod stage;
mod story;

use std::ffi::OsStr;
use std::io::{self, IsTerminal, Write};
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;

use self::stage::Stage;
use self::story::{ACTS, AFTERWARDS, Picture, Seen};
use super::Failure;
use super::signals::Signals;
use crate::config::{LogFormat, Sources, Telemetry};
use crate::store::embedded::Durability;
use crate::store::scratch::{ScratchDatabase, ScratchServer};
use crate::telemetry;

/// `presence-gateway demo`
#[derive(Debug, Args)]
pub(super) struct Demo {
    /// Play once, print one line a step, and exit 0 only if every step came true.
    #[arg(long)]
    headless: bool,
}

/// A step that takes longer has failed.
const STEP_MAX: Duration = Duration::from_secs(15);
/// How long each picture stands for people to read.
const READING_TIME: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_millis(10);

impl Demo {
    pub(super) async fn run(self, sources: &Sources, search_path: &OsStr, log_filter: Option<&str>) -> Result<ExitCode, Failure> {
        telemetry::init_logs(&Telemetry { log_format: LogFormat::Text }, Some(log_filter.unwrap_or("error")));
        let mut signals = Signals::listen()?;
        println!("Starting Microsoft Graph, XPhone Connect and the gateway between them ...");
        let url = sources.database_url();
        let server = tokio::select! {
            server = ScratchServer::find(url.as_ref(), Durability::Careless, search_path) => server?,
            () = signals.next() => return Ok(interrupted()),
        };
        let database = server.create(None).await?;
        let played = tokio::select! {
            played = self.perform(&database) => Some(played),
            () = signals.next() => None,
        };
        let removed = database.remove().await;
        server.stop().await?;
        let Some(played) = played else { return Ok(interrupted()) };
        removed?;
        played
    }

    /// Sets the stage, plays, and takes the stage down.
    async fn perform(&self, database: &ScratchDatabase) -> Result<ExitCode, Failure> {
        let began = tokio::time::Instant::now();
        let stage = Stage::set(database).await?;
        println!("Ready after {:.1} s: two users, a subscription, and nothing shown yet.", began.elapsed().as_secs_f64());
        let failed = self.play(&stage).await;
        stage.strike().await;
        let (failed, steps) = (failed?, 2 * ACTS.len());
        println!("{} of {steps} steps came true.", steps - failed);
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Plays every act and returns how many steps did not come true.
    async fn play(&self, stage: &Stage) -> Result<usize, Failure> {
        let mut failed = 0;
        for act in &ACTS {
            failed += usize::from(!self.step(stage, act.title, act.action, &act.during).await?);
            self.pause().await;
            failed += usize::from(!self.step(stage, act.title, "both hang up", &AFTERWARDS).await?);
            self.pause().await;
        }
        Ok(failed)
    }

    /// One change in Teams, and the wait until both systems show what they should.
    async fn step(&self, stage: &Stage, title: &str, action: &str, pictures: &[Picture; 2]) -> Result<bool, Failure> {
        let expected = pictures.map(Picture::seen);
        let began = tokio::time::Instant::now();
        stage.act(pictures).await?;
        let mut times = [None; 2];
        let mut seen = stage.seen().await?;
        while began.elapsed() < STEP_MAX && times.contains(&None) {
            for (time, (seen, expected)) in times.iter_mut().zip(seen.iter().zip(&expected)) {
                if time.is_none() && seen == expected {
                    *time = Some(began.elapsed());
                }
            }
            self.show_live(action, &seen)?;
            tokio::time::sleep(LOOK_EVERY).await;
            seen = stage.seen().await?;
        }
        self.clear_live()?;
        let came_true = !times.contains(&None);
        let told: Vec<String> =
            ["A", "B"].iter().zip(seen.iter().zip(times)).map(|(name, (seen, time))| told(name, seen, time)).collect();
        let separator = if self.headless { " | " } else { "\n       " };
        println!("{} {title}, {action}{separator}{}", if came_true { "ok  " } else { "FAIL" }, told.join(separator));
        Ok(came_true)
    }

    fn live(&self) -> bool {
        !self.headless && io::stdout().is_terminal()
    }

    fn show_live(&self, action: &str, seen: &[Seen; 2]) -> io::Result<()> {
        if !self.live() {
            return Ok(());
        }
        let [a, b] = seen;
        print!("\r\x1b[2K ... {action}  A: {} | {}  B: {} | {}", a.teams, a.xphone, b.teams, b.xphone);
        io::stdout().flush()
    }

    fn clear_live(&self) -> io::Result<()> {
        if self.live() {
            print!("\r\x1b[2K");
        }
        io::stdout().flush()
    }

    async fn pause(&self) {
        if self.live() {
            tokio::time::sleep(READING_TIME).await;
        }
    }
}

fn told(name: &str, seen: &Seen, time: Option<Duration>) -> String {
    let time = time.map_or("did not come true".to_owned(), |time| format!("after {} ms", time.as_millis()));
    format!("{name}: Teams {}, XPhone {}, {time}", seen.teams, seen.xphone)
}

fn interrupted() -> ExitCode {
    println!("\nInterrupted; everything was taken down.");
    ExitCode::from(130)
}
