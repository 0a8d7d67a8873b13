//! How many writes presence takes in 30 seconds of the emulated clock, where a fault sets a limit.

use jiff::{SignedDuration, Timestamp};

const WINDOW: SignedDuration = SignedDuration::from_secs(30);

/// The present window; it begins with the first write after the one before has ended.
#[derive(Default)]
pub struct WriteBudget {
    began_at: Option<Timestamp>,
    taken: u32,
}

impl WriteBudget {
    /// Takes one write.
    ///
    /// # Errors
    /// The whole seconds until the window ends, where it takes no more.
    pub fn take(&mut self, writes: u32, now: Timestamp) -> Result<(), u64> {
        let began_at = match self.began_at {
            Some(began_at) if now.duration_since(began_at) < WINDOW => began_at,
            _ => {
                self.taken = 0;
                *self.began_at.insert(now)
            }
        };
        if self.taken < writes {
            self.taken += 1;
            return Ok(());
        }
        let left = WINDOW - now.duration_since(began_at);
        Err(u64::try_from(left.as_millis()).unwrap_or_default().div_ceil(1000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_takes_so_many_and_tells_when_it_ends() {
        let mut budget = WriteBudget::default();
        // Milliseconds since the start; what one write meets where two are allowed.
        let table = [
            (0, Ok(())),
            (1_000, Ok(())),
            (1_001, Err(29)),
            (29_999, Err(1)),
            (30_000, Ok(())),
            (45_000, Ok(())),
            (59_000, Err(1)),
        ];
        for (millis, met) in table {
            assert_eq!(budget.take(2, Timestamp::UNIX_EPOCH + SignedDuration::from_millis(millis)), met, "after {millis} ms");
        }
    }
}
