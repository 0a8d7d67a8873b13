//! Persons under other names: the same id always gets the same one, and nobody without the key finds out whose it is.
//!
//! A person whom XPhone and Entra ID know by different ids has a name for each: which belong together changes with every link, and a
//! name that changes with it would make two persons of one.

use std::fmt::Write;

use aws_lc_rs::hmac::{self, HMAC_SHA256};
use serde_json::Value;

use super::{Change, What, Who};

/// Long enough that no two persons share one by chance.
const BYTES: usize = 12;
/// What may be changed that is no person and names none.
const IMPERSONAL_TARGETS: [&str; 4] = ["location", "configuration_group", "token", "task"];
/// Words under these names name nobody; any other text in a setting becomes a pseudonym, so that what is added later is hidden.
const IMPERSONAL_FIELDS: [&str; 9] =
    ["mode", "role", "kind", "location", "process", "alias", "ignored", "presence_status", "expires_at"];

/// Replaces persons.
pub struct Pseudonyms(hmac::Key);

impl Pseudonyms {
    pub fn new(key: &[u8]) -> Self {
        Self(hmac::Key::new(HMAC_SHA256, key))
    }

    /// A person by one of their ids: in a setting and as who did something it gets the same name.
    fn of(&self, name: &str) -> String {
        let mut pseudonym = "pseudonym-".to_owned();
        for byte in &hmac::sign(&self.0, name.to_lowercase().as_bytes()).as_ref()[..BYTES] {
            // Writing to a text does not fail.
            _ = write!(pseudonym, "{byte:02x}");
        }
        pseudonym
    }

    pub fn hide(&self, change: Change) -> Change {
        let hidden = |name: Option<String>| name.map(|name| self.of(&name));
        let Who { kind, name } = change.who;
        let name = if kind == "token" { name } else { hidden(name) };
        let What { kind: target_kind, id } = change.target;
        let id = if IMPERSONAL_TARGETS.contains(&target_kind.as_str()) { id } else { hidden(id) };
        Change {
            who: Who { kind, name },
            target: What { kind: target_kind, id },
            from: hidden(change.from),
            before: change.before.map(|value| self.hide_within("", value)),
            after: change.after.map(|value| self.hide_within("", value)),
            ..change
        }
    }

    fn hide_within(&self, field: &str, value: Value) -> Value {
        match value {
            Value::String(text) if !IMPERSONAL_FIELDS.contains(&field) => Value::String(self.of(&text)),
            Value::Array(items) => items.into_iter().map(|item| self.hide_within(field, item)).collect(),
            Value::Object(fields) => {
                let hide = |(name, value): (String, Value)| {
                    let value = self.hide_within(&name, value);
                    (name, value)
                };
                Value::Object(fields.into_iter().map(hide).collect())
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn persons_are_hidden_wherever_they_stand_and_nothing_else() {
        let pseudonyms = Pseudonyms::new(&[7; 32]);
        let anna = pseudonyms.of("anna");
        let change = |kind: &str, target: &str, after| Change {
            id: "1".to_owned(),
            at: jiff::Timestamp::UNIX_EPOCH,
            who: Who { kind: kind.to_owned(), name: Some("Anna".to_owned()) },
            from: None,
            what: "x".to_owned(),
            target: What { kind: target.to_owned(), id: Some("anna".to_owned()) },
            before: None,
            after: Some(after),
        };
        let hidden = pseudonyms.hide(change(
            "person",
            "user",
            json!({"mode": "none", "expires_at": "2026-11-02T09:00:00Z", "list": [{"user": "ANNA"}]}),
        ));
        assert_eq!(hidden.who.name.as_ref(), Some(&anna));
        assert_eq!(hidden.target.id.as_ref(), Some(&anna));
        assert_eq!(hidden.after, Some(json!({"mode": "none", "expires_at": "2026-11-02T09:00:00Z", "list": [{"user": anna}]})));
        let hidden = pseudonyms.hide(change("token", "location", json!("anna")));
        assert_eq!((hidden.who.name.as_deref(), hidden.target.id.as_deref()), (Some("Anna"), Some("anna")));
        assert_eq!(hidden.after, Some(json!(anna)));
        assert_ne!(Pseudonyms::new(&[8; 32]).of("anna"), anna);
    }
}
