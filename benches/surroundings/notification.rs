//! Change notifications as Graph makes them: each encrypted with a key of its own, vouched for by a validation token.

use aws_lc_rs::cipher::{AES_256, EncryptionContext, PaddedBlockEncryptingKey, UnboundCipherKey};
use aws_lc_rs::iv::FixedLength;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeySize, OAEP_SHA1_MGF1SHA1, OaepPublicEncryptingKey, PrivateDecryptingKey};
use aws_lc_rs::signature::{KeyPair as _, RSA_PKCS1_SHA256};
use aws_lc_rs::{digest, hmac, rand, rsa};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use presence_gateway::graph::certificate::NotificationCertificate;
use serde_json::{Value, json};
use uuid::Uuid;

use super::Failure;
use super::people::People;

/// The app under which Microsoft Graph Change Tracking signs.
const CHANGE_TRACKING: Uuid = Uuid::from_u128(0x0bf3_0f3b_4a52_48df_9a82_2349_10c4_a086);
/// How long a validation token is good; genuine ones too.
const TOKEN_SECONDS: i64 = 86_700;

/// Who signs validation tokens.
pub struct Signer {
    key: rsa::KeyPair,
    id: String,
    /// Whose notifications they are.
    pub tenant: Uuid,
    /// For whom they are.
    pub client: Uuid,
}

impl Signer {
    /// Makes a key; takes a good part of a second.
    pub fn make() -> Result<Self, Failure> {
        let key = rsa::KeyPair::generate(KeySize::Rsa2048)?;
        Ok(Self { key, id: Uuid::new_v4().to_string(), tenant: Uuid::new_v4(), client: Uuid::new_v4() })
    }

    /// The key as Entra ID publishes it.
    pub fn published(&self) -> Value {
        let modulus = self.key.public_key().modulus().big_endian_without_leading_zero().to_vec();
        let exponent = self.key.public_key().exponent().big_endian_without_leading_zero().to_vec();
        let (modulus, exponent) = (URL_SAFE_NO_PAD.encode(modulus), URL_SAFE_NO_PAD.encode(exponent));
        json!({ "keys": [{ "kty": "RSA", "use": "sig", "kid": self.id, "n": modulus, "e": exponent }] })
    }

    /// A token that vouches for whatever is posted with it.
    pub fn validation_token(&self, now: Timestamp) -> Result<String, Failure> {
        let issued = now.as_second();
        let header = json!({ "typ": "JWT", "alg": "RS256", "kid": self.id });
        let claims = json!({
            "aud": self.client, "iss": format!("https://login.microsoftonline.com/{}/v2.0", self.tenant),
            "iat": issued, "nbf": issued, "exp": issued + TOKEN_SECONDS,
            "azp": CHANGE_TRACKING, "oid": CHANGE_TRACKING, "sub": CHANGE_TRACKING, "tid": self.tenant, "ver": "2.0",
        });
        let encode = |part: Value| URL_SAFE_NO_PAD.encode(part.to_string());
        let signed = format!("{}.{}", encode(header), encode(claims));
        let mut signature = vec![0; self.key.public_modulus_len()];
        self.key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature)?;
        Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// Encrypts for the gateway's certificate.
pub struct Sealer {
    key: OaepPublicEncryptingKey,
    certificate_id: String,
    thumbprint: String,
}

impl Sealer {
    /// Takes the public key from the certificate.
    pub fn new(certificate: &NotificationCertificate) -> Result<Self, Failure> {
        let pair = PrivateDecryptingKey::from_pkcs8(&certificate.private_key_pkcs8_der)?;
        let thumbprint = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, &certificate.certificate_der);
        let thumbprint = thumbprint.as_ref().iter().fold(String::new(), |text, byte| text + &format!("{byte:02X}"));
        let key = OaepPublicEncryptingKey::new(pair.public_key())?;
        Ok(Self { key, certificate_id: certificate.id.clone(), thumbprint })
    }

    fn seal(&self, plain: &Value) -> Result<Value, Failure> {
        let mut key = [0; 32];
        rand::fill(&mut key)?;
        let mut data_key = vec![0; self.key.ciphertext_size()];
        self.key.encrypt(&OAEP_SHA1_MGF1SHA1, &key, &mut data_key, None)?;
        let first_block = EncryptionContext::Iv128(FixedLength::<16>::try_from(&key[..16])?);
        let mut data = plain.to_string().into_bytes();
        let cipher = PaddedBlockEncryptingKey::cbc_pkcs7(UnboundCipherKey::new(&AES_256, &key)?)?;
        cipher.less_safe_encrypt(&mut data, first_block)?;
        let signature = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &data);
        Ok(json!({
            "data": STANDARD.encode(&data), "dataKey": STANDARD.encode(data_key),
            "dataSignature": STANDARD.encode(signature.as_ref()),
            "encryptionCertificateId": self.certificate_id, "encryptionCertificateThumbprint": self.thumbprint,
        }))
    }
}

/// A notification that says these words (availability and activity) of this person.
pub fn notification(
    people: &People,
    person: usize,
    (availability, activity): (&str, &str),
    sealer: &Sealer,
    tenant: Uuid,
    now: Timestamp,
) -> Result<Value, Failure> {
    let (user, subscription) = (people.teams[person], people.subscription_of(person));
    let address = format!("users/{user}/presence");
    let content = sealer.seal(&json!({
        "@odata.id": address, "@odata.type": "#microsoft.graph.presence",
        "id": user, "availability": availability, "activity": activity,
    }))?;
    Ok(json!({
        "id": Uuid::new_v4(), "subscriptionId": subscription.id, "clientState": subscription.client_state,
        "subscriptionExpirationDateTime": (now + SignedDuration::from_mins(57)).to_string(),
        "changeType": "updated", "tenantId": tenant, "organizationId": tenant,
        "resource": format!("communications/presences/{user}"),
        "resourceData": { "@odata.type": "#microsoft.graph.presence", "@odata.id": address, "id": user },
        "encryptedContent": content,
    }))
}
