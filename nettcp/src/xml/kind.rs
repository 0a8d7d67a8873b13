//! The numbers of records ([MC-NBFX] 2.2). What ends its element too has the odd number that follows.

pub(super) const END_ELEMENT: u8 = 0x01;
pub(super) const COMMENT: u8 = 0x02;
pub(super) const ARRAY: u8 = 0x03;

pub(super) const ATTRIBUTE_SHORT: u8 = 0x04;
pub(super) const ATTRIBUTE: u8 = 0x05;
pub(super) const ATTRIBUTE_SHORT_DICTIONARY: u8 = 0x06;
pub(super) const ATTRIBUTE_DICTIONARY: u8 = 0x07;
pub(super) const XMLNS_SHORT: u8 = 0x08;
pub(super) const XMLNS: u8 = 0x09;
pub(super) const XMLNS_SHORT_DICTIONARY: u8 = 0x0A;
pub(super) const XMLNS_DICTIONARY: u8 = 0x0B;
/// And the 25 that follow: one for each letter.
pub(super) const ATTRIBUTE_DICTIONARY_A: u8 = 0x0C;
pub(super) const ATTRIBUTE_DICTIONARY_Z: u8 = 0x25;
pub(super) const ATTRIBUTE_A: u8 = 0x26;
pub(super) const ATTRIBUTE_Z: u8 = 0x3F;

pub(super) const ELEMENT_SHORT: u8 = 0x40;
pub(super) const ELEMENT: u8 = 0x41;
pub(super) const ELEMENT_SHORT_DICTIONARY: u8 = 0x42;
pub(super) const ELEMENT_DICTIONARY: u8 = 0x43;
pub(super) const ELEMENT_DICTIONARY_A: u8 = 0x44;
pub(super) const ELEMENT_DICTIONARY_Z: u8 = 0x5D;
pub(super) const ELEMENT_A: u8 = 0x5E;
pub(super) const ELEMENT_Z: u8 = 0x77;

pub(super) const ZERO: u8 = 0x80;
pub(super) const ONE: u8 = 0x82;
pub(super) const FALSE: u8 = 0x84;
pub(super) const TRUE: u8 = 0x86;
pub(super) const INT8: u8 = 0x88;
pub(super) const INT16: u8 = 0x8A;
pub(super) const INT32: u8 = 0x8C;
pub(super) const INT64: u8 = 0x8E;
pub(super) const FLOAT: u8 = 0x90;
pub(super) const DOUBLE: u8 = 0x92;
pub(super) const DECIMAL: u8 = 0x94;
pub(super) const DATE_TIME: u8 = 0x96;
pub(super) const CHARS8: u8 = 0x98;
pub(super) const CHARS16: u8 = 0x9A;
pub(super) const CHARS32: u8 = 0x9C;
pub(super) const BYTES8: u8 = 0x9E;
pub(super) const BYTES16: u8 = 0xA0;
pub(super) const BYTES32: u8 = 0xA2;
pub(super) const LIST_START: u8 = 0xA4;
pub(super) const LIST_START_ENDING: u8 = 0xA5;
pub(super) const LIST_END: u8 = 0xA6;
pub(super) const LIST_END_ENDING: u8 = 0xA7;
pub(super) const EMPTY: u8 = 0xA8;
pub(super) const DICTIONARY: u8 = 0xAA;
pub(super) const UNIQUE_ID: u8 = 0xAC;
pub(super) const TIME_SPAN: u8 = 0xAE;
pub(super) const UUID: u8 = 0xB0;
pub(super) const UINT64: u8 = 0xB2;
pub(super) const BOOL: u8 = 0xB4;
pub(super) const UNICODE8: u8 = 0xB6;
pub(super) const UNICODE16: u8 = 0xB8;
pub(super) const UNICODE32: u8 = 0xBA;
pub(super) const QNAME: u8 = 0xBC;

/// Texts have these numbers.
pub(super) const TEXT_FIRST: u8 = ZERO;
pub(super) const TEXT_LAST: u8 = QNAME + 1;

/// The letters that have numbers of their own, as prefixes.
pub(super) const LETTERS: [&str; 26] = [
    "a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l", "m", "n", "o", "p", "q", "r", "s", "t", "u", "v", "w", "x", "y",
    "z",
];

/// The place of a prefix that is one of the letters.
pub(super) fn letter(prefix: &str) -> Option<u8> {
    match prefix.as_bytes() {
        [letter @ b'a'..=b'z'] => Some(letter - b'a'),
        _ => None,
    }
}
