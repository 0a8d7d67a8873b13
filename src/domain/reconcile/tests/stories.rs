//! Stories of one user: facts come in, time passes, and what was decided is what the next decision finds recorded.

use super::*;
use TeamsNative::{Call, DoNotDisturb, Free, Presenting};

const HOUR: i64 = 60;
const DAY: i64 = 24 * HOUR;

/// One user's row, in memory.
struct Story {
    facts: Snapshot,
    revisit_at: Option<Timestamp>,
}

/// What a decision tells a side to do, briefly.
#[derive(Debug, PartialEq, Eq)]
enum Told {
    Nothing,
    Phone,
    Quiet,
    Clear,
}

fn told(push: Option<&Push>) -> Told {
    match push {
        None => Told::Nothing,
        Some(Push::Clear) => Told::Clear,
        Some(Push::Show { appointment, .. }) if *appointment == on_the_phone() => Told::Phone,
        Some(Push::Show { appointment, .. }) if *appointment == do_not_disturb() => Told::Quiet,
        Some(other) => panic!("{other:?} is none of what these stories show"),
    }
}

impl Story {
    fn new() -> Self {
        Self { facts: quiet(), revisit_at: None }
    }

    fn decide(&mut self) -> Decision {
        let decision = decide(&self.facts);
        self.facts.remembered = decision.remembered;
        self.facts.appointment = decision.appointment.slot.clone();
        self.facts.microphone_held = decision.microphone_held;
        self.revisit_at = decision.revisit_at;
        // XPhone is seen to show what we set, until the story says otherwise.
        if let Some(entry) = &mut self.facts.xphone {
            entry.ours = matches!(self.facts.appointment, Slot::Shown(_));
        }
        decision
    }

    /// A change of the facts, and what comes of it.
    fn then(&mut self, change: impl FnOnce(&mut Snapshot)) -> (Told, Reason) {
        change(&mut self.facts);
        let decision = self.decide();
        (told(decision.appointment.push.as_ref()), decision.appointment.reason)
    }

    fn teams(&mut self, native: TeamsNative) -> (Told, Reason) {
        self.then(|facts| facts.teams = Some(read(Some(native), facts.now)))
    }

    fn xphone(&mut self, entry: XphoneEntry) -> (Told, Reason) {
        self.then(|facts| facts.xphone = Some(entry))
    }

    fn seen(&mut self, sighting: Sighting) -> (Told, Reason) {
        self.then(|facts| {
            let Slot::Shown(shown) = &mut facts.appointment else { panic!("nothing is shown that could be missed") };
            shown.sighting = sighting;
        })
    }

    /// Time passes; whenever the last decision asked to be looked at again, it is.
    fn wait(&mut self, passed: i64) -> Vec<(i64, Told)> {
        self.wait_with(passed, |_| {})
    }

    /// As [`wait`](Self::wait), with a read that confirms Teams just before every look.
    fn wait_confirmed(&mut self, passed: i64) -> Vec<(i64, Told)> {
        self.wait_with(passed, |facts| {
            facts.teams = facts.teams.map(|teams| TeamsObservation { observed_at: facts.now, ..teams });
        })
    }

    fn wait_with(&mut self, passed: i64, before: impl Fn(&mut Snapshot)) -> Vec<(i64, Told)> {
        let (began, end) = (self.facts.now, self.facts.now + minutes(passed));
        let mut pushes = Vec::new();
        while let Some(at) = self.revisit_at.filter(|at| *at <= end) {
            assert!(at > self.facts.now, "looked at again without a pause");
            self.facts.now = at;
            before(&mut self.facts);
            let decision = self.decide();
            let told = told(decision.appointment.push.as_ref());
            if told != Told::Nothing {
                pushes.push((at.duration_since(began).as_mins(), told));
            }
            assert!(self.ends_in().is_none_or(|left| left <= 12 * HOUR), "ends too far ahead");
        }
        self.facts.now = end;
        pushes
    }

    /// Minutes that what is shown has left.
    fn ends_in(&self) -> Option<i64> {
        let Slot::Shown(shown) = &self.facts.appointment else { return None };
        Some(shown.until.duration_since(self.facts.now).as_mins())
    }

