//! An XPhone Connect server over real HTTP: the contract of `docs/xphone-server-api.yaml`, and a control API that plays its people.
//!
//! It shares nothing with the gateway but the emulators' clock, so a mistake in the gateway cannot hide behind the same mistake here.
//!
//! What a user shows is the newest of the status somebody picked and the appointments in force; without either, `available` while a
//! client is connected, else `offline`. An appointment shows the status its profile had when it was set, whatever becomes of the profile.
//!
//! `DELETE` of an appointment carries no origin, so the server takes the caller for the origin it last set or listed appointments as;
//! a key of another origin is 409. A caller that did neither yet has no origin, and every key is another's.
//!
//! # Control API
//! Below `/control`, JSON, without a log-in. Statuses are named by kind (`busy`), guids are lower case.
//!
//! | call | does |
//! |---|---|
//! | `PUT /users/{guid}` `{email, accountName, displayName, location, configurationGroup, profiles: [{guid?, name, kind, active}]}` | creates (201) or changes (200) a user; answers as `GET` does. The location must be there already. A profile without a guid keeps the one of its name, or gets a new one |
//! | `POST /users` `[{guid, ...}]` | the same for many at once, 204 |
//! | `GET /users/{guid}` | `{user, entry, status, appointments: [{key, ..., shown}]}`, hidden appointments too |
//! | `DELETE /users/{guid}` | removes the user; no event |
//! | `PUT /users/{guid}/listed` `{listed}` | whether `GET /users` names the user; everything else stays |
//! | `PUT /locations/{guid}` `{name, configurationGroups: [{guid, name}]}` | creates or changes a location |
//! | `PUT /users/{guid}/telephone` `{state}` | sets the telephone state bits |
//! | `PUT /users/{guid}/meeting` `{meeting}` | `none`, `audio`, `video`, `screenShare` |
//! | `PUT /users/{guid}/client` `{connected}` | starts or ends the user's client |
//! | `PUT /users/{guid}/status` `{kind, origin}` | picks a status by hand (`origin` null) or as a foreign program; `DELETE`: back to automatic |
//! | `PUT /users/{guid}/appointments/{key}` | plants an appointment of any origin, body as in the API; `DELETE` removes one by hand |
//! | `PUT /{locations,configurationGroups}/{guid}/profileTemplates/{name}/use` `{inUse}` | marks a template as used by automatic activation |
//! | `GET /{locations,configurationGroups}/{guid}/profileTemplates`, `PUT, DELETE .../{name}` | as in the API, by an administrator's hand |
//! | `POST /clock/advance` `{seconds}` | moves the clock; answers `{now}` |
//! | `POST /restart` | sequence starts anew, lower; held events and tokens are gone, event streams break; people and appointments stay |
//! | `GET /events` | `{sequence}`: of the latest event |
//! | `POST /tokens/expire` | access tokens end; with `{"refresh_tokens": true}` refresh tokens too |
//! | `GET, PUT /faults` `{deny: [{endpoint, user, writes_only, status, retry_after_seconds, times}], down, silent_events, unreadable_events, applied_but_answer_lost, no_profile_templates, incapable_of, unnamed_statuses, hang: {user, seconds}}` | what goes wrong from now on; PUT replaces all of it. `user`: only calls about this user, location or configuration group. `hang`: writes of this user's appointments (`user` null: everybody's) are applied and answered only after so many real seconds; null: none hang. `endpoint`: `all`, `authenticate` (and refresh), `refreshToken`, `capabilities`, `presenceStates`, `locations`, `users`, `presence` (and events), `events`, `appointments`, `profileTemplates` |
//! | `GET, DELETE /requests` | `{counts: [{endpoint, status, count}], appointment_writes: [{user, key, verb, at, status}]}`; status `null`: the connection was cut. `DELETE` forgets |

mod appointments;
mod capabilities;
mod connection;
mod control;
mod directory;
mod endpoint;
mod events;
mod extract;
mod faults;
mod gate;
mod guid;
mod kind;
mod presence;
mod refusal;
mod requests;
mod server;
mod state;
mod templates;
#[cfg(test)]
mod tests;
mod tokens;
mod users;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::middleware::{from_fn, from_fn_with_state};
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use self::connection::{CuttableListener, Line};
use self::endpoint::BASE_PATH;
use self::server::Server;
use crate::emulator::clock::EmulatedClock;

/// How to start the emulated server.
#[derive(Clone, Debug)]
pub struct Options {
    /// Where to listen; loopback only, port 0 for any.
    pub listen: SocketAddr,
    /// The API account the gateway logs in with.
    pub account_name: String,
    /// That account's password.
    pub password: String,
    /// The server's time.
    pub clock: EmulatedClock,
}

/// A server that answers until it is stopped or dropped.
#[derive(Debug)]
pub struct Running {
    /// The contract's base URL, `http://127.0.0.1:PORT/XPhoneConnect/WebClientApi`.
    pub base_url: String,
    control_url: String,
    tasks: TaskTracker,
    stop: DropGuard,
}

impl Running {
    /// The control API's base URL, `http://127.0.0.1:PORT/control`.
    #[must_use]
    pub fn control_url(&self) -> &str {
        &self.control_url
    }

    /// Breaks the event streams, ends the server and waits until it has ended.
    pub async fn stop(self) {
        self.stop.disarm().cancel();
        self.tasks.wait().await;
    }
}

/// Starts a server without any people in it.
///
/// # Errors
/// The address is not a loopback address, or cannot be listened on.
pub async fn start(options: Options) -> io::Result<Running> {
    if !options.listen.ip().is_loopback() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "the emulator listens on loopback addresses only"));
    }
    let listener = crate::emulator::bind(options.listen).await?;
    let address = listener.local_addr()?;
    let stop = CancellationToken::new();
    let tasks = TaskTracker::new();
    let server = Arc::new(Server::new(options.clock, options.account_name, options.password, stop.clone()));

    tasks.spawn(server::tick(Arc::clone(&server)));
    let app = router(server).into_make_service_with_connect_info::<Line>();
    let answering = axum::serve(CuttableListener(listener), app).with_graceful_shutdown(stop.clone().cancelled_owned());
    tasks.spawn(async move {
        if let Err(error) = answering.await {
            tracing::error!(%error, "the emulated XPhone server stopped listening");
        }
    });
    tasks.close();
    Ok(Running {
        base_url: format!("http://{address}{BASE_PATH}"),
        control_url: format!("http://{address}/control"),
        tasks,
        stop: stop.drop_guard(),
    })
}

fn router(server: Arc<Server>) -> Router {
    let logged_in = Router::new()
        .merge(capabilities::router())
        .merge(users::router())
        .merge(events::router())
        .merge(appointments::router())
        .merge(templates::router())
        .route_layer(from_fn_with_state(Arc::clone(&server), gate::require_token));
    let api = tokens::router().merge(logged_in).method_not_allowed_fallback(gate::wrong_method);
    Router::new()
        .nest(BASE_PATH, api)
        .fallback(gate::unknown_address)
        .layer(from_fn_with_state(Arc::clone(&server), gate::pass))
        .nest("/control", control::router())
        .layer(from_fn(gate::uncached))
        .with_state(server)
}
