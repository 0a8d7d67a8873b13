//! Work that only one replica does at a time: takes the lease, keeps it while the work goes on, and gives the work up once another
//! may have it.
//!
//! A lease is short, so that whoever dies over their work is followed soon; work may take as long as it likes, because the lease is
//! prolonged beside it. Whoever cannot prolong it (Postgres is away, or the machine stood still) stops before it runs out. Giving work
//! up leaves what being killed would leave: the next run, of whichever replica, repairs it.

use std::future::Future;
use std::time::Duration;

use jiff::SignedDuration;
use tokio::time::{Instant, sleep, timeout_at};

use super::TaskError;
use crate::clock::Clock;
use crate::store::Store;
use crate::store::lease::Lease;

/// How long a lease lasts that nobody prolongs. With the longest pause between two looks at any such work (10 s) and clocks that
/// differ by a second or two, another replica is at it within half a minute.
pub(super) const LEASE_LIFE: SignedDuration = SignedDuration::from_secs(15);
/// How often it is prolonged: three attempts before it is given up.
const KEEP_EVERY: Duration = Duration::from_secs(4);
/// How long it is trusted after it was asked for: less than it lasts, since what was sent last may still be under way.
const TRUSTED: Duration = Duration::from_secs(13);

/// Who would hold which lease.
pub(super) struct Tenure<'a> {
    pub(super) store: &'a Store,
    pub(super) clock: &'a Clock,
    pub(super) lease: Lease,
}

impl Tenure<'_> {
    /// Does the work under the lease; `None`: it is another's, or has become so, and the work was not begun or not finished.
    ///
    /// # Errors
    /// The work's own, or Postgres could not give the lease.
    pub(super) async fn during<T>(self, work: impl Future<Output = Result<T, TaskError>>) -> Result<Option<T>, TaskError> {
        let asked = Instant::now();
        if !self.store.hold_lease(self.lease.name, self.lease.holder, self.clock.now(), LEASE_LIFE).await? {
            return Ok(None);
        }
        tokio::select! {
            biased;
            // First: after a pause of the whole machine the lease is looked after before the work goes on.
            () = self.lost(asked) => {
                tracing::warn!(lease = self.lease.name, "the lease could not be kept: its work is left to whoever has it next");
                Ok(None)
            }
            done = work => done.map(Some),
        }
    }

    /// Prolongs the lease, which was asked for at `asked`, until that fails for good.
    async fn lost(&self, mut asked: Instant) {
        loop {
            let last = asked + TRUSTED;
            sleep(KEEP_EVERY).await;
            let now = Instant::now();
            // The machine stood still for so long that nothing is certain any more.
            if now >= last {
                return;
            }
            match timeout_at(last, self.store.keep_lease(self.lease, self.clock.now(), LEASE_LIFE)).await {
                Ok(Ok(true)) => asked = now,
                Ok(Err(_)) if Instant::now() + KEEP_EVERY < last => {}
                Ok(Ok(false) | Err(_)) | Err(_) => return,
            }
        }
    }
}
