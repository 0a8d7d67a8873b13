//! The two slots in Teams: a session that says *in a call*, and the preferred presence *do not disturb*.
//!
//! They do not know of one another: an XPhone user who is on a call and on do not disturb holds both. What differs between them is
//! only who can undo them. Nobody but us ends our session. The preferred presence is one place for us and for the user: what we put
//! there is taken away only while a read shows that it is still ours, and once a user has switched it off it is not set again.

use jiff::{SignedDuration, Timestamp};

use super::reason::Reason;
use super::{SlotDecision, Snapshot, Source, TeamsObservation, TeamsPush, Wake, echo};
use crate::domain::expiry;
use crate::domain::ids::TeamsUserId;
use crate::domain::mapping::{Cause, TeamsNative, TeamsWords, XphoneEntry};
use crate::domain::policy::Mode;
use crate::domain::presence::Presence;
use crate::domain::slot::{Live, Reached, Record, Suppression, TeamsSlot};

type Decided = (SlotDecision<TeamsSlot, TeamsPush>, Wake);

/// A read older than this proves nothing about what the user did meanwhile.
const EVIDENCE_MAX: SignedDuration = SignedDuration::from_mins(2);

/// Decides about our session: Busy/InACall while XPhone has a call or a meeting with sound.
pub(super) fn session(snapshot: &Snapshot, native: Option<TeamsNative>) -> Decided {
    let case = Case { snapshot, native, cause: Cause::Call, presence: Presence::OnThePhone, slot: snapshot.session };
    case.decide()
}

/// Decides about the preferred presence: do not disturb while XPhone is.
pub(super) fn preferred(snapshot: &Snapshot, native: Option<TeamsNative>) -> Decided {
    let case = Case { snapshot, native, cause: Cause::DoNotDisturb, presence: Presence::DoNotDisturb, slot: snapshot.preferred };
    case.decide()
}

/// Between two reads for the same evidence.
const READ_PAUSE: SignedDuration = SignedDuration::from_secs(3);

/// One slot, and what is known for it.
#[derive(Clone, Copy)]
struct Case<'a> {
    snapshot: &'a Snapshot,
    native: Option<TeamsNative>,
    cause: Cause,
    presence: Presence,
    slot: TeamsSlot,
}

/// Whose the preferred presence is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Evidence {
    /// A fresh read shows it, or nothing was sent yet.
    Ours,
    /// A read shows something else: the user picked it.
    Undone,
    /// No read tells yet; one from this moment on may.
    Unknown { read_at: Timestamp },
}

