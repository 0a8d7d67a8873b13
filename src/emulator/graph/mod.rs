//! Microsoft Graph and Entra ID over real HTTP on this machine, faithful to what is documented and unkind where Graph is.
//!
//! Login and Graph share one address. What a person, an administrator or bad luck would do is done through `/control`
//! (JSON in and out; errors as Graph words them):
//!
//! | request | body | does |
//! |---|---|---|
//! | `GET /control/users` | | everybody, as below |
//! | `PUT`, `GET`, `DELETE /control/users/{id}` | `{userPrincipalName, mail?, displayName?, accountEnabled?, ...}` | makes or changes a user; shows what is visible, what reads show, every session and the preferred presence, each with its end (`expiresAt`), and the sequence number; deletes (`{for_good}`: so that the user cannot be restored) |
//! | `POST /control/users` | `[{id, userPrincipalName, ...}]` | makes or changes many users at once |
//! | `POST /control/users/delta/expire` | | whoever follows the changes of users must begin anew |
//! | `PUT /control/users/{id}/teams` | `{availability, activity, outOfOfficeMessage?}` | what the user's Teams client says; `Offline`/`Offline`: no session |
//! | `PUT /control/teams` | `{"{id}": {availability, activity}, ...}` | the same for many at once |
//! | `PUT`, `DELETE /control/users/{id}/preferred` | `{availability, activity, expirationDuration?}` | picked by hand, put back |
//! | `GET /control/device-codes` | | sign-ins that wait for a person |
//! | `POST /control/device-codes/{user_code}/approve` | `{user_principal_name}` | the user signs in |
//! | `POST /control/device-codes/{user_code}/deny` | | the user declines |
//! | `PUT /control/redirect-uris` | `["https://..."]` | where browsers may be sent back to; without any, nowhere |
//! | `GET /control/sign-ins` | | browsers that wait for a person to sign in |
//! | `POST /control/sign-ins/{id}/approve` | `{user_principal_name}` | the user signs in; tells `{redirect_to}`, where the browser goes |
//! | `POST /control/sign-ins/{id}/deny` | `{error?}` | the user declines; the same |
//! | `PUT /control/federated-domains` | `["example.com"]` | whose accounts sign in elsewhere, such as with ADFS |
//! | `GET /control/clock` | | the emulated time |
//! | `POST /control/clock/advance` | `{seconds}` | moves it forward; what runs out or falls due on the way happens in its order |
//! | `PUT`, `GET /control/faults` | see below | replaces all faults, shows them |
//! | `POST /control/notifications/release` | | sends what a fault held, one after the other |
//! | `GET /control/notifications/pending` | | `{pending, held, late}`: on their way, kept by a fault, waiting for the end of a lag |
//! | `POST /control/signing-keys/rotate` | `{drop_old?}` | signs with a new key from now on |
//! | `POST /control/refresh-tokens/revoke` | `{user_principal_name, error?}` | `AADSTS50173` (default), `AADSTS50078` or `AADSTS65001` |
//! | `POST /control/refresh-tokens/restore` | `{user_principal_name}` | the policy was undone, the consent given again: what was refused for that works again |
//! | `GET /control/subscriptions` | | every live subscription |
//! | `DELETE /control/subscriptions/{id}` | | loses it silently |
//! | `POST /control/subscriptions/{id}/lifecycle` | `{event, client_state?}` | sends a lifecycle notification |
//! | `POST /control/subscriptions/{id}/expire-token` | | its access token has run out: changes are kept back until it is renewed |
//! | `POST /control/subscriptions/{id}/silence` | | it lives on and can be renewed, and tells nothing any more |
//! | `GET /control/requests` | | requests by endpoint and status, grants, key fetches, deliveries; the parts of a batch count as if they came alone, the batch besides |
//!
//! Faults: `{"deny": [{endpoint, method?, status, retry_after_seconds?, after?, times?, error_code?, message?}], "notifications": {lose, duplicate,
//! delay, hold, reverse, tamper, times, v1_tokens}, "presence_lag": false, "lag": {reads_seconds, notifications_seconds},
//! "writes_per_30_seconds": n, "delta": {page_users}, "id_token": {claims, forged}, "batch": {executed_yet_429, retry_after_seconds},
//! "ghost_subscription": false, "accounts": {"{user principal name}": "ghost" | "quota"}, "sparse_presences": false,
//! "withheld_application": [], "withheld_delegated": [], "date_ahead_seconds": 0}`; what is absent is
//! off. `deny` knows the endpoint `batch` as a whole and the parts of a batch under their own names.
//!
//! | fault | does |
//! |---|---|
//! | `presence_lag` | reads show the presence from before the first change, until it is switched off |
//! | `lag` | after a change reads show the value before for `reads_seconds`, and the notification leaves after `notifications_seconds`, both of the emulated clock and in order; another `lag` lets everything catch up |
//! | `writes_per_30_seconds` | set and clear actions past so many get 429 and `Retry-After` until 30 seconds of the emulated clock after the first; every PUT of faults begins anew |
//! | `id_token` | ID tokens have these claims in the place of the true ones; `forged`: a signature that is not Entra ID's |
//! | `ghost_subscription`, `accounts.*: ghost` | there is a subscription that nobody finds nor replaces: 404 on PATCH and DELETE, 409 on POST, nothing in lists; for everybody, or for one account |
//! | `accounts.*: quota` | POST of subscriptions answers 403: the app has as many as it may |
//! | `sparse_presences` | reads tell id, availability and activity and nothing else, as in clouds of governments |
//! | `withheld_application`, `withheld_delegated` | tokens given from now on do not name these permissions; what the app does by the former is refused at once |
//! | `batch.executed_yet_429` | so many parts of batches that succeeded are answered (and counted) as 429 |
//!
//! `users/delta` tells everybody first and later what changed, knows `$select` and nothing else, and forgets its places after seven
//! days of the emulated clock: 410 `syncStateNotFound`.
//!
//! `$batch` does its parts and answers them last first. It refuses `dependsOn`, and as Graph does a POST, PATCH or PUT that
//! has no body or no `Content-Type` of its own: then nothing of the batch is done.
//!
//! Not emulated: `dependsOn`, status messages, slow and drop throttling of notifications.

