//! `presence-gateway simulate`: plays made-up stories against the decision, and tells the first one that ends badly.

use std::process::ExitCode;

use clap::Args;

use super::Failure;
use crate::simulation::{Mutant, simulate};

/// Between two lines of progress.
const STORIES_PER_LINE: u64 = 10_000;

/// Play stories of two systems, their delays and their failures against the gateway's decision.
#[derive(Debug, Args)]
pub struct Simulate {
    /// How many stories.
    #[arg(long, default_value_t = 100_000)]
    stories: u64,
    /// The seed of the first; the others follow.
    #[arg(long, default_value_t = 0)]
    seed: u64,
}

impl Simulate {
    pub fn run(&self) -> Result<ExitCode, Failure> {
        let (mut played, mut events) = (0, 0);
        while played < self.stories {
            let next = STORIES_PER_LINE.min(self.stories - played);
            let report = simulate(self.seed.saturating_add(played), next, Mutant::None);
            played += report.stories;
            events += report.events;
            if let Some(failure) = report.failure {
                println!("{failure}");
                return Err(format!("a story ended badly; {played} were played").into());
            }
            println!("{played} of {} stories, {events} events: all ended well", self.stories);
        }
        Ok(ExitCode::SUCCESS)
    }
}
