//! Subscriptions: create, list, renew, delete, under the rules that presence has.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, StatusCode};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use uuid::Uuid;

use super::delivery::{Address, Notice, Parcel};
use super::encryption::EncryptionCertificate;
use super::faults::AccountFault;
use super::handshake::check_reachable;
use super::refusal::Refusal;
use super::state::{Emulator, World};
use super::subscription_request::{Draft, Renewal};
use super::tokens::Caller;

/// What missed its time because the access token had run out is kept for this.
const RETAINED: SignedDuration = SignedDuration::from_hours(4);

/// A live subscription.
pub struct Subscription {
    pub id: Uuid,
    /// The user whose delegated token made it.
    pub creator: Uuid,
    pub application: Uuid,
    pub resource: String,
    pub users: BTreeSet<Uuid>,
    pub notification_url: String,
    pub lifecycle_url: Option<String>,
    pub client_state: Option<String>,
    pub encryption: Option<Arc<EncryptionCertificate>>,
    pub tls_version: String,
    pub expires_at: Timestamp,
    /// When the token it was made or renewed with runs out; nothing is delivered past that.
    pub token_expires_at: Timestamp,
    pub asked_to_reauthorize: bool,
    /// It lives and is renewed, and tells nothing.
    pub silent: bool,
    pub retained: Vec<Parcel>,
}

/// Who may have subscriptions at all.
struct Subscriber {
    user: Uuid,
    token_expires_at: Timestamp,
}

/// `POST /v1.0/subscriptions`
pub async fn create(
    State(emulator): State<Arc<Emulator>>,
    headers: HeaderMap,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Refusal> {
    let subscriber = subscriber(&emulator, &headers)?;
    let draft = Draft::parse(&body, emulator.now())?;
    emulator.look(|world| world.refuse_second(subscriber.user, emulator.now()))?;
    check_reachable(&emulator, &draft.notification_url).await?;
    if let Some(url) = &draft.lifecycle_url {
        check_reachable(&emulator, url).await?;
    }
    emulator.change(|world, now| {
        // Another create may have won while the handshake ran.
        world.refuse_second(subscriber.user, now)?;
        let subscription = Subscription::from_draft(draft, &emulator, &subscriber);
        let body = subscription.body(&emulator.base_url);
        world.subscriptions.insert(subscription.id, subscription);
        Ok((StatusCode::CREATED, Json(body)))
    })
}

/// `GET /v1.0/subscriptions`
pub async fn list(State(emulator): State<Arc<Emulator>>, headers: HeaderMap) -> Result<Json<Value>, Refusal> {
    let user = subscriber(&emulator, &headers)?.user;
    let now = emulator.now();
    let listed: Vec<Value> = emulator.look(|world| {
        let visible = |subscription: &&Subscription| {
            subscription.creator == user && subscription.expires_at > now && !world.is_haunted(user)
        };
        world.subscriptions.values().filter(visible).map(|subscription| subscription.body(&emulator.base_url)).collect()
    });
    let context = format!("{}/v1.0/$metadata#subscriptions", emulator.base_url);
    Ok(Json(json!({ "@odata.context": context, "value": listed })))
}

/// `GET /v1.0/subscriptions/{id}`
pub async fn one(
    State(emulator): State<Arc<Emulator>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let user = subscriber(&emulator, &headers)?.user;
    emulator.look(|world| world.own(&id, user, emulator.now()).map(|subscription| Json(subscription.body(&emulator.base_url))))
}

/// `PATCH /v1.0/subscriptions/{id}`: a new end, a new address, a new certificate; also reauthorizes.
pub async fn renew(
    State(emulator): State<Arc<Emulator>>,
    headers: HeaderMap,
    Path(id): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Refusal> {
    let subscriber = subscriber(&emulator, &headers)?;
    emulator.look(|world| world.own(&id, subscriber.user, emulator.now()).map(|_| ()))?;
    let renewal = Renewal::parse(&body, emulator.now())?;
    if let Some(url) = &renewal.notification_url {
        check_reachable(&emulator, url).await?;
    }
    emulator.change(|world, now| {
        let subscription = world.own(&id, subscriber.user, now)?;
        subscription.apply(renewal)?;
        subscription.token_expires_at = subscriber.token_expires_at;
        subscription.asked_to_reauthorize = false;
        let body = subscription.body(&emulator.base_url);
        let fresh = |parcel: &Parcel| now.duration_since(parcel.created_at) < RETAINED;
        for parcel in std::mem::take(&mut subscription.retained).into_iter().filter(fresh) {
            world.mail.post(parcel);
        }
        Ok(Json(body))
    })
}

/// `DELETE /v1.0/subscriptions/{id}`
pub async fn delete(
    State(emulator): State<Arc<Emulator>>,
    headers: HeaderMap,
    Path(id): Path<String>,
) -> Result<StatusCode, Refusal> {
    let user = subscriber(&emulator, &headers)?.user;
    emulator.look(|world| {
        let id = world.own(&id, user, emulator.now())?.id;
        world.subscriptions.remove(&id);
        Ok(StatusCode::NO_CONTENT)
    })
}

fn subscriber(emulator: &Emulator, headers: &HeaderMap) -> Result<Subscriber, Refusal> {
    let access = emulator.caller(headers)?;
    match access.who {
        Caller::Delegated { user, scopes } if scopes.allow("Presence.Read.All") => {
            Ok(Subscriber { user, token_expires_at: access.expires_at })
        }
        _ => Err(Refusal::forbidden("The request is not authorized for this user or application.")),
    }
}

impl World {
    fn refuse_second(&self, user: Uuid, now: Timestamp) -> Result<(), Refusal> {
        if self.account_fault(user) == Some(AccountFault::Quota) {
            let message =
                "App '00000000-0000-0000-0000-000000000000' has reached its limit of '1' 'presence' subscription on tenant.";
            return Err(Refusal::new(StatusCode::FORBIDDEN, "Forbidden", message));
        }
        let exists = self.subscriptions.values().any(|live| live.creator == user && live.expires_at > now);
        if !exists && !self.is_haunted(user) {
            return Ok(());
        }
        let message = "A subscripton already exists. It must be deleted before a another can be made.";
        Err(Refusal::new(StatusCode::CONFLICT, "Conflict", message))
    }

    fn account_fault(&self, user: Uuid) -> Option<AccountFault> {
        let name = self.users.get(&user)?.text("userPrincipalName")?;
        self.faults.accounts.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, fault)| *fault)
    }

    /// Whether there is a subscription that nobody can find nor replace.
    fn is_haunted(&self, user: Uuid) -> bool {
        self.faults.ghost_subscription || self.account_fault(user) == Some(AccountFault::Ghost)
    }

    /// A user's own live subscription.
    fn own(&mut self, id: &str, user: Uuid, now: Timestamp) -> Result<&mut Subscription, Refusal> {
        let ghost = self.is_haunted(user);
        let known = Uuid::parse_str(id).ok().and_then(|id| self.subscriptions.get_mut(&id));
        known
            .filter(|live| live.creator == user && live.expires_at > now && !ghost)
            .ok_or_else(|| Refusal::new(StatusCode::NOT_FOUND, "ResourceNotFound", "The object was not found."))
    }
}

