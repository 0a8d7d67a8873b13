//! Which silent subscriptions may be made anew: not on the strength of what we have not read yet, and not all at once.

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::places::Known;
use super::{Look, Subscriptions};
use crate::domain::subscription::{Held, Listening, may_probe, silent_together};
use crate::tasks::TaskError;

/// While a post of Graph's waits for longer than this, what it tells may just not have been read.
const INBOX_AGE_MAX: SignedDuration = SignedDuration::from_secs(30);

impl Subscriptions {
    pub(super) async fn hears(&self, now: Timestamp) -> Result<bool, TaskError> {
        let oldest = self.store.inbox_depth().await?.oldest;
        Ok(oldest.is_none_or(|oldest| now.duration_since(oldest) <= INBOX_AGE_MAX))
    }

    pub(super) async fn note_silent(&self, look: &Look) -> Result<(), TaskError> {
        if look.hears {
            self.store.note_silent(&look.silent(), look.now).await?;
        }
        Ok(())
    }
}

impl Look {
    fn silent(&self) -> Vec<Uuid> {
        self.listening.iter().filter(|(_, listening)| Listening::is_silent(listening)).map(|(id, _)| *id).collect()
    }
}

/// Where many are silent at once, one is made anew to see whether that helps, and the others stay.
pub(super) fn hold_back(held: &mut [Held], look: &Look, known: &mut Known) {
    let live = held.iter().filter(|held| held.expires_at > look.now).count();
    let silent = look.silent().len();
    // Once so, until none is silent: the last few are no more a matter of each than the first.
    let together =
        if look.hears { silent_together(silent, live) || (known.silent_together && silent > 0) } else { known.silent_together };
    if together && !known.silent_together {
        tracing::warn!(
            silent,
            live,
            "many subscriptions are silent at once: does Graph reach `http.public_url`, and is Graph slow? They are made anew one at a time"
        );
    }
    known.silent_together = together;
    if together {
        let probes = usize::from(may_probe(look.accounts.iter().map(|account| account.silence), look.now));
        held.iter_mut().filter(|held| held.silent).skip(probes).for_each(|held| held.silent = false);
    }
}
