//! Opens encrypted resource data. All of it is CPU time: run it on blocking threads.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use aws_lc_rs::cipher::{AES_256, DecryptionContext, PaddedBlockDecryptingKey, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::parse::EncryptedContent;
use super::{Refusal, Verified};
use crate::domain::ids::TeamsUserId;
use crate::graph::certificate::PrivateKey;

/// Length of a data key (AES-256).
const DATA_KEY_BYTES: usize = 32;
/// Length of AES's block, and of the part of the data key that serves as first block.
const BLOCK_BYTES: usize = 16;

/// A presence that Graph told, proven and decrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Whose.
    pub user: TeamsUserId,
    /// Such as `Busy`; words unknown to us are kept.
    pub availability: String,
    /// Such as `InACall`; words unknown to us are kept.
    pub activity: String,
    /// Sorts the states of one user; often absent.
    pub sequence_number: Option<String>,
}

/// Our private keys by the id of their certificate. Cheap to clone.
#[derive(Clone, Default)]
pub struct PrivateKeys(Arc<HashMap<String, PrivateKey>>);

impl PrivateKeys {
    /// The key of a certificate, if we hold it.
    #[must_use]
    pub fn get(&self, certificate_id: &str) -> Option<&PrivateKey> {
        self.0.get(certificate_id)
    }
}

impl FromIterator<(String, PrivateKey)> for PrivateKeys {
    fn from_iter<I: IntoIterator<Item = (String, PrivateKey)>>(keys: I) -> Self {
        Self(Arc::new(keys.into_iter().collect()))
    }
}

impl fmt::Debug for PrivateKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Presence {
    id: Option<Uuid>,
    availability: String,
    activity: String,
    #[serde(default)]
    sequence_number: Option<String>,
}

impl Verified {
    /// Decrypts the presence inside. About a millisecond of CPU with a key of 2048 bits.
    ///
    /// # Errors
    /// The check that failed.
    pub fn open(&self, keys: &PrivateKeys) -> Result<Opened, Refusal> {
        let key = self.content.certificate_id().and_then(|id| keys.get(id)).ok_or(Refusal::UnknownCertificate)?;
        let plain = open_content(&self.content, key)?;
        let presence: Presence = serde_json::from_slice(&plain).map_err(|_| Refusal::Content)?;
        let user = match (self.user, presence.id.map(TeamsUserId)) {
            (Some(outside), Some(inside)) if outside != inside => return Err(Refusal::Mismatch),
            (outside, inside) => inside.or(outside).ok_or(Refusal::Content)?,
        };
        let Presence { availability, activity, sequence_number, .. } = presence;
        Ok(Opened { user, availability, activity, sequence_number })
    }
}

/// Decrypts resource data of any type, after proving that nobody changed it.
///
/// # Errors
/// [`Refusal::KeyUnwrap`], [`Refusal::Signature`] or [`Refusal::Content`].
pub fn open_content(content: &EncryptedContent<'_>, key: &PrivateKey) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let data_key = STANDARD.decode(content.data_key.as_str()).map_err(|_| Refusal::KeyUnwrap)?;
    let data_key = key.unwrap(&data_key).filter(|key| key.len() == DATA_KEY_BYTES).ok_or(Refusal::KeyUnwrap)?;

    let mut data = Zeroizing::new(STANDARD.decode(content.data.as_str()).map_err(|_| Refusal::Signature)?);
    let signature = STANDARD.decode(content.data_signature.as_str()).map_err(|_| Refusal::Signature)?;
    let is_signed_by = hmac::Key::new(hmac::HMAC_SHA256, &data_key);
    // In constant time, and before anything is decrypted: a wrong padding must not tell a forger more than a wrong signature.
    hmac::verify(&is_signed_by, &data, &signature).map_err(|_| Refusal::Signature)?;

    let length = decrypt(&data_key, &mut data).ok_or(Refusal::Content)?;
    data.truncate(length);
    Ok(data)
}

