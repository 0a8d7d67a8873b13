//! Change notifications: what is received proves nothing, what is verified came from Graph, what is opened can be believed.
//!
//! ```text
//! parse ──▶ Received ── subscription, clientState, tenant, tokens ──▶ Verified ── key, HMAC, AES ──▶ Opened
//! ```
//!
//! [`parse`] and verifying are cheap and run anywhere; [`Verified::open`] costs an RSA decryption (about a millisecond) and
//! belongs on a blocking thread. Of several verified notifications about one user only the newest needs opening.

mod open;
mod parse;
mod refusal;
mod tokens;
mod verify;

#[cfg(test)]
pub(super) mod fixture;

pub use open::{Opened, PrivateKeys, open_content};
pub use parse::{Batch, EncryptedContent, NotJson, Received, parse};
pub use refusal::Refusal;
pub use tokens::{KeysUnavailable, TokenVerifier, TokensGenuine};
pub use verify::{Expected, Lifecycle, LifecycleEvent, Verified};
