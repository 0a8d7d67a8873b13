//! The gateway's database as the simulation keeps it: one user's row, three slots, three mailboxes; each function is one transaction.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::mailbox::Letter;
use super::mutant::Mutant;
use super::reports::Row;
use super::story::{Setup, WORKSTATIONS};
use crate::domain::expiry;
use crate::domain::ids::TeamsUserId;
use crate::domain::mapping::{TeamsWords, XphoneEntry, own_status};
use crate::domain::microphone::MicrophoneSync;
use crate::domain::policy::{EffectivePolicy, Level, Mode};
use crate::domain::reconcile::{Profile, Remembered, Snapshot, Source, TeamsObservation};
use crate::domain::slot::{Held, Live, Pending, Record, Shown, Sighting, Slot, TeamsSlot};

/// A provisional observation is confirmed so soon.
const CONFIRM_AFTER: SignedDuration = SignedDuration::from_millis(250);
/// A read that told something odd is made again so soon.
const READ_AGAIN_AFTER: SignedDuration = SignedDuration::from_secs(3);
/// An observation further ahead than this was made by a wrong clock.
pub const AHEAD_MAX: SignedDuration = SignedDuration::from_mins(1);

/// What Teams said, and the number Graph gave it.
#[derive(Clone, Copy, Debug)]
pub struct Fact {
    pub words: Option<TeamsWords>,
    pub at: Timestamp,
    pub number: Option<u64>,
}

/// The slot in XPhone.
#[derive(Clone, Debug)]
pub struct AppointmentRow {
    pub slot: Slot,
    pub reached_at: Option<Timestamp>,
    /// When a push about it was last confirmed.
    pub settled_at: Option<Timestamp>,
}

/// A slot in Teams.
#[derive(Clone, Copy, Debug, Default)]
pub struct TeamsRow {
    pub record: Record,
    pub live_from: Option<Timestamp>,
    pub live_until: Option<Timestamp>,
}

/// The appointment, the session, the preferred presence.
pub const APPOINTMENT: usize = 0;
pub const SESSION: usize = 1;
pub const PREFERRED: usize = 2;

/// Everything stored.
#[derive(Clone, Debug)]
pub struct Store {
    pub mode: Mode,
    pub shadow: bool,
    pub teams_user: Option<TeamsUserId>,
    pub profiles: Vec<Profile>,
    pub newest: Option<(Fact, Source)>,
    pub confirmed: Option<Fact>,
    pub confirm_at: Option<Timestamp>,
    pub remembered: Option<Remembered>,
    pub xphone: Option<XphoneEntry>,
    pub client: bool,
    pub heard_at: Option<Timestamp>,
    pub revisit_at: Option<Timestamp>,
    pub decided_at: Option<Timestamp>,
    /// What is told of the microphone, what workstations reported, and that it is not shown again.
    pub sync: Arc<MicrophoneSync>,
    pub reports: [Option<Row>; WORKSTATIONS],
    pub microphone_held: Option<Held>,
    pub appointment: AppointmentRow,
    /// The session and the preferred presence.
    pub teams: [TeamsRow; 2],
    pub letters: [Option<Letter>; 3],
    pub generation: u64,
}

impl Store {
    pub fn new(setup: Setup, teams_user: TeamsUserId, profiles: Vec<Profile>, sync: Arc<MicrophoneSync>, now: Timestamp) -> Self {
        Self {
            mode: super::oracle::mode(setup.mode),
            shadow: false,
            teams_user: Some(teams_user),
            profiles,
            newest: None,
            confirmed: None,
            confirm_at: Some(now),
            remembered: None,
            xphone: None,
            client: false,
            heard_at: None,
            revisit_at: Some(now),
            decided_at: None,
            sync,
            reports: [None, None],
            microphone_held: None,
            appointment: AppointmentRow { slot: Slot::Empty, reached_at: None, settled_at: None },
            teams: [TeamsRow::default(); 2],
            letters: [None, None, None],
            generation: 0,
        }
    }

    /// At once, whatever any clock says: the one that wrote it may be ahead of the one that looks.
    pub fn wake(&mut self) {
        self.revisit_at = Some(Timestamp::UNIX_EPOCH);
    }

    pub fn teams_live(&self) -> bool {
        let live = |slot: &TeamsRow| slot.record != Record::Empty || slot.live_from.is_some();
        self.teams.iter().any(live) || self.letters[SESSION].is_some() || self.letters[PREFERRED].is_some()
    }

    fn is_old(&self, fact: Fact, now: Timestamp) -> bool {
        self.newest.is_some_and(|(newest, _)| {
            let later = fact.at < newest.at && newest.at <= now + AHEAD_MAX;
            later || matches!((fact.number, newest.number), (Some(number), Some(held)) if number < held)
        })
    }

    pub fn record_notification(&mut self, fact: Fact, now: Timestamp) {
        if self.is_old(fact, now) {
            return;
        }
        let changed = self.newest.map(|(newest, _)| newest.words) != Some(fact.words);
        self.newest = Some((fact, Source::Notification));
        self.confirm_at = Some(now + CONFIRM_AFTER);
        if changed || self.teams_live() {
            self.wake();
        }
    }