    fn suppressed(&self) -> Option<Suppression> {
        if let Slot::Suppressed { why, .. } = self.facts.appointment { Some(why) } else { None }
    }
}

const SHOWN_CALL: Reason = Reason::Shown(Cause::Call);
const SHOWN_QUIET: Reason = Reason::Shown(Cause::DoNotDisturb);

#[test]
fn a_call_then_a_shared_screen_then_nothing() {
    let mut anna = Story::new();
    assert_eq!(anna.teams(Call), (Told::Phone, SHOWN_CALL));
    let began = anna.facts.now;
    anna.wait(10);
    // The same appointment is replaced, and keeps its beginning: it is the same call.
    anna.facts.teams = Some(read(Some(Presenting), anna.facts.now));
    let Some(Push::Show { appointment, start, .. }) = anna.decide().appointment.push else { panic!("it is replaced") };
    assert_eq!((appointment, start), (do_not_disturb(), began));
    assert_eq!(anna.teams(Call), (Told::Phone, SHOWN_CALL));
    assert_eq!(anna.teams(Free), (Told::Clear, Reason::NothingToShow));
    assert_eq!(anna.facts.appointment, Slot::Empty);
}

#[test]
fn on_the_phone_in_xphone_and_do_not_disturb_in_teams() {
    let mut anna = Story::new();
    anna.xphone(CALLING);
    assert_eq!(anna.teams(DoNotDisturb), (Told::Quiet, SHOWN_QUIET));
    assert_eq!(anna.teams(Call), (Told::Clear, Reason::OwnIsStronger));
    assert_eq!(anna.xphone(FREE), (Told::Phone, SHOWN_CALL), "the call behind ours shows as soon as ours ends");
}

#[test]
fn the_appointment_itself_is_no_presence_of_xphone() {
    let mut anna = Story::new();
    anna.teams(DoNotDisturb);
    assert_eq!(anna.xphone(XphoneEntry { ours: true, ..FREE }), (Told::Nothing, SHOWN_QUIET));
    assert_eq!(anna.xphone(FREE), (Told::Nothing, SHOWN_QUIET));
}

#[test]
fn an_appointment_that_covers_a_stronger_status_goes_and_does_not_come_back_when_it_is_seen() {
    let mut anna = Story::new();
    assert_eq!(anna.teams(Call), (Told::Phone, SHOWN_CALL));
    // Picked while the appointment was on its way, which then came on top.
    assert_eq!(anna.xphone(UNDISTURBED), (Told::Clear, Reason::OwnIsStronger));
    assert_eq!(anna.xphone(XphoneEntry { ours: true, ..UNDISTURBED }), (Told::Nothing, Reason::OwnIsStronger));
    assert_eq!(anna.xphone(UNDISTURBED), (Told::Nothing, Reason::OwnIsStronger));
}

#[test]
fn a_status_picked_by_hand_is_not_fought_and_what_it_hides_goes_with_its_cause() {
    for picked in [StatusKind::BeRightBack, StatusKind::Available, StatusKind::Busy] {
        let mut anna = Story::new();
        anna.teams(Call);
        assert_eq!(anna.xphone(XphoneEntry { own_status: Some(picked), ..FREE }), (Told::Nothing, SHOWN_CALL));
        assert_eq!(anna.teams(Free), (Told::Clear, Reason::NothingToShow));
    }
}

#[test]
fn removed_by_hand_it_is_not_set_again_until_the_call_ends() {
    let mut anna = Story::new();
    anna.teams(Call);
    assert_eq!(anna.seen(Sighting::Removed).1, Reason::Overridden);
    assert_eq!(anna.suppressed(), Some(Suppression::Overridden));
    assert_eq!(anna.teams(Call), (Told::Nothing, Reason::Overridden));
    assert_eq!(anna.teams(Presenting), (Told::Nothing, Reason::Overridden), "still the same call");
    assert_eq!(anna.then(|facts| facts.teams = Some(read(None, facts.now))), (Told::Nothing, Reason::Overridden));
    assert_eq!(anna.then(|facts| facts.policy.mode = Mode::None), (Told::Nothing, Reason::PolicyOff));
    assert_eq!(
        anna.then(|facts| facts.policy.mode = Mode::TelephonyAndPresence),
        (Told::Nothing, Reason::Overridden),
        "turning the policy off and on ends no call"
    );
    assert_eq!(anna.wait(3 * DAY), vec![]);
    assert_eq!(anna.teams(Free), (Told::Nothing, Reason::NothingToShow));
    assert_eq!(anna.teams(Call), (Told::Phone, SHOWN_CALL), "the next call shows again");
}

