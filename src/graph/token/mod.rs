//! Access tokens: the app's own, and those of accounts that signed in; and who it is that signs in with a browser.

mod app;
mod claims;
mod delegated;
mod error;
mod oauth;
mod person;
mod refreshing;

use std::fmt;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};

pub use app::Identity;
pub use claims::Claims;
pub use delegated::{Delegated, DeviceCode, Enrolled, Refreshed};
pub use error::Error;
pub use person::{People, Person, PersonError, Question, Realm};
pub use refreshing::RefreshingToken;

/// What a request to Graph carries, and until when it is good.
#[derive(Clone)]
pub struct AccessToken {
    secret: SecretString,
    expires_at: Timestamp,
}

impl AccessToken {
    /// A token as Entra ID gave it.
    #[must_use]
    pub fn new(secret: SecretString, expires_at: Timestamp) -> Self {
        Self { secret, expires_at }
    }

    /// When it ends.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.expires_at
    }

    pub(super) fn expose(&self) -> &str {
        self.secret.expose_secret()
    }

    fn is_same_as(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AccessToken(until {})", self.expires_at)
    }
}

#[cfg(test)]
mod tests;
