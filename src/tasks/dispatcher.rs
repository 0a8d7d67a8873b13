//! Sends what was decided: one mailbox at a time per user and slot, and neither a failing user nor a dead side stops anybody else.
//!
//! Each side has a dispatcher of its own; they differ only in their [`Courier`].

mod courier;
mod side;
mod teams;
mod xphone;

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};
use jiff::SignedDuration;
use tokio::time::Instant;

use self::courier::{Courier, Failure, Trouble};
use self::side::Health;
use super::driver::Task;
use super::{Activator, Progress, TaskError};
use crate::clock::Clock;
use crate::domain::slot::Side;
use crate::store::Store;
use crate::store::outbox::{Errand, Failed, LETTER_AHEAD_MAX, Letter};
use crate::telemetry::Metrics;
use crate::trace::{self, Span, Tracer};

pub use self::teams::TeamsCourier;
pub use self::xphone::XphoneCourier;

/// Pushes tried while the side seems dead.
const PROBES_MAX: usize = 4;
/// A claim outlives every attempt: a token, an answer, and both again after a 401 take 10 s each at most.
const CLAIM: SignedDuration = SignedDuration::from_secs(60);
const ATTEMPT_MAX: SignedDuration = SignedDuration::from_secs(45);
/// From so many requests under way on, those that end within a moment are settled together; and those of the next moment with them, as
/// long as so many end in each.
const BUSY_MIN: usize = 8;
const GATHERING: Duration = Duration::from_millis(10);
const GATHERINGS_MAX: usize = 3;
/// What arrived waits for company before it is settled, as long as more is to be sent than can be: for so many, or for so long.
const SETTLED_TOGETHER: usize = 128;
const SETTLED_WITHIN: Duration = Duration::from_millis(50);
/// While pushes are under way, what is due is looked for at least this often though nothing woke us.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A run claims nothing more after this, so that it ends within a soft stop however much there is to do.
const RUN_MAX: Duration = Duration::from_secs(15);
/// Whoever is asked to wait waits at least this long: a budget that is used up has room again every few milliseconds, for one.
const WAIT_MIN: Duration = Duration::from_millis(500);
/// A side that does not answer is tried again within this.
const SIDE_PAUSE_MAX: SignedDuration = SignedDuration::from_secs(5);
/// What a side refuses for a user is tried again within this; meanwhile a new decision may replace it.
const USER_PAUSE_MAX: SignedDuration = SignedDuration::from_mins(10);

/// Sends to one side.
pub struct Dispatcher<C> {
    /// Our memory.
    pub store: Store,
    /// Who takes the letters there.
    pub courier: C,
    /// Time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
    /// Who wakes us while pushes are under way.
    pub activator: Activator,
    /// Goes on with what is followed.
    pub tracer: Tracer,
    health: Mutex<Health>,
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

/// Letters that arrived and are still to be settled, and since when there are any.
#[derive(Default)]
struct Arrived {
    letters: Vec<Letter>,
    since: Option<Instant>,
}

impl Arrived {
    fn add(&mut self, letter: Letter) {
        self.letters.push(letter);
        self.since.get_or_insert_with(Instant::now);
    }

    fn is_empty(&self) -> bool {
        self.letters.is_empty()
    }

    fn is_full(&self) -> bool {
        self.letters.len() >= SETTLED_TOGETHER || self.since.is_some_and(|since| since.elapsed() >= SETTLED_WITHIN)
    }
}

/// A push that is no longer under way.
type Ended = (Letter, Result<Sent, TaskError>);

impl<C> Dispatcher<C> {
    /// A dispatcher that knows nothing yet of its side's health.
    pub fn new(store: Store, courier: C, clock: Clock, metrics: Metrics, activator: Activator, tracer: Tracer) -> Self {
        Self { store, courier, clock, metrics, activator, tracer, health: Mutex::default() }
    }
}

impl<C: Courier> Task for Dispatcher<C> {
    fn name(&self) -> &'static str {
        match C::SIDE {
            Side::Xphone => "xphone_dispatcher",
            Side::Teams => "teams_dispatcher",
        }
    }

