//! What lies in the future was written by another replica's clock, or by ours before it was put right: it is brought back to now.

use std::borrow::Cow;

use jiff::{SignedDuration, Timestamp};

use super::Snapshot;
use crate::domain::expiry::{self, CLOCK_SKEW_TOLERATED, DO_NOT_DISTURB_LIFE};
use crate::domain::slot::{Live, Reached, Record, Slot, TeamsSlot};

/// The snapshot as a clock that was always right would have left it, as far as that can be told.
pub(super) fn righted(snapshot: &Snapshot) -> Cow<'_, Snapshot> {
    let now = snapshot.now;
    let ahead = |at: Timestamp| at > now;
    let in_slot = |slot: TeamsSlot| {
        let shown = matches!(slot.record, Record::Shown { since, reached, .. } if ahead(since) || reached.is_some_and(|reached| ahead(reached.at)));
        // Where it is still to be taken away, it ends within a life.
        let beyond = |until: Timestamp| until > now + DO_NOT_DISTURB_LIFE + CLOCK_SKEW_TOLERATED;
        shown || slot.live.is_some_and(|live| ahead(live.from) || live.until.is_some_and(beyond))
    };
    let seen = [snapshot.teams, snapshot.confirmed].iter().flatten().any(|seen| ahead(seen.observed_at));
    let shown = matches!(&snapshot.appointment, Slot::Shown(shown) if ahead(shown.since));
    let remembered = snapshot.remembered.is_some_and(|remembered| ahead(remembered.since));
    let heard = snapshot.xphone_heard_at.is_some_and(ahead);
    if !(seen || shown || remembered || heard || in_slot(snapshot.session) || in_slot(snapshot.preferred)) {
        return Cow::Borrowed(snapshot);
    }
    let mut righted = snapshot.clone();
    if let Some(seen) = &mut righted.teams {
        seen.observed_at = seen.observed_at.min(now);
    }
    // When it was read nobody knows: it proves nothing.
    righted.confirmed = snapshot.confirmed.filter(|read| !ahead(read.observed_at));
    righted.xphone_heard_at = snapshot.xphone_heard_at.map(|at| at.min(now));
    if let Some(remembered) = &mut righted.remembered {
        remembered.since = remembered.since.min(now);
    }
    if let Slot::Shown(shown) = &mut righted.appointment {
        shown.since = shown.since.min(now);
    }
    let life = snapshot.timing.session_life;
    righted.session = slot(snapshot.session, now, life, life / 2);
    righted.preferred = slot(snapshot.preferred, now, DO_NOT_DISTURB_LIFE, DO_NOT_DISTURB_LIFE);
    Cow::Owned(righted)
}

/// An end further ahead than ours ever are may be over in truth: so much is left of it.
fn slot(slot: TeamsSlot, now: Timestamp, whole: SignedDuration, rest: SignedDuration) -> TeamsSlot {
    let record = match slot.record {
        Record::Shown { teams_user, since, reached, given_up } => {
            let reached = reached.map(|reached| {
                let beyond = reached.until > now + whole + CLOCK_SKEW_TOLERATED;
                Reached { at: reached.at.min(now), until: if beyond { now + rest } else { reached.until } }
            });
            Record::Shown { teams_user, since: since.min(now), reached, given_up }
        }
        other => other,
    };
    // A window that began nobody knows when is taken for an old one.
    let from = |from: Timestamp| if from > now { now - expiry::APPOINTMENT_LIFE } else { from };
    let live = slot.live.map(|held| Live { from: from(held.from), until: held.until.map(|until| until.min(now + whole)) });
    TeamsSlot { record, live, ..slot }
}
