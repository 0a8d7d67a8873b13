//! Reads what XPhone itself shows, and compares the appointments that are there with those we recorded.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::dispatcher::APPOINTMENT_KEY;
use super::driver::Task;
use super::{Activators, Progress, TaskError};
use crate::clock::Clock;
use crate::domain::ids::UserGuid;
use crate::domain::presence::Presence;
use crate::domain::reconcile::DO_NOT_DISTURB_SUBJECT;
use crate::domain::slot::{self, Appointment, Look};
use crate::store::Store;
use crate::store::appointment::Found;
use crate::store::feed::Feed;
use crate::store::observation::XphoneFact;
use crate::telemetry::Metrics;
use crate::xphone::XPhone;
use crate::xphone::values::{self, Entry, ListedAppointment, Shows};

const LEASE: &str = "xphone_reader";
const LEASE_LIFE: SignedDuration = SignedDuration::from_secs(60);
/// What XPhone says of a telephone it knows nothing of; it may also stand for bits that nobody has described.
const TELEPHONE_UNKNOWN: i32 = 0;
/// How often both are read.
pub const PERIOD: Duration = Duration::from_secs(15);

/// Reads XPhone.
pub struct XphoneReader {
    /// Our memory.
    pub store: Store,
    /// Whom to ask.
    pub xphone: Arc<XPhone>,
    /// Says in XPhone who made a presence.
    pub origin: String,
    /// Who we are among the replicas.
    pub replica: Uuid,
    /// Time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
    /// Whom this wakes.
    pub activators: Activators,
}

impl Task for XphoneReader {
    fn name(&self) -> &'static str {
        "xphone_reader"
    }

    fn run(&self) -> BoxFuture<'_, Result<Progress, TaskError>> {
        self.read().boxed()
    }
}

impl XphoneReader {
    async fn read(&self) -> Result<Progress, TaskError> {
        let now = self.clock.now();
        let last = self.store.refreshed_at(Feed::XphonePresence).await?;
        // Before the people are known there is nobody to record anything about.
        let early = self.store.refreshed_at(Feed::Directory).await?.is_none();
        let due = last.is_none_or(|last| now < last || now >= last + PERIOD);
        if early || !due || !self.store.hold_lease(LEASE, self.replica, now, LEASE_LIFE).await? {
            return Ok(Progress::Idle);
        }
        let read = self.read_presence(now).await;
        self.metrics.note_xphone(read.is_ok());
        read?;
        self.compare_appointments(now).await?;
        self.store.note_refreshed(Feed::XphonePresence, now).await?;
        self.activators.reconciler.wake();
        Ok(Progress::Idle)
    }

    async fn read_presence(&self, now: Timestamp) -> Result<(), TaskError> {
        let snapshot = self.xphone.presence().await?;
        let facts: Vec<XphoneFact> = snapshot.entries.iter().map(|entry| self.fact(entry)).collect();
        let sequence = i64::try_from(snapshot.sequence).unwrap_or(i64::MAX);
        self.store.record_xphone(&facts, sequence, now).await?;
        Ok(())
    }

    fn fact(&self, entry: &Entry) -> XphoneFact {
        XphoneFact {
            user: entry.user,
            telephone_state: i32::try_from(entry.telephone_state).unwrap_or(TELEPHONE_UNKNOWN),
            meeting: entry.meeting,
            status: entry.presence_state,
            ours: entry.origin.as_deref() == Some(self.origin.as_str()),
            client_connected: entry.client_connected,
        }
    }

    /// Only what had certainly arrived before we asked can be missing.
    async fn compare_appointments(&self, asked_at: Timestamp) -> Result<(), TaskError> {
        let recorded = self.store.settled_appointments(asked_at).await?;
        let listed = self.xphone.appointments(&self.origin).await?;
        let (ours, strangers): (Vec<_>, Vec<_>) = listed.into_iter().partition(|listed| listed.key == APPOINTMENT_KEY);
        if !strangers.is_empty() {
            tracing::warn!(
                appointments = strangers.len(),
                "appointments of our origin have keys that are not ours: does a client's own Teams synchronisation still run?"
            );
        }
        let there: BTreeSet<UserGuid> = ours.iter().map(|listed| listed.user).collect();
        let now = self.clock.now();
        if let Some((missing, sighting)) = slot::compare(&recorded, &there) {
            tracing::info!(appointments = missing.len(), sighting = sighting.label(), "appointments we had set are gone");
            self.store.record_sighting(&missing, sighting, asked_at, now).await?;
        }
        let found: Vec<Found> = ours.into_iter().map(found).collect();
        let adopted = self.store.adopt(&found, asked_at, now).await?;
        if adopted > 0 {
            tracing::info!(appointments = adopted, "appointments of an earlier run were found and adopted");
        }
        Ok(())
    }
}

fn found(listed: ListedAppointment) -> Found {
    let values::Appointment { subject, shows, start, end, .. } = listed.appointment;
    let look = match shows {
        Shows::Profile(profile) => Look::Profile(profile),
        Shows::PresenceState(status) => Look::Status(status),
    };
    let presence = if subject == DO_NOT_DISTURB_SUBJECT { Presence::DoNotDisturb } else { Presence::OnThePhone };
    Found { user: listed.user, appointment: Appointment { subject, look }, presence, start, end }
}