    fn run(&self) -> BoxFuture<'_, Result<Progress, TaskError>> {
        self.dispatch().boxed()
    }
}

impl<C: Courier> Dispatcher<C> {
    /// Keeps as many pushes under way as may be, until none is and none is due. A slow one keeps only its own place.
    async fn dispatch(&self) -> Result<Progress, TaskError> {
        let began = Instant::now();
        let lively = AtomicBool::new(false);
        let mut failures_in_a_row = 0;
        let mut problem = None;
        let (mut requests, mut letters_under_way) = (FuturesUnordered::new(), 0);
        let (mut arrived, mut crowded) = (Arrived::default(), false);
        loop {
            if problem.is_none() && began.elapsed() < RUN_MAX {
                match self.claim(letters_under_way).await {
                    Ok(letters) => {
                        crowded = !letters.is_empty() && letters_under_way + letters.len() >= C::UNDER_WAY_MAX;
                        letters_under_way += letters.len();
                        requests.extend(grouped(letters, self.together_max()).map(|group| self.deliver(group, &lively)));
                    }
                    Err(error) => problem = Some(error),
                }
            }
            if requests.is_empty() && arrived.is_empty() {
                break;
            }
            if !requests.is_empty() {
                let ended = self.some_end(&mut requests, !arrived.is_empty()).await;
                letters_under_way -= ended.len();
                if let Some(error) = self.close(ended, &lively, &mut failures_in_a_row, &mut arrived) {
                    problem.get_or_insert(error);
                }
                if crowded && !arrived.is_full() {
                    continue;
                }
            }
            if let Err(error) = self.settle(std::mem::take(&mut arrived)).await {
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
        let health = self.health.lock().map(|health| *health).unwrap_or_default();
        let places = if health.is_failing() { PROBES_MAX } else { C::UNDER_WAY_MAX };
        let free = places.saturating_sub(under_way);
        if free == 0 || !health.is_open(now) {
            return Ok(Vec::new());
        }
        Ok(self.store.claim_letters(C::SIDE, now, CLAIM, free).await?)
    }

    /// Whoever tries whether a side answers again goes alone: it may be the company that was refused.
    fn together_max(&self) -> usize {
        let failing = self.health.lock().is_ok_and(|health| health.is_failing());
        if failing { 1 } else { C::TOGETHER_MAX }
    }

    /// Waits until a request ends, and takes along what else has ended by then; none, where it is time to look for new letters or to settle.
    async fn some_end(
        &self,
        requests: &mut FuturesUnordered<impl Future<Output = Vec<Ended>>>,
        some_arrived: bool,
    ) -> Vec<Ended> {
        let busy = requests.len() >= BUSY_MIN;
        let look_after = if some_arrived { SETTLED_WITHIN } else { LOOK_EVERY };
        let mut ended = Vec::new();
        tokio::select! {
            some = requests.next() => ended.extend(some.unwrap_or_default()),
            () = self.activator.woken() => (),
            () = tokio::time::sleep(look_after) => (),
        }
        // Where there is much to do, statements about many cost less than many statements. A slow side's places are not kept waiting.
        let moments = if busy { GATHERINGS_MAX } else { 0 };
        for _ in 0..moments {
            let before = ended.len();
            let all = async {
                while let Some(some) = requests.next().await {
                    ended.extend(some);
                }
            };
            let all_ended = tokio::time::timeout(GATHERING, all).await.is_ok();
            if all_ended || ended.len() - before < BUSY_MIN {
                break;
            }
        }
        while let Some(Some(some)) = requests.next().now_or_never() {
            ended.extend(some);
        }
        ended
    }

    /// Judges the side by those that ended together, and puts what arrived with what is to be settled; the first problem of ours, if any.
    fn close(
        &self,
        ended: Vec<Ended>,
        lively: &AtomicBool,
        failures_in_a_row: &mut usize,
        arrived: &mut Arrived,
    ) -> Option<TaskError> {
        let sent: Vec<Sent> = ended.iter().filter_map(|(_, sent)| sent.as_ref().ok().copied()).collect();
        self.judge(&sent, lively.load(Ordering::Relaxed), failures_in_a_row);
        let mut problem = None;
        for (letter, sent) in ended {
            match sent {
                Ok(Sent::Settled) => arrived.add(letter),
                Ok(_) => {}
                Err(error) => _ = problem.get_or_insert(error),
            }
        }
        problem
    }

    async fn settle(&self, arrived: Arrived) -> Result<(), TaskError> {
        if arrived.is_empty() {
            return Ok(());
        }
        let letters: Vec<&Letter> = arrived.letters.iter().collect();
        self.store.settle(&letters, |slot| self.courier.life(slot), self.clock.now()).await?;
        self.courier.note_settled();
        Ok(())
    }

    /// Takes a group of letters along in one request.
    async fn deliver(&self, letters: Vec<Letter>, lively: &AtomicBool) -> Vec<Ended> {
        let now = self.clock.now();
        // A sender that was held up must not overtake whoever claims next.
        let (letters, late): (Vec<Letter>, Vec<Letter>) =
            letters.into_iter().partition(|letter| now + ATTEMPT_MAX <= letter.claimed_until);
        let mut ended: Vec<Ended> = late.into_iter().map(|letter| (letter, Ok(Sent::Untried))).collect();
        let mut carried = Vec::new();
        for letter in letters {
            match self.is_over(&letter).await {
                Ok(false) => carried.push(letter),
                Ok(true) => ended.push((letter, Ok(Sent::Untried))),
                Err(error) => ended.push((letter, Err(error))),
            }
        }
        if carried.is_empty() {
            return ended;
        }
        let spans = self.follow(&carried);
        // What travels together shows once, with the first that is followed.
        let first = spans.iter().flatten().next();
        let answers = trace::within(first, self.courier.carry(&carried)).await;
        for ((letter, answer), span) in carried.into_iter().zip(answers).zip(spans) {
            let sent = trace::within(span.as_ref(), self.account(&letter, answer, lively)).await;
            ended.push((letter, sent));
        }
        ended
    }

    /// The steps of those letters that are followed, each linked to the one whose request carries it.
    fn follow(&self, letters: &[Letter]) -> Vec<Option<Span>> {
        let mut carrier = None;
        let mut step = |letter: &Letter| {
            let span = self.tracer.go_on(letter.trace, "push")?;
            match carrier {
                None => carrier = Some(span.context()),
                Some(carrier) => span.link(carrier),
            }
            span.set("user", letter.user.to_string());
            span.set("slot", letter.slot.label());
            span.set("shows", letter.errand.shows());
            span.set("attempt", i64::from(letter.attempts));
            Some(span)
        };
        letters.iter().map(&mut step).collect()
    }

    /// An appointment whose end has come before it was ever sent is not sent any more.
    async fn is_over(&self, letter: &Letter) -> Result<bool, TaskError> {
        let now = self.clock.now();
        let Errand::SetAppointment { end, .. } = letter.errand else { return Ok(false) };
        if end > now || letter.sent_before.is_some() {
            return Ok(false);
        }
        self.store.drop_letter(letter, now).await?;
        self.metrics.count_push(letter.slot.label(), "expired");
        Ok(true)
    }

    async fn account(&self, letter: &Letter, answer: Result<(), Failure>, lively: &AtomicBool) -> Result<Sent, TaskError> {
        let (sent, result) = match answer {
            Ok(()) => {
                lively.store(true, Ordering::Relaxed);
                self.note_delay(letter);
                (Sent::Settled, "ok")
            }
            Err(failure) => self.put_back(letter, &failure, lively.load(Ordering::Relaxed)).await?,
        };
        self.metrics.count_push(letter.slot.label(), result);
        trace::note("result", result);
        Ok(sent)
    }

    fn note_delay(&self, letter: &Letter) {
        let direction = match C::SIDE {
            Side::Xphone => "teams_to_xphone",
            Side::Teams => "xphone_to_teams",
        };
        if let Some(changed_at) = letter.changed_at {
            let took = self.clock.now().duration_since(changed_at).as_secs_f64();
            self.metrics.note_change_to_push(direction, took);
        }
    }

    async fn put_back(&self, letter: &Letter, failure: &Failure, lively: bool) -> Result<(Sent, &'static str), TaskError> {
        let (sent, result, pause) = sort(failure, letter.attempts, lively);
        let (problem, told) = (&failure.problem, &failure.told);
        let slot = letter.slot.label();
        if let Sent::SideAsksToWait(_) = sent {
            tracing::debug!(user = %letter.user, slot, attempts = letter.attempts, error = %told, "a push has to wait");
        } else {
            tracing::warn!(user = %letter.user, slot, attempts = letter.attempts, error = %told, "a push failed and will be tried again");
        }
        let failed = Failed { problem, maybe_applied: failure.maybe_applied, refused: sent == Sent::Refused };
        self.store.put_back(letter, self.clock.now() + pause, &failed).await?;
        Ok((sent, result))
    }

    /// Judges the side by what ended together and by what failed in a row before; `lively`: something has been settled in this run.
    fn judge(&self, sent: &[Sent], lively: bool, failures_in_a_row: &mut usize) {
        let now = self.clock.now();
        let failures_max = if lively { C::UNDER_WAY_MAX } else { side::FAILURES_MIN };
        let Ok(mut health) = self.health.lock() else { return };
        if let Some(answers) = health.judge(sent, failures_max, failures_in_a_row, now)
            && (answers || health.is_failing() || !lively)
        {
            self.courier.note_answers(answers);
        }
    }
}

/// Letters that travel together; nobody's letters wait for a group to fill.
fn grouped(letters: Vec<Letter>, together_max: usize) -> impl Iterator<Item = Vec<Letter>> {
    let mut letters = letters.into_iter();
    std::iter::from_fn(move || {
        let group: Vec<Letter> = letters.by_ref().take(together_max).collect();
        (!group.is_empty()).then_some(group)
    })
}

/// Whose failure it is, and how long to wait with this user's push. `lively`: others' pushes go through.
fn sort(failure: &Failure, attempts: i32, lively: bool) -> (Sent, &'static str, SignedDuration) {
    let attempts = u32::try_from(attempts).unwrap_or(1);
    let pause_max = if lively { USER_PAUSE_MAX } else { SIDE_PAUSE_MAX };
    match failure.trouble {
        Trouble::AsksToWait(wait) => {
            let wait = wait.max(WAIT_MIN);
            let pause = SignedDuration::try_from(wait).unwrap_or(SIDE_PAUSE_MAX);
            (Sent::SideAsksToWait(wait), "throttled", pause.min(LETTER_AHEAD_MAX))
        }
        Trouble::Unreachable if failure.maybe_applied => {
            (Sent::SideFailed { surely: false }, "unreachable", side::pause(attempts, pause_max))
        }
        Trouble::Unreachable => (Sent::SideFailed { surely: true }, "unreachable", side::pause(attempts, SIDE_PAUSE_MAX)),
        Trouble::AboutTheUser => (Sent::Refused, "refused", side::pause(attempts, USER_PAUSE_MAX)),
        // The answer to one user's push may be strange where the others' are not.
        Trouble::StrangeAnswer => (Sent::SideFailed { surely: false }, "failed", side::pause(attempts, pause_max)),
        Trouble::OurStanding => (Sent::SideFailed { surely: true }, "failed", side::pause(attempts, SIDE_PAUSE_MAX)),
    }
}
