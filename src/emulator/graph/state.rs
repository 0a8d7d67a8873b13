//! The emulated tenant: its users, tokens, subscriptions and faults, behind one lock.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::Options;
use super::delivery::{Mail, Notice, Parcel};
use super::faults::Faults;
use super::presence::{Pair, Sources};
use super::requests::Requests;
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
    last_change: u64,
}

/// A user of the tenant.
pub struct User {
    /// Directory properties by Graph's names, `id` among them.
    pub properties: Map<String, Value>,
    pub sources: Sources,
    pub out_of_office: Option<String>,
    shown: Version,
    /// What reads show while presence lags.
    lagging: Option<Version>,
}

/// A presence as it was after one change.
#[derive(Clone, Debug)]
pub struct Version {
    pub pair: Pair,
    pub out_of_office: Option<String>,
    /// Sortable as text; rises with every change.
    pub sequence_number: String,
}

impl User {
    pub fn new(properties: Map<String, Value>, change: u64) -> Self {
        let shown = Version { pair: Pair::offline(), out_of_office: None, sequence_number: sequence_number(change) };
        Self { properties, sources: Sources::default(), out_of_office: None, shown, lagging: None }
    }

    /// What a read answers.
    pub fn read(&self) -> &Version {
        self.lagging.as_ref().unwrap_or(&self.shown)
    }

    /// What is true, however reads lag.
    pub fn shown(&self) -> &Version {
        &self.shown
    }

    pub fn catch_up(&mut self) {
        self.lagging = None;
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

    pub fn user_by_name(&self, user_principal_name: &str) -> Option<Uuid> {
        let named =
            |user: &User| user.text("userPrincipalName").is_some_and(|name| name.eq_ignore_ascii_case(user_principal_name));
        self.users.iter().find(|(_, user)| named(user)).map(|(id, _)| *id)
    }

    /// Works out what one user shows now; a change takes a new sequence number and notifies the subscribers.
    pub fn settle(&mut self, id: Uuid, now: Timestamp) {
        let Some(user) = self.users.get_mut(&id) else { return };
        user.sources.expire(now);
        let pair = user.sources.visible(now);
        let same_pair = pair == user.shown.pair;
        if same_pair && user.out_of_office == user.shown.out_of_office {
            return;
        }
        self.last_change += 1;
        let next = Version {
            pair: pair.clone(),
            out_of_office: user.out_of_office.clone(),
            sequence_number: sequence_number(self.last_change),
        };
        let before = std::mem::replace(&mut user.shown, next);
        if self.faults.presence_lag {
            user.lagging.get_or_insert(before);
        }
        if !same_pair {
            self.notify(id, &pair, now);
        }
    }

    /// Settles everybody, drops what has expired, asks for reauthorization where the end is near.
    pub fn settle_all(&mut self, now: Timestamp) {
        let everybody: Vec<Uuid> = self.users.keys().copied().collect();
        for id in everybody {
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
    }

    fn notify(&mut self, user: Uuid, pair: &Pair, now: Timestamp) {
        for subscription in self.subscriptions.values_mut() {
            if subscription.expires_at <= now || !subscription.users.contains(&user) {
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
