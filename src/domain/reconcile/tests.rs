//! The rules of what XPhone shows of Teams, told as tables and stories.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::*;
use crate::domain::mapping::{Cause, Meeting, read_teams};
use crate::domain::policy::{Level, Mode};
use crate::domain::presence::Presence;
use crate::domain::slot::{Audience, Look, Shown, Sighting, SlotName, Suppression};

mod explanation;
mod microphone;
mod properties;
mod stories;
mod teams;
mod timeline;

fn morning() -> Timestamp {
    "2026-03-02T09:00:00Z".parse().unwrap()
}

const fn minutes(number: i64) -> SignedDuration {
    SignedDuration::from_mins(number)
}

fn guid(number: u128) -> ProfileGuid {
    ProfileGuid(Uuid::from_u128(number))
}

const BUSY: PresenceStateGuid = PresenceStateGuid(Uuid::from_u128(0xb));

fn profile(number: u128, name: &str, status: Option<StatusKind>) -> Profile {
    Profile { guid: guid(number), name: name.to_owned(), status, active: true }
}

fn inactive(number: u128, name: &str, status: Option<StatusKind>) -> Profile {
    Profile { active: false, ..profile(number, name, status) }
}

/// My Profiles of somebody with everything the rules look for.
fn profiles() -> Vec<Profile> {
    vec![
        profile(1, "Office", Some(StatusKind::Available)),
        profile(2, "MS Teams", Some(StatusKind::Busy)),
        profile(3, "Quiet", Some(StatusKind::DoNotDisturb)),
    ]
}

fn on_the_phone() -> Appointment {
    everybody("On the phone (MS Teams)", Look::Profile(guid(2)))
}

fn do_not_disturb() -> Appointment {
    everybody("Do not disturb (MS Teams)", Look::Profile(guid(3)))
}

fn everybody(subject: &str, look: Look) -> Appointment {
    Appointment { subject: subject.to_owned(), look, audience: Audience::Everybody }
}

fn policy(mode: Mode) -> EffectivePolicy {
    EffectivePolicy { mode, mode_from: Level::Location, shadow: false }
}

const FREE: XphoneEntry =
    XphoneEntry { telephone_state: 2, meeting: Meeting::None, own_status: Some(StatusKind::Available), ours: false };
const CALLING: XphoneEntry = XphoneEntry { telephone_state: 4, ..FREE };
const UNDISTURBED: XphoneEntry = XphoneEntry { own_status: Some(StatusKind::DoNotDisturb), ..FREE };

/// Words that mean this, and are never ours.
fn words(native: TeamsNative) -> TeamsWords {
    match native {
        TeamsNative::Free => TeamsWords::Free,
        TeamsNative::Call => TeamsWords::InAConferenceCall,
        TeamsNative::Presenting => TeamsWords::Presenting,
        TeamsNative::DoNotDisturb => TeamsWords::Focusing,
    }
}

fn read(native: Option<TeamsNative>, observed_at: Timestamp) -> TeamsObservation {
    TeamsObservation { words: native.map(words), source: Source::Read, observed_at }
}

const ANNA: TeamsUserId = TeamsUserId(Uuid::from_u128(0xa));

/// Both sides read and free, everything synchronised, nothing shown.
fn quiet() -> Snapshot {
    Snapshot {
        now: morning(),
        policy: policy(Mode::TelephonyAndPresence),
        timing: Timing::default(),
        keeps_audience: true,
        teams_user: Some(ANNA),
        teams: Some(read(Some(TeamsNative::Free), morning())),
        confirmed: Some(read(Some(TeamsNative::Free), morning())),
        remembered: None,
        xphone: Some(FREE),
        xphone_heard_at: Some(morning()),
        profiles: profiles(),
        busy_status: Some(BUSY),
        microphone: Microphone::default(),
        microphone_held: None,
        appointment: Slot::Empty,
        session: TeamsSlot::default(),
        preferred: TeamsSlot::default(),
    }
}

/// As [`quiet`], with this presence in Teams.
fn teams(native: TeamsNative) -> Snapshot {
    Snapshot { teams: Some(read(Some(native), morning())), ..quiet() }
}

/// A slot that shows this since an hour, and ends by itself in this many minutes.
fn shown(appointment: Appointment, cause: Option<Cause>, left: i64) -> Shown {
    let presence = if appointment.subject == DO_NOT_DISTURB_SUBJECT { Presence::DoNotDisturb } else { Presence::OnThePhone };
    let (since, until) = (morning() - minutes(60), morning() + minutes(left));
    Shown { appointment, presence, cause, since, until, sighting: Sighting::AsSet }
}

