//! Reads the record of microphone use, `ConsentStore`, out of the user's registry.

use windows_registry::{CURRENT_USER, Key, Result};

use crate::consent::{Entry, Holder};

const STORE: &str = r"Software\Microsoft\Windows\CurrentVersion\CapabilityAccessManager\ConsentStore\microphone";

/// Programs without a package are kept below a key of this name.
const NON_PACKAGED: &str = "NonPackaged";

/// The record; below it, all is about microphones.
pub fn store() -> Result<Key> {
    CURRENT_USER.open(STORE)
}

/// Entries that tell of use now; a record that is not there tells of none.
pub fn entries() -> Vec<Entry> {
    let Ok(store) = store() else { return Vec::new() };
    let mut found = below(&store, Holder::Package);
    if let Ok(programs) = store.open(NON_PACKAGED) {
        found.extend(below(&programs, Holder::Program));
    }
    found
}

fn below(store: &Key, holder: fn(String) -> Holder) -> Vec<Entry> {
    let Ok(names) = store.keys() else { return Vec::new() };
    let entry = |name: String| {
        let key = store.open(&name).ok()?;
        let time = |value: &str| key.get_u64(value).ok();
        Entry::in_use(holder(name), time("LastUsedTimeStart"), time("LastUsedTimeStop"))
    };
    names.filter_map(entry).collect()
}
