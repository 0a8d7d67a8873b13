//! Everything the server knows: people, places, templates, tokens, events.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use super::directory::{Location, User};
use super::events::Feed;
use super::faults::Faults;
use super::guid::Guid;
use super::presence;
use super::refusal::Refusal;
use super::requests::Requests;
use super::templates::Templates;
use super::tokens::Tokens;

/// The server's memory.
pub struct State {
    pub tokens: Tokens,
    pub locations: BTreeMap<Guid, Location>,
    pub templates: Templates,
    pub users: BTreeMap<Guid, User>,
    pub feed: Feed,
    pub faults: Faults,
    pub requests: Requests,
    /// The origin the API account last set or listed appointments as.
    pub caller_origin: Option<String>,
    /// Cancelled to break the event streams that are open.
    pub streams: CancellationToken,
    /// When a user's appointments begin or end; may name moments that no longer matter.
    due: BTreeSet<(Timestamp, Guid)>,
    /// Counts what was picked or set, to tell the newest.
    turns: u64,
}

impl State {
    pub fn new(account_name: String, password: String, streams: CancellationToken) -> Self {
        Self {
            tokens: Tokens::new(account_name, password),
            locations: BTreeMap::new(),
            templates: Templates::default(),
            users: BTreeMap::new(),
            feed: Feed::new(),
            faults: Faults::default(),
            requests: Requests::default(),
            caller_origin: None,
            streams,
            due: BTreeSet::new(),
            turns: 0,
        }
    }

    /// Plays everything the clock has brought since the last look, in its order.
    pub fn settle(&mut self, now: Timestamp) {
        while let Some(&(at, guid)) = self.due.first()
            && at <= now
        {
            self.due.pop_first();
            if let Some(user) = self.users.get_mut(&guid) {
                user.appointments.retain(|_, appointment| appointment.end > at);
                self.publish(guid, at);
            }
        }
    }

    /// Looks at the user again when this moment comes, now if it has passed: what is past is not told again.
    pub fn look_again(&mut self, user: Guid, at: Timestamp, now: Timestamp) {
        self.due.insert((at.max(now), user));
    }

    /// Raises an event if what the user shows has changed.
    pub fn publish(&mut self, user: Guid, now: Timestamp) {
        let Some(user) = self.users.get_mut(&user) else { return };
        let entry = user.entry_at(now);
        let changed = presence::changes(&user.published, &entry);
        if !changed.is_empty() {
            self.feed.raise(&changed, &entry);
        }
        user.published = entry;
    }

    pub fn user(&self, guid: Guid) -> Result<&User, Refusal> {
        self.users.get(&guid).ok_or(Refusal::NotFound("user"))
    }

    pub fn user_mut(&mut self, guid: Guid) -> Result<&mut User, Refusal> {
        self.users.get_mut(&guid).ok_or(Refusal::NotFound("user"))
    }

    /// The number of a new pick or setting: higher is newer.
    pub fn next_turn(&mut self) -> u64 {
        self.turns += 1;
        self.turns
    }
}
