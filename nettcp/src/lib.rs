//! WCF's net.tcp as a codec: what stands on the wire, and nothing of who speaks or about what.
//!
//! | module | is | specification |
//! |---|---|---|
//! | [`framing`] | the records that a connection consists of | [MC-NMF] |
//! | [`xml`] | binary XML as a tree | [MC-NBFX] |
//! | [`session`] | messages of a connection: binary XML with the static and the session dictionary | [MC-NBFS], [MC-NBFSE] |
//! | [`soap`] | SOAP 1.2 envelopes with WS-Addressing 1.0 | |
//!
//! Everything here is pure: bytes in, values out. Whatever comes from outside is bounded in size, depth and number by [`Limits`], and
//! leads to a value or to [`Malformed`], never to a panic.

mod bytes;
mod dictionary;
pub mod framing;
pub mod session;
pub mod soap;
mod text;
pub mod xml;

pub use text::Str;

/// How much of what comes from outside is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest message, in bytes.
    pub message_bytes_max: usize,
    /// How deep elements may lie in one another.
    pub depth_max: usize,
    /// The most elements, attributes, texts and comments of one message together.
    pub nodes_max: usize,
    /// All strings that the other side adds to the session's dictionary, in bytes.
    pub session_bytes_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { message_bytes_max: 64 << 20, depth_max: 32, nodes_max: 4_000_000, session_bytes_max: 64 << 10 }
    }
}

/// What is wrong with bytes from outside. Says nothing of their content.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It ends in the middle of something.
    #[error("it ends too early")]
    Short,
    /// Something follows the end.
    #[error("something follows its end")]
    Long,
    /// A number of more than 31 bits.
    #[error("a length has more than 31 bits")]
    Number,
    /// A text that is not UTF-8, or not UTF-16 where it should be.
    #[error("a text is not Unicode")]
    Text,
    /// A record that is unknown, or may not stand where it does.
    #[error("there is a record {0:#04x} where none may be")]
    Record(u8),
    /// A reference to a dictionary's string that is not there.
    #[error("it names string {0} of the dictionary, which is not there")]
    UnknownString(u32),
    /// More than [`Limits`] allow.
    #[error("{0} are more than may be")]
    Beyond(&'static str),
    /// An envelope without what every envelope has.
    #[error("it is no SOAP envelope: {0}")]
    Envelope(&'static str),
}
