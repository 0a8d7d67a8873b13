//! The records that a connection consists of ([MC-NMF]): the preamble, upgrades, envelopes, the end.

use crate::bytes::{Reader, put_length, put_text};
use crate::{Limits, Malformed};

/// The upgrade after which TLS goes on inside the framing.
pub const TLS_UPGRADE: &str = "application/ssl-tls";
/// Both sides send messages as they like.
pub const MODE_DUPLEX: u8 = 2;
/// Binary XML with a dictionary that grows with the connection.
pub const ENCODING_BINARY_SESSION: u8 = 8;

/// The longest address, fault or upgrade's name.
const TEXT_BYTES_MAX: usize = 2048;

/// One record of a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// Which framing: 1.0 is the only one there is.
    Version(u8, u8),
    /// Who sends when.
    Mode(u8),
    /// Whom the connection is for.
    Via(String),
    /// How messages are written, by number.
    KnownEncoding(u8),
    /// How messages are written, by name.
    ExtensibleEncoding(String),
    /// A message.
    Envelope(Vec<u8>),
    /// Nothing more will be sent.
    End,
    /// The other side refuses, and says why by an address.
    Fault(String),
    /// Wants to go on in another way.
    UpgradeRequest(String),
    /// Goes on in that way.
    UpgradeResponse,
    /// Takes the preamble.
    PreambleAck,
    /// The preamble is over.
    PreambleEnd,
}

impl Record {
    /// Appends this record.
    pub fn write(&self, out: &mut Vec<u8>) {
        let mut with_text = |kind, text: &str| {
            out.push(kind);
            put_text(out, text);
        };
        match self {
            Self::Via(address) => with_text(0x02, address),
            Self::ExtensibleEncoding(name) => with_text(0x04, name),
            Self::Fault(fault) => with_text(0x08, fault),
            Self::UpgradeRequest(upgrade) => with_text(0x09, upgrade),
            Self::Version(major, minor) => out.extend([0x00, *major, *minor]),
            Self::Mode(mode) => out.extend([0x01, *mode]),
            Self::KnownEncoding(encoding) => out.extend([0x03, *encoding]),
            Self::Envelope(message) => {
                out.push(0x06);
                put_length(out, message.len());
                out.extend_from_slice(message);
            }
            Self::End => out.push(0x07),
            Self::UpgradeResponse => out.push(0x0A),
            Self::PreambleAck => out.push(0x0B),
            Self::PreambleEnd => out.push(0x0C),
        }
    }
}

/// What a connection begins with, up to where an upgrade may follow.
#[must_use]
pub fn preamble(via: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let records = [
        Record::Version(1, 0),
        Record::Mode(MODE_DUPLEX),
        Record::Via(via.to_owned()),
        Record::KnownEncoding(ENCODING_BINARY_SESSION),
    ];
    for record in records {
        record.write(&mut out);
    }
    out
}

/// Makes records of bytes, however they arrive.
#[derive(Debug)]
pub struct Decoder {
    buffer: Vec<u8>,
    /// How much of the buffer has been read.
    read: usize,
    limits: Limits,
}

impl Decoder {
    /// For a connection of which nothing has arrived.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { buffer: Vec::new(), read: 0, limits }
    }

    /// Takes what arrived.
    pub fn push(&mut self, bytes: &[u8]) {
        self.buffer.drain(..self.read);
        self.read = 0;
        self.buffer.extend_from_slice(bytes);
    }

    /// The next record; `None`: more must arrive first.
    ///
    /// # Errors
    /// The bytes are no framing, or a record is longer than it may be; nothing that follows means anything.
    pub fn next_record(&mut self) -> Result<Option<Record>, Malformed> {
        let mut reader = Reader::new(self.buffer.get(self.read..).unwrap_or_default());
        let before = reader.left();
        match record(&mut reader, &self.limits) {
            Ok(record) => {
                self.read += before - reader.left();
                Ok(Some(record))
            }
            Err(Malformed::Short) => Ok(None),
            Err(malformed) => Err(malformed),
        }
    }

    /// Whether everything that arrived has been read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.read == self.buffer.len()
    }
}

