//! What Teams shows of XPhone, told as stories: sessions, echoes and their graces; do not disturb in a file of its own.

use super::*;
use crate::domain::slot::{Live, Reached, Record};

mod preferred;

const SECOND: SignedDuration = SignedDuration::from_secs(1);

/// A slot in Teams, from the dispatcher's side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Set,
    Cleared,
    Forgotten,
}

fn told(push: Option<TeamsPush>) -> Told {
    match push {
        None => Told::Nothing,
        Some(TeamsPush::Set(_)) => Told::Set,
        Some(TeamsPush::Clear(_)) => Told::Cleared,
        Some(TeamsPush::Forget) => Told::Forgotten,
    }
}

/// One user, with everything decided carried out at once unless a story says otherwise.
struct Story {
    facts: Snapshot,
    last: Decision,
    /// Letters leave the mailbox and arrive.
    reachable: bool,
}

impl Story {
    fn new() -> Self {
        let facts = quiet();
        let last = decide(&facts);
        Self { facts, last, reachable: true }
    }

    /// Decides, checks what must always hold, and sends.
    fn decide(&mut self) -> (Told, Told) {
        let decision = decide(&self.facts);
        assert!(decision.revisit_at.is_none_or(|at| at > self.facts.now), "looked at again without a pause");
        self.facts.remembered = decision.remembered;
        self.facts.appointment = decision.appointment.slot.clone();
        let (session, preferred) = (decision.session.push, decision.preferred.push);
        self.facts.session = self.sent(decision.session.slot, session, self.facts.timing.session_life);
        self.facts.preferred = self.sent(decision.preferred.slot, preferred, SignedDuration::from_hours(24));
        if self.reachable && decision.read_teams {
            self.facts.confirmed = self.facts.confirmed.map(|read| TeamsObservation { observed_at: self.facts.now, ..read });
        }
        self.last = decision;
        let again = decide(&self.facts);
        assert_eq!((told(again.session.push), told(again.preferred.push)), (Told::Nothing, Told::Nothing), "decided twice");
        (told(session), told(preferred))
    }

    fn sent(&self, slot: TeamsSlot, push: Option<TeamsPush>, life: SignedDuration) -> TeamsSlot {
        let now = self.facts.now;
        if !self.reachable {
            return slot;
        }
        match (push, slot.record) {
            (Some(TeamsPush::Set(_)), Record::Shown { teams_user, since, given_up, .. }) => TeamsSlot {
                record: Record::Shown { teams_user, since, reached: Some(Reached { at: now, until: now + life }), given_up },
                live: Some(Live { from: slot.live.map_or(now, |live| live.from), until: None }),
                pending: None,
            },
            (Some(TeamsPush::Clear(_)), _) => {
                TeamsSlot { live: slot.live.map(|live| Live { until: Some(now), ..live }), pending: None, ..slot }
            }
            _ => slot,
        }
    }

    fn after(&mut self, passed: SignedDuration) -> &mut Self {
        self.facts.now += passed;
        self.facts.xphone_heard_at = Some(self.facts.now);
        self
    }

    fn xphone(&mut self, entry: XphoneEntry) -> (Told, Told) {
        self.facts.xphone = Some(entry);
        self.decide()
    }

    fn read(&mut self, words: TeamsWords) -> (Told, Told) {
        let observation = TeamsObservation { words: Some(words), source: Source::Read, observed_at: self.facts.now };
        (self.facts.teams, self.facts.confirmed) = (Some(observation), Some(observation));
        self.decide()
    }

    fn notified(&mut self, words: TeamsWords) -> (Told, Told) {
        self.facts.teams =
            Some(TeamsObservation { words: Some(words), source: Source::Notification, observed_at: self.facts.now });
        self.decide()
    }

    fn native(&self) -> TeamsNative {
        self.facts.remembered.expect("something was observed").native
    }
}

const NOTHING: (Told, Told) = (Told::Nothing, Told::Nothing);

#[test]
fn a_call_is_a_session_and_its_echo_is_silent() {
    let mut anna = Story::new();
    assert_eq!(anna.xphone(CALLING), (Told::Set, Told::Nothing));
    assert_eq!(anna.after(SECOND).notified(TeamsWords::InACall), NOTHING);
    assert_eq!(anna.after(SECOND).read(TeamsWords::InACall), NOTHING);
    assert_eq!((anna.native(), &anna.facts.appointment), (TeamsNative::Free, &Slot::Empty));
    assert_eq!(anna.after(SECOND).xphone(FREE), (Told::Cleared, Told::Nothing));
}

