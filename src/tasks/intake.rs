//! Turns what Graph posted into observations, and decides where they tell something new: verifies everything, keeps the newest of each
//! user, and only then decrypts.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::oneshot;
use tokio::time::Instant;
use uuid::Uuid;

use super::driver::Task;
use super::opener::Opener;
use super::reconciler::Decider;
use super::{Progress, TaskError};
use crate::clock::Clock;
use crate::domain::ids::TeamsUserId;
use crate::domain::mapping::read_teams;
use crate::graph::certificate::PrivateKey;
use crate::graph::notification::{
    self, Expected, Opened, PrivateKeys, Received, Refusal, TokenVerifier, TokensGenuine, Verified,
};
use crate::store::decision::told;
use crate::store::inbox::{self, Holding, PostKind, Taken};
use crate::store::observation::TeamsFact;
use crate::store::refusal::{self, Refusals};
use crate::store::{Store, commit};
use crate::telemetry::Metrics;
use crate::trace::{Span, TraceContext, Tracer};

/// Posts taken together: the more, the more notifications are found superseded before they cost a decryption.
const POSTS_MAX: usize = 2000;
/// Posts read without letting others run.
const POSTS_AT_A_STRETCH: usize = 8;
/// Users whose notifications one thread decrypts in one go: a few milliseconds.
const USERS_PER_CHUNK: usize = 8;
/// Chunks that become facts together: few enough that the first users need not wait for the last.
const CHUNKS_PER_PART: usize = 16;
/// How long the confirming read waits for others to go with it.
const CONFIRM_AFTER: SignedDuration = SignedDuration::from_millis(300);
/// A burst is let come in, a moment at a time, as long as so many posts are waiting and so many more come in each moment, or none because
/// all are on their way to the disk: what comes later spares decrypting what came before.
const BURST_POSTS_MIN: usize = 32;
const BURST_GROWTH_MIN: usize = 4;
const BURST_MOMENT: Duration = Duration::from_millis(10);
const BURST_MOMENTS_MAX: usize = 100;
/// How long posts wait for signing keys that cannot be had.
const KEYS_PAUSE: SignedDuration = SignedDuration::from_secs(15);
/// Graph itself gives up after four hours; so do we.
const KEYS_WAIT_MAX: SignedDuration = SignedDuration::from_hours(4);

/// Refused because of a defect of ours.
const OPENING_FAILED: &str = "opening_failed";

/// Turns posts into observations, or into refusals.
pub struct Intake {
    /// Our memory.
    pub store: Store,
    /// Knows whose tokens to believe.
    pub verifier: Arc<TokenVerifier>,
    /// The tenant that notifications must name.
    pub tenant: Uuid,
    /// Time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
    /// Goes on with what is followed.
    pub tracer: Tracer,
    /// The private keys, as long as the certificates are these.
    pub keys: Mutex<(BTreeSet<Uuid>, PrivateKeys)>,
    /// Where decryption runs.
    pub opener: Opener,
    /// Decides what follows from what was told.
    pub decider: Arc<Decider>,
}

/// A verified notification and where it stands in the order of arrival.
struct Candidate {
    verified: Verified,
    received_at: Timestamp,
    /// The step that is followed, if it is.
    trace: Option<TraceContext>,
}

/// A notification that was opened, when it came, and where it is followed.
type OpenedOne = (Opened, Timestamp, Option<TraceContext>);
/// What becomes of some users' notifications: opened, or refused.
type OpenedEach = (Vec<OpenedOne>, Refusals);
type Chunk = oneshot::Receiver<OpenedEach>;

/// What a batch of posts came to.
#[derive(Default)]
struct Sorted {
    /// By user, the newest last; whoever cannot be told apart outside the encryption stands alone.
    candidates: Vec<Vec<Candidate>>,
    by_user: HashMap<TeamsUserId, usize>,
    /// Subscriptions that spoke.
    heard: BTreeSet<Uuid>,
    refused: Refusals,
    done: Vec<i64>,
    postponed: Vec<i64>,
    /// Of posts that are followed; they end when everything is recorded.
    spans: Vec<Span>,
}