fn record(reader: &mut Reader<'_>, limits: &Limits) -> Result<Record, Malformed> {
    Ok(match reader.byte()? {
        0x00 => Record::Version(reader.byte()?, reader.byte()?),
        0x01 => Record::Mode(reader.byte()?),
        0x02 => Record::Via(text(reader)?),
        0x03 => Record::KnownEncoding(reader.byte()?),
        0x04 => Record::ExtensibleEncoding(text(reader)?),
        0x06 => {
            let length = reader.length()?;
            if length > limits.message_bytes_max {
                return Err(Malformed::Beyond("a message's bytes"));
            }
            Record::Envelope(reader.take(length)?.to_vec())
        }
        0x07 => Record::End,
        0x08 => Record::Fault(text(reader)?),
        0x09 => Record::UpgradeRequest(text(reader)?),
        0x0A => Record::UpgradeResponse,
        0x0B => Record::PreambleAck,
        0x0C => Record::PreambleEnd,
        // Messages without a length (0x05) do not occur in duplex mode.
        other => return Err(Malformed::Record(other)),
    })
}

fn text(reader: &mut Reader<'_>) -> Result<String, Malformed> {
    let mut ahead = *reader;
    if ahead.length()? > TEXT_BYTES_MAX {
        return Err(Malformed::Beyond("a text's bytes"));
    }
    reader.text().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_preamble_is_as_specified() {
        let mut expected = vec![0x00, 1, 0, 0x01, 2, 0x02, 19];
        expected.extend_from_slice(b"net.tcp://host:1/In");
        expected.extend([0x03, 8]);
        assert_eq!(preamble("net.tcp://host:1/In"), expected);
    }

    #[test]
    fn what_is_too_long_is_refused_before_it_arrives() {
        let limits = Limits { message_bytes_max: 100, ..Limits::default() };
        let check = |bytes: &[u8], expected| {
            let mut decoder = Decoder::new(limits);
            decoder.push(bytes);
            assert_eq!(decoder.next_record(), expected);
        };
        check(&[0x06, 101], Err(Malformed::Beyond("a message's bytes")));
        check(&[0x06, 100], Ok(None));
        check(&[0x08, 0x81, 0x10], Err(Malformed::Beyond("a text's bytes")));
        check(&[0x05], Err(Malformed::Record(0x05)));
        check(&[0x02, 1, 0xFF], Err(Malformed::Text));
    }

    fn records() -> impl Strategy<Value = Record> {
        prop_oneof![
            any::<(u8, u8)>().prop_map(|(major, minor)| Record::Version(major, minor)),
            any::<u8>().prop_map(Record::Mode),
            any::<u8>().prop_map(Record::KnownEncoding),
            ".{0,40}".prop_map(Record::Via),
            ".{0,40}".prop_map(Record::ExtensibleEncoding),
            ".{0,40}".prop_map(Record::Fault),
            ".{0,40}".prop_map(Record::UpgradeRequest),
            prop::collection::vec(any::<u8>(), 0..300).prop_map(Record::Envelope),
            Just(Record::End),
            Just(Record::UpgradeResponse),
            Just(Record::PreambleAck),
            Just(Record::PreambleEnd),
        ]
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_back_however_it_arrives(
            records in prop::collection::vec(records(), 0..8),
            pieces in prop::collection::vec(1..50_usize, 1..40),
        ) {
            let mut bytes = Vec::new();
            for record in &records {
                record.write(&mut bytes);
            }
            let (mut decoder, mut read, mut left) = (Decoder::new(Limits::default()), Vec::new(), bytes.as_slice());
            let mut pieces = pieces.into_iter().cycle();
            while !left.is_empty() {
                let (piece, rest) = left.split_at(pieces.next().unwrap().min(left.len()));
                left = rest;
                decoder.push(piece);
                while let Some(record) = decoder.next_record().unwrap() {
                    read.push(record);
                }
            }
            prop_assert!(decoder.is_empty());
            prop_assert_eq!(read, records);
        }

        #[test]
        fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
            let mut decoder = Decoder::new(Limits::default());
            decoder.push(&bytes);
            while let Ok(Some(_)) = decoder.next_record() {}
        }
    }
}
