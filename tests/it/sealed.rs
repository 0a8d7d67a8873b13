//! Seals resource data as Graph does, for notifications made by hand: written against the crypto library alone.

use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use x509_cert::Certificate;
use x509_cert::der::{Decode, Encode};

const DATA_KEY: [u8; 32] = *b"0123456789abcdefghijklmnopqrstuv";

/// `encryptedContent` that only the owner of the certificate opens; what is inside need not make sense.
pub fn sealed(certificate_der: &[u8], certificate_id: &str, plain: &[u8]) -> Value {
    let certificate = Certificate::from_der(certificate_der).unwrap();
    let public_key = certificate.tbs_certificate().subject_public_key_info().to_der().unwrap();
    let public_key = OaepPublicEncryptingKey::new(PublicEncryptingKey::from_der(&public_key).unwrap()).unwrap();
    let mut data_key = vec![0; public_key.ciphertext_size()];
    public_key.encrypt(&OAEP_SHA1_MGF1SHA1, &DATA_KEY, &mut data_key, None).unwrap();
    let cipher = PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, &DATA_KEY).unwrap()).unwrap();
    let first_block = EncryptionContext::Iv128(FixedLength::try_from(&DATA_KEY[..16]).unwrap());
    let mut data = plain.to_vec();
    cipher.less_safe_encrypt(&mut data, first_block).unwrap();
    let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &DATA_KEY), &data);
    json!({
        "data": STANDARD.encode(&data), "dataKey": STANDARD.encode(&data_key), "dataSignature": STANDARD.encode(signature),
        "encryptionCertificateId": certificate_id, "encryptionCertificateThumbprint": "",
    })
}

/// The same with one byte of a base64 part changed.
pub fn damaged(content: &Value, part: &str) -> Value {
    let mut bytes = STANDARD.decode(content[part].as_str().unwrap()).unwrap();
    bytes[9] ^= 1;
    let mut content = content.clone();
    content[part] = json!(STANDARD.encode(bytes));
    content
}
