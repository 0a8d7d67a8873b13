//! Encrypts the content of a rich notification for the subscriber's certificate, as Graph does.

use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::error::Unspecified;
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rsa::{OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PublicEncryptingKey};
use aws_lc_rs::{digest, hmac, rand};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use x509_cert::Certificate;
use x509_cert::der::{Decode as _, Encode as _};

/// What a subscription's `encryptionCertificate` and `encryptionCertificateId` say, ready for use.
pub struct EncryptionCertificate {
    pub id: String,
    thumbprint: String,
    key: OaepPublicEncryptingKey,
}

/// `encryptedContent` of a change notification; all but the id and the thumbprint is base64.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EncryptedContent {
    pub data: String,
    pub data_key: String,
    pub data_signature: String,
    pub encryption_certificate_id: String,
    pub encryption_certificate_thumbprint: String,
}

impl EncryptionCertificate {
    /// Reads a certificate from base64 DER; the answer says why it will not do.
    pub fn parse(base64_der: &str, id: &str) -> Result<Self, &'static str> {
        let der = STANDARD.decode(base64_der).map_err(|_| "The encryption certificate is not valid base64.")?;
        let public_key = public_key_of(&der).ok_or("The encryption certificate is not a valid X.509 certificate.")?;
        let public_key =
            PublicEncryptingKey::from_der(&public_key).map_err(|_| "The encryption certificate needs an RSA key.")?;
        if !(2048..=4096).contains(&public_key.key_size_bits()) {
            return Err("The RSA key of the encryption certificate must have 2048 to 4096 bits.");
        }
        let key = OaepPublicEncryptingKey::new(public_key).map_err(|_| "The encryption certificate's key cannot be used.")?;
        let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &der);
        let thumbprint = hex_upper(thumbprint.as_ref());
        Ok(Self { id: id.to_owned(), thumbprint, key })
    }

    /// Encrypts with a new symmetric key, whose first half serves as the initialisation vector.
    pub fn seal(&self, plaintext: &[u8]) -> Result<EncryptedContent, Unspecified> {
        let mut key = [0_u8; 32];
        rand::fill(&mut key)?;
        let mut wrapped = vec![0_u8; self.key.ciphertext_size()];
        let wrapped = self.key.encrypt(&OAEP_SHA1_MGF1SHA1, &key, &mut wrapped, None)?;
        let vector = FixedLength::<16>::try_from(&key[..16])?;
        let mut content = plaintext.to_vec();
        PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, &key)?)?
            .less_safe_encrypt(&mut content, EncryptionContext::Iv128(vector))?;
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &content);
        Ok(EncryptedContent {
            data: STANDARD.encode(&content),
            data_key: STANDARD.encode(wrapped),
            data_signature: STANDARD.encode(signature),
            encryption_certificate_id: self.id.clone(),
            encryption_certificate_thumbprint: self.thumbprint.clone(),
        })
    }
}

fn hex_upper(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(b"0123456789ABCDEF"[usize::from(half)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// The subject's public key of a DER certificate, as DER `SubjectPublicKeyInfo`.
pub fn public_key_of(certificate_der: &[u8]) -> Option<Vec<u8>> {
    let certificate = Certificate::from_der(certificate_der).ok()?;
    certificate.tbs_certificate().subject_public_key_info().to_der().ok()
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::cipher::{DecryptionContext, PaddedBlockDecryptingKey};
    use aws_lc_rs::rsa::{OaepPrivateDecryptingKey, PrivateDecryptingKey};
    use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};

    use super::*;

    fn open(content: &EncryptedContent, pkcs8: &[u8]) -> Vec<u8> {
        let private = OaepPrivateDecryptingKey::new(PrivateDecryptingKey::from_pkcs8(pkcs8).unwrap()).unwrap();
        let mut room = vec![0; private.min_output_size()];
        let wrapped = STANDARD.decode(&content.data_key).unwrap();
        let key = private.decrypt(&OAEP_SHA1_MGF1SHA1, &wrapped, &mut room, None).unwrap().to_vec();
        assert_eq!(key.len(), 32);
        let mut data = STANDARD.decode(&content.data).unwrap();
        let signature = STANDARD.decode(&content.data_signature).unwrap();
        hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, &key), &data, &signature).unwrap();
        let vector = FixedLength::<16>::try_from(&key[..16]).unwrap();
        let key = PaddedBlockDecryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, &key).unwrap()).unwrap();
        key.decrypt(&mut data, DecryptionContext::Iv128(vector)).unwrap().to_vec()
    }

    #[test]
    fn the_owner_of_the_certificate_reads_what_was_sealed() {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let certificate = CertificateParams::new(vec![]).unwrap().self_signed(&key).unwrap();
        let sealing = EncryptionCertificate::parse(&STANDARD.encode(certificate.der()), "autumn").unwrap();
        let content = sealing.seal(br#"{"availability":"Busy"}"#).unwrap();
        assert_eq!(content.encryption_certificate_id, "autumn");
        assert_eq!(content.encryption_certificate_thumbprint.len(), 40);
        assert_eq!(open(&content, key.serialized_der()), br#"{"availability":"Busy"}"#);
        assert_ne!(sealing.seal(b"x").unwrap().data_key, sealing.seal(b"x").unwrap().data_key);
    }

    #[test]
    fn what_is_no_rsa_certificate_is_refused() {
        let elliptic = KeyPair::generate().unwrap();
        let elliptic = CertificateParams::new(vec![]).unwrap().self_signed(&elliptic).unwrap();
        for unusable in ["not base64!", "AAAA", &STANDARD.encode(elliptic.der())] {
            assert!(EncryptionCertificate::parse(unusable, "x").is_err(), "{unusable}");
        }
    }
}