fn now_showing(decision: &Decision) -> Option<&Appointment> {
    match &decision.appointment.slot {
        Slot::Shown(shown) => Some(&shown.appointment),
        Slot::Empty | Slot::Suppressed { .. } => None,
    }
}

#[test]
fn every_presence_of_teams_under_every_policy_beside_every_presence_of_xphone() {
    use Mode::{None as Off, Telephony, TelephonyAndPresence as Both};
    use Reason::{NothingToShow, OwnIsStronger, PolicyOff, PolicyTelephonyOnly};
    let phone = || Ok(on_the_phone());
    let quiet_please = || Ok(do_not_disturb());
    let call = [("Busy", "InACall"), ("Busy", "InAConferenceCall"), ("inAConferenceCall", "busy"), ("DoNotDisturb", "InACall")];
    let presenting = [("DoNotDisturb", "Presenting"), ("presenting", "doNotDisturb")];
    let undisturbed = [
        ("DoNotDisturb", "DoNotDisturb"),
        ("DoNotDisturb", "UrgentInterruptionsOnly"),
        ("DoNotDisturb", "Focusing"),
        ("doNotDisturb", "Levitating"),
    ];
    let free =
        [("Available", "Available"), ("Busy", "Busy"), ("Busy", "InAMeeting"), ("Away", "Away"), ("BeRightBack", "BeRightBack")];
    let gone = [("Available", "OutOfOffice"), ("Offline", "Offline"), ("Offline", "OffWork"), ("Levitating", "")];

    let all = |reason| [Err(reason), Err(reason), Err(reason), Err(reason)];
    //                                              XPhone: free, busy, on the phone, do not disturb
    let check = |words: &[(&str, &str)], mode, expected: [Result<Appointment, Reason>; 4]| {
        for (availability, activity) in words {
            for (entries, expected) in xphone_entries().iter().zip(&expected) {
                for entry in entries {
                    let words = read_teams(availability, activity).words;
                    let teams = Some(TeamsObservation { words, ..read(None, morning()) });
                    let decision = decide(&Snapshot { teams, policy: policy(mode), xphone: Some(*entry), ..quiet() });
                    let found = now_showing(&decision).cloned().ok_or(decision.appointment.reason);
                    assert_eq!(found, *expected, "{availability}/{activity}, {mode:?}, {entry:?}");
                }
            }
        }
    };
    check(&call, Off, all(PolicyOff));
    check(&call, Telephony, [phone(), phone(), Err(OwnIsStronger), Err(OwnIsStronger)]);
    check(&call, Both, [phone(), phone(), Err(OwnIsStronger), Err(OwnIsStronger)]);
    check(&presenting, Off, all(PolicyOff));
    check(&presenting, Telephony, [phone(), phone(), Err(OwnIsStronger), Err(OwnIsStronger)]);
    check(&presenting, Both, [quiet_please(), quiet_please(), quiet_please(), Err(OwnIsStronger)]);
    check(&undisturbed, Off, all(PolicyOff));
    check(&undisturbed, Telephony, all(PolicyTelephonyOnly));
    check(&undisturbed, Both, [quiet_please(), quiet_please(), quiet_please(), Err(OwnIsStronger)]);
    for mode in [Telephony, Both] {
        check(&free, mode, all(NothingToShow));
        check(&gone, mode, all(NothingToShow));
    }
    check(&free, Off, all(PolicyOff));
    check(&gone, Off, all(PolicyOff));
    check(&[("PresenceUnknown", "PresenceUnknown")], Both, all(Reason::TeamsUnread));
}

/// What XPhone may say: free, busy, on the phone, on do not disturb.
fn xphone_entries() -> [Vec<XphoneEntry>; 4] {
    let meeting = |meeting| XphoneEntry { meeting, ..FREE };
    let ringing = XphoneEntry { telephone_state: 16 | 64, ..FREE };
    let status = |status| XphoneEntry { own_status: Some(status), ..FREE };
    let covered = |entry| XphoneEntry { ours: true, ..entry };
    [
        vec![
            FREE,
            ringing,
            meeting(Meeting::ScreenShare),
            covered(FREE),
            status(StatusKind::BeRightBack),
            status(StatusKind::Offline),
            XphoneEntry { own_status: None, ..FREE },
        ],
        vec![status(StatusKind::Busy), covered(status(StatusKind::Busy))],
        vec![CALLING, meeting(Meeting::Audio), meeting(Meeting::Video), covered(XphoneEntry { telephone_state: 4 | 8, ..FREE })],
        vec![UNDISTURBED, covered(UNDISTURBED), XphoneEntry { telephone_state: 4, ..UNDISTURBED }],
    ]
}

