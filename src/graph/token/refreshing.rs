//! One token for many callers: kept while it is good, refreshed ahead of its end, asked for once however many wait.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Mutex, MutexGuard};

use super::AccessToken;
use crate::clock::Clock;

/// A token this close to its end is refreshed.
const REFRESH_AHEAD: SignedDuration = SignedDuration::from_mins(5);
/// A token this close to its end is no longer handed out: it must survive the request.
const UNUSABLE: SignedDuration = SignedDuration::from_secs(20);
/// After an early refresh that failed, the next is tried this much later.
const EARLY_REFRESH_PAUSE: SignedDuration = SignedDuration::from_secs(30);

type Fetch<E> = Box<dyn Fn() -> BoxFuture<'static, Result<AccessToken, E>> + Send + Sync>;

/// Keeps an access token fresh. The common case takes one short lock.
pub struct RefreshingToken<E> {
    fetch: Fetch<E>,
    clock: Clock,
    kept: RwLock<Option<Kept>>,
    /// Whoever holds it asks Entra ID; inside, the latest failure for those who waited meanwhile.
    turn: Mutex<Option<Failure<E>>>,
    /// Turns ended so far.
    turns: AtomicU64,
}

#[derive(Clone)]
struct Kept {
    token: Arc<AccessToken>,
    refresh_at: Timestamp,
}

struct Failure<E> {
    turn: u64,
    error: E,
}

impl<E: Clone + fmt::Display> RefreshingToken<E> {
    /// Nothing is asked for until the first caller wants a token.
    pub fn new(clock: Clock, fetch: impl Fn() -> BoxFuture<'static, Result<AccessToken, E>> + Send + Sync + 'static) -> Self {
        Self { fetch: Box::new(fetch), clock, kept: RwLock::new(None), turn: Mutex::new(None), turns: AtomicU64::new(0) }
    }

    /// A token that is good for at least some seconds.
    ///
    /// Only the first caller to see that it is getting old waits for the refresh, and has the old one if that fails.
    ///
    /// # Errors
    /// There is no good token and none was given; all who waited for the same attempt get the same error.
    pub async fn get(&self) -> Result<Arc<AccessToken>, E> {
        let now = self.clock.now();
        match self.usable(now) {
            Some(kept) if now < kept.refresh_at => Ok(kept.token),
            Some(kept) => match self.turn.try_lock() {
                Ok(turn) => Ok(self.refresh_early(turn, kept).await),
                Err(_) => Ok(kept.token),
            },
            None => self.fetch_or_share().await,
        }
    }

    /// Graph refused this token: it is not handed out again. A newer one stays.
    pub fn invalidate(&self, refused: &AccessToken) {
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if kept.as_ref().is_some_and(|kept| kept.token.is_same_as(refused)) {
            *kept = None;
        }
    }

    fn usable(&self, now: Timestamp) -> Option<Kept> {
        let kept = self.kept.read().unwrap_or_else(PoisonError::into_inner);
        kept.as_ref().filter(|kept| kept.token.expires_at().duration_since(now) > UNUSABLE).cloned()
    }

    fn keep(&self, kept: Kept) {
        *self.kept.write().unwrap_or_else(PoisonError::into_inner) = Some(kept);
    }

    async fn refresh_early(&self, turn: MutexGuard<'_, Option<Failure<E>>>, old: Kept) -> Arc<AccessToken> {
        if let Some(newer) = self.usable(self.clock.now())
            && self.clock.now() < newer.refresh_at
        {
            return newer.token;
        }
        match self.take_turn(turn).await {
            Ok(token) => token,
            Err(error) => {
                tracing::warn!(%error, until = %old.token.expires_at(), "an access token could not be refreshed ahead of its end");
                self.postpone(&old.token);
                old.token
            }
        }
    }

    /// Does not bring back a token that was invalidated meanwhile.
    fn postpone(&self, token: &AccessToken) {
        let later = self.clock.now().saturating_add(EARLY_REFRESH_PAUSE).unwrap_or(Timestamp::MAX);
        let mut kept = self.kept.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(kept) = kept.as_mut().filter(|kept| kept.token.is_same_as(token)) {
            kept.refresh_at = later;
        }
    }

    async fn fetch_or_share(&self) -> Result<Arc<AccessToken>, E> {
        let turns_before = self.turns.load(Ordering::Acquire);
        let turn = self.turn.lock().await;
        if let Some(kept) = self.usable(self.clock.now()) {
            return Ok(kept.token);
        }
        if let Some(failure) = turn.as_ref().filter(|failure| failure.turn > turns_before) {
            return Err(failure.error.clone());
        }
        self.take_turn(turn).await
    }

    async fn take_turn(&self, mut turn: MutexGuard<'_, Option<Failure<E>>>) -> Result<Arc<AccessToken>, E> {
        let answer = (self.fetch)().await;
        let number = self.turns.fetch_add(1, Ordering::AcqRel) + 1;
        match answer {
            Ok(token) => {
                *turn = None;
                let token = Arc::new(token);
                self.keep(Kept { refresh_at: self.refresh_at(&token), token: Arc::clone(&token) });
                Ok(token)
            }
            Err(error) => {
                *turn = Some(Failure { turn: number, error: error.clone() });
                Err(error)
            }
        }
    }

