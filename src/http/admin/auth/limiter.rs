//! Failed log-ins: how many are borne, from one address and from all together.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;

/// Failures are counted for this long, from the first one on.
const WINDOW: SignedDuration = SignedDuration::from_mins(1);
/// Failures of one address in that time.
pub const FAILURES_MAX: u32 = 10;
/// Failures of all addresses in that time. Tokens cannot be guessed; this keeps guessers from keeping us busy.
pub const FAILURES_OVERALL_MAX: u32 = 200;
/// Whoever came in from an address in this time still may, however many fail elsewhere: nobody is to lock administrators out.
const TRUSTED: SignedDuration = SignedDuration::from_hours(24);
/// Addresses that are remembered.
const ADDRESSES_MAX: usize = 10_000;

/// Counts failed log-ins.
#[derive(Debug)]
pub struct Limiter {
    clock: Clock,
    counts: Mutex<Counts>,
}

#[derive(Debug, Default)]
struct Counts {
    overall: Window,
    by_address: HashMap<IpAddr, Record>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Window {
    began: Option<Timestamp>,
    failures: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Record {
    window: Window,
    succeeded_at: Option<Timestamp>,
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

impl Record {
    fn is_trusted(self, now: Timestamp) -> bool {
        self.succeeded_at.is_some_and(|at| now.duration_since(at) < TRUSTED)
    }
}

impl Limiter {
    pub fn new(clock: Clock) -> Self {
        Self { clock, counts: Mutex::default() }
    }

    /// Fails with how long to wait.
    pub fn pass(&self, from: IpAddr) -> Result<(), Duration> {
        let now = self.clock.now();
        let counts = self.counts();
        let record = counts.by_address.get(&network(from)).copied().unwrap_or_default();
        let overall = counts.overall.wait(now, FAILURES_OVERALL_MAX).filter(|_| !record.is_trusted(now));
        match record.window.wait(now, FAILURES_MAX).or(overall) {
            Some(wait) => Err(wait),
            None => Ok(()),
        }
    }

    pub fn note_failure(&self, from: IpAddr) {
        let now = self.clock.now();
        let mut counts = self.counts();
        counts.overall.count(now);
        if let Some(record) = counts.record(from, now) {
            record.window.count(now);
        }
    }

    pub fn note_success(&self, from: IpAddr) {
        let now = self.clock.now();
        if let Some(record) = self.counts().record(from, now) {
            record.succeeded_at = Some(now);
        }
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// `None`: too many addresses are remembered; this one counts for all together only.
    fn record(&mut self, from: IpAddr, now: Timestamp) -> Option<&mut Record> {
        let network = network(from);
        if self.by_address.len() >= ADDRESSES_MAX && !self.by_address.contains_key(&network) {
            self.by_address.retain(|_, record| record.window.left(now).is_some() || record.is_trusted(now));
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
    use super::*;

    fn limiter() -> (Limiter, Clock) {
        let clock = Clock::standing_at("2026-11-22T12:00:00Z".parse().unwrap());
        (Limiter::new(clock.clone()), clock)
    }

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_waits_for_the_end_of_its_window() {
        let (limiter, clock) = limiter();
        let (one, other) = (address("10.0.0.1"), address("10.0.0.2"));
        for _ in 0..FAILURES_MAX {
            assert_eq!(limiter.pass(one), Ok(()));
            limiter.note_failure(one);
        }
        assert_eq!(limiter.pass(one), Err(Duration::from_mins(1)));
        assert_eq!(limiter.pass(address("::ffff:10.0.0.1")), Err(Duration::from_mins(1)), "the same address");
        assert_eq!(limiter.pass(other), Ok(()));
        clock.advance(SignedDuration::from_secs(59));
        assert_eq!(limiter.pass(one), Err(Duration::from_secs(1)));
        clock.advance(SignedDuration::from_secs(1));
        assert_eq!(limiter.pass(one), Ok(()));
    }

    #[test]
    fn many_addresses_lock_out_strangers_but_not_who_came_in_before() {
        let (limiter, clock) = limiter();
        let known = address("10.0.0.1");
        limiter.note_success(known);
        for n in 0..FAILURES_OVERALL_MAX {
            limiter.note_failure(IpAddr::V4((0x0b00_0000 + n).into()));
        }
        assert_eq!(limiter.pass(address("12.0.0.1")), Err(Duration::from_mins(1)));
        assert_eq!(limiter.pass(known), Ok(()));
        clock.advance(SignedDuration::from_mins(1));
        assert_eq!(limiter.pass(address("12.0.0.1")), Ok(()));
    }

    #[test]
    fn a_network_of_version_6_is_one_address_and_memory_is_bounded() {
        let (limiter, _) = limiter();
        for n in 0..FAILURES_MAX {
            limiter.note_failure(address(&format!("2001:db8::{n}")));
        }
        assert!(limiter.pass(address("2001:db8::ffff")).is_err());
        assert!(limiter.pass(address("2001:db8:0:1::1")).is_ok());
        for n in 0..u32::try_from(ADDRESSES_MAX).unwrap() + 10 {
            limiter.note_failure(IpAddr::V4(n.into()));
        }
        assert!(limiter.counts().by_address.len() <= ADDRESSES_MAX);
    }
}
