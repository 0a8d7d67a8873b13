//! What people without a role change about themselves: how often they may, so that nobody fills the audit log or keeps others busy.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::clock::Clock;
use crate::domain::ids::TeamsUserId;

/// Changes are counted for this long, from the first one on.
const WINDOW: SignedDuration = SignedDuration::from_mins(10);
/// What one person may change in that time; whoever makes up their mind needs less.
pub const CHANGES_MAX: u32 = 20;
/// With so many people remembered, those whose time has passed are forgotten.
const PEOPLE_MANY: usize = 1000;

/// Counts people's own changes.
#[derive(Debug)]
pub struct Pace {
    clock: Clock,
    people: Mutex<HashMap<TeamsUserId, Window>>,
}

#[derive(Clone, Copy, Debug)]
struct Window {
    ends_at: Timestamp,
    changes: u32,
}

impl Pace {
    pub fn new(clock: Clock) -> Self {
        Self { clock, people: Mutex::default() }
    }

    /// Counts another one; fails with how long to wait, and does not count it.
    pub fn step(&self, person: TeamsUserId) -> Result<(), Duration> {
        let now = self.clock.now();
        let mut people = self.people.lock().unwrap_or_else(PoisonError::into_inner);
        if people.len() >= PEOPLE_MANY && !people.contains_key(&person) {
            people.retain(|_, window| window.left(now).is_some());
        }
        let fresh = Window { ends_at: now + WINDOW, changes: 0 };
        let window = people.entry(person).or_insert(fresh);
        match window.left(now) {
            Some(left) if window.changes >= CHANGES_MAX => return Err(left),
            Some(_) => {}
            None => *window = fresh,
        }
        window.changes += 1;
        Ok(())
    }
}

impl Window {
    /// How long it still lasts; a clock that was set back makes nobody wait longer than a window.
    fn left(self, now: Timestamp) -> Option<Duration> {
        let left = self.ends_at.duration_since(now);
        (left.is_positive() && left <= WINDOW).then(|| left.unsigned_abs())
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn each_person_has_a_pace_of_their_own() {
        let clock = Clock::standing_at("2026-11-22T12:00:00Z".parse().unwrap());
        let pace = Pace::new(clock.clone());
        let [anna, ben] = [1, 2].map(|number| TeamsUserId(Uuid::from_u128(number)));
        for _ in 0..CHANGES_MAX {
            assert_eq!(pace.step(anna), Ok(()));
        }
        assert_eq!(pace.step(anna), Err(Duration::from_mins(10)));
        assert_eq!(pace.step(ben), Ok(()));
        clock.advance(SignedDuration::from_secs(599));
        assert_eq!(pace.step(anna), Err(Duration::from_secs(1)));
        clock.advance(SignedDuration::from_secs(1));
        assert_eq!(pace.step(anna), Ok(()), "it begins anew");
        for number in 0..10 * PEOPLE_MANY as u128 {
            clock.advance(SignedDuration::from_secs(1));
            assert_eq!(pace.step(TeamsUserId(Uuid::from_u128(100 + number))), Ok(()));
        }
        assert!(pace.people.lock().unwrap().len() <= PEOPLE_MANY);
    }
}
