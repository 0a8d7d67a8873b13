//! Binary XML as a tree ([MC-NBFX]).
//!
//! The tree is what the bytes say, prefixes and declarations of namespaces included; [`Cursor`] walks it and knows what a prefix means.

mod cursor;
mod kind;
mod read;
mod value;
mod write;

#[cfg(test)]
mod tests;

use crate::Str;

pub use cursor::Cursor;
pub use value::Value;

pub(crate) use read::{Strings, document};
pub(crate) use write::{Numbers, write};

/// An element with everything in it.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// Empty: the default namespace.
    pub prefix: Str,
    /// Its name in its namespace.
    pub name: Str,
    /// In their order.
    pub attributes: Vec<Attribute>,
    /// In their order.
    pub children: Vec<Node>,
}

/// An attribute, or the declaration of a namespace.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// `prefix:name="value"`
    Plain {
        /// Empty: no namespace.
        prefix: Str,
        /// Its name.
        name: Str,
        /// What it says.
        value: Value,
    },
    /// `xmlns:prefix="uri"`
    Namespace {
        /// Empty: what elements without a prefix are in.
        prefix: Str,
        /// The namespace.
        uri: Str,
    },
}

/// Something in an element.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    /// An element.
    Element(Element),
    /// A text, or another value.
    Value(Value),
    /// A comment.
    Comment(Str),
}

impl Element {
    /// An element without anything in it.
    #[must_use]
    pub fn new(prefix: impl Into<Str>, name: impl Into<Str>) -> Self {
        Self { prefix: prefix.into(), name: name.into(), attributes: Vec::new(), children: Vec::new() }
    }

    /// Adds the declaration of a namespace.
    #[must_use]
    pub fn declare(mut self, prefix: impl Into<Str>, uri: impl Into<Str>) -> Self {
        self.attributes.push(Attribute::Namespace { prefix: prefix.into(), uri: uri.into() });
        self
    }

    /// Adds an attribute.
    #[must_use]
    pub fn attribute(mut self, prefix: impl Into<Str>, name: impl Into<Str>, value: Value) -> Self {
        self.attributes.push(Attribute::Plain { prefix: prefix.into(), name: name.into(), value });
        self
    }

    /// Adds an element at the end.
    #[must_use]
    pub fn child(mut self, child: Self) -> Self {
        self.children.push(Node::Element(child));
        self
    }

    /// Adds a value at the end.
    #[must_use]
    pub fn value(mut self, value: Value) -> Self {
        self.children.push(Node::Value(value));
        self
    }

    /// Adds a text at the end.
    #[must_use]
    pub fn text(self, text: impl Into<Str>) -> Self {
        self.value(Value::Text(text.into()))
    }
}