impl Task for Intake {
    fn name(&self) -> &'static str {
        "intake"
    }

    fn run(&self) -> BoxFuture<'_, Result<Progress, TaskError>> {
        self.take_in().boxed()
    }
}

impl Intake {
    async fn take_in(&self) -> Result<Progress, TaskError> {
        let mut holding = Holding::begin(&self.store).await?;
        let (mut sorted, left) = self.take_burst(&mut holding).await?;
        if sorted.done.is_empty() && sorted.postponed.is_empty() {
            return Ok(Progress::Idle);
        }
        let (heard, users) =
            (sorted.heard.iter().copied().collect::<Vec<_>>(), sorted.by_user.keys().copied().collect::<Vec<_>>());
        let superseded: u64 = sorted.candidates.iter().map(|candidates| candidates.len() as u64 - 1).sum();
        let recorded = self.record(std::mem::take(&mut sorted.candidates), &mut sorted.refused).await?;
        let mut tx = holding.finish();
        refusal::record(&mut tx, &sorted.refused).await?;
        inbox::remove(&mut tx, &sorted.done).await?;
        if !sorted.postponed.is_empty() {
            inbox::postpone(&mut tx, &sorted.postponed, self.clock.now() + KEYS_PAUSE).await?;
        }
        commit(tx).await?;
        if !heard.is_empty() {
            self.store.note_heard(&heard, &users, self.clock.now()).await?;
        }
        self.metrics.count_notifications("recorded", recorded);
        self.metrics.count_notifications("superseded", superseded);
        for (reason, count) in sorted.refused.by_reason() {
            self.metrics.count_notifications(reason, count);
        }
        Ok(left)
    }

    /// Takes posts, a moment's worth at a time, for as long as many come in; those of one moment are verified while the next ones come.
    async fn take_burst(&self, holding: &mut Holding) -> Result<(Sorted, Progress), TaskError> {
        let mut sorted = Sorted::default();
        let (mut room, mut is_burst) = (POSTS_MAX, false);
        let mut known = None;
        for _ in 0..BURST_MOMENTS_MAX {
            let next_moment = Instant::now() + BURST_MOMENT;
            let posts = holding.take(&self.store, PostKind::Notification, self.clock.now(), room).await?;
            let came = posts.len();
            if came > 0 {
                let known = match &mut known {
                    Some(known) => known,
                    none => none.insert(expected(&self.store).await?),
                };
                self.sort(posts, known, &mut sorted).await?;
            }
            let worth_waiting = if is_burst { BURST_GROWTH_MIN } else { BURST_POSTS_MIN };
            let disk_keeps_them = came == 0 && is_burst && self.opener.room().is_awaited();
            if came < worth_waiting && !disk_keeps_them {
                return Ok((sorted, Progress::Idle));
            }
            room -= came;
            if room == 0 || holding.is_full() {
                break;
            }
            is_burst = true;
            tokio::time::sleep_until(next_moment).await;
        }
        Ok((sorted, Progress::More))
    }

