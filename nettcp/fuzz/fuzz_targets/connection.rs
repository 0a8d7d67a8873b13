//! What a hostile server may send over a whole connection: framing, messages with a growing dictionary, envelopes, faults.
#![no_main]

use libfuzzer_sys::fuzz_target;
use nettcp::framing::{Decoder, Record};
use nettcp::session::{Incoming, Outgoing};
use nettcp::{Limits, soap};

fuzz_target!(|bytes: &[u8]| {
    let limits = Limits { nodes_max: 10_000, message_bytes_max: 1 << 20, ..Limits::default() };
    let (mut decoder, mut incoming, mut outgoing) = (Decoder::new(limits), Incoming::new(limits), Outgoing::new(2048));
    let mut again = Incoming::new(Limits::default());
    for piece in bytes.chunks(61) {
        decoder.push(piece);
        loop {
            match decoder.next_record() {
                Ok(Some(Record::Envelope(message))) => {
                    let Ok(element) = incoming.read(&message) else { return };
                    let read = again.read(&outgoing.write(&element)).expect("what was read can be written and read again");
                    if let Ok(message) = soap::Message::new(read) {
                        _ = message.fault();
                    }
                }
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
    }
});
