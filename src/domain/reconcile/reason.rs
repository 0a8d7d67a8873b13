//! Why a decision is what it is, for metrics and for people.

use std::fmt;

use crate::domain::mapping::Cause;

/// Why the decision is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Shown, because of this.
    Shown(Cause),
    /// Do not disturb was wanted, but the user has no such profile: the call behind it shows instead.
    ShownAsCall,
    /// Teams says nothing that XPhone should know.
    NothingToShow,
    /// Teams has not been read yet.
    TeamsUnread,
    /// XPhone has not been read yet.
    XphoneUnread,
    /// No single Teams user belongs to this XPhone user.
    NotMatched,
    /// Nothing is synchronised for this user.
    PolicyOff,
    /// Only calls are synchronised for this user.
    PolicyTelephonyOnly,
    /// Decided, but the policy is on trial.
    Shadow,
    /// XPhone itself says as much or more.
    OwnIsStronger,
    /// No active profile of the user has the status *Do not disturb*.
    NoDoNotDisturbProfile,
    /// The server has no status *Busy*.
    NoBusyStatus,
    /// A person undid it.
    Overridden,
    /// It ran out by itself.
    Lapsed,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 15] = [
        Self::Shown(Cause::Call),
        Self::Shown(Cause::DoNotDisturb),
        Self::ShownAsCall,
        Self::NothingToShow,
        Self::TeamsUnread,
        Self::XphoneUnread,
        Self::NotMatched,
        Self::PolicyOff,
        Self::PolicyTelephonyOnly,
        Self::Shadow,
        Self::OwnIsStronger,
        Self::NoDoNotDisturbProfile,
        Self::NoBusyStatus,
        Self::Overridden,
        Self::Lapsed,
    ];

    /// Stable text for storage and metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Shown(Cause::Call) => "shown_call",
            Self::Shown(Cause::DoNotDisturb) => "shown_do_not_disturb",
            Self::ShownAsCall => "shown_as_call",
            Self::NothingToShow => "nothing_to_show",
            Self::TeamsUnread => "teams_unread",
            Self::XphoneUnread => "xphone_unread",
            Self::NotMatched => "not_matched",
            Self::PolicyOff => "policy_off",
            Self::PolicyTelephonyOnly => "policy_telephony_only",
            Self::Shadow => "shadow",
            Self::OwnIsStronger => "own_is_stronger",
            Self::NoDoNotDisturbProfile => "no_do_not_disturb_profile",
            Self::NoBusyStatus => "no_busy_status",
            Self::Overridden => "overridden",
            Self::Lapsed => "lapsed",
        }
    }

    /// The reason that [`label`](Self::label) names.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.label() == label)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shown(Cause::Call) => "shown, because of a Teams call",
            Self::Shown(Cause::DoNotDisturb) => "shown, because Teams is on do not disturb",
            Self::ShownAsCall => "shown as a call: the user presents, but has no active profile with the status Do not disturb",
            Self::NothingToShow => "Teams says nothing that XPhone should show",
            Self::TeamsUnread => "Teams has not been read yet for this user",
            Self::XphoneUnread => "XPhone has not been read yet for this user",
            Self::NotMatched => "no single Teams user has this user's e-mail address",
            Self::PolicyOff => "nothing is synchronised for this user",
            Self::PolicyTelephonyOnly => "only calls are synchronised for this user",
            Self::Shadow => "the policy is on trial (shadow): decided, but not shown",
            Self::OwnIsStronger => "XPhone itself already says as much or more",
            Self::NoDoNotDisturbProfile => {
                "the user has no active profile with the status Do not disturb; add one to My Profiles"
            }
            Self::NoBusyStatus => "the XPhone server names no status Busy",
            Self::Overridden => "somebody removed it in XPhone; it is not set again before its cause has ended",
            Self::Lapsed => "it ran out by itself; it is not set again before its cause has ended",
        })
    }
}
