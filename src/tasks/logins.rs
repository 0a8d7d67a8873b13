//! Proves links anew with the login data that users left: while Entra ID takes it, the account is still theirs.
//!
//! Login data is used for this and for nothing else. Each use keeps it alive; what Entra ID takes no more is forgotten, and the
//! link says that its user would have to sign in again.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use uuid::Uuid;

use super::driver::Task;
use super::tenure::Tenure;
use super::{Progress, TaskError};
use crate::clock::Clock;
use crate::graph::token::{Error, People, PersonError};
use crate::store::Store;
use crate::store::kept_login::DueLogin;
use crate::store::lease::Lease;

const LEASE: &str = "logins";
/// In one run; each is a request to Entra ID.
const LOGINS_PER_RUN_MAX: usize = 20;
/// So many failures say that it is not about one login.
const FAILURES_MAX: usize = 3;

/// Proves links anew.
pub struct Logins {
    /// Our memory.
    pub store: Store,
    /// Who says whose login data it is.
    pub people: Arc<People>,
    /// Who we are among the replicas.
    pub replica: Uuid,
    /// Time.
    pub clock: Clock,
}

impl Task for Logins {
    fn name(&self) -> &'static str {
        "logins"
    }

    fn run(&self) -> BoxFuture<'_, Result<Progress, TaskError>> {
        let lease = Lease { name: LEASE, holder: self.replica };
        let renewed = Tenure { store: &self.store, clock: &self.clock, lease }.during(self.renew_due());
        renewed.map(|renewed| renewed.map(|progress| progress.unwrap_or(Progress::Idle))).boxed()
    }
}

impl Logins {
    async fn renew_due(&self) -> Result<Progress, TaskError> {
        let forgotten = self.store.forget_unwanted_logins().await?;
        if forgotten > 0 {
            tracing::info!(users = forgotten, "login data was forgotten: what is set no longer says to remember it");
        }
        let due = self.store.logins_due(self.clock.now(), LOGINS_PER_RUN_MAX).await?;
        if due.unopenable > 0 {
            let users = due.unopenable;
            tracing::error!(users, "no key opens login data that was kept: give the key that sealed it in secrets.previous_keys");
        }
        let is_full = due.logins.len() + due.unopenable == LOGINS_PER_RUN_MAX;
        let mut failures = Vec::new();
        for login in &due.logins {
            match self.renew(login).await {
                Ok(()) => {}
                Err(error @ TaskError::Store(_)) => return Err(error),
                Err(error) => {
                    self.store.put_login_off(login, self.clock.now()).await?;
                    failures.push(error);
                }
            }
            if failures.len() >= FAILURES_MAX {
                break;
            }
        }
        let progress = if is_full { Progress::More } else { Progress::Idle };
        failures.pop().map_or(Ok(progress), Err)
    }

    /// Fails with what only time or the operator cures; the login is as good as it was.
    async fn renew(&self, login: &DueLogin) -> Result<(), TaskError> {
        let problem = match self.people.identify_again(&login.refresh_token).await {
            Ok(person) if person.id == login.link.teams_user => {
                let token = person.refresh_token.as_ref();
                return Ok(self.store.note_login_renewed(login, token, self.clock.now()).await?);
            }
            Ok(_) => "Entra ID says that it is somebody else's".to_owned(),
            Err(error @ PersonError::OtherTenant) => error.to_string(),
            Err(PersonError::NotGenuine(_)) => {
                return Err(TaskError::Implausible("Entra ID gave an ID token that proves nothing"));
            }
            Err(PersonError::Token(Error::SignInAgain { code, .. } | Error::NotApproved { code })) => {
                format!("Entra ID wants the user to sign in again ({code})")
            }
            Err(PersonError::Token(error)) => return Err(error.into()),
            Err(PersonError::Keys(_)) => return Err(TaskError::Implausible("Entra ID's signing keys cannot be had just now")),
        };
        let user = login.link.user;
        tracing::warn!(%user, reason = %problem, "a user would have to sign in again to prove the link to Teams");
        Ok(self.store.note_login_problem(login, &problem).await?)
    }
}
