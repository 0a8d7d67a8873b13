//! The slot in XPhone: one appointment that says what Teams says, and ends with it; where Teams leaves it free, that the microphone is
//! in use.

use jiff::Timestamp;

use super::reason::Reason;
use super::{Push, Remembered, SlotDecision, Snapshot, Source};
use super::{echo, microphone};
use crate::domain::expiry::{self, DO_NOT_DISTURB_LIFE, Renewal};
use crate::domain::mapping::{Cause, StatusKind, TeamsNative};
use crate::domain::policy::Mode;
use crate::domain::presence::Presence;
use crate::domain::slot::{Appointment, Audience, Held, Look, Shown, Sighting, Slot, Suppression};

/// The profile that a user may have for Teams calls.
pub const TEAMS_PROFILE: &str = "MS Teams";
/// The profile used where there is none for Teams.
pub const APPOINTMENT_PROFILE: &str = "Appointment";
/// What people read while a Teams call lasts.
pub const ON_THE_PHONE_SUBJECT: &str = "On the phone (MS Teams)";
/// What people read while Teams is on do not disturb.
pub const DO_NOT_DISTURB_SUBJECT: &str = "Do not disturb (MS Teams)";

/// What should be shown in XPhone, before looking at what was.
pub(super) struct Wanted {
    pub(super) appointment: Appointment,
    pub(super) presence: Presence,
    pub(super) cause: Cause,
    pub(super) reason: Reason,
    /// It must not last longer than this.
    pub(super) limit: Option<Timestamp>,
    /// When the cause was last seen, in whatever way.
    pub(super) seen_at: Timestamp,
    /// When it was last seen for certain.
    pub(super) confirmed_at: Option<Timestamp>,
}

type Outcome = (SlotDecision<Slot, Push>, Option<Timestamp>);

/// Decides about the appointment; the second value is what to remember of the microphone, the third says when to look again.
pub(super) fn decide(
    snapshot: &Snapshot,
    remembered: Option<Remembered>,
) -> (SlotDecision<Slot, Push>, Option<Held>, Option<Timestamp>) {
    let native = remembered.map(|remembered| remembered.native);
    let (held, undone) = microphone::held(snapshot, native);
    // What was shown of the microphone and is gone leaves the slot free.
    let (slot, ran_out) = if undone { (Slot::Empty, true) } else { age(&snapshot.appointment, native, snapshot.now) };
    let wanted = wanted(snapshot, remembered).and_then(|wanted| match &slot {
        Slot::Suppressed { why, .. } => Err(Reason::from(*why)),
        Slot::Empty | Slot::Shown(_) => Ok(wanted),
    });
    let (decision, look_again) = match wanted {
        Ok(wanted) if end(&wanted) <= snapshot.now => (lapse(snapshot, &wanted), None),
        Ok(wanted) => show(snapshot, &slot, &wanted),
        Err(reason) => without_teams(snapshot, slot, native, ran_out, held, reason),
    };
    (decision, held, look_again)
}

/// Teams gives nothing to show: then perhaps the microphone does. What is shown for Teams waits until more is known.
fn without_teams(
    snapshot: &Snapshot,
    slot: Slot,
    native: Option<TeamsNative>,
    ran_out: bool,
    held: Option<Held>,
    reason: Reason,
) -> Outcome {
    let is_unread = matches!(reason, Reason::TeamsUnread | Reason::XphoneUnread);
    let of_microphone = matches!(&slot, Slot::Shown(shown) if shown.cause == Some(Cause::Microphone));
    let of_teams = matches!(slot, Slot::Shown(_)) && !of_microphone;
    if is_unread && of_teams && may_stay(&slot, native.and_then(TeamsNative::cause), snapshot) {
        return hold(slot, ran_out, reason);
    }
    // What a person undid, or what ran out, keeps the whole slot free until it has ended; whom nothing of Teams concerns is never told.
    if matches!(slot, Slot::Suppressed { .. }) && !matches!(reason, Reason::PolicyOff | Reason::NotMatched) {
        return (nothing(slot, ran_out, reason), None);
    }
    match microphone::wanted(snapshot, held) {
        Some(Ok(wanted)) => show(snapshot, &slot, &wanted),
        Some(Err(Reason::XphoneUnread)) if of_microphone => hold(slot, ran_out, Reason::XphoneUnread),
        Some(Err(of_microphone)) => {
            let is_idle = matches!(reason, Reason::NothingToShow | Reason::PolicyOff | Reason::NotMatched | Reason::TeamsUnread);
            (nothing(slot, ran_out, if is_idle { of_microphone } else { reason }), None)
        }
        None if is_unread && !matches!(slot, Slot::Shown(_)) => hold(slot, ran_out, reason),
        None => (nothing(slot, ran_out, reason), None),
    }
}

