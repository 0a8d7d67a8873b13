//! Presence subscriptions of one signed-in account: create, renew, list, delete.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use reqwest::{Method, RequestBuilder};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{Bearer, Call, Class, Client, Endpoint, Error};
use crate::domain::ids::TeamsUserId;
use crate::graph::token::AccessToken;
use crate::graph::wire::SubscriptionId;

/// While a subscription is made, Graph calls us back twice and gives each call 10 s.
const VALIDATED_REQUEST_TIMEOUT: Duration = Duration::from_secs(30);
const CALL: Call = Call { endpoint: Endpoint::Subscriptions, class: Class::Renewal };
/// Pages of subscriptions read, at most; an account has one presence subscription.
const PAGES_MAX: usize = 20;

/// What to subscribe to, and how to be told.
#[derive(Clone, Debug)]
pub struct NewSubscription {
    /// Whose presence; up to 650.
    pub users: Vec<TeamsUserId>,
    /// Where change notifications go.
    pub notification_url: Url,
    /// Where lifecycle notifications go.
    pub lifecycle_notification_url: Url,
    /// 45 to 60 minutes ahead.
    pub expires_at: Timestamp,
    /// Comes back in every notification; at most 128 characters.
    pub client_state: SecretString,
    /// What Graph encrypts for.
    pub certificate: EncryptionCertificate,
}

/// The certificate that Graph encrypts for; public.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EncryptionCertificate {
    /// Our own name for it, which notifications repeat.
    pub id: String,
    /// X.509, DER.
    pub certificate_der: Vec<u8>,
}

/// A subscription as Graph tells it.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Graph's name for it.
    pub id: SubscriptionId,
    /// What it is about.
    pub resource: Option<String>,
    /// The app it belongs to.
    pub application_id: Option<String>,
    /// Where its notifications go.
    pub notification_url: Option<String>,
    /// Which certificate Graph encrypts for.
    pub encryption_certificate_id: Option<String>,
    /// When it ends; `None` where Graph says nothing readable.
    #[serde(rename = "expirationDateTime", default, deserialize_with = "readable_time")]
    pub expires_at: Option<Timestamp>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Creation<'a> {
    change_type: &'static str,
    notification_url: &'a str,
    lifecycle_notification_url: &'a str,
    resource: String,
    expiration_date_time: String,
    client_state: &'a str,
    include_resource_data: bool,
    latest_supported_tls_version: &'static str,
    #[serde(flatten)]
    certificate: Certificate<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Renewal<'a> {
    expiration_date_time: String,
    #[serde(flatten)]
    certificate: Option<Certificate<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Certificate<'a> {
    encryption_certificate: String,
    encryption_certificate_id: &'a str,
}

#[derive(Deserialize)]
struct Page {
    value: Vec<Subscription>,
    #[serde(rename = "@odata.nextLink")]
    next: Option<String>,
}

/// What a presence subscription to these users is about; Graph wants every id in quotes.
#[must_use]
pub fn presences_resource(users: &[TeamsUserId]) -> String {
    let ids: Vec<String> = users.iter().map(|user| format!("'{user}'")).collect();
    format!("/communications/presences?$filter=id in ({})", ids.join(","))
}

impl Client {
    /// Subscribes. Graph calls both addresses back before it answers, so the listener must be running.
    ///
    /// # Errors
    /// See [`Error`]; refused with 409: the account has a presence subscription already. After [`Error::Retry`] it may exist.
    pub async fn create_subscription(&self, account: &AccessToken, new: &NewSubscription) -> Result<Subscription, Error> {
        let creation = Creation {
            change_type: "updated",
            notification_url: new.notification_url.as_str(),
            lifecycle_notification_url: new.lifecycle_notification_url.as_str(),
            resource: presences_resource(&new.users),
            expiration_date_time: in_utc(new.expires_at),
            client_state: new.client_state.expose_secret(),
            include_resource_data: true,
            latest_supported_tls_version: "v1_2",
            certificate: Certificate::from(&new.certificate),
        };
        let request = self.request(Method::POST, "subscriptions").timeout(VALIDATED_REQUEST_TIMEOUT).json(&creation);
        self.ask(CALL, Bearer::Account(account), request).await
    }

    /// Renews a subscription, and lets Graph encrypt for another certificate from now on, if one is given.
    ///
    /// # Errors
    /// See [`Error`]; refused with 404: it is gone.
    pub async fn renew_subscription(
        &self,
        account: &AccessToken,
        id: &SubscriptionId,
        expires_at: Timestamp,
        certificate: Option<&EncryptionCertificate>,
    ) -> Result<Subscription, Error> {
        let renewal = Renewal { expiration_date_time: in_utc(expires_at), certificate: certificate.map(Certificate::from) };
        let request = self.of_subscription(Method::PATCH, id).timeout(VALIDATED_REQUEST_TIMEOUT).json(&renewal);
        self.ask(CALL, Bearer::Account(account), request).await
    }

    /// All subscriptions that the app has for this account, not only those to presence.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn list_subscriptions(&self, account: &AccessToken) -> Result<Vec<Subscription>, Error> {
        let mut subscriptions = Vec::new();
        let mut request = self.request(Method::GET, "subscriptions");
        for _ in 0..PAGES_MAX {
            let page: Page = self.ask(CALL, Bearer::Account(account), request).await?;
            subscriptions.extend(page.value);
            let Some(next) = page.next else { break };
            request = self.http.get(self.next_link(&next)?.url().clone());
        }
        Ok(subscriptions)
    }

    /// Ends a subscription; one that is gone already counts as ended.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn delete_subscription(&self, account: &AccessToken, id: &SubscriptionId) -> Result<(), Error> {
        let request = self.of_subscription(Method::DELETE, id);
        match self.send(CALL, Bearer::Account(account), request).await {
            Ok(_) | Err(Error::Refused { status: 404 | 410, .. }) => Ok(()),
            Err(error) => Err(error),
        }
    }

    fn of_subscription(&self, method: Method, id: &SubscriptionId) -> RequestBuilder {
        let id: String = url::form_urlencoded::byte_serialize(id.as_str().as_bytes()).collect();
        self.request(method, &format!("subscriptions/{id}"))
    }
}

impl<'a> From<&'a EncryptionCertificate> for Certificate<'a> {
    fn from(certificate: &'a EncryptionCertificate) -> Self {
        Self { encryption_certificate: STANDARD.encode(&certificate.certificate_der), encryption_certificate_id: &certificate.id }
    }
}

fn in_utc(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()
}

fn readable_time<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    Ok(text.and_then(|text| text.parse().ok()))
}
