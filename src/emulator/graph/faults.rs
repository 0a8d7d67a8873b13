//! What goes wrong on demand: refusals, lost, doubled, late and tampered notifications, stale reads, ghosts.

use std::collections::BTreeMap;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::requests::Endpoint;

/// Everything that can be made to go wrong; what is absent is off.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Faults {
    pub deny: Vec<Deny>,
    pub notifications: NotificationFaults,
    /// Reads go on showing the presence from before the change.
    pub presence_lag: bool,
    pub lag: Lag,
    /// How many set and clear actions are taken in 30 seconds of the emulated clock; absent: as many as come.
    pub writes_per_30_seconds: Option<u32>,
    pub batch: BatchFaults,
    pub delta: DeltaFaults,
    pub id_token: IdTokenFaults,
    /// PATCH and DELETE of subscriptions answer 404, create answers 409, and lists are empty.
    pub ghost_subscription: bool,
    /// Application permissions that nobody consented to: tokens do not name them, and what needs them is refused.
    pub withheld_application: Vec<String>,
    /// The same for delegated permissions.
    pub withheld_delegated: Vec<String>,
    /// How many seconds the `Date` of answers is ahead.
    pub date_ahead_seconds: i64,
    /// What is wrong with the subscriptions of single accounts, by user principal name.
    pub accounts: BTreeMap<String, AccountFault>,
    /// Reads tell nothing but id, availability and activity, as in clouds of governments.
    pub sparse_presences: bool,
}

/// What is wrong with an account's subscriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AccountFault {
    /// As `ghost_subscription`, for this account alone.
    Ghost,
    /// Creating answers 403: the app has as many subscriptions as it may.
    Quota,
}

/// How far behind a change others are, in seconds of the emulated clock.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lag {
    /// For so long reads go on showing the value from before.
    pub reads_seconds: u32,
    /// So much later the change notification is sent.
    pub notifications_seconds: u32,
}

/// What happens to the parts of batches.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct BatchFaults {
    /// So many of the next parts that succeed are answered 429 all the same.
    pub executed_yet_429: u32,
    /// The `Retry-After` of those; absent: none.
    pub retry_after_seconds: Option<u64>,
}

/// What is wrong with ID tokens.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct IdTokenFaults {
    /// In the place of the true ones.
    pub claims: Map<String, Value>,
    /// The signature is not Entra ID's.
    pub forged: bool,
}

/// How the changes of users are told.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DeltaFaults {
    /// So many users a page.
    pub page_users: usize,
}

impl Default for DeltaFaults {
    fn default() -> Self {
        Self { page_users: 100 }
    }
}

/// Requests that are refused before anything else looks at them.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deny {
    pub endpoint: Deniable,
    /// Only this method, such as `PATCH`; absent: all.
    #[serde(default)]
    pub method: Option<String>,
    pub status: u16,
    /// Absent: the answer carries no `Retry-After`.
    #[serde(default)]
    pub retry_after_seconds: Option<u64>,
    /// So many requests are let through first.
    #[serde(default)]
    pub after: u32,
    /// How many requests; absent: all until switched off.
    #[serde(default)]
    pub times: Option<u32>,
    /// `error.code` (Graph) or `error` (Entra); absent: what suits the status.
    #[serde(default)]
    pub error_code: Option<String>,
    /// What the refusal says; absent: what suits the status.
    #[serde(default)]
    pub message: Option<String>,
}

/// What can be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Deniable {
    GetPresencesByUserId,
    Subscriptions,
    /// Token and device code requests, and browsers that come to sign in.
    Token,
    /// How an account signs in.
    Userrealm,
    Users,
    /// `GET` of one presence and the four set and clear actions.
    Presence,
    /// The keys and the metadata that lead to them.
    Keys,
    /// A batch as a whole; its parts are refused under their own names.
    Batch,
}

