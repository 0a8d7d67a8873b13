//! Made-up people to ask the domain about, and how its answers read.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use crate::domain::ids::{PresenceStateGuid, ProfileGuid, TeamsUserId};
use crate::domain::mapping::{
    Meeting, StatusKind, TELEPHONE_BUSY, TeamsNative, TeamsWords, XphoneEntry, read_teams, teams_words,
};
use crate::domain::microphone::Microphone;
use crate::domain::policy::{EffectivePolicy, Level, Mode};
use crate::domain::reconcile::{APPOINTMENT_PROFILE, Profile, Snapshot, Source, TEAMS_PROFILE, TeamsObservation, Timing};
use crate::domain::slot::{Appointment, Look, Slot, TeamsSlot};

/// Any moment does.
pub(super) const NOW: Timestamp = Timestamp::UNIX_EPOCH;
pub(super) const SOMEBODY: TeamsUserId = TeamsUserId(Uuid::from_u128(1));
const BUSY_STATUS: PresenceStateGuid = PresenceStateGuid(Uuid::from_u128(2));
/// Stands for the first of a user's profiles with the status do not disturb.
pub(super) const QUIET_PROFILE: &str = "Quiet";

/// XPhone says nothing worth showing.
pub(super) const XPHONE_FREE: XphoneEntry =
    XphoneEntry { telephone_state: 0, meeting: Meeting::None, own_status: Some(StatusKind::Available), ours: false };
pub(super) const XPHONE_CALL: XphoneEntry = XphoneEntry { telephone_state: TELEPHONE_BUSY, ..XPHONE_FREE };
pub(super) const XPHONE_DO_NOT_DISTURB: XphoneEntry = XphoneEntry { own_status: Some(StatusKind::DoNotDisturb), ..XPHONE_FREE };
pub(super) const XPHONE_BOTH: XphoneEntry = XphoneEntry { telephone_state: TELEPHONE_BUSY, ..XPHONE_DO_NOT_DISTURB };

/// All that XPhone can say by itself, as far as it matters.
pub(super) const XPHONE_SAYS: [(&str, XphoneEntry); 5] = [
    ("free", XPHONE_FREE),
    ("busy", XphoneEntry { own_status: Some(StatusKind::Busy), ..XPHONE_FREE }),
    ("call", XPHONE_CALL),
    ("do not disturb", XPHONE_DO_NOT_DISTURB),
    ("call and do not disturb", XPHONE_BOTH),
];

/// Somebody with every profile the rules look for, matched, read and heard; nothing is shown yet.
pub(super) fn somebody(mode: Mode, native: TeamsNative, xphone: XphoneEntry) -> Snapshot {
    let teams = Some(read(words_for(native)));
    Snapshot {
        now: NOW,
        policy: EffectivePolicy { mode, mode_from: Level::Location, shadow: false },
        timing: Timing::default(),
        keeps_audience: true,
        teams_user: Some(SOMEBODY),
        teams,
        confirmed: teams,
        remembered: None,
        xphone: Some(xphone),
        xphone_heard_at: Some(NOW),
        profiles: profiles(&[TEAMS_PROFILE, APPOINTMENT_PROFILE, QUIET_PROFILE]),
        busy_status: Some(BUSY_STATUS),
        microphone: Microphone::default(),
        microphone_held: None,
        appointment: Slot::Empty,
        session: TeamsSlot::default(),
        preferred: TeamsSlot::default(),
    }
}

/// Active profiles of these names.
pub(super) fn profiles(names: &[&str]) -> Vec<Profile> {
    let status = |name: &str| if name == QUIET_PROFILE { StatusKind::DoNotDisturb } else { StatusKind::Busy };
    let profile = |(number, name): (u128, &&str)| Profile {
        guid: ProfileGuid(Uuid::from_u128(number)),
        name: (*name).to_owned(),
        status: Some(status(name)),
        active: true,
    };
    (0..).zip(names).map(profile).collect()
}

/// Words that mean this by themselves.
fn words_for(native: TeamsNative) -> Option<TeamsWords> {
    teams_words().find_map(|word| read_teams(word, word).words.filter(|words| words.native() == native))
}

/// A read that just came.
pub(super) fn read(words: Option<TeamsWords>) -> TeamsObservation {
    TeamsObservation { words, source: Source::Read, observed_at: NOW }
}

/// What people see of an appointment.
pub(super) fn look(appointment: &Appointment, profiles: &[Profile]) -> String {
    let by = match appointment.look {
        Look::Profile(guid) => {
            profiles.iter().find(|profile| profile.guid == guid).map(|profile| format!("profile `{}`", profile.name))
        }
        Look::Status(_) => Some(format!("status `{}`", StatusKind::Busy.label())),
    };
    [Some(format!("`{}`", appointment.subject)), by].into_iter().flatten().collect::<Vec<_>>().join(", ")
}

/// A length of time as people say it.
pub(super) fn spell(length: SignedDuration) -> String {
    format!("{length:#}")
}
