//! Messages of a connection: binary XML that names strings by number, even ones known before ([MC-NBFS]), odd ones told on the way
//! ([MC-NBFSE]).

use std::collections::HashMap;

use crate::bytes::{Reader, put_length, put_text};
use crate::xml::{self, Element};
use crate::{Limits, Malformed, Str, dictionary};

/// What one string costs beside its bytes, so that empty ones are not free.
const STRING_COST: usize = 8;

/// The messages of one direction of a connection, as they are read.
#[derive(Debug)]
pub struct Incoming {
    strings: Vec<Str>,
    cost: usize,
    limits: Limits,
}

impl Incoming {
    /// For a connection on which nothing has been read.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { strings: Vec::new(), cost: 0, limits }
    }

    /// Reads the next message.
    ///
    /// # Errors
    /// It is none, or more than it may be. What follows on this connection cannot be read either: strings may be missing.
    pub fn read(&mut self, message: &[u8]) -> Result<Element, Malformed> {
        if message.len() > self.limits.message_bytes_max {
            return Err(Malformed::Beyond("a message's bytes"));
        }
        let mut reader = Reader::new(message);
        let table = reader.length()?;
        let mut table = Reader::new(reader.take(table)?);
        while table.left() > 0 {
            let string = table.text()?;
            self.cost = self.cost.saturating_add(string.len() + STRING_COST);
            if self.cost > self.limits.session_bytes_max {
                return Err(Malformed::Beyond("strings of the session's dictionary"));
            }
            self.strings.push(string.into());
        }
        xml::document(reader.take(reader.left())?, self, &self.limits)
    }
}

impl xml::Strings for Incoming {
    fn string(&self, number: u32) -> Option<Str> {
        if number.is_multiple_of(2) {
            return dictionary::string(number).map(Str::from_static);
        }
        self.strings.get(usize::try_from(number / 2).ok()?).cloned()
    }
}

/// The messages of one direction of a connection, as they are written.
#[derive(Debug)]
pub struct Outgoing {
    numbers: HashMap<String, u32>,
    /// What the next message tells.
    untold: Vec<u8>,
    bytes_left: usize,
}

impl Outgoing {
    /// For a connection on which nothing has been written. Names and namespaces are told once, up to `bytes_max` of them; the rest is
    /// written out each time. WCF takes 2048 bytes unless configured otherwise.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        Self { numbers: HashMap::new(), untold: Vec::new(), bytes_left: bytes_max }
    }

    /// Writes the next message; it must be sent before whatever is written later.
    #[must_use]
    pub fn write(&mut self, element: &Element) -> Vec<u8> {
        let mut document = Vec::new();
        xml::write(element, self, &mut document);
        let table = std::mem::take(&mut self.untold);
        let mut message = Vec::with_capacity(table.len() + document.len() + 5);
        put_length(&mut message, table.len());
        message.extend(table);
        message.extend(document);
        message
    }
}

impl xml::Numbers for Outgoing {
    fn of_name(&mut self, name: &str) -> Option<u32> {
        if let Some(number) = self.of_text(name) {
            return Some(number);
        }
        let mut told = Vec::new();
        put_text(&mut told, name);
        self.bytes_left = self.bytes_left.checked_sub(told.len())?;
        let number = u32::try_from(self.numbers.len()).ok()?.checked_mul(2)?.checked_add(1)?;
        self.untold.extend(told);
        self.numbers.insert(name.to_owned(), number);
        Some(number)
    }

    fn of_text(&self, text: &str) -> Option<u32> {
        dictionary::number(text).or_else(|| self.numbers.get(text).copied())
    }
}
