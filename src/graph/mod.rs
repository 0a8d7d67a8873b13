//! Microsoft Graph as a protocol: who we are there, what we ask, and what it tells us.
//!
//! Nothing here waits for its turn: a call that is throttled, or that would break the request budget, fails at once with an
//! error saying how long to wait, and the caller's queue waits.

/// Makes the certificate that Graph encrypts for, and loads private keys.
pub mod certificate;

/// Users, presences and subscriptions over HTTP.
pub mod client;

/// Opens notifications by hand, for the command line.
pub mod decrypt;

/// Change notifications: received, verified, opened.
pub mod notification;

/// Asks what Graph allows us, and changes nothing.
pub mod probe;

/// Access tokens: the app's own and those of subscriber accounts.
pub mod token;

mod wire;

#[cfg(test)]
mod testing;

pub use wire::{SubscriptionId, http_client};
