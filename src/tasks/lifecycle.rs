//! Lets lifecycle notifications wake the renewal of their subscription; they carry no tokens, the client state is their proof.

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use uuid::Uuid;

use super::driver::Task;
use super::intake::{expected, ours};
use super::{Activators, Progress, TaskError};
use crate::clock::Clock;
use crate::domain::ids::TeamsUserId;
use crate::graph::notification::{self, LifecycleEvent};
use crate::store::inbox::{self, Holding, PostKind};
use crate::store::refusal::{self, Refusals};
use crate::store::{Store, commit};
use crate::telemetry::Metrics;

const POSTS_MAX: usize = 100;

/// Reads lifecycle notifications.
#[derive(Debug)]
pub struct Lifecycle {
    /// Our memory.
    pub store: Store,
    /// The tenant that notifications must name.
    pub tenant: Uuid,
    /// Time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
    /// Whom this wakes.
    pub activators: Activators,
}

impl Task for Lifecycle {
    fn name(&self) -> &'static str {
        "lifecycle"
    }

    fn run(&self) -> BoxFuture<'_, Result<Progress, TaskError>> {
        self.read().boxed()
    }
}

impl Lifecycle {
    async fn read(&self) -> Result<Progress, TaskError> {
        let now = self.clock.now();
        let mut holding = Holding::begin(&self.store).await?;
        let posts = holding.take(&self.store, PostKind::Lifecycle, now, POSTS_MAX).await?;
        if posts.is_empty() {
            return Ok(Progress::Idle);
        }
        let known = expected(&self.store).await?;
        let mut refused = Refusals::default();
        for post in &posts {
            let batch = notification::parse(&post.body).map(|batch| batch.value).unwrap_or_default();
            for received in batch {
                match received.verify_lifecycle(|id| known.get(id), self.tenant) {
                    Ok(lifecycle) => self.react(lifecycle.subscription_id.as_str(), &lifecycle.event, now).await?,
                    Err(refusal) => refused.add(post.received_at, refusal.label(), ours(&received, &known)),
                }
            }
        }
        let mut tx = holding.finish();
        refusal::record(&mut tx, &refused).await?;
        let ids: Vec<i64> = posts.iter().map(|post| post.id).collect();
        inbox::remove(&mut tx, &ids).await?;
        commit(tx).await?;
        for (reason, count) in refused.by_reason() {
            self.metrics.count_notifications(reason, count);
        }
        self.activators.subscriptions.wake();
        self.activators.confirmer.wake();
        Ok(if posts.len() == POSTS_MAX { Progress::More } else { Progress::Idle })
    }

    /// Everything here may happen twice without harm: the posts leave the inbox only afterwards.
    async fn react(&self, subscription: &str, event: &LifecycleEvent, now: Timestamp) -> Result<(), TaskError> {
        self.metrics.count_notifications("lifecycle", 1);
        let Ok(id) = subscription.parse::<Uuid>() else { return Ok(()) };
        match event {
            LifecycleEvent::ReauthorizationRequired => self.store.hurry_renewal(id, now).await?,
            LifecycleEvent::SubscriptionRemoved => {
                let users = self.users_of(id).await?;
                self.store.forget_subscription(id, now).await?;
                self.store.confirm_users(&users, now).await?;
            }
            LifecycleEvent::Missed => self.store.confirm_users(&self.users_of(id).await?, now).await?,
            LifecycleEvent::Other => {}
        }
        Ok(())
    }

    async fn users_of(&self, id: Uuid) -> Result<Vec<TeamsUserId>, TaskError> {
        Ok(self.store.listed(&[id]).await?.into_values().flatten().collect())
    }
}
