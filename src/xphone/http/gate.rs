//! Gates: a server that asks to wait is left alone for as long, one kind of question apart from another.

use std::time::Duration;

use crate::clock::Clock;
use crate::gate::Gate;

/// What a server may ask to wait with: throttled reading must not hold up writing, nor either of them the log-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Setting and removing appointments.
    AppointmentWrites,
    /// Setting and removing profile templates.
    TemplateWrites,
    /// Getting a token.
    LogIn,
    /// Everything else.
    Reading,
}

/// A gate for every kind of question, open unless the server asked to wait.
#[derive(Debug)]
pub(super) struct Gates([Gate; 4]);

impl Gates {
    pub(super) fn new(clock: &Clock) -> Self {
        Self([(); 4].map(|()| Gate::new(clock.clone())))
    }

    /// Fails with how long the gate will still be closed.
    pub(super) fn pass(&self, kind: Kind) -> Result<(), Duration> {
        self.0[kind as usize].pass()
    }

    /// Closes one; one that is closed for longer already stays so.
    pub(super) fn close(&self, kind: Kind, how_long: Duration) {
        self.0[kind as usize].close(how_long);
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::*;
    use crate::gate::CLOSED_MAX;

    #[test]
    fn a_gate_is_closed_for_its_kind_and_its_time() {
        let noon: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let clock = Clock::standing_at(noon);
        let pass = |seconds| clock.advance(SignedDuration::from_secs(seconds));
        let seconds = Duration::from_secs;
        let gates = Gates::new(&clock);
        gates.close(Kind::Reading, seconds(20));
        gates.close(Kind::Reading, seconds(5));
        pass(5);
        assert_eq!(gates.pass(Kind::Reading), Err(seconds(15)));
        assert_eq!(gates.pass(Kind::AppointmentWrites), Ok(()));
        assert_eq!(gates.pass(Kind::LogIn), Ok(()));
        pass(15);
        assert_eq!(gates.pass(Kind::Reading), Ok(()));
        pass(-20);
        gates.close(Kind::Reading, seconds(1_000_000));
        assert_eq!(gates.pass(Kind::Reading), Err(CLOSED_MAX));
        pass(-1);
        assert_eq!(gates.pass(Kind::Reading), Ok(()), "the clock was set back");
        gates.close(Kind::Reading, seconds(7));
        assert_eq!(gates.pass(Kind::Reading), Err(seconds(7)));
    }
}
