//! Who must be written together, so that nobody who changes places with somebody else is nobody for a moment.

use std::collections::HashMap;

use super::{Difference, Person};
use crate::domain::ids::{TeamsUserId, UserGuid};

/// Changed people in an order that can be written: each parcel at once, those who give way first before everything else.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parcels<'a> {
    /// Must give up their Teams users first: they and those who are to have them are too many for one parcel.
    pub giving_way: Vec<UserGuid>,
    /// All changed people.
    pub parcels: Vec<Parcel<'a>>,
}

/// People to be written at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Parcel<'a> {
    /// As they are now.
    pub people: Vec<&'a Person>,
    /// Who of them gives up a Teams user.
    pub released: Vec<UserGuid>,
}

/// A changed person, and who in Teams they no longer are.
#[derive(Clone, Copy)]
struct Change<'a> {
    person: &'a Person,
    released: Option<TeamsUserId>,
}

impl Difference {
    /// Packs all changed people into parcels of so many at most.
    #[must_use]
    pub fn parcels(&self, people_max: usize) -> Parcels<'_> {
        let altered = self.altered.iter().map(|altered| Change { person: &altered.person, released: altered.rematch.released() });
        let inserted = self.inserted.iter().map(|person| Change { person, released: None });
        let changes: Vec<Change> = altered.chain(inserted).collect();
        let mut packed = Parcels::default();
        for chain in chains(&changes) {
            packed.pack(&chain, people_max.max(1));
        }
        packed
    }
}

