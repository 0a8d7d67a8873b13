//! Enrols a subscriber account: shows a device code, waits until somebody signs in with it, keeps the refresh token sealed.

use std::process::ExitCode;

use clap::Args;

use super::Failure;
use crate::clock::Clock;
use crate::config::{Config, Sources};
use crate::domain::subscription::AccountId;
use crate::graph;
use crate::graph::token::{Delegated, DeviceCode};
use crate::store::{Store, StoreError};

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

impl SignIn {
    pub(super) async fn run(self, sources: &Sources) -> Result<ExitCode, Failure> {
        let (config, store) = super::open(sources).await?;
        store.migrate().await?;
        let show = |code: &DeviceCode| {
            println!("Open {} and enter the code {}", code.verification_uri, code.user_code);
            println!("Sign in as {}; this waits until {}.", self.user_principal_name, code.expires_at);
        };
        enrol(&config, &store, &Clock::system(), &self.user_principal_name, show).await?;
        println!("{} is enrolled.", self.user_principal_name);
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
    show: impl FnOnce(&DeviceCode),
) -> Result<(), SignInError> {
    let delegated = Delegated::new(&config.graph, graph::http_client()?, clock.clone())?;
    let code = delegated.start().await?;
    show(&code);
    let enrolled = delegated.poll(&code).await?;
    if !enrolled.user_principal_name.eq_ignore_ascii_case(user_principal_name) {
        return Err(SignInError::SomebodyElse { expected: user_principal_name.to_owned() });
    }
    let id = AccountId(enrolled.object_id.0);
    store.enrol_account(id, &enrolled.user_principal_name, &enrolled.refresh_token, clock.now()).await?;
    Ok(())
}
