//! What changed between two readings, told apart, and what needs an operator's word.

use proptest::prelude::*;
use uuid::Uuid;

use super::*;
use crate::domain::directory::{PersonProfile, Seat, XphonePerson};
use crate::domain::ids::{LocationGuid, PresenceStateGuid, ProfileGuid};

fn guid(number: u128) -> UserGuid {
    UserGuid(Uuid::from_u128(number))
}

fn matched(number: u128) -> Match {
    Match::Matched(TeamsUserId(Uuid::from_u128(number)))
}

fn person(number: u128, matched: Match) -> Person {
    let xphone =
        XphonePerson { guid: guid(number), name: String::new(), email: None, seat: Seat::default(), profiles: Vec::new() };
    Person { xphone, matched }
}

#[test]
fn what_changed_is_told_apart() {
    let anna = person(1, matched(101));
    let check = |change: fn(&mut Person), moved, rematch, profiles| {
        let mut after = anna.clone();
        change(&mut after);
        let expected = vec![Altered { person: after.clone(), moved, unseated: false, rematch, profiles }];
        let found = difference(std::slice::from_ref(&anna), vec![after], &[]);
        assert_eq!(found, Difference { altered: expected, ..Difference::default() });
    };
    check(|anna| anna.xphone.email = Some("a@x".to_owned()), false, Rematch::Same, false);
    check(|anna| anna.xphone.seat.location = Some(LocationGuid(Uuid::nil())), true, Rematch::Same, false);
    let was = TeamsUserId(Uuid::from_u128(101));
    check(|anna| anna.matched = matched(102), false, Rematch::Other(was), false);
    check(|anna| anna.matched = Match::NoEmail, false, Rematch::Lost(was), false);
    let profile = |anna: &mut Person| {
        let (guid, status) = (ProfileGuid(Uuid::nil()), PresenceStateGuid(Uuid::nil()));
        anna.xphone.profiles.push(PersonProfile { guid, name: String::new(), status, active: true });
    };
    check(profile, false, Rematch::Same, true);
    let unmatched = person(1, Match::NoEmail);
    let rematch = |after: &Person| difference(std::slice::from_ref(&unmatched), vec![after.clone()], &[]).altered[0].rematch;
    assert_eq!(rematch(&anna), Rematch::Found);
    assert_eq!(rematch(&person(1, Match::NotInTeams)), Rematch::Reason);
    assert!(difference(std::slice::from_ref(&anna), vec![anna.clone()], &[]).is_empty());
}

#[test]
fn who_comes_and_who_goes() {
    let before = [person(3, matched(103)), person(1, matched(101)), person(2, Match::NoEmail)];
    let found = difference(&before, vec![person(5, matched(105)), person(2, Match::NoEmail), person(4, matched(101))], &[]);
    assert_eq!(found.gone, [guid(1), guid(3)]);
    assert_eq!(found.inserted, [person(4, matched(101)), person(5, matched(105))]);
    assert_eq!((found.altered.len(), found.dropped()), (0, vec![guid(1), guid(3)]));
}

#[test]
fn more_than_a_tenth_at_once_needs_an_operators_word() {
    /// So many people and matched among them, from whom so many matched ones lose their match.
    fn check(all: u128, matched_ones: u128, lost: u128, a_side_is_empty: bool, accepted: u128, expected: bool) {
        let everybody = |lost: u128| -> Vec<Person> {
            let found = |n| if n < matched_ones && n >= lost { matched(n) } else { Match::NotInTeams };
            (0..all).map(|n| person(n, found(n))).collect()
        };
        let (before, after) = (everybody(0), everybody(lost));
        let accepted: Vec<UserGuid> = (0..accepted).map(guid).collect();
        let found = difference(&before, after, &[]);
        assert_eq!(found.dropped().len() as u128, lost);
        let says = needs_word(&before, &found, a_side_is_empty, &accepted, &[]);
        assert_eq!(says, expected, "{lost} of {matched_ones} of {all}");
    }
    check(20, 20, 0, false, 0, false);
    check(20, 20, 2, false, 0, false);
    check(20, 20, 3, false, 0, true);
    check(19, 19, 2, false, 0, true);
    // One may always go, unless one side has nobody at all.
    check(3, 3, 1, false, 0, false);
    check(1, 1, 1, false, 0, false);
    check(1, 1, 1, true, 0, true);
    check(20, 0, 0, true, 0, false);
    // Few of all, but most of those whom anything is shown for.
    check(1000, 10, 5, false, 0, true);
    check(1000, 10, 1, false, 0, false);
    // The word is about these people, and no others.
    check(20, 20, 20, true, 20, false);
    check(20, 20, 5, false, 4, false);
    check(20, 20, 5, false, 3, false);
    check(20, 20, 6, false, 3, true);
}

