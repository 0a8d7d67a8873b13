//! Compares the appointments that are in XPhone with those we recorded.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use uuid::Uuid;

use super::driver::Task;
use super::tenure::Tenure;
use super::{Activators, Progress, TaskError};
use crate::clock::Clock;
use crate::domain::ids::UserGuid;
use crate::domain::presence::Presence;
use crate::domain::reconcile::DO_NOT_DISTURB_SUBJECT;
use crate::domain::slot::{self, Appointment, Audience, Look};
use crate::store::Store;
use crate::store::appointment::Found;
use crate::store::feed::Feed;
use crate::store::lease::Lease;
use crate::xphone::values::{self, ListedAppointment, Shows, VisibleFrom};
use crate::xphone::{APPOINTMENT_KEY, XPhone};

const LEASE: &str = "appointments";
/// How often they are compared.
pub const PERIOD: Duration = Duration::from_secs(15);

/// Compares.
pub struct Appointments {
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
    /// Whom this wakes.
    pub activators: Activators,
    /// Whether what earlier runs may have left was taken away since this replica started.
    pub tidied: AtomicBool,
}

impl Task for Appointments {
    fn name(&self) -> &'static str {
        "appointments"
    }

    fn run(&self) -> BoxFuture<'_, Result<Progress, TaskError>> {
        self.compare().boxed()
    }
}

impl Appointments {
    async fn compare(&self) -> Result<Progress, TaskError> {
        let now = self.clock.now();
        let last = self.store.refreshed_at(Feed::Appointments).await?;
        // What is adopted or taken back depends on what people show themselves.
        let early = self.store.refreshed_at(Feed::XphonePresence).await?.is_none();
        let due = last.is_none_or(|last| now < last || now >= last + PERIOD);
        if early || !due {
            return Ok(Progress::Idle);
        }
        let lease = Lease { name: LEASE, holder: self.replica };
        let tenure = Tenure { store: &self.store, clock: &self.clock, lease };
        if tenure.during(self.compare_as_of(now)).await?.is_some() {
            self.store.note_refreshed(Feed::Appointments, now).await?;
            self.activators.reconciler.wake();
        }
        Ok(Progress::Idle)
    }

    /// Only what had certainly arrived before we asked can be missing.
    async fn compare_as_of(&self, asked_at: Timestamp) -> Result<(), TaskError> {
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
            self.store.record_sighting(&missing, sighting, asked_at).await?;
        }
        let found: Vec<Found> = ours.into_iter().map(found).collect();
        let adopted = self.store.adopt(&found, asked_at, now).await?;
        if adopted > 0 {
            tracing::info!(appointments = adopted, "appointments of an earlier run were found and adopted");
        }
        self.tidy_up(now).await
    }

    /// Where nothing ends by itself, an earlier run may have left what nobody recorded and nothing lists, because something else covers
    /// it: once after each start it is taken away from everybody of whom nothing is recorded.
    async fn tidy_up(&self, now: Timestamp) -> Result<(), TaskError> {
        if self.tidied.load(Ordering::Relaxed) {
            return Ok(());
        }
        if !self.xphone.capabilities().await?.appointments_end {
            let people = self.store.clear_unrecorded(now).await?;
            tracing::info!(people, "what an earlier run may have left in XPhone is taken away");
            self.activators.xphone_dispatcher.wake();
        }
        self.tidied.store(true, Ordering::Relaxed);
        Ok(())
    }
}

fn found(listed: ListedAppointment) -> Found {
    let values::Appointment { subject, shows, start, end, visible_from, .. } = listed.appointment;
    let look = match shows {
        Shows::Profile(profile) => Look::Profile(profile),
        Shows::PresenceState(status) => Look::Status(status),
    };
    let audience = if visible_from == Some(VisibleFrom::TeamColleague) { Audience::TeamColleagues } else { Audience::Everybody };
    let presence = match audience {
        Audience::TeamColleagues => Presence::Busy,
        Audience::Everybody if subject == DO_NOT_DISTURB_SUBJECT => Presence::DoNotDisturb,
        Audience::Everybody => Presence::OnThePhone,
    };
    Found { user: listed.user, appointment: Appointment { subject, look, audience }, presence, start, end }
}
