//! What goes over the wire to the gateway: posts made ahead, and what XPhone tells of a person.

use bytes::Bytes;
use jiff::Timestamp;
use presence_gateway::graph::certificate::NotificationCertificate;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::Failure;
use crate::plan::{Change, Direction};
use crate::surroundings::notification::{Sealer, Signer, notification};
use crate::surroundings::people::People;

/// The bit of a telephone that is in a call.
const BUSY: u32 = 4;

/// A change and, where it comes from Teams, the post that tells of it.
pub struct Ready {
    /// What changes.
    pub change: Change,
    /// The post's body.
    pub post: Option<Bytes>,
}

/// Teams' words for a person in a call, and for one who is not.
pub fn words(in_call: bool) -> (&'static str, &'static str) {
    if in_call { ("Busy", "InACall") } else { ("Available", "Available") }
}

/// Makes the posts of these changes.
pub fn ready(
    changes: Vec<Change>,
    people: &People,
    certificate: &NotificationCertificate,
    signer: &Signer,
    now: Timestamp,
) -> Result<Vec<Ready>, Failure> {
    let sealer = Sealer::new(certificate)?;
    let token = signer.validation_token(now)?;
    let ready = |change: Change| {
        if Direction::of(change.person) == Direction::XphoneToTeams {
            return Ok(Ready { change, post: None });
        }
        let told = notification(people, change.person, words(change.in_call), &sealer, signer.tenant, now)?;
        let body = json!({ "value": [told], "validationTokens": [token] }).to_string();
        Ok(Ready { change, post: Some(body.into()) })
    };
    changes.into_iter().map(ready).collect()
}

/// What XPhone shows of a person.
pub struct Shown {
    /// In XPhone.
    pub user: Uuid,
    /// On the telephone.
    pub in_call: bool,
    /// The status shown.
    pub status: Uuid,
    /// The appointment it comes from.
    pub appointment: Option<Value>,
}

/// A person's entry.
pub fn entry(shown: &Shown) -> Value {
    let appointment = shown.appointment.as_ref();
    json!({
        "userGuid": shown.user, "presenceStateGuid": shown.status, "presenceText": "",
        "profileGuid": appointment.map(|one| &one["profileGuid"]), "origin": appointment.map(|one| &one["origin"]),
        "telephoneState": if shown.in_call { BUSY } else { 0 }, "meeting": "none", "clientConnected": true,
    })
}

/// An event as it stands in the stream.
pub fn event(sequence: u64, changed: &str, shown: &Shown) -> Bytes {
    let told = json!({ "userGuid": shown.user, "changed": [changed], "entry": entry(shown) });
    Bytes::from(format!("id: {sequence}\ndata: {told}\n\n"))
}
