//! Do not disturb in Teams, one place for what we put there and for what people pick.

use super::*;

/// The letter was sent, and no answer came.
fn unanswered(anna: &mut Story) {
    for slot in [&mut anna.facts.session, &mut anna.facts.preferred] {
        if slot.pending.is_some() {
            slot.live = slot.live.or(Some(Live { from: anna.facts.now, until: None }));
        }
    }
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
fn what_graph_never_confirmed_nobody_has_switched_off() {
    let mut anna = Story::new();
    anna.reachable = false;
    anna.xphone(UNDISTURBED);
    unanswered(&mut anna);
    assert_eq!(anna.after(SECOND * 5).read(TeamsWords::Presenting), (Told::Nothing, Told::Forgotten), "hers is stronger");
    assert_eq!(anna.after(SECOND * 30).read(TeamsWords::Free), (Told::Nothing, Told::Set), "it had not arrived");
    assert_eq!(anna.last.preferred.reason, Reason::Shown(Cause::DoNotDisturb));
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
