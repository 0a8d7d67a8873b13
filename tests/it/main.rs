//! The integration tests: stories told through the real chain, on real Postgres and real HTTP, with a clock that the test moves.

mod admin;
mod chain;
mod imports;
mod people;
mod restart;
mod sides;
mod subscribing;
mod webhook;
mod world;
