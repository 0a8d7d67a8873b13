//! Finds subscriptions that stand at Graph, are renewed, and tell nothing.

use jiff::{SignedDuration, Timestamp};

/// A notification may take a minute: only what a sweep found so long ago counts as not told.
pub const MISSED_SETTLED_AFTER: SignedDuration = SignedDuration::from_secs(90);
/// So many changes not told, and nothing told since the first of them: silent.
const MISSED_WHILE_UNHEARD: u64 = 3;
/// So many not told within an hour: silent for some, whatever is told of others.
const MISSED_THOUGH_HEARD: u64 = 20;
/// After a silent subscription was made anew, the next time comes not before this, then twice as long each time.
const ANEW_FIRST: SignedDuration = SignedDuration::from_mins(30);
const ANEW_MAX: SignedDuration = SignedDuration::from_hours(6);
/// After so long without silence the pauses begin anew.
const FORGOTTEN_AFTER: SignedDuration = SignedDuration::from_hours(12);

/// What is known of a subscription's telling.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Listening {
    /// When something of it was last heard.
    pub heard_at: Option<Timestamp>,
    /// Changes of the last hour that it did not tell, as far as that is settled.
    pub missed: u64,
    /// When the first of those was found.
    pub first_missed_at: Option<Timestamp>,
}

/// How often its account's subscriptions were found silent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Silence {
    /// In a row.
    pub times: u32,
    /// When last.
    pub found_at: Option<Timestamp>,
}

impl Listening {
    /// Whether it tells nothing, or not enough.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        let Some(first) = self.first_missed_at else { return false };
        let is_unheard = self.heard_at.is_none_or(|heard| heard < first);
        (is_unheard && self.missed >= MISSED_WHILE_UNHEARD) || self.missed >= MISSED_THOUGH_HEARD
    }
}

impl Silence {
    /// Whether a silent subscription may be made anew now.
    #[must_use]
    pub fn may_end(&self, now: Timestamp) -> bool {
        self.found_at.is_none_or(|found| found > now || now.duration_since(found) >= pause(self.times))
    }

    /// What is to be remembered once it is made anew now.
    #[must_use]
    pub fn ended(&self, now: Timestamp) -> Self {
        let is_long_ago = self.found_at.is_none_or(|found| now.duration_since(found) >= FORGOTTEN_AFTER);
        Self { times: if is_long_ago { 1 } else { self.times.saturating_add(1) }, found_at: Some(now) }
    }
}

fn pause(times: u32) -> SignedDuration {
    let doubled = 1_i32.checked_shl(times.saturating_sub(1).min(16)).unwrap_or(i32::MAX);
    ANEW_FIRST.checked_mul(doubled).unwrap_or(ANEW_MAX).min(ANEW_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn silence_is_three_missed_and_nothing_heard_or_many_missed() {
        let noon: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let check = |missed, heard: Option<i64>, expected| {
            let heard_at = heard.map(|minutes| noon + SignedDuration::from_mins(minutes));
            let listening = Listening { heard_at, missed, first_missed_at: (missed > 0).then_some(noon) };
            assert_eq!(listening.is_silent(), expected, "{missed} {heard:?}");
        };
        check(0, None, false);
        check(2, None, false);
        check(3, None, true);
        check(3, Some(-1), true);
        check(3, Some(1), false);
        check(19, Some(1), false);
        check(20, Some(1), true);
    }

    #[test]
    fn it_is_made_anew_ever_more_seldom() {
        let mut now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let mut silence = Silence::default();
        let mut pauses = Vec::new();
        for _ in 0..7 {
            assert!(silence.may_end(now));
            silence = silence.ended(now);
            let began = now;
            while !silence.may_end(now) {
                now += SignedDuration::from_mins(30);
            }
            pauses.push(now.duration_since(began).as_mins());
        }
        assert_eq!(pauses, [30, 60, 120, 240, 360, 360, 360]);
        assert_eq!(silence.ended(now + SignedDuration::from_hours(13)).times, 1, "and begins anew after half a day of health");
    }
}
