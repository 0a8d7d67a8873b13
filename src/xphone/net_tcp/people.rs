//! Who is meant by which guid: this server knows people by their addresses only, so theirs are made of those.

use std::collections::HashMap;

use aws_lc_rs::digest::{SHA1_FOR_LEGACY_USE_ONLY, digest};
use uuid::{Builder, Uuid};

use super::contract::MapEntry;
use crate::domain::ids::UserGuid;

/// Makes guids of addresses ours.
const NAMESPACE: Uuid = Uuid::from_u128(0x6d1c_2f0e_93b7_4c52_8a41_f2c7_5e0b_d9a3);

/// The people of a server, as it last told all of them.
#[derive(Debug, Default)]
pub(super) struct People {
    emails: HashMap<UserGuid, String>,
}

impl People {
    /// Learns everybody anew; returns each entry's guid.
    pub(super) fn learn(&mut self, entries: &[MapEntry]) -> Vec<UserGuid> {
        let mut met: HashMap<String, u32> = HashMap::with_capacity(entries.len());
        let guids: Vec<UserGuid> = entries
            .iter()
            .map(|entry| {
                let before = met.entry(entry.email.to_lowercase()).or_default();
                *before += 1;
                guid(&entry.email, *before)
            })
            .collect();
        self.emails = guids.iter().copied().zip(entries.iter().map(|entry| entry.email.clone())).collect();
        guids
    }

    /// The address to speak of somebody by.
    pub(super) fn email(&self, user: UserGuid) -> Option<String> {
        self.emails.get(&user).cloned()
    }

    /// Nobody has been learned of.
    pub(super) fn is_empty(&self) -> bool {
        self.emails.is_empty()
    }
}

/// Of several who share an address, `nth` counts from 1; the server takes no word about any of them.
pub(super) fn guid(email: &str, nth: u32) -> UserGuid {
    let mut name = [NAMESPACE.as_bytes(), email.to_lowercase().as_bytes()].concat();
    if nth > 1 {
        name.extend(nth.to_be_bytes());
    }
    // Nothing is kept secret by it: it only has to be the same tomorrow.
    let hash = digest(&SHA1_FOR_LEGACY_USE_ONLY, &name);
    let bytes = hash.as_ref().first_chunk().copied().unwrap_or_default();
    UserGuid(Builder::from_sha1_bytes(bytes).into_uuid())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(email: &str) -> MapEntry {
        MapEntry { email: email.to_owned(), ..MapEntry::default() }
    }

    #[test]
    fn an_address_is_one_person_whatever_its_case() {
        let mut people = People::default();
        let guids = people.learn(&[entry("Anna@example.org"), entry("ben@example.org"), entry("anna@EXAMPLE.org")]);
        assert_eq!(guids[0], guid("anna@example.org", 1));
        assert_eq!(guids[2], guid("anna@example.org", 2), "a second one is somebody else");
        assert_ne!(guids[0], guids[2]);
        assert_eq!(people.email(guids[0]).as_deref(), Some("Anna@example.org"));
        assert_eq!(people.email(guid("nobody@example.org", 1)), None);
    }

    #[test]
    fn guids_stay_as_they_are() {
        // People are stored by them.
        assert_eq!(guid("Anna@example.org", 1).to_string(), "c8549482-5180-50b4-b0f1-19e069b0c21e");
    }
}
