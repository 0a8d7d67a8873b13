//! Writes binary XML, each part by the shortest record that says it.

use super::kind;
use super::{Attribute, Element, Node, Value};
use crate::Str;
use crate::bytes::{put_int31, put_text};

/// Gives numbers to strings.
pub(crate) trait Numbers {
    /// The number of a name or a namespace, which may be given one now.
    fn of_name(&mut self, name: &str) -> Option<u32>;
    /// The number of a text, if it has one.
    fn of_text(&self, text: &str) -> Option<u32>;
}

/// Appends an element.
pub(crate) fn write(element: &Element, numbers: &mut dyn Numbers, out: &mut Vec<u8>) {
    let mut writer = Writer { numbers, out };
    writer.element(element);
}

struct Writer<'a> {
    numbers: &'a mut dyn Numbers,
    out: &'a mut Vec<u8>,
}

/// The records of something that has a prefix and a name.
struct Kinds {
    short: u8,
    prefixed: u8,
    short_dictionary: u8,
    dictionary: u8,
    dictionary_a: u8,
    a: u8,
}

const ELEMENTS: Kinds = Kinds {
    short: kind::ELEMENT_SHORT,
    prefixed: kind::ELEMENT,
    short_dictionary: kind::ELEMENT_SHORT_DICTIONARY,
    dictionary: kind::ELEMENT_DICTIONARY,
    dictionary_a: kind::ELEMENT_DICTIONARY_A,
    a: kind::ELEMENT_A,
};

const ATTRIBUTES: Kinds = Kinds {
    short: kind::ATTRIBUTE_SHORT,
    prefixed: kind::ATTRIBUTE,
    short_dictionary: kind::ATTRIBUTE_SHORT_DICTIONARY,
    dictionary: kind::ATTRIBUTE_DICTIONARY,
    dictionary_a: kind::ATTRIBUTE_DICTIONARY_A,
    a: kind::ATTRIBUTE_A,
};

