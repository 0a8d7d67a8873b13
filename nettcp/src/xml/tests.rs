//! What is written is read back, what the specification shows is read as it says, and hostile bytes lead to errors.

use proptest::prelude::*;

use super::{Attribute, Cursor, Element, Node, Value};
use crate::session::{Incoming, Outgoing};
use crate::{Limits, Malformed, Str};

/// A message with an empty table of strings.
fn read(document: &[u8]) -> Result<Element, Malformed> {
    Incoming::new(Limits::default()).read(&[&[0], document].concat())
}

#[test]
fn the_example_of_nbfs_is_read_and_written_so() {
    let bytes = [
        0x56, 0x02, 0x0B, 0x01, 0x61, 0x06, 0x0B, 0x01, 0x73, 0x04, 0x56, 0x08, 0x44, 0x0A, 0x1E, 0x00, 0x82, 0x99, 0x06, 0x61,
        0x63, 0x74, 0x69, 0x6F, 0x6E, 0x01, 0x56, 0x0E, 0x40, 0x09, 0x49, 0x6E, 0x76, 0x65, 0x6E, 0x74, 0x6F, 0x72, 0x79, 0x81,
        0x01, 0x01,
    ];
    let action = Element::new("a", "Action").attribute("s", "mustUnderstand", Value::Int(1)).text("action");
    let expected = Element::new("s", "Envelope")
        .declare("a", "http://www.w3.org/2005/08/addressing")
        .declare("s", "http://www.w3.org/2003/05/soap-envelope")
        .child(Element::new("s", "Header").child(action))
        .child(Element::new("s", "Body").child(Element::new("", "Inventory").value(Value::Int(0))));
    assert_eq!(read(&bytes).as_ref(), Ok(&expected));
    // Without room for strings of its own the session's dictionary stays empty.
    assert_eq!(Outgoing::new(0).write(&expected), [&[0][..], &bytes].concat());
}

#[test]
fn records_are_read_as_specified() {
    let check = |content: &[u8], expected: Value| {
        let document = [&[0x40, 1, b'd'], content, &[0x01]].concat();
        assert_eq!(read(&document), Ok(Element::new("", "d").value(expected)), "{content:02x?}");
    };
    check(&[0x88, 0xDE], Value::Int(-34));
    check(&[0x8A, 0x00, 0x80], Value::Int(-32768));
    check(&[0x8C, 0x15, 0xCD, 0x5B, 0x07], Value::Int(123_456_789));
    check(&[0x8E, 0x00, 0x00, 0x00, 0x80, 0x00, 0x00, 0x00, 0x00], Value::Int(2_147_483_648));
    check(&[0x9A, 0x05, 0x00, b'h', b'e', b'l', b'l', b'o'], Value::Text("hello".into()));
    check(&[0x9E, 0x02, 0xFE, 0xFF], Value::Bytes(vec![0xFE, 0xFF]));
    check(&[0xA4, 0x88, 0x7B, 0x98, 0x02, b'h', b'i', 0x86, 0xA6], {
        Value::List(vec![Value::Int(123), Value::Text("hi".into()), Value::Bool(true)])
    });
    check(&[0xA8], Value::Text(Str::EMPTY));
    check(&[0xAA, 0x04], Value::Text("http://www.w3.org/2003/05/soap-envelope".into()));
    check(&[0xB2, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF], Value::Uint(u64::MAX));
    check(&[0xB4, 0x01], Value::Bool(true));
    check(&[0xB6, 0x04, 0xE4, 0x00, 0x31, 0x00], Value::Text("ä1".into()));
    check(&[0xBC, 0x08, 0x0C], Value::Name { letter: 8, name: "To".into() });
    // An array is as many elements.
    let array = [0x40, 1, b'l', 0x03, 0x40, 1, b'n', 0x01, 0x8B, 0x02, 0x33, 0x33, 0x88, 0x88, 0x01];
    let item = |number| Element::new("", "n").value(Value::Int(number));
    assert_eq!(read(&array), Ok(Element::new("", "l").child(item(0x3333)).child(item(-30584))));
}

