//! Why a decision is what it is, for metrics and for people.

use crate::domain::mapping::Cause;
use crate::domain::slot::{SlotName, Suppression};

/// Why the decision is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Shown, because of this.
    Shown(Cause),
    /// Do not disturb was wanted, but the user has no such profile: the call behind it shows instead.
    ShownAsCall,
    /// The other side says nothing that this one should know.
    NothingToShow,
    /// Teams has not been read yet.
    TeamsUnread,
    /// XPhone has not been heard yet, or not for too long.
    XphoneUnread,
    /// What is shown for another Teams user is taken away first.
    StillClearing,
    /// Whether it is still ours must be read before it is taken away.
    AwaitingRead,
    /// No single Teams user belongs to this XPhone user.
    NotMatched,
    /// Nothing is synchronised for this user.
    PolicyOff,
    /// Only calls are synchronised for this user.
    PolicyTelephonyOnly,
    /// Decided, but the policy is on trial.
    Shadow,
    /// The side itself says as much or more.
    OwnIsStronger,
    /// No active profile of the user has the status *Do not disturb*.
    NoDoNotDisturbProfile,
    /// The server has no status *Busy*.
    NoBusyStatus,
    /// Only team colleagues should see it, and the server would show it to everybody.
    NotKeptFromOthers,
    /// A person undid it.
    Overridden,
    /// It ran out by itself.
    Lapsed,
}

impl Reason {
    /// Every reason.
    pub const ALL: [Self; 19] = [
        Self::Shown(Cause::Call),
        Self::Shown(Cause::DoNotDisturb),
        Self::Shown(Cause::Microphone),
        Self::ShownAsCall,
        Self::NothingToShow,
        Self::TeamsUnread,
        Self::XphoneUnread,
        Self::StillClearing,
        Self::AwaitingRead,
        Self::NotMatched,
        Self::PolicyOff,
        Self::PolicyTelephonyOnly,
        Self::Shadow,
        Self::OwnIsStronger,
        Self::NoDoNotDisturbProfile,
        Self::NoBusyStatus,
        Self::NotKeptFromOthers,
        Self::Overridden,
        Self::Lapsed,
    ];

    /// Stable text for storage and metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Shown(Cause::Call) => "shown_call",
            Self::Shown(Cause::DoNotDisturb) => "shown_do_not_disturb",
            Self::Shown(Cause::Microphone) => "shown_microphone",
            Self::ShownAsCall => "shown_as_call",
            Self::NothingToShow => "nothing_to_show",
            Self::TeamsUnread => "teams_unread",
            Self::XphoneUnread => "xphone_unread",
            Self::StillClearing => "still_clearing",
            Self::AwaitingRead => "awaiting_read",
            Self::NotMatched => "not_matched",
            Self::PolicyOff => "policy_off",
            Self::PolicyTelephonyOnly => "policy_telephony_only",
            Self::Shadow => "shadow",
            Self::OwnIsStronger => "own_is_stronger",
            Self::NoDoNotDisturbProfile => "no_do_not_disturb_profile",
            Self::NoBusyStatus => "no_busy_status",
            Self::NotKeptFromOthers => "not_kept_from_others",
            Self::Overridden => "overridden",
            Self::Lapsed => "lapsed",
        }
    }

    /// The reason that [`label`](Self::label) names.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.label() == label)
    }

    /// What people read about it.
    #[must_use]
    pub fn describe(self, slot: SlotName) -> &'static str {
        let in_xphone = slot == SlotName::XphoneAppointment;
        match self {
            Self::Shown(Cause::Call) if in_xphone => "shown, because of a Teams call",
            Self::Shown(Cause::DoNotDisturb) if in_xphone => "shown, because Teams is on do not disturb",
            Self::Shown(Cause::Microphone) => "shown, because a program uses the microphone",
            Self::Shown(Cause::Call) => "shown, because of a call or meeting in XPhone",
            Self::Shown(Cause::DoNotDisturb) => "shown, because XPhone is on do not disturb",
            Self::ShownAsCall => "shown as a call: the user presents, but has no active profile with the status Do not disturb",
            Self::NothingToShow if in_xphone => "Teams says nothing that XPhone should show",
            Self::NothingToShow => "XPhone says nothing that Teams should show here",
            Self::TeamsUnread => "Teams has not been read yet for this user",
            Self::XphoneUnread => "XPhone has not been heard yet for this user, or not for some minutes",
            Self::StillClearing => "what is shown for the Teams user matched before is taken away first",
            Self::AwaitingRead => "Teams is read first: only what is still ours is taken away",
            Self::NotMatched => "no single Teams user has this user's e-mail address",
            Self::PolicyOff => "nothing is synchronised for this user",
            Self::PolicyTelephonyOnly => "only calls are synchronised for this user",
            Self::Shadow => "the policy is on trial (shadow): decided, but not shown",
            Self::OwnIsStronger if in_xphone => "XPhone itself already says as much or more",
            Self::OwnIsStronger => "Teams itself already says as much or more",
            Self::NoDoNotDisturbProfile => {
                "the user has no active profile with the status Do not disturb; add one to My Profiles"
            }
            Self::NoBusyStatus => "the XPhone server names no status Busy",
            Self::NotKeptFromOthers => {
                "a program uses the microphone, which only team colleagues may see, and this XPhone server cannot keep it from others"
            }
            Self::Overridden if in_xphone => "somebody removed it in XPhone; it is not set again before its cause has ended",
            Self::Overridden => "somebody switched it off in Teams; it is not set again before its cause has ended",
            Self::Lapsed => "it ran out by itself; it is not set again before its cause has ended",
        }
    }
}

impl From<Suppression> for Reason {
    fn from(why: Suppression) -> Self {
        match why {
            Suppression::Overridden => Self::Overridden,
            Suppression::Lapsed => Self::Lapsed,
        }
    }
}
