//! Lets lifecycle notifications wake the renewal of their subscription; they carry no tokens, the client state is their proof.

use std::collections::HashMap;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use uuid::Uuid;

use super::driver::Task;
use super::{Activators, Progress, TaskError};
use crate::clock::Clock;
use crate::domain::ids::TeamsUserId;
use crate::graph::notification::{self, Expected, LifecycleEvent};
use crate::store::inbox::{self, PostKind};
use crate::store::refusal::{self, Refused};
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
        let mut tx = self.store.begin().await?;
        let posts = inbox::take(&mut tx, PostKind::Lifecycle, now, POSTS_MAX).await?;
        if posts.is_empty() {
            return Ok(Progress::Idle);
        }
        let states = self.store.client_states().await?.into_iter();
        let known: HashMap<String, Expected> =
            states.map(|(id, client_state)| (id.to_string(), Expected { client_state })).collect();
        let mut refused = Vec::new();
        for post in &posts {
            let batch = notification::parse(&post.body).map(|batch| batch.value).unwrap_or_default();
            for received in batch {
                match received.verify_lifecycle(|id| known.get(id), self.tenant) {
                    Ok(lifecycle) => self.react(lifecycle.subscription_id.as_str(), &lifecycle.event, now).await?,
                    Err(refusal) => {
                        let subscription_id = received.subscription_id().parse().ok();
                        refused.push(Refused { received_at: post.received_at, reason: refusal.label(), subscription_id });
                    }
                }
            }
        }
        refusal::record(&mut tx, &refused, now).await?;
        let ids: Vec<i64> = posts.iter().map(|post| post.id).collect();
        inbox::remove(&mut tx, &ids).await?;
        commit(tx).await?;
        for refused in &refused {
            self.metrics.count_notifications(refused.reason, 1);
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
        let subscriptions = self.store.subscriptions().await?.into_iter();
        Ok(subscriptions.filter(|subscription| subscription.id == id).flat_map(|subscription| subscription.users).collect())
    }
}
