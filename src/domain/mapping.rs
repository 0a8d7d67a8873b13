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

/// What is visible in Teams, told apart as far as the rules need it: some of it may be our own doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TeamsWords {
    /// Nothing that XPhone should know.
    Free,
    /// Signed out: reads the same whatever is preferred. *Appear offline*, picked by hand, is [`Free`](Self::Free).
    Offline,
    /// In a call; also what our own session looks like.
    InACall,
    /// In a call of several; never ours.
    InAConferenceCall,
    /// Sharing the screen; never ours.
    Presenting,
    /// Plain do not disturb; also what our own preferred presence looks like.
    DoNotDisturb,
    /// Focusing, urgent interruptions only and the like; never ours.
    Focusing,
}

impl TeamsWords {
    /// What they mean where they are not our own doing.
    #[must_use]
    pub fn native(self) -> TeamsNative {
        match self {
            Self::Free | Self::Offline => TeamsNative::Free,
            Self::InACall | Self::InAConferenceCall => TeamsNative::Call,
            Self::Presenting => TeamsNative::Presenting,
            Self::DoNotDisturb | Self::Focusing => TeamsNative::DoNotDisturb,
        }
    }
}

/// Why something is shown; a cause ends when its side no longer says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// A call: in Teams with or without a shared screen, in XPhone also a meeting with sound.
    Call,
    /// Do not disturb.
    DoNotDisturb,
    /// A program uses the microphone: a cause of its own beside what Teams says.
    Microphone,
}

/// One reading of Teams' two words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TeamsReading {
    /// What they say; `None`: Teams does not know, so nothing is observed.
    pub words: Option<TeamsWords>,
    /// Whether both words are known ones; unknown words count as free and deserve a look.
    pub known: bool,
}

const DO_NOT_DISTURB: &str = "DoNotDisturb";
const UNKNOWN: &str = "PresenceUnknown";
/// All the words that mean something else than free, the more telling ones first.
const TELLING: [(&str, TeamsWords); 6] = [
    ("InAConferenceCall", TeamsWords::InAConferenceCall),
    ("InACall", TeamsWords::InACall),
    ("Presenting", TeamsWords::Presenting),
    ("UrgentInterruptionsOnly", TeamsWords::Focusing),
    ("Focusing", TeamsWords::Focusing),
    (DO_NOT_DISTURB, TeamsWords::DoNotDisturb),
];
const FREE: [&str; 12] = [
    "Available",
    "AvailableIdle",
    "AvailableInactive",
    "Away",
    "BeRightBack",
    "Busy",
    "BusyIdle",
    "Inactive",
    "InAMeeting",
    "Offline",
    "OffWork",
    "OutOfOffice",
];

/// Every word that Teams is known to say; the empty one stands for a word left out.
pub fn teams_words() -> impl Iterator<Item = &'static str> {
    TELLING.into_iter().map(|(word, _)| word).chain([UNKNOWN]).chain(FREE).chain([""])
}

fn telling(availability: &str, activity: &str) -> Option<(&'static str, TeamsWords)> {
    TELLING.into_iter().find(|(word, _)| [availability, activity].iter().any(|said| said.eq_ignore_ascii_case(word)))
}

/// The one of Teams' two words that decides what they mean; `None`: neither means anything but free.
#[must_use]
pub fn telling_word(availability: &str, activity: &str) -> Option<&'static str> {
    telling(availability, activity).map(|(word, _)| word)
}

/// Reads Teams' two words, ignoring case; some tenants swap them, so the telling word may stand in either.
#[must_use]
pub fn read_teams(availability: &str, activity: &str) -> TeamsReading {
    let both = [availability, activity];
    let says = |word: &str| both.iter().any(|said| said.eq_ignore_ascii_case(word));
    let known = both.iter().all(|said| teams_words().any(|word| said.eq_ignore_ascii_case(word)));
    let telling = telling(availability, activity).map(|(_, words)| words);
    let ours_alone = || both.iter().all(|said| said.is_empty() || said.eq_ignore_ascii_case(DO_NOT_DISTURB));
    let words = match telling {
        // Whatever stands beside it, it is do not disturb; but ours has nothing beside it.
        Some(TeamsWords::DoNotDisturb) if !ours_alone() => Some(TeamsWords::Focusing),
        Some(words) => Some(words),
        None if says(UNKNOWN) => None,
        None if says("Offline") && !says("OffWork") => Some(TeamsWords::Offline),
        None => Some(TeamsWords::Free),
    };
    TeamsReading { words, known }
}

impl TeamsNative {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Free, Self::Call, Self::Presenting, Self::DoNotDisturb];

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
        Self::ALL.into_iter().find(|native| native.label() == label)
    }
}

impl Cause {
    /// Stable text for storage and documents.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Call => "call",
            Self::DoNotDisturb => "do_not_disturb",
            Self::Microphone => "microphone",
        }
    }

    /// The cause that [`label`](Self::label) names.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::Call, Self::DoNotDisturb, Self::Microphone].into_iter().find(|cause| cause.label() == label)
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
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Available, Self::BeRightBack, Self::Busy, Self::DoNotDisturb, Self::Unavailable, Self::Offline];

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
    /// All of them.
    pub const ALL: [Self; 4] = [Self::None, Self::Audio, Self::Video, Self::ScreenShare];

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
        Self::ALL.into_iter().find(|meeting| meeting.label() == label)
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
    /// The kind of the status that XPhone showed last and that was not ours, see [`own_status`]; `None`: none was, or one that this
    /// server never named.
    pub own_status: Option<StatusKind>,
    /// Whether the gateway made the presence now shown.
    pub ours: bool,
}

