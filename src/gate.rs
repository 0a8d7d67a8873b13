//! A gate: whoever throttled us is left alone for as long as they asked.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use crate::clock::Clock;

/// A gate never stays closed longer than this, whatever happened to the clock meanwhile.
pub(crate) const CLOSED_MAX: Duration = Duration::from_hours(1);

/// Open, or closed until a moment.
#[derive(Debug)]
pub(crate) struct Gate {
    clock: Clock,
    /// Microseconds since 1970.
    open_at: AtomicI64,
}

impl Gate {
    pub fn new(clock: Clock) -> Self {
        Self { clock, open_at: AtomicI64::default() }
    }

    /// Fails with how long the gate will still be closed.
    pub fn pass(&self) -> Result<(), Duration> {
        let closed_for = self.open_at.load(Ordering::Relaxed).saturating_sub(self.clock.now().as_microsecond());
        match u64::try_from(closed_for).map(Duration::from_micros) {
            // More than it was ever closed for: the clock was set back.
            Ok(closed_for) if !closed_for.is_zero() && closed_for <= CLOSED_MAX => Err(closed_for),
            _ => Ok(()),
        }
    }

    /// Closes it; one that is closed for longer already stays so.
    pub fn close(&self, how_long: Duration) {
        let now = self.clock.now().as_microsecond();
        let until = |how_long: Duration| now.saturating_add(i64::try_from(how_long.as_micros()).unwrap_or(i64::MAX));
        let (wanted, latest) = (until(how_long.min(CLOSED_MAX)), until(CLOSED_MAX));
        let later = |current: i64| Some(if current > latest { wanted } else { current.max(wanted) });
        // It cannot fail: there is always a next value.
        _ = self.open_at.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;

    fn noon() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_gate_opens_when_the_longest_pause_is_over() {
        let clock = Clock::standing_at(noon());
        let gate = Gate::new(clock.clone());
        assert_eq!(gate.pass(), Ok(()));
        gate.close(Duration::from_secs(20));
        gate.close(Duration::from_secs(5));
        assert_eq!(gate.pass(), Err(Duration::from_secs(20)));
        clock.advance(SignedDuration::from_secs(19));
        assert_eq!(gate.pass(), Err(Duration::from_secs(1)));
        clock.advance(SignedDuration::from_secs(1));
        assert_eq!(gate.pass(), Ok(()));
    }

    #[test]
    fn a_clock_set_back_opens_the_gate_and_it_can_be_closed_again() {
        let clock = Clock::standing_at(noon());
        let gate = Gate::new(clock.clone());
        gate.close(Duration::from_hours(2));
        assert_eq!(gate.pass(), Err(CLOSED_MAX));
        clock.advance(SignedDuration::from_secs(-1));
        assert_eq!(gate.pass(), Ok(()));
        gate.close(Duration::from_secs(7));
        assert_eq!(gate.pass(), Err(Duration::from_secs(7)));
    }
}