impl<'a> Parcels<'a> {
    fn pack(&mut self, chain: &[Change<'a>], people_max: usize) {
        let fits = self.parcels.last().is_some_and(|parcel| parcel.people.len() + chain.len() <= people_max);
        if !fits {
            self.parcels.push(Parcel::default());
        }
        let is_too_long = chain.len() > people_max;
        for change in chain {
            if self.parcels.last().is_none_or(|parcel| parcel.people.len() >= people_max) {
                self.parcels.push(Parcel::default());
            }
            let guid = change.person.xphone.guid;
            if is_too_long && change.released.is_some() {
                self.giving_way.push(guid);
            }
            let Some(parcel) = self.parcels.last_mut() else { continue };
            parcel.people.push(change.person);
            if !is_too_long && change.released.is_some() {
                parcel.released.push(guid);
            }
        }
    }
}

/// Whoever gives a Teams user up is followed by whoever is to have it. Nobody has two of them and nobody's is wanted twice, so that
/// everybody is in exactly one chain, which may end where it began.
fn chains<'a>(changes: &[Change<'a>]) -> Vec<Vec<Change<'a>>> {
    let wanted: HashMap<TeamsUserId, usize> =
        (0..).zip(changes).filter_map(|(n, change)| Some((change.person.matched.teams_user()?, n))).collect();
    let next: Vec<Option<usize>> =
        changes.iter().map(|change| change.released.and_then(|released| wanted.get(&released).copied())).collect();
    let mut begins = vec![true; changes.len()];
    for follower in next.iter().flatten() {
        begins[*follower] = false;
    }
    let mut is_taken = vec![false; changes.len()];
    let first = (0..changes.len()).filter(|n| begins[*n]);
    // What is left goes round.
    let mut chains = Vec::new();
    for start in first.chain(0..changes.len()) {
        let mut chain = Vec::new();
        let mut at = Some(start);
        while let Some(n) = at.filter(|n| !is_taken[*n]) {
            is_taken[n] = true;
            chain.push(changes[n]);
            at = next[n];
        }
        if !chain.is_empty() {
            chains.push(chain);
        }
    }
    chains
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::domain::directory::{Match, Seat, XphonePerson, difference};

    fn guid(number: u128) -> UserGuid {
        UserGuid(Uuid::from_u128(number))
    }

    fn person(number: u128, teams: Option<u128>) -> Person {
        let seat = Seat::default();
        let xphone = XphonePerson { guid: guid(number), name: String::new(), email: None, seat, profiles: Vec::new() };
        let matched = teams.map_or(Match::NotInTeams, |teams| Match::Matched(TeamsUserId(Uuid::from_u128(teams))));
        Person { xphone, matched }
    }

    fn people(teams: &[Option<u128>]) -> Vec<Person> {
        (0..).zip(teams).map(|(number, teams)| person(number, *teams)).collect()
    }

    /// Each parcel as the numbers of its people, those who give a Teams user up marked.
    fn told(packed: &Parcels<'_>) -> Vec<Vec<String>> {
        let of = |parcel: &Parcel<'_>| {
            let name = |person: &&Person| {
                let mark = if parcel.released.contains(&person.xphone.guid) { "*" } else { "" };
                format!("{}{mark}", person.xphone.guid.0.as_u128())
            };
            parcel.people.iter().map(name).collect()
        };
        packed.parcels.iter().map(of).collect()
    }

    #[test]
    fn whoever_changes_places_is_written_together() {
        let check = |before: &[Option<u128>], after: &[Option<u128>], max: usize, giving_way: &[u128], parcels: &[&[&str]]| {
            let found = difference(&people(before), people(after), &[]);
            let packed = found.parcels(max);
            let giving_way: Vec<UserGuid> = giving_way.iter().map(|number| guid(*number)).collect();
            assert_eq!(packed.giving_way, giving_way, "{before:?} {after:?}");
            assert_eq!(told(&packed), parcels, "{before:?} {after:?}");
        };
        let three = [Some(10), Some(11), Some(12)];
        check(&three, &three, 2, &[], &[]);
        check(&three, &[Some(11), Some(10), Some(12)], 2, &[], &[&["0*", "1*"]]);
        check(&three, &[Some(12), Some(10), Some(11)], 3, &[], &[&["0*", "1*", "2*"]]);
        check(&three, &[Some(12), Some(10), Some(11)], 2, &[0, 1, 2], &[&["0", "1"], &["2"]]);
        // Somebody gives way to somebody who does, and so on to somebody new.
        check(&three, &[None, Some(10), Some(11), Some(12)], 4, &[], &[&["0*", "1*", "2*", "3"]]);
        let four = [Some(10), Some(11), Some(12), Some(13)];
        let after = [None, Some(10), Some(11), Some(20), Some(12)];
        check(&four, &after, 9, &[], &[&["0*", "1*", "2*", "4", "3*"]]);
        check(&four, &after, 4, &[], &[&["0*", "1*", "2*", "4"], &["3*"]]);
        check(&four, &after, 3, &[0, 1, 2], &[&["0", "1", "2"], &["4", "3*"]]);
    }

    proptest! {
        #[test]
        fn nobody_is_nobody_in_between(before in teams_users(), after in teams_users(), max in 1..6usize) {
            let (before, after) = (people(&before), people(&after));
            let found = difference(&before, after.clone(), &[]);
            let packed = found.parcels(max);
            let mut stored: HashMap<UserGuid, Option<TeamsUserId>> =
                before.iter().map(|person| (person.xphone.guid, person.matched.teams_user())).collect();
            for gone in &found.gone {
                stored.remove(gone);
            }
            let first: HashSet<UserGuid> = packed.giving_way.iter().copied().collect();
            for user in &first {
                stored.insert(*user, None);
            }
            for parcel in &packed.parcels {
                prop_assert!(!parcel.people.is_empty() && parcel.people.len() <= max);
                for person in &parcel.people {
                    stored.insert(person.xphone.guid, person.matched.teams_user());
                }
                // After each parcel nobody in Teams is two people, and who stays somebody is somebody.
                let held: Vec<TeamsUserId> = stored.values().flatten().copied().collect();
                prop_assert_eq!(held.iter().collect::<HashSet<_>>().len(), held.len());
                for person in &after {
                    let was = before.iter().find(|was| was.xphone.guid == person.xphone.guid);
                    let stays = was.is_some_and(|was| was.matched.teams_user().is_some()) && person.matched.teams_user().is_some();
                    let is_somebody = stored.get(&person.xphone.guid).copied().flatten().is_some();
                    prop_assert!(!stays || is_somebody || first.contains(&person.xphone.guid));
                }
            }
            let expected: HashMap<UserGuid, Option<TeamsUserId>> =
                after.iter().map(|person| (person.xphone.guid, person.matched.teams_user())).collect();
            prop_assert_eq!(stored, expected);
        }
    }

    /// Who of up to nine people is who in Teams; nobody in Teams is two of them.
    fn teams_users() -> impl Strategy<Value = Vec<Option<u128>>> {
        let some = prop::sample::subsequence((0..12u128).collect::<Vec<_>>(), 0..9).prop_shuffle();
        (some, prop::collection::vec(any::<bool>(), 0..9)).prop_map(|(users, is_matched)| {
            users.into_iter().zip(is_matched).map(|(user, is_matched)| is_matched.then_some(user)).collect()
        })
    }
}
