//! Reads binary XML: a loop over records, elements that are open on a stack of bounded height.

use super::kind::{self, LETTERS};
use super::{Attribute, Element, Node, Value};
use crate::bytes::{Reader, utf8};
use crate::{Limits, Malformed, Str};

/// Knows the strings that records name by number.
pub(crate) trait Strings {
    fn string(&self, number: u32) -> Option<Str>;
}

/// Reads one element that takes up all the bytes.
pub(crate) fn document(bytes: &[u8], strings: &dyn Strings, limits: &Limits) -> Result<Element, Malformed> {
    let mut parser = Parser { reader: Reader::new(bytes), strings, limits, nodes: 0, open: Vec::new() };
    let root = parser.root()?;
    if parser.reader.left() > 0 { Err(Malformed::Long) } else { Ok(root) }
}

struct Parser<'a> {
    reader: Reader<'a>,
    strings: &'a dyn Strings,
    limits: &'a Limits,
    nodes: usize,
    /// From the outermost in.
    open: Vec<Element>,
}

impl Parser<'_> {
    fn root(&mut self) -> Result<Element, Malformed> {
        loop {
            let record = self.reader.byte()?;
            let closed = match record {
                kind::END_ELEMENT => self.close(record)?,
                kind::COMMENT => {
                    let comment = Node::Comment(self.reader.text()?.into());
                    self.add(record, comment)?;
                    None
                }
                kind::ARRAY => {
                    self.array()?;
                    None
                }
                kind::ELEMENT_SHORT..=kind::ELEMENT_Z => {
                    if self.open.len() >= self.limits.depth_max {
                        return Err(Malformed::Beyond("levels of elements"));
                    }
                    let element = self.element(record)?;
                    self.open.push(element);
                    None
                }
                kind::TEXT_FIRST..=kind::TEXT_LAST => {
                    let (value, ends) = self.value(record)?;
                    self.add(record, Node::Value(value))?;
                    if ends { self.close(record)? } else { None }
                }
                other => return Err(Malformed::Record(other)),
            };
            if let Some(root) = closed {
                return Ok(root);
            }
        }
    }

    fn count(&mut self, nodes: usize) -> Result<(), Malformed> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > self.limits.nodes_max { Err(Malformed::Beyond("parts of a message")) } else { Ok(()) }
    }

    fn add(&mut self, record: u8, node: Node) -> Result<(), Malformed> {
        self.count(1)?;
        let parent = self.open.last_mut().ok_or(Malformed::Record(record))?;
        parent.children.push(node);
        Ok(())
    }

    /// Closes the innermost element; returns it if it was the outermost too.
    fn close(&mut self, record: u8) -> Result<Option<Element>, Malformed> {
        let closed = self.open.pop().ok_or(Malformed::Record(record))?;
        let Some(parent) = self.open.last_mut() else { return Ok(Some(closed)) };
        parent.children.push(Node::Element(closed));
        Ok(None)
    }

    fn string(&mut self) -> Result<Str, Malformed> {
        let number = self.reader.int31()?;
        self.strings.string(number).ok_or(Malformed::UnknownString(number))
    }

    fn inline(&mut self) -> Result<Str, Malformed> {
        Ok(self.reader.text()?.into())
    }

    fn element(&mut self, record: u8) -> Result<Element, Malformed> {
        self.count(1)?;
        let (prefix, name) = match record {
            kind::ELEMENT_SHORT => (Str::EMPTY, self.inline()?),
            kind::ELEMENT => (self.inline()?, self.inline()?),
            kind::ELEMENT_SHORT_DICTIONARY => (Str::EMPTY, self.string()?),
            kind::ELEMENT_DICTIONARY => (self.inline()?, self.string()?),
            kind::ELEMENT_DICTIONARY_A..=kind::ELEMENT_DICTIONARY_Z => {
                (letter(record - kind::ELEMENT_DICTIONARY_A), self.string()?)
            }
            kind::ELEMENT_A..=kind::ELEMENT_Z => (letter(record - kind::ELEMENT_A), self.inline()?),
            other => return Err(Malformed::Record(other)),
        };
        let mut attributes = Vec::new();
        while let kind::ATTRIBUTE_SHORT..=kind::ATTRIBUTE_Z = self.reader.peek()? {
            self.count(1)?;
            let record = self.reader.byte()?;
            attributes.push(self.attribute(record)?);
        }
        Ok(Element { prefix, name, attributes, children: Vec::new() })
    }

    fn attribute(&mut self, record: u8) -> Result<Attribute, Malformed> {
        let namespace = |prefix, uri| Ok(Attribute::Namespace { prefix, uri });
        let (prefix, name) = match record {
            kind::XMLNS_SHORT => return namespace(Str::EMPTY, self.inline()?),
            kind::XMLNS => return namespace(self.inline()?, self.inline()?),
            kind::XMLNS_SHORT_DICTIONARY => return namespace(Str::EMPTY, self.string()?),
            kind::XMLNS_DICTIONARY => return namespace(self.inline()?, self.string()?),
            kind::ATTRIBUTE_SHORT => (Str::EMPTY, self.inline()?),
            kind::ATTRIBUTE => (self.inline()?, self.inline()?),
            kind::ATTRIBUTE_SHORT_DICTIONARY => (Str::EMPTY, self.string()?),
            kind::ATTRIBUTE_DICTIONARY => (self.inline()?, self.string()?),
            kind::ATTRIBUTE_DICTIONARY_A..=kind::ATTRIBUTE_DICTIONARY_Z => {
                (letter(record - kind::ATTRIBUTE_DICTIONARY_A), self.string()?)
            }
            kind::ATTRIBUTE_A..=kind::ATTRIBUTE_Z => (letter(record - kind::ATTRIBUTE_A), self.inline()?),
            other => return Err(Malformed::Record(other)),
        };
        let record = self.reader.byte()?;
        match self.value(record)? {
            (value, false) => Ok(Attribute::Plain { prefix, name, value }),
            // Attributes end no element.
            (_, true) => Err(Malformed::Record(record)),
        }
    }

    /// The value of a text record, and whether its element ends with it.
    fn value(&mut self, record: u8) -> Result<(Value, bool), Malformed> {
        match record {
            kind::LIST_START => self.list(),
            // A list ends its element where it ends itself.
            kind::LIST_START_ENDING => Err(Malformed::Record(record)),
            _ => Ok((self.single(record & !1)?, record & 1 == 1)),
        }
    }

    fn list(&mut self) -> Result<(Value, bool), Malformed> {
        let mut values = Vec::new();
        loop {
            let record = self.reader.byte()?;
            match record {
                kind::LIST_END => return Ok((Value::List(values), false)),
                kind::LIST_END_ENDING => return Ok((Value::List(values), true)),
                kind::TEXT_FIRST..=kind::TEXT_LAST if record & 1 == 0 => {
                    self.count(1)?;
                    values.push(self.single(record)?);
                }
                other => return Err(Malformed::Record(other)),
            }
        }
    }

    fn single(&mut self, record: u8) -> Result<Value, Malformed> {
        let reader = &mut self.reader;
        Ok(match record {
            kind::ZERO => Value::Int(0),
            kind::ONE => Value::Int(1),
            kind::FALSE => Value::Bool(false),
            kind::TRUE => Value::Bool(true),
            kind::BOOL => Value::Bool(reader.byte()? != 0),
            kind::INT8 => Value::Int(i8::from_le_bytes(reader.array()?).into()),
            kind::INT16 => Value::Int(i16::from_le_bytes(reader.array()?).into()),
            kind::INT32 => Value::Int(i32::from_le_bytes(reader.array()?).into()),
            kind::INT64 => Value::Int(i64::from_le_bytes(reader.array()?)),
            kind::UINT64 => Value::Uint(u64::from_le_bytes(reader.array()?)),
            kind::FLOAT => Value::Float(f32::from_le_bytes(reader.array()?)),
            kind::DOUBLE => Value::Double(f64::from_le_bytes(reader.array()?)),
            kind::DECIMAL => Value::Decimal(reader.array()?),
            kind::DATE_TIME => Value::DateTime(u64::from_le_bytes(reader.array()?)),
            kind::TIME_SPAN => Value::TimeSpan(i64::from_le_bytes(reader.array()?)),
            kind::UUID => Value::Uuid(reader.array()?),
            kind::UNIQUE_ID => Value::UniqueId(reader.array()?),
            kind::EMPTY => Value::Text(Str::EMPTY),
            kind::CHARS8 | kind::CHARS16 | kind::CHARS32 => {
                let length = length(reader, record - kind::CHARS8)?;
                Value::Text(utf8(reader.take(length)?)?.into())
            }
            kind::BYTES8 | kind::BYTES16 | kind::BYTES32 => {
                let length = length(reader, record - kind::BYTES8)?;
                Value::Bytes(reader.take(length)?.to_vec())
            }
            kind::UNICODE8 | kind::UNICODE16 | kind::UNICODE32 => {
                let length = length(reader, record - kind::UNICODE8)?;
                Value::Text(utf16(reader.take(length)?)?.into())
            }
            kind::DICTIONARY => Value::Text(self.string()?),
            kind::QNAME => {
                let letter = reader.byte()?;
                if usize::from(letter) >= LETTERS.len() {
                    return Err(Malformed::Record(record));
                }
                Value::Name { letter, name: self.string()? }
            }
            other => return Err(Malformed::Record(other)),
        })
    }

    /// One element for each of many values of the same kind.
    fn array(&mut self) -> Result<(), Malformed> {
        let record = self.reader.byte()?;
        if !(kind::ELEMENT_SHORT..=kind::ELEMENT_Z).contains(&record) {
            return Err(Malformed::Record(record));
        }
        // They stand where an element would.
        if self.open.is_empty() || self.open.len() >= self.limits.depth_max {
            return Err(Malformed::Record(kind::ARRAY));
        }
        let element = self.element(record)?;
        let end = self.reader.byte()?;
        if end != kind::END_ELEMENT {
            return Err(Malformed::Record(end));
        }
        let record = self.reader.byte()?;
        let is_array_of = matches!(
            record & !1,
            kind::BOOL
                | kind::INT16
                | kind::INT32
                | kind::INT64
                | kind::FLOAT
                | kind::DOUBLE
                | kind::DECIMAL
                | kind::DATE_TIME
                | kind::TIME_SPAN
                | kind::UUID
        );
        if !is_array_of || record & 1 == 0 {
            return Err(Malformed::Record(record));
        }
        let length = self.reader.length()?;
        self.count(length.saturating_mul(2 + element.attributes.len()))?;
        for _ in 0..length {
            let value = self.single(record & !1)?;
            let item = Element { children: vec![Node::Value(value)], ..element.clone() };
            if let Some(parent) = self.open.last_mut() {
                parent.children.push(Node::Element(item));
            }
        }
        Ok(())
    }
}

fn letter(place: u8) -> Str {
    LETTERS.get(usize::from(place)).map_or(Str::EMPTY, |letter| Str::from_static(letter))
}

/// A length of one, two or four bytes, as the distance from the first of three kinds tells.
fn length(reader: &mut Reader<'_>, kind: u8) -> Result<usize, Malformed> {
    Ok(match kind {
        0 => reader.byte()?.into(),
        2 => u16::from_le_bytes(reader.array()?).into(),
        // Signed: half of what four bytes could say.
        _ => usize::try_from(i32::from_le_bytes(reader.array()?)).map_err(|_| Malformed::Number)?,
    })
}

fn utf16(bytes: &[u8]) -> Result<String, Malformed> {
    let (pairs, rest) = bytes.as_chunks::<2>();
    if !rest.is_empty() {
        return Err(Malformed::Text);
    }
    let units = pairs.iter().map(|pair| u16::from_le_bytes(*pair));
    char::decode_utf16(units).collect::<Result<_, _>>().map_err(|_| Malformed::Text)
}
