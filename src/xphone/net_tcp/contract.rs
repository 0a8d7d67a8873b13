//! The Integration API's words: what questions say, and what answers and events mean.
//!
//! Answers are read by the names of their parts, whatever namespace those are in; questions are written in the namespace in which the
//! server itself was seen to write.

use std::borrow::Cow;

use nettcp::soap::Message;
use nettcp::xml::{Cursor, Element};
use uuid::Uuid;

use super::failure::CallError;
use crate::domain::ids::PresenceStateGuid;

pub(super) const SERVICE: &str = "http://C4B.XPhone.IntegrationServicesContract";
const DATA: &str = "http://schemas.datacontract.org/2004/07/C4B.Atlas.Integration";
const BASE_CONTRACT: &str = "IIntegrationClientBaseContract";
pub(super) const VERSION: &str = "IIntegrationClientContract.GetServerContractVersion";

/// WCF's rule.
pub(super) fn action(contract: &str, operation: &str) -> String {
    format!("{SERVICE}/{contract}/{operation}")
}

/// The one operation of another contract, which all endpoints have.
pub(super) fn version_action() -> String {
    action(BASE_CONTRACT, VERSION)
}

/// A question's body, with its parameters in their order.
pub(super) fn body(operation: &'static str, parameters: impl IntoIterator<Item = Element>) -> Element {
    let body = Element::new(nettcp::Str::EMPTY, nettcp::Str::from_static(operation)).declare("", SERVICE);
    parameters.into_iter().fold(body, Element::child)
}

pub(super) fn text(name: &'static str, value: &str) -> Element {
    Element::new(nettcp::Str::EMPTY, nettcp::Str::from_static(name)).text(value)
}

/// One user's presence as the server keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MapEntry {
    pub email: String,
    /// Nil: it is none, or cannot be read.
    pub state: PresenceStateGuid,
    pub text: Option<String>,
    pub origin: Option<String>,
    pub telephone: u32,
}

impl Default for MapEntry {
    fn default() -> Self {
        Self { email: String::new(), state: PresenceStateGuid(Uuid::nil()), text: None, origin: None, telephone: 0 }
    }
}

/// A presence to be set.
pub(super) fn presence_data(entry: &MapEntry, namespace: Option<&str>) -> Element {
    let member = |name: &'static str, value: &str| Element::new("b", nettcp::Str::from_static(name)).text(value);
    // Data contracts are read in the order of the alphabet.
    Element::new(nettcp::Str::EMPTY, "PresenceData")
        .declare("b", namespace.unwrap_or(DATA))
        .child(member("Origin", entry.origin.as_deref().unwrap_or_default()))
        .child(member("PresenceStateGuid", &entry.state.to_string()))
        .child(member("PresenceStateTeamStatusText", entry.text.as_deref().unwrap_or_default()))
        .child(member("UserEmail", &entry.email))
}

/// Looks at the result of an answer.
pub(super) fn result<T>(answer: &Message, operation: &str, look: impl FnOnce(&Cursor<'_>) -> Option<T>) -> Result<T, CallError> {
    answer
        .with_body(|body| {
            let response = body?;
            let name = response.name().strip_suffix("Response").filter(|name| *name == operation)?;
            let result = response.children().find(|child| child.name().strip_suffix("Result") == Some(name))?;
            look(&result)
        })
        .ok_or(CallError::Strange("an answer of another shape"))
}

/// A part of an answer beside its result, and the namespace of what is in it.
pub(super) fn found(answer: &Message, name: &str) -> Option<(MapEntry, Option<String>)> {
    answer.with_body(|body| {
        let response = body?;
        let part = response.children().find(|child| child.name() == name && !child.is_nil())?;
        let namespace = part.children().next().map(|member| member.namespace().to_owned());
        Some((entry(&part), namespace))
    })
}

/// Everybody's entries. What has no address cannot be spoken of and is left out.
pub(super) fn entries(answer: &Message, operation: &str) -> Result<Vec<MapEntry>, CallError> {
    result(answer, operation, |list| {
        Some(list.children().map(|item| entry(&item)).filter(|entry| !entry.email.is_empty()).collect())
    })
}

fn entry(item: &Cursor<'_>) -> MapEntry {
    let mut entry = MapEntry::default();
    for member in item.children() {
        let value = content(&member);
        match member.name() {
            "UserEmail" => value.unwrap_or_default().trim().clone_into(&mut entry.email),
            "PresenceStateGuid" => entry.state = state(value.as_deref()),
            "PresenceStateTeamStatusText" => entry.text = value.map(Cow::into_owned),
            "Origin" => entry.origin = value.map(Cow::into_owned),
            "TelephoneState" => entry.telephone = telephone(value.as_deref().unwrap_or_default()),
            _ => {}
        }
    }
    entry
}

/// What stands in a part; `None`: nothing.
fn content<'a>(part: &Cursor<'a>) -> Option<Cow<'a, str>> {
    part.text().filter(|text| !text.is_empty())
}

