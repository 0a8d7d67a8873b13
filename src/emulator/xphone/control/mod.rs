//! Plays the people and the machine: everything that happens to a server other than by its API.

mod machine;
mod people;
mod presence;

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;

use super::server::Server;
use super::templates;

/// Room for some ten thousand users in one list.
const BODY_BYTES_MAX: usize = 32 * 1024 * 1024;

pub fn router() -> Router<Arc<Server>> {
    machine::router()
        .merge(people::router())
        .merge(presence::router())
        .merge(templates::by_hand())
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}
