//! What each side's words mean: from availability and activity, telephone states and statuses to the one ladder.

use super::policy::Mode;
use super::presence::Presence;

/// What Teams itself says of a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TeamsNative {
    /// Nothing that XPhone should know.
    Free,
    /// In a call or a conference.
    Call,
    /// In a call, sharing the screen.
    Presenting,
    /// Do not disturb, without a call.
    DoNotDisturb,
}

/// Why something is shown; a cause ends when its side no longer says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A Teams call, with or without a shared screen.
    Call,
    /// Do not disturb in Teams.
    DoNotDisturb,
}

/// One reading of Teams' two words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TeamsReading {
    /// What it means; `None`: Teams does not know, so nothing is observed.
    pub native: Option<TeamsNative>,
    /// Whether both words are known ones; unknown words count as free and deserve a look.
    pub known: bool,
}

const CALL: [&str; 2] = ["inacall", "inaconferencecall"];
const DO_NOT_DISTURB: [&str; 3] = ["donotdisturb", "urgentinterruptionsonly", "focusing"];
const FREE: [&str; 12] = [
    "available",
    "availableidle",
    "availableinactive",
    "away",
    "berightback",
    "busy",
    "busyidle",
    "inactive",
    "inameeting",
    "offline",
    "offwork",
    "outofoffice",
];

/// Reads Teams' two words, ignoring case; some tenants swap them, so the telling word may stand in either.
#[must_use]
pub fn read_teams(availability: &str, activity: &str) -> TeamsReading {
    let words = [availability.to_ascii_lowercase(), activity.to_ascii_lowercase()];
    let says = |list: &[&str]| words.iter().any(|word| list.contains(&word.as_str()));
    let known = |word: &String| {
        let word = word.as_str();
        CALL.contains(&word)
            || DO_NOT_DISTURB.contains(&word)
            || FREE.contains(&word)
            || ["presenting", "presenceunknown", ""].contains(&word)
    };
    let native = if says(&CALL) {
        Some(TeamsNative::Call)
    } else if says(&["presenting"]) {
        Some(TeamsNative::Presenting)
    } else if says(&DO_NOT_DISTURB) {
        Some(TeamsNative::DoNotDisturb)
    } else if says(&["presenceunknown"]) {
        None
    } else {
        Some(TeamsNative::Free)
    };
    TeamsReading { native, known: words.iter().all(known) }
}

impl TeamsNative {
    /// Where it stands on the ladder, for a person whose policy has this mode.
    ///
    /// Who presents is in a call: where only telephony is synchronised, that is what shows.
    #[must_use]
    pub fn presence(self, mode: Mode) -> Presence {
        match self {
            Self::Free => Presence::Free,
            Self::Call => Presence::OnThePhone,
            Self::Presenting if mode == Mode::Telephony => Presence::OnThePhone,
            Self::Presenting | Self::DoNotDisturb => Presence::DoNotDisturb,
        }
    }

    /// What makes it so; `None`: nothing to show.
    #[must_use]
    pub fn cause(self) -> Option<Cause> {
        match self {
            Self::Free => None,
            Self::Call | Self::Presenting => Some(Cause::Call),
            Self::DoNotDisturb => Some(Cause::DoNotDisturb),
        }
    }

    /// Stable text for storage and documents.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Call => "call",
            Self::Presenting => "presenting",
            Self::DoNotDisturb => "do_not_disturb",
        }
    }

    /// The value that [`label`](Self::label) names.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::Free, Self::Call, Self::Presenting, Self::DoNotDisturb].into_iter().find(|native| native.label() == label)
    }
}

impl Cause {
    /// Stable text for storage and documents.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::DoNotDisturb => "do_not_disturb",
        }
    }

    /// The cause that [`label`](Self::label) names.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::Call, Self::DoNotDisturb].into_iter().find(|cause| cause.label() == label)
    }
}

/// The kinds of XPhone's fixed presence statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StatusKind {
    /// Green.
    Available,
    /// Yellow.
    BeRightBack,
    /// Red, hatched.
    Busy,
    /// Red with a bar.
    DoNotDisturb,
    /// Grey.
    Unavailable,
    /// Grey.
    Offline,
}

impl StatusKind {
    const ALL: [Self; 6] = [Self::Available, Self::BeRightBack, Self::Busy, Self::DoNotDisturb, Self::Unavailable, Self::Offline];

    /// Stable text for storage and documents.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Available => "available",
            Self::BeRightBack => "be_right_back",
            Self::Busy => "busy",
            Self::DoNotDisturb => "do_not_disturb",
            Self::Unavailable => "unavailable",
            Self::Offline => "offline",
        }
    }

    /// The kind that [`label`](Self::label) names.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.label() == label)
    }
}

/// An XPhone meeting a person is in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Meeting {
    /// None.
    None,
    /// With sound.
    Audio,
    /// With sound and picture.
    Video,
    /// Only a screen is shared.
    ScreenShare,
}

impl Meeting {
    /// Stable text for storage and documents.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Audio => "audio",
            Self::Video => "video",
            Self::ScreenShare => "screen_share",
        }
    }

    /// The meeting that [`label`](Self::label) names.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::None, Self::Audio, Self::Video, Self::ScreenShare].into_iter().find(|meeting| meeting.label() == label)
    }
}

