//! Carries notifications to their addresses: in the background, in batches, again and again until they are accepted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::encryption::EncryptionCertificate;
use super::faults::{Fate, NotificationFaults, Tamper};
use super::presence::Pair;
use super::requests::Deliveries;
use super::state::{Emulator, World};

/// How many notifications travel in one request at most.
const MAX_BATCH: usize = 20;
const FIRST_DEADLINE: Duration = Duration::from_secs(3);
const LATER_DEADLINE: Duration = Duration::from_secs(10);
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_mins(1);
/// Past this age, on the emulated clock, a notification is given up.
const GIVE_UP_AFTER: SignedDuration = SignedDuration::from_hours(4);

/// Requests that are sent at the same time, each with what travels in it.
type Wave = Vec<Vec<Parcel>>;

/// Where a notification goes, and what it tells about its subscription.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Address {
    pub url: String,
    pub subscription: Uuid,
    pub subscription_expires_at: Timestamp,
    pub client_state: Option<String>,
}

/// What a notification says.
#[derive(Clone)]
pub enum Notice {
    Change {
        user: Uuid,
        pair: Pair,
        /// `None`: a basic notification, without resource data.
        encryption: Option<Arc<EncryptionCertificate>>,
    },
    Lifecycle {
        event: String,
    },
}

/// One notification on its way.
#[derive(Clone)]
pub struct Parcel {
    pub address: Address,
    pub notice: Notice,
    pub created_at: Timestamp,
    pub tamper: Tamper,
    pub v1_token: bool,
    /// Travels in a request of its own.
    alone: bool,
}

/// Notifications that are not with their subscribers yet.
#[derive(Default)]
pub struct Mail {
    /// Posted under the present lock; sent off when it ends.
    posted: Vec<Parcel>,
    /// Kept by a fault until released.
    held: Vec<Parcel>,
    /// Posted or on their way, retries included, held ones not.
    pub pending: usize,
}

impl Parcel {
    pub fn new(address: Address, notice: Notice, created_at: Timestamp, v1_token: bool) -> Self {
        Self { address, notice, created_at, tamper: Tamper::None, v1_token, alone: false }
    }

    fn travels_with(&self, other: &Self) -> bool {
        let lifecycle = |parcel: &Self| matches!(parcel.notice, Notice::Lifecycle { .. });
        !self.alone
            && !other.alone
            && self.address.url == other.address.url
            && self.v1_token == other.v1_token
            && lifecycle(self) == lifecycle(other)
    }
}

impl Mail {
    pub fn post(&mut self, parcel: Parcel) {
        self.pending += 1;
        self.posted.push(parcel);
    }

    /// Posts, unless a fault loses, changes, keeps or doubles it.
    pub fn post_with_faults(&mut self, mut parcel: Parcel, faults: &mut NotificationFaults, counts: &mut Deliveries) {
        let (fate, tamper) = faults.next();
        parcel.tamper = tamper;
        let twice = matches!(fate, Fate::Sent { twice: true } | Fate::Held { twice: true });
        parcel.alone = twice || tamper != Tamper::None;
        match fate {
            Fate::Lost => counts.lost += 1,
            Fate::Sent { .. } => {
                for copy in copies(parcel, twice) {
                    self.post(copy);
                }
            }
            Fate::Held { .. } => self.held.extend(copies(parcel, twice)),
        }
    }

    pub fn held(&self) -> usize {
        self.held.len()
    }

    /// What was held, in the order in which it shall be sent; counts as pending from now on.
    pub fn release(&mut self, newest_first: bool) -> Vec<Parcel> {
        let mut released = std::mem::take(&mut self.held);
        if newest_first {
            released.reverse();
        }
        self.pending += released.len();
        released
    }

