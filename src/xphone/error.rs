//! The ways a call to XPhone fails, sorted by what the caller can do.

use std::sync::Arc;
use std::time::Duration;

/// Why XPhone did not do what it was asked.
///
/// Messages carry no name, address, token or body and may be logged.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The server asks everybody to wait; nothing was applied.
    #[error("XPhone asks to wait {} seconds", retry_after.as_secs())]
    Wait {
        /// How long, from now.
        retry_after: Duration,
    },
    /// The server is away, or fails; repeat with growing, jittered pauses.
    #[error("XPhone cannot be reached or fails, {}: {}", effect(*.maybe_applied), cause(.source.as_ref()))]
    Unreachable {
        /// Whether the server may have done what it was asked before it, or the line to it, broke.
        maybe_applied: bool,
        /// What happened.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
    /// The server refuses this for this one user or place; others are not concerned. Repeating changes nothing until the cause is
    /// removed.
    #[error("XPhone refuses this, and only this ({status})")]
    Refused {
        /// The HTTP status, such as 404 for a user that is not there.
        status: u16,
        /// What the server said, without what may be personal.
        reason: String,
    },
    /// The server does not let us in; nothing works until an operator has looked.
    #[error("XPhone refuses our log-in ({reason}): check xphone.account_name and xphone.password, and that account's rights")]
    LogIn {
        /// What the server said.
        reason: String,
    },
    /// The server no longer holds the events asked for: read the snapshot and go on from its sequence, even if it is lower.
    #[error("XPhone no longer holds these events: read everybody's presence and go on from there")]
    Gone,
    /// The server answered what it should not; nothing works until an operator has looked.
    #[error("XPhone answered {call} with {reason}: check the server's address in [xphone], and its version")]
    Contract {
        /// Which call.
        call: &'static str,
        /// What was wrong, without the answer's content.
        reason: String,
    },
    /// Our own side of the connection cannot be built, for instance for want of root certificates.
    #[error("cannot set up the connection to XPhone: {}", cause(.source.as_ref()))]
    SetUp {
        /// What is wrong.
        source: Arc<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// What the server said in its own words, as far as they name nobody; for whoever may see the user that it is about, not for the log.
    #[must_use]
    pub fn words(&self) -> Option<&str> {
        match self {
            Self::Refused { reason, .. } => Some(reason),
            _ => None,
        }
    }

    /// Whether only the user or place that the call was about is concerned, so that calls about others may go on.
    #[must_use]
    pub fn is_about_one(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }

    /// Whether the server may have done what it was asked.
    #[must_use]
    pub fn maybe_applied(&self) -> bool {
        matches!(self, Self::Unreachable { maybe_applied: true, .. })
    }

    /// The same failure of something that went before the call itself, such as logging in: the call was surely not applied.
    pub(super) fn before_the_call(self) -> Self {
        match self {
            Self::Unreachable { source, .. } => Self::Unreachable { maybe_applied: false, source },
            other => other,
        }
    }
}

fn effect(maybe_applied: bool) -> &'static str {
    if maybe_applied { "and may have done what we asked" } else { "and did not do what we asked" }
}

/// The innermost cause: outer ones only say that something went wrong.
fn cause(mut error: &(dyn std::error::Error + 'static)) -> String {
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

/// A server that answers with a failure of its own.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the server answered {0}")]
pub(super) struct ServerFailure(pub(super) u16);

/// An event stream without even a sign of life.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("nothing came for {} seconds", .0.as_secs())]
pub(super) struct Silence(pub(super) Duration);
