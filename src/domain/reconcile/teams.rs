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
use crate::domain::slot::{Live, Pending, Reached, Record, Suppression, TeamsSlot};

/// Between two reads for the same evidence.
const READ_PAUSE: SignedDuration = SignedDuration::from_secs(3);

/// How much later than we know a slot may end by itself: Graph counts from when it took the request.
const END_SLACK: SignedDuration = SignedDuration::from_mins(1);

type Decided = (SlotDecision<TeamsSlot, TeamsPush>, Wake);

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
    /// A read shows presenting or focusing, which nobody picks: whether ours is behind it shows when it ends.
    Hidden,
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
        wake.read_at = [wake.read_at, self.read_before_clear(decision.slot)].into_iter().flatten().min();
        if let Some(until) = decision.slot.live.and_then(|live| live.until) {
            let now = self.snapshot.now;
            let pause = if until + expiry::READ_PURSUED < now { expiry::READ_PURSUED } else { expiry::READ_RETRY };
            let over_at = (until + self.snapshot.timing.notification_grace).max(now + pause);
            wake.revisit_at = [wake.revisit_at, Some(over_at)].into_iter().flatten().min();
        }
        (decision, wake)
    }

    /// What waits long to be taken away must still be ours when it is sent: when Teams is to be read for that.
    fn read_before_clear(&self, slot: TeamsSlot) -> Option<Timestamp> {
        let clear = slot.pending.filter(|pending| !pending.shows && self.presence == Presence::DoNotDisturb)?;
        let same = self.snapshot.teams_user == Some(clear.teams_user);
        let known_at = self.snapshot.confirmed.map_or(clear.decided_at, |read| read.observed_at.max(clear.decided_at));
        same.then_some(known_at + expiry::EVIDENCE_MAX)
    }

    /// What became of the slot by itself, or by a person's hand; and what is to be sent about it.
    fn age(&self) -> (TeamsSlot, Option<TeamsPush>) {
        match self.slot.record {
            Record::Empty | Record::Suppressed { .. } => {
                let over = matches!(self.slot.record, Record::Suppressed { .. }) && !self.goes_on();
                let slot = if over { TeamsSlot { record: Record::Empty, ..self.slot } } else { self.slot };
                if !self.clear_is_moot() {
                    return (slot, None);
                }
                (TeamsSlot { live: closed(slot.live, self.snapshot.now), pending: None, ..slot }, Some(TeamsPush::Forget))
            }
            Record::Shown { teams_user, .. } if self.snapshot.teams_user != Some(teams_user) => self.cleared(teams_user),
            Record::Shown { teams_user, reached: Some(Reached { until, .. }), .. } if until <= self.snapshot.now => {
                self.lapsed(teams_user)
            }
            Record::Shown { since, reached, .. } if self.evidence(since, reached) == Evidence::Undone => {
                (self.forgotten(Suppression::Overridden), Some(TeamsPush::Forget))
            }
            Record::Shown { .. } => (if self.goes_on() { self.slot } else { self.given_up() }, None),
        }
    }

    /// Once XPhone was heard without the cause, this one is over: whatever XPhone says next is another. And what Graph has not confirmed
    /// nobody can have undone.
    fn given_up(&self) -> TeamsSlot {
        match self.slot.record {
            Record::Shown { teams_user, since, reached, .. } => {
                TeamsSlot { record: Record::Shown { teams_user, since, reached, given_up: true }, ..self.slot }
            }
            Record::Empty | Record::Suppressed { .. } => self.slot,
        }
    }

    /// What waits to be taken away has ended by itself meanwhile, or a user has picked something else in its place.
    fn clear_is_moot(&self) -> bool {
        let Some(clear) = self.slot.pending.filter(|pending| !pending.shows) else { return false };
        let ran_out = self.slot.live.is_some_and(|live| live.until.is_some_and(|until| until <= self.snapshot.now));
        // Reads tell of the one matched now, perhaps not of the one to be cleared.
        let same = self.snapshot.teams_user == Some(clear.teams_user);
        let read = self.snapshot.confirmed.filter(|read| same && read.observed_at > clear.decided_at);
        let picked = self.presence == Presence::DoNotDisturb && read.is_some_and(|read| whose(read) == Some(Whose::Theirs));
        ran_out || picked
    }

    /// It is to be taken away, whatever Teams shows; at the latest it ends by itself.
    fn cleared(&self, teams_user: TeamsUserId) -> (TeamsSlot, Option<TeamsPush>) {
        let until = match (self.slot.record, self.slot.pending) {
            (Record::Shown { reached: Some(reached), .. }, None) => reached.until,
            // What lies in the mailbox may arrive even now.
            _ => self.snapshot.now + self.life(),
        };
        if self.is_unsent() {
            return (TeamsSlot { record: Record::Empty, pending: None, ..self.slot }, Some(TeamsPush::Clear(teams_user)));
        }
        let live = self.slot.live.map(|live| Live { until: Some(until + END_SLACK), ..live });
        let pending = live.map(|_| self.letter(teams_user, false));
        (TeamsSlot { record: Record::Empty, live, pending }, Some(TeamsPush::Clear(teams_user)))
    }

    /// What lies in the mailbox has not been sent: what was there before it has ended, and is no longer than that.
    fn is_unsent(&self) -> bool {
        let sets = self.slot.pending.is_some_and(|pending| pending.shows);
        sets && self.slot.live.is_some_and(|live| live.until.is_some())
    }

    fn letter(&self, teams_user: TeamsUserId, shows: bool) -> Pending {
        let claimed_until = self.slot.pending.and_then(|pending| pending.claimed_until);
        Pending { teams_user, shows, decided_at: self.snapshot.now, claimed_until }
    }

    fn life(&self) -> SignedDuration {
        match self.presence {
            Presence::DoNotDisturb => expiry::DO_NOT_DISTURB_LIFE,
            _ => self.snapshot.timing.session_life,
        }
    }

    /// It ran out by itself. Where the user may have picked the same meanwhile, whatever is there now stays; a session goes for sure.
    fn lapsed(&self, teams_user: TeamsUserId) -> (TeamsSlot, Option<TeamsPush>) {
        if self.presence == Presence::DoNotDisturb {
            return (self.forgotten(Suppression::Lapsed), Some(TeamsPush::Forget));
        }
        let (cleared, push) = self.cleared(teams_user);
        (TeamsSlot { record: self.suppressed(Suppression::Lapsed), ..cleared }, push)
    }

    /// Until its cause ends it is not set again.
    fn suppressed(&self, why: Suppression) -> Record {
        let since = self.snapshot.now;
        if self.goes_on() && !self.is_given_up() { Record::Suppressed { why, since } } else { Record::Empty }
    }

    /// The same, where it is no longer ours from now on.
    fn forgotten(&self, why: Suppression) -> TeamsSlot {
        TeamsSlot { record: self.suppressed(why), live: closed(self.slot.live, self.snapshot.now), pending: None }
    }

    /// As long as XPhone is not heard nothing says that a cause has ended.
    fn goes_on(&self) -> bool {
        self.heard().is_none_or(|entry| entry.says(self.cause))
    }

    /// Whether it only waits to be taken away: if it is wanted now, it is set anew.
    fn is_given_up(&self) -> bool {
        matches!(self.slot.record, Record::Shown { given_up: true, .. })
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
            _ if self.slot.pending.is_some_and(|pending| pending.teams_user != teams_user) => Err(Reason::StillClearing),
            _ => Ok(teams_user),
        }
    }

    fn show(self, teams_user: TeamsUserId) -> Decided {
        let now = self.snapshot.now;
        let reason = Reason::Shown(self.cause);
        let Record::Shown { reached, given_up: false, .. } = self.slot.record else {
            let record = Record::Shown { teams_user, since: now, reached: None, given_up: false };
            let slot = TeamsSlot { record, pending: Some(self.letter(teams_user, true)), ..self.slot };
            return (SlotDecision { slot, push: Some(TeamsPush::Set(teams_user)), reason }, Wake::default());
        };
        let set = |slot: TeamsSlot, revisit_at| {
            let slot = TeamsSlot { pending: Some(self.letter(teams_user, true)), ..slot };
            let decision = SlotDecision { slot, push: Some(TeamsPush::Set(teams_user)), reason };
            (decision, Wake { revisit_at, read_at: None })
        };
        let keep = |slot, revisit_at| (SlotDecision { slot, push: None, reason }, Wake { revisit_at, read_at: None });
        match (reached, self.slot.pending) {
            (None, None) => set(self.slot, None),
            // Graph's confirmation wakes us; and it must not be sent on the word of an XPhone that has fallen silent.
            (None, Some(_)) => keep(self.slot, self.snapshot.xphone_heard_at.map(|at| at + expiry::XPHONE_TRUSTED)),
            (Some(reached), Some(_)) => keep(self.slot, Some(reached.until)),
            (Some(reached), None) if self.presence == Presence::DoNotDisturb => {
                let (decision, wake) = keep(self.slot, Some(reached.until));
                (decision, Wake { read_at: self.read_after_set(reached), ..wake })
            }
            (Some(reached), None) => {
                let half_time = reached.until - self.snapshot.timing.session_life / 2;
                if half_time <= now { set(self.slot, Some(reached.until)) } else { keep(self.slot, Some(half_time)) }
            }
        }
    }

    /// Whoever switched it off at once was read while reads still lagged: one read after that tells. `None`: it was made.
    fn read_after_set(&self, reached: Reached) -> Option<Timestamp> {
        let certain_at = reached.at + self.snapshot.timing.read_grace;
        let read = self.snapshot.confirmed.is_some_and(|read| read.observed_at >= certain_at);
        (!read).then_some(certain_at)
    }

    /// Whether what is shown may wait until more is known: only while nothing that is known speaks against it. What Graph has not
    /// confirmed yet does not wait for an XPhone that is not heard: nothing new is shown on its word.
    fn may_stay(&self) -> bool {
        let policy = self.snapshot.policy;
        let allowed = !policy.shadow && policy.mode.lets_through(self.presence);
        let unconfirmed = matches!(self.slot.record, Record::Shown { reached: None, .. });
        let heard = self.heard().is_some() || !unconfirmed;
        allowed && heard && self.goes_on() && !self.is_given_up() && self.native.is_none_or(|native| !self.is_hidden_by(native))
    }

    /// Whether Teams itself says as much or more.
    ///
    /// Who is signed out reads Offline whatever is preferred; our session brings a do not disturb picked before to light, and
    /// taking the session back would hide it again, and so on for ever. So do not disturb keeps a session from being set, but
    /// takes no session back: that would change nothing that anybody sees. And where our session is seen, what would hide it has gone.
    fn is_hidden_by(&self, native: TeamsNative) -> bool {
        let live = self.slot.live.is_some() && matches!(self.slot.record, Record::Shown { .. });
        let may_stay = match self.snapshot.teams.and_then(|newest| newest.words) {
            Some(TeamsWords::DoNotDisturb) => true,
            Some(TeamsWords::InACall) => native != TeamsNative::Call,
            _ => false,
        };
        own(native) >= self.presence && !(self.cause == Cause::Call && live && may_stay)
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
        let Record::Shown { teams_user, since, reached, .. } = self.slot.record else {
            return (SlotDecision { slot: self.slot, push: None, reason }, Wake::default());
        };
        match (self.evidence(since, reached), reached) {
            (Evidence::Ours, _) => {
                let (slot, push) = self.cleared(teams_user);
                (SlotDecision { slot, push, reason }, Wake::default())
            }
            (Evidence::Undone, _) => {
                let live = closed(self.slot.live, self.snapshot.now);
                let slot = TeamsSlot { record: Record::Empty, pending: None, live };
                (SlotDecision { slot, push: Some(TeamsPush::Forget), reason }, Wake::default())
            }
            (Evidence::Hidden, _) => self.stay(Reason::AwaitingRead),
            (Evidence::Unknown { .. }, None) => self.withdraw(teams_user, since, reason),
            (Evidence::Unknown { read_at }, Some(_)) => {
                let (decision, wake) = self.stay(Reason::AwaitingRead);
                (decision, Wake { read_at: Some(read_at), ..wake })
            }
        }
    }

    /// What Graph has not confirmed must not be tried again, but may have arrived: it is no longer sent, and counts as having arrived
    /// now, so that reads can tell. Whatever is just being sent is waited for.
    fn withdraw(self, teams_user: TeamsUserId, since: Timestamp, reason: Reason) -> Decided {
        let now = self.snapshot.now;
        if self.is_unsent() {
            let slot = TeamsSlot { record: Record::Empty, pending: None, ..self.slot };
            let decision = SlotDecision { slot, push: Some(TeamsPush::Forget), reason };
            return (decision, Wake::default());
        }
        if let Some(until) = self.slot.pending.and_then(|pending| pending.claimed_until).filter(|until| *until > now) {
            let wake = Wake { revisit_at: Some(until.min(now + READ_PAUSE)), read_at: None };
            return (SlotDecision { slot: self.given_up(), push: None, reason: Reason::AwaitingRead }, wake);
        }
        let reached = Some(Reached { at: now, until: now + self.life() });
        let record = Record::Shown { teams_user, since, reached, given_up: true };
        let slot = TeamsSlot { record, pending: None, ..self.slot };
        let wake = Wake { revisit_at: None, read_at: Some(now + self.snapshot.timing.read_grace) };
        (SlotDecision { slot, push: Some(TeamsPush::Forget), reason: Reason::AwaitingRead }, wake)
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
        let newest = self.snapshot.teams.filter(|newest| newest.source == Source::Notification);
        let contradicted = newest.is_some_and(|newest| whose(newest) == Some(Whose::Theirs));
        if contradicted || read.observed_at + expiry::EVIDENCE_MAX < now {
            return Evidence::Unknown { read_at: now };
        }
        let certain = certain_at.is_some_and(|at| read.observed_at >= at);
        match whose(read) {
            Some(Whose::Ours) => Evidence::Ours,
            Some(Whose::Theirs) if certain => Evidence::Undone,
            None if certain => Evidence::Hidden,
            _ => Evidence::Unknown { read_at: certain_at.unwrap_or(again_at) },
        }
    }
}

/// Who made what is visible, where it tells something of the preferred presence.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Whose {
    Ours,
    Theirs,
}

/// Ours looks like plain do not disturb, or like nothing for a user who is signed out and then reads the same whatever is preferred.
/// Presenting and the like are do not disturb too, and picked by nobody: they tell nothing.
fn whose(observation: TeamsObservation) -> Option<Whose> {
    match observation.words? {
        TeamsWords::DoNotDisturb | TeamsWords::Offline => Some(Whose::Ours),
        TeamsWords::Presenting | TeamsWords::Focusing => None,
        TeamsWords::Free | TeamsWords::InACall | TeamsWords::InAConferenceCall => Some(Whose::Theirs),
    }
}

/// How strong Teams' own presence is, whatever the policy lets through: nothing weaker would be visible.
fn own(native: TeamsNative) -> Presence {
    native.presence(Mode::TelephonyAndPresence)
}

/// A window that ends now, unless it has ended.
fn closed(live: Option<Live>, now: Timestamp) -> Option<Live> {
    live.map(|live| Live { until: Some(live.until.map_or(now, |until| until.min(now))), ..live })
}
