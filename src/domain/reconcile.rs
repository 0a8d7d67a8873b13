//! The decision: from everything known about one user to what is shown, why, and when to look again.

mod reason;
#[cfg(test)]
mod tests;

use jiff::Timestamp;

use super::expiry::{self, DO_NOT_DISTURB_LIFE, Renewal};
use super::ids::{PresenceStateGuid, ProfileGuid};
use super::mapping::{Cause, StatusKind, TeamsNative, XphoneEntry};
use super::policy::{EffectivePolicy, Mode};
use super::presence::Presence;
use super::slot::{Appointment, Look, Shown, Sighting, Slot, Suppression};

pub use reason::Reason;

/// The profile that a user may have for Teams calls.
pub const TEAMS_PROFILE: &str = "MS Teams";
/// The profile used where there is none for Teams.
pub const APPOINTMENT_PROFILE: &str = "Appointment";
/// What people read while a Teams call lasts.
pub const ON_THE_PHONE_SUBJECT: &str = "On the phone (MS Teams)";
/// What people read while Teams is on do not disturb.
pub const DO_NOT_DISTURB_SUBJECT: &str = "Do not disturb (MS Teams)";

/// Everything known about one user at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When it was taken.
    pub now: Timestamp,
    /// What may be shown.
    pub policy: EffectivePolicy,
    /// Whether exactly one Teams user was found for this XPhone user.
    pub matched: bool,
    /// The newest observation of Teams.
    pub teams: Option<TeamsObservation>,
    /// What Teams itself said when we last decided.
    pub remembered: Option<Remembered>,
    /// The newest observation of XPhone.
    pub xphone: Option<XphoneEntry>,
    /// The user's *My Profiles*, in their order.
    pub profiles: Vec<Profile>,
    /// The server's status *Busy*, if it has one.
    pub busy_status: Option<PresenceStateGuid>,
    /// What we recorded as shown in XPhone.
    pub appointment: Slot,
}

/// What Teams was last seen to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TeamsObservation {
    /// Its meaning; `None`: Teams did not know.
    pub native: Option<TeamsNative>,
    /// Whether a read said so, or only a notification.
    pub source: Source,
    /// When: a notification's arrival, a read's beginning.
    pub observed_at: Timestamp,
}

/// How an observation came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    /// A change notification: fast, perhaps hours old.
    Notification,
    /// A read: the truth at its moment.
    Read,
}

/// A native presence and since when it holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Remembered {
    /// What the side said.
    pub native: TeamsNative,
    /// When we first saw it.
    pub since: Timestamp,
}

/// One of a user's presence profiles.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// XPhone's guid.
    pub guid: ProfileGuid,
    /// As the user named it.
    pub name: String,
    /// The kind of its status; `None`: a status the server never named.
    pub status: Option<StatusKind>,
    /// Whether it is switched on.
    pub active: bool,
}

/// What is to be done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// What to remember of Teams.
    pub remembered: Option<Remembered>,
    /// What to record as shown in XPhone.
    pub appointment: Slot,
    /// What to send, if anything changes there.
    pub push: Option<Push>,
    /// Why it is so.
    pub reason: Reason,
    /// When to look again though nothing happens.
    pub revisit_at: Option<Timestamp>,
}

/// What the dispatcher is to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Push {
    /// Set the appointment.
    Show {
        /// What it says.
        appointment: Appointment,
        /// When it began.
        start: Timestamp,
        /// When it ends by itself.
        end: Timestamp,
    },
    /// Take it away.
    Clear,
}

/// What should be shown in XPhone, before looking at what was.
struct Wanted {
    appointment: Appointment,
    presence: Presence,
    cause: Cause,
    reason: Reason,
    /// It must not last longer than this.
    limit: Option<Timestamp>,
}

/// Decides. The same snapshot always gives the same decision.
#[must_use]
pub fn decide(snapshot: &Snapshot) -> Decision {
    let remembered = remember(snapshot);
    let native = remembered.map(|remembered| remembered.native);
    let cause = native.and_then(TeamsNative::cause);
    let (slot, ran_out) = age(&snapshot.appointment, native, snapshot.now);
    let wanted = wanted(snapshot, remembered).and_then(|wanted| match &slot {
        Slot::Suppressed { why: Suppression::Overridden, .. } => Err(Reason::Overridden),
        Slot::Suppressed { why: Suppression::Lapsed, .. } => Err(Reason::Lapsed),
        Slot::Empty | Slot::Shown(_) => Ok(wanted),
    });
    match wanted {
        Ok(wanted) if end(snapshot, wanted.limit) <= snapshot.now => lapse(snapshot, remembered, &wanted),
        Ok(wanted) => show(snapshot, remembered, &slot, &wanted),
        Err(reason @ (Reason::TeamsUnread | Reason::XphoneUnread)) if may_stay(&slot, cause, snapshot) => {
            hold(remembered, slot, ran_out, reason)
        }
        Err(reason) => nothing(remembered, slot, ran_out, reason),
    }
}

