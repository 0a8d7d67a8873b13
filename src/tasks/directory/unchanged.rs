//! Whether a comparison would find what the last one found: nothing. Then nobody need be loaded to be compared.

use std::hash::{BuildHasher as _, RandomState};
use std::sync::{Mutex, PoisonError};

use jiff::{SignedDuration, Timestamp};

use crate::domain::directory::XphonePerson;
use crate::store::mark::{AsOf, Mark, Table};

/// All that a comparison looks at besides what XPhone tells.
pub(super) const COMPARED: [Table; 5] = [Table::People, Table::TeamsPeople, Table::Links, Table::Unlinked, Table::ImportedSeats];

/// A comparison is made at least this often, whatever the marks say: it puts right what somebody changed by hand where no trigger counts,
/// such as profiles, which have no mark of their own.
const TRUSTED_FOR: SignedDuration = SignedDuration::from_hours(1);

/// Everybody XPhone told of, in few bytes; the order does not count. Keyed anew at each start, so that nobody can choose a name that
/// makes two people look like others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Digest {
    people: usize,
    sum: u64,
    /// Whether XPhone told where they sit, or an import does.
    seated: bool,
}

/// What was told and stored when a comparison last found that nothing differed.
#[derive(Debug, Default)]
pub struct Unchanged {
    hashing: RandomState,
    last: Mutex<Option<Last>>,
}

#[derive(Debug)]
struct Last {
    told: Digest,
    as_of: AsOf,
}

impl Unchanged {
    pub(super) fn digest(&self, people: &[XphonePerson], seated: bool) -> Digest {
        let sum = people.iter().fold(0_u64, |sum, person| sum.wrapping_add(self.hashing.hash_one(person)));
        Digest { people: people.len(), sum, seated }
    }

    pub(super) fn is(&self, told: Digest, mark: &Mark, now: Timestamp) -> bool {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().is_some_and(|last| last.told == told && last.as_of.holds(mark, now, TRUSTED_FOR))
    }

    pub(super) fn remember(&self, told: Digest, mark: Mark, compared_at: Timestamp) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(Last { told, as_of: AsOf::new(mark, compared_at) });
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::directory::{PersonProfile, Seat};
    use crate::domain::ids::{LocationGuid, PresenceStateGuid, ProfileGuid, UserGuid};

    fn person(number: u128) -> XphonePerson {
        let guid = Uuid::from_u128(number);
        let profile = |name: &str| PersonProfile {
            guid: ProfileGuid(guid),
            name: name.to_owned(),
            status: PresenceStateGuid(guid),
            active: true,
        };
        XphonePerson {
            guid: UserGuid(guid),
            name: "Anna".to_owned(),
            email: Some("anna@example.com".to_owned()),
            seat: Seat { location: Some(LocationGuid(guid)), group: None },
            profiles: vec![profile("Meeting"), profile("Away")],
        }
    }

    #[test]
    fn whatever_is_compared_makes_another_digest_and_the_order_of_people_does_not() {
        let unchanged = Unchanged::default();
        let digest = |people: &[XphonePerson]| unchanged.digest(people, true);
        let (anna, ben) = (person(1), person(2));
        let both = digest(&[anna.clone(), ben.clone()]);
        assert_eq!(both, digest(&[ben.clone(), anna.clone()]));
        assert_ne!(both, unchanged.digest(&[anna.clone(), ben.clone()], false));
        let mut swapped = anna.clone();
        swapped.profiles.reverse();
        let mut switched_off = anna.clone();
        switched_off.profiles[1].active = false;
        let others = [
            XphonePerson { guid: ben.guid, ..anna.clone() },
            XphonePerson { name: "Anne".to_owned(), ..anna.clone() },
            XphonePerson { email: None, ..anna.clone() },
            XphonePerson { seat: Seat::default(), ..anna.clone() },
            XphonePerson { profiles: Vec::new(), ..anna.clone() },
            swapped,
            switched_off,
        ];
        for other in others {
            assert_ne!(both, digest(&[other.clone(), ben.clone()]), "{other:?}");
        }
        assert_ne!(both, digest(&[anna]));
    }
}
