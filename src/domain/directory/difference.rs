//! What changed between two readings of everybody, and whether it may be believed.

use std::collections::{HashMap, HashSet};

use super::{Match, Person};
use crate::domain::ids::{TeamsUserId, UserGuid};

/// Whoever is dropped alone is never too many, however few people there are.
const DROPPED_ALWAYS: usize = 1;
/// One in so many may be dropped at once.
const DROPPED_SHARE: usize = 10;

/// What must be written for the stored people to be the ones that were read. Everything is in the order of the guids.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// No longer in XPhone.
    pub gone: Vec<UserGuid>,
    /// New in XPhone.
    pub inserted: Vec<Person>,
    /// Known, and not as they were.
    pub altered: Vec<Altered>,
}

/// A person as they are now, and what about them is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Altered {
    /// As they are now.
    pub person: Person,
    /// They sit elsewhere in the tree.
    pub moved: bool,
    /// Who they are in Teams.
    pub rematch: Rematch,
    /// Their profiles are others, or otherwise set.
    pub profiles: bool,
}

/// How a person's match changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rematch {
    /// Not at all.
    Same,
    /// From nobody in Teams to somebody.
    Found,
    /// From this one to somebody else.
    Other(TeamsUserId),
    /// From this one to nobody.
    Lost(TeamsUserId),
    /// From this one to nobody, as somebody wanted who linked the account to another, or took this person's link away.
    LetGo(TeamsUserId),
    /// Nobody as before, for another reason.
    Reason,
}

impl Rematch {
    /// Who in Teams is no longer this person.
    #[must_use]
    pub fn released(self) -> Option<TeamsUserId> {
        match self {
            Self::Other(released) | Self::Lost(released) | Self::LetGo(released) => Some(released),
            Self::Same | Self::Found | Self::Reason => None,
        }
    }
}

impl Difference {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.inserted.is_empty() && self.altered.is_empty()
    }

    /// Whoever is gone, or was matched and no longer is, without anybody having said so.
    #[must_use]
    pub fn dropped(&self) -> Vec<UserGuid> {
        self.gone.iter().copied().chain(self.lost()).collect()
    }

    /// Whoever was matched and no longer is, without anybody having said so.
    #[must_use]
    pub fn lost(&self) -> Vec<UserGuid> {
        let lost = self.altered.iter().filter(|altered| matches!(altered.rematch, Rematch::Lost(_)));
        lost.map(|altered| altered.person.xphone.guid).collect()
    }
}

/// Somebody who was dropped lately without an operator's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Departure {
    /// Who.
    pub user: UserGuid,
    /// Whether they were somebody in Teams.
    pub was_matched: bool,
}

/// Those who departed lately: how many there would be had they stayed, and how many are still away.
#[derive(Debug, Default)]
struct Away {
    /// Are not among the stored people.
    gone: usize,
    /// Are not matched among the stored people.
    unmatched: usize,
    /// Are still away, one way or the other, those who are dropped now left out.
    people: usize,
    /// Are still not matched again.
    matched: usize,
}

impl Away {
    fn of(recent: &[Departure], before: &[Person], difference: &Difference, dropped: &HashSet<UserGuid>) -> Self {
        let is_matched = |person: &Person| (person.xphone.guid, person.matched.teams_user().is_some());
        let known: HashMap<UserGuid, bool> = before.iter().map(is_matched).collect();
        // Whoever comes back just now is back.
        let changed = difference.altered.iter().map(|altered| &altered.person).chain(&difference.inserted);
        let mut now = known.clone();
        now.extend(changed.map(is_matched));
        let mut away = Self::default();
        for Departure { user, was_matched } in recent {
            let was_lost = *was_matched && known.get(user) != Some(&true);
            let is_back = now.get(user).is_some_and(|is_matched| *is_matched || !was_matched);
            away.gone += usize::from(!known.contains_key(user));
            away.unmatched += usize::from(was_lost);
            away.people += usize::from(!is_back && !dropped.contains(user));
            away.matched += usize::from(!is_back && was_lost);
        }
        away
    }
}

/// Compares the stored people with those that were read; some of them were unlinked by hand.
#[must_use]
pub fn difference(before: &[Person], after: Vec<Person>, unlinked: &[UserGuid]) -> Difference {
    let holders: HashSet<TeamsUserId> = after.iter().filter_map(|person| person.matched.teams_user()).collect();
    let known: HashMap<UserGuid, &Person> = before.iter().map(|person| (person.xphone.guid, person)).collect();
    let staying: HashSet<UserGuid> = after.iter().map(|person| person.xphone.guid).collect();
    let mut found = Difference::default();
    found.gone.extend(before.iter().map(|person| person.xphone.guid).filter(|guid| !staying.contains(guid)));
    for person in after {
        match known.get(&person.xphone.guid) {
            None => found.inserted.push(person),
            Some(before) if **before == person => {}
            Some(before) => {
                let is_unlinked = unlinked.contains(&person.xphone.guid);
                found.altered.push(altered(before, person, is_unlinked, &holders));
            }
        }
    }
    found.gone.sort_unstable();
    found.inserted.sort_unstable_by_key(|person| person.xphone.guid);
    found.altered.sort_unstable_by_key(|altered| altered.person.xphone.guid);
    found
}

