//! The JSON of XPhone's web API: its shapes, and what they mean as values. Members we do not know are passed over.

use jiff::Timestamp;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::readable::Readable;
use crate::domain::ids::{ConfigurationGroupGuid, LocationGuid, PresenceStateGuid, ProfileGuid, UserGuid};
use crate::domain::mapping::{self, StatusKind};
use crate::domain::template::{self, FoundTemplate};
use crate::xphone::values;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Authenticate<'a> {
    pub account_name: &'a str,
    pub password: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Renewal<'a> {
    pub token: &'a str,
    pub refresh_token: &'a str,
    pub session_guid: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Authenticated {
    /// 0: welcome. The rest is there only then.
    pub result: i64,
    pub token_data: Option<Tokens>,
    pub session_guid: Option<SecretString>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Tokens {
    pub token: SecretString,
    /// Unix milliseconds.
    pub token_expires_at: i64,
    pub refresh_token: SecretString,
    /// Unix milliseconds.
    pub refresh_token_expires_at: i64,
}

/// What a refusal says.
#[derive(Deserialize)]
pub(super) struct Refusal {
    pub error: String,
}

/// Read before the rest: another version may have other members.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ContractVersion {
    pub contract_version: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_excessive_bools, reason = "a list of independent abilities, as the server gives it")]
pub(super) struct Capabilities {
    pub server_version: String,
    #[serde(default)]
    pub appointments: bool,
    #[serde(default)]
    pub forwarding_on_appointment: bool,
    #[serde(default)]
    pub events: bool,
    #[serde(default)]
    pub profile_templates: bool,
}

