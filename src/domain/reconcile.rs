//! The decision: from everything known about one user to what is shown on either side, why, and when to look again.
//!
//! Each side's *native* presence is worked out first; for Teams that means telling apart what our own slots look like there
//! ([`echo`]). Then each slot is decided for itself, from the other side's native presence and from what was recorded about the slot:
//! the appointment in XPhone ([`appointment`]), and session and preferred presence in Teams ([`teams`]). Where Teams leaves the
//! appointment free, it shows that a program uses the microphone ([`microphone`]).

mod appointment;
mod clocks;
mod echo;
mod microphone;
mod reason;
mod teams;
#[cfg(test)]
mod tests;
mod trial;
mod withdrawal;

use jiff::{SignedDuration, Timestamp};

use super::expiry;
use super::ids::{PresenceStateGuid, ProfileGuid, TeamsUserId};
use super::mapping::{StatusKind, TeamsNative, TeamsWords, XphoneEntry};
use super::microphone::Microphone;
use super::policy::EffectivePolicy;
use super::slot::{Appointment, Held, Slot, TeamsSlot};

pub use appointment::{APPOINTMENT_PROFILE, DO_NOT_DISTURB_SUBJECT, ON_THE_PHONE_SUBJECT, TEAMS_PROFILE};
pub use echo::{Echo, echo};
pub(crate) use microphone::entry as microphone_entry;
pub use reason::Reason;
pub use trial::on_trial;
pub use withdrawal::withdraw;

/// Everything known about one user at one moment.
#[derive(Clone, Debug)]
pub struct Snapshot {
    /// When it was taken.
    pub now: Timestamp,
    /// What may be shown.
    pub policy: EffectivePolicy,
    /// Settings that the rules depend on.
    pub timing: Timing,
    /// Whether XPhone keeps a status from others than team colleagues if it is told to.
    pub keeps_audience: bool,
    /// The one Teams user found for this XPhone user; `None`: none, or several.
    pub teams_user: Option<TeamsUserId>,
    /// The newest observation of Teams.
    pub teams: Option<TeamsObservation>,
    /// The newest one that a read made; the same where the newest was a read.
    pub confirmed: Option<TeamsObservation>,
    /// What Teams itself said when we last decided.
    pub remembered: Option<Remembered>,
    /// The newest observation of XPhone.
    pub xphone: Option<XphoneEntry>,
    /// Until when it is known to be true: when XPhone was last heard.
    pub xphone_heard_at: Option<Timestamp>,
    /// The user's *My Profiles*, in their order.
    pub profiles: Vec<Profile>,
    /// The server's status *Busy*, if it has one.
    pub busy_status: Option<PresenceStateGuid>,
    /// What the user's workstations report, and what may be told of it.
    pub microphone: Microphone,
    /// That the microphone is in use must not be shown again before that has ended.
    pub microphone_held: Option<Held>,
    /// What we recorded as shown in XPhone.
    pub appointment: Slot,
    /// Our session in Teams.
    pub session: TeamsSlot,
    /// The preferred presence in Teams.
    pub preferred: TeamsSlot,
}

/// Settings that the rules depend on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// After a slot in Teams was cleared, for how long notifications may still tell of it.
    pub notification_grace: SignedDuration,
    /// The same for reads.
    pub read_grace: SignedDuration,
    /// How long a session lives unless it is renewed.
    pub session_life: SignedDuration,
}

impl Default for Timing {
    /// Graph promises to deliver within a minute; a session of a quarter of an hour outlives us only briefly.
    fn default() -> Self {
        Self {
            notification_grace: SignedDuration::from_secs(60),
            read_grace: SignedDuration::from_secs(10),
            session_life: SignedDuration::from_mins(15),
        }
    }
}

/// What the rules depend on besides facts: the same for everybody, as long as the gateway runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Settings.
    pub timing: Timing,
    /// Whether XPhone keeps a status from others than team colleagues if it is told to.
    pub keeps_audience: bool,
}

/// What Teams was last seen to say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TeamsObservation {
    /// What is visible there; `None`: Teams did not know.
    pub words: Option<TeamsWords>,
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
    /// What XPhone is to show.
    pub appointment: SlotDecision<Slot, Push>,
    /// What to remember of a use of the microphone that is not shown again.
    pub microphone_held: Option<Held>,
    /// What our session in Teams is to say.
    pub session: SlotDecision<TeamsSlot, TeamsPush>,
    /// What the preferred presence in Teams is to say.
    pub preferred: SlotDecision<TeamsSlot, TeamsPush>,
    /// Teams is to be read now: something can only be decided then.
    pub read_teams: bool,
    /// When to look again though nothing happens.
    pub revisit_at: Option<Timestamp>,
}

/// What is to be done about one slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SlotDecision<Recorded, Pushed> {
    /// What to record.
    pub slot: Recorded,
    /// What to send, if anything changes there.
    pub push: Option<Pushed>,
    /// Why it is so.
    pub reason: Reason,
}

/// What the dispatcher is to send to XPhone.
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

/// What the dispatcher is to send to Teams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TeamsPush {
    /// Set it, for a whole life from when Graph takes it.
    Set(TeamsUserId),
    /// Take it away.
    Clear(TeamsUserId),
    /// Send nothing, not even what was to be sent: it is no longer ours.
    Forget,
}

/// When a slot wants to be looked at again, and when Teams must have been read for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wake {
    revisit_at: Option<Timestamp>,
    read_at: Option<Timestamp>,
}

/// Decides. The same snapshot always gives the same decision.
#[must_use]
pub fn decide(snapshot: &Snapshot) -> Decision {
    let snapshot = &*clocks::righted(snapshot);
    let remembered = echo::remember(snapshot);
    let (appointment, microphone_held, look_again) = appointment::decide(snapshot, remembered);
    let native = remembered.map(|remembered| remembered.native);
    let (session, session_wake) = teams::session(snapshot, native);
    let (preferred, preferred_wake) = teams::preferred(snapshot, native);
    let microphone_wake = Wake { revisit_at: snapshot.microphone.look_again_at(snapshot.now), read_at: None };
    let wakes = [Wake { revisit_at: look_again, read_at: None }, microphone_wake, session_wake, preferred_wake];
    let read_teams = wakes.iter().any(|wake| wake.read_at.is_some_and(|at| at <= snapshot.now));
    let revisit_at = wakes.iter().filter_map(|wake| earliest(wake, snapshot.now)).min();
    Decision { remembered, appointment, microphone_held, session, preferred, read_teams, revisit_at }
}

/// A read that is asked for now may fail: then it is asked for again. However near, nobody is looked at again without a pause.
fn earliest(wake: &Wake, now: Timestamp) -> Option<Timestamp> {
    let read = wake.read_at.map(|at| if at <= now { now + expiry::READ_RETRY } else { at });
    let next = [wake.revisit_at, read].into_iter().flatten().min();
    next.map(|at| at.max(now + expiry::REVISIT_MIN))
}
