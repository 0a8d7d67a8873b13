//! Who is who: people of XPhone and of Teams matched by e-mail, never guessed.

use std::collections::HashMap;

use uuid::Uuid;

use super::ids::{ConfigurationGroupGuid, LocationGuid, TeamsUserId, UserGuid};

/// A person as XPhone knows them, as far as matching goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct XphonePerson {
    /// XPhone's guid.
    pub guid: UserGuid,
    /// May be missing or blank.
    pub email: Option<String>,
}

/// A person as Entra ID knows them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TeamsPerson {
    /// Entra ID's object id.
    pub id: TeamsUserId,
    /// The mailbox address, if there is one.
    pub mail: Option<String>,
    /// The sign-in name.
    pub user_principal_name: String,
    /// Whether the account may sign in.
    pub enabled: bool,
}

/// What matching found for a person of XPhone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Match {
    /// Exactly one person on either side has this address.
    Matched(TeamsUserId),
    /// XPhone has no address for them.
    NoEmail,
    /// Nobody in Teams has the address.
    NotInTeams,
    /// Several people in XPhone have the address.
    DuplicateInXphone,
    /// Several people in Teams have the address.
    DuplicateInTeams,
    /// The Teams account is disabled.
    DisabledInTeams,
}

impl Match {
    /// The label of each, for whoever counts: a match that nobody has counts none.
    pub const LABELS: [&'static str; 6] =
        ["matched", "no_email", "not_in_teams", "duplicate_in_xphone", "duplicate_in_teams", "disabled_in_teams"];

    /// The Teams user, if there is exactly one.
    #[must_use]
    pub fn teams_user(self) -> Option<TeamsUserId> {
        match self {
            Self::Matched(id) => Some(id),
            _ => None,
        }
    }

    /// Stable text for storage, metrics and the admin API.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Matched(_) => "matched",
            Self::NoEmail => "no_email",
            Self::NotInTeams => "not_in_teams",
            Self::DuplicateInXphone => "duplicate_in_xphone",
            Self::DuplicateInTeams => "duplicate_in_teams",
            Self::DisabledInTeams => "disabled_in_teams",
        }
    }
}

/// Matches everybody of XPhone, in the order given. Teams' address is the mailbox, else the sign-in name; case never counts.
#[must_use]
pub fn match_people(xphone: &[XphonePerson], teams: &[TeamsPerson]) -> Vec<(UserGuid, Match)> {
    let mut holders: HashMap<String, usize> = HashMap::new();
    for address in xphone.iter().filter_map(|person| folded(person.email.as_deref())) {
        *holders.entry(address).or_default() += 1;
    }
    let mut candidates: HashMap<String, Vec<&TeamsPerson>> = HashMap::new();
    for person in teams {
        let address = folded(person.mail.as_deref()).or_else(|| folded(Some(&person.user_principal_name)));
        if let Some(address) = address {
            candidates.entry(address).or_default().push(person);
        }
    }
    let found = |person: &XphonePerson| {
        let Some(address) = folded(person.email.as_deref()) else { return Match::NoEmail };
        if holders.get(&address).is_some_and(|count| *count > 1) {
            return Match::DuplicateInXphone;
        }
        match candidates.get(&address).map_or(&[][..], Vec::as_slice) {
            [] => Match::NotInTeams,
            [one] if one.enabled => Match::Matched(one.id),
            [_] => Match::DisabledInTeams,
            _ => Match::DuplicateInTeams,
        }
    };
    xphone.iter().map(|person| (person.guid, found(person))).collect()
}

fn folded(address: Option<&str>) -> Option<String> {
    let address = address?.trim();
    (!address.is_empty()).then(|| address.to_lowercase())
}

/// Where a user sits in XPhone's tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seat {
    /// The location, if the name carries one.
    pub location: Option<LocationGuid>,
    /// The configuration group; `None`: directly at the location.
    pub group: Option<ConfigurationGroupGuid>,
}

/// Reads the tree from a distinguished name: `cn=<name> <guid>, ou=CG <guid>, ou=Branch <guid>, ou=Organisation`.
#[must_use]
pub fn seat(distinguished_name: &str) -> Seat {
    let mut seat = Seat::default();
    // From the end: whatever a display name contains, it stands before.
    for part in distinguished_name.rsplit(',').map(str::trim) {
        let Some(unit) = part.strip_prefix("ou=").or_else(|| part.strip_prefix("OU=")) else { break };
        if let Some(guid) = unit.strip_prefix("CG ").and_then(guid) {
            seat.group = Some(ConfigurationGroupGuid(guid));
        } else if let Some(guid) = unit.strip_prefix("Branch ").and_then(guid) {
            seat.location = Some(LocationGuid(guid));
        }
    }
    seat
}

fn guid(text: &str) -> Option<Uuid> {
    text.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn xphone(number: u128, email: Option<&str>) -> XphonePerson {
        XphonePerson { guid: UserGuid(Uuid::from_u128(number)), email: email.map(str::to_owned) }
    }

    fn teams(number: u128, mail: Option<&str>, name: &str, enabled: bool) -> TeamsPerson {
        let id = TeamsUserId(Uuid::from_u128(number));
        TeamsPerson { id, mail: mail.map(str::to_owned), user_principal_name: name.to_owned(), enabled }
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
        let matched = |number| Match::Matched(TeamsUserId(Uuid::from_u128(number)));
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
        let found: Vec<_> = match_people(&here, &there).into_iter().map(|(_, found)| found).collect();
        assert_eq!(found, expected);
    }

    proptest! {
        #[test]
        fn nobody_in_teams_is_matched_twice(here in prop::collection::vec(0..8u8, 0..20), there in prop::collection::vec(0..8u8, 0..20)) {
            let here: Vec<_> = here.iter().enumerate().map(|(n, e)| xphone(n as u128, Some(&format!("{e}@x")))).collect();
            let there: Vec<_> = there.iter().enumerate().map(|(n, e)| teams(n as u128, Some(&format!("{e}@X")), "n", true)).collect();
            let mut ids: Vec<_> = match_people(&here, &there).into_iter().filter_map(|(_, found)| found.teams_user()).collect();
            let all = ids.len();
            ids.sort();
            ids.dedup();
            prop_assert_eq!(ids.len(), all);
        }
    }

    #[test]
    fn the_distinguished_name_carries_the_tree() {
        let group = "8b2c1a90-6f5e-4b43-9d0a-0c1d2e3f4a5b";
        let place = "1d7e9c42-3b5a-4f68-8a90-b1c2d3e4f506";
        let name = format!("cn=Doe, Anna {group}, ou=CG {group}, ou=Branch {place}, ou=Organisation");
        let location = Some(LocationGuid(place.parse().unwrap()));
        assert_eq!(seat(&name), Seat { location, group: Some(ConfigurationGroupGuid(group.parse().unwrap())) });
        assert_eq!(seat(&format!("cn=Anna, ou=Branch {place}, ou=Organisation")), Seat { location, group: None });
        let crafted = format!("cn=Anna, ou=CG {group}, the second {group}, ou=Branch {place}, ou=Organisation");
        assert_eq!(seat(&crafted), Seat { location, group: None }, "a display name seats nobody");
        assert_eq!(seat("cn=Anna"), Seat::default());
        assert_eq!(seat("ou=CG not-a-guid"), Seat::default());
    }
}
