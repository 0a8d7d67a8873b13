//! The port to whoever signs people in: what is asked there, and what comes of it.

use futures::future::BoxFuture;
use secrecy::SecretString;
use url::Url;

use crate::domain::ids::TeamsUserId;

/// Who signs people in for us: the one way from a request to somebody else's server.
pub trait Login: Send + Sync {
    /// Where to send the browser.
    fn address(&self, question: Question<'_>) -> Url;
    /// Finds out who came back.
    fn identify<'a>(&'a self, code: &'a str, question: Question<'a>) -> BoxFuture<'a, Result<SignedIn, NotSignedIn>>;
}

/// What a sign-in is told apart from all others by.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    /// Comes back with the browser.
    pub state: &'a str,
    /// Comes back inside the ID token.
    pub nonce: &'a str,
    /// The PKCE verifier.
    pub verifier: &'a str,
    /// Whether login data is to be remembered.
    pub remember: bool,
}

/// Who signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// The Teams account.
    pub account: TeamsUserId,
    /// Its name, to be shown.
    pub name: Option<String>,
    /// Login data, if it was asked for.
    pub login: LoginData,
}

/// What there is to be remembered.
#[derive(Debug)]
pub enum LoginData {
    /// It was not asked for, or not given.
    None,
    /// To be kept sealed.
    Given(SecretString),
    /// The account signs in elsewhere, such as with ADFS: its login data cannot be kept.
    Federated,
    /// Whether it can be kept is not known.
    Unclear,
}

/// Why nobody signed in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NotSignedIn {
    /// The code is of no use: once more from the beginning.
    Again,
    /// What came is not genuine.
    Forged,
    /// An account of another tenant.
    OtherTenant,
    /// The login server gives no answer.
    Later,
    /// The login server refuses us: the operator must do something.
    Refused,
}
