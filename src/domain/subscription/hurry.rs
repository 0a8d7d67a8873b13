//! How much faster those are swept whose subscription fails.

use std::time::Duration;

use super::USERS_PER_SUBSCRIPTION_MAX;

/// So many times as often as everybody...
const HURRIED_TIMES: u32 = 4;
/// ... but never oftener than this: reads lag behind changes by seconds anyway.
const HURRIED_MIN: Duration = Duration::from_secs(5);
/// ... and never so often that it costs more than one in so many requests of the budget.
const HURRIED_SHARE: u64 = 25;
const WINDOW_MILLISECONDS: u64 = 30_000;

/// In what time those are read once whose subscription fails; `None`: no faster than everybody.
///
/// Four times as often as everybody, within 4 % of the budget: of 1500 requests in 30 s that is 60, enough for 9,750 users each 15 s.
#[must_use]
pub fn hurried_period(users: u64, sweep: Duration, requests_per_30_seconds_max: u32) -> Option<Duration> {
    let requests = users.div_ceil(USERS_PER_SUBSCRIPTION_MAX as u64);
    let allowed = (u64::from(requests_per_30_seconds_max) / HURRIED_SHARE).max(1);
    let affordable = Duration::from_millis((requests * WINDOW_MILLISECONDS).div_ceil(allowed));
    let period = (sweep / HURRIED_TIMES).max(HURRIED_MIN).max(affordable);
    (requests > 0 && period < sweep).then_some(period)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_hurried_and_too_many_are_not() {
        let check = |users, sweep, budget, expected: Option<u64>| {
            let period = hurried_period(users, Duration::from_secs(sweep), budget);
            assert_eq!(period, expected.map(Duration::from_millis), "{users} {sweep} {budget}");
        };
        check(0, 60, 1500, None);
        check(1, 60, 1500, Some(15_000));
        check(650, 60, 1500, Some(15_000));
        check(10_000, 60, 1500, Some(15_000));
        check(30_000, 60, 1500, Some(23_500));
        check(100_000, 60, 1500, None);
        check(650, 10, 1500, Some(5_000));
        check(650, 5, 1500, None);
        check(650, 60, 10, Some(30_000));
    }
}
