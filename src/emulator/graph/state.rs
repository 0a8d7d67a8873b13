//! The emulated tenant: its users, tokens, subscriptions and faults, behind one lock.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::Options;
use super::budget::WriteBudget;
use super::delivery::{Mail, Notice, Parcel};
use super::delta::Chronicle;
use super::faults::Faults;
use super::late::Late;
use super::presence::{Pair, Sources};
use super::requests::Requests;
use super::shown::{Shown, Version};
use super::sign_ins::Browsers;
use super::signing::SigningKeys;
use super::subscriptions::Subscription;
use super::tokens::TokenLedger;

/// `reauthorizationRequired` is sent when a subscription or its access token has this long to live.
const REAUTHORIZATION_AHEAD: SignedDuration = SignedDuration::from_mins(15);

/// The running emulator; shared by every handler and every delivery.
pub struct Emulator {
    pub options: Options,
    pub base_url: String,
    pub http: reqwest::Client,
    pub tracker: TaskTracker,
    pub stopping: CancellationToken,
    /// Bounds how many notifications are on their way at once.
    pub deliveries: Semaphore,
    world: Mutex<World>,
}

/// All that changes.
pub struct World {
    pub users: BTreeMap<Uuid, User>,
    pub tokens: TokenLedger,
    pub signing: SigningKeys,
    pub subscriptions: BTreeMap<Uuid, Subscription>,
    pub faults: Faults,
    pub requests: Requests,
    pub mail: Mail,
    pub late: Late,
    pub writes: WriteBudget,
    pub chronicle: Chronicle,
    pub browsers: Browsers,
    /// When time alone next has a say in whose presence; may name moments that no longer matter.
    turns: BTreeSet<(Timestamp, Uuid)>,
    last_change: u64,
}

/// A user of the tenant.
pub struct User {
    /// Directory properties by Graph's names, `id` among them.
    pub properties: Map<String, Value>,
    pub sources: Sources,
    pub out_of_office: Option<String>,
    pub shown: Shown,
    /// Up to when everything is worked out.
    settled_at: Timestamp,
}

impl User {
    pub fn new(properties: Map<String, Value>, change: u64) -> Self {
        let first = Version { pair: Pair::offline(), out_of_office: None, sequence_number: sequence_number(change) };
        let shown = Shown::new(first);
        Self { properties, sources: Sources::default(), out_of_office: None, shown, settled_at: Timestamp::MIN }
    }

    pub fn text(&self, property: &str) -> Option<&str> {
        self.properties.get(property).and_then(Value::as_str)
    }

    pub fn is_enabled(&self) -> bool {
        self.properties.get("accountEnabled") != Some(&Value::Bool(false))
    }
}

impl Emulator {
    pub fn new(options: Options, base_url: String, http: reqwest::Client, signing: SigningKeys) -> Self {
        let world = World {
            users: BTreeMap::new(),
            tokens: TokenLedger::default(),
            signing,
            subscriptions: BTreeMap::new(),
            faults: Faults::default(),
            requests: Requests::default(),
            mail: Mail::default(),
            late: Late::default(),
            writes: WriteBudget::default(),
            chronicle: Chronicle::default(),
            browsers: Browsers::default(),
            turns: BTreeSet::new(),
            last_change: 0,
        };
        Self {
            options,
            base_url,
            http,
            tracker: TaskTracker::new(),
            stopping: CancellationToken::new(),
            deliveries: Semaphore::new(256),
            world: Mutex::new(world),
        }
    }

    pub fn now(&self) -> Timestamp {
        self.options.clock.now()
    }

    /// Looks at the world, or changes what notifies nobody.
    pub fn look<T>(&self, act: impl FnOnce(&mut World) -> T) -> T {
        act(&mut self.lock())
    }

    /// Changes the world and sends off whatever that gave to send.
    pub fn change<T>(self: &Arc<Self>, act: impl FnOnce(&mut World, Timestamp) -> T) -> T {
        let now = self.now();
        let mut world = self.lock();
        let outcome = act(&mut world, now);
        world.notify_of_what_is_due(now);
        self.dispatch(&mut world);
        outcome
    }

    /// Brings everything up to the present moment: what ran out goes, and is notified.
    pub fn catch_up_with_time(self: &Arc<Self>) {
        self.change(World::settle_all);
    }

