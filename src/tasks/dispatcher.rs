//! Sends what was decided: one mailbox at a time per user, and neither a failing user nor a dead side stops anybody else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, Stream, StreamExt};
use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

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

/// Pushes under way at the same time.
const UNDER_WAY_MAX: usize = 32;
/// Pushes tried while the side seems dead.
const PROBES_MAX: usize = 4;
/// A claim outlives every attempt: connecting and answering together take 15 s at most.
const CLAIM: SignedDuration = SignedDuration::from_secs(60);
const ATTEMPT_MAX: SignedDuration = SignedDuration::from_secs(20);
/// From so many pushes under way on, those that end within a moment are settled together.
const BUSY_MIN: usize = 8;
const GATHERING: Duration = Duration::from_millis(10);
/// While pushes are under way, what is due is looked for at least this often though nothing woke us.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A run claims nothing more after this, so that it ends within a soft stop however much there is to do.
const RUN_MAX: Duration = Duration::from_secs(15);
/// So many failures in a row are the side's, not the users', where nothing has been settled in the same run.
const SIDE_FAILURES_MIN: usize = 3;
/// The same where something has.
const SIDE_FAILURES_MIN_LIVELY: usize = UNDER_WAY_MAX;
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
    /// How often it was found dead since it last answered.
    failures: u32,
    closed_until: Option<Timestamp>,
    /// It asked to be left alone; no answer to somebody else ends that.
    asked_until: Option<Timestamp>,
}

impl Side {
    fn is_open(&self, now: Timestamp) -> bool {
        let over = |until: Option<Timestamp>| until.is_none_or(|until| until <= now);
        over(self.closed_until) && over(self.asked_until)
    }
}

/// What became of one push.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sent {
    Settled,
    /// Refused for this user: the side answers.
    Refused,
    /// Nothing was sent.
    Untried,
    SideFailed {
        surely: bool,
    },
    SideAsksToWait(Duration),
}

/// A push that is no longer under way.
type Ended = (Letter, Result<Sent, TaskError>);

impl Task for Dispatcher {
    fn name(&self) -> &'static str {
        "dispatcher"
    }

    fn run(&self) -> BoxFuture<'_, Result<Progress, TaskError>> {
        self.dispatch().boxed()
    }
}

impl Dispatcher {
    /// Keeps as many pushes under way as may be, until none is and none is due. A slow one keeps only its own place.
    async fn dispatch(&self) -> Result<Progress, TaskError> {
        let began = Instant::now();
        let lively = AtomicBool::new(false);
        let mut failures_in_a_row = 0;
        let mut problem = None;
        let mut under_way = FuturesUnordered::new();
        loop {
            if problem.is_none() && began.elapsed() < RUN_MAX {
                match self.claim(under_way.len()).await {
                    Ok(letters) => under_way.extend(letters.into_iter().map(|letter| self.deliver(letter, &lively))),
                    Err(error) => problem = Some(error),
                }
            }
            if under_way.is_empty() {
                break;
            }
            let busy = under_way.len() >= BUSY_MIN;
            let ended = self.some_end(&mut under_way, busy).await;
            if let Err(error) = self.close(ended, &lively, &mut failures_in_a_row).await {
                problem.get_or_insert(error);
            }
        }
        match problem {
            Some(error) => Err(error),
            None if began.elapsed() < RUN_MAX => Ok(Progress::Idle),
            None => Ok(Progress::More),
        }
    }

    /// Claims as many letters as there are free places; none while the side is to be left alone.
    async fn claim(&self, under_way: usize) -> Result<Vec<Letter>, TaskError> {
        let now = self.clock.now();
        let side = self.side.lock().map(|side| *side).unwrap_or_default();
        let places = if side.failures > 0 { PROBES_MAX } else { UNDER_WAY_MAX };
        let free = places.saturating_sub(under_way);
        if free == 0 || !side.is_open(now) {
            return Ok(Vec::new());
        }
        Ok(self.store.claim_letters(now, CLAIM, free).await?)
    }

    /// Waits until a push ends, and takes along what else has ended by then; none, where it is time to look for new letters.
    async fn some_end(&self, under_way: &mut (impl Stream<Item = Ended> + Unpin), busy: bool) -> Vec<Ended> {
        let mut ended = Vec::new();
        tokio::select! {
            one = under_way.next() => ended.extend(one),
            () = self.activators.dispatcher.woken() => (),
            () = tokio::time::sleep(LOOK_EVERY) => (),
        }
        // Where there is much to do, statements about many cost less than many statements.
        if busy {
            tokio::time::sleep(GATHERING).await;
        }
        while let Some(Some(one)) = under_way.next().now_or_never() {
            ended.push(one);
        }
        ended
    }

    /// Settles what arrived, and judges the side by those that ended together.
    async fn close(&self, ended: Vec<Ended>, lively: &AtomicBool, failures_in_a_row: &mut usize) -> Result<(), TaskError> {
        let sent: Vec<Sent> = ended.iter().filter_map(|(_, sent)| sent.as_ref().ok().copied()).collect();
        self.judge(&sent, lively.load(Ordering::Relaxed), failures_in_a_row);
        let arrived = ended.iter().filter(|(_, sent)| matches!(sent, Ok(Sent::Settled)));
        let arrived: Vec<&Letter> = arrived.map(|(letter, _)| letter).collect();
        if !arrived.is_empty() {
            self.store.settle(&arrived, self.clock.now()).await?;
        }
        ended.into_iter().find_map(|(_, sent)| sent.err()).map_or(Ok(()), Err)
    }