mod assertion;
mod batch;
mod budget;
mod control;
mod control_users;
mod delivery;
mod delta;
mod device_codes;
mod encryption;
mod envelope;
mod faults;
mod handshake;
mod late;
mod presence;
mod presence_reads;
mod presence_writes;
mod refusal;
mod requests;
mod shown;
mod sign_ins;
mod signing;
mod state;
mod subscription_request;
mod subscriptions;
#[cfg(test)]
mod tests;
mod tokens;
mod users;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::StatusCode;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::routing::{get, post};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use self::refusal::Refusal;
use self::signing::{SigningKey, SigningKeys};
use self::state::Emulator;
use super::clock::EmulatedClock;

/// How often the emulator looks whether something ran out.
const LOOK_AT_CLOCK_EVERY: Duration = Duration::from_millis(200);

/// What the emulated tenant is like.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The one tenant there is.
    pub tenant_id: Uuid,
    /// The one app registration there is; also the only session id that `setPresence` takes.
    pub client_id: Uuid,
    /// The app's secret.
    pub client_secret: String,
    /// The app's certificate (DER), for PS256 assertions.
    pub client_certificate_der: Option<Vec<u8>>,
    /// A token of a federated identity provider that proves the app, taken word for word.
    pub federated_token: Option<String>,
    /// How many seconds a device must wait between two questions; Entra says 5.
    pub device_code_interval_seconds: u32,
    /// The emulated time; the control API moves it.
    pub clock: EmulatedClock,
}

impl Options {
    /// A tenant with random ids and a random secret, on any free port of the loopback interface.
    #[must_use]
    pub fn new(clock: EmulatedClock) -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            tenant_id: Uuid::new_v4(),
            client_id: Uuid::new_v4(),
            client_secret: tokens::random_text(),
            client_certificate_der: None,
            federated_token: None,
            device_code_interval_seconds: 5,
            clock,
        }
    }
}

/// An emulator that listens; dropping it stops it without waiting.
#[derive(Debug)]
pub struct Running {
    /// Of login and of Graph, such as `http://127.0.0.1:40123`.
    pub base_url: String,
    tracker: TaskTracker,
    stopping: CancellationToken,
    _stop_when_dropped: DropGuard,
}

