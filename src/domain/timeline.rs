//! What changed for a user: what woke the gateway, what a decision changed about each slot, and what a policy on trial would show.

mod entry;

use super::mapping::Cause;
use super::presence::Presence;
use super::reconcile::{Decision, Push, Reason, Remembered, Snapshot, TeamsPush};
use super::slot::{Record, Slot, SlotName, TeamsSlot};

pub use entry::{Entry, Fate, Over, Pushes, Waiting};

/// What has a user decided for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Waker {
    /// Graph notified.
    Notification,
    /// Teams was read for this user.
    Read,
    /// Teams was read for everybody in turn.
    Sweep,
    /// XPhone told something, or was heard again.
    Xphone,
    /// A policy, or the user's own choice, was changed.
    Policy,
    /// People, profiles or statuses were changed, or who is who.
    Directory,
    /// A push was over.
    Push,
    /// An appointment of ours was missed in XPhone, or found there.
    Appointments,
    /// An operator asked for it.
    Operator,
    /// A workstation told something new of the microphone.
    Microphone,
    /// The time had come by itself.
    Time,
}

impl Waker {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Notification,
        Self::Read,
        Self::Sweep,
        Self::Xphone,
        Self::Policy,
        Self::Directory,
        Self::Push,
        Self::Appointments,
        Self::Operator,
        Self::Microphone,
        Self::Time,
    ];

    /// Stable text for documents.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Notification => "notification",
            Self::Read => "read",
            Self::Sweep => "sweep",
            Self::Xphone => "xphone",
            Self::Policy => "policy",
            Self::Directory => "directory",
            Self::Push => "push",
            Self::Appointments => "appointments",
            Self::Operator => "operator",
            Self::Microphone => "microphone",
            Self::Time => "time",
        }
    }

    /// Stable number for storage.
    #[must_use]
    pub fn bit(self) -> i16 {
        match self {
            Self::Notification => 1,
            Self::Read => 2,
            Self::Sweep => 4,
            Self::Xphone => 8,
            Self::Policy => 16,
            Self::Directory => 32,
            Self::Push => 64,
            Self::Appointments => 128,
            Self::Operator => 256,
            Self::Time => 512,
            Self::Microphone => 1024,
        }
    }
}

/// Several of them; none: it is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wakers(pub i16);

impl Wakers {
    /// Which.
    pub fn iter(self) -> impl Iterator<Item = Waker> {
        Waker::ALL.into_iter().filter(move |waker| self.0 & waker.bit() != 0)
    }
}

/// What would be shown, were the policy not on trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OnTrial(pub i16);

impl OnTrial {
    /// All that can be shown, each with its number in storage.
    pub const ALL: [(SlotName, Presence, i16); 4] = [
        (SlotName::XphoneAppointment, Presence::OnThePhone, 1),
        (SlotName::XphoneAppointment, Presence::DoNotDisturb, 2),
        (SlotName::TeamsSession, Presence::OnThePhone, 4),
        (SlotName::TeamsPreferred, Presence::DoNotDisturb, 8),
    ];

    /// What the slots that are held back only by the trial would show; `trial` is the decision without it.
    #[must_use]
    pub fn of(decision: &Decision, trial: &Decision) -> Self {
        let shown = SlotName::ALL.map(|slot| {
            let held_back = matches!(reason(slot, decision), Reason::Shadow | Reason::Shown(Cause::Microphone));
            let presence = shows(slot, trial).filter(|_| held_back);
            Self::ALL.into_iter().find(|(name, shows, _)| (*name, Some(*shows)) == (slot, presence)).map_or(0, |(.., bit)| bit)
        });
        Self(shown.into_iter().fold(0, std::ops::BitOr::bitor))
    }

    /// What the slot would show.
    #[must_use]
    pub fn at(self, slot: SlotName) -> Option<Presence> {
        self.iter().find(|(name, _)| *name == slot).map(|(_, presence)| presence)
    }

    /// What this would show and `before` would not.
    #[must_use]
    pub fn since(self, before: Self) -> Self {
        Self(self.0 & !before.0)
    }

    /// Which slots would show what.
    pub fn iter(self) -> impl Iterator<Item = (SlotName, Presence)> {
        Self::ALL.into_iter().filter(move |(.., bit)| self.0 & bit != 0).map(|(slot, presence, _)| (slot, presence))
    }
}

/// What is to be sent about a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sending {
    /// Set it, or set it again.
    Set,
    /// Take it away.
    Clear,
    /// Send nothing, not even what was to be sent.
    Forget,
}

