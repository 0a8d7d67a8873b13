//! The program `presence-gateway`: reads the command line and the environment, and hands both over.

use std::process::ExitCode;

use clap::Parser;
use presence_gateway::command::{self, CommandLine, Surroundings};

#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
fn main() -> ExitCode {
    let surroundings = Surroundings {
        environment: std::env::vars().collect(),
        search_path: std::env::var_os("PATH").unwrap_or_default(),
        log_filter: std::env::var("RUST_LOG").ok(),
    };
    command::run(CommandLine::parse(), surroundings)
}
