//! Lists of which one odd entry must not cost the others: what cannot be read is passed over and counted.

use std::fmt;
use std::marker::PhantomData;

use serde::de::{DeserializeOwned, Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

/// The entries of a JSON list that have the shape of a `T`.
///
/// Where there are several and none has it, the whole list is of another shape, and reading it fails.
#[derive(Debug)]
pub(super) struct Readable<T> {
    entries: Vec<T>,
    odd: usize,
}

impl<T> Readable<T> {
    /// What the entries mean; logs how many meant nothing, as an answer to `call`.
    pub(super) fn into_values<V: TryFrom<T>>(self, call: &'static str) -> Vec<V> {
        let all = self.entries.len() + self.odd;
        let values: Vec<V> = self.entries.into_iter().filter_map(|entry| entry.try_into().ok()).collect();
        let passed_over = all - values.len();
        if passed_over > 0 {
            tracing::warn!(
                call,
                entries = all,
                passed_over,
                "XPhone's answer has entries that cannot be read; they are passed over"
            );
        }
        values
    }
}

impl<'de, T: DeserializeOwned> Deserialize<'de> for Readable<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(OneByOne(PhantomData))
    }
}

struct OneByOne<T>(PhantomData<T>);

impl<'de, T: DeserializeOwned> Visitor<'de> for OneByOne<T> {
    type Value = Readable<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut readable = Readable { entries: Vec::new(), odd: 0 };
        while let Some(entry) = list.next_element::<Box<RawValue>>()? {
            match serde_json::from_str(entry.get()) {
                Ok(entry) => readable.entries.push(entry),
                Err(_) => readable.odd += 1,
            }
        }
        if readable.entries.is_empty() && readable.odd > 1 {
            return Err(A::Error::custom("none of the entries can be read"));
        }
        Ok(readable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_entries_are_passed_over_unless_all_are_odd() {
        let check = |text: &str, expected: Option<&[u8]>| {
            let read: Option<Vec<u8>> =
                serde_json::from_str::<Readable<i64>>(text).ok().map(|readable| readable.into_values("test"));
            assert_eq!(read.as_deref(), expected, "{text}");
        };
        check("[1, null, 2, \"3\", {\"a\": 4}, 5]", Some(&[1, 2, 5]));
        check("[1, 256, -1, 255]", Some(&[1, 255]));
        check("[]", Some(&[]));
        check("[null]", Some(&[]));
        check("[null, \"3\"]", None);
        check("[1, 2", None);
        check("{}", None);
        check("null", None);
    }
}
