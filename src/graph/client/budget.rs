//! The request budget: never more than so many requests in any 30 seconds.

use std::num::NonZeroU32;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use governor::clock::{Clock as GovernorsClock, Reference};
use governor::middleware::StateInformationMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use jiff::Timestamp;

use crate::clock::Clock;

/// What Graph's limit counts over.
const WINDOW: Duration = Duration::from_secs(30);
/// One in so many requests of the budget may be sent at once; the rest comes back evenly.
const BURST_SHARE: u32 = 5;

/// Requests that may still be sent.
///
/// A bucket that holds `burst` and regains one each `period` lets through at most `burst + WINDOW / period` in any window, so
/// that sum is what must not exceed the budget.
pub(super) struct Budget {
    limiter: RateLimiter<NotKeyed, InMemoryState, Elapsed, StateInformationMiddleware>,
    burst: u32,
    period: Duration,
    /// What was left, and when, after the latest request.
    left: Mutex<(u32, Nanos)>,
}

impl Budget {
    pub fn new(requests_per_30_seconds_max: u32, clock: Clock) -> Self {
        let max = requests_per_30_seconds_max.max(1);
        let burst = (max / BURST_SHARE).max(1);
        let period = match max - burst {
            0 => WINDOW + Duration::from_millis(1),
            regained => Duration::from_nanos(nanoseconds(WINDOW).div_ceil(u64::from(regained))),
        };
        let burst_size = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        let quota = Quota::with_period(period).expect("the period is never zero").allow_burst(burst_size);
        let clock = Elapsed::new(clock);
        let now = clock.now();
        let limiter = RateLimiter::direct_with_clock(quota, clock).with_middleware();
        Self { limiter, burst, period, left: Mutex::new((burst, now)) }
    }

    /// Takes one request from the budget, or fails with when there will be one.
    pub fn spend(&self) -> Result<(), Duration> {
        match self.limiter.check() {
            Ok(state) => {
                *self.left.lock().unwrap_or_else(PoisonError::into_inner) =
                    (state.remaining_burst_capacity(), self.limiter.clock().now());
                Ok(())
            }
            Err(not_until) => Err(not_until.wait_time_from(self.limiter.clock().now()).max(Duration::from_millis(1))),
        }
    }

    /// How many requests may be sent right now.
    pub fn remaining(&self) -> u32 {
        let (left, at) = *self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let since = self.limiter.clock().now().duration_since(at).as_u64();
        let regained = u32::try_from(since / nanoseconds(self.period)).unwrap_or(u32::MAX);
        left.saturating_add(regained).min(self.burst)
    }
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// Time that only goes forward, made from a clock that may be set back.
struct Elapsed {
    clock: Clock,
    seen: Mutex<(Timestamp, Nanos)>,
}

impl Elapsed {
    fn new(clock: Clock) -> Self {
        let seen = Mutex::new((clock.now(), Nanos::new(0)));
        Self { clock, seen }
    }
}

impl GovernorsClock for Elapsed {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.clock.now();
        let passed = u64::try_from(now.duration_since(seen.0).as_nanos()).unwrap_or(0);
        *seen = (now, seen.1 + Nanos::new(passed));
        seen.1
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use proptest::prelude::*;

    use super::*;
    use crate::graph::testing::noon;

    proptest! {
        #[test]
        fn no_window_of_30_seconds_holds_more_than_the_budget(
            max in 1_u32..60,
            pauses in prop::collection::vec(prop_oneof![Just(0_i64), 0..900_i64, 0..5_000_i64, 20_000..40_000_i64], 1..400),
        ) {
            let clock = Clock::standing_at(noon());
            let budget = Budget::new(max, clock.clone());
            let mut sent: Vec<Timestamp> = Vec::new();
            for pause in pauses {
                clock.advance(SignedDuration::from_millis(pause));
                let promised = budget.remaining();
                if budget.spend().is_ok() {
                    sent.push(clock.now());
                } else {
                    prop_assert_eq!(promised, 0);
                }
            }
            for (index, first) in sent.iter().enumerate() {
                let inside = sent[index..].iter().take_while(|at| at.duration_since(*first) <= SignedDuration::from_secs(30));
                prop_assert!(inside.count() <= max as usize);
            }
        }

        #[test]
        fn whoever_waits_as_told_is_let_through(max in 1_u32..2000) {
            let clock = Clock::standing_at(noon());
            let budget = Budget::new(max, clock.clone());
            while budget.spend().is_ok() {}
            let wait = budget.spend().unwrap_err();
            clock.advance(SignedDuration::try_from(wait).unwrap() + SignedDuration::from_micros(1));
            prop_assert_eq!(budget.spend(), Ok(()));
        }
    }

    #[test]
    fn a_clock_set_back_does_not_stop_the_budget() {
        let clock = Clock::standing_at(noon());
        let budget = Budget::new(10, clock.clone());
        while budget.spend().is_ok() {}
        clock.advance(SignedDuration::from_hours(-3));
        assert!(budget.spend().unwrap_err() < WINDOW);
        clock.advance(SignedDuration::from_secs(30));
        assert_eq!(budget.spend(), Ok(()));
    }
}
