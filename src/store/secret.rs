//! What is told once and kept as a hash: tokens and tickets.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::StoreError;

const RANDOM_BYTES: usize = 32;
/// How many characters follow the prefix.
pub(super) const RANDOM_CHARACTERS: usize = 43;

/// What is kept. There are 256 random bits: a slow hash protects what can be guessed, and this cannot; and since it is the hash
/// that is looked up, how long that takes tells nothing about the secret.
pub(super) fn hash(secret: &str) -> Vec<u8> {
    digest(&SHA256, secret.as_bytes()).as_ref().to_vec()
}

/// A new one that begins like this, so that people and secret scanners know what they found.
pub(super) fn random(prefix: &str) -> Result<String, StoreError> {
    let mut bytes = [0; RANDOM_BYTES];
    rand::fill(&mut bytes).map_err(|_| StoreError::NoRandomness)?;
    Ok(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(bytes)))
}
