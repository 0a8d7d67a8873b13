//! What the gateway shows: the places it may show in, and what it recorded as shown there.

use jiff::Timestamp;

use super::ids::{PresenceStateGuid, ProfileGuid};
use super::mapping::Cause;
use super::presence::Presence;

/// A place where the gateway shows something for a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SlotName {
    /// The one appointment in XPhone.
    XphoneAppointment,
}

impl SlotName {
    /// Stable text for storage and metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::XphoneAppointment => "xphone_appointment",
        }
    }
}

/// How an appointment looks in XPhone: by a profile of the user, or by a status.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Look {
    /// With everything that profile sets: status, call forwarding.
    Profile(ProfileGuid),
    /// Just the status.
    Status(PresenceStateGuid),
}

/// An appointment without its times.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Appointment {
    /// What people read.
    pub subject: String,
    /// How it looks.
    pub look: Look,
}

/// What the side was seen to do with an appointment we had set there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sighting {
    /// Nothing unusual.
    AsSet,
    /// It was gone before its end: somebody removed it.
    Removed,
    /// It was gone together with most others: the side lost them, nobody removed them.
    Lost,
}

impl Sighting {
    /// Stable text for storage.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::AsSet => "as_set",
            Self::Removed => "removed",
            Self::Lost => "lost",
        }
    }

    /// The sighting that [`label`](Self::label) names.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::AsSet, Self::Removed, Self::Lost].into_iter().find(|sighting| sighting.label() == label)
    }
}

/// Why a slot is not set again before its cause has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suppression {
    /// A person undid it.
    Overridden,
    /// It ran out by itself.
    Lapsed,
}

impl Suppression {
    /// Stable text for storage.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Overridden => "overridden",
            Self::Lapsed => "lapsed",
        }
    }

    /// The suppression that [`label`](Self::label) names.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::Overridden, Self::Lapsed].into_iter().find(|why| why.label() == label)
    }
}

/// What the gateway recorded about a slot; never what is visible there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Slot {
    /// Nothing shown.
    Empty,
    /// Shown, or on its way.
    Shown(Shown),
    /// Not to be set again before this cause has ended.
    Suppressed {
        /// What must end first.
        cause: Cause,
        /// What happened.
        why: Suppression,
        /// When.
        since: Timestamp,
    },
}

/// Something shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// What, without its times.
    pub appointment: Appointment,
    /// Where it stands on the ladder.
    pub presence: Presence,
    /// Why; `None`: found in XPhone with our origin, made by an earlier run.
    pub cause: Option<Cause>,
    /// Since when, whatever it looked like.
    pub since: Timestamp,
    /// When it ends by itself.
    pub until: Timestamp,
    /// What the side was last seen to do with it.
    pub sighting: Sighting,
}
