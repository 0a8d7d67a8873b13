//! What surrounds the gateway while it is measured, the same for every benchmark: its process, its database, its people, and whoever
//! lets it into the other systems. What those systems tell and do is each benchmark's own.

pub mod figures;
pub mod gateway;
pub mod machine;
pub mod notification;
pub mod observer;
pub mod people;
pub mod postgres;
pub mod welcome;

use std::process::ExitCode;

use presence_gateway::tasks::driver::chain;

/// Whatever goes wrong ends the benchmark.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Runs a benchmark; `measure` says whether all is well. This same program is the gateway if its first word says so.
pub fn begin(name: &str, measure: impl FnOnce() -> Result<bool, Failure>) -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(gateway::ARGUMENT) {
        return ended(gateway::be().map(|()| true));
    }
    // `cargo test --all-targets` runs benchmarks too, without this word: then there is nothing to do.
    if !std::env::args().any(|argument| argument == "--bench" || argument == "--help") {
        eprintln!("nothing measured: run `cargo bench --bench {name}`");
        return ExitCode::SUCCESS;
    }
    ended(measure())
}

/// How a program of a benchmark ends.
pub fn ended(result: Result<bool, Failure>) -> ExitCode {
    match result {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(failure) => {
            eprintln!("the benchmark failed: {}", chain(failure.as_ref()));
            ExitCode::FAILURE
        }
    }
}

/// What a benchmark runs on, and the gateway in its own process.
pub fn runtime() -> Result<tokio::runtime::Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread().enable_all().build()?)
}