#[test]
fn removed_by_hand_only_the_cause_behind_it_is_overridden() {
    let mut anna = Story::new();
    anna.teams(Call);
    anna.seen(Sighting::Removed);
    assert_eq!(anna.teams(DoNotDisturb), (Told::Quiet, SHOWN_QUIET));
    // Removed in the very moment in which the cause changes: nobody has undone the new one.
    anna.facts.teams = Some(read(Some(Call), anna.facts.now));
    assert_eq!(anna.seen(Sighting::Removed), (Told::Phone, SHOWN_CALL));
}

#[test]
fn removed_after_the_call_has_ended_nothing_is_overridden() {
    let mut anna = Story::new();
    anna.teams(Call);
    anna.facts.teams = Some(read(Some(Free), anna.facts.now));
    assert_eq!(anna.seen(Sighting::Removed).1, Reason::NothingToShow);
    assert_eq!(anna.facts.appointment, Slot::Empty);
}

#[test]
fn lost_by_the_server_it_is_set_again() {
    let mut anna = Story::new();
    anna.teams(Call);
    anna.wait(10);
    assert_eq!(anna.seen(Sighting::Lost), (Told::Phone, SHOWN_CALL));
    assert_eq!(anna.decide().appointment.push, None);
    anna.facts.teams = Some(read(Some(Free), anna.facts.now));
    assert_eq!(anna.seen(Sighting::Lost), (Told::Clear, Reason::NothingToShow));
}

#[test]
fn what_nobody_confirms_lapses_after_twelve_hours_at_most() {
    for first in [Source::Notification, Source::Read] {
        let mut anna = Story::new();
        anna.then(|facts| {
            facts.teams = Some(TeamsObservation { words: Some(words(Call)), source: first, observed_at: facts.now });
        });
        let life = anna.ends_in().unwrap();
        assert!(life <= 12 * HOUR);
        assert_eq!(anna.wait(13 * HOUR), vec![(life, Told::Clear)]);
        assert_eq!(anna.suppressed(), Some(Suppression::Lapsed));
        assert_eq!(anna.teams(Call), (Told::Nothing, Reason::Lapsed), "the call lasts, but it ran out");
        anna.teams(Free);
        assert_eq!(anna.teams(Call), (Told::Phone, SHOWN_CALL));
    }
}

#[test]
fn notifications_confirm_nothing() {
    let mut anna = Story::new();
    anna.teams(Call);
    anna.facts.teams = anna.facts.teams.map(|teams| TeamsObservation { source: Source::Notification, ..teams });
    let pushes = anna.wait_confirmed(13 * HOUR);
    assert!(matches!(pushes[..], [(_, Told::Clear)]), "{pushes:?}");
}

#[test]
fn while_reads_confirm_it_the_end_is_moved_on_at_half_time() {
    let mut anna = Story::new();
    anna.teams(Call);
    let life = anna.ends_in().unwrap();
    let pushes = anna.wait_confirmed(32 * HOUR);
    let half = |halves: i64| life * halves / 2;
    let expected: Vec<_> = (1..=5).map(|halves| (half(halves), Told::Phone)).collect();
    assert_eq!(pushes, expected);
    assert_eq!(anna.teams(Free), (Told::Clear, Reason::NothingToShow));
}

#[test]
fn a_read_older_than_now_buys_only_what_is_left_of_it() {
    let mut anna = Story::new();
    anna.teams(Call);
    let life = anna.ends_in().unwrap();
    anna.wait_with(7 * HOUR, |facts| facts.teams = Some(read(Some(Call), morning() + minutes(100))));
    assert_eq!(anna.ends_in(), Some(life + 100 - 7 * HOUR));
}

