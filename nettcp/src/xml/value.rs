//! What a text or an attribute says, as the bytes have it: not all values are written as characters.

use std::borrow::Cow;
use std::fmt::Write;

use crate::Str;

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// Characters.
    Text(Str),
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number that is not negative.
    Uint(u64),
    /// A number.
    Float(f32),
    /// A number.
    Double(f64),
    /// A decimal number as .NET stores it.
    Decimal([u8; 16]),
    /// Ticks of 100 ns since the year 1, and in the upper two bits of which zone.
    DateTime(u64),
    /// Ticks of 100 ns.
    TimeSpan(i64),
    /// A GUID, its first three parts with the lowest byte first.
    Uuid([u8; 16]),
    /// The same, as `urn:uuid:...`.
    UniqueId([u8; 16]),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A name with a prefix of one letter.
    Name {
        /// The letter's place in the alphabet, from 0.
        letter: u8,
        /// The name.
        name: Str,
    },
    /// Several values, separated by blanks.
    List(Vec<Value>),
}

impl Value {
    /// The value as characters; `None` for those kinds that nobody here reads as such.
    #[must_use]
    pub fn as_text(&self) -> Option<Cow<'_, str>> {
        Some(match self {
            Self::Text(text) => Cow::Borrowed(text),
            Self::Bool(true) => Cow::Borrowed("true"),
            Self::Bool(false) => Cow::Borrowed("false"),
            Self::Int(number) => Cow::Owned(number.to_string()),
            Self::Uint(number) => Cow::Owned(number.to_string()),
            Self::Float(number) => Cow::Owned(number.to_string()),
            Self::Double(number) => Cow::Owned(number.to_string()),
            Self::Uuid(bytes) => Cow::Owned(hyphenated(bytes)),
            Self::UniqueId(bytes) => Cow::Owned(format!("urn:uuid:{}", hyphenated(bytes))),
            Self::Name { letter, name } => Cow::Owned(format!("{}:{name}", char::from(b'a' + letter % 26))),
            Self::List(values) => {
                let texts: Option<Vec<_>> = values.iter().map(Self::as_text).collect();
                Cow::Owned(texts?.join(" "))
            }
            Self::Decimal(_) | Self::DateTime(_) | Self::TimeSpan(_) | Self::Bytes(_) => return None,
        })
    }
}

/// A GUID as people write it.
fn hyphenated(bytes: &[u8; 16]) -> String {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut out = String::with_capacity(36);
    for (place, from) in ORDER.into_iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            out.push('-');
        }
        // Writing to a string cannot fail.
        _ = write!(out, "{:02x}", bytes.get(from).copied().unwrap_or_default());
    }
    out
}