impl Sending {
    /// Stable text for storage and documents.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Set => "set",
            Self::Clear => "clear",
            Self::Forget => "forget",
        }
    }

    /// The sending that [`label`](Self::label) names.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::Set, Self::Clear, Self::Forget].into_iter().find(|sending| sending.label() == label)
    }
}

/// How a push was over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It took effect.
    Arrived,
    /// What it would have shown was over before it could be sent.
    Expired,
}

impl Outcome {
    /// Stable text for storage.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Arrived => "arrived",
            Self::Expired => "expired",
        }
    }

    /// The outcome that [`label`](Self::label) names.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::Arrived, Self::Expired].into_iter().find(|outcome| outcome.label() == label)
    }
}

/// What was decided last about each slot, in the order of [`SlotName::ALL`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Last {
    /// Why; `None`: nothing was decided yet.
    pub reasons: [Option<Reason>; 3],
    /// What would have been shown.
    pub on_trial: OnTrial,
}

/// What a decision changed about a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotChange {
    /// What it shows from then on; under [`Reason::Shadow`], what it would show.
    pub shows: Option<Presence>,
    /// Why.
    pub reason: Reason,
    /// What is to be sent about it.
    pub push: Option<Sending>,
}

/// What a decision changed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Changes {
    /// Whether Teams itself says something else.
    pub native: bool,
    /// About each slot, in the order of [`SlotName::ALL`].
    pub slots: [Option<SlotChange>; 3],
}

impl Changes {
    /// What a decision changes of what was known and decided before.
    #[must_use]
    pub fn of(before: &Snapshot, last: Last, decision: &Decision, on_trial: OnTrial) -> Self {
        let native = |remembered: Option<Remembered>| remembered.map(|remembered| remembered.native);
        let slots = std::array::from_fn(|index| {
            let slot = SlotName::ALL[index];
            let (reason, push) = (reason(slot, decision), sending(slot, decision));
            let is_same = last.reasons[index] == Some(reason)
                && push.is_none()
                && last.on_trial.at(slot) == on_trial.at(slot)
                && is_recorded(slot, before, decision);
            let shows = shows(slot, decision).or(on_trial.at(slot));
            (!is_same).then_some(SlotChange { shows, reason, push })
        });
        Self { native: native(before.remembered) != native(decision.remembered), slots }
    }

    /// Whether there are any.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.native || self.slots.iter().any(Option::is_some)
    }
}

/// Why the slot is as it was decided.
#[must_use]
pub fn reason(slot: SlotName, decision: &Decision) -> Reason {
    match slot {
        SlotName::XphoneAppointment => decision.appointment.reason,
        SlotName::TeamsSession => decision.session.reason,
        SlotName::TeamsPreferred => decision.preferred.reason,
    }
}

/// What the slot shows once it is as it was decided.
#[must_use]
pub fn shows(slot: SlotName, decision: &Decision) -> Option<Presence> {
    let in_teams = |slot: TeamsSlot, presence| matches!(slot.record, Record::Shown { .. }).then_some(presence);
    match slot {
        SlotName::XphoneAppointment => match &decision.appointment.slot {
            Slot::Shown(shown) => Some(shown.presence),
            Slot::Empty | Slot::Suppressed { .. } => None,
        },
        SlotName::TeamsSession => in_teams(decision.session.slot, Presence::OnThePhone),
        SlotName::TeamsPreferred => in_teams(decision.preferred.slot, Presence::DoNotDisturb),
    }
}

/// What is to be sent about the slot.
#[must_use]
pub fn sending(slot: SlotName, decision: &Decision) -> Option<Sending> {
    let in_teams = |push: TeamsPush| match push {
        TeamsPush::Set(_) => Sending::Set,
        TeamsPush::Clear(_) => Sending::Clear,
        TeamsPush::Forget => Sending::Forget,
    };
    match slot {
        SlotName::XphoneAppointment => decision.appointment.push.as_ref().map(|push| match push {
            Push::Show { .. } => Sending::Set,
            Push::Clear => Sending::Clear,
        }),
        SlotName::TeamsSession => decision.session.push.map(in_teams),
        SlotName::TeamsPreferred => decision.preferred.push.map(in_teams),
    }
}

/// Whether the slot was recorded as it is now decided. When a window of echoes closes, nothing changes for anybody.
fn is_recorded(slot: SlotName, before: &Snapshot, decision: &Decision) -> bool {
    match slot {
        SlotName::XphoneAppointment => before.appointment == decision.appointment.slot,
        SlotName::TeamsSession => before.session.record == decision.session.slot.record,
        SlotName::TeamsPreferred => before.preferred.record == decision.preferred.slot.record,
    }
}