#[test]
fn which_profile_carries_it() {
    use TeamsNative::{Call, DoNotDisturb, Presenting};
    let quiet_status = Some(StatusKind::DoNotDisturb);
    let as_call = |look| Ok((ON_THE_PHONE_SUBJECT, look));
    let as_quiet = |number| Ok((DO_NOT_DISTURB_SUBJECT, Look::Profile(guid(number))));
    let check = |native, profiles: &[Profile], busy_status, expected: Result<(&str, Look), Reason>, reason: Reason| {
        let decision = decide(&Snapshot { profiles: profiles.to_vec(), busy_status, ..teams(native) });
        let found = now_showing(&decision).map(|shown| (shown.subject.as_str(), shown.look)).ok_or(decision.appointment.reason);
        assert_eq!((found, decision.appointment.reason), (expected, reason), "{native:?} with {profiles:?}");
    };
    let call = Reason::Shown(Cause::Call);
    let teams_profile = profile(1, "MS Teams", None);
    let appointment = profile(2, "Appointment", Some(StatusKind::Busy));
    check(Call, &[appointment.clone(), teams_profile.clone()], Some(BUSY), as_call(Look::Profile(guid(1))), call);
    check(Call, std::slice::from_ref(&appointment), Some(BUSY), as_call(Look::Profile(guid(2))), call);
    check(Call, &[inactive(1, "MS Teams", None), appointment.clone()], None, as_call(Look::Profile(guid(2))), call);
    check(
        Call,
        &[inactive(1, "MS Teams", None), inactive(2, "Appointment", None)],
        Some(BUSY),
        as_call(Look::Status(BUSY)),
        call,
    );
    check(Call, &[profile(1, "ms teams", None), profile(2, "MS Teams 2", None)], Some(BUSY), as_call(Look::Status(BUSY)), call);
    check(Call, &[profile(3, "Quiet", quiet_status)], Some(BUSY), as_call(Look::Status(BUSY)), call);
    check(Call, &[], None, Err(Reason::NoBusyStatus), Reason::NoBusyStatus);

    let several = [inactive(1, "Off", quiet_status), profile(2, "First", quiet_status), profile(3, "Second", quiet_status)];
    check(DoNotDisturb, &several, Some(BUSY), as_quiet(2), Reason::Shown(Cause::DoNotDisturb));
    check(Presenting, &several, Some(BUSY), as_quiet(2), call);
    let turned = [several[2].clone(), several[1].clone(), teams_profile.clone()];
    check(DoNotDisturb, &turned, None, as_quiet(3), Reason::Shown(Cause::DoNotDisturb));

    let none = [inactive(1, "Off", quiet_status), teams_profile, profile(4, "New", None)];
    check(DoNotDisturb, &none, Some(BUSY), Err(Reason::NoDoNotDisturbProfile), Reason::NoDoNotDisturbProfile);
    check(Presenting, &none, Some(BUSY), as_call(Look::Profile(guid(1))), Reason::ShownAsCall);
    check(Presenting, &[], Some(BUSY), as_call(Look::Status(BUSY)), Reason::ShownAsCall);
    check(Presenting, &[], None, Err(Reason::NoBusyStatus), Reason::NoBusyStatus);
}

#[test]
fn presenting_without_a_profile_for_it_competes_as_a_call() {
    let presenting = |xphone| Snapshot { profiles: Vec::new(), xphone: Some(xphone), ..teams(TeamsNative::Presenting) };
    assert_eq!(decide(&presenting(FREE)).appointment.reason, Reason::ShownAsCall);
    assert_eq!(decide(&presenting(CALLING)).appointment.reason, Reason::OwnIsStronger);
}

#[test]
fn what_stands_in_the_way_takes_back_what_is_shown() {
    let check = |change: fn(&mut Snapshot), expected| {
        for appointment in [Slot::Empty, Slot::Shown(shown(on_the_phone(), Some(Cause::Call), 300))] {
            let was_shown = appointment != Slot::Empty;
            let mut snapshot = Snapshot { appointment, ..teams(TeamsNative::Call) };
            change(&mut snapshot);
            let decision = decide(&snapshot);
            assert_eq!((&decision.appointment.slot, decision.appointment.reason), (&Slot::Empty, expected));
            assert_eq!(decision.appointment.push, was_shown.then_some(Push::Clear), "{expected:?}");
            assert_eq!(decision.revisit_at, None, "{expected:?}");
        }
    };
    check(|snapshot| snapshot.policy.mode = Mode::None, Reason::PolicyOff);
    check(|snapshot| snapshot.policy.shadow = true, Reason::Shadow);
    check(|snapshot| snapshot.teams_user = None, Reason::NotMatched);
    check(|snapshot| snapshot.xphone = Some(CALLING), Reason::OwnIsStronger);
    check(|snapshot| snapshot.xphone = Some(UNDISTURBED), Reason::OwnIsStronger);
    check(|snapshot| snapshot.teams = Some(read(Some(TeamsNative::Free), morning())), Reason::NothingToShow);
    check(
        |snapshot| {
            snapshot.teams = Some(read(Some(TeamsNative::DoNotDisturb), morning()));
            snapshot.policy.mode = Mode::Telephony;
        },
        Reason::PolicyTelephonyOnly,
    );
    check(
        |snapshot| {
            snapshot.profiles.clear();
            snapshot.busy_status = None;
        },
        Reason::NoBusyStatus,
    );
}