impl Case<'_> {
    fn decide(self) -> Decided {
        let (aged, pushed) = self.age();
        let case = Self { slot: aged, ..self };
        let (mut decision, mut wake) = match case.wanted() {
            Ok(teams_user) => case.show(teams_user),
            Err(reason @ (Reason::TeamsUnread | Reason::XphoneUnread)) if case.may_stay() => case.stay(reason),
            Err(reason) => case.take_back(reason),
        };
        decision.push = decision.push.or(pushed);
        decision.slot.live = echo::close(self.snapshot, decision.slot);
        wake.read_at = [wake.read_at, echo::read_after_clear(self.snapshot, decision.slot.live)].into_iter().flatten().min();
        if let Some(until) = decision.slot.live.and_then(|live| live.until) {
            let over_at = (until + self.snapshot.timing.notification_grace).max(self.snapshot.now + expiry::READ_RETRY);
            wake.revisit_at = [wake.revisit_at, Some(over_at)].into_iter().flatten().min();
        }
        (decision, wake)
    }

    /// What became of the slot by itself, or by a person's hand; and what is to be sent about it.
    fn age(&self) -> (TeamsSlot, Option<TeamsPush>) {
        match self.slot.record {
            Record::Suppressed { .. } if !self.goes_on() => (TeamsSlot { record: Record::Empty, ..self.slot }, None),
            Record::Shown { teams_user, .. } if self.snapshot.teams_user != Some(teams_user) => {
                let pending = self.slot.live.map(|_| teams_user);
                (TeamsSlot { record: Record::Empty, pending, ..self.slot }, Some(TeamsPush::Clear(teams_user)))
            }
            Record::Shown { teams_user, reached: Some(Reached { until, .. }), .. } if until <= self.snapshot.now => {
                self.lapsed(teams_user)
            }
            Record::Shown { since, reached, .. } if self.evidence(since, reached) == Evidence::Undone => {
                (self.forgotten(Suppression::Overridden), Some(TeamsPush::Forget))
            }
            Record::Empty | Record::Suppressed { .. } | Record::Shown { .. } => (self.slot, None),
        }
    }

    /// It ran out by itself. Where the user may have picked the same meanwhile, whatever is there now stays; a session goes for sure.
    fn lapsed(&self, teams_user: TeamsUserId) -> (TeamsSlot, Option<TeamsPush>) {
        if self.presence == Presence::DoNotDisturb {
            return (self.forgotten(Suppression::Lapsed), Some(TeamsPush::Forget));
        }
        let slot = TeamsSlot { pending: Some(teams_user), ..self.suppressed(Suppression::Lapsed) };
        (slot, Some(TeamsPush::Clear(teams_user)))
    }

    /// Until its cause ends it is not set again.
    fn suppressed(&self, why: Suppression) -> TeamsSlot {
        let since = self.snapshot.now;
        let record = if self.goes_on() { Record::Suppressed { why, since } } else { Record::Empty };
        TeamsSlot { record, ..self.slot }
    }

    /// The same, where it is no longer ours from now on.
    fn forgotten(&self, why: Suppression) -> TeamsSlot {
        TeamsSlot { live: closed(self.slot.live, self.snapshot.now), pending: None, ..self.suppressed(why) }
    }

    /// As long as XPhone is not heard nothing says that a cause has ended.
    fn goes_on(&self) -> bool {
        self.heard().is_none_or(|entry| entry.says(self.cause))
    }

    /// What XPhone says, if it is still known to be true.
    fn heard(&self) -> Option<XphoneEntry> {
        let heard_at = self.snapshot.xphone_heard_at?;
        self.snapshot.xphone.filter(|_| heard_at + expiry::XPHONE_TRUSTED > self.snapshot.now)
    }

    fn wanted(&self) -> Result<TeamsUserId, Reason> {
        let policy = self.snapshot.policy;
        let teams_user = self.snapshot.teams_user.ok_or(Reason::NotMatched)?;
        if policy.mode == Mode::None {
            return Err(Reason::PolicyOff);
        }
        if !self.heard().ok_or(Reason::XphoneUnread)?.says(self.cause) {
            return Err(Reason::NothingToShow);
        }
        if !policy.mode.lets_through(self.presence) {
            return Err(Reason::PolicyTelephonyOnly);
        }
        if self.is_hidden_by(self.native.ok_or(Reason::TeamsUnread)?) {
            return Err(Reason::OwnIsStronger);
        }
        if policy.shadow {
            return Err(Reason::Shadow);
        }
        match self.slot.record {
            Record::Suppressed { why, .. } => Err(Reason::from(why)),
            // The mailbox holds one letter: what was shown for somebody else must be taken away before it is used again.
            _ if self.slot.pending.is_some_and(|addressee| addressee != teams_user) => Err(Reason::StillClearing),
            _ => Ok(teams_user),
        }
    }

    fn show(self, teams_user: TeamsUserId) -> Decided {
        let now = self.snapshot.now;
        let reason = Reason::Shown(self.cause);
        let Record::Shown { reached, .. } = self.slot.record else {
            let record = Record::Shown { teams_user, since: now, reached: None };
            let slot = TeamsSlot { record, pending: Some(teams_user), ..self.slot };
            return (SlotDecision { slot, push: Some(TeamsPush::Set(teams_user)), reason }, Wake::default());
        };
        let set = |slot: TeamsSlot, revisit_at| {
            let slot = TeamsSlot { pending: Some(teams_user), ..slot };
            let decision = SlotDecision { slot, push: Some(TeamsPush::Set(teams_user)), reason };
            (decision, Wake { revisit_at, read_at: None })
        };
        let keep = |slot, revisit_at| (SlotDecision { slot, push: None, reason }, Wake { revisit_at, read_at: None });
        match (reached, self.slot.pending) {
            (None, None) => set(self.slot, None),
            // Graph's confirmation wakes us.
            (None, Some(_)) => keep(self.slot, None),
            (Some(reached), Some(_)) => keep(self.slot, Some(reached.until)),
            (Some(reached), None) if self.presence == Presence::DoNotDisturb => keep(self.slot, Some(reached.until)),
            (Some(reached), None) => {
                let half_time = reached.until - self.snapshot.timing.session_life / 2;
                if half_time <= now { set(self.slot, Some(reached.until)) } else { keep(self.slot, Some(half_time)) }
            }
        }
    }

    /// Whether what is shown may wait until more is known: only while nothing that is known speaks against it.
    fn may_stay(&self) -> bool {
        let policy = self.snapshot.policy;
        let allowed = !policy.shadow && policy.mode.lets_through(self.presence);
        allowed && self.goes_on() && self.native.is_none_or(|native| !self.is_hidden_by(native))
    }

    /// Whether Teams itself says as much or more.
    ///
    /// Who is signed out reads Offline whatever is preferred; our session brings a do not disturb picked before to light, and
    /// taking the session back would hide it again, and so on for ever. So do not disturb keeps a session from being set, but
    /// takes no session back: that would change nothing that anybody sees.
    fn is_hidden_by(&self, native: TeamsNative) -> bool {
        let brought_to_light = self.cause == Cause::Call
            && self.slot.live.is_some()
            && matches!(self.slot.record, Record::Shown { .. })
            && self.snapshot.teams.is_some_and(|newest| newest.words == Some(TeamsWords::DoNotDisturb));
        own(native) >= self.presence && !brought_to_light
    }

    /// Nothing changes before more is known, and nothing is renewed.
    fn stay(self, reason: Reason) -> Decided {
        let revisit_at = match self.slot.record {
            Record::Shown { reached: Some(reached), .. } => Some(reached.until),
            _ => None,
        };
        (SlotDecision { slot: self.slot, push: None, reason }, Wake { revisit_at, read_at: None })
    }

    fn take_back(self, reason: Reason) -> Decided {
        let Record::Shown { teams_user, since, reached } = self.slot.record else {
            return (SlotDecision { slot: self.slot, push: None, reason }, Wake::default());
        };
        match self.evidence(since, reached) {
            Evidence::Unknown { read_at } => {
                let (mut decision, mut wake) = self.stay(Reason::AwaitingRead);
                decision.slot = self.slot;
                wake.read_at = Some(read_at);
                (decision, wake)
            }
            Evidence::Ours => {
                let pending = self.slot.live.map(|_| teams_user);
                let slot = TeamsSlot { record: Record::Empty, pending, ..self.slot };
                (SlotDecision { slot, push: Some(TeamsPush::Clear(teams_user)), reason }, Wake::default())
            }
            Evidence::Undone => {
                let slot = TeamsSlot { record: Record::Empty, pending: None, live: closed(self.slot.live, self.snapshot.now) };
                (SlotDecision { slot, push: Some(TeamsPush::Forget), reason }, Wake::default())
            }
        }
    }

    /// Whether what Teams shows is still what we put there. A session is always ours. What was seen before it was put there this
    /// time proves nothing, and as long as Graph has not confirmed it, nobody can have switched it off.
    fn evidence(&self, since: Timestamp, reached: Option<Reached>) -> Evidence {
        let Some(live) = self.slot.live.filter(|_| self.presence == Presence::DoNotDisturb) else { return Evidence::Ours };
        let now = self.snapshot.now;
        let certain_at = reached.map(|reached| reached.at + self.snapshot.timing.read_grace);
        // A read that did not help is not repeated at once.
        let again_at = self.snapshot.confirmed.map_or(now, |read| now.max(read.observed_at + READ_PAUSE));
        let Some(read) = self.snapshot.confirmed.filter(|read| read.observed_at >= live.from.max(since)) else {
            return Evidence::Unknown { read_at: again_at };
        };
        let contradicted = self.snapshot.teams.is_some_and(|newest| newest.source == Source::Notification && !shows_ours(newest));
        let stale = read.observed_at + EVIDENCE_MAX < now;
        match (shows_ours(read), contradicted || stale) {
            (_, true) => Evidence::Unknown { read_at: now },
            (true, false) => Evidence::Ours,
            (false, false) if certain_at.is_some_and(|at| read.observed_at >= at) => Evidence::Undone,
            (false, false) => Evidence::Unknown { read_at: certain_at.unwrap_or(again_at) },
        }
    }
}

/// Our do not disturb, or a user who is signed out: who then reads the same whatever is preferred.
fn shows_ours(observation: TeamsObservation) -> bool {
    matches!(observation.words, Some(TeamsWords::DoNotDisturb | TeamsWords::Offline))
}

/// How strong Teams' own presence is, whatever the policy lets through: nothing weaker would be visible.
fn own(native: TeamsNative) -> Presence {
    native.presence(Mode::TelephonyAndPresence)
}

/// A window that ends now, unless it has ended.
fn closed(live: Option<Live>, now: Timestamp) -> Option<Live> {
    live.map(|live| Live { until: live.until.or(Some(now)), ..live })
}
