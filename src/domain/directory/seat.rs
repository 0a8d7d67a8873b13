//! Where people sit in XPhone's tree, read from their distinguished names.

use uuid::Uuid;

use crate::domain::ids::{ConfigurationGroupGuid, LocationGuid};

/// Where a user sits in XPhone's tree.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
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
    use super::*;

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
