//! The control API: moves the clock, sets faults, answers sign-ins, drops subscriptions and tells what was asked.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::routing::{delete, get, post, put};
use jiff::SignedDuration;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use uuid::Uuid;

use super::control_users;
use super::device_codes::Verdict;
use super::faults::Faults;
use super::refusal::Refusal;
use super::requests::Requests;
use super::sign_ins;
use super::signing::SigningKey;
use super::state::Emulator;
use super::subscriptions::Subscription;
use super::tokens::Revoked;

/// Everything under `/control`.
pub fn routes() -> Router<Arc<Emulator>> {
    Router::new()
        .route("/control/users", get(control_users::list).post(control_users::put_many))
        .route("/control/users/{id}", get(control_users::show).put(control_users::put).delete(control_users::remove))
        .route("/control/users/delta/expire", post(control_users::expire_delta))
        .route("/control/users/{id}/teams", put(control_users::put_teams))
        .route("/control/users/{id}/preferred", put(control_users::put_preferred).delete(control_users::remove_preferred))
        .route("/control/teams", put(control_users::put_teams_of_many))
        .route("/control/device-codes", get(device_codes))
        .route("/control/device-codes/{user_code}/approve", post(approve))
        .route("/control/device-codes/{user_code}/deny", post(deny))
        .route("/control/redirect-uris", put(sign_ins::put_redirect_uris))
        .route("/control/federated-domains", put(sign_ins::put_federated_domains))
        .route("/control/sign-ins", get(sign_ins::waiting))
        .route("/control/sign-ins/{id}/approve", post(sign_ins::approve))
        .route("/control/sign-ins/{id}/deny", post(sign_ins::deny))
        .route("/control/clock", get(clock))
        .route("/control/clock/advance", post(advance))
        .route("/control/faults", get(faults).put(put_faults))
        .route("/control/signing-keys/rotate", post(rotate))
        .route("/control/refresh-tokens/revoke", post(revoke))
        .route("/control/subscriptions", get(subscriptions))
        .route("/control/subscriptions/{id}", delete(lose_subscription))
        .route("/control/subscriptions/{id}/lifecycle", post(lifecycle))
        .route("/control/subscriptions/{id}/expire-token", post(expire_token))
        .route("/control/subscriptions/{id}/silence", post(silence))
        .route("/control/refresh-tokens/restore", post(restore))
        .route("/control/notifications/pending", get(pending))
        .route("/control/notifications/release", post(release))
        .route("/control/requests", get(requests))
}

/// Reads a JSON body; an empty one counts as `{}`.
pub fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    let body: &[u8] = if body.is_empty() { b"{}" } else { body };
    serde_json::from_slice(body).map_err(|error| Refusal::bad_request(format!("The body does not fit: {error}.")))
}

#[derive(Deserialize)]
struct Person {
    #[serde(alias = "userPrincipalName")]
    user_principal_name: String,
}

async fn device_codes(State(emulator): State<Arc<Emulator>>) -> Json<Value> {
    let now = emulator.now();
    emulator.look(|world| {
        let open = world.tokens.devices.values().filter(|device| device.verdict == Verdict::Pending && device.expires_at > now);
        Json(open.map(|device| json!({ "user_code": device.user_code, "expires_at": device.expires_at })).collect())
    })
}

