//! Takes letters to XPhone: appointments are set and taken away, one request each.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;

use super::courier::{Courier, Failure, Trouble};
use crate::domain::slot::{Audience, Look, Side};
use crate::store::outbox::{Errand, Letter};
use crate::telemetry::Metrics;
use crate::xphone::values::{Appointment, Shows, VisibleFrom};
use crate::xphone::{APPOINTMENT_KEY, Error, XPhone};

/// To XPhone.
pub struct XphoneCourier {
    /// Where appointments go.
    pub xphone: Arc<XPhone>,
    /// Says in XPhone who made a presence.
    pub origin: String,
    /// What is counted.
    pub metrics: Metrics,
}

impl Courier for XphoneCourier {
    const SIDE: Side = Side::Xphone;
    const UNDER_WAY_MAX: usize = 32;
    const TOGETHER_MAX: usize = 1;

    fn carry<'a>(&'a self, letters: &'a [Letter]) -> BoxFuture<'a, Vec<Result<(), Failure>>> {
        let carried = letters.iter().map(async |letter| self.push(letter).await.map_err(|error| failure(&error)));
        futures::future::join_all(carried).boxed()
    }

    fn note_answers(&self, answers: bool) {
        self.metrics.note_xphone(answers);
    }
}

impl XphoneCourier {
    async fn push(&self, letter: &Letter) -> Result<(), Error> {
        match &letter.errand {
            Errand::SetAppointment { appointment, start, end } => {
                let shows = match appointment.look {
                    Look::Profile(profile) => Shows::Profile(profile),
                    Look::Status(status) => Shows::PresenceState(status),
                };
                let (origin, subject) = (self.origin.clone(), appointment.subject.clone());
                let visible_from = (appointment.audience == Audience::TeamColleagues).then_some(VisibleFrom::TeamColleague);
                let body = Appointment { origin, subject, shows, start: *start, end: *end, visible_from };
                self.xphone.put_appointment(letter.user, APPOINTMENT_KEY, &body).await
            }
            // Nothing else is ever claimed for this side.
            Errand::ClearAppointment | Errand::SetInTeams(_) | Errand::ClearInTeams(_) => {
                self.xphone.delete_appointment(letter.user, APPOINTMENT_KEY).await
            }
        }
    }
}

fn failure(error: &Error) -> Failure {
    let trouble = match error {
        Error::Wait { retry_after } => Trouble::AsksToWait(*retry_after),
        Error::Unreachable { .. } => Trouble::Unreachable,
        error if error.is_about_one() => Trouble::AboutTheUser,
        Error::Contract { .. } => Trouble::StrangeAnswer,
        _ => Trouble::OurStanding,
    };
    Failure::of(error, error.words(), trouble, error.maybe_applied())
}
