//! What changed between two readings of everybody, and whether it may be believed.

use std::collections::{HashMap, HashSet};

use super::Person;
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
    /// Nobody as before, for another reason.
    Reason,
}

impl Rematch {
    /// Who in Teams is no longer this person.
    #[must_use]
    pub fn released(self) -> Option<TeamsUserId> {
        match self {
            Self::Other(released) | Self::Lost(released) => Some(released),
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

    /// Whoever must give up a Teams user that somebody else is to have.
    #[must_use]
    pub fn giving_way(&self) -> Vec<UserGuid> {
        let after = self.inserted.iter().chain(self.altered.iter().map(|altered| &altered.person));
        let wanted: HashSet<TeamsUserId> = after.filter_map(|person| person.matched.teams_user()).collect();
        let gives_way = |altered: &&Altered| altered.rematch.released().is_some_and(|released| wanted.contains(&released));
        self.altered.iter().filter(gives_way).map(|altered| altered.person.xphone.guid).collect()
    }

    /// Whoever is gone, or was matched and no longer is.
    #[must_use]
    pub fn dropped(&self) -> Vec<UserGuid> {
        let lost = self.altered.iter().filter(|altered| matches!(altered.rematch, Rematch::Lost(_)));
        self.gone.iter().copied().chain(lost.map(|altered| altered.person.xphone.guid)).collect()
    }
}

/// Compares the stored people with those that were read.
#[must_use]
pub fn difference(before: &[Person], after: Vec<Person>) -> Difference {
    let known: HashMap<UserGuid, &Person> = before.iter().map(|person| (person.xphone.guid, person)).collect();
    let staying: HashSet<UserGuid> = after.iter().map(|person| person.xphone.guid).collect();
    let mut found = Difference::default();
    found.gone.extend(before.iter().map(|person| person.xphone.guid).filter(|guid| !staying.contains(guid)));
    for person in after {
        match known.get(&person.xphone.guid) {
            None => found.inserted.push(person),
            Some(before) if **before == person => {}
            Some(before) => found.altered.push(altered(before, person)),
        }
    }
    found.gone.sort_unstable();
    found.inserted.sort_unstable_by_key(|person| person.xphone.guid);
    found.altered.sort_unstable_by_key(|altered| altered.person.xphone.guid);
    found
}

fn altered(before: &Person, person: Person) -> Altered {
    let rematch = match (before.matched.teams_user(), person.matched.teams_user()) {
        _ if before.matched == person.matched => Rematch::Same,
        (None, Some(_)) => Rematch::Found,
        (Some(released), Some(_)) => Rematch::Other(released),
        (Some(released), None) => Rematch::Lost(released),
        (None, None) => Rematch::Reason,
    };
    let moved = before.xphone.seat != person.xphone.seat;
    let profiles = before.xphone.profiles != person.xphone.profiles;
    Altered { person, moved, rematch, profiles }
}

/// Whether so many are dropped that an operator must agree first: more than a tenth of all people, more than a tenth of those who
/// are matched, or anybody where one side has nobody at all. Whom the operator has agreed to drop no longer counts.
#[must_use]
pub fn needs_word(before: &[Person], difference: &Difference, a_side_is_empty: bool, accepted: &[UserGuid]) -> bool {
    let accepted: HashSet<&UserGuid> = accepted.iter().collect();
    let dropped: HashSet<UserGuid> = difference.dropped().into_iter().filter(|user| !accepted.contains(user)).collect();
    let matched = || before.iter().filter(|person| person.matched.teams_user().is_some());
    let matched_dropped = matched().filter(|person| dropped.contains(&person.xphone.guid)).count();
    let is_emptied = a_side_is_empty && !dropped.is_empty();
    is_emptied || is_too_many(dropped.len(), before.len()) || is_too_many(matched_dropped, matched().count())
}

fn is_too_many(dropped: usize, of: usize) -> bool {
    dropped > DROPPED_ALWAYS && dropped.saturating_mul(DROPPED_SHARE) > of
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::domain::directory::{Match, PersonProfile, Seat, XphonePerson};
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
            let found = difference(std::slice::from_ref(&anna), vec![after]);
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
        let rematch = |after: &Person| difference(std::slice::from_ref(&unmatched), vec![after.clone()]).altered[0].rematch;
        assert_eq!(rematch(&anna), Rematch::Found);
        assert_eq!(rematch(&person(1, Match::NotInTeams)), Rematch::Reason);
        assert!(difference(std::slice::from_ref(&anna), vec![anna.clone()]).is_empty());
    }

    #[test]
    fn who_comes_and_who_goes() {
        let before = [person(3, matched(103)), person(1, matched(101)), person(2, Match::NoEmail)];
        let found = difference(&before, vec![person(5, matched(105)), person(2, Match::NoEmail), person(4, matched(101))]);
        assert_eq!(found.gone, [guid(1), guid(3)]);
        assert_eq!(found.inserted, [person(4, matched(101)), person(5, matched(105))]);
        assert_eq!((found.altered.len(), found.dropped()), (0, vec![guid(1), guid(3)]));
    }

    #[test]
    fn whose_teams_user_somebody_else_is_to_have_gives_way_first() {
        let before = [person(1, matched(101)), person(2, matched(102)), person(3, matched(103)), person(4, matched(104))];
        let check = |after: [Match; 4], newcomer: Match, expected: &[u128]| {
            let mut after: Vec<Person> = (1..).zip(after).map(|(number, matched)| person(number, matched)).collect();
            after.push(person(5, newcomer));
            let expected: Vec<UserGuid> = expected.iter().copied().map(guid).collect();
            assert_eq!(difference(&before, after).giving_way(), expected);
        };
        let (none, stay) = (Match::NotInTeams, [matched(101), matched(102), matched(103), matched(104)]);
        check(stay, none, &[]);
        check([matched(102), matched(101), stay[2], none], none, &[1, 2]);
        check([matched(102), none, stay[2], none], matched(104), &[2, 4]);
        check([matched(105), none, stay[2], stay[3]], matched(106), &[]);
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
            let found = difference(&before, after);
            assert_eq!(found.dropped().len() as u128, lost);
            let says = needs_word(&before, &found, a_side_is_empty, &accepted);
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

    proptest! {
        #[test]
        fn the_difference_is_all_there_is_to_write_and_no_more(before in anybody(), after in anybody()) {
            let found = difference(&before, after.clone());
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
            prop_assert!(difference(&after, after.clone()).is_empty());
        }
    }
}
