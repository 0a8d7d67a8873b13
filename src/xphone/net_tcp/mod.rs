//! XPhone's Integration API behind the port: WCF over net.tcp, one presence per user and origin, people known by their addresses.
//!
//! There are two connections. Over one questions are asked; it is made when there is one to ask, and anew after it broke. Over the
//! other events are told; it belongs to whoever listens, and its end is theirs to see.
//!
//! Snapshot and events fit together like this: [`presence`](XPhone::presence) lets events be told *before* it reads everybody, so that
//! none falls between the two. Those told meanwhile are told again after the snapshot; each sets a part to what it says, the last one
//! to what the snapshot had seen or to something newer. The sequence is counted here, because the server counts none.
//!
//! What we set does not end by itself. Who listens to the port learns that from the [capabilities](XPhone::capabilities) and ends it.

mod appointments;
mod calls;
mod channel;
mod contract;
mod endpoint;
mod failure;
mod fold;
mod listening;
mod people;
mod tls;
mod told;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, Weak};

use futures::stream::BoxStream;
use nettcp::soap::Message;
use tokio::sync::{Mutex, mpsc};

use self::calls::Line;
use self::channel::{Patience, Target};
use self::contract::MapEntry;
use self::endpoint::Endpoint;
use self::listening::Listening;
use self::people::People;
use self::tls::Tls;
use self::told::Told;
use crate::clock::Clock;
use crate::config::XphoneNetTcp;
use crate::domain::ids::{ProfileGuid, UserGuid};
use crate::domain::mapping::StatusKind;
use crate::xphone::values::{Capabilities, Entry, PresenceState, Profile, Snapshot, User};
use crate::xphone::{Error, Heard};

/// XPhone, as the gateway speaks to it. Clones share everything.
#[derive(Clone)]
pub(super) struct XPhone(Arc<Shared>);

struct Shared {
    settings: XphoneNetTcp,
    origin: String,
    clock: Clock,
    patience: Patience,
    target: Target,
    endpoints: Vec<Endpoint>,
    people: RwLock<People>,
    told: Arc<Told>,
    questions: Mutex<Option<Arc<Line>>>,
    listeners: Mutex<Listeners>,
    /// What we have set, as long as we live: something of another origin may cover it.
    set: std::sync::Mutex<HashMap<UserGuid, MapEntry>>,
}

/// The connection that events are told on.
#[derive(Default)]
struct Listeners {
    /// Told since everybody was read; waits for somebody to listen.
    waiting: Option<(u64, Listening)>,
    /// Heard by somebody, as long as they do.
    heard: Weak<Line>,
}

impl XPhone {
    /// Prepares to speak to the server that the settings name; nothing is sent yet.
    ///
    /// # Errors
    /// `SetUp` if TLS cannot be prepared, for instance because the authority's certificates cannot be used.
    pub(super) fn new(settings: &XphoneNetTcp, origin: &str, clock: Clock) -> Result<Self, Error> {
        Self::with_patience(settings, origin, clock, Patience::default())
    }

    fn with_patience(settings: &XphoneNetTcp, origin: &str, clock: Clock, patience: Patience) -> Result<Self, Error> {
        let host = settings.server.host_str().unwrap_or_default();
        let tls = settings.trust.as_ref().map(|trust| Tls::new(trust, host)).transpose()?;
        let may_use = |endpoint: &Endpoint| if endpoint.is_secure() { tls.is_some() } else { settings.allow_unencrypted };
        let endpoints = Endpoint::ALL.into_iter().filter(may_use).collect();
        Ok(Self(Arc::new(Shared {
            settings: settings.clone(),
            origin: origin.to_owned(),
            clock,
            patience,
            target: Target { server: settings.server.clone(), tls },
            endpoints,
            people: RwLock::default(),
            told: Arc::new(Told::new(origin.to_owned())),
            questions: Mutex::default(),
            listeners: Mutex::default(),
            set: std::sync::Mutex::default(),
        })))
    }

    async fn open(&self) -> Result<(Line, mpsc::Receiver<Message>), Error> {
        let Shared { target, endpoints, patience, .. } = &*self.0;
        Line::open(target, endpoints, *patience).await
    }

    /// A connection to ask on; whoever comes while it is made waits for it.
    async fn line(&self) -> Result<Arc<Line>, Error> {
        let mut questions = self.0.questions.lock().await;
        if let Some(line) = questions.as_ref().filter(|line| !line.is_over()) {
            return Ok(Arc::clone(line));
        }
        let (line, _) = self.open().await?;
        tracing::info!(endpoint = line.endpoint().name(), version = line.version, "connected to XPhone's Integration API");
        Ok(Arc::clone(questions.insert(Arc::new(line))))
    }

