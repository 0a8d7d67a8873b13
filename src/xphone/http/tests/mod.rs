//! The port against small servers over real HTTP.

mod calls;
mod events;
mod failures;
mod server;
mod session;
mod templates;
