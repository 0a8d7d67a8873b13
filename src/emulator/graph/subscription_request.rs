//! What may stand in a request to create or renew a subscription.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::Value;
use url::{Host, Url};
use uuid::Uuid;

use super::encryption::EncryptionCertificate;
use super::refusal::Refusal;

const SHORTEST: SignedDuration = SignedDuration::from_mins(45);
const LONGEST: SignedDuration = SignedDuration::from_mins(60);
const MAX_USERS: usize = 650;
const MAX_TEXT_CHARACTERS: usize = 128;

/// A checked request to create.
pub struct Draft {
    pub resource: String,
    pub users: BTreeSet<Uuid>,
    pub notification_url: String,
    pub lifecycle_url: Option<String>,
    pub client_state: Option<String>,
    pub encryption: Option<EncryptionCertificate>,
    pub tls_version: String,
    pub expires_at: Timestamp,
}

/// A checked request to renew.
pub struct Renewal {
    pub expires_at: Option<Timestamp>,
    pub notification_url: Option<String>,
    pub encryption: Option<EncryptionCertificate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Fields {
    change_type: Option<String>,
    notification_url: Option<String>,
    lifecycle_notification_url: Option<String>,
    resource: Option<String>,
    expiration_date_time: Option<String>,
    client_state: Option<String>,
    include_resource_data: Option<bool>,
    encryption_certificate: Option<String>,
    encryption_certificate_id: Option<String>,
    latest_supported_tls_version: Option<String>,
    vapid_public_key: Option<Value>,
}

impl Draft {
    pub fn parse(body: &[u8], now: Timestamp) -> Result<Self, Refusal> {
        let fields = Fields::parse(body)?;
        let encryption = fields.encryption()?;
        if fields.include_resource_data == Some(true) && encryption.is_none() {
            return Err(Refusal::bad_request(
                "encryptionCertificate and encryptionCertificateId are required when includeResourceData is true.",
            ));
        }
        if fields.change_type.as_deref() != Some("updated") {
            return Err(Refusal::bad_request("changeType must be 'updated' for this resource."));
        }
        let tls_version = fields.latest_supported_tls_version.clone().unwrap_or_else(|| "v1_2".to_owned());
        if !matches!(tls_version.as_str(), "v1_0" | "v1_1" | "v1_2" | "v1_3") {
            return Err(Refusal::bad_request("latestSupportedTlsVersion is not valid."));
        }
        if fields.vapid_public_key.is_some() {
            return Err(Refusal::bad_request("vapidPublicKey is not supported for this notificationUrl."));
        }
        let expires_at = fields.expires_at(now)?.ok_or_else(|| Refusal::bad_request("expirationDateTime is required."))?;
        let notification_url = checked_url(fields.notification_url.as_ref())?;
        let resource = fields.resource.clone().ok_or_else(|| Refusal::bad_request("resource is required."))?;
        Ok(Self {
            users: named_users(&resource).map_err(Refusal::bad_request)?,
            resource,
            notification_url: notification_url.ok_or_else(|| Refusal::bad_request("notificationUrl is required."))?,
            lifecycle_url: checked_url(fields.lifecycle_notification_url.as_ref())?,
            client_state: fields.client_state()?,
            encryption: encryption.filter(|_| fields.include_resource_data == Some(true)),
            tls_version,
            expires_at,
        })
    }
}

impl Renewal {
    pub fn parse(body: &[u8], now: Timestamp) -> Result<Self, Refusal> {
        let fields = Fields::parse(body)?;
        let fixed = [
            ("resource", fields.resource.is_some()),
            ("changeType", fields.change_type.is_some()),
            ("lifecycleNotificationUrl", fields.lifecycle_notification_url.is_some()),
            ("includeResourceData", fields.include_resource_data.is_some()),
            ("clientState", fields.client_state.is_some()),
        ];
        if let Some((name, _)) = fixed.iter().find(|(_, given)| *given) {
            return Err(Refusal::bad_request(format!("The property '{name}' cannot be updated.")));
        }
        Ok(Self {
            expires_at: fields.expires_at(now)?,
            notification_url: checked_url(fields.notification_url.as_ref())?,
            encryption: fields.encryption()?,
        })
    }
}

impl Fields {
    fn parse(body: &[u8]) -> Result<Self, Refusal> {
        serde_json::from_slice(body).map_err(|_| Refusal::bad_request("Invalid JSON, or a property has the wrong type."))
    }

    /// Too early is raised to 45 minutes; too late is refused.
    fn expires_at(&self, now: Timestamp) -> Result<Option<Timestamp>, Refusal> {
        let Some(text) = &self.expiration_date_time else { return Ok(None) };
        let asked: Timestamp = text.parse().map_err(|_| Refusal::bad_request("expirationDateTime is not a valid UTC time."))?;
        if asked <= now {
            return Err(Refusal::bad_request("Subscription expiration must be in the future."));
        }
        if asked.duration_since(now) > LONGEST {
            return Err(Refusal::bad_request("Subscription expiration can only be 60 minutes in the future."));
        }
        Ok(Some(asked.max(now + SHORTEST)))
    }

