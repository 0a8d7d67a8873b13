//! Which statuses people show, so that an operator can name those that the settings do not.

use std::collections::BTreeMap;

use super::values::{Entry, PresenceState};
use crate::domain::ids::PresenceStateGuid;
use crate::domain::mapping::StatusKind;

/// So many people must show the same text before it is told: fewer might be known by it.
const SHARED_BY_MIN: usize = 2;
const TEXTS_MAX: usize = 3;

/// A status that people show.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SeenStatus {
    /// Its name in the server's words.
    pub guid: PresenceStateGuid,
    /// Which of the fixed statuses it is; `None`: nobody said.
    pub kind: Option<StatusKind>,
    /// How many people show it.
    pub people: usize,
    /// What several of them have written beside it, the most frequent first.
    pub texts: Vec<String>,
}

/// The statuses of these entries, those of the most people first.
pub(super) fn statuses(entries: &[Entry], named: &[PresenceState]) -> Vec<SeenStatus> {
    let mut seen: BTreeMap<PresenceStateGuid, (usize, BTreeMap<&str, usize>)> = BTreeMap::new();
    for entry in entries {
        let (people, texts) = seen.entry(entry.presence_state).or_default();
        *people += 1;
        if let Some(text) = entry.presence_text.as_deref().filter(|text| !text.is_empty()) {
            *texts.entry(text).or_default() += 1;
        }
    }
    let told = seen.into_iter().map(|(guid, (people, texts))| {
        let mut texts: Vec<_> = texts.into_iter().filter(|(_, people)| *people >= SHARED_BY_MIN).collect();
        texts.sort_by_key(|(_, people)| std::cmp::Reverse(*people));
        let texts = texts.into_iter().take(TEXTS_MAX).map(|(text, _)| text.to_owned()).collect();
        let kind = named.iter().find(|state| state.guid == guid).and_then(|state| state.kind);
        SeenStatus { guid, kind, people, texts }
    });
    let mut told: Vec<_> = told.collect();
    told.sort_by_key(|status| std::cmp::Reverse(status.people));
    told
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::domain::ids::UserGuid;
    use crate::domain::mapping::Meeting;

    #[test]
    fn statuses_are_counted_and_texts_of_one_person_kept_back() {
        let state = |n| PresenceStateGuid(Uuid::from_u128(n));
        let entry = |n, text: &str| Entry {
            user: UserGuid(Uuid::nil()),
            email: None,
            presence_state: state(n),
            presence_text: Some(text.to_owned()),
            profile: None,
            origin: None,
            telephone_state: 0,
            meeting: Meeting::None,
            client_connected: false,
        };
        let entries = [entry(1, "Dentist"), entry(2, "In a meeting"), entry(2, "In a meeting"), entry(2, "Lunch"), entry(2, "")];
        let busy = PresenceState { guid: state(2), kind: Some(StatusKind::Busy), name: "Busy".to_owned() };
        let expected = [
            SeenStatus { guid: state(2), kind: Some(StatusKind::Busy), people: 4, texts: vec!["In a meeting".to_owned()] },
            SeenStatus { guid: state(1), kind: None, people: 1, texts: Vec::new() },
        ];
        assert_eq!(statuses(&entries, &[busy]), expected);
    }
}