#[derive(Deserialize)]
pub(super) struct PresenceState {
    pub guid: Uuid,
    pub kind: PresenceKind,
    pub name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum PresenceKind {
    Available,
    BeRightBack,
    Busy,
    DoNotDisturb,
    Unavailable,
    Offline,
    #[serde(other)]
    Unknown,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Location {
    pub guid: Uuid,
    pub name: String,
    #[serde(default)]
    pub configuration_groups: Vec<ConfigurationGroup>,
}

#[derive(Deserialize)]
pub(super) struct ConfigurationGroup {
    pub guid: Uuid,
    pub name: String,
}

#[derive(Deserialize)]
pub(super) struct UsersPage {
    pub users: Readable<User>,
    pub next: Option<Uuid>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct User {
    pub guid: Uuid,
    pub email: Option<String>,
    pub account_name: Option<String>,
    #[serde(default)]
    pub display_name: String,
    #[serde(default)]
    pub distinguished_name: String,
    #[serde(default)]
    pub profiles: Vec<Profile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Profile {
    pub guid: Uuid,
    pub name: String,
    pub presence_state_guid: Uuid,
    pub active: bool,
}

#[derive(Deserialize)]
pub(super) struct Snapshot {
    pub sequence: u64,
    pub entries: Readable<Entry>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Entry {
    pub user_guid: Uuid,
    pub email: Option<String>,
    pub presence_state_guid: Uuid,
    pub presence_text: Option<String>,
    pub profile_guid: Option<Uuid>,
    pub origin: Option<String>,
    pub telephone_state: u32,
    pub meeting: Meeting,
    pub client_connected: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Meeting {
    None,
    Audio,
    Video,
    ScreenShare,
    #[serde(other)]
    Unknown,
}

#[derive(Deserialize)]
pub(super) struct Event {
    #[serde(default)]
    pub changed: Vec<Changed>,
    pub entry: Entry,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Changed {
    Presence,
    Text,
    Telephone,
    Meeting,
    Client,
    #[serde(other)]
    Unknown,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Appointment {
    pub origin: String,
    pub subject: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile_guid: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub presence_state_guid: Option<Uuid>,
    pub start: Timestamp,
    pub end: Timestamp,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub visible_from: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ListedAppointment {
    pub user_guid: Uuid,
    pub key: String,
    #[serde(flatten)]
    pub appointment: Appointment,
}

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Template {
    pub name: String,
    pub presence_state_guid: Uuid,
    pub call_forwarding: CallForwarding,
    pub active: bool,
}

#[derive(Deserialize, Serialize)]
pub(super) struct CallForwarding {
    pub mode: String,
    pub number: Option<String>,
}

const TEAM_COLLEAGUE: &str = "teamColleague";

impl From<Capabilities> for values::Capabilities {
    fn from(wire: Capabilities) -> Self {
        Self {
            server_version: wire.server_version,
            appointments: wire.appointments,
            appointments_end: true,
            audience: true,
            forwarding_on_appointment: wire.forwarding_on_appointment,
            events: wire.events,
            profiles: true,
            profile_templates: wire.profile_templates,
            tree: true,
        }
    }
}

impl From<PresenceState> for values::PresenceState {
    fn from(wire: PresenceState) -> Self {
        let kind = match wire.kind {
            PresenceKind::Available => Some(StatusKind::Available),
            PresenceKind::BeRightBack => Some(StatusKind::BeRightBack),
            PresenceKind::Busy => Some(StatusKind::Busy),
            PresenceKind::DoNotDisturb => Some(StatusKind::DoNotDisturb),
            PresenceKind::Unavailable => Some(StatusKind::Unavailable),
            PresenceKind::Offline => Some(StatusKind::Offline),
            PresenceKind::Unknown => None,
        };
        Self { guid: PresenceStateGuid(wire.guid), kind, name: wire.name }
    }
}

impl From<Location> for values::Location {
    fn from(wire: Location) -> Self {
        let group =
            |group: ConfigurationGroup| values::ConfigurationGroup { guid: ConfigurationGroupGuid(group.guid), name: group.name };
        let configuration_groups = wire.configuration_groups.into_iter().map(group).collect();
        Self { guid: LocationGuid(wire.guid), name: wire.name, configuration_groups }
    }
}

impl From<UsersPage> for values::UsersPage {
    fn from(wire: UsersPage) -> Self {
        Self { users: wire.users.into_values("users"), next: wire.next.map(UserGuid) }
    }
}

impl From<User> for values::User {
    fn from(wire: User) -> Self {
        let profile = |profile: Profile| values::Profile {
            guid: ProfileGuid(profile.guid),
            name: profile.name,
            presence_state: PresenceStateGuid(profile.presence_state_guid),
            active: profile.active,
        };
        Self {
            guid: UserGuid(wire.guid),
            email: wire.email.filter(|email| !email.is_empty()),
            account_name: wire.account_name.filter(|name| !name.is_empty()),
            display_name: wire.display_name,
            distinguished_name: wire.distinguished_name,
            profiles: wire.profiles.into_iter().map(profile).collect(),
        }
    }
}

impl From<Snapshot> for values::Snapshot {
    fn from(wire: Snapshot) -> Self {
        Self { sequence: wire.sequence, entries: wire.entries.into_values("presence") }
    }
}

impl From<Entry> for values::Entry {
    fn from(wire: Entry) -> Self {
        let meeting = match wire.meeting {
            Meeting::None | Meeting::Unknown => mapping::Meeting::None,
            Meeting::Audio => mapping::Meeting::Audio,
            Meeting::Video => mapping::Meeting::Video,
            Meeting::ScreenShare => mapping::Meeting::ScreenShare,
        };
        Self {
            user: UserGuid(wire.user_guid),
            email: wire.email.filter(|email| !email.is_empty()),
            presence_state: PresenceStateGuid(wire.presence_state_guid),
            presence_text: wire.presence_text,
            profile: wire.profile_guid.map(ProfileGuid),
            origin: wire.origin,
            telephone_state: wire.telephone_state,
            meeting,
            client_connected: wire.client_connected,
        }
    }
}

impl Event {
    /// The event as a value; its sequence stands beside the JSON.
    pub(super) fn at(self, sequence: u64) -> values::Event {
        let changed = |changed| match changed {
            Changed::Presence => values::Changed::Presence,
            Changed::Text => values::Changed::Text,
            Changed::Telephone => values::Changed::Telephone,
            Changed::Meeting => values::Changed::Meeting,
            Changed::Client => values::Changed::Client,
            Changed::Unknown => values::Changed::Unknown,
        };
        values::Event { sequence, changed: self.changed.into_iter().map(changed).collect(), entry: self.entry.into() }
    }
}

impl From<&values::Appointment> for Appointment {
    fn from(value: &values::Appointment) -> Self {
        let (profile_guid, presence_state_guid) = match value.shows {
            values::Shows::Profile(profile) => (Some(profile.0), None),
            values::Shows::PresenceState(state) => (None, Some(state.0)),
        };
        let visible_from = value.visible_from.as_ref().map(|from| match from {
            values::VisibleFrom::TeamColleague => TEAM_COLLEAGUE.to_owned(),
            values::VisibleFrom::Other(other) => other.clone(),
        });
        Self {
            origin: value.origin.clone(),
            subject: value.subject.clone(),
            profile_guid,
            presence_state_guid,
            start: value.start,
            end: value.end,
            visible_from,
        }
    }
}

impl From<Template> for values::ListedTemplate {
    fn from(wire: Template) -> Self {
        let template = FoundTemplate {
            status: PresenceStateGuid(wire.presence_state_guid),
            call_forwarding: template::CallForwarding::from_parts(&wire.call_forwarding.mode, wire.call_forwarding.number),
            active: wire.active,
        };
        Self { name: wire.name, template }
    }
}

impl Template {
    /// A template that users are offered.
    pub(super) fn active(name: &str, template: &template::Template) -> Self {
        let forwarding = &template.call_forwarding;
        let call_forwarding =
            CallForwarding { mode: forwarding.label().to_owned(), number: forwarding.number().map(str::to_owned) };
        Self { name: name.to_owned(), presence_state_guid: template.status.0, call_forwarding, active: true }
    }
}

impl TryFrom<ListedAppointment> for values::ListedAppointment {
    type Error = &'static str;

    fn try_from(wire: ListedAppointment) -> Result<Self, Self::Error> {
        let ListedAppointment { user_guid, key, appointment } = wire;
        let shows = match (appointment.profile_guid, appointment.presence_state_guid) {
            (Some(profile), None) => values::Shows::Profile(ProfileGuid(profile)),
            (None, Some(state)) => values::Shows::PresenceState(PresenceStateGuid(state)),
            (Some(_), Some(_)) | (None, None) => return Err("an appointment without exactly one of profile and presence status"),
        };
        let visible_from = appointment.visible_from.map(|from| match from.as_str() {
            TEAM_COLLEAGUE => values::VisibleFrom::TeamColleague,
            _ => values::VisibleFrom::Other(from),
        });
        let appointment = values::Appointment {
            origin: appointment.origin,
            subject: appointment.subject,
            shows,
            start: appointment.start,
            end: appointment.end,
            visible_from,
        };
        Ok(Self { user: UserGuid(user_guid), key, appointment })
    }
}
