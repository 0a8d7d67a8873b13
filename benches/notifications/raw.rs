//! The limit: RSA-2048 OAEP decryptions a second of the crypto library alone, on all cores.

use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use aws_lc_rs::rsa::{KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey};

use crate::Failure;

const LASTS: Duration = Duration::from_secs(2);

/// A key and something encrypted for it.
pub struct RawKey {
    key: OaepPrivateDecryptingKey,
    ciphertext: Vec<u8>,
}

impl RawKey {
    /// Makes a key; takes a good part of a second.
    pub fn make() -> Result<Self, Failure> {
        let pair = PrivateDecryptingKey::generate(KeySize::Rsa2048)?;
        let public = OaepPublicEncryptingKey::new(pair.public_key())?;
        let mut ciphertext = vec![0; public.ciphertext_size()];
        public.encrypt(&OAEP_SHA1_MGF1SHA1, &[7; 32], &mut ciphertext, None)?;
        Ok(Self { key: OaepPrivateDecryptingKey::new(pair)?, ciphertext })
    }

    fn decrypt_until(&self, end: Instant) -> Result<u32, aws_lc_rs::error::Unspecified> {
        let mut room = vec![0; self.key.min_output_size()];
        let mut decrypted = 0;
        while Instant::now() < end {
            self.key.decrypt(&OAEP_SHA1_MGF1SHA1, &self.ciphertext, &mut room, None)?;
            decrypted += 1;
        }
        Ok(decrypted)
    }
}

/// Decryptions a second with as many threads as there are cores.
pub async fn measure(key: &Arc<RawKey>) -> Result<f64, Failure> {
    let threads = available_parallelism()?.get();
    let end = Instant::now() + LASTS;
    let running: Vec<_> = (0..threads)
        .map(|_| {
            let key = Arc::clone(key);
            tokio::task::spawn_blocking(move || key.decrypt_until(end))
        })
        .collect();
    let mut decrypted = 0;
    for thread in running {
        decrypted += thread.await??;
    }
    Ok(f64::from(decrypted) / LASTS.as_secs_f64())
}