impl Subscription {
    fn from_draft(draft: Draft, emulator: &Emulator, subscriber: &Subscriber) -> Self {
        Self {
            id: Uuid::new_v4(),
            creator: subscriber.user,
            application: emulator.options.client_id,
            resource: draft.resource,
            users: draft.users,
            notification_url: draft.notification_url,
            lifecycle_url: draft.lifecycle_url,
            client_state: draft.client_state,
            encryption: draft.encryption.map(Arc::new),
            tls_version: draft.tls_version,
            expires_at: draft.expires_at,
            token_expires_at: subscriber.token_expires_at,
            asked_to_reauthorize: false,
            silent: false,
            retained: Vec::new(),
        }
    }

    fn apply(&mut self, renewal: Renewal) -> Result<(), Refusal> {
        if renewal.encryption.is_some() && self.encryption.is_none() {
            return Err(Refusal::bad_request(
                "The subscription carries no resource data, so it takes no encryption certificate.",
            ));
        }
        if let Some(encryption) = renewal.encryption {
            self.encryption = Some(Arc::new(encryption));
        }
        if let Some(expires_at) = renewal.expires_at {
            self.expires_at = expires_at;
        }
        if let Some(url) = renewal.notification_url {
            self.notification_url = url;
        }
        Ok(())
    }

    /// Where and under which name its change notifications go.
    pub fn address(&self) -> Address {
        Address {
            url: self.notification_url.clone(),
            subscription: self.id,
            subscription_expires_at: self.expires_at,
            client_state: self.client_state.clone(),
        }
    }

    /// A lifecycle notification, if it has where to go; with the subscription's own client state unless another is given.
    pub fn lifecycle_parcel(&self, event: &str, client_state: Option<String>, now: Timestamp) -> Option<Parcel> {
        let mut address = Address { url: self.lifecycle_url.clone()?, ..self.address() };
        if client_state.is_some() {
            address.client_state = client_state;
        }
        Some(Parcel::new(address, Notice::Lifecycle { event: event.to_owned() }, now, false))
    }

    fn body(&self, base_url: &str) -> Value {
        json!({
            "@odata.context": format!("{base_url}/v1.0/$metadata#subscriptions/$entity"),
            "id": self.id,
            "resource": self.resource,
            "applicationId": self.application,
            "changeType": "updated",
            "clientState": self.client_state,
            "notificationUrl": self.notification_url,
            "notificationQueryOptions": null,
            "lifecycleNotificationUrl": self.lifecycle_url,
            "expirationDateTime": self.expires_at,
            "creatorId": self.creator,
            "includeResourceData": self.encryption.is_some(),
            "latestSupportedTlsVersion": self.tls_version,
            "encryptionCertificate": null,
            "encryptionCertificateId": self.encryption.as_ref().map(|encryption| &encryption.id),
            "notificationUrlAppId": null,
        })
    }
}
