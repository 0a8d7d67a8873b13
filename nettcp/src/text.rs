//! Texts that are either part of the program or shared, so that a name read a thousand times is stored once.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// A text; clones cost nothing.
#[derive(Clone)]
pub struct Str(Inner);

#[derive(Clone)]
enum Inner {
    Static(&'static str),
    Shared(Arc<str>),
}

impl Str {
    /// No text.
    pub const EMPTY: Self = Self(Inner::Static(""));

    /// A text that is part of the program.
    #[must_use]
    pub const fn from_static(text: &'static str) -> Self {
        Self(Inner::Static(text))
    }
}

impl Deref for Str {
    type Target = str;

    fn deref(&self) -> &str {
        match &self.0 {
            Inner::Static(text) => text,
            Inner::Shared(text) => text,
        }
    }
}

impl From<&str> for Str {
    fn from(text: &str) -> Self {
        Self(Inner::Shared(text.into()))
    }
}

impl From<String> for Str {
    fn from(text: String) -> Self {
        Self(Inner::Shared(text.into()))
    }
}

impl PartialEq for Str {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Str {}

impl Hash for Str {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

impl fmt::Display for Str {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self)
    }
}
