//! The rule of what is shown for a user, and what an entry's change is called.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::appointments::Appointment;
use super::guid::Guid;
use super::kind::Kind;

/// A status somebody picked; stays until it is undone or something newer hides it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picked {
    pub kind: Kind,
    /// `None`: the user's own hand; else a foreign program.
    pub origin: Option<String>,
    pub turn: u64,
}

/// The XPhone meeting a user is in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Meeting {
    #[default]
    None,
    Audio,
    Video,
    ScreenShare,
}

/// Where the presence now shown comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown<'a> {
    Appointment(&'a str, &'a Appointment),
    Picked(&'a Picked),
    Automatic(Kind),
}

/// The newest of what was picked and the appointments in force; else what the client says.
pub fn shown<'a>(
    picked: Option<&'a Picked>,
    appointments: impl Iterator<Item = (&'a str, &'a Appointment)>,
    client_connected: bool,
    now: Timestamp,
) -> Shown<'a> {
    let newest =
        appointments.filter(|(_, appointment)| appointment.in_force(now)).max_by_key(|(_, appointment)| appointment.turn);
    match (picked, newest) {
        (Some(picked), Some((_, appointment))) if picked.turn > appointment.turn => Shown::Picked(picked),
        (_, Some((key, appointment))) => Shown::Appointment(key, appointment),
        (Some(picked), None) => Shown::Picked(picked),
        (None, None) => Shown::Automatic(if client_connected { Kind::Available } else { Kind::Offline }),
    }
}

/// What the server tells of one user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Entry {
    pub user_guid: Guid,
    pub email: String,
    pub presence_state_guid: Guid,
    pub presence_text: String,
    pub profile_guid: Option<Guid>,
    pub origin: Option<String>,
    pub telephone_state: u32,
    pub meeting: Meeting,
    pub client_connected: bool,
}

/// A part of an entry, as events name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Part {
    Presence,
    Text,
    Telephone,
    Meeting,
    Client,
}

/// The parts that differ; the e-mail address is none of them, since changed people raise no event.
pub fn changes(old: &Entry, new: &Entry) -> Vec<Part> {
    let presence = |entry: &Entry| (entry.presence_state_guid, entry.profile_guid, entry.origin.clone());
    [
        (Part::Presence, presence(old) != presence(new)),
        (Part::Text, old.presence_text != new.presence_text),
        (Part::Telephone, old.telephone_state != new.telephone_state),
        (Part::Meeting, old.meeting != new.meeting),
        (Part::Client, old.client_connected != new.client_connected),
    ]
    .into_iter()
    .filter_map(|(part, differs)| differs.then_some(part))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: &str = "2026-11-20T10:00:00Z";

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a moment")
    }

    fn appointment(origin: &str, start: &str, end: &str, turn: u64) -> (String, Appointment) {
        let appointment = Appointment {
            origin: origin.to_owned(),
            subject: String::new(),
            profile_guid: None,
            presence_state_guid: Some(Kind::Busy.guid()),
            start: at(start),
            end: at(end),
            visible_from: None,
            shows: Kind::Busy,
            turn,
        };
        (format!("{origin}{turn}"), appointment)
    }

    fn running(turn: u64) -> (String, Appointment) {
        appointment("running", "2026-11-20T09:00:00Z", "2026-11-20T11:00:00Z", turn)
    }

    fn coming(turn: u64) -> (String, Appointment) {
        appointment("coming", "2026-11-20T10:00:01Z", "2026-11-20T11:00:00Z", turn)
    }

    fn over(turn: u64) -> (String, Appointment) {
        appointment("over", "2026-11-20T09:00:00Z", NOW, turn)
    }

    fn check(picked_turn: Option<u64>, appointments: &[(String, Appointment)], client_connected: bool, expected: &str) {
        let picked = picked_turn.map(|turn| Picked { kind: Kind::Unavailable, origin: None, turn });
        let all = appointments.iter().map(|(key, appointment)| (key.as_str(), appointment));
        let told = match shown(picked.as_ref(), all, client_connected, at(NOW)) {
            Shown::Appointment(key, _) => key.to_owned(),
            Shown::Picked(_) => "picked".to_owned(),
            Shown::Automatic(kind) => kind.name().to_owned(),
        };
        assert_eq!(told, expected, "picked {picked_turn:?}, appointments {appointments:?}, client {client_connected}");
    }

    #[test]
    fn the_newest_of_what_was_picked_and_what_is_in_force_shows() {
        check(None, &[], true, "Available");
        check(None, &[], false, "Offline");
        check(Some(1), &[], true, "picked");
        check(Some(1), &[], false, "picked");
        check(None, &[running(1)], false, "running1");
        check(Some(1), &[running(2)], true, "running2");
        check(Some(2), &[running(1)], true, "picked");
        check(None, &[running(1), running(2)], true, "running2");
        check(None, &[running(2), running(1)], true, "running2");
        check(Some(2), &[running(1), running(3)], true, "running3");
        check(None, &[over(1)], true, "Available");
        check(None, &[coming(1)], true, "Available");
        check(None, &[running(1), over(2), coming(3)], true, "running1");
        check(Some(1), &[over(2), coming(3)], true, "picked");
    }

    #[test]
    fn a_change_is_called_by_its_parts() {
        let entry = Entry {
            user_guid: Guid::new(),
            email: "ada@example.com".to_owned(),
            presence_state_guid: Kind::Available.guid(),
            presence_text: "Available".to_owned(),
            profile_guid: None,
            origin: None,
            telephone_state: 2,
            meeting: Meeting::None,
            client_connected: true,
        };
        let check = |change: fn(&mut Entry), expected: &[Part]| {
            let mut new = entry.clone();
            change(&mut new);
            assert_eq!(changes(&entry, &new), expected);
        };
        check(|_| {}, &[]);
        check(|entry| entry.email = "ada@example.org".to_owned(), &[]);
        check(|entry| entry.presence_state_guid = Kind::Busy.guid(), &[Part::Presence]);
        check(|entry| entry.profile_guid = Some(Kind::Busy.guid()), &[Part::Presence]);
        check(|entry| entry.origin = Some("Calendar".to_owned()), &[Part::Presence]);
        check(|entry| entry.presence_text = "Lunch".to_owned(), &[Part::Text]);
        check(|entry| entry.telephone_state = 4, &[Part::Telephone]);
        check(|entry| entry.meeting = Meeting::Video, &[Part::Meeting]);
        check(|entry| entry.client_connected = false, &[Part::Client]);
        check(
            |entry| {
                entry.telephone_state = 4;
                entry.presence_text = "Lunch".to_owned();
            },
            &[Part::Text, Part::Telephone],
        );
    }
}
