//! Enrols a subscriber account: shows a device code, waits until somebody signs in with it, keeps the refresh token sealed.

use std::process::ExitCode;

use clap::Args;

use super::Failure;
use super::output::{self, say};
use crate::clock::Clock;
use crate::config::{Config, Sources};
use crate::graph;
use crate::graph::token::{Delegated, DeviceCode};
use crate::store::audit::Actor;
use crate::store::{Store, StoreError, commit};
use crate::tasks::enrolment::{self, Enrolment, EnrolmentError};

/// `presence-gateway sign-in`
#[derive(Debug, Args)]
pub(super) struct SignIn {
    /// The account's sign-in name, such as presence-1@example.com.
    user_principal_name: String,
}

/// Why an account could not be enrolled.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be set up: are the system's root certificates there?")]
    Http(#[from] reqwest::Error),
    /// It could not be enrolled.
    #[error(transparent)]
    Enrolment(#[from] EnrolmentError),
}

impl From<graph::token::Error> for SignInError {
    fn from(error: graph::token::Error) -> Self {
        Self::Enrolment(error.into())
    }
}

impl From<StoreError> for SignInError {
    fn from(error: StoreError) -> Self {
        Self::Enrolment(error.into())
    }
}

impl SignIn {
    pub(super) async fn run(self, sources: &Sources, by: &Actor) -> Result<ExitCode, Failure> {
        let (config, store) = super::open_migrated(sources).await?;
        let show = |code: &DeviceCode| {
            // Whoever does not read this signs nobody in, and the code runs out.
            _ = output::line(format_args!("Open {} and enter the code {}", code.verification_uri, code.user_code));
            _ = output::line(format_args!("Sign in as {}; this waits until {}.", self.user_principal_name, code.expires_at));
        };
        enrol(&config, &store, &Clock::system(), &self.user_principal_name, by, show).await?;
        say!("{} is enrolled.", self.user_principal_name);
        Ok(ExitCode::SUCCESS)
    }
}

/// Signs an account in and keeps it; `show` tells a person where to enter which code.
///
/// # Errors
/// See [`SignInError`]; nothing was kept.
pub async fn enrol(
    config: &Config,
    store: &Store,
    clock: &Clock,
    user_principal_name: &str,
    by: &Actor,
    show: impl FnOnce(&DeviceCode),
) -> Result<(), SignInError> {
    let delegated = Delegated::new(&config.graph, graph::http_client()?, clock.clone())?;
    let enrolment = Enrolment::begin(delegated, user_principal_name).await?;
    show(&enrolment.code);
    let enrolled = enrolment.signed_in().await?;
    let mut tx = store.begin().await?;
    enrolment::keep(store, &mut tx, &enrolled, (by, None), clock.now()).await?;
    Ok(commit(tx).await?)
}
