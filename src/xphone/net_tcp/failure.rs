//! The ways a connection and a call over it fail, before they are sorted by what the caller can do.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use nettcp::{Malformed, soap};

use crate::xphone::Error;
use crate::xphone::error::Silence;

/// Why a connection is over, or could not be made.
#[derive(Clone, Debug, thiserror::Error)]
pub(super) enum Failure {
    /// The network, or TLS.
    #[error("the connection broke")]
    Network(#[source] Arc<io::Error>),
    /// The other side does not speak as it should.
    #[error("the server's bytes cannot be read")]
    Malformed(#[from] Malformed),
    /// The other side refuses the connection, by an address that tells why.
    #[error("the server refuses the connection: {0}")]
    Refused(String),
    /// The other side said that nothing more comes.
    #[error("the server ended the connection")]
    Ended,
    /// Something came that has no place there.
    #[error("the server sent {0} where it may not")]
    OutOfPlace(&'static str),
    /// Nothing came in time.
    #[error(transparent)]
    Silent(#[from] Silence),
    /// More events came than we could take.
    #[error("events came faster than they could be taken")]
    Behind,
    /// A refusal that does not say which of several questions it is about.
    #[error("the server refused one of several questions and did not say which")]
    Unattributed,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Network(Arc::new(error))
    }
}

/// Why a call has no answer.
#[derive(Clone, Debug)]
pub(super) enum CallError {
    /// It surely did not arrive.
    NotSent(Failure),
    /// It may have arrived.
    Lost(Failure),
    /// The server refuses.
    Fault(soap::Fault),
    /// The answer is not what the contract says.
    Strange(&'static str),
}

/// A server that refuses although nobody asked anything wrong.
#[derive(Clone, Debug, thiserror::Error)]
#[error("the server answered with a fault of its own ({0})")]
pub(super) struct ServerFault(String);

/// What a call is about, for sorting its failures.
#[derive(Clone, Copy, Debug)]
pub(super) struct About {
    /// How it is called in errors.
    pub call: &'static str,
    /// Whether it changes something.
    pub changes: bool,
    /// Whether a refusal concerns one user only.
    pub one: bool,
}

impl CallError {
    /// Sorted by what the caller can do. A fault's text may name people and is left out.
    pub(super) fn sorted(self, about: About) -> Error {
        match self {
            Self::NotSent(failure) => unreachable(failure),
            Self::Lost(failure) => Error::Unreachable { maybe_applied: about.changes, source: Arc::new(failure) },
            Self::Strange(what) => Error::Contract { call: about.call, reason: what.to_owned() },
            Self::Fault(fault) => {
                let words = words(&fault);
                match (is_the_servers(&fault), about.one) {
                    (true, _) => Error::Unreachable { maybe_applied: about.changes, source: Arc::new(ServerFault(words)) },
                    (false, true) => Error::Refused { status: REFUSED, reason: format!("the server's fault says {words}") },
                    (false, false) => Error::Contract { call: about.call, reason: format!("the fault {words}") },
                }
            }
        }
    }
}

/// As HTTP would say it: what was asked cannot be done.
const REFUSED: u16 = 422;

/// A connection that cannot be made, or is gone before anything was sent.
pub(super) fn unreachable(failure: Failure) -> Error {
    Error::Unreachable { maybe_applied: false, source: Arc::new(failure) }
}

/// Whether the server failed by itself, like HTTP's 5xx.
fn is_the_servers(fault: &soap::Fault) -> bool {
    let internal = |word: &String| word == "InternalServiceFault";
    fault.code == "Receiver" || internal(&fault.code) || fault.subcodes.iter().any(internal)
}

/// Words of the protocol, letters only: whoever writes the fault chooses them.
fn words(fault: &soap::Fault) -> String {
    const LENGTH_MAX: usize = 100;
    let words = std::iter::once(&fault.code).chain(&fault.subcodes).map(String::as_str).collect::<Vec<_>>().join("/");
    words.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '/').take(LENGTH_MAX).collect()
}

pub(super) fn silent(after: Duration) -> Failure {
    Failure::Silent(Silence(after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_sorted_by_whose_they_are() {
        let fault = |code: &str, subcodes: &[&str]| {
            let subcodes = subcodes.iter().map(|&word| word.to_owned()).collect();
            CallError::Fault(soap::Fault { code: code.to_owned(), subcodes, reason: "anna@example.org is unknown".to_owned() })
        };
        let one = About { call: "set presence", changes: true, one: true };
        let all = About { call: "presence map", changes: false, one: false };
        let refused = fault("Sender", &[]).sorted(one);
        assert!(refused.is_about_one() && !refused.to_string().contains("anna"));
        assert!(matches!(fault("Sender", &["ActionNotSupported"]).sorted(all), Error::Contract { .. }));
        assert!(matches!(fault("Receiver", &[]).sorted(one), Error::Unreachable { maybe_applied: true, .. }));
        assert!(matches!(fault("InternalServiceFault", &[]).sorted(all), Error::Unreachable { maybe_applied: false, .. }));
        assert!(matches!(fault("Receiver", &["InternalServiceFault"]).sorted(one), Error::Unreachable { .. }));
        assert!(matches!(CallError::NotSent(Failure::Ended).sorted(one), Error::Unreachable { maybe_applied: false, .. }));
        assert!(matches!(CallError::Lost(Failure::Ended).sorted(one), Error::Unreachable { maybe_applied: true, .. }));
        assert!(matches!(CallError::Lost(Failure::Ended).sorted(all), Error::Unreachable { maybe_applied: false, .. }));
    }
}
