//! XPhone Connect as the simulation knows it: one user's telephone, meeting, status and appointment, and the stream of events.

use super::overheard;
use super::story::Ms;
use crate::domain::slot::Audience;

/// The kinds of XPhone's statuses, as far as they differ here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Available,
    Busy,
    DoNotDisturb,
    Unavailable,
}

/// A meeting in XPhone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meeting {
    None,
    Audio,
    ScreenShare,
}

/// What the server says of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    pub kind: Kind,
    /// The gateway made what is shown.
    pub ours: bool,
    pub telephone: i32,
    pub meeting: Meeting,
    pub client: bool,
}

impl Entry {
    /// On a call, as the rules have it: busy at the telephone, or in a meeting with sound.
    pub fn calls(self) -> bool {
        self.telephone & 4 != 0 || self.meeting == Meeting::Audio
    }

    /// On do not disturb by the user's own doing.
    pub fn undisturbed(self) -> bool {
        self.kind == Kind::DoNotDisturb && !self.ours
    }

    /// Busy by the user's own doing.
    pub fn busy(self) -> bool {
        self.kind == Kind::Busy && !self.ours
    }
}

/// What an appointment makes of the user's status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appointment {
    pub subject: String,
    /// Which of the user's profiles, or the status busy.
    pub profile: Option<usize>,
    pub kind: Kind,
    pub audience: Audience,
    pub end: Ms,
    pub set_at: Ms,
}

/// Why there is no appointment any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gone {
    /// Nobody ever set one, or it was deleted by the gateway.
    Rightly,
    /// A person removed it.
    Removed,
    /// The server lost everybody's.
    Lost,
    /// Its end came.
    Ended,
}

/// The server, as far as it is about one user.
#[derive(Clone, Debug)]
pub struct Server {
    pub telephone: i32,
    pub meeting: Meeting,
    pub client: bool,
    /// The status picked by hand, and when.
    pub picked: Option<(Kind, Ms)>,
    pub appointment: Option<Appointment>,
    pub gone: Gone,
    /// Counts restarts.
    pub era: u32,
    pub sequence: u64,
    /// Events of this era; the last entry is what is shown now.
    pub events: Vec<(u64, Entry)>,
}

/// The server takes no end further ahead.
const AHEAD_MAX: Ms = 12 * 3_600_000;

impl Server {
    pub fn new() -> Self {
        let mut server = Self {
            telephone: 2,
            meeting: Meeting::None,
            client: true,
            picked: None,
            appointment: None,
            gone: Gone::Rightly,
            era: 0,
            sequence: 0,
            events: Vec::new(),
        };
        server.events.push((0, server.entry()));
        server
    }

    /// What is shown: the newer of the status picked by hand and the appointment.
    pub fn entry(&self) -> Entry {
        let on_top = self.appointment.as_ref().filter(|held| self.picked.is_none_or(|(_, at)| held.set_at > at));
        let own = match self.picked {
            Some((kind, _)) => kind,
            None if self.client => Kind::Available,
            None => Kind::Unavailable,
        };
        Entry {
            kind: on_top.map_or(own, |held| held.kind),
            ours: on_top.is_some(),
            telephone: self.telephone,
            meeting: self.meeting,
            client: self.client,
        }
    }

    /// The new entry, if it differs from the last one told.
    pub fn note(&mut self) -> Option<(u64, Entry)> {
        let entry = self.entry();
        if self.events.last().is_some_and(|(_, last)| *last == entry) {
            return None;
        }
        self.sequence += 1;
        self.events.push((self.sequence, entry));
        Some((self.sequence, entry))
    }

    /// Whether the appointment is about the microphone.
    pub fn shows_microphone(&self) -> bool {
        self.appointment.as_ref().is_some_and(|held| overheard::Alias::named(&held.subject).is_some())
    }

    /// Sets or replaces the appointment; `false`: its end is refused.
    pub fn put(&mut self, appointment: Appointment) -> bool {
        if appointment.end > appointment.set_at + AHEAD_MAX {
            return false;
        }
        self.gone = if appointment.end <= appointment.set_at { Gone::Ended } else { Gone::Rightly };
        self.appointment = (self.gone == Gone::Rightly).then_some(appointment);
        true
    }

    pub fn take(&mut self, why: Gone) -> bool {
        let there = self.appointment.take().is_some();
        if there || why == Gone::Rightly {
            self.gone = why;
        }
        there
    }

    /// The appointment goes at its end.
    pub fn run_out(&mut self, now: Ms) -> bool {
        self.appointment.as_ref().is_some_and(|held| held.end <= now) && self.take(Gone::Ended)
    }

    /// Numbers begin again; appointments may be lost.
    pub fn restart(&mut self, lose: bool) {
        self.era += 1;
        self.sequence = 0;
        self.events.clear();
        if lose {
            self.take(Gone::Lost);
        }
        self.events.push((0, self.entry()));
    }
}
