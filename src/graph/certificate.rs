//! The certificate that Graph encrypts for: made here, and private keys loaded from wherever they are kept.

use std::fmt;

use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, PrivateDecryptingKey};
use jiff::tz::TimeZone;
use p12_keystore::Pkcs12Archive;
use rcgen::{CertificateParams, DistinguishedName, DnType, KeyPair, PKCS_RSA_SHA256, RsaKeySize, date_time_ymd};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject;
use uuid::Uuid;
use zeroize::Zeroizing;

use crate::clock::Clock;

/// What Graph takes.
const KEY_BITS: std::ops::RangeInclusive<usize> = 2048..=4096;
/// Graph does not look at it; we rotate far earlier.
const YEARS_VALID: i32 = 10;

/// A certificate for encrypted notifications, with its private key.
pub struct NotificationCertificate {
    /// Our name for it, which notifications repeat.
    pub id: String,
    /// X.509, DER; public.
    pub certificate_der: Vec<u8>,
    /// PKCS #8, DER; to be stored encrypted.
    pub private_key_pkcs8_der: Zeroizing<Vec<u8>>,
}

/// Makes a self-signed certificate with a new RSA-2048 key. Takes a good part of a second of CPU: run it on a blocking thread.
///
/// # Errors
/// The machine has no randomness to give.
pub fn make(clock: &Clock) -> Result<NotificationCertificate, rcgen::Error> {
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048)?;
    let today = clock.now().to_zoned(TimeZone::UTC).date();
    let (month, day) = (today.month().unsigned_abs(), today.day().unsigned_abs().min(28));
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, "presence-gateway notifications");
    params.not_before = date_time_ymd(i32::from(today.year()), month, day);
    params.not_after = date_time_ymd(i32::from(today.year()) + YEARS_VALID, month, day);
    let certificate = params.self_signed(&key)?;
    Ok(NotificationCertificate {
        id: Uuid::new_v4().to_string(),
        certificate_der: certificate.der().to_vec(),
        private_key_pkcs8_der: Zeroizing::new(key.serialize_der()),
    })
}

/// A private key, parsed and ready to unwrap data keys.
pub struct PrivateKey(OaepPrivateDecryptingKey);

/// Why a private key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// Not in the form it was said to be in.
    #[error("there is no private key in PEM (PKCS #8 or PKCS #1, not encrypted)")]
    NoPem,
    /// Not in the form it was said to be in.
    #[error("not a PKCS #12 file, or the password is wrong")]
    NoPkcs12,
    /// A PKCS #12 file of certificates alone.
    #[error("the PKCS #12 file holds no private key")]
    NoKeyInside,
    /// Of another kind, or damaged.
    #[error("the private key is not a sound RSA key of at least 2048 bits")]
    NotRsa,
    /// Too small or too large for Graph.
    #[error("the private key has {bits} bits; Graph takes 2048 to 4096")]
    Size {
        /// What it has.
        bits: usize,
    },
}

impl PrivateKey {
    /// Parses a key as [`make`] gave it.
    ///
    /// # Errors
    /// See [`KeyError`].
    pub fn from_pkcs8_der(der: &[u8]) -> Result<Self, KeyError> {
        let key = PrivateDecryptingKey::from_pkcs8(der).map_err(|_| KeyError::NotRsa)?;
        let bits = key.key_size_bits();
        if !KEY_BITS.contains(&bits) {
            return Err(KeyError::Size { bits });
        }
        OaepPrivateDecryptingKey::new(key).map(Self).map_err(|_| KeyError::NotRsa)
    }

    /// RSA-OAEP with SHA-1, as Graph encrypts data keys; `None`: it is not for this key, or damaged.
    pub(super) fn unwrap(&self, data_key: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        let mut plain = Zeroizing::new(vec![0; self.0.min_output_size()]);
        let length = self.0.decrypt(&OAEP_SHA1_MGF1SHA1, data_key, &mut plain, None).ok()?.len();
        plain.truncate(length);
        Some(plain)
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(RSA, {} bits)", self.0.key_size_bits())
    }
}

/// Finds the private key in a PEM file, PKCS #8 or PKCS #1; certificates beside it do not matter.
///
/// # Errors
/// See [`KeyError`].
pub fn private_key_from_pem(pem: &[u8]) -> Result<PrivateKey, KeyError> {
    let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| KeyError::NoPem)?;
    match &key {
        PrivateKeyDer::Pkcs8(key) => PrivateKey::from_pkcs8_der(key.secret_pkcs8_der()),
        PrivateKeyDer::Pkcs1(key) => PrivateKey::from_pkcs8_der(&pkcs8_around(key.secret_pkcs1_der())),
        _ => Err(KeyError::NotRsa),
    }
}

/// Finds the private key in a PKCS #12 file (`.pfx`, `.p12`).
///
/// # Errors
/// See [`KeyError`].
pub fn private_key_from_pkcs12(file: &[u8], password: &str) -> Result<PrivateKey, KeyError> {
    let archive = Pkcs12Archive::from_pkcs12(file, password).map_err(|_| KeyError::NoPkcs12)?;
    let mut latest_refusal = KeyError::NoKeyInside;
    for bag in &archive.keys {
        match PrivateKey::from_pkcs8_der(bag.key.as_der()) {
            Ok(key) => return Ok(key),
            Err(refusal) => latest_refusal = refusal,
        }
    }
    Err(latest_refusal)
}

