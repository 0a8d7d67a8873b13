//! Plays what is shown from its beginning to its end: how long it lives, when it is moved on, and how long it lasts at most.

use jiff::{SignedDuration, Timestamp};

use super::people::{NOW, SOMEBODY, XPHONE_CALL, XPHONE_DO_NOT_DISTURB, XPHONE_FREE, read, somebody};
use crate::domain::expiry::DO_NOT_DISTURB_LIFE;
use crate::domain::mapping::{TeamsNative, TeamsWords, XphoneEntry};
use crate::domain::policy::Mode;
use crate::domain::reconcile::{Push, Snapshot, TeamsObservation, TeamsPush, decide};
use crate::domain::slot::{Live, Reached, Record, Slot, TeamsSlot};

/// What becomes of something shown while its cause goes on and is confirmed again and again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Course {
    /// When it ends by itself if nobody moves it on.
    pub life: SignedDuration,
    /// How long after it was set it is moved on; `None`: never.
    pub moved_on_after: Option<SignedDuration>,
    /// When it ends though its cause goes on; `None`: it does not.
    pub longest: Option<SignedDuration>,
}

/// What ends at all ends before it was looked at as often.
const LOOKS_MAX: usize = 500;

/// What a look at a slot led to.
struct Look {
    /// It was set, or set again, with this end.
    set_until: Option<Timestamp>,
    /// When to look again; `None`: it is over.
    next: Option<Timestamp>,
}

/// XPhone shows what Teams says.
pub(super) fn appointment(native: TeamsNative) -> Course {
    play(somebody(Mode::TelephonyAndPresence, native, XPHONE_FREE), look_at_appointment)
}

/// Teams shows a call of XPhone.
pub(super) fn session() -> Course {
    play(somebody(Mode::TelephonyAndPresence, TeamsNative::Free, XPHONE_CALL), look_at_session)
}

/// Teams shows XPhone's do not disturb.
pub(super) fn preferred() -> Course {
    play(somebody(Mode::TelephonyAndPresence, TeamsNative::Free, XPHONE_DO_NOT_DISTURB), look_at_preferred)
}

fn play(mut snapshot: Snapshot, look_at: fn(&mut Snapshot) -> Look) -> Course {
    let mut course = Course::default();
    for count in 0..LOOKS_MAX {
        let since_set = snapshot.now.duration_since(NOW);
        let look = look_at(&mut snapshot);
        match look.set_until {
            Some(until) if count == 0 => course.life = until.duration_since(NOW),
            Some(_) => _ = course.moved_on_after.get_or_insert(since_set),
            None => {}
        }
        let Some(next) = look.next else { return Course { longest: Some(since_set), ..course } };
        advance(&mut snapshot, next);
    }
    course
}

/// Both sides are read anew, and say the same.
fn advance(snapshot: &mut Snapshot, next: Timestamp) {
    snapshot.now = next;
    snapshot.xphone_heard_at = Some(next);
    snapshot.teams = snapshot.teams.map(|teams| TeamsObservation { observed_at: next, ..teams });
    snapshot.confirmed = snapshot.teams;
}

fn look_at_appointment(snapshot: &mut Snapshot) -> Look {
    let decision = decide(snapshot);
    snapshot.remembered = decision.remembered;
    snapshot.appointment = decision.appointment.slot;
    snapshot.xphone = Some(XphoneEntry { ours: true, ..XPHONE_FREE });
    let set_until = if let Some(Push::Show { end, .. }) = decision.appointment.push { Some(end) } else { None };
    let shown = matches!(snapshot.appointment, Slot::Shown(_));
    Look { set_until, next: decision.revisit_at.filter(|_| shown) }
}

fn look_at_session(snapshot: &mut Snapshot) -> Look {
    let decision = decide(snapshot);
    let life = snapshot.timing.session_life;
    snapshot.remembered = decision.remembered;
    let set_until = (decision.session.push == Some(TeamsPush::Set(SOMEBODY))).then(|| snapshot.now + life);
    snapshot.session = settled(decision.session.slot, snapshot.now, set_until);
    snapshot.teams = Some(read(Some(TeamsWords::InACall)));
    settle(snapshot, set_until, |snapshot| snapshot.session)
}

fn look_at_preferred(snapshot: &mut Snapshot) -> Look {
    let decision = decide(snapshot);
    snapshot.remembered = decision.remembered;
    let set_until = (decision.preferred.push == Some(TeamsPush::Set(SOMEBODY))).then(|| snapshot.now + DO_NOT_DISTURB_LIFE);
    snapshot.preferred = settled(decision.preferred.slot, snapshot.now, set_until);
    snapshot.teams = Some(read(Some(TeamsWords::DoNotDisturb)));
    settle(snapshot, set_until, |snapshot| snapshot.preferred)
}

/// The slot after Graph took what was sent.
fn settled(slot: TeamsSlot, at: Timestamp, set_until: Option<Timestamp>) -> TeamsSlot {
    match (slot.record, set_until) {
        (Record::Shown { teams_user, since, given_up, .. }, Some(until)) => {
            let record = Record::Shown { teams_user, since, reached: Some(Reached { at, until }), given_up };
            let live = slot.live.or(Some(Live { from: at, until: None }));
            TeamsSlot { record, live, pending: None }
        }
        _ => slot,
    }
}

/// Graph's answer wakes the decision once more: only now the end is known.
fn settle(snapshot: &mut Snapshot, set_until: Option<Timestamp>, slot: fn(&Snapshot) -> TeamsSlot) -> Look {
    advance(snapshot, snapshot.now);
    let shown = matches!(slot(snapshot).record, Record::Shown { .. });
    let next = decide(snapshot).revisit_at.filter(|_| shown);
    Look { set_until, next }
}