#[test]
fn whoever_was_dropped_lately_and_is_not_back_counts_as_well() {
    let departure = |number: u128, was_matched| Departure { user: guid(number), was_matched };
    // Twenty people, matched but for those of the last range, of whom some are dropped now.
    let check = |people: &[u128], unmatched: &[u128], lost: &[u128], recent: &[Departure], accepted: &[u128], expected: bool| {
        let of = |without: &[&[u128]]| -> Vec<Person> {
            let is_without = |n: &u128| without.iter().any(|these| these.contains(n));
            people.iter().map(|n| person(*n, if is_without(n) { Match::NotInTeams } else { matched(*n) })).collect()
        };
        let (before, after) = (of(&[unmatched]), of(&[unmatched, lost]));
        let accepted: Vec<UserGuid> = accepted.iter().copied().map(guid).collect();
        let says = needs_word(&before, &difference(&before, after, &[]), false, &accepted, recent);
        assert_eq!(says, expected, "{unmatched:?} {lost:?} {recent:?} {accepted:?}");
    };
    let twenty: Vec<u128> = (0..20).collect();
    let lost = |numbers: [u128; 2]| numbers.map(|number| departure(number, true));
    check(&twenty, &[], &[0, 1], &[], &[], false);
    check(&twenty, &[0, 1], &[2], &lost([0, 1]), &[], true);
    check(&twenty, &[0], &[2], &[departure(0, true)], &[], false);
    // They are back.
    check(&twenty, &[], &[2], &lost([0, 1]), &[], false);
    check(&twenty, &[], &[2, 3], &lost([0, 1]), &[], false);
    // Two are gone from XPhone altogether, of twenty that there were.
    check(&twenty[2..], &[], &[2], &lost([0, 1]), &[], true);
    check(&twenty[1..], &[], &[2], &[departure(0, true)], &[], false);
    check(&twenty[1..], &[], &[2, 3], &[departure(0, false)], &[], true);
    // Whoever was nobody in Teams and is here again is back; whoever was somebody is not.
    check(&twenty, &[0, 1], &[2, 3], &[departure(0, false), departure(1, false)], &[], true);
    check(&twenty, &[0, 1], &[2], &[departure(0, false), departure(1, false)], &[], false);
    // Nobody is dropped now, or an operator has agreed to it.
    check(&twenty, &[0, 1], &[], &lost([0, 1]), &[], false);
    check(&twenty, &[0, 1], &[2, 3], &lost([0, 1]), &[2, 3], false);
    check(&twenty, &[0, 1], &[2, 3], &lost([0, 1]), &[2], true);
    // They come back just now, while others are dropped: holding that back would keep them away.
    let of = |unmatched: [u128; 2]| -> Vec<Person> {
        twenty.iter().map(|n| person(*n, if unmatched.contains(n) { Match::NotInTeams } else { matched(*n) })).collect()
    };
    let (before, found) = (of([0, 1]), difference(&of([0, 1]), of([2, 3]), &[]));
    assert!(!needs_word(&before, &found, false, &[], &lost([0, 1])));
    // Gone now, after having lost their match: two people, not four.
    let before: Vec<Person> = twenty.iter().map(|n| person(*n, if *n < 2 { Match::NotInTeams } else { matched(*n) })).collect();
    let found = difference(&before, before[2..].to_vec(), &[]);
    assert!(!needs_word(&before, &found, false, &[], &lost([0, 1])));
}

