//! What XPhone says and is told, as plain values: no judgement, no transport.

use jiff::Timestamp;

use crate::domain::ids::{ConfigurationGroupGuid, LocationGuid, PresenceStateGuid, ProfileGuid, UserGuid};
use crate::domain::mapping::{Meeting, StatusKind};
use crate::domain::template::FoundTemplate;

/// What the server can.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "a list of independent abilities, as the server gives it")]
pub struct Capabilities {
    /// The product's version, for people to read.
    pub server_version: String,
    /// Whether appointments can be set.
    pub appointments: bool,
    /// Whether the server ends an appointment at its end; else it stays until it is removed, and what a run before has left too.
    pub appointments_end: bool,
    /// Whether an appointment is kept from others than team colleagues if it says so; else everybody sees each.
    pub audience: bool,
    /// Whether an appointment's profile also switches its call forwarding.
    pub forwarding_on_appointment: bool,
    /// Whether changes of presence are told as events.
    pub events: bool,
    /// Whether the server tells people's own profiles.
    pub profiles: bool,
    /// Whether central profile templates can be set.
    pub profile_templates: bool,
    /// Whether the server tells locations, configuration groups and who sits where.
    pub tree: bool,
}

/// One of the fixed presence statuses, as this server names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresenceState {
    /// Its name in all other calls.
    pub guid: PresenceStateGuid,
    /// Which of the fixed statuses it is; `None`: one newer than this gateway.
    pub kind: Option<StatusKind>,
    /// What people read.
    pub name: String,
}

/// A location with its configuration groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// Its name in all other calls and in distinguished names.
    pub guid: LocationGuid,
    /// What people read.
    pub name: String,
    /// The groups at this location.
    pub configuration_groups: Vec<ConfigurationGroup>,
}

/// A configuration group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigurationGroup {
    /// Its name in all other calls and in distinguished names.
    pub guid: ConfigurationGroupGuid,
    /// What people read.
    pub name: String,
}

/// A person with the profiles of *My Profiles*.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// Its name in all other calls.
    pub guid: UserGuid,
    /// As XPhone keeps it; not all users have one.
    pub email: Option<String>,
    /// What the user logs in with.
    pub account_name: Option<String>,
    /// What people read.
    pub display_name: String,
    /// Carries the location and the configuration group.
    pub distinguished_name: String,
    /// In the order of *My Profiles*.
    pub profiles: Vec<Profile>,
}

/// One of a user's profiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// Its name in all other calls.
    pub guid: ProfileGuid,
    /// What people read, such as `MS Teams`.
    pub name: String,
    /// The status it shows.
    pub presence_state: PresenceStateGuid,
    /// Whether it may be used.
    pub active: bool,
}

/// A part of all users, in the server's order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsersPage {
    /// The users of this page.
    pub users: Vec<User>,
    /// What to continue after; `None`: this was the last page.
    pub next: Option<UserGuid>,
}

/// Everybody's presence at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Snapshot {
    /// The event sequence it stands at: go on listening from here.
    pub sequence: u64,
    /// One entry a user.
    pub entries: Vec<Entry>,
}

/// What a user's presence shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Whose.
    pub user: UserGuid,
    /// The user's address, if there is one.
    pub email: Option<String>,
    /// The status shown.
    pub presence_state: PresenceStateGuid,
    /// The text shown beside it.
    pub presence_text: Option<String>,
    /// The profile it comes from, if it comes from one.
    pub profile: Option<ProfileGuid>,
    /// Who made the presence now shown; `None`: the user.
    pub origin: Option<String>,
    /// The telephone's state as the product's bits; 4 is busy.
    pub telephone_state: u32,
    /// The XPhone meeting the user is in; one newer than this gateway counts as none.
    pub meeting: Meeting,
    /// Whether a client of the user is connected.
    pub client_connected: bool,
}

/// A change of one user's presence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Where it stands among all events; a lower one than was already applied is old.
    pub sequence: u64,
    /// What changed.
    pub changed: Vec<Changed>,
    /// The whole new entry.
    pub entry: Entry,
}

/// What an event changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Changed {
    /// The presence status or profile.
    Presence,
    /// The text beside it.
    Text,
    /// The telephone's state.
    Telephone,
    /// The XPhone meeting.
    Meeting,
    /// Whether a client is connected.
    Client,
    /// Something newer than this gateway.
    Unknown,
}

/// An entry of a user's appointment list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Appointment {
    /// Who sets it.
    pub origin: String,
    /// The text shown.
    pub subject: String,
    /// What it switches to.
    pub shows: Shows,
    /// From when.
    pub start: Timestamp,
    /// Until when; the server deletes it then. At most 12 hours ahead.
    pub end: Timestamp,
    /// From which relationship on people see it; `None`: everybody does.
    pub visible_from: Option<VisibleFrom>,
}

/// What an appointment switches its user to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shows {
    /// One of the user's own profiles.
    Profile(ProfileGuid),
    /// One of the fixed statuses.
    PresenceState(PresenceStateGuid),
}

/// The least relationship that sees an appointment.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum VisibleFrom {
    /// Team colleagues and closer.
    TeamColleague,
    /// One that this gateway does not set.
    Other(String),
}

/// An appointment as the server lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedAppointment {
    /// Whose list it is in.
    pub user: UserGuid,
    /// What it was put under.
    pub key: String,
    /// What was put.
    pub appointment: Appointment,
}

/// Where central profile templates hang.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    /// A location.
    Location(LocationGuid),
    /// A configuration group.
    ConfigurationGroup(ConfigurationGroupGuid),
}

/// A central profile template as the server lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedTemplate {
    /// What users see it as, and what it is put under.
    pub name: String,
    /// What it sets.
    pub template: FoundTemplate,
}

/// What became of something that was put.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Put {
    /// Nothing was there before.
    Made,
    /// It took the place of another.
    Replaced,
}
