//! Reads people, profiles and the tree of XPhone and the people of Teams, and finds out who is who.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::SignedDuration;
use uuid::Uuid;

use super::driver::Task;
use super::{Activators, Progress, TaskError};
use crate::clock::Clock;
use crate::domain::directory::{TeamsPerson, XphonePerson, match_people, seat};
use crate::domain::mapping::StatusKind;
use crate::graph::client::{Client, GraphUser};
use crate::store::Store;
use crate::store::directory::{Directory as Stored, Location, Person, PersonProfile, Status};
use crate::store::feed::Feed;
use crate::xphone::values::{Profile, User};
use crate::xphone::{self, XPhone};

const LEASE: &str = "directory";
const LEASE_LIFE: SignedDuration = SignedDuration::from_secs(120);
/// 999 people a page: a million, and an end to whatever keeps naming next pages.
const PAGES_MAX: usize = 1002;

/// A status newer than this gateway.
const UNKNOWN_STATUS: &str = "unknown";

/// Reads both directories.
pub struct Directory {
    /// Our memory.
    pub store: Store,
    /// Knows the people of Teams.
    pub graph: Arc<Client>,
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
}

impl Task for Directory {
    fn name(&self) -> &'static str {
        "directory"
    }

    fn run(&self) -> BoxFuture<'_, Result<Progress, TaskError>> {
        self.refresh().boxed()
    }
}

impl Directory {
    async fn refresh(&self) -> Result<Progress, TaskError> {
        let now = self.clock.now();
        let last = self.store.refreshed_at(Feed::Directory).await?;
        if last.is_some_and(|last| now >= last && now < last + self.period)
            || !self.store.hold_lease(LEASE, self.replica, now, LEASE_LIFE).await?
        {
            return Ok(Progress::Idle);
        }
        if !self.xphone.capabilities().await?.appointments {
            return Err(TaskError::Implausible("XPhone's server says that it cannot set appointments; update it"));
        }
        // Graph first: it is the one that may make us wait, and then XPhone need not be asked.
        let teams = self.teams_people().await?;
        let people = self.xphone.users().await?;
        if (people.is_empty() || teams.is_empty()) && self.store.people_count().await? > 0 {
            return Err(TaskError::Implausible(
                "a directory that had people has none any more: nothing was changed; check the rights of our accounts on both systems",
            ));
        }
        let directory =
            Stored { locations: self.locations().await?, statuses: self.statuses().await?, people: persons(people, &teams) };
        let changes = self.store.replace_directory(&directory, now).await?;
        self.store.note_refreshed(Feed::Directory, now).await?;
        if changes.changed + changes.gone > 0 {
            let matched = directory.people.iter().filter(|person| person.matched.teams_user().is_some()).count();
            let people = directory.people.len();
            tracing::info!(people, matched, changed = changes.changed, gone = changes.gone, "the directory was read");
            self.activators.reconciler.wake();
            self.activators.confirmer.wake();
            self.activators.subscriptions.wake();
            self.activators.listener.wake();
            self.activators.sweep.wake();
        }
        Ok(Progress::Idle)
    }

    async fn teams_people(&self) -> Result<Vec<TeamsPerson>, TaskError> {
        let mut people = Vec::new();
        let mut next = None;
        for _ in 0..PAGES_MAX {
            let page = self.graph.users_page(next.as_ref()).await?;
            people.extend(page.users.into_iter().map(teams_person));
            next = page.next;
            if next.is_none() {
                // Pages may overlap while people come and go.
                people.sort_by_key(|person: &TeamsPerson| person.id);
                people.dedup_by_key(|person| person.id);
                return Ok(people);
            }
        }
        Err(TaskError::Implausible("Graph names more pages of users than there can be"))
    }

    async fn locations(&self) -> Result<Vec<Location>, xphone::Error> {
        let location = |location: xphone::values::Location| {
            let groups = location.configuration_groups.into_iter().map(|group| (group.guid, group.name)).collect();
            Location { guid: location.guid, name: location.name, groups }
        };
        Ok(self.xphone.locations().await?.into_iter().map(location).collect())
    }

    async fn statuses(&self) -> Result<Vec<Status>, xphone::Error> {
        let states = self.xphone.presence_states().await?.into_iter();
        Ok(states
            .map(|state| Status { guid: state.guid, kind: state.kind.map_or(UNKNOWN_STATUS, StatusKind::label).to_owned() })
            .collect())
    }
}

fn teams_person(user: GraphUser) -> TeamsPerson {
    let user_principal_name = user.user_principal_name.unwrap_or_default();
    TeamsPerson { id: user.id, mail: user.mail, user_principal_name, enabled: user.account_enabled }
}

fn persons(people: Vec<User>, teams: &[TeamsPerson]) -> Vec<Person> {
    let known: Vec<XphonePerson> =
        people.iter().map(|user| XphonePerson { guid: user.guid, email: user.email.clone() }).collect();
    let matches = match_people(&known, teams);
    let person = |(user, (_, matched)): (User, _)| Person {
        guid: user.guid,
        email: user.email,
        seat: seat(&user.distinguished_name),
        matched,
        profiles: user.profiles.into_iter().map(profile).collect(),
    };
    people.into_iter().zip(matches).map(person).collect()
}

fn profile(profile: Profile) -> PersonProfile {
    PersonProfile { guid: profile.guid, name: profile.name, status: profile.presence_state, active: profile.active }
}
