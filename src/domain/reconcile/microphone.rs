//! A program that uses the microphone, as a need of its own: weaker than anything of Teams, and shown only where nothing of Teams is.

use super::Snapshot;
use super::appointment::Wanted;
use super::reason::Reason;
use crate::domain::mapping::{Cause, TeamsNative};
use crate::domain::microphone::Process;
use crate::domain::presence::Presence;
use crate::domain::slot::{Appointment, Audience, Held, Look, Shown, Sighting, Slot, Suppression};

/// What must not be shown again before the use of the microphone has ended; and whether that, having been shown, is gone just now:
/// removed by a person, or run out. A call that is shown meanwhile changes nothing about it.
pub(super) fn held(snapshot: &Snapshot, native: Option<TeamsNative>) -> (Option<Held>, bool) {
    let now = snapshot.now;
    let is_used = entry(snapshot).is_some();
    let why = match &snapshot.appointment {
        Slot::Shown(shown) if is_of_microphone(shown, native) => {
            let removed = (shown.sighting == Sighting::Removed).then_some(Suppression::Overridden);
            if shown.until <= now { Some(Suppression::Lapsed) } else { removed }
        }
        _ => None,
    };
    let held = why.map(|why| Held { why, since: now }).or(snapshot.microphone_held);
    (held.filter(|_| is_used), why.is_some())
}

/// The entry that is in use, and no probe.
pub(crate) fn entry(snapshot: &Snapshot) -> Option<&Process> {
    let shown = match &snapshot.appointment {
        Slot::Shown(shown) if shown.cause == Some(Cause::Microphone) => Some(shown.appointment.subject.as_str()),
        _ => None,
    };
    snapshot.microphone.shows_beside(snapshot.now, shown)
}

/// One that an earlier run made has no cause; only those of the microphone are not for everybody.
fn is_of_microphone(shown: &Shown, native: Option<TeamsNative>) -> bool {
    let adopted = shown.appointment.audience == Audience::TeamColleagues && native.and_then(TeamsNative::cause).is_none();
    shown.cause.map_or(adopted, |cause| cause == Cause::Microphone)
}

/// What should be shown of the microphone, or why not; `None`: there is nothing to tell.
pub(super) fn wanted(snapshot: &Snapshot, held: Option<Held>) -> Option<Result<Wanted, Reason>> {
    let entry = entry(snapshot)?;
    let confirmed_at = snapshot.microphone.confirmed_at(snapshot.now)?;
    let subject = entry.shown_as().to_owned();
    Some(may_show(snapshot, held).map(|look| Wanted {
        appointment: Appointment { subject, look, audience: Audience::TeamColleagues },
        presence: Presence::Busy,
        cause: Cause::Microphone,
        reason: Reason::Shown(Cause::Microphone),
        limit: None,
        seen_at: confirmed_at,
        confirmed_at: Some(confirmed_at),
    }))
}

fn may_show(snapshot: &Snapshot, held: Option<Held>) -> Result<Look, Reason> {
    if !snapshot.keeps_audience {
        return Err(Reason::NotKeptFromOthers);
    }
    if let Some(held) = held {
        return Err(held.why.into());
    }
    let own = snapshot.xphone.ok_or(Reason::XphoneUnread)?.native();
    if Presence::Busy <= own {
        return Err(Reason::OwnIsStronger);
    }
    snapshot.busy_status.map(Look::Status).ok_or(Reason::NoBusyStatus)
}
