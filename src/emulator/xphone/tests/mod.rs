//! The emulated server, rule by rule, over real HTTP.

mod appointments;
mod capacity;
mod events;
mod faults;
mod log_in;
mod people;
mod presence;
mod templates;
mod world;