#[test]
fn what_shows_in_teams_for_each_presence_of_xphone_beside_each_of_teams() {
    use Told::{Nothing, Set};
    let undisturbed_call = XphoneEntry { telephone_state: 4, ..UNDISTURBED };
    let meeting = |meeting| XphoneEntry { meeting, ..FREE };
    let ringing = XphoneEntry { telephone_state: 16, ..FREE };
    let mirrored = XphoneEntry { ours: true, ..FREE };
    let covered = XphoneEntry { ours: true, ..UNDISTURBED };
    let busy = XphoneEntry { own_status: Some(StatusKind::Busy), ..FREE };
    // Session and preferred presence, with Teams free, in a call, presenting, on do not disturb.
    let table = [
        (FREE, [NOTHING; 4]),
        (ringing, [NOTHING; 4]),
        (meeting(Meeting::ScreenShare), [NOTHING; 4]),
        (mirrored, [NOTHING; 4]),
        (busy, [NOTHING; 4]),
        (CALLING, [(Set, Nothing), NOTHING, NOTHING, NOTHING]),
        (meeting(Meeting::Audio), [(Set, Nothing), NOTHING, NOTHING, NOTHING]),
        (meeting(Meeting::Video), [(Set, Nothing), NOTHING, NOTHING, NOTHING]),
        (UNDISTURBED, [(Nothing, Set), (Nothing, Set), NOTHING, NOTHING]),
        (covered, [(Nothing, Set), (Nothing, Set), NOTHING, NOTHING]),
        (undisturbed_call, [(Set, Set), (Nothing, Set), NOTHING, NOTHING]),
    ];
    let natives = [TeamsNative::Free, TeamsNative::Call, TeamsNative::Presenting, TeamsNative::DoNotDisturb];
    for (entry, expected) in table {
        for (native, (session, preferred)) in natives.into_iter().zip(expected) {
            let facts = Snapshot { xphone: Some(entry), ..teams(native) };
            let check = |mode, expected| {
                let decision = decide(&Snapshot { policy: policy(mode), ..facts.clone() });
                assert_eq!(
                    (told(decision.session.push), told(decision.preferred.push)),
                    expected,
                    "{entry:?} {native:?} {mode:?}"
                );
            };
            check(Mode::TelephonyAndPresence, (session, preferred));
            check(Mode::Telephony, (session, Nothing));
            check(Mode::None, NOTHING);
        }
    }
}

#[test]
fn a_teams_call_hidden_behind_ours_comes_to_light_after_the_read_grace() {
    let mut anna = Story::new();
    anna.xphone(CALLING);
    anna.after(minutes(1)).read(TeamsWords::InACall);
    assert_eq!(anna.after(minutes(1)).xphone(FREE), (Told::Cleared, Told::Nothing));
    assert_eq!(anna.facts.appointment, Slot::Empty);
    anna.after(SECOND * 5).notified(TeamsWords::InACall);
    assert_eq!(anna.native(), TeamsNative::Free, "within the grace it may still be ours");
    anna.after(SECOND * 2).read(TeamsWords::InACall);
    assert_eq!(anna.native(), TeamsNative::Free, "reads lag too");
    anna.after(SECOND * 3).read(TeamsWords::InACall);
    assert_eq!(anna.native(), TeamsNative::Call);
    assert!(matches!(anna.facts.appointment, Slot::Shown(_)));
}

#[test]
fn every_clear_asks_for_a_read_once_reads_are_certain() {
    let mut anna = Story::new();
    anna.xphone(CALLING);
    anna.after(minutes(1)).read(TeamsWords::InACall);
    anna.xphone(FREE);
    anna.decide();
    assert_eq!(anna.last.revisit_at, Some(anna.facts.now + SECOND * 10));
    assert!(!anna.last.read_teams);
    anna.reachable = false;
    anna.after(SECOND * 10).decide();
    assert!(anna.last.read_teams);
    anna.after(SECOND * 10).decide();
    assert!(anna.last.read_teams, "asked again until it was read");
    anna.read(TeamsWords::Free);
    assert!(!anna.last.read_teams);
    anna.after(minutes(2)).decide();
    assert_eq!((anna.facts.session, anna.last.revisit_at), (TeamsSlot::default(), None), "nothing is left of it");
}