    /// Verifies every notification of every post, without decrypting any.
    async fn sort(&self, posts: Vec<Taken>, known: &HashMap<String, Expected>, sorted: &mut Sorted) -> Result<(), TaskError> {
        for (number, post) in posts.into_iter().enumerate() {
            // Reading thousands of posts takes long enough to keep Graph waiting for an answer.
            if number % POSTS_AT_A_STRETCH == 0 {
                tokio::task::yield_now().await;
            }
            let Ok(batch) = notification::parse(&post.body) else {
                sorted.refused.add(post.received_at, "not_json", None);
                sorted.done.push(post.id);
                continue;
            };
            // Whoever does not know our secrets cannot make us look at tokens, let alone wait for keys.
            let no_token = Err(Refusal::NoToken);
            let of_ours = |received: &Received<'_>| {
                matches!(received.verify(|id| known.get(id), self.tenant, &no_token), Err(Refusal::NoToken))
            };
            let tokens = if batch.value.iter().any(of_ours) { self.tokens(&post, &batch).await } else { Some(no_token) };
            let Some(tokens) = tokens else {
                sorted.postponed.push(post.id);
                continue;
            };
            let span = self.tracer.go_on(post.trace, "intake");
            let trace = span.as_ref().map(Span::context);
            sorted.spans.extend(span);
            for received in &batch.value {
                match received.verify(|id| known.get(id), self.tenant, &tokens) {
                    Ok(verified) => sorted.add(Candidate { verified, received_at: post.received_at, trace }),
                    Err(refusal) => sorted.refused.add(post.received_at, refusal.label(), ours(received, known)),
                }
            }
            sorted.done.push(post.id);
        }
        Ok(())
    }

    /// What the post's tokens are worth; `None`: that cannot be said before the signing keys have been fetched again.
    async fn tokens(&self, post: &Taken, batch: &notification::Batch<'_>) -> Option<Result<TokensGenuine, Refusal>> {
        let verdict = self.verifier.verify(&batch.validation_tokens()).await;
        let too_old = self.clock.now().duration_since(post.received_at) > KEYS_WAIT_MAX;
        match verdict {
            Ok(Err(Refusal::UnknownKey)) if !self.verifier.has_keys_from(post.received_at) && !too_old => None,
            Ok(verdict) => Some(verdict),
            Err(_) if too_old => Some(Err(Refusal::UnknownKey)),
            Err(unavailable) => {
                tracing::warn!(error = %unavailable, "notifications wait for Entra ID's signing keys");
                None
            }
        }
    }

    /// Decrypts, records and decides, part by part, each in a transaction of its own: who comes first is decided on while the next are
    /// decrypted. What is recorded before a crash is recorded again after it, which changes nothing.
    async fn record(&self, candidates: Vec<Vec<Candidate>>, refused: &mut Refusals) -> Result<u64, TaskError> {
        let mut chunks = self.open(candidates).await?.into_iter().peekable();
        let mut recorded = 0;
        while chunks.peek().is_some() {
            let mut opened = Vec::new();
            for chunk in chunks.by_ref().take(CHUNKS_PER_PART) {
                // A defect of ours in opening somebody's notification must not keep everybody's in the inbox.
                let Ok((part, broken)) = chunk.await else {
                    tracing::error!("opening notifications failed in an unforeseen way; their users are read by the next sweep");
                    refused.add(self.clock.now(), OPENING_FAILED, None);
                    continue;
                };
                opened.extend(part);
                refused.extend(broken);
            }
            let (facts, unknown) = self.facts(opened);
            recorded += self.conclude(facts).await?;
            if !unknown.is_empty() {
                self.store.confirm_users(&unknown, self.clock.now() + CONFIRM_AFTER).await?;
            }
        }
        Ok(recorded)
    }

    /// Records what was told together with what is decided from it. The confirming reads come later and find by themselves who is due: the
    /// more at once, the better.
    async fn conclude(&self, facts: Vec<TeamsFact>) -> Result<u64, TaskError> {
        let mut tx = self.store.begin_derived().await?;
        let users = told::lock(&mut tx, &facts).await?;
        let now = self.clock.now();
        let (due, recorded) = told::load_told(&mut tx, &users, facts, now + CONFIRM_AFTER, now, self.decider.terms).await?;
        self.decider.conclude(tx, due, now).await?;
        // It passes over whom we had locked, whatever else had woken them.
        self.decider.activators.reconciler.wake();
        Ok(recorded)
    }

    /// Has the newest of each user decrypted; where that one is broken, the one before. All of it is queued at once, so that
    /// decryption goes on while the first are recorded.
    async fn open(&self, candidates: Vec<Vec<Candidate>>) -> Result<Vec<Chunk>, TaskError> {
        let keys = self.private_keys().await?;
        let mut remaining = candidates.into_iter();
        let mut chunks = Vec::new();
        loop {
            let part: Vec<Vec<Candidate>> = remaining.by_ref().take(USERS_PER_CHUNK).collect();
            if part.is_empty() {
                return Ok(chunks);
            }
            let keys = keys.clone();
            chunks.push(self.opener.compute(move || open_each(part, &keys)));
        }
    }

    async fn private_keys(&self) -> Result<PrivateKeys, TaskError> {
        let ids = self.store.certificate_ids().await?;
        if let Ok(cached) = self.keys.lock()
            && cached.0 == ids
        {
            return Ok(cached.1.clone());
        }
        let mut keys = Vec::new();
        for (id, key) in self.store.private_keys().await? {
            keys.push((id.to_string(), PrivateKey::from_pkcs8_der(&key)?));
        }
        let keys: PrivateKeys = keys.into_iter().collect();
        if let Ok(mut cached) = self.keys.lock() {
            *cached = (ids, keys.clone());
        }
        Ok(keys)
    }

    /// At most one fact a user; *Teams does not know* is none, and names whom to read instead.
    fn facts(&self, opened: Vec<OpenedOne>) -> (Vec<TeamsFact>, Vec<TeamsUserId>) {
        let mut unknown = Vec::new();
        let mut newest: HashMap<TeamsUserId, TeamsFact> = HashMap::new();
        for (opened, observed_at, trace) in opened {
            let reading = read_teams(&opened.availability, &opened.activity);
            self.metrics.count_unknown_words(u64::from(!reading.known));
            if reading.words.is_none() {
                unknown.push(opened.user);
                continue;
            }
            let Opened { user, availability, activity, sequence_number } = opened;
            let fact = TeamsFact { user, availability, activity, sequence_number, observed_at, trace };
            let older = newest.get(&user).is_some_and(|known| known.observed_at > observed_at);
            if !older {
                newest.insert(user, fact);
            }
        }
        let mut facts: Vec<TeamsFact> = newest.into_values().collect();
        facts.sort_unstable_by_key(|fact| fact.user);
        (facts, unknown)
    }
}

