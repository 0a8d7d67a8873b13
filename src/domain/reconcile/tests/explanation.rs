//! What an explanation says beside the decision: what words mean, who set what, what is an echo.

use super::*;
use crate::domain::explanation::{Explanation, Facts, Holds, Letter};
use crate::domain::ids::UserGuid;
use crate::domain::microphone::MicrophoneSync;
use crate::domain::policy::{TeamsSync, effective};
use crate::domain::slot::{Live, Reached, Record, TeamsSlot};
use crate::domain::template::ProfileTemplate;
use crate::domain::timeline::Sending;

fn facts(snapshot: Snapshot) -> Facts {
    Facts {
        user: UserGuid(Uuid::from_u128(1)),
        matched: "matched".to_owned(),
        snapshot,
        words: None,
        confirm_at: None,
        xphone_changed_at: None,
        client_connected: None,
        location: None,
        group: None,
        choice: None,
        microphone: Holds::inherited(None, None, MicrophoneSync::unset()),
        template: Holds::inherited(None, None, ProfileTemplate::unset()),
        letters: Vec::new(),
        decided_at: None,
        revisit_at: None,
    }
}

/// As Teams says it now, read.
fn saying(availability: &str, activity: &str) -> Facts {
    let words = read_teams(availability, activity).words;
    let teams = Some(TeamsObservation { words, ..read(None, morning()) });
    let said = Some((availability.to_owned(), activity.to_owned()));
    Facts { words: said, ..facts(Snapshot { teams, ..quiet() }) }
}

#[test]
fn which_word_decides_and_what_it_means() {
    let check = |availability: &str, activity: &str, word, is_known, means| {
        let says = Explanation::of(&saying(availability, activity)).teams.unwrap();
        assert_eq!((says.word, says.is_known, says.means), (word, is_known, means), "{availability}/{activity}");
    };
    check("Busy", "InACall", Some("InACall"), true, Some(TeamsNative::Call));
    check("INACALL", "DoNotDisturb", Some("InACall"), true, Some(TeamsNative::Call));
    check("DoNotDisturb", "Presenting", Some("Presenting"), true, Some(TeamsNative::Presenting));
    check("DoNotDisturb", "Focusing", Some("Focusing"), true, Some(TeamsNative::DoNotDisturb));
    check("Busy", "InAMeeting", None, true, Some(TeamsNative::Free));
    check("Levitating", "", None, false, Some(TeamsNative::Free));
    check("PresenceUnknown", "PresenceUnknown", None, true, None);
}

#[test]
fn what_is_not_known_is_not_made_up() {
    let unread = Snapshot { teams: None, confirmed: None, xphone: None, xphone_heard_at: None, ..quiet() };
    let explanation = Explanation::of(&facts(unread));
    assert_eq!((explanation.teams, explanation.teams_itself, explanation.xphone), (None, None, None));
    assert_eq!((explanation.decided_at, explanation.next_look_at), (None, None));
    assert_eq!(
        explanation.slots.each_ref().map(|slot| slot.reason),
        [Reason::TeamsUnread, Reason::XphoneUnread, Reason::XphoneUnread]
    );
    assert!(explanation.slots.iter().all(|slot| slot.shows.is_none() && slot.to_do.is_none()));
}

#[test]
fn each_part_of_the_policy_names_its_level() {
    use Level::{ConfigurationGroup as Group, Location, Unset, User};
    use Mode::{None as Off, Telephony, TelephonyAndPresence as Both};
    let set = |mode, user_may_change, shadow| Some(TeamsSync { mode, user_may_change, remember_login_data: false, shadow });
    let check = |location, group, choice, expected: (Mode, Level, bool, bool, Level)| {
        let snapshot = Snapshot { policy: effective(location, group, choice), ..quiet() };
        let says = Explanation::of(&Facts { location, group, choice, ..facts(snapshot) }).policy;
        assert_eq!((says.mode, says.mode_from, says.shadow, says.user_may_change, says.set_at), expected);
        assert_eq!(says.choice, choice, "it is told even where it does not count");
    };
    check(None, None, Some(Both), (Off, Unset, false, false, Unset));
    check(set(Both, false, true), None, None, (Both, Location, true, false, Location));
    check(set(Both, true, true), None, Some(Telephony), (Telephony, User, true, true, Location));
    check(set(Both, true, true), set(Telephony, false, false), Some(Both), (Telephony, Group, false, false, Group));
}

