//! The keys that close what is secret in Postgres.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

/// Length of a sealing key (AES-256).
pub const KEY_BYTES: usize = 32;

/// One key that closes and opens, and earlier ones that only open.
#[derive(Clone)]
pub struct SealingKeys {
    /// Closes and opens.
    pub current: Zeroizing<[u8; KEY_BYTES]>,
    /// Still open what they closed.
    pub previous: Vec<Zeroizing<[u8; KEY_BYTES]>>,
}

impl fmt::Debug for SealingKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SealingKeys(1 current, {} previous)", self.previous.len())
    }
}

impl SealingKeys {
    /// Reads base64 keys; the previous ones are separated by commas and may be none.
    ///
    /// # Errors
    /// The name of the setting that is not 32 bytes of base64.
    pub fn parse(current: &str, previous: &str) -> Result<Self, &'static str> {
        let current = key(current).ok_or("secrets.key")?;
        let previous = previous.split(',').map(str::trim).filter(|text| !text.is_empty());
        let previous = previous.map(key).collect::<Option<Vec<_>>>().ok_or("secrets.previous_keys")?;
        Ok(Self { current, previous })
    }
}

fn key(text: &str) -> Option<Zeroizing<[u8; KEY_BYTES]>> {
    let bytes = Zeroizing::new(STANDARD.decode(text.trim()).ok()?);
    Some(Zeroizing::new(bytes.as_slice().try_into().ok()?))
}
