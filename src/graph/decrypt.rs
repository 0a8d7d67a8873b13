//! Opens notifications given by hand: a whole POST, one notification, or bare encrypted content, of any resource type.

use serde::Deserialize;
use serde_json::value::RawValue;

use super::certificate::PrivateKey;
use super::notification::{EncryptedContent, Refusal, open_content};

/// Why nothing was opened.
#[derive(Debug, thiserror::Error)]
pub enum DecryptError {
    /// Not JSON, or none of the three shapes.
    #[error("not a change notification in JSON (a collection, one notification, or its encryptedContent): {0}")]
    NotJson(#[from] serde_json::Error),
    /// A notification without resource data.
    #[error("notification {number} has no encryptedContent")]
    NoContent {
        /// Counted from 1.
        number: usize,
    },
    /// A check failed.
    #[error("notification {number}: {} check failed: {refusal}", refusal.label())]
    Refused {
        /// Counted from 1.
        number: usize,
        /// The check.
        refusal: Refusal,
    },
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape<'a> {
    #[serde(borrow, default)]
    value: Option<Vec<&'a RawValue>>,
    #[serde(borrow, default)]
    encrypted_content: Option<&'a RawValue>,
    #[serde(borrow, default)]
    data_key: Option<&'a RawValue>,
}

/// The resource data of each notification in `json`, in their order. Only the content's own checks are made: tokens and
/// subscriptions are not looked at, and `key` is tried whatever the certificate's id.
///
/// # Errors
/// The first notification that does not open, and the check that failed.
pub fn decrypt(json: &[u8], key: &PrivateKey) -> Result<Vec<Vec<u8>>, DecryptError> {
    let shape: Shape<'_> = serde_json::from_slice(json)?;
    let Some(notifications) = &shape.value else { return Ok(vec![open(&shape, json, 1, key)?]) };
    let numbered = notifications.iter().zip(1..);
    let opened = numbered.map(|(notification, number)| {
        let json = notification.get().as_bytes();
        open(&serde_json::from_slice(json)?, json, number, key)
    });
    opened.collect()
}

fn open(shape: &Shape<'_>, json: &[u8], number: usize, key: &PrivateKey) -> Result<Vec<u8>, DecryptError> {
    let content: EncryptedContent<'_> = match (shape.encrypted_content, shape.data_key) {
        (Some(content), _) => serde_json::from_str(content.get())?,
        (None, Some(_)) => serde_json::from_slice(json)?,
        (None, None) => return Err(DecryptError::NoContent { number }),
    };
    let plain = open_content(&content, key).map_err(|refusal| DecryptError::Refused { number, refusal })?;
    Ok(plain.to_vec())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::graph::notification::fixture::{Sealed, key};

    #[test]
    fn every_shape_and_any_resource_opens() {
        let message = br##"{"@odata.type":"#microsoft.graph.chatMessage","id":"17"}"##;
        let content = Sealed::new(message).to_json();
        let notification = json!({"subscriptionId": "s", "resource": "chats('x')/messages('17')", "encryptedContent": content});
        let check = |json: &serde_json::Value, expected: usize| {
            let opened = decrypt(json.to_string().as_bytes(), &key()).unwrap();
            assert_eq!(opened, vec![message.to_vec(); expected]);
        };
        check(&content, 1);
        check(&notification, 1);
        check(&json!({"value": [notification, notification], "validationTokens": ["x"]}), 2);
        check(&json!({"value": []}), 0);
    }

    #[test]
    fn the_failing_check_is_named() {
        let damaged = Sealed::new(b"{}").edit(|sealed| sealed.data[0] ^= 1).to_json();
        let fine = json!({"encryptedContent": Sealed::new(b"{}").to_json()});
        let check = |json: &str, expected: &str| {
            let told = decrypt(json.as_bytes(), &key()).unwrap_err().to_string();
            assert!(told.contains(expected), "{told}");
        };
        check(&damaged.to_string(), "notification 1: signature check failed");
        check(&json!({"value": [fine, {"encryptedContent": damaged}]}).to_string(), "notification 2: signature check failed");
        check(&json!({"value": [fine, {"subscriptionId": "s"}]}).to_string(), "notification 2 has no encryptedContent");
        check("{}", "notification 1 has no encryptedContent");
        check("hello", "not a change notification in JSON");
        check(r#"{"encryptedContent":{"data":""}}"#, "not a change notification in JSON");
    }
}