#[test]
fn an_echo_names_its_slot_and_how_long_the_like_is_one() {
    let live = |until| TeamsSlot { live: Some(Live { from: morning() - minutes(5), until }), ..TeamsSlot::default() };
    let until = |source, snapshot: &Snapshot| {
        let teams = snapshot.teams.map(|teams| TeamsObservation { source, words: Some(TeamsWords::InACall), ..teams });
        echo(&Snapshot { teams, ..snapshot.clone() })
    };
    let goes_on = Snapshot { session: live(None), ..quiet() };
    assert_eq!(until(Source::Read, &goes_on), Some(Echo { slot: SlotName::TeamsSession, until: None }));
    let cleared_at = morning() - SignedDuration::from_secs(5);
    let cleared = Snapshot { session: live(Some(cleared_at)), ..quiet() };
    let expected =
        |seconds| Some(Echo { slot: SlotName::TeamsSession, until: Some(cleared_at + SignedDuration::from_secs(seconds)) });
    assert_eq!(until(Source::Read, &cleared), expected(10));
    assert_eq!(until(Source::Notification, &cleared), expected(60));
    let long_ago = Snapshot { session: live(Some(morning() - minutes(2))), ..quiet() };
    assert_eq!(until(Source::Notification, &long_ago), None, "it is Teams' own");
    assert_eq!(until(Source::Read, &quiet()), None);
}

#[test]
fn what_is_recorded_what_waits_and_what_is_to_be_done_stand_side_by_side() {
    let reached = Some(Reached { at: morning(), until: morning() + minutes(15) });
    let record = Record::Shown { teams_user: ANNA, since: morning(), reached, given_up: true };
    let live = Some(Live { from: morning(), until: None });
    let letter = Letter {
        slot: SlotName::TeamsSession,
        shows: true,
        decided_at: morning(),
        attempts: 3,
        problem: Some("Graph asks to wait".to_owned()),
        next_try_at: morning() + minutes(1),
        claimed_until: None,
    };
    let calling = Snapshot { session: TeamsSlot { record, live, pending: None }, ..quiet() };
    let explanation = Explanation::of(&Facts { letters: vec![letter.clone()], ..facts(calling) });
    let session = explanation.slot(SlotName::TeamsSession);
    let shows = session.shows.as_ref().unwrap();
    assert_eq!(
        (shows.presence, shows.cause, shows.until),
        (Presence::OnThePhone, Some(Cause::Call), Some(morning() + minutes(15)))
    );
    assert!(shows.given_up);
    // Nobody has decided yet.
    assert_eq!((session.reason, session.to_do), (Reason::NothingToShow, Some(Sending::Clear)));
    assert_eq!(session.letter.as_ref(), Some(&letter));
    let lapsed = Slot::Suppressed { cause: Cause::Call, why: Suppression::Lapsed, since: morning() };
    let explanation = Explanation::of(&facts(Snapshot { appointment: lapsed, ..teams(TeamsNative::Call) }));
    let appointment = explanation.slot(SlotName::XphoneAppointment);
    assert_eq!((appointment.reason, appointment.held_back), (Reason::Lapsed, Some((Suppression::Lapsed, morning()))));
    let no_profile = Snapshot { profiles: Vec::new(), ..teams(TeamsNative::DoNotDisturb) };
    assert_eq!(Explanation::of(&facts(no_profile)).slot(SlotName::XphoneAppointment).reason, Reason::NoDoNotDisturbProfile);
}