#[test]
fn what_a_hand_picked_status_hides_is_not_brought_on_top_for_the_sake_of_its_end() {
    let mut anna = Story::new();
    assert_eq!(anna.teams(Call), (Told::Phone, SHOWN_CALL));
    let hidden = |facts: &mut Snapshot| {
        facts.teams = facts.teams.map(|teams| TeamsObservation { observed_at: facts.now, source: Source::Read, ..teams });
        facts.xphone = Some(FREE);
    };
    let told = anna.wait_with(DAY, hidden);
    assert_eq!(told.iter().map(|(_, told)| told).collect::<Vec<_>>(), [&Told::Clear], "it runs out where it lies");
    assert_eq!(anna.suppressed(), Some(Suppression::Lapsed));
}

#[test]
fn do_not_disturb_ends_a_day_after_it_was_first_seen() {
    let mut anna = Story::new();
    assert_eq!(anna.teams(DoNotDisturb), (Told::Quiet, SHOWN_QUIET));
    let pushes = anna.wait_confirmed(3 * DAY);
    assert_eq!(pushes.last(), Some(&(DAY, Told::Clear)), "{pushes:?}");
    assert_eq!(anna.suppressed(), Some(Suppression::Lapsed));
    assert_eq!(anna.teams(DoNotDisturb), (Told::Nothing, Reason::Lapsed));
    assert_eq!(anna.then(|facts| facts.teams = Some(read(None, facts.now))), (Told::Nothing, Reason::Lapsed));
    anna.teams(Free);
    assert_eq!(anna.teams(DoNotDisturb), (Told::Quiet, SHOWN_QUIET), "entered again, it shows again");
}

#[test]
fn what_nobody_has_seen_for_a_whole_life_is_not_shown_anew() {
    let mut anna = Story::new();
    anna.xphone(UNDISTURBED);
    assert_eq!(anna.teams(DoNotDisturb), (Told::Nothing, Reason::OwnIsStronger));
    anna.wait(13 * HOUR);
    assert_eq!(anna.xphone(FREE), (Told::Nothing, Reason::Lapsed), "the last read was 13 hours ago");
}

#[test]
fn the_day_counts_from_first_sight_even_where_it_could_not_be_shown_then() {
    let mut anna = Story::new();
    anna.xphone(UNDISTURBED);
    assert_eq!(anna.teams(DoNotDisturb), (Told::Nothing, Reason::OwnIsStronger));
    anna.wait(20 * HOUR);
    anna.then(|facts| facts.teams = Some(read(Some(DoNotDisturb), facts.now)));
    assert_eq!(anna.xphone(FREE), (Told::Quiet, SHOWN_QUIET));
    assert_eq!(anna.ends_in(), Some(4 * HOUR));
    assert_eq!(anna.seen(Sighting::Lost), (Told::Quiet, SHOWN_QUIET));
    assert_eq!(anna.wait_confirmed(DAY), vec![(4 * HOUR, Told::Clear)]);

    // An appointment found there that would last longer is cut back to what is left of the day.
    let mut cleo = with_found(do_not_disturb(), 10 * HOUR);
    cleo.facts.remembered = Some(Remembered { native: DoNotDisturb, since: morning() - minutes(20 * HOUR) });
    assert_eq!(cleo.teams(DoNotDisturb), (Told::Quiet, SHOWN_QUIET));
    assert_eq!(cleo.ends_in(), Some(4 * HOUR));
    assert_eq!(cleo.wait_confirmed(DAY), vec![(4 * HOUR, Told::Clear)]);

    let mut ben = Story::new();
    ben.then(|facts| facts.policy.mode = Mode::Telephony);
    assert_eq!(ben.teams(DoNotDisturb), (Told::Nothing, Reason::PolicyTelephonyOnly));
    ben.wait(25 * HOUR);
    assert_eq!(ben.then(|facts| facts.policy.mode = Mode::TelephonyAndPresence), (Told::Nothing, Reason::Lapsed));
}