/// The subscription a notification names, if it is ours: strangers may name what they like.
pub(super) fn ours(received: &Received<'_>, known: &HashMap<String, Expected>) -> Option<Uuid> {
    known.contains_key(received.subscription_id()).then(|| received.subscription_id().parse().ok())?
}

/// What notifications of our subscriptions must prove to know.
pub(super) async fn expected(store: &Store) -> Result<HashMap<String, Expected>, TaskError> {
    let states = store.client_states().await?.into_iter();
    Ok(states.map(|(id, client_state)| (id.to_string(), Expected { client_state })).collect())
}

impl Sorted {
    fn add(&mut self, candidate: Candidate) {
        self.heard.extend(candidate.verified.subscription_id.as_str().parse::<Uuid>());
        let place = candidate.verified.user.map(|user| *self.by_user.entry(user).or_insert(self.candidates.len()));
        match place.and_then(|place| self.candidates.get_mut(place)) {
            // What had waited for keys may be taken after what came later.
            Some(candidates) => {
                let newer = candidates.partition_point(|known| known.received_at <= candidate.received_at);
                candidates.insert(newer, candidate);
            }
            None => self.candidates.push(vec![candidate]),
        }
    }
}

fn open_each(candidates: Vec<Vec<Candidate>>, keys: &PrivateKeys) -> OpenedEach {
    let mut refused = Refusals::default();
    let mut open = |candidates: Vec<Candidate>| {
        candidates.into_iter().rev().find_map(|candidate| match candidate.verified.open(keys) {
            Ok(opened) => Some((opened, candidate.received_at, candidate.trace)),
            Err(refusal) => {
                let subscription_id = candidate.verified.subscription_id.as_str().parse().ok();
                refused.add(candidate.received_at, refusal.label(), subscription_id);
                None
            }
        })
    };
    let opened = candidates.into_iter().filter_map(&mut open).collect();
    (opened, refused)
}