impl Writer<'_> {
    /// As deep as the tree is, which is built by us.
    fn element(&mut self, element: &Element) {
        self.name(&ELEMENTS, &element.prefix, &element.name);
        for attribute in &element.attributes {
            self.attribute(attribute);
        }
        let Some((last, before)) = element.children.split_last() else {
            self.out.push(kind::END_ELEMENT);
            return;
        };
        for child in before {
            self.node(child);
        }
        match last {
            // A value at the end takes the end along.
            Node::Value(value) => self.value(value, 1),
            other => {
                self.node(other);
                self.out.push(kind::END_ELEMENT);
            }
        }
    }

    fn node(&mut self, node: &Node) {
        match node {
            Node::Element(element) => self.element(element),
            Node::Value(value) => self.value(value, 0),
            Node::Comment(comment) => {
                self.out.push(kind::COMMENT);
                put_text(self.out, comment);
            }
        }
    }

    fn name(&mut self, kinds: &Kinds, prefix: &Str, name: &Str) {
        match (prefix.is_empty(), kind::letter(prefix), self.numbers.of_name(name)) {
            (true, _, Some(number)) => self.numbered(kinds.short_dictionary, number),
            (true, _, None) => self.named(kinds.short, name),
            (false, Some(letter), Some(number)) => self.numbered(kinds.dictionary_a + letter, number),
            (false, Some(letter), None) => self.named(kinds.a + letter, name),
            (false, None, Some(number)) => {
                self.named(kinds.dictionary, prefix);
                put_int31(self.out, number);
            }
            (false, None, None) => {
                self.named(kinds.prefixed, prefix);
                put_text(self.out, name);
            }
        }
    }

    fn numbered(&mut self, record: u8, number: u32) {
        self.out.push(record);
        put_int31(self.out, number);
    }

    fn named(&mut self, record: u8, name: &str) {
        self.out.push(record);
        put_text(self.out, name);
    }

    fn attribute(&mut self, attribute: &Attribute) {
        match attribute {
            Attribute::Plain { prefix, name, value } => {
                self.name(&ATTRIBUTES, prefix, name);
                self.value(value, 0);
            }
            Attribute::Namespace { prefix, uri } => match (prefix.is_empty(), self.numbers.of_name(uri)) {
                (true, Some(number)) => self.numbered(kind::XMLNS_SHORT_DICTIONARY, number),
                (true, None) => self.named(kind::XMLNS_SHORT, uri),
                (false, Some(number)) => {
                    self.named(kind::XMLNS_DICTIONARY, prefix);
                    put_int31(self.out, number);
                }
                (false, None) => {
                    self.named(kind::XMLNS, prefix);
                    put_text(self.out, uri);
                }
            },
        }
    }

    /// `end`: 1 if the element ends with it, else 0.
    fn value(&mut self, value: &Value, end: u8) {
        match value {
            Value::Text(text) => self.text(text, end),
            Value::Int(number) => self.int(*number, end),
            Value::Bool(value) => self.out.push(if *value { kind::TRUE } else { kind::FALSE } + end),
            Value::Uint(number) => self.fixed(kind::UINT64 + end, &number.to_le_bytes()),
            Value::Float(number) => self.fixed(kind::FLOAT + end, &number.to_le_bytes()),
            Value::Double(number) => self.fixed(kind::DOUBLE + end, &number.to_le_bytes()),
            Value::Decimal(bytes) => self.fixed(kind::DECIMAL + end, bytes),
            Value::DateTime(ticks) => self.fixed(kind::DATE_TIME + end, &ticks.to_le_bytes()),
            Value::TimeSpan(ticks) => self.fixed(kind::TIME_SPAN + end, &ticks.to_le_bytes()),
            Value::Uuid(bytes) => self.fixed(kind::UUID + end, bytes),
            Value::UniqueId(bytes) => self.fixed(kind::UNIQUE_ID + end, bytes),
            Value::Bytes(bytes) => self.sized(kind::BYTES8, bytes, end),
            Value::Name { letter, name } => match self.numbers.of_name(name) {
                Some(number) => {
                    self.fixed(kind::QNAME + end, &[*letter]);
                    put_int31(self.out, number);
                }
                // The same in characters.
                None => self.text(&value.as_text().unwrap_or_default(), end),
            },
            Value::List(values) => {
                self.out.push(kind::LIST_START);
                for value in values {
                    self.value(value, 0);
                }
                self.out.push(kind::LIST_END + end);
            }
        }
    }

    fn text(&mut self, text: &str, end: u8) {
        if text.is_empty() {
            self.out.push(kind::EMPTY + end);
        } else if let Some(number) = self.numbers.of_text(text) {
            self.numbered(kind::DICTIONARY + end, number);
        } else {
            self.sized(kind::CHARS8, text.as_bytes(), end);
        }
    }

    fn int(&mut self, number: i64, end: u8) {
        if let Ok(number) = i8::try_from(number) {
            match number {
                0 => self.out.push(kind::ZERO + end),
                1 => self.out.push(kind::ONE + end),
                _ => self.fixed(kind::INT8 + end, &number.to_le_bytes()),
            }
        } else if let Ok(number) = i16::try_from(number) {
            self.fixed(kind::INT16 + end, &number.to_le_bytes());
        } else if let Ok(number) = i32::try_from(number) {
            self.fixed(kind::INT32 + end, &number.to_le_bytes());
        } else {
            self.fixed(kind::INT64 + end, &number.to_le_bytes());
        }
    }

    fn fixed(&mut self, record: u8, bytes: &[u8]) {
        self.out.push(record);
        self.out.extend_from_slice(bytes);
    }

    /// With a length of one, two or four bytes before it; the kinds lie two apart.
    fn sized(&mut self, kind: u8, bytes: &[u8], end: u8) {
        if let Ok(length) = u8::try_from(bytes.len()) {
            self.fixed(kind + end, &[length]);
        } else if let Ok(length) = u16::try_from(bytes.len()) {
            self.fixed(kind + 2 + end, &length.to_le_bytes());
        } else {
            let length = i32::try_from(bytes.len()).unwrap_or(i32::MAX);
            self.fixed(kind + 4 + end, &length.to_le_bytes());
        }
        self.out.extend_from_slice(bytes);
    }
}
