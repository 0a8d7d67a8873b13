//! The decision: from everything known about one user to what is shown, why, and when to look again.

use std::fmt;

use jiff::Timestamp;

use super::expiry::{self, DO_NOT_DISTURB_LIFE, Renewal};
use super::ids::{PresenceStateGuid, ProfileGuid};
use super::mapping::{Cause, StatusKind, TeamsNative, XphoneEntry};
use super::policy::{EffectivePolicy, Mode};
use super::presence::Presence;
use super::slot::{Appointment, Look, Shown, Sighting, Slot, Suppression};

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

/// Why the decision is what it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reason {
    /// Shown, because of this.
    Shown(Cause),
    /// Do not disturb was wanted, but the user has no such profile: the call behind it shows instead.
    ShownAsCall,
    /// Teams says nothing that XPhone should know.
    NothingToShow,
    /// Teams has not been read yet.
    TeamsUnread,
    /// XPhone has not been read yet.
    XphoneUnread,
    /// No single Teams user belongs to this XPhone user.
    NotMatched,
    /// Nothing is synchronised for this user.
    PolicyOff,
    /// Only calls are synchronised for this user.
    PolicyTelephonyOnly,
    /// Decided, but the policy is on trial.
    Shadow,
    /// XPhone itself says as much or more.
    OwnIsStronger,
    /// No active profile of the user has the status *Do not disturb*.
    NoDoNotDisturbProfile,
    /// The server has no status *Busy*.
    NoBusyStatus,
    /// A person undid it.
    Overridden,
    /// It ran out by itself.
    Lapsed,
}

impl Reason {
    const ALL: [Self; 15] = [
        Self::Shown(Cause::Call),
        Self::Shown(Cause::DoNotDisturb),
        Self::ShownAsCall,
        Self::NothingToShow,
        Self::TeamsUnread,
        Self::XphoneUnread,
        Self::NotMatched,
        Self::PolicyOff,
        Self::PolicyTelephonyOnly,
        Self::Shadow,
        Self::OwnIsStronger,
        Self::NoDoNotDisturbProfile,
        Self::NoBusyStatus,
        Self::Overridden,
        Self::Lapsed,
    ];

    /// Stable text for storage and metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Shown(Cause::Call) => "shown_call",
            Self::Shown(Cause::DoNotDisturb) => "shown_do_not_disturb",
            Self::ShownAsCall => "shown_as_call",
            Self::NothingToShow => "nothing_to_show",
            Self::TeamsUnread => "teams_unread",
            Self::XphoneUnread => "xphone_unread",
            Self::NotMatched => "not_matched",
            Self::PolicyOff => "policy_off",
            Self::PolicyTelephonyOnly => "policy_telephony_only",
            Self::Shadow => "shadow",
            Self::OwnIsStronger => "own_is_stronger",
            Self::NoDoNotDisturbProfile => "no_do_not_disturb_profile",
            Self::NoBusyStatus => "no_busy_status",
            Self::Overridden => "overridden",
            Self::Lapsed => "lapsed",
        }
    }

    /// The reason that [`label`](Self::label) names.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.label() == label)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Shown(Cause::Call) => "shown, because of a Teams call",
            Self::Shown(Cause::DoNotDisturb) => "shown, because Teams is on do not disturb",
            Self::ShownAsCall => "shown as a call: the user presents, but has no active profile with the status Do not disturb",
            Self::NothingToShow => "Teams says nothing that XPhone should show",
            Self::TeamsUnread => "Teams has not been read yet for this user",
            Self::XphoneUnread => "XPhone has not been read yet for this user",
            Self::NotMatched => "no single Teams user has this user's e-mail address",
            Self::PolicyOff => "nothing is synchronised for this user",
            Self::PolicyTelephonyOnly => "only calls are synchronised for this user",
            Self::Shadow => "the policy is on trial (shadow): decided, but not shown",
            Self::OwnIsStronger => "XPhone itself already says as much or more",
            Self::NoDoNotDisturbProfile => {
                "the user has no active profile with the status Do not disturb; add one to My Profiles"
            }
            Self::NoBusyStatus => "the XPhone server names no status Busy",
            Self::Overridden => "somebody removed it in XPhone; it is not set again before its cause has ended",
            Self::Lapsed => "it ran out by itself; it is not set again before its cause has ended",
        })
    }
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
    let (slot, ran_out) = age(&snapshot.appointment, cause, snapshot.now);
    let wanted = wanted(snapshot, remembered).and_then(|wanted| match &slot {
        Slot::Suppressed { why: Suppression::Overridden, .. } => Err(Reason::Overridden),
        Slot::Suppressed { why: Suppression::Lapsed, .. } => Err(Reason::Lapsed),
        Slot::Empty | Slot::Shown(_) => Ok(wanted),
    });
    match wanted {
        Ok(wanted) if wanted.limit.is_some_and(|limit| limit <= snapshot.now) => lapse(snapshot, remembered, &wanted),
        Ok(wanted) => show(snapshot, remembered, &slot, &wanted),
        Err(reason @ (Reason::TeamsUnread | Reason::XphoneUnread)) => hold(remembered, slot, ran_out, reason),
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

/// What became of the slot by itself: run out, undone by a person, or free again because the cause has ended.
/// The second value says that something shown is now gone, or must go.
fn age(slot: &Slot, cause: Option<Cause>, now: Timestamp) -> (Slot, bool) {
    match slot {
        Slot::Suppressed { cause: suppressed, .. } if cause == Some(*suppressed) => (slot.clone(), false),
        Slot::Empty | Slot::Suppressed { .. } => (Slot::Empty, false),
        Slot::Shown(shown) => {
            let why = if shown.until <= now {
                Suppression::Lapsed
            } else if shown.sighting == Sighting::Removed {
                Suppression::Overridden
            } else {
                return (slot.clone(), false);
            };
            match shown.cause.or(cause) {
                Some(held) if cause == Some(held) => (Slot::Suppressed { cause: held, why, since: now }, true),
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
    let since = shown.filter(|shown| shown.cause == Some(wanted.cause)).map_or(now, |shown| shown.since);
    let kept = shown.filter(|shown| shown.appointment == wanted.appointment && shown.sighting != Sighting::Lost);
    let (until, push, revisit_at) = match kept.map(|shown| keep(snapshot, shown, wanted.limit)) {
        Some(Renewal::LookAgain(at)) => (kept.map_or(now, |shown| shown.until), false, at),
        Some(Renewal::MoveOn(end)) => (end, true, end - expiry::APPOINTMENT_LIFE / 2),
        None => {
            let end = expiry::appointment_end(now, wanted.limit);
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

/// What is shown already is right: only its end may need moving. A limit that came nearer moves it too.
fn keep(snapshot: &Snapshot, shown: &Shown, limit: Option<Timestamp>) -> Renewal {
    if let Some(limit) = limit.filter(|limit| *limit < shown.until) {
        return Renewal::MoveOn(limit);
    }
    let confirmed = snapshot.teams.filter(|teams| teams.source == Source::Read && teams.native.is_some());
    expiry::renewal(snapshot.now, shown.until, confirmed.map(|teams| teams.observed_at), limit)
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

/// Do not disturb has had its day.
fn lapse(snapshot: &Snapshot, remembered: Option<Remembered>, wanted: &Wanted) -> Decision {
    let slot = Slot::Suppressed { cause: wanted.cause, why: Suppression::Lapsed, since: snapshot.now };
    let shown = matches!(snapshot.appointment, Slot::Shown(_));
    Decision { remembered, appointment: slot, push: shown.then_some(Push::Clear), reason: Reason::Lapsed, revisit_at: None }
}
