//! People, their profiles, and the places they sit in.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::appointments::Appointment;
use super::guid::Guid;
use super::kind::Kind;
use super::presence::{self, Entry, Meeting, Picked, Shown};

/// Telephone state of a user nobody has said anything about: a line, and it is free.
pub const TELEPHONE_FREE: u32 = 2;

/// A place with its configuration groups.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Location {
    pub guid: Guid,
    pub name: String,
    pub configuration_groups: Vec<ConfigurationGroup>,
}

/// A group of users within a location that share settings.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationGroup {
    pub guid: Guid,
    pub name: String,
}

/// An entry of *My Profiles*.
#[derive(Clone, Debug)]
pub struct Profile {
    pub guid: Guid,
    pub name: String,
    pub kind: Kind,
    pub active: bool,
}

/// A user, what they do, and what was set for them.
#[derive(Clone, Debug)]
pub struct User {
    pub guid: Guid,
    /// Whether lists of users name them: some accounts do not see everybody.
    pub listed: bool,
    pub email: String,
    pub account_name: String,
    pub display_name: String,
    pub location: Guid,
    /// `None`: directly at the location.
    pub configuration_group: Option<Guid>,
    /// In the order of *My Profiles*.
    pub profiles: Vec<Profile>,
    pub telephone_state: u32,
    pub meeting: Meeting,
    pub client_connected: bool,
    pub picked: Option<Picked>,
    /// By key.
    pub appointments: BTreeMap<String, Appointment>,
    /// The entry as events and snapshots last told it.
    pub published: Entry,
}

impl User {
    /// Where the user hangs in the tree.
    pub fn distinguished_name(&self) -> String {
        let group = self.configuration_group.map(|group| format!("ou=CG {group}, ")).unwrap_or_default();
        format!("cn={} {}, {group}ou=Branch {}, ou=Organisation", self.display_name, self.guid, self.location)
    }

    /// Where the presence shown at that moment comes from.
    pub fn shown_at(&self, now: Timestamp) -> Shown<'_> {
        let appointments = self.appointments.iter().map(|(key, appointment)| (key.as_str(), appointment));
        presence::shown(self.picked.as_ref(), appointments, self.client_connected, now)
    }

    /// What the server tells of the user at that moment.
    pub fn entry_at(&self, now: Timestamp) -> Entry {
        let (kind, text, profile_guid, origin) = match self.shown_at(now) {
            Shown::Appointment(_, appointment) => {
                (appointment.shows, appointment.subject.clone(), appointment.profile_guid, Some(appointment.origin.clone()))
            }
            Shown::Picked(picked) => (picked.kind, picked.kind.name().to_owned(), None, picked.origin.clone()),
            Shown::Automatic(kind) => (kind, kind.name().to_owned(), None, None),
        };
        Entry {
            user_guid: self.guid,
            email: self.email.clone(),
            presence_state_guid: kind.guid(),
            presence_text: text,
            profile_guid,
            origin,
            telephone_state: self.telephone_state,
            meeting: self.meeting,
            client_connected: self.client_connected,
        }
    }
}
