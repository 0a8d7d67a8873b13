//! The body of a notification request: changes with their encrypted content and validation token, or lifecycle events.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::delivery::{Notice, Parcel};
use super::encryption::EncryptionCertificate;
use super::faults::Tamper;
use super::presence::Pair;
use super::signing::SigningKey;
use super::state::Emulator;

/// The app under which Microsoft Graph Change Tracking signs.
const CHANGE_TRACKING: Uuid = Uuid::from_u128(0x0bf3_0f3b_4a52_48df_9a82_2349_10c4_a086);

/// From `iat` to `exp` of a validation token.
const TOKEN_SECONDS: i64 = 86_700;

impl Emulator {
    /// The request body for notifications that travel together.
    pub fn envelope(&self, batch: &[Parcel]) -> String {
        let value: Vec<Value> = batch.iter().map(|parcel| self.notification(parcel)).collect();
        let first = &batch[0];
        let body = match &first.notice {
            Notice::Lifecycle { .. } => json!({ "value": value }),
            Notice::Change { .. } => {
                let rich = batch.iter().any(|parcel| matches!(parcel.notice, Notice::Change { encryption: Some(_), .. }));
                let token = if rich { self.validation_token(first.tamper, first.v1_token) } else { None };
                json!({ "value": value, "validationTokens": token.map(|token| [token]) })
            }
        };
        body.to_string()
    }

    fn notification(&self, parcel: &Parcel) -> Value {
        let address = &parcel.address;
        let tenant = self.options.tenant_id;
        let client_state = match parcel.tamper {
            Tamper::WrongClientState => Some("somebody else's".to_owned()),
            _ => address.client_state.clone(),
        };
        let mut value = json!({
            "subscriptionId": address.subscription,
            "subscriptionExpirationDateTime": address.subscription_expires_at,
            "tenantId": tenant,
            "clientState": client_state,
        });
        match &parcel.notice {
            Notice::Lifecycle { event } => value["lifecycleEvent"] = Value::from(event.as_str()),
            Notice::Change { user, pair, encryption } => {
                value["id"] = Value::from(Uuid::new_v4().to_string());
                value["changeType"] = Value::from("updated");
                value["resource"] = Value::from(format!("communications/presences/{user}"));
                value["organizationId"] = Value::from(tenant.to_string());
                value["resourceData"] = json!({
                    "@odata.type": "#microsoft.graph.presence",
                    "@odata.id": format!("users/{user}/presence"),
                    "id": user,
                });
                let content = encryption.as_ref().and_then(|certificate| encrypted(certificate, *user, pair, parcel.tamper));
                if let Some(content) = content {
                    value["encryptedContent"] = content;
                }
            }
        }
        value
    }

    fn validation_token(&self, tamper: Tamper, v1: bool) -> Option<String> {
        let now = self.now();
        let claims = self.claims(tamper, v1, now);
        match tamper {
            Tamper::NoToken => None,
            // Costs a new key for every token, which is what makes it unknown.
            Tamper::UnknownKey => SigningKey::generate().ok().map(|key| key.sign(&claims)),
            Tamper::WrongAudience | Tamper::WrongPublisher | Tamper::ExpiredToken | Tamper::WrongTenant => {
                Some(self.look(|world| world.signing.current()).sign(&claims))
            }
            Tamper::TokenSignature => Some(with_broken_signature(&self.look(|world| world.signing.current()).sign(&claims))),
            Tamper::None | Tamper::Signature | Tamper::WrongClientState | Tamper::ForeignCertificateId => {
                Some(self.look(|world| world.signing.validation_token(v1, now, |key| key.sign(&claims))))
            }
        }
    }

    fn claims(&self, tamper: Tamper, v1: bool, now: Timestamp) -> Value {
        let unless = |wrong: Tamper, right: Uuid| if tamper == wrong { Uuid::new_v4() } else { right };
        let tenant = unless(Tamper::WrongTenant, self.options.tenant_id);
        let publisher = unless(Tamper::WrongPublisher, CHANGE_TRACKING);
        let age_seconds = if tamper == Tamper::ExpiredToken { TOKEN_SECONDS + 3600 } else { 0 };
        let issued = now.as_second() - age_seconds;
        let mut claims = json!({
            "aud": unless(Tamper::WrongAudience, self.options.client_id),
            "iat": issued, "nbf": issued, "exp": issued + TOKEN_SECONDS,
            "oid": CHANGE_TRACKING, "sub": CHANGE_TRACKING, "tid": tenant,
        });
        if v1 {
            claims["iss"] = Value::from(format!("https://sts.windows.net/{tenant}/"));
            claims["appid"] = Value::from(publisher.to_string());
            claims["ver"] = Value::from("1.0");
        } else {
            claims["iss"] = Value::from(format!("https://login.microsoftonline.com/{tenant}/v2.0"));
            claims["azp"] = Value::from(publisher.to_string());
            claims["ver"] = Value::from("2.0");
        }
        claims
    }
}

fn encrypted(certificate: &EncryptionCertificate, user: Uuid, pair: &Pair, tamper: Tamper) -> Option<Value> {
    let plain = json!({
        "@odata.id": format!("users/{user}/presence"), "@odata.type": "#microsoft.graph.presence",
        "id": user, "availability": pair.availability, "activity": pair.activity,
    });
    let mut content = certificate.seal(plain.to_string().as_bytes()).ok()?;
    match tamper {
        Tamper::Signature => content.data_signature = STANDARD.encode([0; 32]),
        Tamper::ForeignCertificateId => content.encryption_certificate_id = Uuid::new_v4().to_string(),
        _ => {}
    }
    serde_json::to_value(content).ok()
}

/// Still base64: only its first byte is another.
fn with_broken_signature(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap_or((token, ""));
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    format!("{signed}.{first}{}", signature.get(1..).unwrap_or_default())
}