/// AES-256-CBC with PKCS #7; the first block is the key's beginning. Returns the length of what is left without padding.
fn decrypt(data_key: &[u8], data: &mut [u8]) -> Option<usize> {
    let first_block: [u8; BLOCK_BYTES] = data_key.first_chunk().copied()?;
    let cipher = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, data_key).ok()?).ok()?;
    let plain = cipher.decrypt(data, DecryptionContext::Iv128(FixedLength::from(first_block))).ok()?;
    Some(plain.len())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::graph::notification::fixture::{Sealed, key, other_key};

    const USER: &str = "1f2e3d4c-aaaa-4bbb-8ccc-333344445555";

    fn presence() -> Vec<u8> {
        let type_ = "#microsoft.graph.presence";
        json!({"@odata.type": type_, "id": USER, "availability": "Busy", "activity": "InACall"}).to_string().into_bytes()
    }

    fn verified(user: Option<&str>, sealed: &Sealed) -> Verified {
        let text = sealed.to_json().to_string();
        let content: EncryptedContent<'_> = serde_json::from_str(&text).unwrap();
        Verified {
            subscription_id: crate::graph::SubscriptionId("s".to_owned()),
            user: user.map(|user| TeamsUserId(user.parse().unwrap())),
            content: content.into_owned(),
        }
    }

    fn keys() -> PrivateKeys {
        PrivateKeys::from_iter([("key 1".to_owned(), key()), ("key 2".to_owned(), other_key())])
    }

    fn check(user: Option<&str>, sealed: &Sealed, expected: Result<(&str, &str), Refusal>) {
        let opened = verified(user, sealed).open(&keys());
        let expected = expected.map(|(availability, activity)| Opened {
            user: TeamsUserId(USER.parse().unwrap()),
            availability: availability.to_owned(),
            activity: activity.to_owned(),
            sequence_number: None,
        });
        assert_eq!(opened, expected);
    }

    #[test]
    fn genuine_notifications_open() {
        check(Some(USER), &Sealed::new(&presence()), Ok(("Busy", "InACall")));
        check(None, &Sealed::new(&presence()), Ok(("Busy", "InACall")));
        let without_id = br#"{"availability":"Zzz","activity":"Focusing","new":{"x":1},"statusMessage":null}"#;
        check(Some(USER), &Sealed::new(without_id), Ok(("Zzz", "Focusing")));
        let numbered = br#"{"availability":"Away","activity":"Away","sequenceNumber":"A7"}"#;
        let opened = verified(Some(USER), &Sealed::new(numbered)).open(&keys()).unwrap();
        assert_eq!(opened.sequence_number.as_deref(), Some("A7"));
    }

    #[test]
    fn every_failure_has_its_name() {
        let genuine = || Sealed::new(&presence());
        check(Some(USER), &Sealed { certificate_id: Some("key 3"), ..genuine() }, Err(Refusal::UnknownCertificate));
        check(Some(USER), &Sealed { certificate_id: None, ..genuine() }, Err(Refusal::UnknownCertificate));
        check(Some(USER), &Sealed { certificate_id: Some("key 2"), ..genuine() }, Err(Refusal::KeyUnwrap));
        check(Some(USER), &genuine().edit(|sealed| sealed.data_key[7] ^= 1), Err(Refusal::KeyUnwrap));
        check(Some(USER), &genuine().edit(|sealed| sealed.data_key.truncate(9)), Err(Refusal::KeyUnwrap));
        check(Some(USER), &genuine().edit(|sealed| sealed.data_key.clear()), Err(Refusal::KeyUnwrap));
        check(Some(USER), &Sealed::with_key(&presence(), &[9; 16]), Err(Refusal::KeyUnwrap));
        check(Some(USER), &genuine().edit(|sealed| sealed.data[3] ^= 1), Err(Refusal::Signature));
        check(Some(USER), &genuine().edit(|sealed| sealed.data_signature[3] ^= 1), Err(Refusal::Signature));
        check(Some(USER), &genuine().edit(|sealed| sealed.data_signature.truncate(16)), Err(Refusal::Signature));
        check(Some(USER), &genuine().edit(|sealed| sealed.data_signature.clear()), Err(Refusal::Signature));
        check(Some(USER), &Sealed::raw(&[1; 32]), Err(Refusal::Content));
        check(Some(USER), &Sealed::raw(&[1; 31]), Err(Refusal::Content));
        check(Some(USER), &Sealed::raw(&[]), Err(Refusal::Content));
        check(Some(USER), &Sealed::new(b"no json"), Err(Refusal::Content));
        check(Some(USER), &Sealed::new(br#"{"id":null}"#), Err(Refusal::Content));
        check(None, &Sealed::new(br#"{"availability":"Away","activity":"Away"}"#), Err(Refusal::Content));
        check(Some("00000000-aaaa-4bbb-8ccc-333344445555"), &genuine(), Err(Refusal::Mismatch));
    }

    #[test]
    fn what_is_not_base64_has_its_name_too() {
        for (field, expected) in
            [("dataKey", Refusal::KeyUnwrap), ("data", Refusal::Signature), ("dataSignature", Refusal::Signature)]
        {
            let mut json = Sealed::new(&presence()).to_json();
            json[field] = json!("%%%");
            let text = json.to_string();
            let content: EncryptedContent<'_> = serde_json::from_str(&text).unwrap();
            assert_eq!(open_content(&content, &key()).unwrap_err(), expected, "{field}");
        }
    }
}