/// What became of the slot by itself: run out, undone by a person, or free again because the cause has ended. As long as Teams is
/// unread nothing says that it has. The second value says that something shown is now gone, or must go.
fn age(slot: &Slot, native: Option<TeamsNative>, now: Timestamp) -> (Slot, bool) {
    let goes_on = |cause: Cause| native.is_none_or(|native| native.cause() == Some(cause));
    match slot {
        Slot::Suppressed { cause, .. } if goes_on(*cause) => (slot.clone(), false),
        Slot::Empty | Slot::Suppressed { .. } => (Slot::Empty, false),
        Slot::Shown(shown) => {
            let why = if shown.until <= now {
                Suppression::Lapsed
            } else if shown.sighting == Sighting::Removed {
                Suppression::Overridden
            } else {
                return (slot.clone(), false);
            };
            match shown.cause.or(native.and_then(TeamsNative::cause)) {
                Some(cause) if goes_on(cause) => (Slot::Suppressed { cause, why, since: now }, true),
                _ => (Slot::Empty, true),
            }
        }
    }
}

fn wanted(snapshot: &Snapshot, remembered: Option<Remembered>) -> Result<Wanted, Reason> {
    let mode = snapshot.policy.mode;
    if snapshot.teams_user.is_none() {
        return Err(Reason::NotMatched);
    }
    if mode == Mode::None {
        return Err(Reason::PolicyOff);
    }
    let remembered = remembered.ok_or(Reason::TeamsUnread)?;
    let cause = remembered.native.cause().ok_or(Reason::NothingToShow)?;
    let presence = remembered.native.presence(mode);
    if !mode.lets_through(presence) {
        return Err(Reason::PolicyTelephonyOnly);
    }
    let own = snapshot.xphone.ok_or(Reason::XphoneUnread)?.native();
    let (appointment, presence, reason) = look(snapshot, presence, cause)?;
    if presence <= own {
        return Err(Reason::OwnIsStronger);
    }
    if snapshot.policy.shadow {
        return Err(Reason::Shadow);
    }
    let limit = (presence == Presence::DoNotDisturb).then(|| remembered.since + DO_NOT_DISTURB_LIFE);
    let seen_at = snapshot.teams.map_or(snapshot.now, |teams| teams.observed_at.min(snapshot.now));
    Ok(Wanted { appointment, presence, cause, reason, limit, seen_at, confirmed_at: confirmed_at(snapshot) })
}

/// Which of the user's profiles carries the presence.
fn look(snapshot: &Snapshot, presence: Presence, cause: Cause) -> Result<(Appointment, Presence, Reason), Reason> {
    let active = || snapshot.profiles.iter().filter(|profile| profile.active);
    if presence == Presence::DoNotDisturb {
        if let Some(profile) = active().find(|profile| profile.status == Some(StatusKind::DoNotDisturb)) {
            let (look, audience) = (Look::Profile(profile.guid), Audience::Everybody);
            let appointment = Appointment { subject: DO_NOT_DISTURB_SUBJECT.to_owned(), look, audience };
            return Ok((appointment, presence, Reason::Shown(cause)));
        }
        if cause != Cause::Call {
            return Err(Reason::NoDoNotDisturbProfile);
        }
    }
    let named = |name: &str| active().find(|profile| profile.name == name).map(|profile| Look::Profile(profile.guid));
    let look = named(TEAMS_PROFILE)
        .or_else(|| named(APPOINTMENT_PROFILE))
        .or(snapshot.busy_status.map(Look::Status))
        .ok_or(Reason::NoBusyStatus)?;
    let reason = if presence == Presence::DoNotDisturb { Reason::ShownAsCall } else { Reason::Shown(cause) };
    let appointment = Appointment { subject: ON_THE_PHONE_SUBJECT.to_owned(), look, audience: Audience::Everybody };
    Ok((appointment, Presence::OnThePhone, reason))
}

