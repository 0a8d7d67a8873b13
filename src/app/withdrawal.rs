//! Takes back everything the gateway shows, with the tasks that show it: they decide as if nothing were to be shown.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use jiff::Timestamp;
use uuid::Uuid;

use super::StartError;
use super::parts::Parts;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::subscription::AccountId;
use crate::graph::client::Client;
use crate::graph::token::Delegated;
use crate::store::account::Account;
use crate::store::subscription::{Lists, StoredSubscription};
use crate::store::withdrawal::Left;
use crate::store::{Store, StoreError};
use crate::tasks::confirmer::Confirmer;
use crate::tasks::dispatcher::{Dispatcher, TeamsCourier, XphoneCourier};
use crate::tasks::driver::{Task, chain};
use crate::tasks::opener::Backlog;
use crate::tasks::reconciler::{Purpose, Reconciler};
use crate::tasks::subscriptions::{account_token, is_ours};
use crate::tasks::{Activators, Progress, TaskError};
use crate::telemetry::Metrics;
use crate::trace::Tracer;
use crate::xphone::{APPOINTMENT_KEY, XPhone};
use crate::{graph, xphone};

/// Appointments deleted at the same time that nothing is recorded about.
const STRAYS_AT_ONCE: usize = 8;
/// How often they are looked for: what was on its way may arrive after the first look.
const STRAY_LOOKS_MAX: usize = 4;
/// Nobody who asks to wait is waited for longer than this.
const WAIT_MAX: Duration = Duration::from_secs(30);

/// Takes everything back.
pub struct Withdrawal {
    store: Store,
    clock: Clock,
    reconciler: Reconciler,
    xphone_dispatcher: Dispatcher<XphoneCourier>,
    teams_dispatcher: Dispatcher<TeamsCourier>,
    confirmer: Confirmer,
    xphone: Arc<XPhone>,
    graph: Arc<Client>,
    delegated: Delegated,
    origin: String,
    client_id: Uuid,
}

/// What the look at XPhone brought to light.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Strays {
    /// Appointments of ours that nothing was recorded about, taken away.
    pub removed: usize,
    /// Appointments of our origin under others' keys, left alone.
    pub others: usize,
}

/// A subscription that could not be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undeleted {
    /// Whose.
    pub user_principal_name: String,
    /// Why.
    pub problem: String,
    /// When it ends by itself.
    pub ends_at: Timestamp,
}

