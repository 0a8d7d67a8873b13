//! How often the sign-in pages answer: by address, and all together.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;

/// Requests are counted for this long.
const WINDOW: SignedDuration = SignedDuration::from_mins(1);
/// Requests of one address in that time; behind a proxy all people together have one.
pub const REQUESTS_MAX: u32 = 600;
/// Requests of all addresses in that time: tickets cannot be guessed, this keeps guessers from keeping us busy.
const REQUESTS_OVERALL_MAX: u32 = 3000;
/// Addresses that are told apart; the rest is counted with all together.
const ADDRESSES_MAX: usize = 10_000;

/// Counts requests.
pub struct Throttle {
    clock: Clock,
    counts: Mutex<Counts>,
}

#[derive(Default)]
struct Counts {
    began: Option<Timestamp>,
    overall: u32,
    by_address: HashMap<IpAddr, u32>,
}

impl Throttle {
    pub fn new(clock: Clock) -> Self {
        Self { clock, counts: Mutex::default() }
    }

    /// Counts a request; fails with how long to wait.
    pub fn pass(&self, from: IpAddr) -> Result<(), Duration> {
        let now = self.clock.now();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let since = counts.began.map(|began| now.duration_since(began));
        let left = since.filter(|since| !since.is_negative()).map(|since| WINDOW - since).filter(SignedDuration::is_positive);
        let left = left.unwrap_or_else(|| {
            *counts = Counts { began: Some(now), ..Counts::default() };
            WINDOW
        });
        if counts.overall >= REQUESTS_OVERALL_MAX || !counts.count(network(from)) {
            return Err(left.unsigned_abs());
        }
        counts.overall += 1;
        Ok(())
    }
}

impl Counts {
    /// Whether the address has not had enough.
    fn count(&mut self, network: IpAddr) -> bool {
        if self.by_address.len() >= ADDRESSES_MAX && !self.by_address.contains_key(&network) {
            return true;
        }
        let count = self.by_address.entry(network).or_default();
        *count = count.saturating_add(1);
        *count <= REQUESTS_MAX
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

    #[test]
    fn an_address_that_asks_too_often_waits_and_others_do_not() {
        let clock = Clock::standing_at("2026-11-22T12:00:00Z".parse().unwrap());
        let throttle = Throttle::new(clock.clone());
        let address = |number: u32| IpAddr::V4((0x0a00_0000 + number).into());
        for _ in 0..REQUESTS_MAX {
            assert_eq!(throttle.pass(address(1)), Ok(()));
        }
        clock.advance(SignedDuration::from_secs(20));
        assert_eq!(throttle.pass(address(1)), Err(Duration::from_secs(40)));
        assert_eq!(throttle.pass("::ffff:10.0.0.1".parse().unwrap()), Err(Duration::from_secs(40)), "the same address");
        for number in 2..REQUESTS_OVERALL_MAX - REQUESTS_MAX + 2 {
            assert_eq!(throttle.pass(address(number)), Ok(()));
        }
        assert!(throttle.pass(address(9999)).is_err(), "all together");
        clock.advance(SignedDuration::from_secs(40));
        assert_eq!(throttle.pass(address(1)), Ok(()));
    }
}
