//! Plays what users see when they call each other in Teams or in XPhone: on emulated systems, through the real chain, shown as it happens.

mod deliveries;
mod play;
mod scenery;
mod screen;
mod server;
mod stage;
mod story;

use std::ffi::OsStr;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use self::play::Play;
use self::screen::Screen;
use self::stage::Stage;
use self::story::steps;
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
    /// What to emulate XPhone Connect by: its web API, or its Integration API as a WCF service that Mono runs.
    #[arg(long, value_enum, default_value_t = Way::Http)]
    xphone: Way,
}

/// How the gateway speaks to XPhone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Way {
    /// By the web API.
    Http,
    /// By the Integration API; needs Mono.
    NetTcp,
}

impl Demo {
    pub(super) async fn run(self, sources: &Sources, search_path: &OsStr, log_filter: Option<&str>) -> Result<ExitCode, Failure> {
        telemetry::init_logs(
            &Telemetry { log_format: LogFormat::Text, otlp_endpoint: None, traces_percent: 0 },
            Some(log_filter.unwrap_or("error")),
        );
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
        let stage = Stage::set(database, self.xphone).await?;
        println!("Ready after {:.1} s: two users, a subscription, and nothing shown yet.", began.elapsed().as_secs_f64());
        let failed = self.play(&stage).await;
        stage.strike().await;
        let (failed, steps) = (failed?, steps(self.xphone == Way::Http).count());
        println!("{} of {steps} steps came true.", steps - failed);
        Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }

    /// Plays everything and returns how many steps did not come true.
    async fn play(&self, stage: &Stage) -> Result<usize, Failure> {
        let screen = Screen::new(self.headless);
        let mut play = Play::new(stage, &screen);
        let mut failed = 0;
        for step in steps(self.xphone == Way::Http) {
            failed += usize::from(!play.step(step).await?);
        }
        Ok(failed)
    }
}

fn interrupted() -> ExitCode {
    println!("\nInterrupted; everything was taken down.");
    ExitCode::from(130)
}