#[test]
fn what_somebody_said_by_hand_is_no_drop() {
    let twenty: Vec<Person> = (0..20).map(|n| person(n, matched(n))).collect();
    // Five people's accounts are linked to new people, or five are unlinked.
    let check = |matched_to: Match, holders: &[u128], unlinked: &[u128], dropped: usize| {
        let mut after = twenty.clone();
        after[..5].iter_mut().for_each(|person| person.matched = matched_to);
        after.extend(holders.iter().map(|n| person(100 + n, matched(*n))));
        let unlinked: Vec<UserGuid> = unlinked.iter().copied().map(guid).collect();
        let found = difference(&twenty, after, &unlinked);
        assert_eq!(found.dropped().len(), dropped, "{matched_to:?} {holders:?} {unlinked:?}");
        assert_eq!(needs_word(&twenty, &found, false, &[], &[]), dropped > 2);
    };
    check(Match::LinkedToAnother, &[0, 1, 2, 3, 4], &[], 0);
    check(Match::LinkedToAnother, &[], &[], 5);
    check(Match::LinkedToAnother, &[0, 1], &[], 3);
    check(Match::NotInTeams, &[0, 1, 2, 3, 4], &[], 5);
    check(Match::NotInTeams, &[], &[0, 1, 2, 3, 4], 0);
    check(Match::NotInTeams, &[], &[0, 1, 2, 9], 2);
}

#[test]
fn while_nobody_may_be_dropped_everything_else_goes_on() {
    let before = [person(1, matched(101)), person(2, matched(102)), person(3, matched(103)), person(4, Match::NotInTeams)];
    let moved = |mut person: Person| {
        person.xphone.seat.location = Some(LocationGuid(Uuid::nil()));
        person
    };
    // One is gone, two lost; one moved with it. Their accounts are others' by now, one after the other.
    let after = vec![
        moved(person(2, Match::DisabledInTeams)),
        person(3, matched(101)),
        person(4, matched(104)),
        person(5, matched(103)),
        person(6, matched(106)),
        person(7, matched(102)),
    ];
    let found = without_drops(&before, &difference(&before, after, &[]));
    assert_eq!(found.gone, []);
    assert_eq!(found.inserted, [person(6, matched(106))], "the others wait for accounts that are not free");
    let altered: Vec<Person> = found.altered.iter().map(|altered| altered.person.clone()).collect();
    assert_eq!(altered, [moved(person(2, matched(102))), person(4, matched(104))]);
    assert_eq!((found.altered[0].rematch, found.altered[0].moved), (Rematch::Same, true));
}

#[test]
fn whoever_would_sit_nowhere_keeps_their_seat_until_an_operator_agrees() {
    let place = LocationGuid(Uuid::from_u128(7));
    let seated = |number: u128, matched| {
        let mut person = person(number, matched);
        person.xphone.seat.location = Some(place);
        person
    };
    let twenty: Vec<Person> = (0..20).map(|n| seated(n, matched(n))).collect();
    let without = |seats: usize| {
        let mut after = twenty.clone();
        after[..seats].iter_mut().for_each(|person| person.xphone.seat = Seat::default());
        after
    };
    let found = difference(&twenty, without(2), &[]);
    assert_eq!((found.dropped(), found.lost()), (vec![guid(0), guid(1)], Vec::new()));
    assert!(!needs_word(&twenty, &found, false, &[], &[]), "a tenth");
    let found = difference(&twenty, without(20), &[]);
    assert!(needs_word(&twenty, &found, false, &[], &[]));
    assert!(without_drops(&twenty, &found).is_empty());
    assert!(!needs_word(&twenty, &found, false, &found.dropped(), &[]), "an operator agreed");
    // To move is no drop, and nobody is counted twice.
    let elsewhere: Vec<Person> =
        twenty.iter().map(|person| self::person(person.xphone.guid.0.as_u128(), person.matched)).collect();
    assert_eq!(difference(&elsewhere, twenty.clone(), &[]).dropped(), []);
    let mut lost = without(3);
    lost[0].matched = Match::NotInTeams;
    lost[1].matched = matched(101);
    lost[2].xphone.email = Some("c@x".to_owned());
    let found = difference(&twenty, lost, &[]);
    assert_eq!(found.dropped(), [guid(0), guid(1), guid(2)]);
    let kept = without_drops(&twenty, &found);
    let mut third = seated(2, matched(2));
    third.xphone.email = Some("c@x".to_owned());
    assert_eq!(kept.altered.iter().map(|altered| &altered.person).collect::<Vec<_>>(), [&seated(1, matched(101)), &third]);
    assert!(kept.altered.iter().all(|altered| !altered.moved && !altered.unseated));
}

