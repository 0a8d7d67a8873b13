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

/// So many silent at once, and more than a quarter of all, is no matter of one subscription: our address is not reached, or Graph is slow.
const SILENT_TOGETHER: usize = 3;
/// While so many are silent one is made anew to see whether that helps, and no other for so long.
const PROBE_PAUSE: SignedDuration = SignedDuration::from_mins(5);

/// Whether so many silent ones of so many are no matter of each.
#[must_use]
pub fn silent_together(silent: usize, live: usize) -> bool {
    silent >= SILENT_TOGETHER && silent * 4 > live
}

/// Whether one of those that are silent together may be made anew now, to see whether that helps.
#[must_use]
pub fn may_probe(accounts: impl IntoIterator<Item = Silence>, now: Timestamp) -> bool {
    let is_tried = |silence: &Silence| silence.found_at.is_some_and(|at| at <= now && now.duration_since(at) < PROBE_PAUSE);
    !accounts.into_iter().any(|silence| is_tried(&silence))
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
    fn many_at_once_are_no_matter_of_each() {
        let check = |silent, live, expected| assert_eq!(silent_together(silent, live), expected, "{silent} {live}");
        check(2, 2, false);
        check(3, 3, true);
        check(3, 11, true);
        check(3, 12, false);
        check(40, 154, true);
        let noon: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let never = Silence::default();
        let tried = Silence { times: 1, found_at: Some(noon) };
        assert!(may_probe([never, never], noon));
        assert!(!may_probe([never, tried], noon + SignedDuration::from_secs(299)));
        assert!(may_probe([never, tried], noon + SignedDuration::from_mins(5)));
        assert!(may_probe([tried], noon - SignedDuration::from_secs(1)), "the clock was set back");
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
