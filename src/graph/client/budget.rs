//! The request budget: never more than so many requests in any 30 seconds, and in which order classes yield when it is short.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;

use super::Class;
use crate::clock::Clock;

/// What Graph's limit counts over.
const WINDOW: Duration = Duration::from_secs(30);
/// One in so many requests of the budget may be sent at once; the rest comes back evenly.
const BURST_SHARE: u32 = 5;
/// A class that has yielded for as long as so many requests take to come back yields no more, for one request: none starves, and
/// each has about two percent of the budget for certain.
const PATIENCE_REQUESTS: u64 = 50;

/// Requests that may still be sent.
///
/// A bucket that holds `burst` and regains one each `period` lets through at most `burst + WINDOW / period` in any window, so
/// that sum is what must not exceed the budget. Each class leaves a part of the bucket to the classes before it: when requests
/// get scarce the last class is held back first.
pub(super) struct Budget {
    /// Of all replicas together.
    max: u32,
    bucket: Mutex<Bucket>,
}

struct Bucket {
    clock: Clock,
    /// When the clock was last looked at: it may be set back, and only what passes forwards counts.
    looked_at: Timestamp,
    /// Nanoseconds that have passed.
    elapsed: u64,
    /// How many requests it holds.
    burst: u32,
    /// Nanoseconds in which it regains one.
    period: u64,
    /// What is in it, in nanoseconds: a request costs a period.
    credit: u64,
    /// By class: since when it has been held back, by `elapsed`.
    yielding_since: [Option<u64>; Class::ALL.len()],
    tally: [Spent; Class::ALL.len()],
}

/// What a class has had of the budget since it was last asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Spent {
    /// Requests that were let through.
    pub requests: u64,
    /// How often one was held back.
    pub held_back: u64,
}

impl Budget {
    pub fn new(requests_per_30_seconds_max: u32, clock: Clock) -> Self {
        let (burst, period) = shape(requests_per_30_seconds_max);
        let bucket = Bucket {
            looked_at: clock.now(),
            clock,
            elapsed: 0,
            burst,
            period,
            credit: u64::from(burst) * period,
            yielding_since: [None; Class::ALL.len()],
            tally: [Spent::default(); Class::ALL.len()],
        };
        Self { max: requests_per_30_seconds_max, bucket: Mutex::new(bucket) }
    }

    /// Takes one request from the budget, or fails with when there will be one for this class.
    pub fn spend(&self, class: Class) -> Result<(), Duration> {
        self.bucket().spend(class)
    }

    /// How many requests of the most important class may be sent right now.
    pub fn remaining(&self) -> u32 {
        let bucket = self.bucket();
        u32::try_from(bucket.credit / bucket.period).unwrap_or(u32::MAX)
    }

    /// From now on so many replicas share the budget evenly; tells this one's part of it. What is in the bucket never grows by that.
    pub fn share_among(&self, replicas: u32) -> u32 {
        let share = (self.max / replicas.max(1)).max(1);
        let (burst, period) = shape(share);
        let mut bucket = self.bucket();
        if (bucket.burst, bucket.period) != (burst, period) {
            let left = (bucket.credit / bucket.period).min(burst.into());
            (bucket.burst, bucket.period, bucket.credit) = (burst, period, left * period);
        }
        share
    }

    /// What each class has had since this was last asked.
    pub fn take_tally(&self) -> [(Class, Spent); Class::ALL.len()] {
        let tally = std::mem::take(&mut self.bucket().tally);
        Class::ALL.map(|class| (class, tally[class as usize]))
    }

    /// The bucket as it is now.
    fn bucket(&self) -> MutexGuard<'_, Bucket> {
        let mut bucket = self.bucket.lock().unwrap_or_else(PoisonError::into_inner);
        bucket.catch_up();
        bucket
    }
}

impl Bucket {
    fn catch_up(&mut self) {
        let now = self.clock.now();
        let passed = u64::try_from(now.duration_since(self.looked_at).as_nanos()).unwrap_or(0);
        self.looked_at = now;
        self.elapsed = self.elapsed.saturating_add(passed);
        self.credit = self.credit.saturating_add(passed).min(u64::from(self.burst) * self.period);
    }

    fn spend(&mut self, class: Class) -> Result<(), Duration> {
        let index = class as usize;
        let patient_at = self.yielding_since[index].map(|since| since.saturating_add(PATIENCE_REQUESTS * self.period));
        let is_patient = patient_at.is_some_and(|at| at <= self.elapsed);
        let leaves = if is_patient { 0 } else { u64::from(self.burst * class.leaves_percent() / 100) };
        let wanted = (leaves + 1) * self.period;
        if self.credit >= wanted {
            self.credit -= self.period;
            self.yielding_since[index] = None;
            self.tally[index].requests += 1;
            return Ok(());
        }
        self.yielding_since[index].get_or_insert(self.elapsed);
        self.tally[index].held_back += 1;
        let until_enough = wanted - self.credit;
        let until_patient = patient_at.map_or(PATIENCE_REQUESTS * self.period, |at| at.saturating_sub(self.elapsed));
        let until_any = self.period.saturating_sub(self.credit);
        let wait = if is_patient { until_enough } else { until_enough.min(until_patient.max(until_any)) };
        Err(Duration::from_nanos(wait).max(Duration::from_millis(1)))
    }
}

/// How many requests may go at once, and in how many nanoseconds one comes back.
fn shape(requests_per_30_seconds_max: u32) -> (u32, u64) {
    let max = requests_per_30_seconds_max.max(1);
    let burst = (max / BURST_SHARE).max(1);
    let window = u64::try_from(WINDOW.as_nanos()).unwrap_or(u64::MAX);
    let period = match max - burst {
        0 => window + 1_000_000,
        regained => window.div_ceil(u64::from(regained)),
    };
    (burst, period)
}

#[cfg(test)]
mod tests;