/// What happens to change notifications, applied in this order: lose, tamper, delay or hold, duplicate.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NotificationFaults {
    /// So many of the next ones are never sent.
    pub lose: u32,
    /// So many of the next ones are sent twice.
    pub duplicate: u32,
    /// So many of the next ones are kept until released.
    pub delay: u32,
    /// All are kept until released.
    pub hold: bool,
    /// What was kept is released newest first.
    pub reverse: bool,
    pub tamper: Tamper,
    /// How many are tampered with; absent: all until switched off.
    pub times: Option<u32>,
    /// Validation tokens of version 1.0 instead of 2.0 (both are genuine).
    pub v1_tokens: bool,
}

/// What is wrong with a notification.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tamper {
    #[default]
    None,
    /// `dataSignature` does not fit the content.
    Signature,
    /// The validation token's own signature is broken.
    TokenSignature,
    WrongAudience,
    /// The token was made for another app than Microsoft Graph Change Tracking.
    WrongPublisher,
    ExpiredToken,
    /// The token is of another tenant.
    WrongTenant,
    /// The token is signed with a key that nobody published.
    UnknownKey,
    /// `validationTokens` is null.
    NoToken,
    WrongClientState,
    /// `encryptionCertificateId` names a certificate the subscriber never gave.
    ForeignCertificateId,
}

/// What becomes of one change notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Lost,
    Sent { twice: bool },
    Held { twice: bool },
}

impl Lag {
    pub fn reads(self) -> SignedDuration {
        SignedDuration::from_secs(self.reads_seconds.into())
    }

    pub fn notifications(self) -> SignedDuration {
        SignedDuration::from_secs(self.notifications_seconds.into())
    }
}

impl BatchFaults {
    /// Whether the next part that succeeded is answered 429, counted down.
    pub fn hides_success(&mut self) -> bool {
        take_one(&mut self.executed_yet_429)
    }
}

impl Faults {
    /// The refusal that this request meets, if any, counted down.
    pub fn strike(&mut self, endpoint: Endpoint, method: &str) -> Option<Deny> {
        let meant = |deny: &&mut Deny| {
            deny.endpoint == endpoint.deniable()
                && deny.times != Some(0)
                && deny.method.as_deref().is_none_or(|only| only.eq_ignore_ascii_case(method))
        };
        let deny = self.deny.iter_mut().find(meant)?;
        if take_one(&mut deny.after) {
            return None;
        }
        deny.times = deny.times.map(|times| times - 1);
        Some(deny.clone())
    }
}

impl NotificationFaults {
    /// What becomes of the next change notification, counted down.
    pub fn next(&mut self) -> (Fate, Tamper) {
        if take_one(&mut self.lose) {
            return (Fate::Lost, Tamper::None);
        }
        let tamper = match (self.tamper, &mut self.times) {
            (Tamper::None, _) => Tamper::None,
            (tamper, None) => tamper,
            (tamper, Some(times)) => {
                if take_one(times) {
                    tamper
                } else {
                    Tamper::None
                }
            }
        };
        let held = self.hold || take_one(&mut self.delay);
        let twice = take_one(&mut self.duplicate);
        (if held { Fate::Held { twice } } else { Fate::Sent { twice } }, tamper)
    }
}

fn take_one(left: &mut u32) -> bool {
    let any = *left > 0;
    *left = left.saturating_sub(1);
    any
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_count_down() {
        let mut faults: Faults = serde_json::from_value(serde_json::json!({
            "deny": [{ "endpoint": "users", "status": 429, "times": 1 }],
            "notifications": { "lose": 1, "duplicate": 1, "tamper": "no_token", "times": 1 },
        }))
        .unwrap();
        assert!(faults.strike(Endpoint::Token, "POST").is_none());
        assert_eq!(faults.strike(Endpoint::Users, "GET").unwrap().status, 429);
        assert!(faults.strike(Endpoint::Users, "GET").is_none());
        assert_eq!(faults.notifications.next(), (Fate::Lost, Tamper::None));
        assert_eq!(faults.notifications.next(), (Fate::Sent { twice: true }, Tamper::NoToken));
        assert_eq!(faults.notifications.next(), (Fate::Sent { twice: false }, Tamper::None));
    }
}
