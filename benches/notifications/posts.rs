//! Posts made ahead, as Graph makes them: notifications encrypted each with a key of its own, and a validation token.

use std::ops::Range;

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

/// Everybody takes a call and ends it before anything is measured: so many notifications about each.
pub const WARM_UP: usize = 2;

/// Teams' words after so many notifications about somebody, of whom `per_user` are told after the warm-up: the last says that they are
/// in a call.
pub fn words(told: usize, per_user: usize) -> (&'static str, &'static str) {
    let is_in_call = match told {
        0 | WARM_UP => false,
        1 => true,
        told => (WARM_UP + per_user - told).is_multiple_of(2),
    };
    if is_in_call { ("Busy", "InACall") } else { ("Available", "Available") }
}

/// Makes the posts of a scenario, in the order in which they are to go out: those of these rounds, each of which tells of everybody.
pub fn make(
    people: &People,
    rounds: Range<usize>,
    per_user: usize,
    per_post: usize,
    certificate: &NotificationCertificate,
    signer: &Signer,
    now: Timestamp,
) -> Result<Vec<Post>, Failure> {
    let sealer = Sealer::new(certificate)?;
    let token = signer.validation_token(now)?;
    // The same order in each round: as long as a round has more posts than there are connections, nobody's two notifications are under way
    // at once, and the earlier is never taken for the later.
    let mut order: Vec<usize> = (0..people.teams.len()).collect();
    fastrand::Rng::with_seed(2026).shuffle(&mut order);
    let all: Vec<(usize, usize)> = rounds.flat_map(|told| order.iter().map(move |person| (*person, told))).collect();
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
