//! Gates: a server that asks to wait is left alone for as long, one kind of question apart from another.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use jiff::Timestamp;

/// The longest time a gate stays closed, whatever the server asks for and whatever happens to the clock meanwhile.
pub(super) const CLOSED_MAX: Duration = Duration::from_hours(1);

/// What a server may ask to wait with: throttled reading must not hold up writing, nor either of them the log-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Setting and removing appointments.
    AppointmentWrites,
    /// Getting a token.
    LogIn,
    /// Everything else.
    Reading,
}

/// A gate for every kind of question, open unless the server asked to wait.
#[derive(Debug, Default)]
pub(super) struct Gates([Gate; 3]);

impl Gates {
    /// Fails with how long the gate will still be closed.
    pub(super) fn pass(&self, kind: Kind, now: Timestamp) -> Result<(), Duration> {
        self.0[kind as usize].pass(now)
    }

    /// Closes one; one that is closed for longer already stays so.
    pub(super) fn close(&self, kind: Kind, now: Timestamp, how_long: Duration) {
        self.0[kind as usize].close(now, how_long);
    }
}

/// Closed until a moment, in microseconds since 1970.
#[derive(Debug, Default)]
struct Gate(AtomicI64);

impl Gate {
    fn pass(&self, now: Timestamp) -> Result<(), Duration> {
        let closed_for = self.0.load(Ordering::Relaxed).saturating_sub(now.as_microsecond());
        match u64::try_from(closed_for).map(Duration::from_micros) {
            // More than can have been asked for: the clock was set back.
            Ok(closed_for) if !closed_for.is_zero() && closed_for <= CLOSED_MAX => Err(closed_for),
            _ => Ok(()),
        }
    }

    fn close(&self, now: Timestamp, how_long: Duration) {
        let until = |how_long: Duration| {
            let microseconds = i64::try_from(how_long.as_micros()).unwrap_or(i64::MAX);
            now.as_microsecond().saturating_add(microseconds)
        };
        let (wanted, latest) = (until(how_long.min(CLOSED_MAX)), until(CLOSED_MAX));
        let later = |current: i64| Some(if current > latest { wanted } else { current.max(wanted) });
        // It cannot fail: there is always a next value.
        _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, later);
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn a_gate_is_closed_for_its_kind_and_its_time() {
        let noon: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let after = |seconds| noon + SignedDuration::from_secs(seconds);
        let seconds = Duration::from_secs;
        let gates = Gates::default();
        gates.close(Kind::Reading, noon, seconds(20));
        gates.close(Kind::Reading, noon, seconds(5));
        assert_eq!(gates.pass(Kind::Reading, after(5)), Err(seconds(15)));
        assert_eq!(gates.pass(Kind::AppointmentWrites, after(5)), Ok(()));
        assert_eq!(gates.pass(Kind::LogIn, after(5)), Ok(()));
        assert_eq!(gates.pass(Kind::Reading, after(20)), Ok(()));
        gates.close(Kind::Reading, noon, seconds(1_000_000));
        assert_eq!(gates.pass(Kind::Reading, noon), Err(CLOSED_MAX));
        assert_eq!(gates.pass(Kind::Reading, after(-1)), Ok(()), "the clock was set back");
        gates.close(Kind::Reading, after(-1), seconds(7));
        assert_eq!(gates.pass(Kind::Reading, after(-1)), Err(seconds(7)));
    }
}
