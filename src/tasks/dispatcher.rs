//! Sends what was decided: one mailbox at a time per user, and neither a failing user nor a dead side stops anybody else.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use jiff::{SignedDuration, Timestamp};

use super::driver::{Task, chain};
use super::{Activators, Progress, TaskError};
use crate::clock::Clock;
use crate::domain::reconcile::Push;
use crate::domain::slot::{Look, SlotName};
use crate::store::Store;
use crate::store::outbox::Letter;
use crate::telemetry::Metrics;
use crate::xphone::values::{Appointment, Shows};
use crate::xphone::{self, XPhone};

/// The one appointment we keep per user.
pub const APPOINTMENT_KEY: &str = "presence-gateway";

/// Pushes claimed, and settled, together.
const LETTERS_MAX: usize = 64;
/// Pushes under way at the same time.
const UNDER_WAY_MAX: usize = 32;
/// Pushes tried while the side seems dead.
const PROBES_MAX: usize = 4;
/// A claim outlives every attempt: connecting and answering together take 15 s at most.
const CLAIM: SignedDuration = SignedDuration::from_secs(60);
const ATTEMPT_MAX: SignedDuration = SignedDuration::from_secs(20);
/// So many failures without one success are the side's, not the users'.
const SIDE_FAILURES_MIN: usize = 3;
/// A side that does not answer is tried again within this.
const SIDE_PAUSE_MAX: SignedDuration = SignedDuration::from_secs(5);
/// What XPhone refuses for a user is tried again within this; meanwhile a new decision may replace it.
const USER_PAUSE_MAX: SignedDuration = SignedDuration::from_mins(10);

/// Sends.
pub struct Dispatcher {
    /// Our memory.
    pub store: Store,
    /// Where appointments go.
    pub xphone: Arc<XPhone>,
    /// Says in XPhone who made a presence.
    pub origin: String,
    /// Time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
    /// Whom this wakes.
    pub activators: Activators,
    /// Whether XPhone answers.
    pub side: Mutex<Side>,
}

/// Whether a side answers, as far as this replica has seen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Side {
    failures: u32,
    closed_until: Option<Timestamp>,
}

/// What became of one push.
enum Sent {
    Settled,
    Expired,
    UserFailed,
    SideFailed { surely: bool },
    SideAsksToWait(Duration),
}

impl Task for Dispatcher {
    fn name(&self) -> &'static str {
        "dispatcher"
    }

    fn run(&self) -> BoxFuture<'_, Result<Progress, TaskError>> {
        self.dispatch().boxed()
    }
}

impl Dispatcher {
    async fn dispatch(&self) -> Result<Progress, TaskError> {
        let now = self.clock.now();
        let side = self.side.lock().map(|side| *side).unwrap_or_default();
        if side.closed_until.is_some_and(|until| until > now) {
            return Ok(Progress::Idle);
        }
        let limit = if side.failures > 0 { PROBES_MAX } else { LETTERS_MAX };
        let letters = self.store.claim_letters(now, CLAIM, limit).await?;
        if letters.is_empty() {
            return Ok(Progress::Idle);
        }
        let deliveries: Vec<_> = letters.iter().map(|letter| self.deliver(letter)).collect();
        let sent: Vec<_> = stream::iter(deliveries).buffered(UNDER_WAY_MAX).collect().await;
        let arrived = letters.iter().zip(&sent).filter(|(_, sent)| matches!(sent, Ok(Sent::Settled)));
        let arrived: Vec<&Letter> = arrived.map(|(letter, _)| letter).collect();
        if !arrived.is_empty() {
            self.store.settle(&arrived, self.clock.now()).await?;
        }
        let sent = sent.into_iter().collect::<Result<Vec<Sent>, TaskError>>()?;
        let open = self.judge(&sent);
        Ok(if open { Progress::More } else { Progress::Idle })
    }

