//! Makes, adapts and removes the central profile template `MS Teams` in XPhone where that is set.
//!
//! Places whose template is our concern are compared with XPhone at the start, every few minutes, and at once when their setting
//! was changed. Before one is made that is written down, so that after a crash we know ours; nobody else's is ever removed.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use uuid::Uuid;

use super::driver::Task;
use super::tenure::Tenure;
use super::{Progress, TaskError};
use crate::clock::Clock;
use crate::domain::ids::{ConfigurationGroupGuid, LocationGuid};
use crate::domain::template::{Maker, Step, TEMPLATE_NAME, Template, step};
use crate::store::Store;
use crate::store::feed::Feed;
use crate::store::lease::Lease;
use crate::store::template::{Answer, Care, CareState};
use crate::store::tree::{self, PlaceKind};
use crate::xphone::values::{Place, Put};
use crate::xphone::{Error, XPhone};

const LEASE: &str = "templates";

/// After so many failures in one run XPhone is left alone until the next.
const FAILURES_MAX: usize = 3;

const IN_USE: &str = "in_use";
const NOT_FOUND: &str = "not_found";
const NO_TEMPLATES: &str = "no_templates";
const NO_SUCH_STATUS: &str = "no_such_status";
const NOT_ACCEPTED: &str = "not_accepted";

/// Cares for profile templates.
pub struct Templates {
    /// Our memory.
    pub store: Store,
    /// Where they are.
    pub xphone: Arc<XPhone>,
    /// How often all are compared.
    pub period: Duration,
    /// Who we are among the replicas.
    pub replica: Uuid,
    /// Time.
    pub clock: Clock,
    /// Whether this replica has compared all since it started.
    pub compared: AtomicBool,
    /// When the round began in which all are compared, while it lasts.
    pub round: Mutex<Option<Timestamp>>,
}

/// How the template should be in XPhone.
enum Wanted {
    /// So, or not there at all, in this server's words.
    Known(Option<Template>),
    /// This server has no such status.
    NoSuchStatus,
    /// This server's words for its statuses have not been read yet.
    NotYetKnown,
}

/// What came of several places.
struct Cared {
    /// Each had its turn.
    tried_all: bool,
    /// The last of those that failed.
    failure: Option<Error>,
}

/// What came of one place.
struct Outcome {
    maker: Maker,
    refusal: Option<(&'static str, Option<String>)>,
    forgotten: bool,
}

impl Task for Templates {
    fn name(&self) -> &'static str {
        "templates"
    }

    fn run(&self) -> BoxFuture<'_, Result<Progress, TaskError>> {
        self.look().map(|looked| looked.map(|()| Progress::Idle)).boxed()
    }
}

impl Templates {
    async fn look(&self) -> Result<(), TaskError> {
        let now = self.clock.now();
        let last = self.store.refreshed_at(Feed::Templates).await?;
        let is_time = last.is_none_or(|last| now < last || now >= last + self.period);
        let all = (is_time || !self.compared.load(Ordering::Relaxed)).then(|| self.begin_round(now));
        let cares = self.store.template_cares(all).await?;
        let nothing_to_do = cares.is_empty() && all.is_none();
        if nothing_to_do {
            return Ok(());
        }
        let lease = Lease { name: LEASE, holder: self.replica };
        let done = Tenure { store: &self.store, clock: &self.clock, lease }.during(self.care_for(&cares)).await?;
        let Some(Cared { tried_all, failure }) = done else { return Ok(()) };
        // Whoever failed has had their turn: what is not in order is tried again soon, what was waits for the next round.
        if all.is_some() && tried_all {
            self.end_round();
            self.store.note_refreshed(Feed::Templates, now).await?;
        }
        failure.map_or(Ok(()), |failure| Err(failure.into()))
    }

    /// Since when everybody must have been tried; a round that was broken off goes on.
    fn begin_round(&self, now: Timestamp) -> Timestamp {
        let mut round = self.round.lock().unwrap_or_else(PoisonError::into_inner);
        let began = round.filter(|began| *began <= now).unwrap_or(now);
        *round = Some(began);
        began
    }

    fn end_round(&self) {
        *self.round.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.compared.store(true, Ordering::Relaxed);
    }