fn anybody() -> impl Strategy<Value = Vec<Person>> {
    let someone = (0..12u8, prop::option::of(0..4u8), prop::option::of(0..3u8));
    prop::collection::vec(someone, 0..12).prop_map(|people| {
        let mut people: Vec<Person> = people
            .into_iter()
            .map(|(number, teams, place)| {
                let mut person = person(number.into(), teams.map_or(Match::NoEmail, |teams| matched(teams.into())));
                person.xphone.seat.location = place.map(|place| LocationGuid(Uuid::from_u128(place.into())));
                person
            })
            .collect();
        people.sort_by_key(|person| person.xphone.guid);
        people.dedup_by_key(|person| person.xphone.guid);
        people
    })
}

fn each_account_once(mut people: Vec<Person>) -> Vec<Person> {
    let mut seen = HashSet::new();
    for person in &mut people {
        if person.matched.teams_user().is_some_and(|account| !seen.insert(account)) {
            person.matched = Match::NotInTeams;
        }
    }
    people
}

proptest! {
    #[test]
    fn the_difference_is_all_there_is_to_write_and_no_more(before in anybody(), after in anybody()) {
        let found = difference(&before, after.clone(), &[]);
        let mut written: HashMap<UserGuid, Person> = before.iter().map(|person| (person.xphone.guid, person.clone())).collect();
        for guid in &found.gone {
            prop_assert!(written.remove(guid).is_some());
        }
        for person in &found.inserted {
            prop_assert!(written.insert(person.xphone.guid, person.clone()).is_none());
        }
        for altered in &found.altered {
            let was = written.insert(altered.person.xphone.guid, altered.person.clone()).unwrap();
            prop_assert!(was != altered.person);
        }
        let expected: HashMap<UserGuid, Person> = after.iter().map(|person| (person.xphone.guid, person.clone())).collect();
        prop_assert_eq!(written, expected);
        prop_assert!(difference(&after, after.clone(), &[]).is_empty());
    }

    #[test]
    fn without_drops_nobody_loses_anything_and_no_account_is_two_peoples(before in anybody(), after in anybody()) {
        let is_sound = |people: &[Person]| {
            let mut seen = HashSet::new();
            people.iter().filter_map(|person| person.matched.teams_user()).all(|account| seen.insert(account))
        };
        let (before, after) = (each_account_once(before), each_account_once(after));
        let found = without_drops(&before, &difference(&before, after, &[]));
        prop_assert_eq!(found.dropped(), []);
        let mut written: HashMap<UserGuid, Person> = before.iter().map(|person| (person.xphone.guid, person.clone())).collect();
        written.extend(found.inserted.iter().map(|person| (person.xphone.guid, person.clone())));
        written.extend(found.altered.iter().map(|altered| (altered.person.xphone.guid, altered.person.clone())));
        prop_assert!(before.iter().all(|person| written.contains_key(&person.xphone.guid)));
        prop_assert!(is_sound(&written.into_values().collect::<Vec<_>>()));
    }
}