    /// Five minutes before the end; half-way for tokens that live shorter than ten.
    fn refresh_at(&self, token: &AccessToken) -> Timestamp {
        let life = token.expires_at().duration_since(self.clock.now());
        token.expires_at().saturating_sub(REFRESH_AHEAD.min(life / 2)).unwrap_or(Timestamp::MIN)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use axum::Router;
    use axum::extract::State;
    use axum::http::StatusCode;
    use axum::routing::get;
    use futures::future::join_all;
    use secrecy::SecretString;

    use super::*;
    use crate::graph::testing::{Server, noon, serve};

    /// Counts who asks, and may be told to fail.
    #[derive(Clone, Default)]
    struct Desk {
        asked: Arc<AtomicU64>,
        failing: Arc<AtomicBool>,
    }

    async fn answer(State(desk): State<Desk>) -> Result<String, StatusCode> {
        let number = desk.asked.fetch_add(1, Ordering::SeqCst) + 1;
        tokio::task::yield_now().await;
        if desk.failing.load(Ordering::SeqCst) { Err(StatusCode::SERVICE_UNAVAILABLE) } else { Ok(format!("token {number}")) }
    }

    struct World {
        desk: Desk,
        clock: Clock,
        token: RefreshingToken<String>,
        _server: Server,
    }

    impl World {
        async fn new() -> Self {
            let desk = Desk::default();
            let server = serve(Router::new().route("/", get(answer)).with_state(desk.clone())).await;
            let clock = Clock::standing_at(noon());
            let (http, url, time) = (reqwest::Client::new(), server.url.clone(), clock.clone());
            let token = RefreshingToken::new(clock.clone(), move || {
                let (http, url, time) = (http.clone(), url.clone(), time.clone());
                Box::pin(async move {
                    let answer = http.get(url).send().await.map_err(|error| error.to_string())?;
                    let answer = answer.error_for_status().map_err(|_| "refused".to_owned())?;
                    let expires_at = time.now() + SignedDuration::from_mins(60);
                    Ok(AccessToken::new(SecretString::from(answer.text().await.unwrap()), expires_at))
                })
            });
            Self { desk, clock, token, _server: server }
        }

        async fn get(&self) -> Result<String, String> {
            self.token.get().await.map(|token| token.expose().to_owned())
        }

        fn asked(&self) -> u64 {
            self.desk.asked.load(Ordering::SeqCst)
        }

        fn pass(&self, minutes: i64) {
            self.clock.advance(SignedDuration::from_mins(minutes));
        }

        fn fail(&self, failing: bool) {
            self.desk.failing.store(failing, Ordering::SeqCst);
        }
    }

    #[tokio::test]
    async fn a_hundred_callers_ask_once() {
        let world = World::new().await;
        let tokens = join_all((0..100).map(|_| world.get())).await;
        assert!(tokens.iter().all(|token| *token == Ok("token 1".to_owned())));
        assert_eq!(world.asked(), 1);
    }

    #[tokio::test]
    async fn a_hundred_callers_share_one_failure_and_the_next_asks_again() {
        let world = World::new().await;
        world.fail(true);
        let tokens = join_all((0..100).map(|_| world.get())).await;
        assert!(tokens.iter().all(Result::is_err));
        assert_eq!(world.asked(), 1);
        world.fail(false);
        assert_eq!(world.get().await, Ok("token 2".to_owned()));
    }

    #[tokio::test]
    async fn it_is_refreshed_five_minutes_ahead_and_once() {
        let world = World::new().await;
        assert_eq!(world.get().await, Ok("token 1".to_owned()));
        world.pass(54);
        assert_eq!(world.get().await, Ok("token 1".to_owned()));
        world.pass(2);
        let tokens = join_all((0..100).map(|_| world.get())).await;
        assert_eq!(world.asked(), 2);
        assert_eq!(tokens[0], Ok("token 2".to_owned()), "the first to see it fetches");
        assert_eq!(tokens[1], Ok("token 1".to_owned()), "the others do not wait");
        assert_eq!(world.get().await, Ok("token 2".to_owned()));
    }

    #[tokio::test]
    async fn a_failing_early_refresh_keeps_the_valid_token_and_pauses() {
        let world = World::new().await;
        assert_eq!(world.get().await, Ok("token 1".to_owned()));
        world.pass(56);
        world.fail(true);
        assert_eq!(world.get().await, Ok("token 1".to_owned()));
        assert_eq!(world.get().await, Ok("token 1".to_owned()));
        assert_eq!(world.asked(), 2, "not at each call");
        world.pass(1);
        assert_eq!(world.get().await, Ok("token 1".to_owned()));
        assert_eq!(world.asked(), 3);
        world.pass(3);
        assert!(world.get().await.is_err(), "it has ended");
    }

    #[tokio::test]
    async fn a_refused_token_is_replaced_and_a_newer_one_stays() {
        let world = World::new().await;
        let first = world.token.get().await.unwrap();
        world.token.invalidate(&first);
        assert_eq!(world.get().await, Ok("token 2".to_owned()));
        world.token.invalidate(&first);
        assert_eq!(world.get().await, Ok("token 2".to_owned()));
        assert_eq!(world.asked(), 2);
    }

    #[tokio::test]
    async fn a_caller_that_goes_away_does_not_block_the_others() {
        let world = World::new().await;
        drop(futures::poll!(Box::pin(world.get())));
        assert!(world.get().await.is_ok());
    }
}
