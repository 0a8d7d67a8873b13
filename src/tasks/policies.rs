//! Carries changes of Teams synchronisation out: wakes whom they concern, a few people at a time.

use futures::FutureExt;
use futures::future::BoxFuture;

use super::driver::Task;
use super::{Activators, Progress, TaskError};
use crate::clock::Clock;
use crate::store::Store;

/// Carries changes of policy out.
#[derive(Debug)]
pub struct Policies {
    /// Our memory.
    pub store: Store,
    /// Time.
    pub clock: Clock,
    /// Whom this wakes.
    pub activators: Activators,
}

impl Task for Policies {
    fn name(&self) -> &'static str {
        "policies"
    }

    fn run(&self) -> BoxFuture<'_, Result<Progress, TaskError>> {
        async {
            if !self.store.carry_policy_out(self.clock.now()).await? {
                return Ok(Progress::Idle);
            }
            self.activators.reconciler.wake();
            self.activators.confirmer.wake();
            Ok(Progress::More)
        }
        .boxed()
    }
}
