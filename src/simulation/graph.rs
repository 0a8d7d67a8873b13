//! Microsoft Teams as the simulation knows it: sessions, the preferred presence, what people see of both, and its history.
//!
//! Written from Microsoft's own description, not from the gateway's tables: what shares our tables shares our mistakes.

use super::story::Ms;

/// What a Teams client does by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Client {
    /// Idle for a while.
    Away,
    /// At the keyboard.
    Available,
    /// The calendar says so.
    InAMeeting,
    /// In a call.
    InACall,
    /// In a call of several.
    InAConferenceCall,
    /// Sharing the screen.
    Presenting,
    /// Quiet time.
    Focusing,
}

/// What a person, or an application for them, may prefer to be seen as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Preferred {
    Available,
    Busy,
    BeRightBack,
    AppearOffline,
    DoNotDisturb,
}

/// What others see.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Visible {
    SignedOut,
    Away,
    Available,
    Busy,
    BeRightBack,
    AppearOffline,
    InAMeeting,
    InACall,
    InAConferenceCall,
    Presenting,
    Focusing,
    DoNotDisturb,
}

impl Visible {
    /// As Graph words it: availability and activity.
    pub fn words(self) -> (&'static str, &'static str) {
        match self {
            Self::SignedOut => ("Offline", "Offline"),
            Self::Away => ("Away", "Away"),
            Self::Available => ("Available", "Available"),
            Self::Busy => ("Busy", "Busy"),
            Self::BeRightBack => ("BeRightBack", "BeRightBack"),
            Self::AppearOffline => ("Offline", "OffWork"),
            Self::InAMeeting => ("Busy", "InAMeeting"),
            Self::InACall => ("Busy", "InACall"),
            Self::InAConferenceCall => ("Busy", "InAConferenceCall"),
            Self::Presenting => ("DoNotDisturb", "Presenting"),
            Self::Focusing => ("DoNotDisturb", "Focusing"),
            Self::DoNotDisturb => ("DoNotDisturb", "DoNotDisturb"),
        }
    }
}

/// One place for the person and for applications: whoever wrote last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    pub value: Preferred,
    /// The gateway wrote it.
    pub ours: bool,
    /// Theirs, but picked while ours was there and looking the same: nobody can tell.
    pub like_ours: bool,
    pub at: Ms,
    pub until: Ms,
}

/// Something that ended by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RanOut {
    Session,
    OurPreferred,
    TheirPreferred,
}

/// One Teams user.
#[derive(Clone, Debug)]
pub struct Account {
    /// `None`: signed out.
    pub client: Option<Client>,
    /// Until when our session lives.
    pub session: Option<Ms>,
    pub preferred: Option<Held>,
    /// A call of several is seen, not our session, where both live: Microsoft does not say which.
    pub conference_wins: bool,
    /// What was visible from when on; never empty.
    history: Vec<(Ms, Visible)>,
}

const HOUR: Ms = 3_600_000;

impl Account {
    pub fn new(conference_wins: bool) -> Self {
        let history = vec![(Ms::MIN, Visible::Available)];
        Self { client: Some(Client::Available), session: None, preferred: None, conference_wins, history }
    }

    /// What would be visible, with or without what the gateway put there.
    pub fn visible(&self, with_ours: bool) -> Visible {
        let session = self.session.is_some() && with_ours;
        if self.client.is_none() && !session {
            return Visible::SignedOut;
        }
        if let Some(held) = self.preferred.filter(|held| with_ours || !held.ours) {
            return match held.value {
                Preferred::Available => Visible::Available,
                Preferred::Busy => Visible::Busy,
                Preferred::BeRightBack => Visible::BeRightBack,
                Preferred::AppearOffline => Visible::AppearOffline,
                Preferred::DoNotDisturb => Visible::DoNotDisturb,
            };
        }
        match self.client {
            Some(Client::Presenting) => Visible::Presenting,
            Some(Client::Focusing) => Visible::Focusing,
            Some(Client::InAConferenceCall) if !session || self.conference_wins => Visible::InAConferenceCall,
            _ if session => Visible::InACall,
            Some(Client::InAConferenceCall) => Visible::InAConferenceCall,
            Some(Client::InACall) => Visible::InACall,
            Some(Client::InAMeeting) => Visible::InAMeeting,
            Some(Client::Available) => Visible::Available,
            Some(Client::Away) | None => Visible::Away,
        }
    }

    /// Writes down what is visible from now on; gives it, with its number, if it is news.
    pub fn note(&mut self, now: Ms) -> Option<(Visible, u64)> {
        let visible = self.visible(true);
        if self.history.last().is_some_and(|(_, last)| *last == visible) {
            return None;
        }
        self.history.push((now, visible));
        Some((visible, self.history.len() as u64))
    }

    /// What a read sees that is answered from `at`, and its number.
    pub fn seen_at(&self, at: Ms) -> (Visible, u64) {
        let index = self.history.iter().rposition(|(from, _)| *from <= at).unwrap_or(0);
        (self.history[index].1, index as u64 + 1)
    }

    /// Everything whose time is over goes.
    pub fn run_out(&mut self, now: Ms) -> Vec<RanOut> {
        let mut gone = Vec::new();
        if self.session.is_some_and(|until| until <= now) {
            self.session = None;
            gone.push(RanOut::Session);
        }
        if let Some(held) = self.preferred.filter(|held| held.until <= now) {
            self.preferred = None;
            gone.push(if held.ours { RanOut::OurPreferred } else { RanOut::TheirPreferred });
        }
        gone
    }

    /// When something ends by itself next.
    pub fn next_end(&self) -> Option<Ms> {
        [self.session, self.preferred.map(|held| held.until)].into_iter().flatten().min()
    }

    /// A person's own choice; `None`: back to automatic. Nobody chooses who is signed out.
    pub fn pick(&mut self, value: Option<Preferred>, now: Ms) -> bool {
        if self.client.is_none() {
            return false;
        }
        let ours = self.preferred.is_some_and(|held| held.ours || held.like_ours);
        self.preferred = value.map(|value| {
            let like_ours = ours && value == Preferred::DoNotDisturb;
            let short = matches!(value, Preferred::Busy | Preferred::DoNotDisturb);
            Held { value, ours: false, like_ours, at: now, until: now + if short { 24 * HOUR } else { 7 * 24 * HOUR } }
        });
        true
    }

    /// `setPresence` Busy/InACall for a quarter of an hour.
    pub fn set_session(&mut self, now: Ms) {
        self.session = Some(now + HOUR / 4);
    }

    /// `setUserPreferredPresence` do not disturb for a day.
    pub fn set_preferred(&mut self, now: Ms) {
        self.preferred =
            Some(Held { value: Preferred::DoNotDisturb, ours: true, like_ours: false, at: now, until: now + 24 * HOUR });
    }
}
