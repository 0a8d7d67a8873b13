//! SOAP 1.2 envelopes with WS-Addressing 1.0: questions as WCF's own clients ask them, and whatever comes back.

use crate::Malformed;
use crate::xml::{Cursor, Element, Value};

/// SOAP 1.2.
pub const ENVELOPE: &str = "http://www.w3.org/2003/05/soap-envelope";
/// WS-Addressing 1.0.
pub const ADDRESSING: &str = "http://www.w3.org/2005/08/addressing";
const ANONYMOUS: &str = "http://www.w3.org/2005/08/addressing/anonymous";
const RELATED_PREFIX: &str = "urn:uuid:";

/// The name of a message: 16 bytes that nobody else uses.
pub type MessageId = [u8; 16];

/// The envelope of a question that wants an answer.
#[must_use]
pub fn question(action: &str, to: &str, id: MessageId, body: Element) -> Element {
    let must_understand = |element: Element| element.attribute("s", "mustUnderstand", Value::Int(1));
    let reply_to = Element::new("a", "ReplyTo").child(Element::new("a", "Address").text(ANONYMOUS));
    let header = Element::new("s", "Header")
        .child(must_understand(Element::new("a", "Action")).text(action))
        .child(Element::new("a", "MessageID").value(Value::UniqueId(id)))
        .child(reply_to)
        .child(must_understand(Element::new("a", "To")).text(to));
    enveloped(header, body)
}

/// The envelope of an answer; what tests and stand-ins of servers say.
#[must_use]
pub fn answer(action: &str, to: MessageId, body: Element) -> Element {
    let action = Element::new("a", "Action").attribute("s", "mustUnderstand", Value::Int(1)).text(action);
    let header = Element::new("s", "Header").child(action).child(Element::new("a", "RelatesTo").value(Value::UniqueId(to)));
    enveloped(header, body)
}

fn enveloped(header: Element, body: Element) -> Element {
    let envelope = Element::new("s", "Envelope").declare("s", ENVELOPE).declare("a", ADDRESSING);
    envelope.child(header).child(Element::new("s", "Body").child(body))
}

/// A message that came in.
#[derive(Clone, Debug)]
pub struct Message {
    envelope: Element,
    /// What it is about.
    pub action: Option<String>,
    /// The question it answers; `None`: it answers none.
    pub relates_to: Option<MessageId>,
    /// Its own name, if it wants an answer.
    pub id: Option<MessageId>,
}

/// A refusal instead of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// Whose fault it is, such as `Sender`, without prefix.
    pub code: String,
    /// What is wrong, without prefix; may be several words, from the outermost in.
    pub subcodes: Vec<String>,
    /// For people to read. May name people.
    pub reason: String,
}

impl Message {
    /// Reads an envelope.
    ///
    /// # Errors
    /// It is none.
    pub fn new(envelope: Element) -> Result<Self, Malformed> {
        let root = Cursor::root(&envelope);
        if !root.is(ENVELOPE, "Envelope") {
            return Err(Malformed::Envelope("its outermost element is another"));
        }
        if root.child(ENVELOPE, "Body").is_none() {
            return Err(Malformed::Envelope("it has no body"));
        }
        let header = root.child(ENVELOPE, "Header");
        let text = |name| {
            let header = header.as_ref()?;
            Some(header.child(ADDRESSING, name)?.text()?.trim().to_owned())
        };
        let id = |name| text(name).as_deref().and_then(message_id);
        let (action, relates_to, id) = (text("Action"), id("RelatesTo"), id("MessageID"));
        Ok(Self { envelope, action, relates_to, id })
    }

