//! What the gateway shows: the places it may show in, and what it recorded as shown there.

use std::collections::BTreeSet;

use jiff::Timestamp;

use super::ids::{PresenceStateGuid, ProfileGuid, TeamsUserId, UserGuid};
use super::mapping::Cause;
use super::presence::Presence;

/// A place where the gateway shows something for a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SlotName {
    /// The one appointment in XPhone.
    XphoneAppointment,
    /// Our presence session in Teams: Busy/InACall.
    TeamsSession,
    /// The preferred presence in Teams: do not disturb.
    TeamsPreferred,
}

impl SlotName {
    /// Every slot.
    pub const ALL: [Self; 3] = [Self::XphoneAppointment, Self::TeamsSession, Self::TeamsPreferred];

    /// Stable text for storage and metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::XphoneAppointment => "xphone_appointment",
            Self::TeamsSession => "teams_session",
            Self::TeamsPreferred => "teams_preferred",
        }
    }

    /// The slot that [`label`](Self::label) names.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|slot| slot.label() == label)
    }
}

/// A side that the gateway shows something on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Side {
    /// XPhone Connect.
    Xphone,
    /// Microsoft Teams.
    Teams,
}

impl SlotName {
    /// Where it is.
    #[must_use]
    pub fn side(self) -> Side {
        match self {
            Self::XphoneAppointment => Side::Xphone,
            Self::TeamsSession | Self::TeamsPreferred => Side::Teams,
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

/// Who sees an appointment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Audience {
    /// Everybody who sees the user at all.
    #[default]
    Everybody,
    /// Team colleagues, and whoever is closer.
    TeamColleagues,
}

/// An appointment without its times.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Appointment {
    /// What people read.
    pub subject: String,
    /// How it looks.
    pub look: Look,
    /// Who sees it.
    pub audience: Audience,
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

/// Not to be shown again before its cause has ended, whatever else the slot shows meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Held {
    /// What happened.
    pub why: Suppression,
    /// When.
    pub since: Timestamp,
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

/// What is known of a slot in Teams.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TeamsSlot {
    /// What we recorded.
    pub record: Record,
    /// While it is set, and for a grace after it, what Teams says may be our own doing.
    pub live: Option<Live>,
    /// What lies in the mailbox.
    pub pending: Option<Pending>,
}

/// A push that is not settled yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pending {
    /// Whom it is about.
    pub teams_user: TeamsUserId,
    /// Whether it sets the slot, rather than clearing it.
    pub shows: bool,
    /// When it was decided.
    pub decided_at: Timestamp,
    /// Until then somebody may be sending it.
    pub claimed_until: Option<Timestamp>,
}

/// What the gateway recorded about a slot in Teams; never what is visible there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Record {
    /// Nothing shown.
    #[default]
    Empty,
    /// Shown, or on its way.
    Shown {
        /// For whom: the person may be matched anew meanwhile.
        teams_user: TeamsUserId,
        /// Since when.
        since: Timestamp,
        /// `None`: Graph has not confirmed it yet.
        reached: Option<Reached>,
        /// Its cause has ended, or it was taken back before Graph confirmed it: it only waits until a read tells whether it is still
        /// ours to take away. Wanted again, it is set anew.
        given_up: bool,
    },
    /// Not to be set again before its cause has ended.
    Suppressed {
        /// What happened.
        why: Suppression,
        /// When.
        since: Timestamp,
    },
}

/// A push that Graph confirmed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached {
    /// When it was confirmed.
    pub at: Timestamp,
    /// When it ends by itself; Graph counts from when the request came, so this is never too late.
    pub until: Timestamp,
}

/// From when to when a slot in Teams was really set, as far as we can know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Live {
    /// The push was sent: echoes can be faster than its answer.
    pub from: Timestamp,
    /// It was taken away, or ended; in the future: it will have ended by itself then, should taking it away not succeed. `None`:
    /// it goes on.
    pub until: Option<Timestamp>,
}

/// Fewer missing appointments than this are always taken for removed by people.
pub const LOST_TOGETHER_MIN: usize = 10;

/// What became of appointments that should be there: those missing, and what that tells. People remove one now and then; where
/// most are missing at once the server lost them.
#[must_use]
pub fn compare(recorded: &[UserGuid], listed: &BTreeSet<UserGuid>) -> Option<(Vec<UserGuid>, Sighting)> {
    let missing: Vec<UserGuid> = recorded.iter().filter(|user| !listed.contains(user)).copied().collect();
    let most = missing.len() >= LOST_TOGETHER_MIN && missing.len() * 2 > recorded.len();
    (!missing.is_empty()).then_some((missing, if most { Sighting::Lost } else { Sighting::Removed }))
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn a_few_missing_were_removed_most_missing_were_lost() {
        let users = |range: std::ops::Range<u128>| range.map(|n| UserGuid(Uuid::from_u128(n)));
        let check = |recorded, listed, expected: Option<(std::ops::Range<u128>, Sighting)>| {
            let recorded: Vec<_> = users(recorded).collect();
            let expected = expected.map(|(missing, sighting)| (users(missing).collect(), sighting));
            assert_eq!(compare(&recorded, &users(listed).collect()), expected);
        };
        check(0..0, 0..5, None);
        check(0..5, 0..5, None);
        check(0..5, 0..4, Some((4..5, Sighting::Removed)));
        check(0..5, 0..0, Some((0..5, Sighting::Removed)));
        check(0..10, 0..0, Some((0..10, Sighting::Lost)));
        check(0..100, 0..80, Some((80..100, Sighting::Removed)));
        check(0..100, 0..40, Some((40..100, Sighting::Lost)));
    }
}
