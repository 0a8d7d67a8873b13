//! Who is who: the people of XPhone and of Teams, how they are matched, and what changed since they were last compared.

mod difference;
mod matching;
mod membership;
mod parcel;
mod seat;
mod teams;

pub use difference::{Altered, Departure, Difference, Rematch, difference, needs_word, without_drops};
pub use matching::{Link, match_people};
pub use membership::{Membership, MembershipRow, membership};
pub use parcel::{Parcel, Parcels};
pub use seat::{Seat, seat};
pub use teams::{TeamsChange, Told, fold};

use super::ids::{PresenceStateGuid, ProfileGuid, TeamsUserId, UserGuid};

/// A person as XPhone knows them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct XphonePerson {
    /// XPhone's guid.
    pub guid: UserGuid,
    /// What people read.
    pub name: String,
    /// The address they are matched by; may be missing or blank.
    pub email: Option<String>,
    /// Where they sit.
    pub seat: Seat,
    /// Their profiles, in their order.
    pub profiles: Vec<PersonProfile>,
}

/// One of a person's profiles.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PersonProfile {
    /// XPhone's guid.
    pub guid: ProfileGuid,
    /// As the user named it.
    pub name: String,
    /// Its status.
    pub status: PresenceStateGuid,
    /// Whether it is switched on.
    pub active: bool,
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

/// A person of XPhone, and who that is in Teams.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Person {
    /// What XPhone knows.
    pub xphone: XphonePerson,
    /// Who they are in Teams.
    pub matched: Match,
}

/// What matching found for a person of XPhone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Match {
    /// Linked by hand, or exactly one person on either side has this address.
    Matched(TeamsUserId),
    /// XPhone has no address for them.
    NoEmail,
    /// Nobody in Teams has the address, or the one they were linked to is gone.
    NotInTeams,
    /// Several people in XPhone have the address.
    DuplicateInXphone,
    /// Several people in Teams have the address.
    DuplicateInTeams,
    /// The Teams account is disabled.
    DisabledInTeams,
    /// Whoever has the address in Teams was linked by hand to somebody else.
    LinkedToAnother,
}

impl Match {
    /// The label of each, for whoever counts: a match that nobody has counts none.
    pub const LABELS: [&'static str; 7] = [
        "matched",
        "no_email",
        "not_in_teams",
        "duplicate_in_xphone",
        "duplicate_in_teams",
        "disabled_in_teams",
        "linked_to_another",
    ];

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
            Self::LinkedToAnother => "linked_to_another",
        }
    }

    /// The match of which these are label and Teams user.
    #[must_use]
    pub fn from_stored(label: &str, teams_user: Option<TeamsUserId>) -> Option<Self> {
        let matches = [
            teams_user.map_or(Self::NotInTeams, Self::Matched),
            Self::NoEmail,
            Self::NotInTeams,
            Self::DuplicateInXphone,
            Self::DuplicateInTeams,
            Self::DisabledInTeams,
            Self::LinkedToAnother,
        ];
        matches.into_iter().find(|known| known.label() == label)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn every_match_comes_back_from_the_store() {
        let teams_user = TeamsUserId(Uuid::from_u128(7));
        for label in Match::LABELS {
            let found = Match::from_stored(label, (label == "matched").then_some(teams_user)).unwrap();
            assert_eq!(found.label(), label);
            assert_eq!(found.teams_user().is_some(), label == "matched");
        }
        assert_eq!(Match::from_stored("matched", None), None);
        assert_eq!(Match::from_stored("unheard_of", None), None);
    }
}