    async fn deliver(&self, letter: &Letter) -> Result<Sent, TaskError> {
        let now = self.clock.now();
        let slot = SlotName::XphoneAppointment.label();
        // A sender that was held up must not overtake whoever claims next.
        if now + ATTEMPT_MAX > letter.claimed_until {
            return Ok(Sent::UserFailed);
        }
        if let Push::Show { end, .. } = &letter.push
            && *end <= now
            && !letter.maybe_applied_before
        {
            self.store.drop_letter(letter, now).await?;
            self.metrics.count_push(slot, "expired");
            return Ok(Sent::Expired);
        }
        let (sent, result) = match self.push(letter).await {
            Ok(()) => {
                let now = self.clock.now();
                if let Some(changed_at) = letter.changed_at {
                    let took = now.duration_since(changed_at).as_secs_f64();
                    self.metrics.note_change_to_push("teams_to_xphone", took);
                }
                (Sent::Settled, "ok")
            }
            Err(error) => {
                let (sent, result, pause) = sort(&error, letter.attempts);
                let problem = chain(&error);
                tracing::warn!(user = %letter.user, attempts = letter.attempts, error = %problem, "a push failed and will be tried again");
                let due_at = self.clock.now() + pause;
                self.store.put_back(letter, due_at, &problem, error.maybe_applied()).await?;
                (sent, result)
            }
        };
        self.metrics.count_push(slot, result);
        Ok(sent)
    }

    async fn push(&self, letter: &Letter) -> Result<(), xphone::Error> {
        match &letter.push {
            Push::Clear => self.xphone.delete_appointment(letter.user, APPOINTMENT_KEY).await,
            Push::Show { appointment, start, end } => {
                let shows = match appointment.look {
                    Look::Profile(profile) => Shows::Profile(profile),
                    Look::Status(status) => Shows::PresenceState(status),
                };
                let (origin, subject) = (self.origin.clone(), appointment.subject.clone());
                let body = Appointment { origin, subject, shows, start: *start, end: *end, visible_from: None };
                self.xphone.put_appointment(letter.user, APPOINTMENT_KEY, &body).await
            }
        }
    }

    /// Judges the side by a whole batch; `true`: it answers.
    fn judge(&self, sent: &[Sent]) -> bool {
        let settled = sent.iter().any(|sent| matches!(sent, Sent::Settled));
        let failed = sent.iter().filter(|sent| matches!(sent, Sent::SideFailed { .. })).count();
        let surely = sent.iter().any(|sent| matches!(sent, Sent::SideFailed { surely: true }));
        let asked = sent.iter().filter_map(|sent| if let Sent::SideAsksToWait(pause) = sent { Some(*pause) } else { None }).max();
        let now = self.clock.now();
        let Ok(mut side) = self.side.lock() else { return false };
        if let Some(pause) = asked {
            side.closed_until = Some(now + SignedDuration::try_from(pause).unwrap_or(SIDE_PAUSE_MAX));
        } else if !settled && (surely || failed >= SIDE_FAILURES_MIN || failed > 0 && side.failures > 0) {
            side.failures = side.failures.saturating_add(1);
            side.closed_until = Some(now + pause(side.failures, SIDE_PAUSE_MAX));
        } else {
            *side = Side::default();
        }
        let open = side.closed_until.is_none();
        if settled || failed > 0 {
            self.metrics.note_xphone(settled);
        }
        open
    }
}

/// Whose failure it is, and how long to wait with this user's push.
fn sort(error: &xphone::Error, attempts: i32) -> (Sent, &'static str, SignedDuration) {
    let attempts = u32::try_from(attempts).unwrap_or(1);
    match error {
        xphone::Error::Wait { retry_after } => {
            let pause = SignedDuration::try_from(*retry_after).unwrap_or(SIDE_PAUSE_MAX);
            (Sent::SideAsksToWait(*retry_after), "throttled", pause)
        }
        xphone::Error::Unreachable { maybe_applied, .. } => {
            (Sent::SideFailed { surely: !maybe_applied }, "unreachable", pause(attempts, SIDE_PAUSE_MAX))
        }
        error if error.is_about_one_user() => (Sent::UserFailed, "refused", pause(attempts, USER_PAUSE_MAX)),
        _ => (Sent::SideFailed { surely: true }, "failed", pause(attempts, SIDE_PAUSE_MAX)),
    }
}

/// Doubles from half a second, with jitter so that those who failed together do not return together.
fn pause(attempts: u32, max: SignedDuration) -> SignedDuration {
    let doubled = SignedDuration::from_millis(250) * 2_i32.saturating_pow(attempts.min(16));
    let millis = doubled.min(max).as_millis();
    let jittered = millis / 2 + i128::from(fastrand::u64(0..=u64::try_from(millis / 2).unwrap_or(0)));
    SignedDuration::from_millis(i64::try_from(jittered).unwrap_or(0))
}
