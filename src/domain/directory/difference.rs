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
    /// They sat at a location, and now sit at none: no policy holds for them any more.
    pub unseated: bool,
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

impl Altered {
    /// Was matched and no longer is, without anybody having said so.
    fn is_lost(&self) -> bool {
        matches!(self.rematch, Rematch::Lost(_))
    }
}

impl Difference {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.gone.is_empty() && self.inserted.is_empty() && self.altered.is_empty()
    }

    /// Whoever is gone, or was matched and no longer is without anybody having said so, or no longer sits anywhere.
    #[must_use]
    pub fn dropped(&self) -> Vec<UserGuid> {
        let is_dropped = |altered: &&Altered| altered.is_lost() || altered.unseated;
        let dropped = self.altered.iter().filter(is_dropped).map(|altered| altered.person.xphone.guid);
        self.gone.iter().copied().chain(dropped).collect()
    }

    /// Whoever was matched and no longer is, without anybody having said so.
    #[must_use]
    pub fn lost(&self) -> Vec<UserGuid> {
        let lost = self.altered.iter().filter(|altered| altered.is_lost());
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
    let unseated = before.xphone.seat.location.is_some() && person.xphone.seat.location.is_none();
    let profiles = before.xphone.profiles != person.xphone.profiles;
    Altered { person, moved, unseated, rematch, profiles }
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

/// What may be written while nobody may be dropped: everybody who would be stays who they are and where they sit, and nobody else takes
/// their account.
#[must_use]
pub fn without_drops(before: &[Person], difference: &Difference) -> Difference {
    let known: HashMap<UserGuid, &Person> = before.iter().map(|person| (person.xphone.guid, person)).collect();
    let account_of = |user: &UserGuid| known.get(user).and_then(|person| person.matched.teams_user());
    let mut held: HashSet<TeamsUserId> = difference.gone.iter().chain(&difference.lost()).filter_map(account_of).collect();
    let takes =
        |person: &Person, held: &HashSet<TeamsUserId>| person.matched.teams_user().is_some_and(|account| held.contains(&account));
    let seated = difference.altered.iter().filter_map(|altered| keeping_seat(altered, known.get(&altered.person.xphone.guid)?));
    let (lost, mut altered): (Vec<Altered>, Vec<Altered>) = seated.partition(Altered::is_lost);
    let mut inserted = difference.inserted.clone();
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
    altered.extend(lost.iter().filter_map(|lost| keeping_match(lost, known.get(&lost.person.xphone.guid)?)));
    altered.sort_unstable_by_key(|altered| altered.person.xphone.guid);
    Difference { gone: Vec::new(), inserted, altered }
}

/// Somebody where they sat, if they would sit nowhere, with everything else that is new about them; `None`: nothing is.
fn keeping_seat(altered: &Altered, before: &Person) -> Option<Altered> {
    let mut kept = altered.clone();
    if kept.unseated {
        kept.person.xphone.seat = before.xphone.seat;
        (kept.moved, kept.unseated) = (false, false);
    }
    (kept.person != *before).then_some(kept)
}

/// Somebody who would lose their match, with everything else that is new about them; `None`: nothing is.
fn keeping_match(lost: &Altered, before: &Person) -> Option<Altered> {
    let person = Person { matched: before.matched, ..lost.person.clone() };
    (person != *before).then_some(Altered { person, rematch: Rematch::Same, ..*lost })
}

fn is_too_many(dropped: usize, of: usize) -> bool {
    dropped > DROPPED_ALWAYS && dropped.saturating_mul(DROPPED_SHARE) > of
}

#[cfg(test)]
mod tests;