async fn approve(
    State(emulator): State<Arc<Emulator>>,
    Path(user_code): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Refusal> {
    let person: Person = parse(&body)?;
    let now = emulator.now();
    emulator.look(|world| {
        let user = world.user_by_name(&person.user_principal_name).ok_or_else(|| Refusal::not_found("No such user."))?;
        decided(world.tokens.decide_device_code(&user_code, Verdict::Approved(user), now))
    })
}

async fn deny(State(emulator): State<Arc<Emulator>>, Path(user_code): Path<String>) -> Result<StatusCode, Refusal> {
    let now = emulator.now();
    emulator.look(|world| decided(world.tokens.decide_device_code(&user_code, Verdict::Denied, now)))
}

fn decided(found: bool) -> Result<StatusCode, Refusal> {
    found.then_some(StatusCode::NO_CONTENT).ok_or_else(|| Refusal::not_found("No open sign-in has this user code."))
}

async fn clock(State(emulator): State<Arc<Emulator>>) -> Json<Value> {
    Json(json!({ "now": emulator.now() }))
}

#[derive(Deserialize)]
struct Advance {
    seconds: u32,
}

async fn advance(State(emulator): State<Arc<Emulator>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let Advance { seconds } = parse(&body)?;
    emulator.options.clock.advance(SignedDuration::from_secs(seconds.into()));
    emulator.catch_up_with_time();
    Ok(Json(json!({ "now": emulator.now() })))
}

async fn faults(State(emulator): State<Arc<Emulator>>) -> Json<Faults> {
    Json(emulator.look(|world| world.faults.clone()))
}

/// Replaces all faults. Reads stop lagging and what was held goes out, where the new faults do not hold it; where `lag` is
/// another than before, everything catches up; the write budget is full again.
async fn put_faults(State(emulator): State<Arc<Emulator>>, body: Bytes) -> Result<Json<Faults>, Refusal> {
    let faults: Faults = parse(&body)?;
    if let Some(deny) = faults.deny.iter().find(|deny| !(400..600).contains(&deny.status)) {
        return Err(Refusal::bad_request(format!("{} is no status to refuse with.", deny.status)));
    }
    let released = emulator.change(|world, now| world.replace_faults(faults.clone(), now));
    emulator.send_in_order(released);
    Ok(Json(faults))
}

#[derive(Deserialize)]
struct Rotate {
    #[serde(default)]
    drop_old: bool,
}

async fn rotate(State(emulator): State<Arc<Emulator>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let Rotate { drop_old } = parse(&body)?;
    let key = tokio::task::spawn_blocking(SigningKey::generate).await;
    let failed = || Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalServerError", "No key could be made.");
    let key = key.ok().and_then(Result::ok).ok_or_else(failed)?;
    let kid = key.kid.clone();
    emulator.look(|world| world.signing.rotate(key, drop_old));
    Ok(Json(json!({ "kid": kid })))
}

#[derive(Deserialize)]
struct Revoke {
    #[serde(flatten)]
    person: Person,
    error: Option<String>,
}

async fn revoke(State(emulator): State<Arc<Emulator>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let Revoke { person, error } = parse(&body)?;
    let why = match error.as_deref() {
        None | Some("AADSTS50173" | "invalid_grant") => Revoked::Credentials,
        Some("AADSTS50078" | "interaction_required") => Revoked::SignInFrequency,
        Some("AADSTS65001" | "consent_required") => Revoked::Consent,
        Some(_) => return Err(Refusal::bad_request("error must be AADSTS50173, AADSTS50078 or AADSTS65001.")),
    };
    emulator.look(|world| {
        let user = world.user_by_name(&person.user_principal_name).ok_or_else(|| Refusal::not_found("No such user."))?;
        Ok(Json(json!({ "revoked": world.tokens.revoke(user, why) })))
    })
}

/// The consent is given again, or the policy that wanted more was undone: what was refused for that works again.
async fn restore(State(emulator): State<Arc<Emulator>>, body: Bytes) -> Result<Json<Value>, Refusal> {
    let person: Person = parse(&body)?;
    emulator.look(|world| {
        let user = world.user_by_name(&person.user_principal_name).ok_or_else(|| Refusal::not_found("No such user."))?;
        Ok(Json(json!({ "restored": world.tokens.restore(user) })))
    })
}

async fn silence(State(emulator): State<Arc<Emulator>>, Path(id): Path<Uuid>) -> Result<StatusCode, Refusal> {
    emulator.look(|world| {
        world.subscriptions.get_mut(&id).ok_or_else(no_subscription)?.silent = true;
        Ok(StatusCode::NO_CONTENT)
    })
}

async fn subscriptions(State(emulator): State<Arc<Emulator>>) -> Json<Value> {
    emulator.catch_up_with_time();
    emulator.look(|world| {
        let entry = |subscription: &Subscription| {
            json!({
                "id": subscription.id, "creatorId": subscription.creator, "users": subscription.users,
                "notificationUrl": subscription.notification_url, "expiresAt": subscription.expires_at,
                "tokenExpiresAt": subscription.token_expires_at, "retained": subscription.retained.len(),
                "encryptionCertificateId": subscription.encryption.as_ref().map(|encryption| &encryption.id),
            })
        };
        Json(world.subscriptions.values().map(entry).collect())
    })
}

async fn lose_subscription(State(emulator): State<Arc<Emulator>>, Path(id): Path<Uuid>) -> Result<StatusCode, Refusal> {
    let lost = emulator.look(|world| world.subscriptions.remove(&id));
    lost.map(|_| StatusCode::NO_CONTENT).ok_or_else(no_subscription)
}

#[derive(Deserialize)]
struct Lifecycle {
    event: String,
    /// Instead of the subscription's own.
    #[serde(alias = "clientState")]
    client_state: Option<String>,
}

async fn lifecycle(State(emulator): State<Arc<Emulator>>, Path(id): Path<Uuid>, body: Bytes) -> Result<StatusCode, Refusal> {
    let Lifecycle { event, client_state } = parse(&body)?;
    if !matches!(event.as_str(), "reauthorizationRequired" | "subscriptionRemoved" | "missed") {
        return Err(Refusal::bad_request("event must be reauthorizationRequired, subscriptionRemoved or missed."));
    }
    emulator.change(|world, now| {
        let subscription = world.subscriptions.get(&id).ok_or_else(no_subscription)?;
        let parcel = subscription.lifecycle_parcel(&event, client_state, now);
        world.mail.post(parcel.ok_or_else(|| Refusal::bad_request("The subscription has no lifecycleNotificationUrl."))?);
        Ok(StatusCode::ACCEPTED)
    })
}

async fn expire_token(State(emulator): State<Arc<Emulator>>, Path(id): Path<Uuid>) -> Result<StatusCode, Refusal> {
    let now = emulator.now();
    emulator.look(|world| {
        let subscription = world.subscriptions.get_mut(&id).ok_or_else(no_subscription)?;
        subscription.token_expires_at = now;
        // Silent: only the control API asks for reauthorization now.
        subscription.asked_to_reauthorize = true;
        Ok(StatusCode::NO_CONTENT)
    })
}

fn no_subscription() -> Refusal {
    Refusal::not_found("No such subscription.")
}

async fn pending(State(emulator): State<Arc<Emulator>>) -> Json<Value> {
    emulator.catch_up_with_time();
    emulator.look(|world| Json(json!({ "pending": world.mail.pending, "held": world.mail.held(), "late": world.late.len() })))
}

async fn release(State(emulator): State<Arc<Emulator>>) -> Json<Value> {
    let released = emulator.look(|world| {
        let newest_first = world.faults.notifications.reverse;
        world.mail.release(newest_first)
    });
    let count = released.len();
    emulator.send_in_order(released);
    Json(json!({ "released": count }))
}

async fn requests(State(emulator): State<Arc<Emulator>>) -> Json<Requests> {
    Json(emulator.look(|world| world.requests.clone()))
}