/// An observation that tells nothing leaves what was known.
fn remember(snapshot: &Snapshot) -> Option<Remembered> {
    let Some(observation) = snapshot.teams else { return snapshot.remembered };
    match (observation.native, snapshot.remembered) {
        (None, remembered) => remembered,
        (Some(native), Some(remembered)) if remembered.native == native => Some(remembered),
        (Some(native), _) => Some(Remembered { native, since: observation.observed_at }),
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
    if !snapshot.matched {
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
    Ok(Wanted { appointment, presence, cause, reason, limit })
}

/// Which of the user's profiles carries the presence.
fn look(snapshot: &Snapshot, presence: Presence, cause: Cause) -> Result<(Appointment, Presence, Reason), Reason> {
    let active = || snapshot.profiles.iter().filter(|profile| profile.active);
    if presence == Presence::DoNotDisturb {
        if let Some(profile) = active().find(|profile| profile.status == Some(StatusKind::DoNotDisturb)) {
            let appointment = Appointment { subject: DO_NOT_DISTURB_SUBJECT.to_owned(), look: Look::Profile(profile.guid) };
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
    Ok((Appointment { subject: ON_THE_PHONE_SUBJECT.to_owned(), look }, Presence::OnThePhone, reason))
}

fn show(snapshot: &Snapshot, remembered: Option<Remembered>, slot: &Slot, wanted: &Wanted) -> Decision {
    let now = snapshot.now;
    let shown = match slot {
        Slot::Shown(shown) => Some(shown),
        _ => None,
    };
    let since = shown.filter(|shown| shown.cause.is_none_or(|cause| cause == wanted.cause)).map_or(now, |shown| shown.since);
    let kept = shown.filter(|shown| shown.appointment == wanted.appointment && shown.sighting != Sighting::Lost);
    let (until, push, revisit_at) = match kept.map(|shown| keep(snapshot, shown, wanted.limit)) {
        Some(Renewal::LookAgain(at)) => (kept.map_or(now, |shown| shown.until), false, at),
        Some(Renewal::MoveOn(end)) => (end, true, end - expiry::APPOINTMENT_LIFE / 2),
        None => {
            let end = end(snapshot, wanted.limit);
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
    let revisit_at = Some(revisit_at.max(now + expiry::REVISIT_MIN).min(until));
    Decision { remembered, appointment: Slot::Shown(shown), push, reason: wanted.reason, revisit_at }
}

/// What is shown already is right: only its end may need moving. A limit that came nearer moves it too, and so does an end further
/// ahead than ours ever are: somebody else's clock made it.
fn keep(snapshot: &Snapshot, shown: &Shown, limit: Option<Timestamp>) -> Renewal {
    if let Some(limit) = limit.filter(|limit| *limit < shown.until) {
        return Renewal::MoveOn(limit);
    }
    if shown.until > snapshot.now + expiry::APPOINTMENT_AHEAD_MAX {
        return Renewal::MoveOn(end(snapshot, limit));
    }
    let half_time = shown.until - expiry::APPOINTMENT_LIFE / 2;
    if snapshot.now >= half_time && snapshot.xphone.is_some_and(|entry| !entry.ours) {
        // A status picked by hand hides it; set again it would come on top, and nobody's choice is fought for the sake of an end.
        return Renewal::LookAgain(shown.until.min(snapshot.now + expiry::RENEWAL_RETRY));
    }
    let confirmed = snapshot.teams.filter(|teams| teams.source == Source::Read && teams.native.is_some());
    expiry::renewal(snapshot.now, shown.until, confirmed.map(|teams| teams.observed_at.min(snapshot.now)), limit)
}

/// Whether what is shown may wait until more is known: only while nothing that is known speaks against it.
fn may_stay(slot: &Slot, cause: Option<Cause>, snapshot: &Snapshot) -> bool {
    let Slot::Shown(shown) = slot else { return true };
    let allowed = !snapshot.policy.shadow && snapshot.policy.mode.lets_through(shown.presence);
    let caused = shown.cause.is_none_or(|held| cause.is_none_or(|cause| cause == held));
    let stronger = snapshot.xphone.is_none_or(|entry| shown.presence > entry.native());
    allowed && caused && stronger
}

/// Too little is known to change anything; what ran out is gone all the same.
fn hold(remembered: Option<Remembered>, slot: Slot, ran_out: bool, reason: Reason) -> Decision {
    let revisit_at = match &slot {
        Slot::Shown(shown) => Some(shown.until),
        _ => None,
    };
    Decision { remembered, appointment: slot, push: ran_out.then_some(Push::Clear), reason, revisit_at }
}

fn nothing(remembered: Option<Remembered>, slot: Slot, ran_out: bool, reason: Reason) -> Decision {
    let (appointment, shown) = match slot {
        Slot::Shown(_) => (Slot::Empty, true),
        other => (other, ran_out),
    };
    Decision { remembered, appointment, push: shown.then_some(Push::Clear), reason, revisit_at: None }
}

/// One life after the cause was last seen, not after now: what nobody confirms any more is not kept alive by showing it anew.
/// Another replica's clock may be ahead; an end is not.
fn end(snapshot: &Snapshot, limit: Option<Timestamp>) -> Timestamp {
    let seen = snapshot.teams.map_or(snapshot.now, |teams| teams.observed_at.min(snapshot.now));
    expiry::appointment_end(seen, limit)
}

/// Do not disturb has had its day, or the cause has not been seen for a whole life.
fn lapse(snapshot: &Snapshot, remembered: Option<Remembered>, wanted: &Wanted) -> Decision {
    let slot = Slot::Suppressed { cause: wanted.cause, why: Suppression::Lapsed, since: snapshot.now };
    let shown = matches!(snapshot.appointment, Slot::Shown(_));
    Decision { remembered, appointment: slot, push: shown.then_some(Push::Clear), reason: Reason::Lapsed, revisit_at: None }
}
