//! Whether a side answers, judged by what became of the pushes to it.

use jiff::{SignedDuration, Timestamp};

use super::{SIDE_PAUSE_MAX, Sent};
use crate::store::outbox::LETTER_AHEAD_MAX;

/// So many failures in a row are the side's, not the users', where nothing has been settled in the same run.
pub(super) const FAILURES_MIN: usize = 3;

/// Whether a side answers, as far as this replica has seen.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Health {
    /// How often it was found dead since it last answered.
    failures: u32,
    closed_until: Option<Timestamp>,
    /// It asked to be left alone; no answer to somebody else ends that.
    asked_until: Option<Timestamp>,
}

impl Health {
    pub fn is_open(&self, now: Timestamp) -> bool {
        // What lies further ahead than it ever can was said by a clock that has been put right since.
        let over = |until: Option<Timestamp>| until.is_none_or(|until| until <= now || until > now + LETTER_AHEAD_MAX);
        over(self.closed_until) && over(self.asked_until)
    }

    pub fn is_failing(&self) -> bool {
        self.failures > 0
    }

    /// Learns from what ended together; says whether the side answered, if that can be said.
    pub fn judge(&mut self, sent: &[Sent], failures_max: usize, in_a_row: &mut usize, now: Timestamp) -> Option<bool> {
        let failed = sent.iter().filter(|sent| matches!(sent, Sent::SideFailed { .. })).count();
        let asked = sent.iter().filter_map(|sent| if let Sent::SideAsksToWait(pause) = sent { Some(*pause) } else { None }).max();
        if let Some(pause) = asked {
            self.asked_until = Some(now + SignedDuration::try_from(pause).unwrap_or(SIDE_PAUSE_MAX).min(LETTER_AHEAD_MAX));
        }
        if sent.iter().any(|sent| matches!(sent, Sent::Settled | Sent::Refused)) {
            (self.failures, self.closed_until, *in_a_row) = (0, None, 0);
            return Some(true);
        }
        if failed == 0 {
            return None;
        }
        *in_a_row += failed;
        let surely = sent.contains(&Sent::SideFailed { surely: true });
        let dead = surely || *in_a_row >= failures_max || self.failures > 0;
        // What was under way when the side was found dead says nothing new.
        if dead && self.is_open(now) {
            self.failures = self.failures.saturating_add(1);
            self.closed_until = Some(now + pause(self.failures, SIDE_PAUSE_MAX));
        }
        Some(false)
    }
}

/// Doubles from half a second, with jitter so that those who failed together do not return together.
pub(super) fn pause(attempts: u32, max: SignedDuration) -> SignedDuration {
    let doubled = SignedDuration::from_millis(250) * 2_i32.saturating_pow(attempts.min(16));
    let millis = doubled.min(max).as_millis();
    let jittered = millis / 2 + i128::from(fastrand::u64(0..=u64::try_from(millis / 2).unwrap_or(0)));
    SignedDuration::from_millis(i64::try_from(jittered).unwrap_or(0))
}
