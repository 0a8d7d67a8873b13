//! Who is who: a link made by hand, else the e-mail address, never a guess.

use std::collections::HashMap;

use super::{Match, TeamsPerson, XphonePerson};
use crate::domain::ids::{TeamsUserId, UserGuid};

/// Somebody said by hand who a person is in Teams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The person of XPhone.
    pub user: UserGuid,
    /// Who that is in Teams.
    pub teams_user: TeamsUserId,
}

/// Matches everybody of XPhone, in the order given.
///
/// A link beats the address, and takes both of its ends out of the matching by address. Teams' address is the mailbox, else the
/// sign-in name; case never counts. Nobody in Teams is matched twice, not even by two links.
#[must_use]
pub fn match_people(xphone: &[XphonePerson], teams: &[TeamsPerson], links: &[Link]) -> Vec<Match> {
    let links = Links::new(xphone, links);
    let mut holders: HashMap<String, usize> = HashMap::new();
    for address in xphone.iter().filter(|person| !links.of.contains_key(&person.guid)).filter_map(address_of) {
        *holders.entry(address).or_default() += 1;
    }
    let accounts: HashMap<TeamsUserId, &TeamsPerson> = teams.iter().map(|person| (person.id, person)).collect();
    let mut candidates: HashMap<String, Candidates> = HashMap::new();
    for person in teams {
        let address = folded(person.mail.as_deref()).or_else(|| folded(Some(&person.user_principal_name)));
        if let Some(address) = address {
            candidates.entry(address).or_default().add(person, &links);
        }
    }
    let found = |person: &XphonePerson| {
        if let Some(teams_user) = links.of.get(&person.guid) {
            return links.found(person.guid, *teams_user, &accounts);
        }
        let Some(address) = address_of(person) else { return Match::NoEmail };
        if holders.get(&address).is_some_and(|count| *count > 1) {
            return Match::DuplicateInXphone;
        }
        candidates.get(&address).map_or(Match::NotInTeams, Candidates::found)
    };
    xphone.iter().map(found).collect()
}

/// The links of people who are there.
struct Links {
    of: HashMap<UserGuid, TeamsUserId>,
    holder: HashMap<TeamsUserId, UserGuid>,
}

impl Links {
    fn new(xphone: &[XphonePerson], links: &[Link]) -> Self {
        let made: HashMap<UserGuid, TeamsUserId> = links.iter().map(|link| (link.user, link.teams_user)).collect();
        let of: HashMap<UserGuid, TeamsUserId> =
            xphone.iter().filter_map(|person| Some((person.guid, *made.get(&person.guid)?))).collect();
        let mut holder: HashMap<TeamsUserId, UserGuid> = HashMap::new();
        for (user, teams_user) in &of {
            let first = holder.entry(*teams_user).or_insert(*user);
            *first = (*first).min(*user);
        }
        Self { of, holder }
    }

    fn found(&self, user: UserGuid, teams_user: TeamsUserId, accounts: &HashMap<TeamsUserId, &TeamsPerson>) -> Match {
        match accounts.get(&teams_user) {
            _ if self.holder.get(&teams_user) != Some(&user) => Match::LinkedToAnother,
            None => Match::NotInTeams,
            Some(account) if !account.enabled => Match::DisabledInTeams,
            Some(_) => Match::Matched(teams_user),
        }
    }
}

/// Who has one address in Teams.
#[derive(Default)]
struct Candidates<'a> {
    free: Vec<&'a TeamsPerson>,
}

impl<'a> Candidates<'a> {
    fn add(&mut self, person: &'a TeamsPerson, links: &Links) {
        if !links.holder.contains_key(&person.id) {
            self.free.push(person);
        }
    }

    fn found(&self) -> Match {
        match self.free.as_slice() {
            // Nobody comes here without an account: all that there are were linked.
            [] => Match::LinkedToAnother,
            [one] if one.enabled => Match::Matched(one.id),
            [_] => Match::DisabledInTeams,
            _ => Match::DuplicateInTeams,
        }
    }
}

fn address_of(person: &XphonePerson) -> Option<String> {
    folded(person.email.as_deref())
}