#[test]
fn do_not_disturb_picked_and_switched_off_behind_our_session_leaves_the_session() {
    let mut anna = Story::new();
    anna.xphone(CALLING);
    anna.after(minutes(1)).read(TeamsWords::InACall);
    anna.after(minutes(1)).read(TeamsWords::DoNotDisturb);
    assert!(matches!(anna.facts.appointment, Slot::Shown(_)));
    assert_eq!(anna.after(minutes(1)).notified(TeamsWords::InACall), NOTHING);
    assert_eq!(anna.after(SECOND).read(TeamsWords::InACall), NOTHING, "the session stays");
    assert_eq!((anna.native(), &anna.facts.appointment), (TeamsNative::Free, &Slot::Empty));
}

#[test]
fn an_echo_of_whom_nothing_is_known_counts_as_free() {
    let mut anna = Story::new();
    anna.xphone(CALLING);
    anna.facts.remembered = None;
    assert_eq!(anna.after(SECOND).read(TeamsWords::InACall), NOTHING);
    assert_eq!((anna.native(), anna.last.session.reason), (TeamsNative::Free, Reason::Shown(Cause::Call)));
}

#[test]
fn conferences_and_presenting_are_never_ours() {
    for words in [TeamsWords::InAConferenceCall, TeamsWords::Presenting] {
        let mut anna = Story::new();
        anna.xphone(CALLING);
        assert_eq!(anna.after(SECOND).notified(words), (Told::Cleared, Told::Nothing), "{words:?}");
        assert_eq!(anna.native(), words.native());
    }
}

#[test]
fn a_session_is_renewed_at_half_time_while_xphone_is_heard() {
    let mut anna = Story::new();
    anna.xphone(CALLING);
    assert_eq!(anna.after(minutes(7)).decide(), NOTHING);
    assert_eq!(anna.last.revisit_at, Some(morning() + SECOND * 450));
    assert_eq!(anna.after(SECOND * 30).decide(), (Told::Set, Told::Nothing));
    assert_eq!(anna.after(minutes(7)).decide(), NOTHING);
    // From here on nobody hears XPhone.
    anna.facts.now += minutes(6);
    assert_eq!((anna.decide(), anna.last.session.reason), (NOTHING, Reason::XphoneUnread));
    anna.facts.now += minutes(2);
    assert_eq!(anna.decide(), (Told::Cleared, Told::Nothing), "it ran out");
    assert_eq!(anna.after(SECOND).decide(), NOTHING);
    assert_eq!(anna.last.session.reason, Reason::Lapsed);
    anna.xphone(FREE);
    assert_eq!(anna.after(minutes(2)).xphone(CALLING), (Told::Set, Told::Nothing), "another call is another cause");
}

#[test]
fn what_never_left_the_mailbox_has_not_run_out() {
    let mut anna = Story::new();
    anna.reachable = false;
    assert_eq!(anna.xphone(CALLING), (Told::Set, Told::Nothing));
    assert_eq!(anna.after(minutes(40)).decide(), NOTHING);
    assert!(matches!(anna.facts.session.record, Record::Shown { reached: None, .. }));
    assert_eq!(anna.xphone(FREE), (Told::Cleared, Told::Nothing));
}

#[test]
fn whoever_is_on_a_call_and_on_do_not_disturb_holds_both() {
    let mut anna = Story::new();
    assert_eq!(anna.xphone(XphoneEntry { telephone_state: 4, ..UNDISTURBED }), (Told::Set, Told::Set));
    anna.after(SECOND).notified(TeamsWords::InACall);
    anna.after(SECOND).read(TeamsWords::DoNotDisturb);
    assert_eq!(anna.native(), TeamsNative::Free);
    assert_eq!(anna.after(minutes(1)).xphone(UNDISTURBED), (Told::Cleared, Told::Nothing));
    anna.after(SECOND).read(TeamsWords::DoNotDisturb);
    assert_eq!(anna.xphone(FREE), (Told::Nothing, Told::Cleared));
}