#[test]
fn what_is_not_known_changes_nothing() {
    let check = |change: fn(&mut Snapshot), slot: Slot, expected| {
        let mut snapshot = Snapshot { appointment: slot.clone(), ..teams(TeamsNative::Call) };
        change(&mut snapshot);
        let decision = decide(&snapshot);
        assert_eq!(
            (&decision.appointment.push, &decision.appointment.slot, decision.appointment.reason),
            (&None, &slot, expected)
        );
        let until = if let Slot::Shown(shown) = slot { Some(shown.until) } else { None };
        assert_eq!(decision.revisit_at, until);
    };
    let call = || Slot::Shown(shown(on_the_phone(), Some(Cause::Call), 300));
    let found = || Slot::Shown(shown(on_the_phone(), None, 300));
    for slot in [Slot::Empty, call(), found()] {
        check(|snapshot| snapshot.teams = None, slot.clone(), Reason::TeamsUnread);
        check(|snapshot| snapshot.teams = Some(read(None, morning())), slot.clone(), Reason::TeamsUnread);
        check(|snapshot| snapshot.xphone = None, slot, Reason::XphoneUnread);
    }
}

#[test]
fn what_must_go_goes_even_where_a_side_is_unread() {
    let check = |change: fn(&mut Snapshot), cause, left, expected| {
        let appointment = Slot::Shown(shown(on_the_phone(), cause, left));
        let mut snapshot = Snapshot { appointment, ..teams(TeamsNative::Call) };
        change(&mut snapshot);
        let decision = decide(&snapshot);
        assert_eq!((decision.appointment.push, now_showing_of(&decision.appointment.slot)), (Some(Push::Clear), None));
        assert_eq!(decision.appointment.reason, expected);
    };
    let call = Some(Cause::Call);
    // It ran out, or never should have been there.
    check(|snapshot| snapshot.teams = None, call, 0, Reason::TeamsUnread);
    check(|snapshot| snapshot.xphone = None, call, -1, Reason::XphoneUnread);
    check(
        |snapshot| {
            snapshot.teams = None;
            snapshot.policy.mode = Mode::None;
        },
        None,
        300,
        Reason::PolicyOff,
    );
    // A policy on trial shows nothing, whatever is unread.
    let on_trial = |snapshot: &mut Snapshot| {
        snapshot.teams = None;
        snapshot.policy.shadow = true;
    };
    check(on_trial, None, 300, Reason::TeamsUnread);
    check(on_trial, call, 300, Reason::TeamsUnread);
    // XPhone itself says as much, whatever Teams will turn out to say.
    check(
        |snapshot| {
            snapshot.teams = None;
            snapshot.xphone = Some(CALLING);
        },
        None,
        300,
        Reason::TeamsUnread,
    );
    // The call has ended; that do not disturb began instead cannot be shown yet, but the call is over.
    let other_cause = |snapshot: &mut Snapshot| {
        snapshot.teams = Some(read(Some(TeamsNative::DoNotDisturb), morning()));
        snapshot.xphone = None;
    };
    check(other_cause, call, 300, Reason::XphoneUnread);
    check(
        |snapshot| {
            snapshot.teams = Some(read(Some(TeamsNative::Free), morning()));
            snapshot.xphone = None;
        },
        call,
        300,
        Reason::NothingToShow,
    );
}

fn now_showing_of(slot: &Slot) -> Option<&Appointment> {
    if let Slot::Shown(shown) = slot { Some(&shown.appointment) } else { None }
}

#[test]
fn do_not_disturb_found_goes_at_once_where_only_calls_are_synchronised() {
    let appointment = Slot::Shown(shown(do_not_disturb(), None, 300));
    let unread = Snapshot { teams: None, policy: policy(Mode::Telephony), appointment, ..quiet() };
    assert_eq!(decide(&unread).appointment.push, Some(Push::Clear));
}

#[test]
fn labels_lead_back_to_their_reasons() {
    for reason in Reason::ALL {
        assert_eq!(Reason::from_label(reason.label()), Some(reason));
        assert!(SlotName::ALL.iter().all(|slot| !reason.describe(*slot).is_empty()));
    }
    assert_eq!(Reason::from_label("levitating"), None);
}