    fn lock(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl World {
    /// A number higher than any before.
    pub fn next_change(&mut self) -> u64 {
        self.last_change += 1;
        self.last_change
    }

    /// The highest number there is.
    pub fn last_change(&self) -> u64 {
        self.last_change
    }

    pub fn user_by_name(&self, user_principal_name: &str) -> Option<Uuid> {
        let named =
            |user: &User| user.text("userPrincipalName").is_some_and(|name| name.eq_ignore_ascii_case(user_principal_name));
        self.users.iter().find(|(_, user)| named(user)).map(|(id, _)| *id)
    }

    /// Changes what has a say in one user's presence, once time has had its own; `None`: no such user.
    pub fn alter<T>(&mut self, id: Uuid, now: Timestamp, act: impl FnOnce(&mut User, u64) -> T) -> Option<T> {
        self.settle(id, now);
        let change = self.next_change();
        let outcome = act(self.users.get_mut(&id)?, change);
        self.settle(id, now);
        Some(outcome)
    }

    /// Works out what one user shows now, by way of every moment at which something ran out: a leap of the clock skips nothing.
    pub fn settle(&mut self, id: Uuid, now: Timestamp) {
        let next_turn = |user: &User| user.sources.next_turn(user.settled_at).filter(|turn| *turn < now);
        while let Some(turn) = self.users.get(&id).and_then(next_turn) {
            self.settle_at(id, turn, now);
        }
        self.settle_at(id, now, now);
        if let Some(turn) = self.users.get(&id).and_then(|user| user.sources.next_turn(now)) {
            self.turns.insert((turn, id));
        }
    }

    /// A change takes a new sequence number and notifies the subscribers.
    fn settle_at(&mut self, id: Uuid, at: Timestamp, now: Timestamp) {
        let Some(user) = self.users.get_mut(&id) else { return };
        user.settled_at = at;
        user.sources.expire(at);
        let pair = user.sources.visible(at);
        let same_pair = pair == user.shown.current().pair;
        if same_pair && user.out_of_office == user.shown.current().out_of_office {
            return;
        }
        self.last_change += 1;
        let next = Version {
            pair: pair.clone(),
            out_of_office: user.out_of_office.clone(),
            sequence_number: sequence_number(self.last_change),
        };
        user.shown.replace(next, at, &self.faults);
        if !same_pair && self.faults.lag.notifications_seconds > 0 {
            self.late.keep(at + self.faults.lag.notifications(), self.last_change, id, pair);
        } else if !same_pair {
            self.notify(id, &pair, now);
        }
    }

    fn notify_of_what_is_due(&mut self, now: Timestamp) {
        while let Some((user, pair)) = self.late.next_due(now) {
            self.notify(user, &pair, now);
        }
    }

    /// Puts other faults in the place of all; what only the faults before kept back is seen from now on.
    pub fn replace_faults(&mut self, faults: Faults, now: Timestamp) -> Vec<Parcel> {
        let before = std::mem::replace(&mut self.faults, faults);
        for user in self.users.values_mut() {
            user.shown.catch_up(&before, &self.faults);
        }
        self.writes = WriteBudget::default();
        let (earlier, present) = (&before.notifications, &self.faults.notifications);
        let keeps = present.hold || present.delay > 0;
        let released = if keeps { Vec::new() } else { self.mail.release(earlier.reverse || present.reverse) };
        if before.lag != self.faults.lag {
            for (user, pair) in self.late.take_all() {
                self.notify(user, &pair, now);
            }
        }
        released
    }

    /// Settles everybody in whose presence time has had a say, drops what has expired, asks for reauthorization where the end is near.
    pub fn settle_all(&mut self, now: Timestamp) {
        while let Some(&(turn, id)) = self.turns.first()
            && turn <= now
        {
            self.turns.pop_first();
            self.settle(id, now);
        }
        self.subscriptions.retain(|_, subscription| subscription.expires_at > now);
        let mut due = Vec::new();
        for subscription in self.subscriptions.values_mut() {
            let ends = subscription.expires_at.min(subscription.token_expires_at);
            if !subscription.asked_to_reauthorize && ends.duration_since(now) <= REAUTHORIZATION_AHEAD {
                subscription.asked_to_reauthorize = true;
                due.extend(subscription.lifecycle_parcel("reauthorizationRequired", None, now));
            }
        }
        for parcel in due {
            self.mail.post(parcel);
        }
        self.tokens.forget_expired(now);
        self.browsers.forget_expired(now);
    }

    fn notify(&mut self, user: Uuid, pair: &Pair, now: Timestamp) {
        for subscription in self.subscriptions.values_mut() {
            if subscription.silent || subscription.expires_at <= now || !subscription.users.contains(&user) {
                continue;
            }
            let notice = Notice::Change { user, pair: pair.clone(), encryption: subscription.encryption.clone() };
            let parcel = Parcel::new(subscription.address(), notice, now, self.faults.notifications.v1_tokens);
            if subscription.token_expires_at <= now {
                subscription.retained.push(parcel);
            } else {
                self.mail.post_with_faults(parcel, &mut self.faults.notifications, &mut self.requests.notifications);
            }
        }
    }
}

fn sequence_number(change: u64) -> String {
    format!("A{change:019}")
}