/// PKCS #8 is PKCS #1 with a label around it: version 0, algorithm `rsaEncryption`, the key as octets.
fn pkcs8_around(pkcs1: &[u8]) -> Zeroizing<Vec<u8>> {
    const VERSION_AND_ALGORITHM: [u8; 18] =
        [0x02, 0x01, 0x00, 0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];
    let mut octets = element(0x04, pkcs1.len());
    octets.extend_from_slice(pkcs1);
    let mut der = Zeroizing::new(element(0x30, VERSION_AND_ALGORITHM.len() + octets.len()));
    der.extend_from_slice(&VERSION_AND_ALGORITHM);
    der.extend_from_slice(&octets);
    zeroize::Zeroize::zeroize(&mut octets);
    der
}

/// The beginning of a DER element, with room for its content.
fn element(tag: u8, length: usize) -> Vec<u8> {
    let mut der = Vec::with_capacity(length + 32);
    der.push(tag);
    let bytes = length.to_be_bytes();
    let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    match (length, u8::try_from(significant.len())) {
        (..0x80, _) | (_, Err(_)) => der.extend_from_slice(significant),
        (_, Ok(count)) => {
            der.push(0x80 | count);
            der.extend_from_slice(significant);
        }
    }
    der
}

#[cfg(test)]
mod tests {
    use std::fmt::Write;

    use aws_lc_rs::encoding::AsDer;
    use aws_lc_rs::rsa::KeySize;
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use p12_keystore::{Certificate, KeyStore, KeyStoreEntry, PrivateKeyChain};

    use super::*;
    use crate::graph::notification::fixture::{Sealed, key, pair};
    use crate::graph::notification::open_content;
    use crate::graph::testing::noon;

    fn pem(label: &str, der: &[u8]) -> String {
        let mut pem = format!("-----BEGIN {label}-----\n");
        for line in STANDARD.encode(der).as_bytes().chunks(64) {
            writeln!(pem, "{}", std::str::from_utf8(line).unwrap()).unwrap();
        }
        writeln!(pem, "-----END {label}-----").unwrap();
        pem
    }

    fn pkcs8() -> Vec<u8> {
        pair().as_der().unwrap().as_ref().to_vec()
    }

    fn opens(key: &PrivateKey) -> bool {
        let text = Sealed::new(b"plain").to_json().to_string();
        open_content(&serde_json::from_str(&text).unwrap(), key).is_ok()
    }

    #[test]
    fn a_made_certificate_carries_the_key_that_is_kept() {
        let clock = Clock::standing_at(noon());
        let made = make(&clock).unwrap();
        let other = make(&clock).unwrap();
        assert_ne!(made.id, other.id);
        assert!(made.id.parse::<Uuid>().is_ok());
        let key = PrivateDecryptingKey::from_pkcs8(&made.private_key_pkcs8_der).unwrap();
        let public = key.public_key().as_der().unwrap().as_ref().to_vec();
        assert!(made.certificate_der.windows(public.len()).any(|part| part == public));
        assert!(PrivateKey::from_pkcs8_der(&made.private_key_pkcs8_der).is_ok());
    }

    #[test]
    fn keys_are_found_in_pem_of_either_form() {
        // PKCS #8 of an RSA key of 2048 bits has 26 bytes before the PKCS #1 inside.
        let pkcs1 = &pkcs8()[26..];
        assert_eq!(*pkcs8_around(pkcs1), pkcs8());
        let beside = pem("CERTIFICATE", b"not looked at");
        for text in [pem("PRIVATE KEY", &pkcs8()), pem("RSA PRIVATE KEY", pkcs1), beside.clone() + &pem("PRIVATE KEY", &pkcs8())]
        {
            assert!(opens(&private_key_from_pem(text.as_bytes()).unwrap()), "{text}");
        }
        let refused = |text: &str| private_key_from_pem(text.as_bytes()).unwrap_err();
        assert_eq!(refused(&beside), KeyError::NoPem);
        assert_eq!(refused(""), KeyError::NoPem);
        assert_eq!(refused(&pem("PRIVATE KEY", b"x")), KeyError::NotRsa);
        assert_eq!(refused(&pem("RSA PRIVATE KEY", b"")), KeyError::NotRsa);
        assert_eq!(refused(&pem("EC PRIVATE KEY", b"x")), KeyError::NotRsa);
        let elliptic = KeyPair::generate().unwrap().serialize_pem();
        assert_eq!(refused(&elliptic), KeyError::NotRsa);
    }

    #[test]
    fn larger_keys_are_taken() {
        let key = PrivateDecryptingKey::generate(KeySize::Rsa3072).unwrap();
        assert!(PrivateKey::from_pkcs8_der(key.as_der().unwrap().as_ref()).is_ok());
    }

    #[test]
    fn keys_are_found_in_pkcs12() {
        let made = make(&Clock::standing_at(noon())).unwrap();
        let certificate = Certificate::from_der(&made.certificate_der).unwrap();
        let inside = p12_keystore::PrivateKey::from_der(&pkcs8()).unwrap();
        let mut store = KeyStore::new();
        let chain = PrivateKeyChain::new("id", inside, [certificate.clone()]);
        store.add_entry("key", KeyStoreEntry::PrivateKeyChain(chain));
        let file = store.writer("secret").write().unwrap();
        assert!(opens(&private_key_from_pkcs12(&file, "secret").unwrap()));
        assert_eq!(private_key_from_pkcs12(&file, "wrong").unwrap_err(), KeyError::NoPkcs12);
        assert_eq!(private_key_from_pkcs12(b"junk", "").unwrap_err(), KeyError::NoPkcs12);

        let mut store = KeyStore::new();
        store.add_entry("certificate", KeyStoreEntry::Certificate(certificate));
        let file = store.writer("secret").write().unwrap();
        assert_eq!(private_key_from_pkcs12(&file, "secret").unwrap_err(), KeyError::NoKeyInside);
    }

    #[test]
    fn a_key_does_not_show_itself() {
        assert_eq!(format!("{:?}", key()), "PrivateKey(RSA, 2048 bits)");
    }
}
