//! Appointments as far as this server has them: one presence per user and origin, without an end.

use std::collections::HashMap;
use std::sync::{MutexGuard, PoisonError};

use super::XPhone;
use super::contract::MapEntry;
use crate::domain::expiry::APPOINTMENT_LIFE;
use crate::domain::ids::{PresenceStateGuid, UserGuid};
use crate::xphone::values::{Appointment, ListedAppointment, Shows};
use crate::xphone::{APPOINTMENT_KEY, Error};

const NOT_FOUND: u16 = 404;
const UNPROCESSABLE: u16 = 422;

impl XPhone {
    /// What this origin shows, and what we have set that something of another origin covers.
    ///
    /// The server tells only what shows. Where that is of no origin, people picked it in place of ours; where it is of another, such
    /// as a calendar, ours comes again after it.
    pub(in crate::xphone) async fn appointments(&self, origin: &str) -> Result<Vec<ListedAppointment>, Error> {
        let line = self.line().await?;
        let (entries, guids) = self.map(&line).await?;
        let set = self.set();
        let there = |(entry, user): (&MapEntry, UserGuid)| {
            let by = entry.origin.as_deref()?;
            let shown = if by == origin { entry } else { set.get(&user).filter(|set| set.origin.as_deref() == Some(origin))? };
            Some(self.listed(user, shown))
        };
        Ok(entries.iter().zip(guids).filter_map(there).collect())
    }

    /// When it began and when it is to end nobody kept: both are counted from now.
    fn listed(&self, user: UserGuid, shown: &MapEntry) -> ListedAppointment {
        let start = self.0.clock.now();
        let appointment = Appointment {
            origin: shown.origin.clone().unwrap_or_default(),
            subject: shown.text.clone().unwrap_or_default(),
            shows: Shows::PresenceState(shown.state),
            start,
            end: start + APPOINTMENT_LIFE,
            visible_from: None,
        };
        ListedAppointment { user, key: APPOINTMENT_KEY.to_owned(), appointment }
    }

    /// Sets a user's presence in place of what this origin had set; may be repeated. Its end is the caller's to keep.
    ///
    /// # Errors
    /// `Refused`, about this user: 404 nobody has the address, or several have; 422 the server does not accept it, or would show to
    /// everybody what is for some only.
    pub(in crate::xphone) async fn put_appointment(&self, user: UserGuid, appointment: &Appointment) -> Result<(), Error> {
        // The server would keep what is over already.
        if appointment.end <= self.0.clock.now() {
            return self.delete_appointment(user).await;
        }
        if appointment.visible_from.is_some() {
            return Err(not_kept_from_others());
        }
        let line = self.line().await.map_err(Error::before_the_call)?;
        let email = self.email(user).await.map_err(Error::before_the_call)?.ok_or_else(not_distinct)?;
        // What the server does with addresses that it cannot tell apart is not known: it is not asked to do anything with them.
        let found = line.find(&email).await.map_err(Error::before_the_call)?.ok_or_else(not_distinct)?;
        let state = match appointment.shows {
            Shows::PresenceState(state) => state,
            // The only profiles are those that stand for a status.
            Shows::Profile(profile) => PresenceStateGuid(profile.0),
        };
        let (text, origin) = (Some(appointment.subject.clone()), Some(appointment.origin.clone()));
        let presence = MapEntry { email, state, text, origin, telephone: 0 };
        line.set(&found, &presence, &self.0.settings.language).await?;
        self.set().insert(user, presence);
        Ok(())
    }

    /// Removes what our origin has set for a user; may be repeated, and is done where nothing was there.
    ///
    /// # Errors
    /// `Refused`, about this user: 422 the server does not accept it.
    pub(in crate::xphone) async fn delete_appointment(&self, user: UserGuid) -> Result<(), Error> {
        let line = self.line().await.map_err(Error::before_the_call)?;
        // Whoever is not there, or cannot be told from others, has nothing of ours that could be removed.
        let Some(email) = self.email(user).await.map_err(Error::before_the_call)? else { return Ok(()) };
        if line.find(&email).await.map_err(Error::before_the_call)?.is_none() {
            return Ok(());
        }
        line.remove(&email, &self.0.origin).await?;
        self.set().remove(&user);
        Ok(())
    }

    /// The address of somebody; everybody is read once to know any.
    async fn email(&self, user: UserGuid) -> Result<Option<String>, Error> {
        if self.people().is_empty() {
            let line = self.line().await?;
            self.map(&line).await?;
        }
        Ok(self.people().email(user))
    }

    fn people(&self) -> std::sync::RwLockReadGuard<'_, super::People> {
        self.0.people.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self) -> MutexGuard<'_, HashMap<UserGuid, MapEntry>> {
        self.0.set.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// It is not sent at all: the server knows no audience, and would show it to everybody.
fn not_kept_from_others() -> Error {
    Error::Refused { status: UNPROCESSABLE, reason: "this server's interface cannot keep a status from others".to_owned() }
}

fn not_distinct() -> Error {
    Error::Refused { status: NOT_FOUND, reason: "nobody in XPhone has this user's address, or several have".to_owned() }
}