    /// What is posted, in waves: a user's second change is not in the wave of the first, so that it cannot overtake it.
    fn waves(&mut self) -> Vec<Wave> {
        let mut waves: Vec<Wave> = Vec::new();
        let mut turns: HashMap<(Uuid, Uuid), usize> = HashMap::new();
        for parcel in self.posted.drain(..) {
            let turn = match parcel.notice {
                Notice::Change { user, .. } => {
                    let next = turns.entry((parcel.address.subscription, user)).or_default();
                    *next += 1;
                    *next - 1
                }
                Notice::Lifecycle { .. } => 0,
            };
            if waves.len() <= turn {
                waves.push(Wave::new());
            }
            load(&mut waves[turn], parcel);
        }
        waves
    }
}

fn load(wave: &mut Wave, parcel: Parcel) {
    let fits = |batch: &&mut Vec<Parcel>| batch.len() < MAX_BATCH && batch[0].travels_with(&parcel);
    match wave.iter_mut().rev().find(fits) {
        Some(batch) => batch.push(parcel),
        None => wave.push(vec![parcel]),
    }
}

fn copies(parcel: Parcel, twice: bool) -> impl Iterator<Item = Parcel> {
    std::iter::repeat_n(parcel, if twice { 2 } else { 1 })
}

impl Emulator {
    /// Sends off everything posted; nothing here waits.
    pub fn dispatch(self: &Arc<Self>, world: &mut World) {
        self.send(world.mail.waves());
    }

    /// Sends what was held, one by one, each after the answer to the one before.
    pub fn send_in_order(self: &Arc<Self>, released: Vec<Parcel>) {
        self.send(released.into_iter().map(|parcel| vec![vec![parcel]]).collect());
    }

    /// Sends wave after wave, each when everything before was tried once.
    fn send(self: &Arc<Self>, waves: Vec<Wave>) {
        if waves.is_empty() {
            return;
        }
        let emulator = Arc::clone(self);
        self.tracker.spawn(async move {
            for wave in waves {
                let deliver = |batch| emulator.tracker.spawn(Arc::clone(&emulator).deliver(batch));
                join_all(wave.into_iter().map(deliver)).await;
            }
        });
    }

    /// Tries once; what is not accepted goes on trying without holding up the rest.
    async fn deliver(self: Arc<Self>, batch: Vec<Parcel>) {
        let body = self.envelope(&batch);
        if self.attempt(&batch, &body, FIRST_DEADLINE).await {
            self.look(|world| world.mail.pending -= batch.len());
        } else {
            self.tracker.spawn(Arc::clone(&self).retry(batch, body));
        }
    }

    /// Repeats the same request with growing pauses until it is accepted, too old, or the emulator stops.
    async fn retry(self: Arc<Self>, batch: Vec<Parcel>, body: String) {
        let mut pause = FIRST_PAUSE;
        let mut waited = Duration::ZERO;
        let accepted = loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stopping.cancelled() => break false,
            }
            waited += pause;
            pause = (pause * 2).min(LONGEST_PAUSE);
            let age = self.now().duration_since(batch[0].created_at);
            if age >= GIVE_UP_AFTER || waited >= GIVE_UP_AFTER.unsigned_abs() {
                break false;
            }
            self.look(|world| world.requests.notifications.retried += count(&batch));
            if self.attempt(&batch, &body, LATER_DEADLINE).await {
                break true;
            }
        };
        self.look(|world| {
            world.mail.pending -= batch.len();
            if !accepted {
                world.requests.notifications.given_up += count(&batch);
            }
        });
    }

    /// One request; whether it was accepted.
    async fn attempt(&self, batch: &[Parcel], body: &str, deadline: Duration) -> bool {
        let Ok(_permit) = self.deliveries.acquire().await else { return false };
        let request = self.http.post(&batch[0].address.url).header("content-type", "application/json; charset=utf-8");
        let answer = tokio::select! {
            answer = request.body(body.to_owned()).timeout(deadline).send() => answer,
            () = self.stopping.cancelled() => return false,
        };
        let accepted = answer.is_ok_and(|response| response.status().is_success());
        self.look(|world| {
            let counts = &mut world.requests.notifications;
            *(if accepted { &mut counts.delivered } else { &mut counts.refused }) += count(batch);
        });
        accepted
    }
}

fn count(batch: &[Parcel]) -> u64 {
    u64::try_from(batch.len()).unwrap_or(u64::MAX)
}
