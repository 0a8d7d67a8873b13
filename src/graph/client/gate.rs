//! Gates: what Graph throttled stays closed for as long as it asked, and nothing else does.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::Endpoint;
use crate::clock::Clock;

/// A gate never stays closed longer than this, whatever happened to the clock meanwhile.
const CLOSED_MAX: Duration = Duration::from_hours(1);

/// One gate for each kind of request.
pub(super) struct Gates {
    clock: Clock,
    /// Microseconds since 1970 at which each opens.
    open_at: [AtomicI64; Endpoint::ALL.len()],
}

impl Gates {
    pub fn new(clock: Clock) -> Self {
        Self { clock, open_at: Default::default() }
    }

    /// Fails with how long the gate will still be closed.
    pub fn pass(&self, endpoint: Endpoint) -> Result<(), Duration> {
        let closed_for = self.gate(endpoint).load(Ordering::Relaxed) - self.clock.now().as_microsecond();
        match u64::try_from(closed_for) {
            Ok(microseconds) if microseconds > 0 => Err(Duration::from_micros(microseconds).min(CLOSED_MAX)),
            _ => Ok(()),
        }
    }

    /// Closes a gate; one that is closed for longer already stays so.
    pub fn close(&self, endpoint: Endpoint, how_long: Duration) {
        let microseconds = i64::try_from(how_long.min(CLOSED_MAX).as_micros()).unwrap_or(i64::MAX);
        let until = self.clock.now().as_microsecond().saturating_add(microseconds);
        self.gate(endpoint).fetch_max(until, Ordering::Relaxed);
    }

    fn gate(&self, endpoint: Endpoint) -> &AtomicI64 {
        &self.open_at[endpoint as usize]
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;
    use crate::graph::testing::noon;

    #[test]
    fn a_gate_closes_for_its_own_kind_and_opens_in_time() {
        let clock = Clock::standing_at(noon());
        let gates = Gates::new(clock.clone());
        gates.close(Endpoint::Presences, Duration::from_secs(20));
        gates.close(Endpoint::Presences, Duration::from_secs(5));
        assert_eq!(gates.pass(Endpoint::Presences), Err(Duration::from_secs(20)));
        assert_eq!(gates.pass(Endpoint::Users), Ok(()));
        clock.advance(SignedDuration::from_secs(19));
        assert_eq!(gates.pass(Endpoint::Presences), Err(Duration::from_secs(1)));
        clock.advance(SignedDuration::from_secs(1));
        assert_eq!(gates.pass(Endpoint::Presences), Ok(()));
    }
}