#[test]
fn what_is_wrong_is_refused() {
    let check = |document: &[u8], expected| assert_eq!(read(document), Err(expected), "{document:02x?}");
    check(&[], Malformed::Short);
    check(&[0x40, 1, b'd'], Malformed::Short);
    check(&[0x40, 1, b'd', 0x01, 0x01], Malformed::Long);
    check(&[0x01], Malformed::Record(0x01));
    check(&[0x80], Malformed::Record(0x80));
    check(&[0x40, 1, b'd', 0x78], Malformed::Record(0x78));
    check(&[0x40, 1, b'd', 0x04, 1, b'a', 0x81, 0x01], Malformed::Record(0x81));
    check(&[0x42, 0xCE, 0x07, 0x01], Malformed::UnknownString(0x3CE));
    check(&[0x42, 0x01, 0x01], Malformed::UnknownString(1));
    check(&[0x40, 1, 0xC3, 0x01], Malformed::Text);
    check(&[0x40, 1, b'd', 0xB7, 3, 0, 0, 0], Malformed::Text);
    check(&[0x40, 1, b'd', 0xA4, 0xA4], Malformed::Record(0xA4));
    check(&[0x40, 1, b'd', 0x9D, 0xFF, 0xFF, 0xFF, 0xFF], Malformed::Number);
    check(&[0x40, 1, b'd', 0xBC, 26, 0x0C], Malformed::Record(0xBC));
    check(&[0x03, 0x40, 1, b'n', 0x01, 0x8B, 0x00], Malformed::Record(0x03));
    let deep = [[0x40, 1, b'd']; 33].concat();
    check(&deep, Malformed::Beyond("levels of elements"));
    // Few bytes that ask for much.
    let array = [0x40, 1, b'l', 0x03, 0x40, 1, b'n', 0x01, 0x8B, 0xFF, 0xFF, 0xFF, 0x07, 0x33];
    check(&array, Malformed::Beyond("parts of a message"));
}

#[test]
fn strings_of_the_session_are_bounded() {
    let limits = Limits { session_bytes_max: 40, ..Limits::default() };
    let mut incoming = Incoming::new(limits);
    let message = [&[6, 5][..], b"hello", &[0x42, 0x01, 0x01]].concat();
    assert_eq!(incoming.read(&message), Ok(Element::new("", "hello")));
    assert_eq!(incoming.read(&[0, 0x42, 0x01, 0x01]), Ok(Element::new("", "hello")), "told once");
    let more = [&[6, 5][..], b"world", &[0x42, 0x03, 0x01]].concat();
    assert_eq!(incoming.read(&more), Ok(Element::new("", "world")));
    assert_eq!(incoming.read(&more), Ok(Element::new("", "world")), "told again: another number");
    assert_eq!(incoming.read(&more), Err(Malformed::Beyond("strings of the session's dictionary")));
}

#[test]
fn names_are_told_once_as_far_as_they_fit() {
    let element = Element::new("x", "PresenceMapEntry").declare("x", "urn:x").child(Element::new("x", "PresenceMapEntry"));
    let (mut outgoing, mut incoming) = (Outgoing::new(2048), Incoming::new(Limits::default()));
    let first = outgoing.write(&element);
    let second = outgoing.write(&element);
    assert!(second.len() + 20 < first.len());
    for message in [first, second] {
        assert_eq!(incoming.read(&message).as_ref(), Ok(&element));
    }
    let inline = Outgoing::new(10).write(&element);
    assert_eq!(inline.first(), Some(&6), "only the namespace fits");
}

#[test]
fn prefixes_mean_what_was_declared_nearest() {
    let inner = Element::new("a", "inner").declare("a", "urn:2").attribute("i", "nil", Value::Text("true".into()));
    let root = Element::new("a", "outer")
        .declare("a", "urn:1")
        .declare("i", "http://www.w3.org/2001/XMLSchema-instance")
        .child(inner)
        .child(Element::new("a", "last").text("4").value(Value::Int(2)));
    let root = Cursor::root(&root);
    assert!(root.is("urn:1", "outer") && !root.is("urn:2", "outer"));
    let inner = root.child("urn:2", "inner").unwrap();
    assert!(inner.is_nil() && !root.is_nil());
    assert_eq!(inner.text().as_deref(), Some(""));
    assert_eq!(root.child("urn:1", "last").unwrap().text().as_deref(), Some("42"));
    assert_eq!(root.text(), None);
}

