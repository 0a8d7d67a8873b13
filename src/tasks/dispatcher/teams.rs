//! Takes letters to Teams: sessions and preferred presences are set and cleared, up to twenty in one request.

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::SignedDuration;

use super::courier::{Courier, Failure, Trouble};
use crate::domain::expiry::DO_NOT_DISTURB_LIFE;
use crate::domain::ids::TeamsUserId;
use crate::domain::slot::{Side, SlotName};
use crate::graph::client::{Client, Error, PresenceWrite, WRITES_MAX};
use crate::store::outbox::{Errand, Letter};
use crate::tasks::Activators;

/// To Teams.
pub struct TeamsCourier {
    /// Whom to ask.
    pub graph: Arc<Client>,
    /// How long a session lives unless it is renewed.
    pub session_life: SignedDuration,
    /// Whom an arrival wakes: from then on an end is known, or a grace runs.
    pub activators: Activators,
}

impl Courier for TeamsCourier {
    const SIDE: Side = Side::Teams;
    /// Four requests of twenty.
    const UNDER_WAY_MAX: usize = 4 * WRITES_MAX;
    const TOGETHER_MAX: usize = WRITES_MAX;

    fn carry<'a>(&'a self, letters: &'a [Letter]) -> BoxFuture<'a, Vec<Result<(), Failure>>> {
        self.write(letters).boxed()
    }

    fn life(&self, slot: SlotName) -> SignedDuration {
        match slot {
            SlotName::TeamsPreferred => DO_NOT_DISTURB_LIFE,
            SlotName::TeamsSession | SlotName::XphoneAppointment => self.session_life,
        }
    }

    fn note_settled(&self) {
        self.activators.reconciler.wake();
    }
}

impl TeamsCourier {
    async fn write(&self, letters: &[Letter]) -> Vec<Result<(), Failure>> {
        let writes: Vec<(TeamsUserId, PresenceWrite)> = letters.iter().filter_map(|letter| self.wording(letter)).collect();
        let answers = self.graph.write_presences(&writes).await;
        answers.into_iter().map(|answer| answer.map_err(|error| failure(&error))).collect()
    }

    /// Every letter claimed for this side has one.
    fn wording(&self, letter: &Letter) -> Option<(TeamsUserId, PresenceWrite)> {
        let minutes = u16::try_from(self.session_life.as_mins()).unwrap_or(u16::MAX);
        match (&letter.errand, letter.slot) {
            (Errand::SetInTeams(user), SlotName::TeamsSession) => Some((*user, PresenceWrite::SetSession { minutes })),
            (Errand::ClearInTeams(user), SlotName::TeamsSession) => Some((*user, PresenceWrite::ClearSession)),
            (Errand::SetInTeams(user), SlotName::TeamsPreferred) => Some((*user, PresenceWrite::SetDoNotDisturb)),
            (Errand::ClearInTeams(user), SlotName::TeamsPreferred) => Some((*user, PresenceWrite::ClearPreferred)),
            _ => None,
        }
    }
}

fn failure(error: &Error) -> Failure {
    let trouble = match error {
        Error::Wait { retry_after, .. } => Trouble::AsksToWait(*retry_after),
        Error::Retry { .. } => Trouble::Unreachable,
        error if error.is_about_one_user() => Trouble::AboutTheUser,
        Error::Unclear { .. } => Trouble::StrangeAnswer,
        _ => Trouble::OurStanding,
    };
    Failure::of(error, error.words(), trouble, error.maybe_applied())
}
