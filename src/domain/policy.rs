//! What may be shown for whom: set per location and configuration group, perhaps chosen by the user, and inherited whole.

use super::presence::Presence;

/// How much of Teams and XPhone is kept in step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mode {
    /// Nothing.
    None,
    /// Calls.
    Telephony,
    /// Calls and do not disturb.
    TelephonyAndPresence,
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::None, Self::Telephony, Self::TelephonyAndPresence];

    /// Whether a presence may be shown on the other side.
    #[must_use]
    pub fn lets_through(self, presence: Presence) -> bool {
        match self {
            Self::None => false,
            Self::Telephony => presence == Presence::OnThePhone,
            Self::TelephonyAndPresence => matches!(presence, Presence::OnThePhone | Presence::DoNotDisturb),
        }
    }

    /// Stable text for storage and the admin API.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Telephony => "telephony",
            Self::TelephonyAndPresence => "telephony_and_presence",
        }
    }

    /// The mode that [`label`](Self::label) names.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.label() == label)
    }
}

/// Teams synchronisation as set for a location or a configuration group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TeamsSync {
    /// How much is kept in step.
    pub mode: Mode,
    /// Whether users choose a mode of their own.
    pub user_may_change: bool,
    /// Whether log-in data of users who link themselves is kept.
    pub remember_login_data: bool,
    /// Decide, record and explain, but show nothing.
    pub shadow: bool,
}

impl TeamsSync {
    /// What holds where nothing was ever set.
    pub const UNSET: Self = Self { mode: Mode::None, user_may_change: false, remember_login_data: false, shadow: false };
}

/// Where an effective setting came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Nothing was ever set.
    Unset,
    /// The location.
    Location,
    /// The configuration group's own, *Individual*, settings.
    ConfigurationGroup,
    /// The user's own choice.
    User,
}

impl Level {
    /// Stable text for documents.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Unset => "unset",
            Self::Location => "location",
            Self::ConfigurationGroup => "configuration_group",
            Self::User => "user",
        }
    }
}

/// What holds for one user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EffectivePolicy {
    /// How much is kept in step.
    pub mode: Mode,
    /// Where the mode came from.
    pub mode_from: Level,
    /// Decide, but show nothing.
    pub shadow: bool,
}

/// What holds in a group, and where that comes from: each function for itself, all or nothing. A group with settings of its own
/// takes nothing from its location; `unset` holds where nothing was ever set.
#[must_use]
pub fn inherit<T>(location: Option<T>, group: Option<T>, unset: T) -> (T, Level) {
    match (group, location) {
        (Some(group), _) => (group, Level::ConfigurationGroup),
        (None, Some(location)) => (location, Level::Location),
        (None, None) => (unset, Level::Unset),
    }
}

/// What holds for a user: the user's own choice counts only where it is allowed.
#[must_use]
pub fn effective(location: Option<TeamsSync>, group: Option<TeamsSync>, choice: Option<Mode>) -> EffectivePolicy {
    let (set, from) = inherit(location, group, TeamsSync::UNSET);
    match choice {
        Some(mode) if set.user_may_change => EffectivePolicy { mode, mode_from: Level::User, shadow: set.shadow },
        _ => EffectivePolicy { mode: set.mode, mode_from: from, shadow: set.shadow },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inheritance_is_all_or_nothing() {
        use Mode::{None as Off, Telephony, TelephonyAndPresence};
        let set = |mode, user_may_change| TeamsSync { mode, user_may_change, remember_login_data: false, shadow: false };
        let check = |location, group, choice, mode, mode_from| {
            assert_eq!(effective(location, group, choice), EffectivePolicy { mode, mode_from, shadow: false });
        };
        check(None, None, None, Off, Level::Unset);
        check(None, None, Some(Telephony), Off, Level::Unset);
        check(Some(set(Telephony, false)), None, None, Telephony, Level::Location);
        check(Some(set(Telephony, false)), None, Some(TelephonyAndPresence), Telephony, Level::Location);
        check(Some(set(Telephony, true)), None, Some(TelephonyAndPresence), TelephonyAndPresence, Level::User);
        check(Some(set(Telephony, true)), None, Some(Off), Off, Level::User);
        check(Some(set(Telephony, true)), Some(set(Off, false)), Some(Telephony), Off, Level::ConfigurationGroup);
        check(None, Some(set(TelephonyAndPresence, false)), None, TelephonyAndPresence, Level::ConfigurationGroup);
    }

    #[test]
    fn what_each_mode_lets_through() {
        use Presence::{Busy, DoNotDisturb, Free, OnThePhone};
        let check = |mode: Mode, through: &[Presence]| {
            for presence in [Free, Busy, OnThePhone, DoNotDisturb] {
                assert_eq!(mode.lets_through(presence), through.contains(&presence), "{mode:?} {presence:?}");
            }
        };
        check(Mode::None, &[]);
        check(Mode::Telephony, &[OnThePhone]);
        check(Mode::TelephonyAndPresence, &[OnThePhone, DoNotDisturb]);
    }
}