#[test]
fn a_policy_that_turns_it_off_clears_and_one_on_trial_takes_back() {
    let changes: [fn(&mut Snapshot); 3] =
        [|facts| facts.policy.mode = Mode::None, |facts| facts.policy.shadow = true, |facts| facts.teams_user = None];
    for change in changes {
        let mut anna = Story::new();
        anna.xphone(XphoneEntry { telephone_state: 4, ..UNDISTURBED });
        anna.after(minutes(1)).read(TeamsWords::DoNotDisturb);
        change(&mut anna.facts);
        assert_eq!(anna.decide(), (Told::Cleared, Told::Cleared));
    }
}

#[test]
fn nothing_new_is_shown_on_the_word_of_an_xphone_that_is_not_heard() {
    let mut anna = Story::new();
    anna.reachable = false;
    assert_eq!(anna.xphone(CALLING), (Told::Set, Told::Nothing));
    anna.facts.now += minutes(6);
    assert_eq!(anna.decide(), (Told::Cleared, Told::Nothing));
}

#[test]
fn what_cannot_be_cleared_ends_by_itself_and_its_echo_with_it() {
    let mut anna = Story::new();
    anna.xphone(CALLING);
    anna.after(minutes(1)).read(TeamsWords::InACall);
    anna.reachable = false;
    assert_eq!(anna.xphone(FREE), (Told::Cleared, Told::Nothing));
    anna.after(minutes(14)).read(TeamsWords::InACall);
    assert_eq!(anna.native(), TeamsNative::Free, "it may still be there");
    assert_eq!(anna.after(minutes(2)).read(TeamsWords::InACall), (Told::Forgotten, Told::Nothing));
    assert_eq!(anna.native(), TeamsNative::Call, "now it cannot be");
}

#[test]
fn matched_anew_the_old_one_is_cleared_before_the_new_one_is_set() {
    let other = TeamsUserId(Uuid::from_u128(0xb));
    let mut anna = Story::new();
    anna.xphone(CALLING);
    anna.reachable = false;
    anna.facts.teams_user = Some(other);
    anna.decide();
    assert_eq!(anna.last.session.push, Some(TeamsPush::Clear(ANNA)));
    anna.decide();
    assert_eq!((anna.last.session.push, anna.last.session.reason), (None, Reason::StillClearing));
    anna.facts.session = TeamsSlot::default();
    anna.reachable = true;
    anna.decide();
    assert_eq!(anna.last.session.push, Some(TeamsPush::Set(other)));
}

#[test]
fn what_was_never_sent_hides_no_call() {
    let mut anna = Story::new();
    anna.xphone(CALLING);
    anna.after(minutes(1)).xphone(FREE);
    anna.reachable = false;
    assert_eq!(anna.after(SECOND).xphone(CALLING), (Told::Set, Told::Nothing));
    assert_eq!(anna.after(SECOND).xphone(FREE), (Told::Cleared, Told::Nothing));
    assert_eq!(anna.facts.session.pending, None, "there is nothing to take away");
    anna.after(SECOND * 12).read(TeamsWords::InACall);
    assert_eq!(anna.native(), TeamsNative::Call);
}

#[test]
fn what_is_left_of_the_old_one_hides_no_call_of_the_new_one() {
    let other = TeamsUserId(Uuid::from_u128(0xb));
    let mut anna = Story::new();
    anna.xphone(CALLING);
    anna.reachable = false;
    anna.facts.teams_user = Some(other);
    anna.decide();
    anna.after(SECOND).read(TeamsWords::InACall);
    assert_eq!(anna.native(), TeamsNative::Call);
}

#[test]
fn without_the_grace_the_two_sides_fight() {
    let rounds = |timing: Timing| {
        let mut anna = Story::new();
        anna.facts.timing = timing;
        anna.xphone(CALLING);
        anna.after(minutes(1)).xphone(FREE);
        // The notification that tells of our session comes late.
        anna.after(SECOND * 20).notified(TeamsWords::InACall);
        matches!(anna.facts.appointment, Slot::Shown(_))
    };
    assert!(!rounds(Timing::default()));
    assert!(rounds(Timing { notification_grace: SECOND, ..Timing::default() }));
}
