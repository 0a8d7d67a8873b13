//! Failed log-ins: how many are borne, from one address and from all together. Whoever has a good token is let in however many fail:
//! behind one address there may be many, and nobody is to lock administrators out.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::clock::Clock;

/// Failures are counted for this long, from the first one on.
const WINDOW: SignedDuration = SignedDuration::from_mins(1);
/// Failures of one address in that time.
pub const FAILURES_MAX: u32 = 10;
/// Failures of all addresses in that time. Tokens cannot be guessed; this keeps guessers from keeping us busy.
pub const FAILURES_OVERALL_MAX: u32 = 200;
/// Tokens that are checked at once where too many have failed.
const TURNS: usize = 2;
/// Addresses that are remembered.
const ADDRESSES_MAX: usize = 10_000;

/// Counts failed log-ins.
#[derive(Debug)]
pub struct Limiter {
    clock: Clock,
    counts: Mutex<Counts>,
    turns: Semaphore,
}

#[derive(Debug, Default)]
struct Counts {
    overall: Window,
    by_address: HashMap<IpAddr, Window>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    began: Option<Timestamp>,
    failures: u32,
}

impl Window {
    /// How long the window still lasts, if it has not passed.
    fn left(self, now: Timestamp) -> Option<Duration> {
        let since = now.duration_since(self.began?);
        let left = WINDOW - since;
        (!since.is_negative() && left.is_positive()).then(|| left.unsigned_abs())
    }

    fn wait(self, now: Timestamp, max: u32) -> Option<Duration> {
        self.left(now).filter(|_| self.failures >= max)
    }

    fn count(&mut self, now: Timestamp) {
        if self.left(now).is_none() {
            *self = Self { began: Some(now), failures: 0 };
        }
        self.failures = self.failures.saturating_add(1);
    }
}

impl Limiter {
    pub fn new(clock: Clock) -> Self {
        Self { clock, counts: Mutex::default(), turns: Semaphore::new(TURNS) }
    }

    /// To be held while a token is checked. Where too many have failed it is waited for, so that guessing keeps nobody busy; a good token
    /// is let in all the same.
    pub async fn turn(&self, from: IpAddr) -> Option<SemaphorePermit<'_>> {
        let wait = self.counts().wait(from, self.clock.now());
        if wait.is_some() { self.turns.acquire().await.ok() } else { None }
    }

    /// Another one failed. `Some`: too many have, and it is told to wait that long.
    pub fn note_failure(&self, from: IpAddr) -> Option<Duration> {
        let now = self.clock.now();
        let mut counts = self.counts();
        let wait = counts.wait(from, now);
        if wait.is_none() {
            counts.overall.count(now);
            if let Some(window) = counts.window(from, now) {
                window.count(now);
            }
        }
        wait
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn wait(&self, from: IpAddr, now: Timestamp) -> Option<Duration> {
        let own = self.by_address.get(&network(from)).and_then(|window| window.wait(now, FAILURES_MAX));
        own.or_else(|| self.overall.wait(now, FAILURES_OVERALL_MAX))
    }

    /// `None`: too many addresses are remembered; this one counts for all together only.
    fn window(&mut self, from: IpAddr, now: Timestamp) -> Option<&mut Window> {
        let network = network(from);
        if self.by_address.len() >= ADDRESSES_MAX && !self.by_address.contains_key(&network) {
            self.by_address.retain(|_, window| window.left(now).is_some());
            if self.by_address.len() >= ADDRESSES_MAX {
                return None;
            }
        }
        Some(self.by_address.entry(network).or_default())
    }
}

/// With version 6 one machine has all addresses of a /64.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)).into(),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    fn limiter() -> (Limiter, Clock) {
        let clock = Clock::standing_at("2026-11-22T12:00:00Z".parse().unwrap());
        (Limiter::new(clock.clone()), clock)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_is_told_to_wait_for_the_end_of_its_window() {
        let (limiter, clock) = limiter();
        let (one, other) = (address("10.0.0.1"), address("10.0.0.2"));
        for _ in 0..FAILURES_MAX {
            assert_eq!(limiter.note_failure(one), None);
        }
        assert_eq!(limiter.note_failure(one), Some(Duration::from_mins(1)));
        assert_eq!(limiter.note_failure(address("::ffff:10.0.0.1")), Some(Duration::from_mins(1)), "the same address");
        assert_eq!(limiter.note_failure(other), None);
        clock.advance(SignedDuration::from_secs(59));
        assert_eq!(limiter.note_failure(one), Some(Duration::from_secs(1)));
        clock.advance(SignedDuration::from_secs(1));
        assert_eq!(limiter.note_failure(one), None);
    }

    #[test]
    fn many_addresses_are_told_to_wait_together() {
        let (limiter, clock) = limiter();
        for n in 0..FAILURES_OVERALL_MAX {
            assert_eq!(limiter.note_failure(IpAddr::V4((0x0b00_0000 + n).into())), None);
        }
        assert_eq!(limiter.note_failure(address("12.0.0.1")), Some(Duration::from_mins(1)));
        clock.advance(SignedDuration::from_mins(1));
        assert_eq!(limiter.note_failure(address("12.0.0.1")), None);
    }

    #[tokio::test]
    async fn whoever_failed_too_often_takes_turns_and_nobody_else() {
        let (limiter, _) = limiter();
        let (guesser, other) = (address("10.0.0.1"), address("10.0.0.2"));
        assert!(limiter.turn(guesser).await.is_none(), "nothing has failed");
        while limiter.note_failure(guesser).is_none() {}
        let mut turns = Vec::new();
        for _ in 0..TURNS {
            turns.push(limiter.turn(guesser).await.unwrap());
        }
        assert!(limiter.turn(other).await.is_none());
        let next = limiter.turn(guesser);
        assert!(next.now_or_never().is_none(), "all turns are taken");
        turns.pop();
        assert!(limiter.turn(guesser).now_or_never().flatten().is_some());
    }

    #[test]
    fn a_network_of_version_6_is_one_address_and_memory_is_bounded() {
        let (limiter, clock) = limiter();
        for n in 0..FAILURES_MAX {
            assert_eq!(limiter.note_failure(address(&format!("2001:db8::{n}"))), None);
        }
        assert!(limiter.note_failure(address("2001:db8::ffff")).is_some());
        assert!(limiter.note_failure(address("2001:db8:0:1::1")).is_none());
        clock.advance(SignedDuration::from_mins(1));
        for n in 0..u32::try_from(ADDRESSES_MAX).unwrap() + 10 {
            let now = clock.now();
            if let Some(window) = limiter.counts().window(IpAddr::V4(n.into()), now) {
                window.count(now);
            }
        }
        assert!(limiter.counts().by_address.len() <= ADDRESSES_MAX);
    }
}