impl Withdrawal {
    /// Prepares, and changes nothing yet.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn new(config: &Config, store: Store, clock: Clock) -> Result<Self, StartError> {
        let (metrics, activators, tracer) = (Metrics::new()?, Activators::default(), Tracer::off());
        let parts = Parts {
            config,
            store: &store,
            clock: &clock,
            metrics: &metrics,
            tracer: &tracer,
            activators: &activators,
            replica: Uuid::new_v4(),
        };
        let http = graph::http_client()?;
        let graph = Arc::new(parts.graph(http.clone())?);
        let xphone = Arc::new(XPhone::new(&config.xphone, clock.clone())?);
        Ok(Self {
            reconciler: Reconciler(parts.decider(Purpose::Withdraw)),
            xphone_dispatcher: parts.xphone_dispatcher(Arc::clone(&xphone)),
            teams_dispatcher: parts.teams_dispatcher(Arc::clone(&graph)),
            confirmer: Confirmer { reading: Arc::new(parts.reading(Arc::clone(&graph))), backlog: Backlog::default() },
            delegated: Delegated::new(&config.graph, http, clock.clone())?,
            origin: config.xphone.origin.clone(),
            client_id: config.graph.client_id,
            xphone,
            graph,
            store,
            clock,
        })
    }

    /// Wakes everybody who is concerned; to be done once, before the passes.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn begin(&self) -> Result<(), StoreError> {
        self.store.hurry_everything(self.clock.now()).await
    }

    /// Decides for everybody whose time has come, sends what can be sent now, and makes the reads that were asked for. The second
    /// value says why Teams could not be read.
    ///
    /// # Errors
    /// Postgres fails; what was not done is done by the next pass.
    pub async fn pass(&self) -> Result<(Left, Option<TaskError>), TaskError> {
        while self.reconciler.run().await? == Progress::More {}
        let (to_xphone, to_teams, read) =
            tokio::join!(self.xphone_dispatcher.run(), self.teams_dispatcher.run(), self.confirmer.run());
        to_xphone?;
        to_teams?;
        let unread = match read {
            Err(TaskError::Store(error)) => return Err(error.into()),
            read => read.err(),
        };
        Ok((self.store.left().await?, unread))
    }

    /// Takes away what carries our origin and our key in XPhone though nothing is recorded about it.
    ///
    /// # Errors
    /// As XPhone fails.
    pub async fn remove_strays(&self) -> Result<Strays, xphone::Error> {
        let mut strays = Strays::default();
        for _ in 0..STRAY_LOOKS_MAX {
            let listed = match self.xphone.appointments(&self.origin).await {
                Ok(listed) => listed,
                Err(error) => {
                    wait_as_asked(error).await?;
                    continue;
                }
            };
            let (ours, others): (Vec<_>, Vec<_>) = listed.into_iter().partition(|one| one.key == APPOINTMENT_KEY);
            strays.others = others.len();
            if ours.is_empty() {
                return Ok(strays);
            }
            let deletions = ours.iter().map(|one| self.xphone.delete_appointment(one.user, APPOINTMENT_KEY));
            let deleted: Vec<_> = futures::stream::iter(deletions).buffer_unordered(STRAYS_AT_ONCE).collect().await;
            for deleted in deleted {
                match deleted {
                    Ok(()) => strays.removed += 1,
                    Err(error) => wait_as_asked(error).await?,
                }
            }
        }
        let listed = self.xphone.appointments(&self.origin).await?;
        let left = listed.iter().filter(|one| one.key == APPOINTMENT_KEY).count();
        let reason = format!("{left} appointments of ours that it was told to remove");
        if left == 0 { Ok(strays) } else { Err(xphone::Error::Contract { call: "appointments", reason }) }
    }

    /// Deletes every subscription to presence that this app registration has under its subscriber accounts, and forgets it. What
    /// could not be deleted is told.
    ///
    /// # Errors
    /// Postgres fails.
    pub async fn end_subscriptions(&self) -> Result<Vec<Undeleted>, StoreError> {
        let (accounts, stored) = (self.store.accounts().await?, self.store.subscriptions(&mut Lists::default()).await?);
        let mut undeleted = Vec::new();
        for account in accounts {
            let recorded: Vec<&StoredSubscription> = stored.iter().filter(|one| one.account == account.id).collect();
            match self.end_those_of(account.id, &recorded).await {
                Ok(()) => {}
                Err(TaskError::Store(error)) if !matches!(error, StoreError::Sealed) => return Err(error),
                Err(error) => undeleted.extend(self.undeleted(&account, &recorded, &error)),
            }
        }
        Ok(undeleted)
    }

    async fn end_those_of(&self, account: AccountId, recorded: &[&StoredSubscription]) -> Result<(), TaskError> {
        let token = account_token(&self.store, &self.delegated, account, &self.clock).await?;
        for subscription in self.graph.list_subscriptions(&token).await? {
            if is_ours(&subscription, self.client_id) {
                self.graph.delete_subscription(&token, &subscription.id).await?;
            }
        }
        for subscription in recorded {
            self.store.forget_subscription(subscription.id, self.clock.now()).await?;
        }
        Ok(())
    }

    /// An account that is known to have no subscription any more has nothing that could be left.
    fn undeleted(&self, account: &Account, recorded: &[&StoredSubscription], error: &TaskError) -> Option<Undeleted> {
        let now = self.clock.now();
        let ends_at = recorded.iter().map(|one| one.expires_at).filter(|ends_at| *ends_at > now).max()?;
        let user_principal_name = account.user_principal_name.clone();
        Some(Undeleted { user_principal_name, problem: chain(error), ends_at })
    }

    /// Everything is taken back: what was observed is forgotten, so that whoever serves next reads both sides first.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn finish(&self) -> Result<(), StoreError> {
        self.store.forget_everything_observed().await
    }
}

/// Waits where that is all that is asked; every other failure is the caller's.
async fn wait_as_asked(error: xphone::Error) -> Result<(), xphone::Error> {
    let xphone::Error::Wait { retry_after } = error else { return Err(error) };
    tokio::time::sleep(retry_after.min(WAIT_MAX)).await;
    Ok(())
}