    pub fn record_read(&mut self, fact: Fact, now: Timestamp) {
        if self.is_old(fact, now) {
            self.confirm_at = self.confirm_at.map(|at| if at <= now { now + READ_AGAIN_AFTER } else { at });
            return;
        }
        let contradicts =
            self.newest.is_some_and(|(newest, source)| source == Source::Notification && newest.words != fact.words);
        let changed = self.newest.map(|(newest, _)| newest.words) != Some(fact.words);
        self.newest = Some((fact, Source::Read));
        self.confirmed = Some(fact);
        self.confirm_at = contradicts.then(|| now + READ_AGAIN_AFTER);
        if changed || self.teams_live() {
            self.wake();
        }
    }

    pub fn record_xphone(&mut self, shown: XphoneEntry, client: bool, now: Timestamp, mutant: Mutant) {
        let before = self.xphone.and_then(|before| before.own_status);
        let before = before.filter(|_| mutant != Mutant::CoveredForgotten);
        let own_status = shown.own_status.and_then(|status| own_status(status, shown.ours, before));
        let entry = XphoneEntry { own_status, ..shown };
        if self.xphone != Some(entry) {
            self.wake();
        }
        if client && !self.client && self.xphone.is_some() {
            self.confirm_at = Some(now);
        }
        self.client = client;
        self.xphone = Some(entry);
        self.hear(now, mutant);
    }

    /// A sign of life. After a silence that was too long to trust what was known, it is news in itself.
    pub fn hear(&mut self, now: Timestamp, mutant: Mutant) {
        if mutant != Mutant::SilenceUnnoticed && self.heard_at.is_none_or(|at| at + expiry::XPHONE_TRUSTED <= now) {
            self.wake();
        }
        self.heard_at = Some(now);
    }

    /// Whether the recorded appointment was certainly there before that moment.
    pub fn settled_before(&self, before: Timestamp) -> bool {
        let as_set =
            matches!(&self.appointment.slot, Slot::Shown(Shown { sighting: Sighting::AsSet, until, .. }) if *until > before);
        as_set && self.appointment.reached_at.is_some_and(|at| at < before) && self.letters[APPOINTMENT].is_none()
    }

    pub fn record_sighting(&mut self, sighting: Sighting) {
        if let Slot::Shown(shown) = &mut self.appointment.slot {
            shown.sighting = sighting;
            self.wake();
        }
    }

    pub fn adopt(&mut self, found: Shown, before: Timestamp, now: Timestamp) {
        // A delete that was settled since may have come between the question and its answer.
        let untouched = [self.decided_at, self.appointment.settled_at].into_iter().flatten().all(|at| at < before);
        if untouched && self.letters[APPOINTMENT].is_none() && self.appointment.slot == Slot::Empty {
            self.appointment = AppointmentRow { slot: Slot::Shown(found), reached_at: Some(now), ..self.appointment };
            self.wake();
        }
    }

    /// Another person in Teams: what was observed of the one before says nothing about this one.
    pub fn rematch(&mut self, teams_user: Option<TeamsUserId>, now: Timestamp) {
        if self.teams_user != teams_user {
            self.teams_user = teams_user;
            (self.newest, self.confirmed, self.remembered) = (None, None, None);
            self.confirm_at = teams_user.map(|_| now);
            self.wake();
        }
    }

    pub fn snapshot(&self, now: Timestamp, mutant: Mutant) -> Snapshot {
        let seen = |fact: Fact, source| TeamsObservation { words: fact.words, source, observed_at: fact.at };
        let snapshot = Snapshot {
            now,
            policy: EffectivePolicy { mode: self.mode, mode_from: Level::Location, shadow: self.shadow },
            timing: mutant.timing(),
            keeps_audience: true,
            teams_user: self.teams_user,
            teams: self.newest.map(|(fact, source)| seen(fact, source)),
            confirmed: self.confirmed.map(|fact| seen(fact, Source::Read)),
            remembered: self.remembered,
            xphone: self.xphone,
            xphone_heard_at: self.heard_at,
            profiles: self.profiles.clone(),
            busy_status: Some(super::BUSY_STATUS),
            microphone: self.microphone(),
            microphone_held: self.microphone_held,
            appointment: self.appointment.slot.clone(),
            session: self.teams_slot(SESSION),
            preferred: self.teams_slot(PREFERRED),
        };
        mutant.feed(snapshot)
    }

    pub fn teams_slot(&self, slot: usize) -> TeamsSlot {
        let row = &self.teams[slot - SESSION];
        let letter = self.letters[slot].as_ref();
        let sent_at = letter.and_then(|letter| letter.sent_at);
        let from = [row.live_from, sent_at].into_iter().flatten().min();
        let may_arrive = sent_at.is_some() && letter.is_some_and(|letter| letter.content.shows());
        let ended = |until: &Timestamp| !may_arrive && sent_at.is_none_or(|sent_at| *until >= sent_at);
        let live = from.map(|from| Live { from, until: row.live_until.filter(ended) });
        let pending = letter.and_then(|letter| {
            let teams_user = letter.content.teams_user()?;
            let Letter { decided_at, claimed_until, .. } = *letter;
            Some(Pending { teams_user, shows: letter.content.shows(), decided_at, claimed_until })
        });
        TeamsSlot { record: row.record, live, pending }
    }
}
