//! Tells the presence gateway which programs use this workstation's microphone: their names, and nothing else.
//!
//! `system` follows the microphone, [`report`] tells the gateway; between them lies only what is in use now ([`programs`]). Nothing is
//! kept: while the gateway cannot be reached, what happened meanwhile is forgotten, and what is then in use is reported.
#![cfg_attr(windows, windows_subsystem = "windows")]

#[cfg(not(any(target_os = "linux", windows)))]
compile_error!("the agent knows Linux and Windows only: see docs/microphone.md");

#[cfg(any(windows, test))]
mod consent;
#[cfg(target_os = "linux")]
mod linux;
mod pace;
mod programs;
mod report;
mod settings;
#[cfg(windows)]
mod windows;

use std::process::ExitCode;

use clap::Parser;
use tokio::sync::watch;

#[cfg(target_os = "linux")]
use crate::linux as system;
#[cfg(windows)]
use crate::windows as system;
use settings::{Arguments, Settings};
use system::say;

fn main() -> ExitCode {
    #[cfg(windows)]
    system::attach_console();
    let arguments = Arguments::parse();
    let mut said = None;
    loop {
        let Err(problem) = Settings::of(&arguments).map_err(|error| error.to_string()).and_then(run) else {
            return ExitCode::SUCCESS;
        };
        if said.as_ref() != Some(&problem) {
            say(&problem);
            said = Some(problem);
        }
        let Some(pause) = system::BEGINS_ANEW_AFTER else { return ExitCode::FAILURE };
        std::thread::sleep(pause);
    }
}

fn run(settings: Settings) -> Result<(), String> {
    // Of two, the last word of one would end what the other reports. On Linux there is one unit for each user.
    #[cfg(windows)]
    let _alone = system::only_one().map_err(|_| "another agent runs in this session".to_owned())?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("the agent cannot run: {error}"))?;
    runtime.block_on(async {
        let ended = system::asked_to_end().map_err(|error| format!("whoever ends it cannot be heard: {error}"))?;
        let reporter = report::Reporter::new(settings).map_err(|error| error.to_string())?;
        let (told, heard) = watch::channel(None);
        std::thread::Builder::new()
            .name("sound".to_owned())
            .spawn(move || system::follow(&told))
            .map_err(|error| format!("no thread for the sound: {error}"))?;
        reporter.report(heard, ended).await
    })
}
