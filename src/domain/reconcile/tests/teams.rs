//! What Teams shows of XPhone, told as stories: sessions, do not disturb, echoes and their graces.

use super::*;
use crate::domain::slot::{Live, Reached, Record};

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
            (Some(TeamsPush::Set(_)), Record::Shown { teams_user, since, cause_ended, .. }) => TeamsSlot {
                record: Record::Shown { teams_user, since, reached: Some(Reached { at: now, until: now + life }), cause_ended },
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
    let mirrored = XphoneEntry { ours: true, ..UNDISTURBED };
    let busy = XphoneEntry { status: Some(StatusKind::Busy), ..FREE };
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
fn do_not_disturb_is_set_once_and_taken_back_only_while_it_is_ours() {
    let mut anna = Story::new();
    assert_eq!(anna.xphone(UNDISTURBED), (Told::Nothing, Told::Set));
    assert_eq!(anna.after(SECOND * 2).read(TeamsWords::DoNotDisturb), NOTHING);
    assert_eq!((anna.native(), &anna.facts.appointment), (TeamsNative::Free, &Slot::Empty));
    assert_eq!(anna.after(minutes(60)).read(TeamsWords::DoNotDisturb), NOTHING);
    assert_eq!(anna.xphone(FREE), (Told::Nothing, Told::Cleared));
}

#[test]
fn signed_out_is_not_switched_off() {
    let mut anna = Story::new();
    anna.xphone(UNDISTURBED);
    assert_eq!(anna.after(minutes(5)).read(TeamsWords::Offline), NOTHING);
    assert_eq!(anna.last.preferred.reason, Reason::Shown(Cause::DoNotDisturb));
    assert_eq!(anna.xphone(FREE), (Told::Nothing, Told::Cleared));
}

#[test]
fn switched_off_in_teams_it_stays_off_until_xphone_has_left_do_not_disturb() {
    let mut anna = Story::new();
    anna.xphone(UNDISTURBED);
    anna.after(minutes(1)).read(TeamsWords::DoNotDisturb);
    assert_eq!(anna.after(minutes(1)).notified(TeamsWords::Free), NOTHING, "a notification alone proves nothing");
    assert_eq!(anna.last.preferred.reason, Reason::Shown(Cause::DoNotDisturb));
    assert_eq!(anna.after(SECOND).read(TeamsWords::Free), (Told::Nothing, Told::Forgotten));
    assert_eq!(anna.after(minutes(5)).decide(), NOTHING);
    assert_eq!(anna.last.preferred.reason, Reason::Overridden);
    assert_eq!(anna.xphone(FREE), NOTHING, "nothing of the user's own is wiped");
    assert_eq!(anna.after(minutes(1)).xphone(UNDISTURBED), (Told::Nothing, Told::Set));
}

#[test]
fn switched_off_at_once_it_is_noticed_as_soon_as_reads_are_certain() {
    let mut anna = Story::new();
    anna.xphone(UNDISTURBED);
    assert_eq!(anna.after(SECOND * 3).read(TeamsWords::Free), NOTHING, "so soon a read may not show it yet");
    assert_eq!(anna.last.revisit_at, Some(morning() + SECOND * 10));
    anna.reachable = false;
    anna.after(SECOND * 7).decide();
    assert!(anna.last.read_teams);
    assert_eq!(anna.after(SECOND).read(TeamsWords::Free), (Told::Nothing, Told::Forgotten));
    assert!(!anna.last.read_teams);
}

#[test]
fn a_status_picked_over_ours_is_not_wiped() {
    let mut anna = Story::new();
    anna.xphone(UNDISTURBED);
    anna.after(minutes(1)).read(TeamsWords::DoNotDisturb);
    anna.after(minutes(1)).notified(TeamsWords::Free);
    assert_eq!(anna.xphone(FREE), NOTHING, "first it is read");
    assert!(anna.last.read_teams);
    assert_eq!(anna.last.preferred.reason, Reason::AwaitingRead);
    assert_eq!(anna.after(SECOND).read(TeamsWords::Free), (Told::Nothing, Told::Forgotten));
}

#[test]
fn presenting_tells_nothing_of_ours_but_what_comes_after_it_does() {
    let presents = || {
        let mut anna = Story::new();
        anna.xphone(UNDISTURBED);
        anna.after(minutes(1)).read(TeamsWords::DoNotDisturb);
        assert_eq!(anna.after(minutes(1)).read(TeamsWords::Presenting), NOTHING);
        anna
    };
    let mut anna = presents();
    assert_eq!(anna.after(minutes(1)).read(TeamsWords::InACall), (Told::Nothing, Told::Forgotten), "she switched it off");
    assert_eq!(anna.last.preferred.reason, Reason::Overridden);
    let mut anna = presents();
    assert_eq!(anna.after(minutes(1)).xphone(FREE), NOTHING, "it may be there all the same");
    assert_eq!(anna.after(minutes(1)).read(TeamsWords::DoNotDisturb), (Told::Nothing, Told::Cleared));
}

#[test]
fn taken_back_at_once_it_is_read_first_for_reads_lag() {
    let mut anna = Story::new();
    anna.xphone(UNDISTURBED);
    assert_eq!(anna.after(SECOND * 3).xphone(FREE), NOTHING);
    assert_eq!(anna.last.preferred.reason, Reason::AwaitingRead);
    assert_eq!(anna.after(SECOND).read(TeamsWords::Free), NOTHING, "so soon it may not show yet");
    assert_eq!(anna.last.revisit_at, Some(morning() + SECOND * 10));
    assert_eq!(anna.after(SECOND * 6).read(TeamsWords::DoNotDisturb), (Told::Nothing, Told::Cleared));
}

#[test]
fn switched_off_in_teams_counts_for_that_do_not_disturb_only_and_not_for_the_next() {
    let mut anna = Story::new();
    anna.xphone(UNDISTURBED);
    // She picks another status in Teams; reads may not show it yet.
    assert_eq!(anna.after(SECOND * 5).xphone(FREE), NOTHING);
    assert_eq!(anna.last.preferred.reason, Reason::AwaitingRead);
    assert_eq!(anna.after(SECOND * 2).xphone(UNDISTURBED), (Told::Nothing, Told::Set), "the second one is another cause");
    assert_eq!(anna.after(SECOND * 4).read(TeamsWords::Free), NOTHING, "a read may still show what she picked before");
    assert_eq!(anna.last.preferred.reason, Reason::Shown(Cause::DoNotDisturb));
    assert_eq!(anna.after(SECOND * 8).read(TeamsWords::Free), (Told::Nothing, Told::Forgotten), "and now she did it again");
    assert_eq!(anna.last.preferred.reason, Reason::Overridden);
}

#[test]
fn the_next_do_not_disturb_counts_even_if_the_read_comes_with_it() {
    let mut anna = Story::new();
    anna.xphone(UNDISTURBED);
    anna.after(SECOND * 5).xphone(FREE);
    anna.facts.xphone = Some(UNDISTURBED);
    assert_eq!(anna.after(SECOND * 6).read(TeamsWords::Free), (Told::Nothing, Told::Set));
}

#[test]
fn what_waits_for_a_read_does_not_stay_because_xphone_falls_silent() {
    let mut anna = Story::new();
    anna.xphone(UNDISTURBED);
    anna.after(minutes(1)).read(TeamsWords::DoNotDisturb);
    anna.reachable = false;
    assert_eq!(anna.after(minutes(5)).xphone(FREE), NOTHING);
    assert_eq!(anna.last.preferred.reason, Reason::AwaitingRead);
    anna.facts.now += minutes(6);
    assert_eq!(anna.read(TeamsWords::DoNotDisturb), (Told::Nothing, Told::Cleared));
}

#[test]
fn do_not_disturb_lapses_after_a_day_and_what_is_there_then_stays() {
    let mut anna = Story::new();
    anna.xphone(UNDISTURBED);
    anna.after(minutes(24 * 60 - 1)).read(TeamsWords::DoNotDisturb);
    assert_eq!(anna.last.preferred.reason, Reason::Shown(Cause::DoNotDisturb));
    assert_eq!(anna.after(minutes(1)).decide(), (Told::Nothing, Told::Forgotten));
    assert_eq!(anna.after(minutes(5)).read(TeamsWords::Free), NOTHING);
    assert_eq!(anna.last.preferred.reason, Reason::Lapsed);
    anna.xphone(FREE);
    assert_eq!(anna.after(minutes(1)).xphone(UNDISTURBED), (Told::Nothing, Told::Set));
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

/// The letter was sent, and no answer came.
fn unanswered(anna: &mut Story) {
    for slot in [&mut anna.facts.session, &mut anna.facts.preferred] {
        if slot.pending.is_some() {
            slot.live = slot.live.or(Some(Live { from: anna.facts.now, until: None }));
        }
    }
}

#[test]
fn picked_while_ours_waits_to_be_cleared_it_is_not_wiped() {
    let mut anna = Story::new();
    anna.xphone(UNDISTURBED);
    anna.after(minutes(1)).read(TeamsWords::DoNotDisturb);
    anna.reachable = false;
    assert_eq!(anna.xphone(FREE), (Told::Nothing, Told::Cleared));
    assert_eq!(anna.after(minutes(1)).read(TeamsWords::DoNotDisturb), NOTHING, "it is still ours");
    assert_eq!(anna.after(minutes(1)).read(TeamsWords::Free), (Told::Nothing, Told::Forgotten));
    assert_eq!(anna.facts.preferred.pending, None);
}

#[test]
fn what_graph_has_not_confirmed_is_not_tried_again_once_its_cause_has_ended() {
    let mut anna = Story::new();
    anna.reachable = false;
    anna.xphone(UNDISTURBED);
    unanswered(&mut anna);
    assert_eq!(anna.after(SECOND * 5).xphone(FREE), (Told::Nothing, Told::Forgotten));
    assert_eq!(anna.last.preferred.reason, Reason::AwaitingRead);
    assert_eq!(anna.last.revisit_at, Some(anna.facts.now + SECOND * 10));
    // It had arrived after all.
    assert_eq!(anna.after(SECOND * 10).read(TeamsWords::DoNotDisturb), (Told::Nothing, Told::Cleared));
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
fn what_is_read_of_the_new_one_does_not_spare_the_old_one() {
    let other = TeamsUserId(Uuid::from_u128(0xb));
    let mut anna = Story::new();
    anna.xphone(UNDISTURBED);
    anna.after(minutes(1)).read(TeamsWords::DoNotDisturb);
    anna.reachable = false;
    anna.facts.teams_user = Some(other);
    assert_eq!(anna.decide(), (Told::Nothing, Told::Cleared));
    assert_eq!(anna.after(SECOND).read(TeamsWords::Free), NOTHING);
    assert_eq!(anna.last.preferred.reason, Reason::StillClearing);
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
