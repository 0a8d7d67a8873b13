//! Time as an argument: whoever needs to know how late it is asks a `Clock`, and tests move it.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};

/// Tells the time, to the microsecond (what Postgres keeps).
///
/// Clones of one clock agree: moving one moves them all.
#[derive(Clone, Debug)]
pub struct Clock(Source);

#[derive(Clone, Debug)]
enum Source {
    System,
    Standing(Arc<AtomicI64>),
}

impl Clock {
    /// The machine's own time.
    #[must_use]
    pub fn system() -> Self {
        Self(Source::System)
    }

    /// A clock that stands still until it is moved.
    #[must_use]
    pub fn standing_at(now: Timestamp) -> Self {
        Self(Source::Standing(Arc::new(AtomicI64::new(now.as_microsecond()))))
    }

    /// The present moment.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that may ask the machine for the time")]
    pub fn now(&self) -> Timestamp {
        let microseconds = match &self.0 {
            Source::System => Timestamp::now().as_microsecond(),
            Source::Standing(at) => at.load(Ordering::SeqCst),
        };
        Timestamp::from_microsecond(microseconds).unwrap_or(Timestamp::MAX)
    }

    /// Moves a standing clock; the machine's own time cannot be moved.
    pub fn advance(&self, by: SignedDuration) {
        if let Source::Standing(at) = &self.0 {
            let microseconds = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
            at.fetch_add(microseconds, Ordering::SeqCst);
        }
    }
}
