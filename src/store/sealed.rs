//! What is secret at rest: AES-256-GCM with a key from the settings, bound to what it is for.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use zeroize::Zeroizing;

use super::StoreError;
use crate::config::{KEY_BYTES, SealingKeys};
use crate::domain::ids::{TeamsUserId, UserGuid};

/// What a sealed value is for; a value sealed for one purpose does not open for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// A subscriber account's refresh token.
    RefreshToken,
    /// The private key of a notification certificate.
    PrivateKey,
    /// A subscription's client state.
    ClientState,
    /// The key of the audit log's pseudonyms.
    PseudonymKey,
    /// From where Graph tells what changes about people.
    PeopleLink,
    /// Login data that this user left, as this Teams account: it opens for nobody else.
    KeptLogin(UserGuid, TeamsUserId),
}

impl Purpose {
    fn bound(self) -> Aad<Vec<u8>> {
        Aad::from(match self {
            Self::RefreshToken => b"refresh token".to_vec(),
            Self::PrivateKey => b"private key".to_vec(),
            Self::ClientState => b"client state".to_vec(),
            Self::PseudonymKey => b"pseudonym key".to_vec(),
            Self::PeopleLink => b"people link".to_vec(),
            Self::KeptLogin(user, teams) => [b"kept login".as_slice(), user.0.as_bytes(), teams.0.as_bytes()].concat(),
        })
    }
}

/// Seals: a random nonce, then the text and its tag.
pub(super) fn seal(keys: &SealingKeys, purpose: Purpose, plain: &[u8]) -> Result<Vec<u8>, StoreError> {
    let mut text = plain.to_vec();
    let key = key(&keys.current)?;
    let nonce = key.seal_in_place_append_tag(purpose.bound(), &mut text).map_err(|_| StoreError::Sealed)?;
    Ok([nonce.as_ref().as_slice(), &text].concat())
}

/// Opens with the current key, else with an earlier one.
pub(super) fn open(keys: &SealingKeys, purpose: Purpose, sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, StoreError> {
    let (nonce, text) = sealed.split_at_checked(NONCE_LEN).ok_or(StoreError::Sealed)?;
    for bytes in std::iter::once(&keys.current).chain(&keys.previous) {
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| StoreError::Sealed)?;
        let mut buffer = Zeroizing::new(text.to_vec());
        if let Ok(plain) = key(bytes)?.open_in_place(nonce, purpose.bound(), &mut buffer) {
            return Ok(Zeroizing::new(plain.to_vec()));
        }
    }
    Err(StoreError::Sealed)
}

/// Sealed with the current key, if it is not yet; fails where no key opens it.
pub(super) fn anew(keys: &SealingKeys, purpose: Purpose, sealed: &[u8]) -> Result<Option<Vec<u8>>, StoreError> {
    let current = SealingKeys { current: keys.current.clone(), previous: Vec::new() };
    if open(&current, purpose, sealed).is_ok() {
        return Ok(None);
    }
    let plain = open(keys, purpose, sealed)?;
    seal(keys, purpose, &plain).map(Some)
}

fn key(bytes: &[u8; KEY_BYTES]) -> Result<RandomizedNonceKey, StoreError> {
    RandomizedNonceKey::new(&AES_256_GCM, bytes).map_err(|_| StoreError::Sealed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(current: u8, previous: &[u8]) -> SealingKeys {
        let key = |byte: u8| Zeroizing::new([byte; KEY_BYTES]);
        SealingKeys { current: key(current), previous: previous.iter().copied().map(key).collect() }
    }

    #[test]
    fn sealed_values_open_with_their_key_for_their_purpose_only() {
        let sealed = seal(&keys(1, &[]), Purpose::RefreshToken, b"token").unwrap();
        let check = |keys, purpose, expected: Option<&[u8]>| {
            assert_eq!(open(&keys, purpose, &sealed).ok().as_deref().map(Vec::as_slice), expected);
        };
        check(keys(1, &[]), Purpose::RefreshToken, Some(b"token"));
        check(keys(2, &[3, 1]), Purpose::RefreshToken, Some(b"token"));
        check(keys(2, &[3]), Purpose::RefreshToken, None);
        check(keys(1, &[]), Purpose::PrivateKey, None);
        let mut bent = sealed.clone();
        bent[NONCE_LEN] ^= 1;
        assert!(open(&keys(1, &[]), Purpose::RefreshToken, &bent).is_err());
        assert!(open(&keys(1, &[]), Purpose::RefreshToken, b"short").is_err());
        assert_ne!(seal(&keys(1, &[]), Purpose::RefreshToken, b"token").unwrap(), sealed, "nonces differ");
    }

    #[test]
    fn what_one_user_left_opens_for_nobody_else() {
        let id = uuid::Uuid::from_u128;
        let (anna, ben) = (UserGuid(id(1)), UserGuid(id(2)));
        let (account, other) = (TeamsUserId(id(3)), TeamsUserId(id(4)));
        let sealed = seal(&keys(1, &[]), Purpose::KeptLogin(anna, account), b"token").unwrap();
        let check = |purpose, opens| assert_eq!(open(&keys(1, &[]), purpose, &sealed).is_ok(), opens, "{purpose:?}");
        check(Purpose::KeptLogin(anna, account), true);
        check(Purpose::KeptLogin(ben, account), false);
        check(Purpose::KeptLogin(anna, other), false);
        check(Purpose::RefreshToken, false);
    }

    #[test]
    fn what_an_earlier_key_sealed_is_sealed_anew_once() {
        let old = seal(&keys(1, &[]), Purpose::ClientState, b"state").unwrap();
        let anew = anew(&keys(2, &[1]), Purpose::ClientState, &old).unwrap().unwrap();
        assert_eq!(open(&keys(2, &[]), Purpose::ClientState, &anew).unwrap().as_slice(), b"state");
        assert_eq!(super::anew(&keys(2, &[1]), Purpose::ClientState, &anew).unwrap(), None, "it is sealed with the current key");
        assert!(super::anew(&keys(2, &[3]), Purpose::ClientState, &old).is_err());
    }
}
