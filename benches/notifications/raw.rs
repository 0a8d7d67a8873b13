//! The limit: RSA-2048 OAEP decryptions a second of the crypto library alone, on all cores.

use std::process;
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::{Duration, Instant};

use aws_lc_rs::rsa::{KeySize, OAEP_SHA1_MGF1SHA1, OaepPrivateDecryptingKey, OaepPublicEncryptingKey, PrivateDecryptingKey};

use crate::Failure;
use crate::surroundings::machine::CpuTimes;

const LASTS: Duration = Duration::from_secs(2);

/// What the library alone reaches.
#[derive(Clone, Copy, Debug)]
pub struct Raw {
    /// Decryptions a second on all cores, as far as other programs left them.
    pub per_second: f64,
    /// CPU time of each, in seconds: other programs change it little.
    pub cpu_seconds: f64,
}

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

/// Decrypts with as many threads as there are cores.
pub async fn measure(key: &Arc<RawKey>) -> Result<Raw, Failure> {
    let threads = available_parallelism()?.get();
    let cpu = || CpuTimes::now(process::id(), None).ours;
    let cpu_before = cpu();
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
    let used = cpu().saturating_sub(cpu_before);
    let decrypted = f64::from(decrypted);
    Ok(Raw { per_second: decrypted / LASTS.as_secs_f64(), cpu_seconds: used.as_secs_f64() / decrypted })
}
