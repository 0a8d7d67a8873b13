//! How long to wait after failures: ever longer, and not all workstations at once.

use std::time::Duration;

/// The first pause.
const FIRST: Duration = Duration::from_secs(1);
/// No pause is longer.
const LONGEST: Duration = Duration::from_mins(1);

/// Counts failures.
#[derive(Debug, Default)]
pub struct Pace {
    failures: u32,
}

impl Pace {
    /// It went well.
    pub fn succeed(&mut self) {
        self.failures = 0;
    }

    /// It failed: how long to wait. `part`, from 0 to 1, spreads workstations over the second half of the pause.
    pub fn fail(&mut self, part: f64) -> Duration {
        let pause = FIRST.saturating_mul(1 << self.failures.min(6)).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        pause.mul_f64(0.5 + part / 2.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_minute_and_begin_anew_after_a_success() {
        let mut pace = Pace::default();
        let pauses: Vec<u64> = (0..8).map(|_| pace.fail(1.0).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(pace.fail(0.0), Duration::from_secs(30), "not all at once");
        pace.succeed();
        assert_eq!(pace.fail(1.0), FIRST);
    }
}
