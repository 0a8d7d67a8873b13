//! Guids as the contract writes them: lower case, with hyphens, and in no other way.

use std::fmt;

use serde::de::Error as _;
use serde::{Deserialize, Deserializer, Serialize};
use uuid::Uuid;

/// Identifies a person, a place, a profile, a status or a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct Guid(Uuid);

impl Guid {
    pub const fn fixed(guid: Uuid) -> Self {
        Self(guid)
    }

    pub fn new() -> Self {
        Self(Uuid::new_v4())
    }

    /// Reads a guid; anything but the hyphenated lower-case form is none.
    pub fn parse(text: &str) -> Option<Self> {
        let guid = Uuid::try_parse(text).ok()?;
        (guid.hyphenated().to_string() == text).then_some(Self(guid))
    }
}

impl fmt::Display for Guid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.hyphenated().fmt(f)
    }
}

impl<'de> Deserialize<'de> for Guid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| D::Error::custom("a guid is written in lower case, with hyphens"))
    }
}
