//! Server-sent events: bytes in as they come, messages out, nothing kept beyond a bound.

/// The longest line and the longest event: an entry is a few hundred bytes.
const BYTES_MAX: usize = 256 * 1024;

/// What a stream says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// A comment: the connection is alive.
    Comment,
    /// An event with the last id told and its text.
    Event {
        /// Empty where none was told.
        id: String,
        /// The lines of `data:`, joined.
        text: String,
    },
}

/// What a stream should not say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("an event beyond all bounds")]
    TooLong,
    #[error("an event that is not UTF-8")]
    NotUtf8,
}

/// Cuts bytes into messages.
#[derive(Debug, Default)]
pub(super) struct Parser {
    line: Vec<u8>,
    id: String,
    text: Option<String>,
}

impl Parser {
    /// Takes the next bytes and adds the messages they complete to `messages`.
    ///
    /// # Errors
    /// The stream is of no use any more.
    pub(super) fn push(&mut self, bytes: &[u8], messages: &mut impl Extend<Message>) -> Result<(), Malformed> {
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.line.len() + piece.len() > BYTES_MAX {
                return Err(Malformed::TooLong);
            }
            self.line.extend_from_slice(piece);
            if self.line.ends_with(b"\n") {
                let line = std::mem::take(&mut self.line);
                let line = line.strip_suffix(b"\n").unwrap_or(&line);
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                let line = std::str::from_utf8(line).map_err(|_| Malformed::NotUtf8)?;
                messages.extend(self.take_line(line)?);
            }
        }
        Ok(())
    }

    fn take_line(&mut self, line: &str) -> Result<Option<Message>, Malformed> {
        if line.is_empty() {
            return Ok(self.text.take().map(|text| Message::Event { id: self.id.clone(), text }));
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "" => return Ok(Some(Message::Comment)),
            "id" => value.clone_into(&mut self.id),
            "data" => self.add(value)?,
            // `event`, `retry` and what may come say nothing to us.
            _ => {}
        }
        Ok(None)
    }

    fn add(&mut self, value: &str) -> Result<(), Malformed> {
        match &mut self.text {
            None => self.text = Some(value.to_owned()),
            Some(text) if text.len() + value.len() > BYTES_MAX => return Err(Malformed::TooLong),
            Some(text) => {
                text.push('\n');
                text.push_str(value);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Result<Vec<Message>, Malformed> {
        let (mut parser, mut messages) = (Parser::default(), Vec::new());
        for piece in pieces {
            parser.push(piece, &mut messages)?;
        }
        Ok(messages)
    }

    fn event(id: &str, text: &str) -> Message {
        Message::Event { id: id.to_owned(), text: text.to_owned() }
    }

    #[test]
    fn streams_become_messages() {
        let check = |stream: &str, messages: &[Message]| assert_eq!(parse([stream.as_bytes()]).unwrap(), messages, "{stream:?}");
        check("", &[]);
        check("id: 7\ndata: {}\n\n", &[event("7", "{}")]);
        check("id:7\r\ndata:{}\r\n\r\n", &[event("7", "{}")]);
        check("data: a\ndata: b\n\n", &[event("", "a\nb")]);
        check("data:  a\n\n", &[event("", " a")]);
        check(": still here\n\n", &[Message::Comment]);
        check(":\n", &[Message::Comment]);
        check("id: 7\n\n", &[]);
        check("id: 7\n\ndata: a\n\n", &[event("7", "a")]);
        check("event: x\nretry: 5\nnews\ndata\n\n", &[event("", "")]);
        check("id: 7\ndata: cut off\n", &[]);
        check("data: a\n: comment\ndata: b\n\n", &[Message::Comment, event("", "a\nb")]);
    }

    #[test]
    fn nothing_is_kept_beyond_a_bound() {
        let long = vec![b'x'; BYTES_MAX + 1];
        assert_eq!(parse([long.as_slice()]), Err(Malformed::TooLong));
        let pieces = std::iter::repeat_n(b"xxxxxxxx".as_slice(), BYTES_MAX / 8 + 1);
        assert_eq!(parse(pieces), Err(Malformed::TooLong));
        let lines = std::iter::repeat_n(b"data: 0123456789\n".as_slice(), BYTES_MAX);
        assert_eq!(parse(lines), Err(Malformed::TooLong));
        assert_eq!(parse([b"data: \xff\n".as_slice()]), Err(Malformed::NotUtf8));
    }

    proptest! {
        #[test]
        fn where_the_bytes_are_cut_does_not_matter(size in 1_usize..9) {
            let stream = "id: 7\r\ndata: é\n\n: here\n\nid: 8\ndata: b\ndata: c\n\n".as_bytes();
            prop_assert_eq!(parse(stream.chunks(size)), parse([stream]));
        }

        #[test]
        fn anything_can_come(pieces in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..50), 0..20)) {
            _ = parse(pieces.iter().map(Vec::as_slice));
        }
    }
}