/// The user's own status after XPhone was seen to show one. What we set there covers it and tells nothing of it: it is what it was,
/// until XPhone shows something that is not ours.
#[must_use]
pub fn own_status<S>(shown: S, ours: bool, before: Option<S>) -> Option<S> {
    if ours { before } else { Some(shown) }
}

impl XphoneEntry {
    /// What XPhone itself says, without what the gateway put there; of several, the strongest.
    #[must_use]
    pub fn native(&self) -> Presence {
        let telephone = if self.says(Cause::Call) { Presence::OnThePhone } else { Presence::Free };
        let status = match self.own_status {
            Some(StatusKind::DoNotDisturb) => Presence::DoNotDisturb,
            Some(StatusKind::Busy) => Presence::Busy,
            _ => Presence::Free,
        };
        telephone.max(status)
    }

    /// Whether XPhone itself gives this cause to show something in Teams; it may give both at once.
    #[must_use]
    pub fn says(&self, cause: Cause) -> bool {
        match cause {
            Cause::Call => self.telephone_state & TELEPHONE_BUSY != 0 || matches!(self.meeting, Meeting::Audio | Meeting::Video),
            Cause::DoNotDisturb => self.own_status == Some(StatusKind::DoNotDisturb),
            // Shown in XPhone only.
            Cause::Microphone => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn teams_words() {
        use TeamsWords::{DoNotDisturb, Focusing, Free, InACall, InAConferenceCall, Offline, Presenting};
        let known = |words| TeamsReading { words, known: true };
        let check = |availability, activity, expected| {
            assert_eq!(read_teams(availability, activity), expected, "{availability}/{activity}");
        };
        check("Busy", "InACall", known(Some(InACall)));
        check("Busy", "InAConferenceCall", known(Some(InAConferenceCall)));
        check("busy", "inacall", known(Some(InACall)));
        check("inACall", "busy", known(Some(InACall)));
        check("Away", "InACall", known(Some(InACall)));
        check("InACall", "InAConferenceCall", known(Some(InAConferenceCall)));
        check("DoNotDisturb", "InACall", known(Some(InACall)));
        check("DoNotDisturb", "Presenting", known(Some(Presenting)));
        check("presenting", "doNotDisturb", known(Some(Presenting)));
        check("DoNotDisturb", "DoNotDisturb", known(Some(DoNotDisturb)));
        check("doNotDisturb", "", known(Some(DoNotDisturb)));
        check("DoNotDisturb", "UrgentInterruptionsOnly", known(Some(Focusing)));
        check("DoNotDisturb", "Focusing", known(Some(Focusing)));
        check("focusing", "doNotDisturb", known(Some(Focusing)));
        check("DoNotDisturb", "Available", known(Some(Focusing)));
        check("PresenceUnknown", "PresenceUnknown", known(None));
        check("presenceUnknown", "", known(None));
        check("Busy", "InAMeeting", known(Some(Free)));
        check("Available", "Available", known(Some(Free)));
        check("Available", "OutOfOffice", known(Some(Free)));
        check("Away", "Away", known(Some(Free)));
        check("BeRightBack", "BeRightBack", known(Some(Free)));
        check("Offline", "Offline", known(Some(Offline)));
        check("offline", "", known(Some(Offline)));
        check("Offline", "OffWork", known(Some(Free)));
        check("AvailableIdle", "AvailableInactive", known(Some(Free)));
        check("NotAvailable", "Unknown", TeamsReading { words: Some(Free), known: false });
        check("Levitating", "Levitating", TeamsReading { words: Some(Free), known: false });
        check("DoNotDisturb", "Levitating", TeamsReading { words: Some(Focusing), known: false });
    }

    #[test]
    fn xphone_entries() {
        let free =
            XphoneEntry { telephone_state: 2, meeting: Meeting::None, own_status: Some(StatusKind::Available), ours: false };
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
        check(XphoneEntry { own_status: Some(StatusKind::Busy), ..free }, Presence::Busy);
        check(XphoneEntry { own_status: Some(StatusKind::DoNotDisturb), ..free }, Presence::DoNotDisturb);
        check(XphoneEntry { own_status: Some(StatusKind::DoNotDisturb), ours: true, ..free }, Presence::DoNotDisturb);
        check(XphoneEntry { ours: true, ..free }, Presence::Free);
        check(XphoneEntry { own_status: Some(StatusKind::DoNotDisturb), telephone_state: 4, ..free }, Presence::DoNotDisturb);
        check(XphoneEntry { own_status: None, ..free }, Presence::Free);
    }

    #[test]
    fn what_we_set_tells_nothing_of_the_status_below_it() {
        assert_eq!(own_status("busy", false, Some("available")), Some("busy"));
        assert_eq!(own_status("busy", true, Some("do not disturb")), Some("do not disturb"));
        assert_eq!(own_status("busy", true, None), None);
    }

    #[test]
    fn presenting_is_a_call_where_only_telephony_is_synchronised() {
        assert_eq!(TeamsNative::Presenting.presence(Mode::Telephony), Presence::OnThePhone);
        assert_eq!(TeamsNative::Presenting.presence(Mode::TelephonyAndPresence), Presence::DoNotDisturb);
        assert_eq!(TeamsNative::Presenting.cause(), Some(Cause::Call));
    }
}
