//! The command line: what an operator can ask for.

mod actor;
pub mod check;
mod decrypt;
#[cfg(feature = "emulator")]
mod demo;
mod directory;
#[cfg(feature = "emulator")]
mod emulate;
pub mod explain;
mod health;
mod mapping;
mod migrate;
mod output;
mod serve;
pub mod sign_in;
mod signals;
#[cfg(feature = "emulator")]
mod simulate;
mod statuses;
mod token;
mod tree;
mod withdraw;

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::config::{Config, Sources};
use crate::store::Store;
use crate::tasks::driver::chain;

/// Keeps presence in step between Microsoft Teams and XPhone Connect.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100)]
pub struct CommandLine {
    /// The settings file; else gateway.toml in this folder, if there. The environment (`GATEWAY__SECTION__KEY`) wins over it.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the gateway until it is told to stop.
    Serve(serve::Serve),
    /// Play what users see, on emulated systems and a database of its own; needs no settings.
    #[cfg(feature = "emulator")]
    Demo(demo::Demo),
    /// Run the emulators of Microsoft Graph and XPhone Connect alone.
    #[cfg(feature = "emulator")]
    Emulate(emulate::Emulate),
    /// Play made-up stories against the gateway's decision; needs no settings.
    #[cfg(feature = "emulator")]
    Simulate(simulate::Simulate),
    /// Ask the gateway that runs on this machine how it is; fails if it is not well.
    Health(health::Health),
    /// Check the settings and everything the gateway depends on: one line each, with what to do.
    Check(check::Check),
    /// Bring the database schema up to date.
    Migrate,
    /// Enrol a subscriber account: sign it in with a device code.
    SignIn(sign_in::SignIn),
    /// Make, list and revoke tokens for the admin API.
    Token(token::Token),
    /// Say why a user shows what they show.
    Explain(explain::Explain),
    /// Print what shows where, why and until when, as Markdown; needs no settings.
    Mapping,
    /// See and release what is held back because it would drop many people at once.
    Directory(directory::Directory),
    /// List the statuses that people show in XPhone, with the GUIDs by which the settings name them (net-tcp); needs no database.
    Statuses,
    /// Import locations, groups and who sits where, if XPhone's server does not tell them (net-tcp).
    Tree(tree::Tree),
    /// Take back everything the gateway shows, in XPhone and in Teams, before it is removed; refuses while a gateway runs.
    Withdraw(withdraw::Withdraw),
    /// Open an encrypted change notification and print what it says.
    Decrypt(decrypt::Decrypt),
}

/// What surrounds the program.
#[derive(Debug)]
pub struct Surroundings {
    /// The environment's variables.
    pub environment: Vec<(String, String)>,
    /// Where programs are looked for.
    pub search_path: OsString,
    /// Which log lines are wanted, such as `info,presence_gateway=debug`.
    pub log_filter: Option<String>,
}

/// Anything that ends a command; its chain of causes is printed.
type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs a command to its end.
#[must_use]
pub fn run(line: CommandLine, surroundings: Surroundings) -> ExitCode {
    let runtime = match tokio::runtime::Runtime::new() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("presence-gateway: cannot start its threads: {error}");
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(dispatch(line, surroundings)) {
        Ok(code) => code,
        Err(failure) if output::is_unread(&failure) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("presence-gateway: {}", chain(failure.as_ref()));
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(line: CommandLine, surroundings: Surroundings) -> Result<ExitCode, Failure> {
    let actor = actor::actor(&surroundings.environment);
    let sources = Sources::new(line.config, surroundings.environment);
    match line.command {
        Command::Serve(serve) => Box::pin(serve.run(&sources, surroundings.log_filter.as_deref())).await,
        #[cfg(feature = "emulator")]
        Command::Demo(demo) => demo.run(&sources, &surroundings.search_path, surroundings.log_filter.as_deref()).await,
        #[cfg(feature = "emulator")]
        Command::Emulate(emulate) => emulate.run().await,
        #[cfg(feature = "emulator")]
        Command::Simulate(simulate) => simulate.run(),
        Command::Health(health) => health.run(&sources).await,
        Command::Check(check) => Box::pin(check.run(&sources)).await,
        Command::Migrate => migrate::run(&sources).await,
        Command::SignIn(sign_in) => sign_in.run(&sources, &actor).await,
        Command::Token(token) => token.run(&sources, &actor).await,
        Command::Explain(explain) => explain.run(&sources).await,
        Command::Mapping => mapping::run(),
        Command::Directory(directory) => directory.run(&sources, &actor).await,
        Command::Statuses => statuses::run(&sources).await,
        Command::Tree(tree) => tree.run(&sources, &actor).await,
        Command::Withdraw(withdraw) => Box::pin(withdraw.run(&sources)).await,
        Command::Decrypt(decrypt) => decrypt.run(),
    }
}

/// The settings, and the database they name, as it is.
async fn open(sources: &Sources) -> Result<(Config, Store), Failure> {
    let config = Config::load(sources)?;
    let url = config.database.url.as_ref().ok_or("database.url is not set (GATEWAY__DATABASE__URL)")?;
    let store = Store::connect(url, config.database.connections_max, config.secrets.clone()).await?;
    Ok((config, store))
}

/// The same, for whoever needs the tables. Only `migrate` and `serve` make them: that may want another user's rights and an hour of
/// somebody's choosing.
async fn open_migrated(sources: &Sources) -> Result<(Config, Store), Failure> {
    let (config, store) = open(sources).await?;
    refuse_pending(&store).await?;
    Ok((config, store))
}

/// Stops whoever must not touch the schema, while it is not up to date.
async fn refuse_pending(store: &Store) -> Result<(), Failure> {
    match store.pending_migrations().await?.as_slice() {
        [] => Ok(()),
        pending => Err(format!("migrations are pending: {}; run `presence-gateway migrate`", pending.join(", ")).into()),
    }
}
