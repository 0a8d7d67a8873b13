//! The desk at which the admin API asks for enrolments: it begins them, waits for the people, and notes how each ended.
//!
//! Codes are never stored, so an enrolment ends with its gateway. The row in the database outlives it: who waits says so again
//! and again, and whoever looks sees when nobody does any more.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Enrolment, EnrolmentError, keep};
use crate::clock::Clock;
use crate::graph::token::{self, Delegated, Enrolled};
use crate::store::audit::{self, Actor, Entry, Target};
use crate::store::enrolment::{Attempt, Outcome, begin_enrolment, end_enrolment};
use crate::store::{Store, StoreError, commit};
use crate::tasks::Activators;
use crate::tasks::driver::chain;

/// Enrolments that may wait for people at once.
pub const WAITING_MAX: usize = 16;
/// Entra ID answers within this, or the caller is told to come again.
const BEGUN_WITHIN: Duration = Duration::from_secs(10);
/// How often the desk says that it still waits.
const ALIVE_EVERY: Duration = Duration::from_secs(20);
/// For how long that is believed.
const ALIVE_FOR: SignedDuration = SignedDuration::from_secs(60);

/// What a person must do.
#[derive(Clone)]
pub struct Begun {
    /// Which attempt this is.
    pub id: Uuid,
    /// The address to open.
    pub verification_uri: String,
    /// What to type there.
    pub user_code: String,
    /// Until when.
    pub expires_at: Timestamp,
}

/// Why an enrolment was not begun.
#[derive(Debug)]
pub enum NotBegun {
    /// Too many wait already.
    Full,
    /// Entra ID gives no code just now, or the gateway stops.
    Later(Option<Duration>),
    /// Entra ID gives no code until the settings or the app registration change; says what to do.
    Refused(String),
    /// Our memory fails.
    Store(StoreError),
}

/// Who asks for an enrolment of whom.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who should sign in.
    pub user_principal_name: String,
    /// By whose doing.
    pub actor: Actor,
    /// From where.
    pub remote: IpAddr,
}

struct Request {
    asked: Asked,
    answer: oneshot::Sender<Result<Begun, NotBegun>>,
}

/// Where handlers ask.
#[derive(Clone, Debug)]
pub struct Enrolments(mpsc::Sender<Request>);

/// The other end: begins and waits.
pub struct Desk {
    requests: mpsc::Receiver<Request>,
    clerk: Clerk,
}

struct Clerk {
    /// The attempts that are waited for.
    waiting: Mutex<BTreeSet<Uuid>>,
    delegated: Delegated,
    store: Store,
    clock: Clock,
    activators: Activators,
}

/// Makes both ends.
#[must_use]
pub fn open(delegated: Delegated, store: Store, clock: Clock, activators: Activators) -> (Enrolments, Desk) {
    let (sender, requests) = mpsc::channel(WAITING_MAX);
    (Enrolments(sender), Desk { requests, clerk: Clerk { waiting: Mutex::default(), delegated, store, clock, activators } })
}

impl Enrolments {
    /// Begins an enrolment, in the place of an earlier one of the same account.
    ///
    /// # Errors
    /// See [`NotBegun`]; nothing waits.
    pub async fn begin(&self, asked: Asked) -> Result<Begun, NotBegun> {
        let (answer, answered) = oneshot::channel();
        self.0.try_send(Request { asked, answer }).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => NotBegun::Full,
            mpsc::error::TrySendError::Closed(_) => NotBegun::Later(None),
        })?;
        match tokio::time::timeout(BEGUN_WITHIN, answered).await {
            Ok(Ok(begun)) => begun,
            Ok(Err(_)) | Err(_) => Err(NotBegun::Later(None)),
        }
    }
}

impl Desk {
    /// Serves until `stop`. What waits then is given up: its codes are forgotten with this process.
    pub async fn run(self, stop: CancellationToken) {
        let Self { mut requests, clerk } = self;
        let mut waiting = FuturesUnordered::new();
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                Some(()) = waiting.next(), if !waiting.is_empty() => {}
                request = requests.recv() => {
                    let Some(request) = request else { break };
                    waiting.push(clerk.serve(request, waiting.len() < WAITING_MAX));
                }
            }
        }
        clerk.give_up().await;
    }
}

