//! The emulators' own time: the machine's, or standing at a moment, shifted by what the control API asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// Time as an emulated system sees it; clones agree.
#[derive(Clone, Debug, Default)]
pub struct EmulatedClock {
    /// Where the clock stands; `None`: it runs with the machine's.
    standing_at: Option<Timestamp>,
    shifted_microseconds: Arc<AtomicI64>,
}

impl EmulatedClock {
    /// A clock that stands still but for what `advance` adds.
    #[must_use]
    pub fn standing_at(moment: Timestamp) -> Self {
        Self { standing_at: Some(moment), shifted_microseconds: Arc::default() }
    }

    /// The present moment of the emulated system.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "an emulator is a system of its own, with its own clock")]
    pub fn now(&self) -> Timestamp {
        let base = self.standing_at.unwrap_or_else(Timestamp::now);
        base + SignedDuration::from_micros(self.shifted_microseconds.load(Ordering::SeqCst))
    }

    /// Moves the emulated system forward.
    pub fn advance(&self, by: SignedDuration) {
        let microseconds = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.shifted_microseconds.fetch_add(microseconds, Ordering::SeqCst);
    }
}
