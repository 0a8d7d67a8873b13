//! The tokens that prove a POST to be Graph's: checked against Entra ID's published keys, each token once.

mod rules;

use aws_lc_rs::digest::{SHA256, digest};
use jiff::Timestamp;
use moka::sync::Cache;

use super::Refusal;
use crate::clock::Clock;
use crate::config::Graph;
pub use crate::jwks::KeysUnavailable;
use crate::jwks::SigningKeys;
use rules::{Lifetime, Rules};

/// Tokens whose verdict is remembered, at most. Genuine ones live a day, and Graph uses few at a time.
const VERDICTS_MAX: u64 = 1_000;
/// Tokens in one POST, at most. There is one for each app and tenant; we are one app in one tenant.
const TOKENS_MAX: usize = 32;
/// A longer token is not looked at; genuine ones have about 1.5 kB.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

/// Proof that every token of a POST is genuine, and that there was one. Only [`TokenVerifier`] makes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokensGenuine(());

impl TokensGenuine {
    #[cfg(test)]
    pub(super) fn for_test() -> Self {
        Self(())
    }
}

type Verdict = Result<Lifetime, Refusal>;

/// Verifies validation tokens. Share one: it holds the keys and remembers verdicts.
pub struct TokenVerifier {
    keys: SigningKeys,
    rules: Rules,
    verdicts: Cache<[u8; 32], Verdict>,
    clock: Clock,
}

impl TokenVerifier {
    /// Prepares to verify tokens for the settings' app and tenant; fetches nothing yet.
    ///
    /// # Errors
    /// `login_url` cannot carry a path.
    pub fn new(config: &Graph, http: reqwest::Client, clock: Clock) -> Result<Self, url::ParseError> {
        let login = config.login_url.as_str().trim_end_matches('/');
        let metadata_url = format!("{login}/common/v2.0/.well-known/openid-configuration").parse()?;
        Ok(Self {
            keys: SigningKeys::new(metadata_url, http, clock.clone()),
            rules: Rules::new(config),
            verdicts: Cache::new(VERDICTS_MAX),
            clock,
        })
    }

    /// Verifies all tokens of one POST. The inner result goes to [`super::Received::verify`].
    ///
    /// # Errors
    /// Outside: the keys are needed and cannot be fetched; nothing is known yet. Inside: no token, or the first that is not genuine.
    pub async fn verify(&self, tokens: &[&str]) -> Result<Result<TokensGenuine, Refusal>, KeysUnavailable> {
        match tokens.len() {
            0 => return Ok(Err(Refusal::NoToken)),
            1..=TOKENS_MAX => {}
            _ => return Ok(Err(Refusal::TokenMalformed)),
        }
        for token in tokens {
            let verdict = self.verdict(token).await?;
            let is_in_time = |lifetime: Lifetime| lifetime.covers(self.clock.now());
            if let Err(refusal) = verdict.and_then(is_in_time) {
                return Ok(Err(refusal));
            }
        }
        Ok(Ok(TokensGenuine(())))
    }

    /// Whether the keys we hold were published at this moment or later: only then is an unknown key's token refused for good.
    #[must_use]
    pub fn has_keys_from(&self, moment: Timestamp) -> bool {
        self.keys.are_from(moment)
    }

    /// Everything but time, which passes: from memory if the token was seen before.
    async fn verdict(&self, token: &str) -> Result<Verdict, KeysUnavailable> {
        if token.len() > TOKEN_BYTES_MAX {
            return Ok(Err(Refusal::TokenMalformed));
        }
        let name = digest(&SHA256, token.as_bytes()).as_ref().try_into().expect("SHA-256 has 32 bytes");
        if let Some(verdict) = self.verdicts.get(&name) {
            return Ok(verdict);
        }
        let key_id = match rules::key_id(token) {
            Ok(key_id) => key_id,
            Err(refusal) => return Ok(Err(refusal)),
        };
        // Not remembered: the key may be published later.
        let Some(key) = self.keys.find(&key_id).await? else { return Ok(Err(Refusal::UnknownKey)) };
        let verdict = self.rules.judge(token, &key);
        self.verdicts.insert(name, verdict);
        Ok(verdict)
    }
}

#[cfg(test)]
mod tests;