fn show(snapshot: &Snapshot, slot: &Slot, wanted: &Wanted) -> Outcome {
    let now = snapshot.now;
    let shown = match slot {
        Slot::Shown(shown) => Some(shown),
        _ => None,
    };
    let since = shown.filter(|shown| shown.cause.is_none_or(|cause| cause == wanted.cause)).map_or(now, |shown| shown.since);
    let kept = shown.filter(|shown| shown.appointment == wanted.appointment && shown.sighting != Sighting::Lost);
    let (until, push, revisit_at) = match kept.map(|shown| keep(snapshot, shown, wanted)) {
        Some(Renewal::LookAgain(at)) => (kept.map_or(now, |shown| shown.until), false, at),
        Some(Renewal::MoveOn(end)) => (end, true, end - expiry::APPOINTMENT_LIFE / 2),
        None => {
            let end = end(wanted);
            (end, true, end - expiry::APPOINTMENT_LIFE / 2)
        }
    };
    let push = push.then(|| Push::Show { appointment: wanted.appointment.clone(), start: since, end: until });
    let shown = Shown {
        appointment: wanted.appointment.clone(),
        presence: wanted.presence,
        cause: Some(wanted.cause),
        since,
        until,
        sighting: Sighting::AsSet,
    };
    let decision = SlotDecision { slot: Slot::Shown(shown), push, reason: wanted.reason };
    (decision, Some(revisit_at.max(now + expiry::REVISIT_MIN).min(until)))
}

/// What is shown already is right: only its end may need moving. A limit that came nearer moves it too, and so does an end further
/// ahead than ours ever are: somebody else's clock made it.
fn keep(snapshot: &Snapshot, shown: &Shown, wanted: &Wanted) -> Renewal {
    let limit = wanted.limit;
    if let Some(limit) = limit.filter(|limit| *limit < shown.until) {
        return Renewal::MoveOn(limit);
    }
    if shown.until > snapshot.now + expiry::APPOINTMENT_AHEAD_MAX {
        return Renewal::MoveOn(end(wanted));
    }
    let half_time = shown.until - expiry::APPOINTMENT_LIFE / 2;
    if snapshot.now >= half_time && snapshot.xphone.is_some_and(|entry| !entry.ours) {
        // A status picked by hand hides it; set again it would come on top, and nobody's choice is fought for the sake of an end.
        return Renewal::LookAgain(shown.until.min(snapshot.now + expiry::RENEWAL_RETRY));
    }
    expiry::renewal(snapshot.now, shown.until, wanted.confirmed_at, limit)
}

/// Whether what is shown may wait until more is known: only while nothing that is known speaks against it.
fn may_stay(slot: &Slot, cause: Option<Cause>, snapshot: &Snapshot) -> bool {
    let Slot::Shown(shown) = slot else { return true };
    let allowed = !snapshot.policy.shadow && snapshot.policy.mode.lets_through(shown.presence);
    let caused = shown.cause.is_none_or(|held| cause.is_none_or(|cause| cause == held));
    let stronger = snapshot.xphone.is_none_or(|entry| shown.presence > entry.native());
    allowed && caused && stronger
}

/// When a read last showed the cause itself; what is our own doing in Teams confirms nothing.
fn confirmed_at(snapshot: &Snapshot) -> Option<Timestamp> {
    let read = snapshot.teams.filter(|teams| teams.source == Source::Read && teams.words.is_some())?;
    (!echo::is_echo(snapshot, read)).then(|| read.observed_at.min(snapshot.now))
}

/// Too little is known to change anything; what ran out is gone all the same.
fn hold(slot: Slot, ran_out: bool, reason: Reason) -> Outcome {
    let look_again = match &slot {
        Slot::Shown(shown) => Some(shown.until),
        _ => None,
    };
    (SlotDecision { slot, push: ran_out.then_some(Push::Clear), reason }, look_again)
}

fn nothing(slot: Slot, ran_out: bool, reason: Reason) -> SlotDecision<Slot, Push> {
    let (slot, shown) = match slot {
        Slot::Shown(_) => (Slot::Empty, true),
        other => (other, ran_out),
    };
    SlotDecision { slot, push: shown.then_some(Push::Clear), reason }
}

/// One life after the cause was last seen, not after now: what nobody confirms any more is not kept alive by showing it anew.
/// Another replica's clock may be ahead; an end is not.
fn end(wanted: &Wanted) -> Timestamp {
    expiry::appointment_end(wanted.seen_at, wanted.limit)
}

/// Do not disturb has had its day, or the cause has not been seen for a whole life.
fn lapse(snapshot: &Snapshot, wanted: &Wanted) -> SlotDecision<Slot, Push> {
    let slot = Slot::Suppressed { cause: wanted.cause, why: Suppression::Lapsed, since: snapshot.now };
    let shown = matches!(snapshot.appointment, Slot::Shown(_));
    SlotDecision { slot, push: shown.then_some(Push::Clear), reason: Reason::Lapsed }
}