fn state(text: Option<&str>) -> PresenceStateGuid {
    PresenceStateGuid(text.and_then(|text| Uuid::parse_str(text.trim()).ok()).unwrap_or_default())
}

/// Flags by name, separated by blanks, or the number that they make together. Unknown ones are left out.
pub(super) fn telephone(text: &str) -> u32 {
    const FLAGS: [(&str, u32); 9] = [
        ("NoLine", 1),
        ("Free", 2),
        ("Busy", 4),
        ("BusyExternal", 8),
        ("Ringing", 16),
        ("RingingMultiple", 32),
        ("RingingExternal", 64),
        ("Forward", 256),
        ("DoNotDisturb", 1024),
    ];
    let flag = |word: &str| {
        let named = FLAGS.iter().find(|(name, _)| name.eq_ignore_ascii_case(word)).map(|(_, bit)| *bit);
        named.or_else(|| word.parse().ok()).unwrap_or_default()
    };
    text.split([' ', ',']).map(flag).fold(0, |bits, bit| bits | bit)
}

/// Which part of a presence changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    State,
    Text,
    Telephone,
    /// Nothing that concerns us.
    TeamDesk,
    Unknown,
}

/// One change that an event tells of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Change {
    pub email: String,
    pub part: Part,
    pub content: Option<String>,
    /// Who made the change.
    pub origin: Option<String>,
}

impl Change {
    pub(super) fn state(&self) -> PresenceStateGuid {
        state(self.content.as_deref())
    }
}

/// What an event tells; nothing if it is another than those we asked for.
pub(super) fn changes(event: &Message) -> Vec<Change> {
    event.with_body(|body| {
        let Some(body) = body.filter(|body| matches!(body.name(), "UserInfoChanged" | "PresenceChanged")) else {
            return Vec::new();
        };
        let Some(list) = body.children().find(|child| child.name() == "a_args") else { return Vec::new() };
        list.children().map(|item| change(&item)).filter(|change| !change.email.is_empty()).collect()
    })
}

fn change(item: &Cursor<'_>) -> Change {
    let mut change = Change { email: String::new(), part: Part::Unknown, content: None, origin: None };
    for member in item.children() {
        let value = content(&member);
        match member.name() {
            "UserEmail" => value.unwrap_or_default().trim().clone_into(&mut change.email),
            "Origin" => change.origin = value.map(Cow::into_owned),
            "ContentNew" => change.content = value.map(Cow::into_owned),
            "ChangedInfo" | "Type" => change.part = part(&value.unwrap_or_default()),
            _ => {}
        }
    }
    change
}

/// By number, or by a name of which only some are known.
fn part(text: &str) -> Part {
    let text = text.to_ascii_lowercase();
    match text.as_str() {
        "0" => Part::State,
        "1" => Part::Text,
        "2" => Part::Telephone,
        "3" => Part::TeamDesk,
        name if name.contains("text") => Part::Text,
        name if name.contains("tele") => Part::Telephone,
        name if name.contains("desk") => Part::TeamDesk,
        name if name.contains("state") || name.contains("status") => Part::State,
        _ => Part::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telephones_are_read_by_name_or_number() {
        let check = |text, bits| assert_eq!(telephone(text), bits, "{text}");
        check("Free", 2);
        check("Busy BusyExternal", 12);
        check("Free, Ringing", 18);
        check("12", 12);
        check("", 0);
        check("Unknown", 0);
        check("Busy SomethingNew", 4);
    }

    #[test]
    fn parts_are_read_by_name_or_number() {
        let check = |text, expected| assert_eq!(part(text), expected, "{text}");
        check("PresenceState", Part::State);
        check("PresenceText", Part::Text);
        check("TelephoneState", Part::Telephone);
        check("TeamDesk", Part::TeamDesk);
        check("TeamDeskAgentState", Part::TeamDesk);
        check("0", Part::State);
        check("2", Part::Telephone);
        check("", Part::Unknown);
    }
}