fn altered(before: &Person, person: Person, is_unlinked: bool, holders: &HashSet<TeamsUserId>) -> Altered {
    let is_anothers = |account| person.matched == Match::LinkedToAnother && holders.contains(&account);
    let rematch = match (before.matched.teams_user(), person.matched.teams_user()) {
        _ if before.matched == person.matched => Rematch::Same,
        (None, Some(_)) => Rematch::Found,
        (Some(released), Some(_)) => Rematch::Other(released),
        (Some(released), None) if is_unlinked || is_anothers(released) => Rematch::LetGo(released),
        (Some(released), None) => Rematch::Lost(released),
        (None, None) => Rematch::Reason,
    };
    let moved = before.xphone.seat != person.xphone.seat;
    let profiles = before.xphone.profiles != person.xphone.profiles;
    Altered { person, moved, rematch, profiles }
}

/// Whether so many are dropped that an operator must agree first: more than a tenth of all people, more than a tenth of those who
/// are matched, or anybody where one side has nobody at all. Whom the operator has agreed to drop no longer counts; whoever was
/// dropped lately and is not back counts as well, or a leak that is slow enough would empty everything.
#[must_use]
pub fn needs_word(
    before: &[Person],
    difference: &Difference,
    a_side_is_empty: bool,
    accepted: &[UserGuid],
    recent: &[Departure],
) -> bool {
    let accepted: HashSet<&UserGuid> = accepted.iter().collect();
    let dropped: HashSet<UserGuid> = difference.dropped().into_iter().filter(|user| !accepted.contains(user)).collect();
    if dropped.is_empty() {
        return false;
    }
    let away = Away::of(recent, before, difference, &dropped);
    let matched = || before.iter().filter(|person| person.matched.teams_user().is_some());
    let matched_dropped = matched().filter(|person| dropped.contains(&person.xphone.guid)).count();
    a_side_is_empty
        || is_too_many(dropped.len() + away.people, before.len() + away.gone)
        || is_too_many(matched_dropped + away.matched, matched().count() + away.unmatched)
}

/// What may be written while nobody may be dropped: everybody who would be stays who they are, and nobody else takes their account.
#[must_use]
pub fn without_drops(before: &[Person], difference: &Difference) -> Difference {
    let known: HashMap<UserGuid, &Person> = before.iter().map(|person| (person.xphone.guid, person)).collect();
    let account_of = |user: &UserGuid| known.get(user).and_then(|person| person.matched.teams_user());
    let mut held: HashSet<TeamsUserId> = difference.dropped().iter().filter_map(account_of).collect();
    let takes =
        |person: &Person, held: &HashSet<TeamsUserId>| person.matched.teams_user().is_some_and(|account| held.contains(&account));
    let (mut inserted, mut altered) = (difference.inserted.clone(), difference.altered.clone());
    altered.retain(|altered| !matches!(altered.rematch, Rematch::Lost(_)));
    loop {
        let waiting: HashSet<TeamsUserId> = altered
            .iter()
            .filter(|altered| altered.rematch != Rematch::Same && takes(&altered.person, &held))
            .filter_map(|altered| altered.rematch.released())
            .collect();
        inserted.retain(|person| !takes(person, &held));
        altered.retain(|altered| altered.rematch == Rematch::Same || !takes(&altered.person, &held));
        // Whoever waits for somebody else's account keeps the own one, so that others may have to wait as well.
        if waiting.is_subset(&held) {
            break;
        }
        held.extend(waiting);
    }
    altered.extend(difference.altered.iter().filter_map(|lost| keeping_match(lost, known.get(&lost.person.xphone.guid)?)));
    altered.sort_unstable_by_key(|altered| altered.person.xphone.guid);
    Difference { gone: Vec::new(), inserted, altered }
}

/// Somebody who would be dropped, with everything else that is new about them; `None`: nothing is.
fn keeping_match(lost: &Altered, before: &Person) -> Option<Altered> {
    let Rematch::Lost(_) = lost.rematch else { return None };
    let person = Person { matched: before.matched, ..lost.person.clone() };
    (person != *before).then_some(Altered { person, rematch: Rematch::Same, ..*lost })
}

fn is_too_many(dropped: usize, of: usize) -> bool {
    dropped > DROPPED_ALWAYS && dropped.saturating_mul(DROPPED_SHARE) > of
}

#[cfg(test)]
mod tests {
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
            let expected = vec![Altered { person: after.clone(), moved, rematch, profiles }];
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
        let check =
            |people: &[u128], unmatched: &[u128], lost: &[u128], recent: &[Departure], accepted: &[u128], expected: bool| {
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
        let before: Vec<Person> =
            twenty.iter().map(|n| person(*n, if *n < 2 { Match::NotInTeams } else { matched(*n) })).collect();
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
}
