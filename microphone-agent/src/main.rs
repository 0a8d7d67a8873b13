//! Tells the presence gateway which programs use this workstation's microphone: their names, and nothing else.
//!
//! [`linux`] follows the sound server, [`report`] tells the gateway; between them lies only what is in use now ([`programs`]). Nothing is
//! kept: while the gateway cannot be reached, what happened meanwhile is forgotten, and what is then in use is reported.

#[cfg(not(target_os = "linux"))]
compile_error!("the agent knows the sound servers of Linux only: see docs/microphone.md");

mod linux;
mod pace;
mod programs;
mod report;
mod settings;

use std::process::ExitCode;

use clap::Parser;
use tokio::sync::watch;

use settings::{Arguments, Settings};

fn main() -> ExitCode {
    match Settings::of(Arguments::parse()).map_err(|error| error.to_string()).and_then(run) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            say(&problem);
            ExitCode::FAILURE
        }
    }
}

fn run(settings: Settings) -> Result<(), String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the agent cannot run: {error}"))?;
    runtime.block_on(async {
        let ended = linux::asked_to_end().map_err(|error| format!("signals cannot be followed: {error}"))?;
        let reporter = report::Reporter::new(settings).map_err(|error| error.to_string())?;
        let (told, heard) = watch::channel(None);
        std::thread::Builder::new()
            .name("sound".to_owned())
            .spawn(move || linux::follow(&told))
            .map_err(|error| format!("no thread for the sound server: {error}"))?;
        reporter.report(heard, ended).await
    })
}

/// A line for the journal: never a token, never a program.
fn say(line: &str) {
    eprintln!("microphone-agent: {line}");
}
