//! Logging in, and staying so: one token for everybody, renewed ahead of its end, once, however many callers wait for it.

use std::sync::atomic::{AtomicU64, Ordering};

use jiff::{SignedDuration, Timestamp};
use reqwest::{Method, StatusCode};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use super::gate::Kind;
use super::transport::{Concerns, Question, Transport, contract, json};
use super::wire;
use crate::clock::Clock;
use crate::config;
use crate::xphone::Error;

/// A token is renewed this long before its end, or at half its life if that is shorter.
const RENEW_AHEAD: SignedDuration = SignedDuration::from_mins(2);
/// Not sooner than this after the last time, even if the server's clock says that the token has ended: then its 401 decides.
const RENEW_EVERY_MIN: SignedDuration = SignedDuration::from_secs(10);
/// A refused log-in is not tried again for this long: many tries with a wrong password lock the account.
const REFUSED_PAUSE: SignedDuration = SignedDuration::from_mins(1);

const AUTHENTICATE: &str = "user/authenticate";
const REFRESH: &str = "user/refreshToken";

/// A token, and which one it is: a later one has a higher number.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub secret: SecretString,
    number: u64,
}

/// Our log-in at the server.
#[derive(Debug)]
pub(super) struct Session {
    transport: Transport,
    clock: Clock,
    account_name: String,
    password: SecretString,
    state: Mutex<State>,
    /// How often getting a token was tried to the end. Whoever waited while one try failed shares that failure.
    tries: AtomicU64,
}

#[derive(Debug, Default)]
struct State {
    grant: Option<Grant>,
    /// Counts the tokens we were given.
    number: u64,
    last_failure: Option<Error>,
    refused_until: Option<Timestamp>,
}

/// What the server gave us.
#[derive(Clone, Debug)]
struct Grant {
    token: Token,
    refresh_token: SecretString,
    session_guid: SecretString,
    renew_at: Timestamp,
    refresh_ends: Timestamp,
}

impl Session {
    pub(super) fn new(transport: Transport, settings: &config::XphoneHttp, clock: Clock) -> Self {
        let (account_name, password) = (settings.account_name.clone(), settings.password.clone());
        Self { transport, clock, account_name, password, state: Mutex::default(), tries: AtomicU64::new(0) }
    }

    /// A token that should be good, other than `outdated`.
    ///
    /// Failures here come before the call they are for, so nothing was applied.
    pub(super) async fn token(&self, outdated: Option<&Token>) -> Result<Token, Error> {
        let tries_before = self.tries.load(Ordering::SeqCst);
        let mut state = self.state.lock().await;
        let now = self.clock.now();
        if let Some(grant) = &state.grant
            && now < grant.renew_at
            && outdated.is_none_or(|outdated| outdated.number != grant.token.number)
        {
            return Ok(grant.token.clone());
        }
        let tried_meanwhile = self.tries.load(Ordering::SeqCst) != tries_before;
        let is_refused = state.refused_until.is_some_and(|until| now < until);
        if let Some(failure) = &state.last_failure
            && (tried_meanwhile || is_refused)
        {
            return Err(failure.clone());
        }
        let tried = self.renew(&mut state).await.map_err(Error::before_the_call);
        state.last_failure = tried.as_ref().err().cloned();
        let refused = matches!(tried, Err(Error::LogIn { .. }));
        state.refused_until = refused.then(|| self.clock.now().saturating_add(REFUSED_PAUSE).unwrap_or(Timestamp::MAX));
        self.tries.fetch_add(1, Ordering::SeqCst);
        tried
    }

    /// Refreshes the token where the server still knows us, else logs in.
    async fn renew(&self, state: &mut State) -> Result<Token, Error> {
        let now = self.clock.now();
        let refreshable = state.grant.as_ref().filter(|grant| now < grant.refresh_ends);
        let refreshed = match refreshable {
            Some(grant) => self.refresh(grant).await?.map(|tokens| (tokens, grant.session_guid.clone())),
            None => None,
        };
        // The old one is spent either way; whoever comes after a failed log-in logs in.
        state.grant = None;
        let (tokens, session_guid) = match refreshed {
            Some(refreshed) => refreshed,
            None => self.log_in().await?,
        };
        state.number += 1;
        let token = Token { secret: tokens.token, number: state.number };
        let now = self.clock.now();
        state.grant = Some(Grant {
            token: token.clone(),
            refresh_token: tokens.refresh_token,
            session_guid,
            renew_at: renew_at(now, at(tokens.token_expires_at)),
            refresh_ends: at(tokens.refresh_token_expires_at),
        });
        Ok(token)
    }

    /// `None`: the server wants us to log in again.
    async fn refresh(&self, grant: &Grant) -> Result<Option<wire::Tokens>, Error> {
        let body = wire::Renewal {
            token: grant.token.secret.expose_secret(),
            refresh_token: grant.refresh_token.expose_secret(),
            session_guid: grant.session_guid.expose_secret(),
        };
        self.post(REFRESH, &["user", "refreshToken"], &body).await
    }

    async fn log_in(&self) -> Result<(wire::Tokens, SecretString), Error> {
        let body = wire::Authenticate { account_name: &self.account_name, password: self.password.expose_secret() };
        let answer: Option<wire::Authenticated> = self.post(AUTHENTICATE, &["user", "authenticate"], &body).await?;
        match answer {
            None => Err(Error::LogIn { reason: "it does not accept them".to_owned() }),
            Some(answer) if answer.result != 0 => Err(Error::LogIn { reason: format!("result {}", answer.result) }),
            Some(wire::Authenticated { token_data: Some(tokens), session_guid: Some(guid), .. }) => Ok((tokens, guid)),
            Some(_) => Err(contract(AUTHENTICATE, "a welcome without a token")),
        }
    }

    /// `None`: refused (400, 401, 403).
    async fn post<T: DeserializeOwned>(
        &self,
        call: &'static str,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<Option<T>, Error> {
        let url = self.transport.url(path);
        let body = serde_json::to_vec(body).map_err(|_| contract(call, "our own question cannot be written"))?;
        let (method, concerns, kind) = (Method::POST, Concerns::Everybody, Kind::LogIn);
        let question = Question { call, method, url, body: Some(body), concerns, kind };
        let response = self.transport.ask(&question, None, Some(self.transport.patience.request)).await?;
        let refused = [StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
        if refused.contains(&response.status()) {
            return Ok(None);
        }
        let response = self.transport.sorted(&question, response).await?;
        json(&question, response).await.map(Some)
    }
}

fn at(unix_milliseconds: i64) -> Timestamp {
    Timestamp::from_millisecond(unix_milliseconds).unwrap_or(Timestamp::MAX)
}

/// When a token got at `now` is to be renewed.
fn renew_at(now: Timestamp, ends: Timestamp) -> Timestamp {
    let life = ends.duration_since(now);
    let used = (life - RENEW_AHEAD).max(life / 2).max(RENEW_EVERY_MIN);
    now.saturating_add(used).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_renewed_ahead_but_not_all_the_time() {
        let now = at(1_790_000_000_000);
        let check = |life: i64, used: i64| {
            let ends = now + SignedDuration::from_secs(life);
            assert_eq!(renew_at(now, ends), now + SignedDuration::from_secs(used), "life {life}");
        };
        check(1800, 1680);
        check(240, 120);
        check(180, 90);
        check(60, 30);
        check(15, 10);
        check(-3600, 10);
        assert_eq!(renew_at(now, Timestamp::MAX).max(now), renew_at(now, Timestamp::MAX));
    }
}