    async fn deliver(&self, letter: Letter, lively: &AtomicBool) -> Ended {
        let sent = self.send(&letter, lively).await;
        (letter, sent)
    }

    async fn send(&self, letter: &Letter, lively: &AtomicBool) -> Result<Sent, TaskError> {
        let now = self.clock.now();
        // A sender that was held up must not overtake whoever claims next.
        if now + ATTEMPT_MAX > letter.claimed_until {
            return Ok(Sent::Untried);
        }
        let slot = SlotName::XphoneAppointment.label();
        if let Push::Show { end, .. } = &letter.push
            && *end <= now
            && !letter.maybe_applied_before
        {
            self.store.drop_letter(letter, now).await?;
            self.metrics.count_push(slot, "expired");
            return Ok(Sent::Untried);
        }
        let (sent, result) = match self.push(letter).await {
            Ok(()) => {
                lively.store(true, Ordering::Relaxed);
                self.note_delay(letter);
                (Sent::Settled, "ok")
            }
            Err(error) => self.put_back(letter, &error, lively.load(Ordering::Relaxed)).await?,
        };
        self.metrics.count_push(slot, result);
        Ok(sent)
    }

    fn note_delay(&self, letter: &Letter) {
        if let Some(changed_at) = letter.changed_at {
            let took = self.clock.now().duration_since(changed_at).as_secs_f64();
            self.metrics.note_change_to_push("teams_to_xphone", took);
        }
    }

    async fn put_back(&self, letter: &Letter, error: &xphone::Error, lively: bool) -> Result<(Sent, &'static str), TaskError> {
        let (sent, result, pause) = sort(error, letter.attempts, lively);
        let problem = chain(error);
        tracing::warn!(user = %letter.user, attempts = letter.attempts, error = %problem, "a push failed and will be tried again");
        let due_at = self.clock.now() + pause;
        self.store.put_back(letter, due_at, &problem, error.maybe_applied()).await?;
        Ok((sent, result))
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

    /// Judges the side by what ended together and by what failed in a row before; `lively`: something has been settled in this run.
    fn judge(&self, sent: &[Sent], lively: bool, failures_in_a_row: &mut usize) {
        let failed = sent.iter().filter(|sent| matches!(sent, Sent::SideFailed { .. })).count();
        let answers = sent.iter().any(|sent| matches!(sent, Sent::Settled | Sent::Refused));
        let surely = sent.contains(&Sent::SideFailed { surely: true });
        let asked = sent.iter().filter_map(|sent| if let Sent::SideAsksToWait(pause) = sent { Some(*pause) } else { None }).max();
        let failures_max = if lively { SIDE_FAILURES_MIN_LIVELY } else { SIDE_FAILURES_MIN };
        let now = self.clock.now();
        let Ok(mut side) = self.side.lock() else { return };
        if let Some(pause) = asked {
            side.asked_until = Some(now + SignedDuration::try_from(pause).unwrap_or(SIDE_PAUSE_MAX));
        }
        if answers {
            (side.failures, side.closed_until, *failures_in_a_row) = (0, None, 0);
            self.metrics.note_xphone(true);
        } else if failed > 0 {
            *failures_in_a_row += failed;
            let dead = surely || *failures_in_a_row >= failures_max || side.failures > 0;
            // What was under way when the side was found dead says nothing new.
            if dead && side.is_open(now) {
                side.failures = side.failures.saturating_add(1);
                side.closed_until = Some(now + pause(side.failures, SIDE_PAUSE_MAX));
            }
            if dead || !lively {
                self.metrics.note_xphone(false);
            }
        }
    }
}

/// Whose failure it is, and how long to wait with this user's push. `lively`: others' pushes go through.
fn sort(error: &xphone::Error, attempts: i32, lively: bool) -> (Sent, &'static str, SignedDuration) {
    let attempts = u32::try_from(attempts).unwrap_or(1);
    let pause_max = if lively { USER_PAUSE_MAX } else { SIDE_PAUSE_MAX };
    match error {
        xphone::Error::Wait { retry_after } => {
            let pause = SignedDuration::try_from(*retry_after).unwrap_or(SIDE_PAUSE_MAX);
            (Sent::SideAsksToWait(*retry_after), "throttled", pause)
        }
        xphone::Error::Unreachable { maybe_applied: true, .. } => {
            (Sent::SideFailed { surely: false }, "unreachable", pause(attempts, pause_max))
        }
        xphone::Error::Unreachable { maybe_applied: false, .. } => {
            (Sent::SideFailed { surely: true }, "unreachable", pause(attempts, SIDE_PAUSE_MAX))
        }
        error if error.is_about_one_user() => (Sent::Refused, "refused", pause(attempts, USER_PAUSE_MAX)),
        // The answer to one user's push may be strange where the others' are not.
        xphone::Error::Contract { .. } => (Sent::SideFailed { surely: false }, "failed", pause(attempts, pause_max)),
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