#[test]
fn the_words_not_known_keep_what_was_known() {
    let mut anna = Story::new();
    anna.teams(Call);
    assert_eq!(anna.then(|facts| facts.teams = None), (Told::Nothing, SHOWN_CALL));
    assert_eq!(anna.then(|facts| facts.teams = Some(read(None, facts.now))), (Told::Nothing, SHOWN_CALL));
    let pushes = anna.wait_confirmed(13 * HOUR);
    assert!(matches!(pushes[..], [(_, Told::Clear)]), "unknown confirms nothing: {pushes:?}");
}

/// An appointment of an earlier run, found with this much left.
fn with_found(appointment: Appointment, left: i64) -> Story {
    let mut story = Story::new();
    story.facts.appointment = Slot::Shown(shown(appointment, None, left));
    story
}

#[test]
fn a_found_appointment_is_kept_while_it_has_a_cause() {
    let mut anna = with_found(on_the_phone(), 5 * HOUR);
    anna.facts.teams = None;
    assert_eq!(anna.then(|_| {}), (Told::Nothing, Reason::TeamsUnread));
    let found = morning() - minutes(60);
    anna.facts.teams = Some(read(Some(Call), anna.facts.now));
    let decision = anna.decide();
    let Slot::Shown(kept) = &decision.appointment.slot else { panic!("it is kept") };
    assert_eq!((kept.cause, kept.since), (Some(Cause::Call), found));
    assert_eq!(decision.appointment.reason, SHOWN_CALL);
    // Past half time it is moved on, and keeps its beginning.
    let Some(Push::Show { start, .. }) = decision.appointment.push else { panic!("it is moved on") };
    assert_eq!(start, found);
    assert_eq!(with_found(on_the_phone(), 10 * HOUR).teams(Call), (Told::Nothing, SHOWN_CALL));
    assert_eq!(with_found(on_the_phone(), 10 * HOUR).teams(Presenting), (Told::Quiet, SHOWN_CALL), "it looked otherwise");
}

#[test]
fn a_found_appointment_goes_where_it_has_no_cause() {
    assert_eq!(with_found(on_the_phone(), 300).teams(Free), (Told::Clear, Reason::NothingToShow));
    assert_eq!(with_found(do_not_disturb(), 300).then(|facts| facts.policy.shadow = true), (Told::Clear, Reason::NothingToShow));
    let mut anna = with_found(on_the_phone(), 300);
    assert_eq!(anna.then(|facts| facts.policy.mode = Mode::None), (Told::Clear, Reason::PolicyOff));
    let mut ben = with_found(on_the_phone(), 0);
    assert_eq!(ben.teams(Call), (Told::Clear, Reason::Lapsed), "it ran out while we were away");
    let mut cleo = with_found(on_the_phone(), 300);
    cleo.facts.teams = Some(read(Some(Call), cleo.facts.now));
    assert_eq!(cleo.seen(Sighting::Removed).1, Reason::Overridden);
}

#[test]
fn no_end_is_further_ahead_than_twelve_hours_whoever_set_it() {
    let mut anna = with_found(on_the_phone(), 13 * HOUR);
    assert_eq!(anna.teams(Call), (Told::Phone, SHOWN_CALL));
    assert!(anna.ends_in().unwrap() <= 12 * HOUR);
    // Another replica's clock is ahead of ours.
    let mut ben = Story::new();
    ben.teams(Call);
    ben.wait_with(7 * HOUR, |facts| facts.teams = Some(read(Some(Call), facts.now + minutes(30))));
    assert!(ben.ends_in().unwrap() <= 12 * HOUR);
}

#[test]
fn a_changed_profile_replaces_the_appointment_and_an_unrelated_one_does_not() {
    let mut anna = Story::new();
    anna.teams(Call);
    assert_eq!(anna.then(|facts| facts.profiles[0].active = false), (Told::Nothing, SHOWN_CALL));
    anna.facts.profiles[1].active = false;
    let Some(Push::Show { appointment, .. }) = anna.decide().appointment.push else { panic!("it is replaced") };
    assert_eq!(appointment.look, Look::Status(BUSY));
}
