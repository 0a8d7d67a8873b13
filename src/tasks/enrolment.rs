//! Enrols subscriber accounts by device code: for the command line one at a time, for the admin API at a desk that waits for people.

pub mod desk;

use jiff::Timestamp;

use crate::domain::subscription::AccountId;
use crate::graph;
use crate::graph::token::{Delegated, DeviceCode, Enrolled};
use crate::store::audit::{Actor, Entry, Target};
use crate::store::{Store, StoreError, Tx};

/// Why an account could not be enrolled.
#[derive(Debug, thiserror::Error)]
pub enum EnrolmentError {
    /// Entra ID refused.
    #[error(transparent)]
    Token(#[from] graph::token::Error),
    /// Our memory fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another account signed in.
    #[error(
        "somebody else signed in than {expected}: nothing was kept; sign out in that browser, or use a private window, and try again"
    )]
    SomebodyElse {
        /// Who should have.
        expected: String,
    },
}

/// A device code that waits for one account to sign in with it.
#[derive(Debug)]
pub struct Enrolment {
    delegated: Delegated,
    expected: String,
    /// What to show to the person.
    pub code: DeviceCode,
}

impl Enrolment {
    /// Asks Entra ID for a code.
    ///
    /// # Errors
    /// It gives none.
    pub async fn begin(delegated: Delegated, expected: &str) -> Result<Self, graph::token::Error> {
        let code = delegated.start().await?;
        Ok(Self { delegated, expected: expected.to_owned(), code })
    }

    /// Waits until the person has signed in. Drop the future to stop waiting.
    ///
    /// # Errors
    /// Nobody signed in in time, or somebody else did.
    pub async fn signed_in(&self) -> Result<Enrolled, EnrolmentError> {
        let enrolled = self.delegated.poll(&self.code).await?;
        if enrolled.user_principal_name.eq_ignore_ascii_case(&self.expected) {
            Ok(enrolled)
        } else {
            Err(EnrolmentError::SomebodyElse { expected: self.expected.clone() })
        }
    }
}

/// Keeps an account that signed in, and remembers by whose doing.
///
/// # Errors
/// Postgres could not; the transaction is of no use any more.
pub async fn keep(
    store: &Store,
    tx: &mut Tx<'_>,
    enrolled: &Enrolled,
    (actor, remote): (&Actor, Option<std::net::IpAddr>),
    now: Timestamp,
) -> Result<(), StoreError> {
    let id = AccountId(enrolled.object_id.0);
    let name = enrolled.user_principal_name.as_str();
    let after = serde_json::json!({"user_principal_name": name});
    let target = Target { kind: "subscriber_account", id: Some(id.0.to_string()) };
    let entry = Entry { actor, remote, action: "subscriber account enrolled", target, before: None, after: Some(after) };
    store.enrol_account(tx, (id, name), &enrolled.refresh_token, &entry, now).await
}