    /// A place whose template fails in a way of its own does not stop the others; a dead server is not asked about all of them.
    async fn care_for(&self, cares: &[Care]) -> Result<Cared, TaskError> {
        if cares.is_empty() {
            return Ok(Cared { tried_all: true, failure: None });
        }
        let has_templates = self.xphone.capabilities().await?.profile_templates;
        let (mut failure, mut failures) = (None, 0);
        for care in cares {
            if failures >= FAILURES_MAX {
                return Ok(Cared { tried_all: false, failure });
            }
            self.store.note_template_tried(care.place.guid, self.clock.now()).await?;
            let outcome =
                if has_templates { self.care(care).await } else { Ok(Some(Outcome::refused(care.maker, NO_TEMPLATES))) };
            match outcome {
                Ok(Some(outcome)) => self.answer(care, &outcome).await?,
                Ok(None) => {}
                Err(TaskError::Xphone(error @ (Error::Contract { .. } | Error::Unreachable { .. }))) => {
                    failure = Some(error);
                    failures += 1;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Cared { tried_all: true, failure })
    }

    /// `None`: it is not time yet, or not our concern any more.
    async fn care(&self, care: &Care) -> Result<Option<Outcome>, TaskError> {
        let wanted = match self.wanted(care).await? {
            Wanted::Known(wanted) => wanted,
            Wanted::NoSuchStatus => return Ok(Some(Outcome::refused(care.maker, NO_SUCH_STATUS))),
            Wanted::NotYetKnown => return Ok(None),
        };
        let place = place(care.place);
        let listed = match self.xphone.profile_templates(place).await {
            Err(error) => return refused(care.maker, error).map(Some),
            Ok(listed) => listed,
        };
        let found = listed.into_iter().find(|listed| listed.name == TEMPLATE_NAME).map(|listed| listed.template);
        let (step, maker) = step(wanted.as_ref(), found.as_ref(), care.maker, care.put.as_ref());
        let done = match (step, &wanted) {
            (Step::Make, Some(wanted)) => return self.make(care, place, wanted).await,
            (Step::Adapt, Some(wanted)) => self.xphone.put_profile_template(place, TEMPLATE_NAME, wanted).await.map(drop),
            (Step::Remove, _) => self.xphone.delete_profile_template(place, TEMPLATE_NAME).await,
            (Step::Keep | Step::Forget | Step::Make | Step::Adapt, _) => Ok(()),
        };
        let forgotten = matches!(step, Step::Remove | Step::Forget);
        match done {
            Err(error) => refused(maker, error).map(Some),
            Ok(()) => Ok(Some(Outcome { maker, refusal: None, forgotten })),
        }
    }

    /// That it was not there before is what makes it ours.
    async fn make(&self, care: &Care, place: Place, wanted: &Template) -> Result<Option<Outcome>, TaskError> {
        if !self.store.claim_template(care.place.guid, wanted).await? {
            return Ok(None);
        }
        match self.xphone.put_profile_template(place, TEMPLATE_NAME, wanted).await {
            Ok(put) => {
                let maker = if put == Put::Made { Maker::Us } else { Maker::Others };
                Ok(Some(Outcome { maker, refusal: None, forgotten: false }))
            }
            Err(error) => refused(Maker::Unknown, error).map(Some),
        }
    }

    async fn wanted(&self, care: &Care) -> Result<Wanted, TaskError> {
        let Some(wanted) = &care.wanted else { return Ok(Wanted::Known(None)) };
        if let Some(status) = self.store.status_of_kind(wanted.status).await? {
            return Ok(Wanted::Known(Some(Template { status, call_forwarding: wanted.call_forwarding.clone() })));
        }
        let is_read = self.store.refreshed_at(Feed::Directory).await?.is_some();
        Ok(if is_read { Wanted::NoSuchStatus } else { Wanted::NotYetKnown })
    }

    async fn answer(&self, care: &Care, outcome: &Outcome) -> Result<(), TaskError> {
        let answer = match &outcome.refusal {
            Some((refusal, detail)) => Answer::Refused(refusal, detail.as_deref()),
            None if outcome.forgotten => Answer::Forgotten,
            None => Answer::InStep,
        };
        self.store.answer_template(care, outcome.maker, &answer, self.clock.now()).await?;
        tell(care, outcome);
        Ok(())
    }
}

impl Outcome {
    fn refused(maker: Maker, refusal: &'static str) -> Self {
        Self { maker, refusal: Some((refusal, None)), forgotten: false }
    }
}

/// What XPhone refuses about this place is its answer; anything else is XPhone's trouble, and tried again.
fn refused(maker: Maker, error: Error) -> Result<Outcome, TaskError> {
    let Error::Refused { status, reason } = error else { return Err(error.into()) };
    let refusal = match status {
        404 => NOT_FOUND,
        409 => IN_USE,
        _ => NOT_ACCEPTED,
    };
    Ok(Outcome { maker, refusal: Some((refusal, Some(reason))), forgotten: false })
}

/// Says it once, not with every comparison.
fn tell(care: &Care, outcome: &Outcome) {
    let place = care.place.guid;
    let told = care.told.refusal.as_ref().map(|(refusal, _)| refusal.as_str());
    match &outcome.refusal {
        Some((refusal, _)) if told == Some(*refusal) => {}
        // What XPhone said about it is told where the template is looked at, not here.
        Some((refusal, _)) => tracing::warn!(%place, refusal, "XPhone refuses what is set for a profile template"),
        None if care.told.state == CareState::InStep && !outcome.forgotten => {}
        None if outcome.forgotten => tracing::info!(%place, "no profile template of ours is in XPhone there any more"),
        None => tracing::info!(%place, "a profile template in XPhone is as it is set"),
    }
}

fn place(place: tree::Place) -> Place {
    match place.kind {
        PlaceKind::Location => Place::Location(LocationGuid(place.guid)),
        PlaceKind::ConfigurationGroup => Place::ConfigurationGroup(ConfigurationGroupGuid(place.guid)),
    }
}
