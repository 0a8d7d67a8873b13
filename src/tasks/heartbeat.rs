//! Says that this replica lives, and divides Graph's request budget among those that do.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures::FutureExt;
use futures::future::BoxFuture;
use uuid::Uuid;

use super::driver::Task;
use super::{Progress, TaskError};
use crate::clock::Clock;
use crate::graph::client::Client;
use crate::store::Store;
use crate::telemetry::Metrics;

/// Gives signs of life. While Postgres is away the last known division holds: nobody new can have come.
pub struct Heartbeat {
    /// Our memory.
    pub store: Store,
    /// Whose budget is divided.
    pub graph: Arc<Client>,
    /// Who we are among the replicas.
    pub replica: Uuid,
    /// Time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
    /// How many there were at the last look.
    pub living: AtomicU32,
}

impl Task for Heartbeat {
    fn name(&self) -> &'static str {
        "heartbeat"
    }

    fn run(&self) -> BoxFuture<'_, Result<Progress, TaskError>> {
        self.beat().boxed()
    }
}

impl Heartbeat {
    async fn beat(&self) -> Result<Progress, TaskError> {
        let noted = self.store.note_alive(self.replica, env!("CARGO_PKG_VERSION"), self.clock.now()).await;
        for (class, spent) in self.graph.take_budget_tally() {
            self.metrics.count_graph_budget(class.label(), spent.requests, spent.held_back);
        }
        let living = noted?;
        let share = self.graph.share_budget_among(living);
        self.metrics.note_replicas(living, share);
        if self.living.swap(living, Ordering::Relaxed) != living {
            tracing::info!(replicas = living, requests_per_30_seconds = share, "the request budget is divided anew");
        }
        Ok(Progress::Idle)
    }
}
