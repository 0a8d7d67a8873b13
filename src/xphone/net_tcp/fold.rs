//! Everybody's presence as it stands after what was told: events name single parts, whoever listens wants whole entries.

use std::collections::HashMap;

use super::contract::{Change, MapEntry, Part, telephone};
use super::people::guid;
use crate::domain::ids::UserGuid;
use crate::domain::mapping::Meeting;
use crate::xphone::values::{Changed, Entry};

/// Everybody's presence.
#[derive(Debug, Default)]
pub(super) struct Fold {
    held: HashMap<UserGuid, Held>,
}

#[derive(Debug)]
struct Held {
    entry: MapEntry,
    /// The last event about it.
    told_at: u64,
}

/// What came of a change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Folded {
    /// Somebody we were not told of, or nothing that concerns us.
    Nothing,
    /// What shows now.
    Entry(Box<Entry>, Changed),
    /// What shows now must be asked for.
    Ask(String),
}

impl Fold {
    /// Takes what the server told of everybody when asked after the event `sequence`; whoever an event was told of since is newer.
    pub(super) fn read(&mut self, sequence: u64, entries: &[MapEntry], guids: &[UserGuid]) {
        let mut held = HashMap::with_capacity(entries.len());
        for (entry, user) in entries.iter().zip(guids) {
            let newer = self.held.remove(user).filter(|held| held.told_at > sequence);
            held.insert(*user, newer.unwrap_or_else(|| Held { entry: entry.clone(), told_at: sequence }));
        }
        self.held = held;
    }

    /// Takes one change, told by the event `sequence`. `ours` is the origin by which we set presences ourselves.
    pub(super) fn change(&mut self, change: &Change, sequence: u64, ours: &str) -> Folded {
        let user = guid(&change.email, 1);
        // Of several with this address nobody knows whom it is about.
        if self.held.contains_key(&guid(&change.email, 2)) {
            return Folded::Nothing;
        }
        let Some(held) = self.held.get_mut(&user) else { return Folded::Nothing };
        let changed = match change.part {
            Part::TeamDesk => return Folded::Nothing,
            Part::Unknown => return Folded::Ask(held.entry.email.clone()),
            // Who removes a presence is named like who sets one: only the server knows whose shows now.
            Part::State if change.origin.as_deref() == Some(ours) => return Folded::Ask(held.entry.email.clone()),
            Part::State => {
                held.entry.state = change.state();
                held.entry.origin.clone_from(&change.origin);
                Changed::Presence
            }
            Part::Text => {
                held.entry.text.clone_from(&change.content);
                Changed::Text
            }
            Part::Telephone => {
                held.entry.telephone = telephone(change.content.as_deref().unwrap_or_default());
                Changed::Telephone
            }
        };
        held.told_at = sequence;
        Folded::Entry(Box::new(entry(user, &held.entry)), changed)
    }

    /// Takes what the server told of one user when asked.
    pub(super) fn replace(&mut self, found: &MapEntry, sequence: u64) -> Option<Entry> {
        let user = guid(&found.email, 1);
        let held = self.held.get_mut(&user)?;
        *held = Held { entry: found.clone(), told_at: sequence };
        Some(entry(user, found))
    }
}

/// As the port tells it. This server tells neither of meetings nor of clients.
pub(super) fn entry(user: UserGuid, held: &MapEntry) -> Entry {
    Entry {
        user,
        email: Some(held.email.clone()),
        presence_state: held.state,
        presence_text: held.text.clone(),
        profile: None,
        origin: held.origin.clone(),
        telephone_state: held.telephone,
        meeting: Meeting::None,
        client_connected: false,
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::ids::PresenceStateGuid;
    use crate::xphone::net_tcp::people::People;

    fn map(email: &str, telephone: u32) -> MapEntry {
        let state = PresenceStateGuid(Uuid::from_u128(1));
        MapEntry { email: email.to_owned(), state, text: None, origin: None, telephone }
    }

    fn change(part: Part, content: &str, origin: Option<&str>) -> Change {
        let (email, content) = ("ANNA@example.org".to_owned(), Some(content.to_owned()));
        Change { email, part, content, origin: origin.map(str::to_owned) }
    }

    fn fold() -> Fold {
        let mut fold = Fold::default();
        let entries = [map("anna@example.org", 2)];
        fold.read(1, &entries, &People::default().learn(&entries));
        fold
    }

    fn told(folded: Folded) -> Entry {
        let Folded::Entry(entry, _) = folded else { panic!("{folded:?}") };
        *entry
    }

    #[test]
    fn parts_become_whole_entries() {
        let mut fold = fold();
        let entry = told(fold.change(&change(Part::Telephone, "Busy", Some("x")), 2, "us"));
        assert_eq!((entry.telephone_state, entry.origin), (4, None), "a call makes no presence");
        let state = Uuid::from_u128(7);
        let entry = told(fold.change(&change(Part::State, &state.to_string(), Some("calendar")), 3, "us"));
        assert_eq!((entry.telephone_state, entry.presence_state.0, entry.origin.as_deref()), (4, state, Some("calendar")));
        let entry = told(fold.change(&change(Part::Text, "Lunch", None), 4, "us"));
        assert_eq!((entry.presence_state.0, entry.presence_text.as_deref()), (state, Some("Lunch")));
    }

    #[test]
    fn what_cannot_be_known_is_asked() {
        let mut fold = fold();
        let ask = Folded::Ask("anna@example.org".to_owned());
        assert_eq!(fold.change(&change(Part::State, "", Some("us")), 2, "us"), ask);
        assert_eq!(fold.change(&change(Part::Unknown, "", None), 2, "us"), ask);
        assert_eq!(fold.change(&change(Part::TeamDesk, "", None), 2, "us"), Folded::Nothing);
        let stranger = Change { email: "eve@example.org".to_owned(), ..change(Part::Text, "", None) };
        assert_eq!(fold.change(&stranger, 2, "us"), Folded::Nothing);
        let found = MapEntry { origin: Some("us".to_owned()), ..map("anna@example.org", 2) };
        assert_eq!(fold.replace(&found, 2).unwrap().origin.as_deref(), Some("us"));
    }

    #[test]
    fn what_may_be_about_another_with_the_same_address_is_about_nobody() {
        let mut fold = fold();
        let entries = [map("anna@example.org", 2), map("Anna@example.org", 2)];
        fold.read(1, &entries, &People::default().learn(&entries));
        assert_eq!(fold.change(&change(Part::Telephone, "Busy", None), 2, "us"), Folded::Nothing);
        assert_eq!(fold.change(&change(Part::Unknown, "", None), 3, "us"), Folded::Nothing);
        fold.read(4, &entries[..1], &People::default().learn(&entries[..1]));
        assert_eq!(told(fold.change(&change(Part::Telephone, "Busy", None), 5, "us")).telephone_state, 4);
    }

    #[test]
    fn what_was_read_before_an_event_is_older() {
        let mut fold = fold();
        fold.change(&change(Part::Telephone, "Busy", None), 5, "us");
        let entries = [map("anna@example.org", 2)];
        let guids = People::default().learn(&entries);
        fold.read(4, &entries, &guids);
        let entry = told(fold.change(&change(Part::Text, "x", None), 6, "us"));
        assert_eq!(entry.telephone_state, 4);
        fold.read(6, &entries, &guids);
        let entry = told(fold.change(&change(Part::Text, "y", None), 7, "us"));
        assert_eq!(entry.telephone_state, 2);
    }
}
