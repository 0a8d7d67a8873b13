//! When what is shown ends by itself, and when it is moved on.

use jiff::{SignedDuration, Timestamp};

/// XPhone takes no appointment whose end lies further ahead.
pub const APPOINTMENT_AHEAD_MAX: SignedDuration = SignedDuration::from_hours(12);

/// How far XPhone's clock may be behind ours before it would refuse an appointment's end.
pub const CLOCK_SKEW_TOLERATED: SignedDuration = SignedDuration::from_mins(5);

/// How long an appointment lives unless its cause is confirmed again.
pub const APPOINTMENT_LIFE: SignedDuration = SignedDuration::from_secs(12 * 3600 - 5 * 60);

/// Microsoft drops do not disturb after this time; so do we.
pub const DO_NOT_DISTURB_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// Once an appointment is due to be moved on but no fresh read confirms its cause, how soon to look again.
pub const RENEWAL_RETRY: SignedDuration = SignedDuration::from_mins(5);

/// What XPhone said keeps nothing alive in Teams once XPhone has not been heard for this long.
pub const XPHONE_TRUSTED: SignedDuration = SignedDuration::from_mins(5);

/// A read of Teams that was asked for and did not come is asked for again after this.
pub const READ_RETRY: SignedDuration = SignedDuration::from_secs(10);

/// So long it is asked for, and then as seldom: of whom Graph tells nothing the sweep asks anyhow.
pub const READ_PURSUED: SignedDuration = SignedDuration::from_mins(5);

/// A read older than this proves nothing about what the user did meanwhile.
pub const EVIDENCE_MAX: SignedDuration = SignedDuration::from_mins(2);

/// However near an end is, the same user is not looked at again sooner: no loop without a pause.
pub const REVISIT_MIN: SignedDuration = SignedDuration::from_secs(1);

/// The smallest move worth a push.
const RENEWAL_MIN: SignedDuration = SignedDuration::from_mins(1);

/// The end of an appointment whose cause was last known to hold at `confirmed`, and must not outlive `limit`.
#[must_use]
pub fn appointment_end(confirmed: Timestamp, limit: Option<Timestamp>) -> Timestamp {
    let end = confirmed + APPOINTMENT_LIFE;
    limit.map_or(end, |limit| end.min(limit))
}

/// What to do about the end of an appointment that is still wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Nothing before this moment.
    LookAgain(Timestamp),
    /// Set it again with this end.
    MoveOn(Timestamp),
}

/// At half time, and only as far as reads confirm the cause: a confirmation buys one life, counted from itself.
#[must_use]
pub fn renewal(now: Timestamp, until: Timestamp, confirmed: Option<Timestamp>, limit: Option<Timestamp>) -> Renewal {
    let half_time = until - APPOINTMENT_LIFE / 2;
    if limit.is_some_and(|limit| limit <= until) {
        return Renewal::LookAgain(until);
    }
    if now < half_time {
        return Renewal::LookAgain(half_time);
    }
    let end = confirmed.map(|confirmed| appointment_end(confirmed, limit));
    match end {
        Some(end) if end > until + RENEWAL_MIN => Renewal::MoveOn(end),
        _ => Renewal::LookAgain(until.min(now + RENEWAL_RETRY)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::UNIX_EPOCH + SignedDuration::from_mins(minutes)
    }

    const LIFE: i64 = 12 * 60 - 5;

    #[test]
    fn renewals() {
        let check = |now, until, confirmed: Option<i64>, limit: Option<i64>, expected| {
            assert_eq!(renewal(at(now), at(until), confirmed.map(at), limit.map(at)), expected);
        };
        check(0, LIFE, Some(0), None, Renewal::LookAgain(at(LIFE) - APPOINTMENT_LIFE / 2));
        check(360, LIFE, Some(359), None, Renewal::MoveOn(at(359 + LIFE)));
        check(360, LIFE, None, None, Renewal::LookAgain(at(365)));
        check(360, LIFE, Some(0), None, Renewal::LookAgain(at(365)));
        check(LIFE - 2, LIFE, Some(0), None, Renewal::LookAgain(at(LIFE)));
        check(1430, 1440, Some(1429), Some(1440), Renewal::LookAgain(at(1440)));
        check(1080, 1400, Some(1079), Some(1440), Renewal::MoveOn(at(1440)));
    }

    #[test]
    fn an_end_is_never_too_far_ahead() {
        assert!(APPOINTMENT_LIFE + CLOCK_SKEW_TOLERATED <= APPOINTMENT_AHEAD_MAX);
        assert_eq!(appointment_end(at(0), Some(at(10))), at(10));
        assert_eq!(appointment_end(at(0), Some(at(10_000))), at(LIFE));
    }
}
