//! Seals resource data as Graph does, for tests: written against aws-lc-rs alone, sharing nothing with what opens it.

use std::sync::OnceLock;

use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{KeySize, OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PrivateDecryptingKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::graph::certificate::PrivateKey;

const DATA_KEY: [u8; 32] = *b"0123456789abcdefghijklmnopqrstuv";

/// The pair that [`Sealed`] encrypts for.
pub(in crate::graph) fn pair() -> &'static PrivateDecryptingKey {
    static PAIR: OnceLock<PrivateDecryptingKey> = OnceLock::new();
    PAIR.get_or_init(|| PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap())
}

pub(in crate::graph) fn key() -> PrivateKey {
    PrivateKey::from_pkcs8_der(pair().as_der().unwrap().as_ref()).unwrap()
}

pub(in crate::graph) fn other_key() -> PrivateKey {
    static PAIR: OnceLock<PrivateDecryptingKey> = OnceLock::new();
    let pair = PAIR.get_or_init(|| PrivateDecryptingKey::generate(KeySize::Rsa2048).unwrap());
    PrivateKey::from_pkcs8_der(pair.as_der().unwrap().as_ref()).unwrap()
}

/// Encrypted content before base64, so that tests may damage it.
pub(in crate::graph) struct Sealed {
    pub data: Vec<u8>,
    pub data_key: Vec<u8>,
    pub data_signature: Vec<u8>,
    pub certificate_id: Option<&'static str>,
}

impl Sealed {
    pub fn new(plain: &[u8]) -> Self {
        Self::with_key(plain, &DATA_KEY)
    }

    pub fn with_key(plain: &[u8], data_key: &[u8]) -> Self {
        let cipher = UnboundCipherKey::new(&AES_256, &DATA_KEY).unwrap();
        let cipher = PaddedBlockEncryptingKey::cbc_pkcs7(cipher).unwrap();
        let first_block = EncryptionContext::Iv128(FixedLength::try_from(&DATA_KEY[..16]).unwrap());
        let mut data = plain.to_vec();
        cipher.less_safe_encrypt(&mut data, first_block).unwrap();
        Self::signed(data, data_key)
    }

    /// Properly signed, but whatever bytes inside.
    pub fn raw(data: &[u8]) -> Self {
        Self::signed(data.to_vec(), &DATA_KEY)
    }

    fn signed(data: Vec<u8>, key: &[u8]) -> Self {
        let public = OaepPublicEncryptingKey::new(pair().public_key()).unwrap();
        let mut data_key = vec![0; public.ciphertext_size()];
        public.encrypt(&OAEP_SHA1_MGF1SHA1, key, &mut data_key, None).unwrap();
        let data_signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), &data).as_ref().to_vec();
        Self { data, data_key, data_signature, certificate_id: Some("key 1") }
    }

    pub fn edit(mut self, edit: impl FnOnce(&mut Self)) -> Self {
        edit(&mut self);
        self
    }

    pub fn to_json(&self) -> Value {
        json!({
            "data": STANDARD.encode(&self.data),
            "dataKey": STANDARD.encode(&self.data_key),
            "dataSignature": STANDARD.encode(&self.data_signature),
            "encryptionCertificateId": self.certificate_id,
            "encryptionCertificateThumbprint": "00",
        })
    }
}
