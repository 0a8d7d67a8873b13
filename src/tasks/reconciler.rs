//! Decides for whoever's time has come: loads, decides, stores decision and pushes in one transaction.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;

use super::driver::Task;
use super::{Activators, Progress, TaskError};
use crate::clock::Clock;
use crate::domain::reconcile::{self, Decision, Snapshot, Terms, decide, on_trial};
use crate::domain::slot::{Record, Slot, SlotName, TeamsSlot};
use crate::domain::timeline::OnTrial;
use crate::store::decision::{self, Decided, Due};
use crate::store::{Store, Tx, commit};
use crate::telemetry::Metrics;
use crate::trace::{Span, Tracer};

/// Users decided for in one transaction.
const USERS_MAX: usize = 500;

/// What the decisions are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// To keep both sides in step.
    Serve,
    /// To take everything back.
    Withdraw,
}

/// Decides.
#[derive(Debug)]
pub struct Decider {
    /// Our memory.
    pub store: Store,
    /// Time.
    pub clock: Clock,
    /// What the rules depend on besides facts.
    pub terms: Terms,
    /// What the decisions are for.
    pub purpose: Purpose,
    /// What is counted.
    pub metrics: Metrics,
    /// Goes on with what is followed.
    pub tracer: Tracer,
    /// Whom this wakes.
    pub activators: Activators,
}

/// Decides for whoever's time has come.
#[derive(Debug)]
pub struct Reconciler(pub Arc<Decider>);

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
        let decider = &self.0;
        let now = decider.clock.now();
        let mut tx = decider.store.begin_derived().await?;
        let due = decision::load_due(&mut tx, now, decider.terms, USERS_MAX).await?;
        let users = due.len();
        decider.conclude(tx, due, now).await?;
        // Those that waited longest and those that came last are one half each, and may be the same.
        Ok(if users >= USERS_MAX / 2 { Progress::More } else { Progress::Idle })
    }
}

impl Decider {
    /// Decides for these users, whom the transaction has locked, stores that, commits, and wakes whom it concerns.
    ///
    /// # Errors
    /// Postgres could not; then nothing was stored, nor anything else that the transaction did.
    pub async fn conclude(&self, mut tx: Tx<'_>, due: Vec<Due>, now: Timestamp) -> Result<(), TaskError> {
        // They end when everything is stored.
        let mut spans: Vec<Span> = Vec::new();
        let decided: Vec<Decided> = due.into_iter().map(|due| self.decide(due, &mut spans)).collect();
        if !decided.is_empty() {
            decision::store(&mut tx, &decided, now).await?;
        }
        commit(tx).await?;
        drop(spans);
        for one in &decided {
            self.count(&one.due.snapshot, &one.decision);
        }
        self.wake(&decided);
        Ok(())
    }

    fn decide(&self, due: Due, spans: &mut Vec<Span>) -> Decided {
        let span = self.tracer.go_on(due.trace, "decide");
        let decision = match self.purpose {
            Purpose::Serve => decide(&due.snapshot),
            Purpose::Withdraw => reconcile::withdraw(&due.snapshot),
        };
        let trial = on_trial(&due.snapshot, &decision);
        let on_trial = trial.map_or(OnTrial::default(), |trial| OnTrial::of(&decision, &trial));
        let trace = span.as_ref().map(Span::context);
        spans.extend(span.inspect(|span| describe(span, &due, &decision)));
        Decided { due, decision, on_trial, trace }
    }

    fn wake(&self, decided: &[Decided]) {
        let any = |what: fn(&Decision) -> bool| decided.iter().any(|one| what(&one.decision));
        if any(|decision| decision.appointment.push.is_some()) {
            self.activators.xphone_dispatcher.wake();
        }
        if any(|decision| decision.session.push.is_some() || decision.preferred.push.is_some()) {
            self.activators.teams_dispatcher.wake();
        }
        if any(|decision| decision.read_teams) {
            self.activators.confirmer.wake();
        }
    }

    fn count(&self, before: &Snapshot, decision: &Decision) {
        let is_shown = |slot: &Slot| matches!(slot, Slot::Shown(_));
        let is_set = |slot: TeamsSlot| matches!(slot.record, Record::Shown { .. });
        let Decision { appointment, session, preferred, .. } = decision;
        let ended = [
            (SlotName::XphoneAppointment, is_shown(&before.appointment) && !is_shown(&appointment.slot), appointment.reason),
            (SlotName::TeamsSession, is_set(before.session) && !is_set(session.slot), session.reason),
            (SlotName::TeamsPreferred, is_set(before.preferred) && !is_set(preferred.slot), preferred.reason),
        ];
        for (slot, ended, reason) in ended {
            self.metrics.count_decision(slot.label(), reason.label());
            if ended {
                self.metrics.count_slot_ended(slot.label(), reason.label());
            }
        }
    }
}

/// Who, and what was decided: who looks at a trace wants to know both.
fn describe(span: &Span, due: &Due, decision: &Decision) {
    span.set("user", due.user.to_string());
    span.set(SlotName::XphoneAppointment.label(), decision.appointment.reason.label());
    span.set(SlotName::TeamsSession.label(), decision.session.reason.label());
    span.set(SlotName::TeamsPreferred.label(), decision.preferred.reason.label());
}
