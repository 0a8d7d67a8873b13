//! How many reports of one user's microphone are taken in a minute: changes at once, but no flood.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;
use crate::domain::ids::UserGuid;

/// Reports of one user in that time; heartbeats of all workstations that a user may have included.
const REPORTS_MAX: u32 = 60;
/// Reports are counted for so long, from the first one on.
const WINDOW: SignedDuration = SignedDuration::from_mins(1);
/// Users who are remembered before those whose time is over are forgotten.
const USERS_MAX: usize = 10_000;

/// Counts reports; clones share what they counted. Users exist, so memory is bounded by how many there are.
#[derive(Clone, Debug)]
pub struct Reports(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    clock: Clock,
    windows: Mutex<HashMap<UserGuid, Window>>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    began: Timestamp,
    reports: u32,
}

impl Window {
    /// How long it still lasts; a clock that was set back ends it.
    fn left(self, now: Timestamp) -> Option<Duration> {
        let left = (self.began + WINDOW).duration_since(now);
        (left.is_positive() && left <= WINDOW).then(|| left.unsigned_abs())
    }
}

impl Reports {
    /// Nothing was reported yet.
    #[must_use]
    pub fn new(clock: Clock) -> Self {
        Self(Arc::new(Inner { clock, windows: Mutex::default() }))
    }

    /// Counts a report; fails with how long to wait.
    ///
    /// # Errors
    /// There were too many.
    pub fn pass(&self, user: UserGuid) -> Result<(), Duration> {
        let now = self.0.clock.now();
        let mut windows = self.0.windows.lock().unwrap_or_else(PoisonError::into_inner);
        if windows.len() >= USERS_MAX && !windows.contains_key(&user) {
            windows.retain(|_, window| window.left(now).is_some());
        }
        let window = windows.entry(user).or_insert(Window { began: now, reports: 0 });
        match window.left(now) {
            None => *window = Window { began: now, reports: 1 },
            Some(_) if window.reports < REPORTS_MAX => window.reports += 1,
            Some(left) => return Err(left),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn one_user_waits_for_the_end_of_the_minute_and_nobody_else_does() {
        let clock = Clock::standing_at("2026-11-30T09:00:00Z".parse().unwrap());
        let reports = Reports::new(clock.clone());
        let (anna, ben) = (UserGuid(Uuid::from_u128(1)), UserGuid(Uuid::from_u128(2)));
        for _ in 0..REPORTS_MAX {
            assert_eq!(reports.pass(anna), Ok(()));
        }
        assert_eq!(reports.pass(anna), Err(Duration::from_mins(1)));
        assert_eq!(reports.pass(ben), Ok(()));
        clock.advance(SignedDuration::from_secs(59));
        assert_eq!(reports.pass(anna), Err(Duration::from_secs(1)));
        clock.advance(SignedDuration::from_secs(1));
        assert_eq!(reports.pass(anna), Ok(()));
    }

    #[test]
    fn a_clock_set_back_locks_nobody_out_and_old_windows_are_forgotten() {
        let clock = Clock::standing_at("2026-11-30T09:00:00Z".parse().unwrap());
        let reports = Reports::new(clock.clone());
        let anna = UserGuid(Uuid::from_u128(1));
        while reports.pass(anna).is_ok() {}
        clock.advance(SignedDuration::from_hours(-1));
        assert_eq!(reports.pass(anna), Ok(()));
        for user in 0..USERS_MAX as u128 {
            reports.pass(UserGuid(Uuid::from_u128(user))).unwrap();
        }
        clock.advance(WINDOW);
        reports.pass(UserGuid(Uuid::from_u128(u128::MAX))).unwrap();
        assert_eq!(reports.0.windows.lock().unwrap().len(), 1);
    }
}