fn folded(address: Option<&str>) -> Option<String> {
    let address = address?.trim();
    (!address.is_empty()).then(|| address.to_lowercase())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;
    use crate::domain::directory::Seat;

    fn xphone(number: u128, email: Option<&str>) -> XphonePerson {
        let guid = UserGuid(Uuid::from_u128(number));
        XphonePerson { guid, name: String::new(), email: email.map(str::to_owned), seat: Seat::default(), profiles: Vec::new() }
    }

    fn teams(number: u128, mail: Option<&str>, name: &str, enabled: bool) -> TeamsPerson {
        TeamsPerson { id: id(number), mail: mail.map(str::to_owned), user_principal_name: name.to_owned(), enabled }
    }

    fn id(number: u128) -> TeamsUserId {
        TeamsUserId(Uuid::from_u128(number))
    }

    fn link(user: u128, teams_user: u128) -> Link {
        Link { user: UserGuid(Uuid::from_u128(user)), teams_user: id(teams_user) }
    }

    fn matched(number: u128) -> Match {
        Match::Matched(id(number))
    }

    #[test]
    fn people_are_matched_by_mail_else_by_sign_in_name_ignoring_case() {
        let here = [
            xphone(1, Some("Anna@Example.com")),
            xphone(2, Some("ben@example.com")),
            xphone(3, None),
            xphone(4, Some("  ")),
            xphone(5, Some("cleo@example.com")),
            xphone(6, Some("twin@example.com")),
            xphone(7, Some("TWIN@example.com")),
            xphone(8, Some("double@example.com")),
            xphone(9, Some("gone@example.com")),
            xphone(10, Some("upn-of-somebody@example.com")),
        ];
        let there = [
            teams(101, Some("anna@example.COM"), "a@tenant.example", true),
            teams(102, None, "BEN@example.com", true),
            teams(106, Some("twin@example.com"), "t@tenant.example", true),
            teams(108, Some("double@example.com"), "d1@tenant.example", true),
            teams(118, Some("double@example.com"), "d2@tenant.example", false),
            teams(109, Some("gone@example.com"), "g@tenant.example", false),
            teams(110, Some("other@example.com"), "upn-of-somebody@example.com", true),
        ];
        let expected = [
            matched(101),
            matched(102),
            Match::NoEmail,
            Match::NoEmail,
            Match::NotInTeams,
            Match::DuplicateInXphone,
            Match::DuplicateInXphone,
            Match::DuplicateInTeams,
            Match::DisabledInTeams,
            Match::NotInTeams,
        ];
        assert_eq!(match_people(&here, &there, &[]), expected);
    }

    #[test]
    fn a_link_beats_the_address() {
        let here = [xphone(1, Some("anna@x")), xphone(2, Some("ben@x")), xphone(3, None), xphone(4, Some("anna@x"))];
        let there = [
            teams(101, Some("anna@x"), "a", true),
            teams(102, Some("ben@x"), "b", true),
            teams(103, Some("cleo@x"), "c", true),
            teams(104, Some("ben@x"), "d", true),
            teams(105, Some("eve@x"), "e", false),
        ];
        let check = |links: &[Link], expected: [Match; 4]| assert_eq!(match_people(&here, &there, links), expected, "{links:?}");
        let (twin, double) = (Match::DuplicateInXphone, Match::DuplicateInTeams);
        check(&[], [twin, double, Match::NoEmail, twin]);
        check(&[link(3, 103)], [twin, double, matched(103), twin]);
        // Whoever is linked is no longer anybody's twin, on either side.
        check(&[link(1, 103)], [matched(103), double, Match::NoEmail, matched(101)]);
        check(&[link(3, 102)], [twin, matched(104), matched(102), twin]);
        check(&[link(1, 101)], [matched(101), double, Match::NoEmail, Match::LinkedToAnother]);
        // A link is not undone by what becomes of the account.
        check(&[link(1, 105)], [Match::DisabledInTeams, double, Match::NoEmail, matched(101)]);
        check(&[link(1, 199)], [Match::NotInTeams, double, Match::NoEmail, matched(101)]);
        // Two links to one, and a link of somebody who left.
        check(&[link(4, 103), link(3, 103)], [matched(101), double, matched(103), Match::LinkedToAnother]);
        check(&[link(9, 101), link(1, 103)], [matched(103), double, Match::NoEmail, matched(101)]);
    }

    proptest! {
        #[test]
        fn nobody_in_teams_is_matched_twice_and_links_are_kept(
            here in prop::collection::vec(0..8u8, 0..20),
            there in prop::collection::vec(0..8u8, 0..20),
            links in prop::collection::vec((0..20u8, 0..20u8), 0..8),
        ) {
            let here: Vec<_> = here.iter().enumerate().map(|(n, e)| xphone(n as u128, Some(&format!("{e}@x")))).collect();
            let there: Vec<_> = there.iter().enumerate().map(|(n, e)| teams(n as u128, Some(&format!("{e}@X")), "n", true)).collect();
            let links: Vec<_> = links.into_iter().map(|(user, to)| link(user.into(), to.into())).collect();
            let found = match_people(&here, &there, &links);
            let mut ids: Vec<_> = found.iter().filter_map(|found| found.teams_user()).collect();
            let all = ids.len();
            ids.sort();
            ids.dedup();
            prop_assert_eq!(ids.len(), all);
            for (person, found) in here.iter().zip(&found) {
                if let Some(link) = links.iter().rev().find(|link| link.user == person.guid) {
                    prop_assert!(found.teams_user().is_none_or(|id| id == link.teams_user));
                }
            }
        }
    }
}
