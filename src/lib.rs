//! Keeps presence in step between Microsoft Teams and XPhone Connect; this page is the map, in reading order.
//!
//! The gateway is a reconciler: whatever happens is recorded as a fact and wakes the reconciler; one pure function decides; one
//! outbox carries the decision out. `ARCHITECTURE.md` tells the whole story.

/// What is true and what to do about it: values and pure functions, without I/O and without a clock.
pub mod domain;

/// Time as an argument.
pub mod clock;

/// Leaves a server alone for as long as it asked.
mod gate;

/// Follows single changes through the gateway.
pub mod trace;

/// The keys that tokens of Entra ID are signed with.
mod jwks;

/// Every setting, read from a file and the environment, checked once.
pub mod config;

/// What operators see from outside: metrics and log lines.
pub mod telemetry;

/// Postgres, the only place with SQL.
pub mod store;

/// Microsoft Graph as a protocol.
pub mod graph;

/// XPhone Connect as a protocol.
pub mod xphone;

/// Everything that calls us.
pub mod http;

/// Everything that runs by itself.
pub mod tasks;

/// The composition root: wires everything, starts it, stops it.
pub mod app;

/// The command line.
pub mod command;

/// Microsoft Graph and XPhone Connect over real HTTP, for the demo and the tests.
#[cfg(feature = "emulator")]
pub mod emulator;

/// Proof by simulation: thousands of stories of two systems, their delays and their failures, told by seed.
#[cfg(feature = "emulator")]
pub mod simulation;