    /// Looks at the body's first element, if there is one.
    pub fn with_body<T>(&self, look: impl FnOnce(Option<Cursor<'_>>) -> T) -> T {
        let root = Cursor::root(&self.envelope);
        let body = root.child(ENVELOPE, "Body");
        let first = body.as_ref().and_then(|body| body.children().next());
        look(first)
    }

    /// The refusal that this message is, if it is one.
    #[must_use]
    pub fn fault(&self) -> Option<Fault> {
        self.with_body(|body| {
            let fault = body.filter(|body| body.is(ENVELOPE, "Fault"))?;
            let code = fault.child(ENVELOPE, "Code");
            let reason = fault.child(ENVELOPE, "Reason");
            let reason = reason.as_ref().and_then(|reason| reason.children().next()?.text().map(String::from));
            let mut words = Vec::new();
            if let Some(code) = &code {
                codes(code, &mut words);
            }
            let mut words = words.into_iter();
            Some(Fault { code: words.next().unwrap_or_default(), subcodes: words.collect(), reason: reason.unwrap_or_default() })
        })
    }
}

/// The words of a code and of the subcodes in it. As deep as the message is, which is bounded.
fn codes(code: &Cursor<'_>, words: &mut Vec<String>) {
    if let Some(value) = code.child(ENVELOPE, "Value").and_then(|value| value.text()) {
        words.push(value.rsplit(':').next().unwrap_or_default().trim().to_owned());
    }
    if let Some(subcode) = code.child(ENVELOPE, "Subcode") {
        codes(&subcode, words);
    }
}

/// Reads `urn:uuid:...`.
fn message_id(text: &str) -> Option<MessageId> {
    const ORDER: [usize; 16] = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let digits: Vec<u32> =
        text.strip_prefix(RELATED_PREFIX)?.chars().filter(|c| *c != '-').map(|c| c.to_digit(16)).collect::<Option<_>>()?;
    let (pairs, rest) = digits.as_chunks::<2>();
    if pairs.len() != 16 || !rest.is_empty() {
        return None;
    }
    let mut id = MessageId::default();
    for ([high, low], place) in pairs.iter().zip(ORDER) {
        *id.get_mut(place)? = u8::try_from(high * 16 + low).ok()?;
    }
    Some(id)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: MessageId = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16];

    #[test]
    fn an_answer_names_its_question() {
        let message = Message::new(answer("urn:x", ID, Element::new("", "x").declare("", "urn:x").text("5"))).unwrap();
        assert_eq!((message.action.as_deref(), message.relates_to, message.id), (Some("urn:x"), Some(ID), None));
        assert_eq!(message.fault(), None);
        message.with_body(|body| {
            let body = body.unwrap();
            assert!(body.is("urn:x", "x"));
            assert_eq!(body.text().unwrap(), "5");
        });
        let message = Message::new(question("urn:x", "net.tcp://x/", ID, Element::new("", "x"))).unwrap();
        assert_eq!((message.relates_to, message.id), (None, Some(ID)));
    }

    #[test]
    fn ids_are_read_in_their_own_order() {
        assert_eq!(message_id("urn:uuid:04030201-0605-0807-090a-0b0c0d0e0f10"), Some(ID));
        assert_eq!(message_id("urn:uuid:04030201-0605-0807-090A-0B0C0D0E0F10"), Some(ID));
        for text in ["", "urn:uuid:", "04030201-0605-0807-090a-0b0c0d0e0f10", "urn:uuid:04030201-0605-0807-090a-0b0c0d0e0fäö"] {
            assert_eq!(message_id(text), None, "{text}");
        }
    }

    #[test]
    fn a_fault_tells_its_codes_without_prefixes() {
        let value = |text| Element::new("s", "Value").text(text);
        let code = Element::new("s", "Code").child(value("s:Sender"));
        let code = code.child(Element::new("s", "Subcode").child(value("a:ActionNotSupported")));
        let reason = Element::new("s", "Reason").child(Element::new("s", "Text").text("no such action"));
        let message = Message::new(answer("urn:fault", ID, Element::new("s", "Fault").child(code).child(reason))).unwrap();
        let expected = Fault {
            code: "Sender".to_owned(),
            subcodes: vec!["ActionNotSupported".to_owned()],
            reason: "no such action".to_owned(),
        };
        assert_eq!(message.fault(), Some(expected));
    }

    #[test]
    fn what_is_no_envelope_is_refused() {
        let check = |element, expected| assert_eq!(Message::new(element).err(), Some(Malformed::Envelope(expected)));
        check(Element::new("s", "Envelope"), "its outermost element is another");
        check(Element::new("s", "Envelope").declare("s", ENVELOPE), "it has no body");
    }
}
