//! The integration tests: stories told through the real chain, on real Postgres and real HTTP, with a clock that the test moves.

mod admin;
mod admin_audit;
mod admin_bodies;
mod admin_docs;
mod admin_entra;
mod admin_refusals;
mod admin_tasks;
mod admin_tokens;
mod back;
mod chain;
mod command;
mod command_token;
mod directory;
mod identity;
mod imports;
mod listening;
mod people;
mod refusals;
mod restart;
mod sealed;
mod sides;
mod subscribing;
mod timeline;
mod webhook;
mod world;
