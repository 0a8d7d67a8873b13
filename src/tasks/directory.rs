//! Follows people, profiles and the tree of XPhone and the people of Teams, finds out who is who, and writes what changed.
//!
//! XPhone has no feed of changes, so it is read whole; Graph tells only what changed. Both halves are stored, and everybody is
//! matched from them; only what differs from what is stored is written. Where both say what they said when nothing differed, nobody is
//! loaded to be compared.

mod comparison;
mod following;
mod reading;
mod unchanged;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use uuid::Uuid;

use comparison::Compared;
pub use unchanged::Unchanged;

use super::driver::Task;
use super::tenure::{LEASE_LIFE, Tenure};
use super::{Activators, Progress, TaskError};
use crate::clock::Clock;
use crate::domain::directory::{Seat, XphonePerson};
use crate::graph::client::Client;
use crate::store::Store;
use crate::store::directory::{Due, Location, Missing, Status};
use crate::store::feed::Feed;
use crate::store::lease::Lease;
use crate::xphone::{self, XPhone};

const LEASE: &str = "directory";

/// Follows both directories.
pub struct Directory {
    /// Our memory.
    pub store: Store,
    /// Knows the people of Teams.
    pub graph: Arc<Client>,
    /// Whose people they are.
    pub tenant: Uuid,
    /// Knows the people of XPhone.
    pub xphone: Arc<XPhone>,
    /// How often.
    pub period: Duration,
    /// Who we are among the replicas.
    pub replica: Uuid,
    /// Time.
    pub clock: Clock,
    /// Whom this wakes.
    pub activators: Activators,
    /// What was told when nothing differed.
    pub unchanged: Unchanged,
}

impl Task for Directory {
    fn name(&self) -> &'static str {
        "directory"
    }

    fn run(&self) -> BoxFuture<'_, Result<Progress, TaskError>> {
        self.look().map(|looked| looked.map(|()| Progress::Idle)).boxed()
    }
}

impl Directory {
    fn lease(&self) -> Lease {
        Lease { name: LEASE, holder: self.replica }
    }

    /// Whether the work is still ours.
    async fn keep_lease(&self) -> Result<bool, TaskError> {
        Ok(self.store.keep_lease(self.lease(), self.clock.now(), LEASE_LIFE).await?)
    }

    async fn look(&self) -> Result<(), TaskError> {
        let now = self.clock.now();
        let last = self.store.refreshed_at(Feed::Directory).await?;
        let is_time = last.is_none_or(|last| now < last || now >= last + self.period);
        let matching = self.store.due(Due::Matching).await?;
        if !is_time && matching.is_none() {
            return Ok(());
        }
        let tenure = Tenure { store: &self.store, clock: &self.clock, lease: self.lease() };
        tenure.during(self.look_again(now, is_time, matching)).await.map(Option::unwrap_or_default)
    }

    async fn look_again(&self, now: Timestamp, is_time: bool, matching: Option<i64>) -> Result<(), TaskError> {
        // What is held back may be about people whom only a reading of XPhone shows to be gone.
        if is_time || self.store.directory_refusal().await?.is_some() {
            self.refresh(now, matching).await
        } else {
            self.match_anew(now, matching).await
        }
    }

    /// Reads what is new on both sides.
    async fn refresh(&self, now: Timestamp, matching: Option<i64>) -> Result<(), TaskError> {
        let can = self.xphone.capabilities().await?;
        if !can.appointments {
            return Err(TaskError::Implausible("XPhone's server says that it cannot set appointments; update it"));
        }
        // Graph first: it is the one that may make us wait, and then XPhone need not be asked.
        if !self.follow_teams().await? {
            return Ok(());
        }
        let people = reading::people(self.xphone.users().await?);
        let locations = if can.tree { Some(self.locations().await?) } else { None };
        let statuses = self.statuses().await?;
        // The mark comes first: what changes behind it is found by the next comparison.
        let mark = self.store.mark(&unchanged::COMPARED).await?;
        let told = self.unchanged.digest(&people, can.tree);
        let is_unchanged = self.unchanged.is(told, &mark, now);
        let compared = if is_unchanged { Compared::nothing() } else { self.compare_whole(people, can.tree, now).await? };
        let written = self.store.replace_tree(locations.as_deref(), &statuses, compared.missing, self.lease()).await?
            && self.store.write_difference(&compared.difference, self.lease(), now).await?
            && self.store.wake_everybody_if_due(self.lease(), now).await?;
        if !written {
            return Ok(());
        }
        if compared.missing == Missing::Gone {
            self.store.settle_directory_refusal().await?;
            if compared.difference.is_empty() && !is_unchanged {
                self.unchanged.remember(told, mark, now);
            }
        }
        self.tell(&compared.difference);
        self.store.note_refreshed(Feed::Directory, now).await?;
        self.matched(matching, &compared).await
    }

    /// Loads everybody who is stored.
    async fn compare_whole(&self, mut people: Vec<XphonePerson>, seated: bool, now: Timestamp) -> Result<Compared, TaskError> {
        if !seated {
            seat_as_imported(&mut people, &self.store.imported_seats().await?);
        }
        self.compare(&self.store.people().await?, people, now).await
    }

    /// Matches the people that are stored: somebody linked or unlinked people by hand.
    async fn match_anew(&self, now: Timestamp, matching: Option<i64>) -> Result<(), TaskError> {
        let is_complete = self.store.teams_position(self.tenant).await?.is_some_and(|position| position.complete);
        if !is_complete {
            return Ok(());
        }
        let before = self.store.people().await?;
        let people = before.iter().map(|person| person.xphone.clone()).collect();
        let compared = self.compare(&before, people, now).await?;
        if !self.store.write_difference(&compared.difference, self.lease(), now).await? {
            return Ok(());
        }
        self.tell(&compared.difference);
        self.matched(matching, &compared).await
    }

    async fn matched(&self, matching: Option<i64>, compared: &Compared) -> Result<(), TaskError> {
        self.store.settle_unlinked(&compared.unlinked).await?;
        if let Some(asked) = matching {
            self.store.done(Due::Matching, asked).await?;
        }
        Ok(())
    }

    async fn locations(&self) -> Result<Vec<Location>, xphone::Error> {
        Ok(reading::locations(self.xphone.locations().await?))
    }

    async fn statuses(&self) -> Result<Vec<Status>, xphone::Error> {
        Ok(reading::statuses(self.xphone.presence_states().await?))
    }
}

/// Where the server does not tell who sits where, an import does.
fn seat_as_imported(people: &mut [XphonePerson], seats: &HashMap<String, Seat>) {
    for person in people {
        let seat = person.email.as_ref().and_then(|email| seats.get(&email.to_lowercase()));
        person.seat = seat.copied().unwrap_or_default();
    }
}
