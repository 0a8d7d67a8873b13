//! Takes what XPhone tells as we can keep it: each guid once, and no text that Postgres refuses, or one odd record would stop everybody.

use std::collections::HashMap;
use std::hash::Hash;

use crate::domain::directory::{PersonProfile, XphonePerson, seat};
use crate::domain::ids::{ConfigurationGroupGuid, LocationGuid};
use crate::domain::mapping::StatusKind;
use crate::store::directory::{Location, Status};
use crate::xphone::values::{self, PresenceState, Profile, User};

/// A status newer than this gateway.
const UNKNOWN_STATUS: &str = "unknown";

pub(super) fn people(users: Vec<User>) -> Vec<XphonePerson> {
    once("users", users, |user| user.guid).into_iter().map(person).collect()
}

/// A location that was told twice has the groups of both.
pub(super) fn locations(told: Vec<values::Location>) -> Vec<Location> {
    let mut groups = Vec::new();
    let mut locations = Vec::new();
    for values::Location { guid, name, configuration_groups } in told {
        groups.extend(configuration_groups.into_iter().map(|group| (guid, group.guid, text(group.name))));
        locations.push(Location { guid, name: text(name), groups: Vec::new() });
    }
    let mut groups_at: HashMap<LocationGuid, Vec<(ConfigurationGroupGuid, String)>> = HashMap::new();
    for (location, group, name) in once("configuration groups", groups, |(_, group, _)| *group) {
        groups_at.entry(location).or_default().push((group, name));
    }
    let mut locations = once("locations", locations, |location| location.guid);
    for location in &mut locations {
        location.groups = groups_at.remove(&location.guid).unwrap_or_default();
    }
    locations
}

pub(super) fn statuses(told: Vec<PresenceState>) -> Vec<Status> {
    let kept =
        |state: PresenceState| Status { guid: state.guid, kind: state.kind.map_or(UNKNOWN_STATUS, StatusKind::label).to_owned() };
    once("presence states", told, |state| state.guid).into_iter().map(kept).collect()
}

fn person(user: User) -> XphonePerson {
    XphonePerson {
        guid: user.guid,
        name: text(user.display_name),
        email: user.email.map(text),
        seat: seat(&user.distinguished_name),
        profiles: user.profiles.into_iter().map(profile).collect(),
    }
}

fn profile(profile: Profile) -> PersonProfile {
    PersonProfile { guid: profile.guid, name: text(profile.name), status: profile.presence_state, active: profile.active }
}

/// Postgres keeps no NUL.
fn text(told: String) -> String {
    if told.contains('\0') { told.replace('\0', "") } else { told }
}

/// Each guid once, in the order told; of what was told twice, the last counts.
fn once<T, K: Eq + Hash>(what: &'static str, told: Vec<T>, guid: impl Fn(&T) -> K) -> Vec<T> {
    let last: HashMap<K, usize> = told.iter().enumerate().map(|(place, one)| (guid(one), place)).collect();
    let twice = told.len() - last.len();
    if twice > 0 {
        tracing::warn!(what, twice, "XPhone tells the same guid more than once: the last counts");
    }
    let is_last = |(place, one): &(usize, T)| last.get(&guid(one)) == Some(place);
    told.into_iter().enumerate().filter(is_last).map(|(_, one)| one).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::ids::{PresenceStateGuid, ProfileGuid, UserGuid};
    use crate::xphone::values::ConfigurationGroup;

    fn user(number: u128, email: &str) -> User {
        let guid = Uuid::from_u128(number);
        let profile = Profile {
            guid: ProfileGuid(guid),
            name: "Me\0eting".to_owned(),
            presence_state: PresenceStateGuid(guid),
            active: true,
        };
        User {
            guid: UserGuid(guid),
            email: Some(email.to_owned()),
            account_name: None,
            display_name: "An\0na".to_owned(),
            distinguished_name: String::new(),
            profiles: vec![profile],
        }
    }

    fn location(number: u128, name: &str, groups: &[(u128, &str)]) -> values::Location {
        let group = |(number, name): &(u128, &str)| ConfigurationGroup {
            guid: ConfigurationGroupGuid(Uuid::from_u128(*number)),
            name: (*name).to_owned(),
        };
        let guid = LocationGuid(Uuid::from_u128(number));
        values::Location { guid, name: name.to_owned(), configuration_groups: groups.iter().map(group).collect() }
    }

    #[test]
    fn no_text_keeps_what_postgres_refuses() {
        let people = people(vec![user(1, "an\0na@x")]);
        let told = (people[0].name.as_str(), people[0].email.as_deref(), people[0].profiles[0].name.as_str());
        assert_eq!(told, ("Anna", Some("anna@x"), "Meeting"));
        let tree = locations(vec![location(1, "He\0re", &[(2, "Sa\0les")])]);
        assert_eq!((tree[0].name.as_str(), tree[0].groups[0].1.as_str()), ("Here", "Sales"));
    }

    #[test]
    fn of_what_is_told_twice_the_last_counts() {
        let people = people(vec![user(1, "a@x"), user(2, "b@x"), user(1, "c@x")]);
        let emails: Vec<Option<&str>> = people.iter().map(|person| person.email.as_deref()).collect();
        assert_eq!(emails, [Some("b@x"), Some("c@x")]);
        let told = [
            location(1, "Old", &[(11, "Sales"), (12, "Stock")]),
            location(2, "There", &[(12, "Store")]),
            location(1, "New", &[]),
        ];
        let tree = locations(told.to_vec());
        let named: Vec<(&str, Vec<&str>)> = tree
            .iter()
            .map(|location| (location.name.as_str(), location.groups.iter().map(|(_, name)| name.as_str()).collect()))
            .collect();
        assert_eq!(named, [("There", vec!["Store"]), ("New", vec!["Sales"])]);
        let state = |kind| PresenceState { guid: PresenceStateGuid(Uuid::nil()), kind, name: String::new() };
        let states = statuses(vec![state(None), state(Some(StatusKind::Busy)), state(None)]);
        assert_eq!(states.iter().map(|status| status.kind.as_str()).collect::<Vec<_>>(), [UNKNOWN_STATUS]);
    }
}
