//! What Teams itself says: Graph names no author, so what our own slots look like there must be told apart.
//!
//! While a slot of ours is live in Teams, an observation that looks like it is an *echo*: it tells nothing, and the native presence
//! keeps its last value. So does the same observation for a *grace* after the slot was cleared, because notifications and reads lag.
//! Past the grace it is native: a call of Teams that had been hidden behind ours.

use jiff::{SignedDuration, Timestamp};

use super::{Remembered, Snapshot, Source, TeamsObservation, Timing, clocks};
use crate::domain::expiry;
use crate::domain::mapping::{TeamsNative, TeamsWords};
use crate::domain::slot::{Live, SlotName, TeamsSlot};

/// A read is recorded with the moment it began, and what was set while it was under way may already show in it; a notification may
/// be received by a replica whose clock is behind the sender's.
const BEFORE_MAX: SignedDuration = SignedDuration::from_secs(20);

/// An observation that tells nothing leaves what was known.
pub(super) fn remember(snapshot: &Snapshot) -> Option<Remembered> {
    let Some(observation) = snapshot.teams else { return snapshot.remembered };
    if is_echo(snapshot, observation) {
        return beside(observation, snapshot.remembered);
    }
    match (observation.words.map(TeamsWords::native), snapshot.remembered) {
        (None, remembered) => remembered,
        (Some(native), Some(remembered)) if remembered.native == native => Some(remembered),
        (Some(native), _) => Some(Remembered { native, since: observation.observed_at }),
    }
}

/// What Teams itself says beside an echo. A read of our session shows that nothing stronger is there, and where nothing was known,
/// nothing speaks against *free*.
fn beside(echo: TeamsObservation, remembered: Option<Remembered>) -> Option<Remembered> {
    let disproved = remembered.is_none_or(|remembered| {
        let stronger = matches!(remembered.native, TeamsNative::DoNotDisturb | TeamsNative::Presenting);
        stronger && echo.words == Some(TeamsWords::InACall)
    });
    let free = Some(Remembered { native: TeamsNative::Free, since: echo.observed_at });
    if disproved && echo.source == Source::Read { free } else { remembered }
}

/// An observation that was taken for our own doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Echo {
    /// The slot of ours that it looks like.
    pub slot: SlotName,
    /// Until when what looks like this, and comes the same way, is taken for ours; `None`: as long as the slot shows something.
    pub until: Option<Timestamp>,
}

/// Whether, and how, the newest observation was taken for our own doing.
#[must_use]
pub fn echo(snapshot: &Snapshot) -> Option<Echo> {
    let snapshot = &*clocks::righted(snapshot);
    let observation = snapshot.teams.filter(|observation| is_echo(snapshot, *observation))?;
    let (slot, held) = alike(snapshot, observation)?;
    let until = held.live.and_then(|live| live.until).map(|until| until + grace(observation.source, snapshot.timing));
    Some(Echo { slot, until })
}

/// Whether the observation may be our own doing.
pub(super) fn is_echo(snapshot: &Snapshot, observation: TeamsObservation) -> bool {
    let live = alike(snapshot, observation).and_then(|(_, slot)| slot.live);
    live.is_some_and(|live| explains(live, observation, snapshot.timing))
}

/// The slot that would look like this. What is still to be taken away from the one matched before tells nothing of the one matched now.
fn alike(snapshot: &Snapshot, observation: TeamsObservation) -> Option<(SlotName, TeamsSlot)> {
    let (name, slot) = match observation.words? {
        TeamsWords::InACall => (SlotName::TeamsSession, snapshot.session),
        TeamsWords::DoNotDisturb => (SlotName::TeamsPreferred, snapshot.preferred),
        _ => return None,
    };
    let of_another = slot.pending.is_some_and(|pending| Some(pending.teams_user) != snapshot.teams_user);
    (!of_another).then_some((name, slot))
}

fn grace(source: Source, timing: Timing) -> SignedDuration {
    match source {
        Source::Notification => timing.notification_grace,
        Source::Read => timing.read_grace,
    }
}

fn explains(live: Live, observation: TeamsObservation, timing: Timing) -> bool {
    let grace = grace(observation.source, timing);
    let begun = live.from - BEFORE_MAX <= observation.observed_at;
    begun && live.until.is_none_or(|until| observation.observed_at < until + grace)
}

/// When Teams must be read because a slot was cleared: reads tell the truth again, and only a read decides. `None`: it was, or
/// nothing was cleared, or there is nobody to read, or Graph has told nothing of them for so long that the sweep may go on asking.
pub(super) fn read_after_clear(snapshot: &Snapshot, live: Option<Live>) -> Option<Timestamp> {
    unread(snapshot, live).filter(|certain_at| snapshot.now < *certain_at + expiry::READ_PURSUED)
}

fn unread(snapshot: &Snapshot, live: Option<Live>) -> Option<Timestamp> {
    snapshot.teams_user?;
    let certain_at = live?.until? + snapshot.timing.read_grace;
    let decided = snapshot.confirmed.is_some_and(|read| read.observed_at >= certain_at);
    (!decided).then_some(certain_at)
}

/// Forgets a window once nothing can be an echo any more: its graces are over, and Teams was read since.
pub(super) fn close(snapshot: &Snapshot, slot: TeamsSlot) -> Option<Live> {
    let live = slot.live?;
    let Some(until) = live.until else { return Some(live) };
    let over = until + snapshot.timing.notification_grace.max(snapshot.timing.read_grace) <= snapshot.now;
    let explains = snapshot.teams.is_some_and(|observation| explains(live, observation, snapshot.timing));
    (!over || explains || unread(snapshot, slot.live).is_some()).then_some(live)
}
