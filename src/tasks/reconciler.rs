//! Decides for whoever's time has come: loads, decides, stores decision and pushes in one transaction.

use futures::FutureExt;
use futures::future::BoxFuture;

use super::driver::Task;
use super::{Activators, Progress, TaskError};
use crate::clock::Clock;
use crate::domain::reconcile::decide;
use crate::domain::slot::{Slot, SlotName};
use crate::store::decision::{self, Decided};
use crate::store::{Store, commit};
use crate::telemetry::Metrics;

/// Users decided for in one transaction.
const USERS_MAX: usize = 500;

/// Decides.
#[derive(Debug)]
pub struct Reconciler {
    /// Our memory.
    pub store: Store,
    /// Time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
    /// Whom this wakes.
    pub activators: Activators,
}

impl Task for Reconciler {
    fn name(&self) -> &'static str {
        "reconciler"
    }

    fn run(&self) -> BoxFuture<'_, Result<Progress, TaskError>> {
        self.reconcile().boxed()
    }
}

impl Reconciler {
    async fn reconcile(&self) -> Result<Progress, TaskError> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let due = decision::load_due(&mut tx, now, USERS_MAX).await?;
        if due.is_empty() {
            return Ok(Progress::Idle);
        }
        let decide = |due: decision::Due| {
            let decision = decide(&due.snapshot);
            Decided { due, decision }
        };
        let decided: Vec<Decided> = due.into_iter().map(decide).collect();
        decision::store(&mut tx, &decided, now).await?;
        commit(tx).await?;
        for one in &decided {
            let reason = one.decision.reason.label();
            self.metrics.count_decision(reason);
            let shown = |slot: &Slot| matches!(slot, Slot::Shown(_));
            if shown(&one.due.snapshot.appointment) && !shown(&one.decision.appointment) {
                self.metrics.count_slot_ended(SlotName::XphoneAppointment.label(), reason);
            }
        }
        if decided.iter().any(|one| one.decision.push.is_some()) {
            self.activators.dispatcher.wake();
        }
        Ok(if decided.len() == USERS_MAX { Progress::More } else { Progress::Idle })
    }
}