/// The bit of XPhone's telephone state that says *connected or dialling out*.
pub const TELEPHONE_BUSY: i32 = 4;

/// What XPhone says of a person, as far as the rules look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XphoneEntry {
    /// Bits of the telephone state.
    pub telephone_state: i32,
    /// The meeting, if any.
    pub meeting: Meeting,
    /// The kind of the status now shown; `None`: a status this server never named.
    pub status: Option<StatusKind>,
    /// Whether the gateway made the presence now shown.
    pub ours: bool,
}

impl XphoneEntry {
    /// What XPhone itself says, without what the gateway put there; of several, the strongest.
    #[must_use]
    pub fn native(&self) -> Presence {
        let calling = self.telephone_state & TELEPHONE_BUSY != 0 || matches!(self.meeting, Meeting::Audio | Meeting::Video);
        let telephone = if calling { Presence::OnThePhone } else { Presence::Free };
        let status = match self.status {
            Some(StatusKind::DoNotDisturb) if !self.ours => Presence::DoNotDisturb,
            Some(StatusKind::Busy) if !self.ours => Presence::Busy,
            _ => Presence::Free,
        };
        telephone.max(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn teams_words() {
        use TeamsNative::{Call, DoNotDisturb, Free, Presenting};
        let known = |native| TeamsReading { native, known: true };
        let check = |availability, activity, expected| {
            assert_eq!(read_teams(availability, activity), expected, "{availability}/{activity}");
        };
        check("Busy", "InACall", known(Some(Call)));
        check("Busy", "InAConferenceCall", known(Some(Call)));
        check("busy", "inacall", known(Some(Call)));
        check("inACall", "busy", known(Some(Call)));
        check("Away", "InACall", known(Some(Call)));
        check("DoNotDisturb", "Presenting", known(Some(Presenting)));
        check("presenting", "doNotDisturb", known(Some(Presenting)));
        check("DoNotDisturb", "DoNotDisturb", known(Some(DoNotDisturb)));
        check("DoNotDisturb", "UrgentInterruptionsOnly", known(Some(DoNotDisturb)));
        check("DoNotDisturb", "Focusing", known(Some(DoNotDisturb)));
        check("focusing", "doNotDisturb", known(Some(DoNotDisturb)));
        check("PresenceUnknown", "PresenceUnknown", known(None));
        check("presenceUnknown", "", known(None));
        check("Busy", "InAMeeting", known(Some(Free)));
        check("Available", "Available", known(Some(Free)));
        check("Available", "OutOfOffice", known(Some(Free)));
        check("Away", "Away", known(Some(Free)));
        check("BeRightBack", "BeRightBack", known(Some(Free)));
        check("Offline", "OffWork", known(Some(Free)));
        check("AvailableIdle", "AvailableInactive", known(Some(Free)));
        check("NotAvailable", "Unknown", TeamsReading { native: Some(Free), known: false });
        check("Levitating", "Levitating", TeamsReading { native: Some(Free), known: false });
        check("DoNotDisturb", "Levitating", TeamsReading { native: Some(DoNotDisturb), known: false });
    }

    #[test]
    fn xphone_entries() {
        let free = XphoneEntry { telephone_state: 2, meeting: Meeting::None, status: Some(StatusKind::Available), ours: false };
        let check = |entry: XphoneEntry, expected| assert_eq!(entry.native(), expected, "{entry:?}");
        check(free, Presence::Free);
        check(XphoneEntry { telephone_state: 4, ..free }, Presence::OnThePhone);
        check(XphoneEntry { telephone_state: 12, ..free }, Presence::OnThePhone);
        check(XphoneEntry { telephone_state: 16, ..free }, Presence::Free);
        check(XphoneEntry { telephone_state: 16 | 64, ..free }, Presence::Free);
        check(XphoneEntry { telephone_state: 1024 | 2048, ..free }, Presence::Free);
        check(XphoneEntry { meeting: Meeting::Audio, ..free }, Presence::OnThePhone);
        check(XphoneEntry { meeting: Meeting::Video, ..free }, Presence::OnThePhone);
        check(XphoneEntry { meeting: Meeting::ScreenShare, ..free }, Presence::Free);
        check(XphoneEntry { status: Some(StatusKind::Busy), ..free }, Presence::Busy);
        check(XphoneEntry { status: Some(StatusKind::DoNotDisturb), ..free }, Presence::DoNotDisturb);
        check(XphoneEntry { status: Some(StatusKind::DoNotDisturb), ours: true, ..free }, Presence::Free);
        check(XphoneEntry { status: Some(StatusKind::Busy), ours: true, ..free }, Presence::Free);
        check(XphoneEntry { status: Some(StatusKind::DoNotDisturb), telephone_state: 4, ..free }, Presence::DoNotDisturb);
        check(XphoneEntry { status: None, ..free }, Presence::Free);
    }

    #[test]
    fn presenting_is_a_call_where_only_telephony_is_synchronised() {
        assert_eq!(TeamsNative::Presenting.presence(Mode::Telephony), Presence::OnThePhone);
        assert_eq!(TeamsNative::Presenting.presence(Mode::TelephonyAndPresence), Presence::DoNotDisturb);
        assert_eq!(TeamsNative::Presenting.cause(), Some(Cause::Call));
    }
}