fn names() -> impl Strategy<Value = Str> {
    prop_oneof![
        prop::sample::select(vec!["Envelope", "nil", "a", "", "PresenceMapEntry"]).prop_map(Str::from_static),
        "[a-zA-Z]{1,8}".prop_map(Str::from)
    ]
}

fn prefixes() -> impl Strategy<Value = Str> {
    prop_oneof![Just(Str::EMPTY), "[a-z]".prop_map(Str::from), "[a-z]{2,4}".prop_map(Str::from)]
}

fn single_values() -> impl Strategy<Value = Value> {
    prop_oneof![
        ".{0,12}".prop_map(|text| Value::Text(text.into())),
        "[a-z]{250,300}".prop_map(|text| Value::Text(text.into())),
        Just(Value::Text("Envelope".into())),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(Value::Int),
        (-200..200_i64).prop_map(Value::Int),
        (-70_000..70_000_i64).prop_map(Value::Int),
        any::<u64>().prop_map(Value::Uint),
        prop::num::f32::NORMAL.prop_map(Value::Float),
        prop::num::f64::NORMAL.prop_map(Value::Double),
        any::<[u8; 16]>().prop_map(Value::Decimal),
        any::<u64>().prop_map(Value::DateTime),
        any::<i64>().prop_map(Value::TimeSpan),
        any::<[u8; 16]>().prop_map(Value::Uuid),
        any::<[u8; 16]>().prop_map(Value::UniqueId),
        prop::collection::vec(any::<u8>(), 0..300).prop_map(Value::Bytes),
        // Only a name with a number is written as such.
        (0..26_u8).prop_map(|letter| Value::Name { letter, name: "To".into() }),
    ]
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![single_values(), prop::collection::vec(single_values(), 0..4).prop_map(Value::List)]
}

fn attributes() -> impl Strategy<Value = Attribute> {
    prop_oneof![
        (prefixes(), names(), values()).prop_map(|(prefix, name, value)| Attribute::Plain { prefix, name, value }),
        (prefixes(), names()).prop_map(|(prefix, uri)| Attribute::Namespace { prefix, uri }),
    ]
}

fn elements() -> impl Strategy<Value = Element> {
    let with = |children: BoxedStrategy<Vec<Node>>| {
        (prefixes(), names(), prop::collection::vec(attributes(), 0..3), children)
            .prop_map(|(prefix, name, attributes, children)| Element { prefix, name, attributes, children })
    };
    with(Just(Vec::new()).boxed()).prop_recursive(5, 40, 4, move |inner| {
        let node = prop_oneof![
            inner.prop_map(Node::Element),
            values().prop_map(Node::Value),
            ".{0,9}".prop_map(|text| Node::Comment(text.into())),
        ];
        with(prop::collection::vec(node, 0..4).boxed())
    })
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(messages in prop::collection::vec(elements(), 1..4), bytes_max in 0..200_usize) {
        let (mut outgoing, mut incoming) = (Outgoing::new(bytes_max), Incoming::new(Limits::default()));
        for message in messages {
            prop_assert_eq!(incoming.read(&outgoing.write(&message)), Ok(message));
        }
    }

    #[test]
    fn hostile_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut incoming = Incoming::new(Limits { nodes_max: 1000, ..Limits::default() });
        if let Ok(element) = incoming.read(&bytes) {
            // What could be read can be written and read again.
            let again = Outgoing::new(2048).write(&element);
            prop_assert!(Incoming::new(Limits::default()).read(&again).is_ok());
        }
    }

    #[test]
    fn bytes_bent_a_little_never_panic(message in elements(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>()) {
        let mut bytes = Outgoing::new(100).write(&message);
        let place = at.index(bytes.len());
        bytes[place] = byte;
        let kept = cut.index(bytes.len() + 1);
        for bytes in [&bytes[..], &bytes[..kept]] {
            if let Ok(element) = Incoming::new(Limits::default()).read(bytes) {
                _ = crate::soap::Message::new(element).map(|message| message.fault());
            }
        }
    }
}
