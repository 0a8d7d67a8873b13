//! Walks a tree and knows what prefixes mean where it stands.

use std::borrow::Cow;

use super::{Attribute, Element, Node, Value};

const SCHEMA_INSTANCE: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// An element, and those it lies in.
#[derive(Clone, Copy, Debug)]
pub struct Cursor<'a> {
    element: &'a Element,
    parent: Option<&'a Cursor<'a>>,
}

impl<'a> Cursor<'a> {
    /// Stands on the outermost element.
    #[must_use]
    pub fn root(element: &'a Element) -> Self {
        Self { element, parent: None }
    }

    /// What a prefix means here.
    #[must_use]
    pub fn namespace_of(&self, prefix: &str) -> Option<&'a str> {
        let mut here = Some(self);
        while let Some(cursor) = here {
            for attribute in &cursor.element.attributes {
                if let Attribute::Namespace { prefix: declared, uri } = attribute
                    && **declared == *prefix
                {
                    return Some(uri);
                }
            }
            here = cursor.parent;
        }
        None
    }

    /// The element's name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        &self.element.name
    }

    /// The namespace that the element's name is in; empty: in none.
    #[must_use]
    pub fn namespace(&self) -> &'a str {
        self.namespace_of(&self.element.prefix).unwrap_or_default()
    }

    /// Whether the element has this name in this namespace.
    #[must_use]
    pub fn is(&self, namespace: &str, name: &str) -> bool {
        *self.element.name == *name && self.namespace() == namespace
    }

    /// The elements in this one.
    pub fn children(&'a self) -> impl Iterator<Item = Cursor<'a>> {
        let elements = self.element.children.iter().filter_map(|node| match node {
            Node::Element(element) => Some(element),
            Node::Value(_) | Node::Comment(_) => None,
        });
        elements.map(move |element| Cursor { element, parent: Some(self) })
    }

    /// The first element in this one that has this name in this namespace.
    #[must_use]
    pub fn child(&'a self, namespace: &str, name: &str) -> Option<Cursor<'a>> {
        self.children().find(|child| child.is(namespace, name))
    }

    /// The value of an attribute.
    #[must_use]
    pub fn attribute(&self, namespace: &str, name: &str) -> Option<&'a Value> {
        self.element.attributes.iter().find_map(|attribute| match attribute {
            Attribute::Plain { prefix, name: found, value } if **found == *name => {
                let of = if prefix.is_empty() { "" } else { self.namespace_of(prefix).unwrap_or_default() };
                (of == namespace).then_some(value)
            }
            _ => None,
        })
    }

    /// Whether the element says that it is not there.
    #[must_use]
    pub fn is_nil(&self) -> bool {
        let nil = self.attribute(SCHEMA_INSTANCE, "nil").and_then(Value::as_text);
        nil.is_some_and(|nil| nil == "true" || nil == "1")
    }

    /// What stands in the element, as characters; `None`: elements do, or something that has no characters.
    #[must_use]
    pub fn text(&self) -> Option<Cow<'a, str>> {
        let mut text = Cow::Borrowed("");
        for node in &self.element.children {
            match node {
                Node::Value(value) => {
                    let more = value.as_text()?;
                    if text.is_empty() {
                        text = more;
                    } else {
                        text.to_mut().push_str(&more);
                    }
                }
                Node::Comment(_) => {}
                Node::Element(_) => return None,
            }
        }
        Some(text)
    }
}
