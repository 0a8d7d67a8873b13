//! Says whether a change of people is held back, and takes an operator's word for it.

use std::process::ExitCode;

use clap::{Args, Subcommand};
use jiff::Timestamp;

use super::Failure;
use super::output::say;
use crate::clock::Clock;
use crate::config::Sources;
use crate::store::Store;
use crate::store::audit::Actor;
use crate::store::directory::{Accepted, Refusal};

/// `presence-gateway directory`
#[derive(Debug, Args)]
pub(super) struct Directory {
    #[command(subcommand)]
    act: Act,
}

#[derive(Debug, Subcommand)]
enum Act {
    /// Say whether so many people would be dropped at once that it is held back, and who they are.
    Status,
    /// Agree that the people who are held back may be dropped: what is shown for them is taken back.
    Accept {
        /// How many people `status` names; if it is about others by now, nothing happens.
        #[arg(long)]
        people: usize,
        /// Who agrees, for the records; otherwise the operating system's user.
        #[arg(long)]
        by: Option<String>,
    },
}

impl Directory {
    pub(super) async fn run(self, sources: &Sources, actor: &Actor) -> Result<ExitCode, Failure> {
        let (_, store) = super::open_migrated(sources).await?;
        match self.act {
            Act::Status => status(&store).await,
            Act::Accept { people, by } => {
                let by = by.as_deref().or(actor.name()).unwrap_or("command line");
                accept(&store, people, (by, actor), Clock::system().now()).await
            }
        }
    }
}

async fn status(store: &Store) -> Result<ExitCode, Failure> {
    let Some(Refusal { since, seen_at, people, gone, unmatched, recent, dropped, accepted }) = store.directory_refusal().await?
    else {
        say!("nothing is held back");
        return Ok(ExitCode::SUCCESS);
    };
    say!("held back since {since}, last seen {seen_at}: {} of {people} people would be dropped", dropped.len());
    say!("{gone} are no longer in XPhone, {unmatched} are no longer matched or no longer at any location");
    if recent > 0 {
        say!("up to {recent} others were dropped within the day before, and count as well");
    }
    match accepted {
        Some((at, by)) => say!("accepted {at} by {by}; carried out when both systems have been read"),
        None => say!("if that is right: presence-gateway directory accept --people {}", dropped.len()),
    }
    for (user, why) in
        dropped.iter().zip((0..dropped.len()).map(|n| if n < gone { "gone" } else { "unmatched or without a location" }))
    {
        say!("{user} {why}");
    }
    Ok(ExitCode::SUCCESS)
}

async fn accept(store: &Store, people: usize, by: (&str, &Actor), now: Timestamp) -> Result<ExitCode, Failure> {
    match store.accept_directory(people, by, now).await? {
        Accepted::Done => {
            say!("accepted; carried out as soon as both systems have been read again");
            Ok(ExitCode::SUCCESS)
        }
        Accepted::NothingHeld => {
            eprintln!("nothing is held back");
            Ok(ExitCode::FAILURE)
        }
        Accepted::Others(held) => {
            eprintln!("nothing was accepted: {held} people are held back, not {people}; see presence-gateway directory status");
            Ok(ExitCode::FAILURE)
        }
    }
}