impl Running {
    /// Stops listening and delivering, and waits until both have ended.
    pub async fn stop(self) {
        self.stopping.cancel();
        self.tracker.close();
        self.tracker.wait().await;
    }
}

/// Starts listening.
///
/// # Errors
/// Where the address cannot be had, no signing key can be made or no HTTP client be built.
pub async fn start(options: Options) -> io::Result<Running> {
    let listener = super::bind(options.listen).await?;
    let base_url = format!("http://{}", listener.local_addr()?);
    let key = tokio::task::spawn_blocking(SigningKey::generate).await.map_err(io::Error::other)?;
    let signing = SigningKeys::new(key.map_err(|_| io::Error::other("no signing key could be made"))?);
    // Notifications go to this machine, and a real sender follows no redirect.
    let http =
        reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().map_err(io::Error::other)?;
    let emulator = Arc::new(Emulator::new(options, base_url.clone(), http, signing));
    let (tracker, stopping) = (emulator.tracker.clone(), emulator.stopping.clone());
    let server = axum::serve(listener, router(Arc::clone(&emulator))).with_graceful_shutdown(stopping.clone().cancelled_owned());
    tracker.spawn(server.into_future());
    tracker.spawn(watch_clock(emulator));
    Ok(Running { base_url, tracker, _stop_when_dropped: stopping.clone().drop_guard(), stopping })
}

async fn watch_clock(emulator: Arc<Emulator>) {
    let mut ticks = tokio::time::interval(LOOK_AT_CLOCK_EVERY);
    loop {
        tokio::select! {
            _ = ticks.tick() => emulator.catch_up_with_time(),
            () = emulator.stopping.cancelled() => return,
        }
    }
}

fn router(emulator: Arc<Emulator>) -> Router {
    let entra = Router::new()
        .route("/{tenant}/oauth2/v2.0/token", post(tokens::token))
        .route("/{tenant}/oauth2/v2.0/devicecode", post(device_codes::begin))
        .route("/{tenant}/oauth2/v2.0/authorize", get(sign_ins::authorize))
        .route("/{tenant}/userrealm/{name}", get(sign_ins::realm))
        .route("/{tenant}/v2.0/.well-known/openid-configuration", get(signing::metadata_v2))
        .route("/{tenant}/.well-known/openid-configuration", get(signing::metadata_v1))
        .route("/{tenant}/discovery/v2.0/keys", get(signing::keys))
        .route("/{tenant}/discovery/keys", get(signing::keys));
    let graph = Router::new()
        .route("/v1.0/users", get(users::list))
        .route("/v1.0/users/delta", get(delta::changes))
        .route("/v1.0/users/{id}", get(users::one))
        .route("/v1.0/users/{id}/presence", get(presence_reads::one))
        .route("/v1.0/communications/presences/{id}", get(presence_reads::one))
        .route("/v1.0/communications/getPresencesByUserId", post(presence_reads::many))
        .route("/v1.0/users/{id}/presence/setPresence", post(presence_writes::set_presence))
        .route("/v1.0/users/{id}/presence/clearPresence", post(presence_writes::clear_presence))
        .route("/v1.0/users/{id}/presence/setUserPreferredPresence", post(presence_writes::set_preferred))
        .route("/v1.0/users/{id}/presence/clearUserPreferredPresence", post(presence_writes::clear_preferred))
        .route("/v1.0/$batch", post(batch::evaluate))
        .route("/v1.0/subscriptions", get(subscriptions::list).post(subscriptions::create))
        .route("/v1.0/subscriptions/{id}", get(subscriptions::one).patch(subscriptions::renew).delete(subscriptions::delete));
    let unknown = || async { Refusal::new(StatusCode::BAD_REQUEST, "BadRequest", "Resource not found for the segment.") };
    let whole = Router::new()
        .merge(entra)
        .merge(graph)
        .merge(control::routes())
        .fallback(unknown)
        .layer(DefaultBodyLimit::max(64 * 1024 * 1024))
        .layer(from_fn_with_state(Arc::clone(&emulator), requests::observe))
        .with_state(emulator);
    // A router around the router, because a layer of a router sees no more of it than the route that was met.
    Router::new().fallback_service(whole).layer(from_fn(batch::lend_router))
}