    fn client_state(&self) -> Result<Option<String>, Refusal> {
        if self.client_state.as_ref().is_some_and(|state| state.chars().count() > MAX_TEXT_CHARACTERS) {
            return Err(Refusal::bad_request("clientState must not be longer than 128 characters."));
        }
        Ok(self.client_state.clone())
    }

    fn encryption(&self) -> Result<Option<EncryptionCertificate>, Refusal> {
        match (&self.encryption_certificate, &self.encryption_certificate_id) {
            (None, None) => Ok(None),
            (Some(certificate), Some(id)) if id.chars().count() <= MAX_TEXT_CHARACTERS => {
                EncryptionCertificate::parse(certificate, id).map(Some).map_err(Refusal::bad_request)
            }
            (Some(_), Some(_)) => Err(Refusal::bad_request("encryptionCertificateId must not be longer than 128 characters.")),
            _ => Err(Refusal::bad_request("encryptionCertificate and encryptionCertificateId must be given together.")),
        }
    }
}

/// `https`, or plain `http` on this machine, which the cloud would refuse.
fn checked_url(given: Option<&String>) -> Result<Option<String>, Refusal> {
    let Some(text) = given else { return Ok(None) };
    let url = Url::parse(text).map_err(|_| Refusal::bad_request("A notification URL is not valid."))?;
    let local = match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    };
    if url.scheme() == "https" || (url.scheme() == "http" && local) {
        return Ok(Some(text.clone()));
    }
    Err(Refusal::bad_request("Notification URLs must use https."))
}

/// The users that a resource names: one presence, or a filter over up to 650 quoted ids.
fn named_users(resource: &str) -> Result<BTreeSet<Uuid>, String> {
    let path = resource.strip_prefix('/').unwrap_or(resource);
    let rest = path.strip_prefix("communications/presences").ok_or("The resource is not supported.")?;
    if let Some(id) = rest.strip_prefix('/') {
        return Ok(BTreeSet::from([Uuid::parse_str(id).map_err(|_| "The presence id is not a GUID.")?]));
    }
    let list = rest
        .strip_prefix("?$filter=")
        .and_then(|filter| filter.trim().strip_prefix("id in"))
        .and_then(|list| list.trim().strip_prefix('(')?.strip_suffix(')'))
        .ok_or("Invalid filter clause: only 'id in (...)' is supported.")?;
    let mut users = BTreeSet::new();
    for quoted in list.split(',') {
        let id = quoted.trim().strip_prefix('\'').and_then(|id| id.strip_suffix('\''));
        let id = id.and_then(|id| Uuid::parse_str(id).ok());
        users.insert(id.ok_or("Invalid filter clause: every id must be a GUID in single quotes.")?);
    }
    if users.len() > MAX_USERS {
        return Err(format!("The filter must not name more than {MAX_USERS} ids."));
    }
    Ok(users)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "fa8bf3dc-eca7-46b7-bad1-db199b62afc3";

    fn many(count: u128) -> String {
        let ids: Vec<String> = (1..=count).map(|n| format!("'{}'", Uuid::from_u128(n))).collect();
        format!("/communications/presences?$filter=id in ({})", ids.join(","))
    }

    #[test]
    fn resources() {
        let table = [
            (format!("/communications/presences/{ID}"), Some(1)),
            (format!("communications/presences/{ID}"), Some(1)),
            (format!("/communications/presences?$filter=id in ('{ID}')"), Some(1)),
            (format!("communications/presences?$filter=id in ('{ID}', '{ID}')"), Some(1)),
            (many(650), Some(650)),
            (many(651), None),
            (format!("/communications/presences?$filter=id in ({ID})"), None),
            ("/communications/presences?$filter=id in ()".to_owned(), None),
            (format!("/communications/presences?$filter=id eq '{ID}'"), None),
            ("/communications/presences".to_owned(), None),
            ("/communications/presences/me".to_owned(), None),
            (format!("/users/{ID}"), None),
        ];
        for (resource, users) in table {
            assert_eq!(named_users(&resource).ok().map(|named| named.len()), users, "{resource}");
        }
    }

    #[test]
    fn ends() {
        let now = Timestamp::UNIX_EPOCH;
        let table = [(-1, None), (0, None), (10, Some(45)), (45, Some(45)), (59, Some(59)), (60, Some(60)), (61, None)];
        for (asked_minutes, granted_minutes) in table {
            let asked = now + SignedDuration::from_mins(asked_minutes);
            let fields = Fields::parse(format!(r#"{{"expirationDateTime":"{asked}"}}"#).as_bytes()).unwrap();
            let granted = granted_minutes.map(|minutes| now + SignedDuration::from_mins(minutes));
            assert_eq!(fields.expires_at(now).ok().flatten(), granted, "{asked_minutes} min");
        }
    }
}
