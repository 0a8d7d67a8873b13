//! What is true and what to do about it: values and pure functions; nothing here waits, fails on I/O or reads a clock.

pub mod directory;
pub mod expiry;
pub mod explanation;
pub mod ids;
pub mod mapping;
pub mod microphone;
pub mod policy;
pub mod presence;
pub mod reconcile;
pub mod slot;
pub mod subscription;
pub mod template;
pub mod timeline;
