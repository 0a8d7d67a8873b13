//! Posts made ahead, as Graph makes them: notifications encrypted each with a key of its own, and a validation token.

use bytes::Bytes;
use jiff::Timestamp;
use presence_gateway::graph::certificate::NotificationCertificate;
use serde_json::{Value, json};

use crate::Failure;
use crate::surroundings::notification::{Sealer, Signer, notification};
use crate::surroundings::people::People;

/// A post, ready to go.
pub struct Post {
    /// Its body, JSON.
    pub body: Bytes,
    /// Whom it tells of, and after how many earlier notifications about them.
    pub tells: Vec<(usize, usize)>,
}

/// Teams' words after so many notifications about somebody, of `per_user` in all: the last says that they are in a call.
pub fn words(told: usize, per_user: usize) -> (&'static str, &'static str) {
    let is_in_call = told > 0 && (per_user - told).is_multiple_of(2);
    if is_in_call { ("Busy", "InACall") } else { ("Available", "Available") }
}

/// Makes every post of a scenario, in the order in which they are to go out.
pub fn make(
    people: &People,
    per_user: usize,
    per_post: usize,
    certificate: &NotificationCertificate,
    signer: &Signer,
    now: Timestamp,
) -> Result<Vec<Post>, Failure> {
    let sealer = Sealer::new(certificate)?;
    let token = signer.validation_token(now)?;
    let mut random = fastrand::Rng::with_seed(2026);
    let mut order: Vec<usize> = (0..people.teams.len()).collect();
    let mut all = Vec::with_capacity(order.len() * per_user);
    for told in 0..per_user {
        random.shuffle(&mut order);
        all.extend(order.iter().map(|person| (*person, told)));
    }
    let post = |tells: &[(usize, usize)]| {
        let notification = |(person, told): &(usize, usize)| {
            notification(people, *person, words(told + 1, per_user), &sealer, signer.tenant, now)
        };
        let value = tells.iter().map(notification).collect::<Result<Vec<Value>, Failure>>()?;
        let body = json!({ "value": value, "validationTokens": [token] }).to_string();
        Ok(Post { body: body.into(), tells: tells.to_vec() })
    };
    all.chunks(per_post).map(post).collect()
}
