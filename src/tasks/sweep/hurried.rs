//! Reads those oftener whose subscription fails, until another tells of them.

use std::sync::PoisonError;
use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::{LEASE, Page, Sweep, follows_on, is_due};
use crate::domain::ids::TeamsUserId;
use crate::domain::subscription::hurried_period;
use crate::graph::client::PRESENCES_MAX;
use crate::store::lease::Lease;
use crate::tasks::tenure::Tenure;
use crate::tasks::{Progress, TaskError};

/// How often it is looked whether there is anybody.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// How far the faster sweep is.
#[derive(Clone, Copy, Debug, Default)]
pub struct Hurried {
    looked_at: Option<Timestamp>,
    began_at: Option<Timestamp>,
    /// Whether the round before was in time.
    follows_on: bool,
    /// The round under way: who was read last in it, at its beginning nobody's id.
    round: Option<TeamsUserId>,
}

impl Sweep {
    pub(super) async fn hurry(&self) -> Result<Progress, TaskError> {
        let now = self.reading.clock.now();
        let hurried = self.hurried();
        let looks = hurried.round.is_some() || hurried.looked_at.is_none_or(|last| is_due(last, now, LOOK_EVERY));
        if !self.push || !looks {
            return Ok(Progress::Idle);
        }
        let lease = Lease { name: LEASE, holder: self.replica };
        let tenure = Tenure { store: &self.reading.store, clock: &self.reading.clock, lease };
        let hurried = tenure.during(self.hurry_on(now)).await?;
        if hurried.is_none() {
            self.set_hurried(Hurried::default());
        }
        Ok(hurried.unwrap_or(Progress::Idle))
    }

    async fn hurry_on(&self, now: Timestamp) -> Result<Progress, TaskError> {
        if !self.begins_or_goes_on(now).await? {
            return Ok(Progress::Idle);
        }
        let Some(after) = self.hurried().round else { return Ok(Progress::Idle) };
        let users = self.reading.store.users_to_hurry(Some(after), PRESENCES_MAX).await?;
        let Some(last) = users.last().copied() else {
            self.set_hurried(Hurried { round: None, ..self.hurried() });
            return Ok(Progress::Idle);
        };
        match self.page(&users, self.hurried().follows_on, now).await? {
            Page::Later => Ok(Progress::Idle),
            Page::Failed => {
                self.set_hurried(Hurried { round: Some(last), ..self.hurried() });
                Ok(Progress::More)
            }
            Page::Read { missed } => {
                self.reading.metrics.count_missed_changes(missed);
                self.set_hurried(Hurried { round: Some(last), ..self.hurried() });
                Ok(Progress::More)
            }
        }
    }

    /// Whether there is a round under way, or one begins now.
    async fn begins_or_goes_on(&self, now: Timestamp) -> Result<bool, TaskError> {
        let hurried = self.hurried();
        if hurried.round.is_some() {
            return Ok(true);
        }
        let users = self.reading.store.count_users_to_hurry().await?;
        let period = hurried_period(users, self.period, self.requests_per_30_seconds_max);
        let begins = period.is_some_and(|period| hurried.began_at.is_none_or(|began| is_due(began, now, period)));
        let next = Hurried { looked_at: Some(now), ..hurried };
        self.set_hurried(if begins {
            let follows_on = follows_on(hurried.began_at, now, self.period);
            Hurried { began_at: Some(now), follows_on, round: Some(TeamsUserId(Uuid::nil())), ..next }
        } else {
            next
        });
        Ok(begins)
    }

    fn hurried(&self) -> Hurried {
        *self.hurried.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_hurried(&self, hurried: Hurried) {
        *self.hurried.lock().unwrap_or_else(PoisonError::into_inner) = hurried;
    }
}