    /// Everybody's presence, and who is who.
    async fn map(&self, line: &Line) -> Result<(Vec<MapEntry>, Vec<UserGuid>), Error> {
        let entries = line.map().await?;
        let guids = self.0.people.write().unwrap_or_else(PoisonError::into_inner).learn(&entries);
        Ok((entries, guids))
    }

    /// What the server can.
    pub(super) async fn capabilities(&self) -> Result<Capabilities, Error> {
        let line = self.line().await?;
        Ok(Capabilities {
            server_version: format!("Integration API, contract version {}, {}", line.version, line.endpoint().name()),
            appointments: true,
            appointments_end: false,
            audience: false,
            forwarding_on_appointment: false,
            events: line.has_events(),
            profiles: false,
            profile_templates: false,
            tree: false,
        })
    }

    /// The statuses that the settings name: the server does not say what they are.
    pub(super) fn presence_states(&self) -> Vec<PresenceState> {
        let named = self.0.settings.presence_states.iter();
        named.map(|(kind, guid)| PresenceState { guid: *guid, kind: Some(*kind), name: kind.label().to_owned() }).collect()
    }

    /// Everybody who has an address. This server tells no profiles; the status do not disturb stands for one, so that it can be shown.
    pub(super) async fn users(&self) -> Result<Vec<User>, Error> {
        let line = self.line().await?;
        let (entries, guids) = self.map(&line).await?;
        let profiles: Vec<Profile> = self.do_not_disturb().into_iter().collect();
        let user = |(entry, guid): (MapEntry, UserGuid)| User {
            guid,
            display_name: entry.email.clone(),
            email: Some(entry.email),
            account_name: None,
            distinguished_name: String::new(),
            profiles: profiles.clone(),
        };
        Ok(entries.into_iter().zip(guids).map(user).collect())
    }

    fn do_not_disturb(&self) -> Option<Profile> {
        let states = &self.0.settings.presence_states;
        let guid = states.iter().find(|(kind, _)| *kind == StatusKind::DoNotDisturb).map(|(_, guid)| *guid)?;
        Some(Profile { guid: ProfileGuid(guid.0), name: "Do not disturb".to_owned(), presence_state: guid, active: true })
    }

    /// Everybody's presence, and the event sequence it stands at.
    pub(super) async fn presence(&self) -> Result<Snapshot, Error> {
        let mut listeners = self.0.listeners.lock().await;
        // Whoever listens goes on listening: their connection tells in which order things happened.
        if let Some(line) = listeners.heard.upgrade().filter(|line| !line.is_over()) {
            drop(listeners);
            return self.snapshot(&line).await;
        }
        listeners.waiting = None;
        let (line, events) = self.open().await?;
        line.subscribe().await?;
        let line = Arc::new(line);
        let snapshot = self.snapshot(&line).await?;
        let listening = Listening::new(line, events, Arc::clone(&self.0.told), self.0.patience);
        listeners.waiting = Some((snapshot.sequence, listening));
        Ok(snapshot)
    }

    /// Everybody's presence, for whoever wants to look once.
    pub(super) async fn presence_now(&self) -> Result<Vec<Entry>, Error> {
        let line = self.line().await?;
        let (entries, guids) = self.map(&line).await?;
        Ok(entries.iter().zip(guids).map(|(entry, guid)| fold::entry(guid, entry)).collect())
    }

    async fn snapshot(&self, line: &Line) -> Result<Snapshot, Error> {
        let sequence = self.0.told.last();
        let (entries, guids) = self.map(line).await?;
        self.0.told.read(sequence, &entries, &guids);
        let entries = entries.iter().zip(guids).map(|(entry, guid)| fold::entry(guid, entry)).collect();
        Ok(Snapshot { sequence, entries })
    }

    /// Listens to what changed after the last snapshot.
    ///
    /// # Errors
    /// `Gone`: events are told after a snapshot only, once.
    pub(super) async fn events(&self, since: u64) -> Result<BoxStream<'static, Result<Heard, Error>>, Error> {
        let mut listeners = self.0.listeners.lock().await;
        let (_, listening) = listeners.waiting.take().filter(|(sequence, _)| *sequence == since).ok_or(Error::Gone)?;
        listeners.heard = Arc::downgrade(&listening.line);
        Ok(listening.stream())
    }
}