impl Clerk {
    fn serve(&self, request: Request, has_room: bool) -> BoxFuture<'_, ()> {
        Box::pin(async move {
            let Request { asked, answer } = request;
            if !has_room {
                _ = answer.send(Err(NotBegun::Full));
                return;
            }
            match self.begin(&asked).await {
                Err(refused) => _ = answer.send(Err(refused)),
                Ok((enrolment, attempt)) => {
                    let code = &enrolment.code;
                    let (verification_uri, user_code) = (code.verification_uri.clone(), code.user_code.clone());
                    // Nobody can enter a code that nobody was told.
                    if answer.send(Ok(Begun { id: attempt.id, verification_uri, user_code, expires_at: code.expires_at })).is_ok()
                    {
                        self.waiting().insert(attempt.id);
                        self.wait(&enrolment, &attempt, &asked).await;
                        self.waiting().remove(&attempt.id);
                    }
                }
            }
        })
    }

    fn waiting(&self) -> MutexGuard<'_, BTreeSet<Uuid>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says so at once of what is waited for no more; without it, it would be seen within a minute.
    async fn give_up(&self) {
        let attempts: Vec<Uuid> = self.waiting().iter().copied().collect();
        if let Err(error) = self.store.give_up_enrolments(&attempts, self.clock.now()).await {
            tracing::warn!(error = %chain(&error), "it could not be noted that enrolments are given up");
        }
    }

    async fn begin(&self, asked: &Asked) -> Result<(Enrolment, Attempt), NotBegun> {
        let name = asked.user_principal_name.as_str();
        let enrolment = Enrolment::begin(self.delegated.clone(), name).await.map_err(not_begun)?;
        let expires_at = enrolment.code.expires_at;
        let attempt = Attempt { id: Uuid::new_v4(), user_principal_name: name.to_owned(), expires_at };
        self.note_begun(asked, &attempt).await.map_err(NotBegun::Store)?;
        Ok((enrolment, attempt))
    }

    async fn note_begun(&self, asked: &Asked, attempt: &Attempt) -> Result<(), StoreError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        begin_enrolment(&mut tx, attempt, now, now + ALIVE_FOR).await?;
        let after = serde_json::json!({"user_principal_name": attempt.user_principal_name});
        let entry = Entry {
            actor: &asked.actor,
            remote: Some(asked.remote),
            action: "subscriber account enrolment begun",
            target: Target { kind: "subscriber_account", id: None },
            before: None,
            after: Some(after),
        };
        audit::record(&mut tx, &entry, now).await?;
        commit(tx).await
    }

    /// Waits for the person until a newer attempt for the same account takes this one's place.
    async fn wait(&self, enrolment: &Enrolment, attempt: &Attempt, asked: &Asked) {
        let mut signed_in = std::pin::pin!(enrolment.signed_in());
        let signed_in = loop {
            tokio::select! {
                signed_in = &mut signed_in => break signed_in,
                () = tokio::time::sleep(ALIVE_EVERY) => {
                    match self.store.note_enrolment_alive(attempt.id, self.clock.now() + ALIVE_FOR).await {
                        Ok(false) => return,
                        Ok(true) => {}
                        Err(error) => tracing::warn!(error = %chain(&error), "it could not be noted that an enrolment still waits"),
                    }
                }
            }
        };
        if let Err(error) = self.end(signed_in, attempt, asked).await {
            tracing::error!(error = %chain(&error), "the end of an enrolment could not be kept: it must be begun anew");
        }
    }

    async fn end(&self, signed_in: Result<Enrolled, EnrolmentError>, attempt: &Attempt, asked: &Asked) -> Result<(), StoreError> {
        let now = self.clock.now();
        let (outcome, problem) = match &signed_in {
            Ok(_) => (Outcome::Enrolled, None),
            Err(error) => (sorted(error), Some(told(error))),
        };
        let mut tx = self.store.begin().await?;
        if !end_enrolment(&mut tx, attempt.id, outcome, problem.as_deref(), now).await? {
            return Ok(());
        }
        if let Ok(enrolled) = &signed_in {
            keep(&self.store, &mut tx, enrolled, (&asked.actor, Some(asked.remote)), now).await?;
        }
        commit(tx).await?;
        self.activators.subscriptions.wake();
        Ok(())
    }
}

fn not_begun(error: token::Error) -> NotBegun {
    match error {
        token::Error::Throttled { retry_after } => NotBegun::Later(Some(retry_after)),
        token::Error::Unreachable { .. } => NotBegun::Later(None),
        error => NotBegun::Refused(error.to_string()),
    }
}

fn sorted(error: &EnrolmentError) -> Outcome {
    match error {
        EnrolmentError::SomebodyElse { .. } => Outcome::SomebodyElse,
        EnrolmentError::Token(token::Error::NotApproved { .. }) => Outcome::NotApproved,
        EnrolmentError::Token(_) | EnrolmentError::Store(_) => Outcome::Failed,
    }
}

/// For who looks at the list, who knows whose attempt it was.
fn told(error: &EnrolmentError) -> String {
    match error {
        EnrolmentError::SomebodyElse { .. } => {
            "somebody else signed in, and nothing was kept: sign out in that browser, or use a private window, and begin anew"
                .to_owned()
        }
        error => chain(error),
    }
}
