//! The gateway's replicas: what runs by itself, each step one transaction or one call, so that a crash can fall between any two.

use jiff::Timestamp;

use super::mailbox::Content;
use super::mutant::Mutant;
use super::network::Asked;
use super::queue::Event;
use super::store::{APPOINTMENT, PREFERRED, SESSION};
use super::story::Fault;
use super::trace::describe;
use super::world::{World, timestamp, true_time};
use super::{account_of, laws};
use crate::domain::reconcile::{Decision, Push, SlotDecision, Snapshot, TeamsPush, decide};
use crate::domain::slot::{Record, Sighting, Slot, TeamsSlot};

/// What replicas do when it is due, as it stands in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activity {
    Reconcile,
    Confirm,
    Dispatch,
}

impl World {
    /// Plans what is due next.
    pub fn plan(&mut self) {
        let ahead = self.replicas.iter().filter(|replica| !replica.down).map(|replica| replica.skew).max();
        let Some(ahead) = ahead else { return };
        let clock = timestamp(self.now + ahead);
        let letters = (0..3).filter_map(|slot| self.store.letter_due_at(slot, clock)).min();
        let confirm = self.store.confirm_at.filter(|_| self.confirming.is_none() && self.store.teams_user.is_some());
        let wanted = [self.store.revisit_at, confirm, letters];
        for (index, activity) in [Activity::Reconcile, Activity::Confirm, Activity::Dispatch].into_iter().enumerate() {
            let Some(at) = wanted[index].map(|at| (true_time(at) - ahead).max(self.now)) else { continue };
            if self.planned[index].is_none_or(|planned| planned > at + 300 || planned < self.now) {
                let at = at + self.rng.i64(5..250);
                self.planned[index] = Some(at);
                self.at(at, Event::Act(activity));
            }
        }
    }

    pub fn act(&mut self, activity: Activity) {
        let index = activity as usize;
        if self.planned[index] != Some(self.now) {
            return;
        }
        self.planned[index] = None;
        let due = |at: Option<Timestamp>, now: Timestamp| at.is_some_and(|at| at <= now);
        let up: Vec<usize> = (0..self.replicas.len()).filter(|index| !self.replicas[*index].down).collect();
        let first = if up.len() > 1 { self.rng.usize(..up.len()) } else { 0 };
        for turn in 0..up.len() {
            let replica = up[(first + turn) % up.len()];
            let now = self.clock(replica);
            match activity {
                Activity::Reconcile if due(self.store.revisit_at, now) => self.reconcile(replica),
                Activity::Confirm if due(self.store.confirm_at, now) && self.confirming.is_none() => {
                    self.confirming = Some((replica, self.replicas[replica].life));
                    self.reads += 1;
                    self.read(replica, true);
                }
                Activity::Dispatch if (0..3).any(|slot| due(self.store.letter_due_at(slot, now), now)) => self.dispatch(replica),
                _ => continue,
            }
            self.acted(replica);
            return;
        }
    }

    fn reconcile(&mut self, replica: usize) {
        let now = self.clock(replica);
        let snapshot = self.store.snapshot(now, self.mutant);
        let decision = decide(&snapshot);
        self.decisions += 1;
        laws::same_again(self, &snapshot, &decision);
        laws::tells_apart(self, &snapshot, &decision);
        let decision = self.mutant.obey(&snapshot, decision);
        self.apply(&snapshot, &decision, now);
        laws::looked_at_again(self, &decision, now);
        let carried_out = self.store.snapshot(now, self.mutant);
        let again = self.mutant.obey(&carried_out, decide(&carried_out));
        laws::nothing_new(self, &again);
        self.count(&snapshot, &decision);
    }

    fn apply(&mut self, snapshot: &Snapshot, decision: &Decision, now: Timestamp) {
        if let Some(line) = self.trace.is_some().then(|| describe(snapshot, decision)).flatten() {
            self.tell(|_| line);
        }
        let store = &mut self.store;
        if store.appointment.slot != decision.appointment.slot
            || [&decision.session, &decision.preferred].iter().zip(&store.teams).any(|(new, row)| new.slot.record != row.record)
        {
            self.changed_at = self.now;
        }
        match &decision.appointment.push {
            Some(Push::Show { appointment, start, end }) => {
                let content = Content::Show { appointment: self.mutant.addressed(appointment.clone()), start: *start, end: *end };
                store.put(APPOINTMENT, content, now, self.mutant);
            }
            Some(Push::Clear) => store.put(APPOINTMENT, Content::Delete, now, self.mutant),
            None => {}
        }
        if !matches!(decision.appointment.slot, Slot::Shown(_)) {
            store.appointment.reached_at = None;
        }
        store.appointment.slot = decision.appointment.slot.clone();
        for (slot, decided) in [(SESSION, &decision.session), (PREFERRED, &decision.preferred)] {
            store.apply_teams(slot, decided, now, self.mutant);
        }
        store.remembered = decision.remembered;
        store.microphone_held = decision.microphone_held;
        if snapshot.microphone.has_ended(now) {
            store.forget_ended(now);
        }
        store.revisit_at = decision.revisit_at;
        store.decided_at = Some(now);
        if decision.read_teams && store.teams_user.is_some() {
            store.confirm_at = Some(store.confirm_at.map_or(now, |at| at.min(now)));
        }
    }

    /// Renewals are counted apart: only the others need a cause.
    fn count(&mut self, snapshot: &Snapshot, decision: &Decision) {
        laws::note_grounds(self, snapshot, decision);
        if let Some(push) = &decision.appointment.push {
            let renews = match (&snapshot.appointment, push) {
                (Slot::Shown(shown), Push::Show { appointment, .. }) => {
                    shown.appointment == *appointment && shown.sighting != Sighting::Lost
                }
                _ => false,
            };
            self.pushed(APPOINTMENT, renews, snapshot, decision);
        }
        let in_teams = [(SESSION, snapshot.session, &decision.session), (PREFERRED, snapshot.preferred, &decision.preferred)];
        for (slot, before, decided) in in_teams {
            let renews = matches!(before.record, Record::Shown { reached: Some(_), .. })
                && matches!(decided.push, Some(TeamsPush::Set(_)));
            if decided.push.is_some_and(|push| push != TeamsPush::Forget) {
                self.pushed(slot, renews, snapshot, decision);
            }
        }
    }

    fn pushed(&mut self, slot: usize, renews: bool, snapshot: &Snapshot, decision: &Decision) {
        if !renews {
            self.pushes += 1;
            self.since_cause[slot] += 1;
            laws::has_a_cause(self, slot, snapshot, decision);
        }
    }

    fn dispatch(&mut self, replica: usize) {
        let now = self.clock(replica);
        for slot in 0..3 {
            if self.store.letter_due_at(slot, now).is_none_or(|at| at > now) {
                continue;
            }
            let Some(letter) = self.store.claim(slot, now) else { continue };
            self.changed_at = self.now;
            self.tell(|_| format!("replica {replica} sends slot {slot}: {}, attempt {}", letter.content, letter.attempts));
            laws::sends(self, slot, &letter, now);
            laws::sets(self, slot, &letter, now);
            self.send(replica, Asked::Push { slot, letter });
        }
    }

    /// Reads the matched person's presence.
    pub fn read(&mut self, replica: usize, confirms: bool) {
        if let Some(user) = self.store.teams_user {
            self.send(replica, Asked::Read { account: account_of(user), user, confirms });
        }
    }

    /// The one who does what only one may do.
    pub fn leader(&self) -> Option<usize> {
        self.replicas.iter().position(|replica| !replica.down)
    }

    /// The sweep, the listener's round, the comparison.
    pub fn round(&mut self, index: usize) {
        let Some(leader) = self.leader() else { return };
        match index {
            0 if self.mutant == Mutant::NoSweep => {}
            0 => self.read(leader, false),
            1 => {
                if !self.listener.connected {
                    return;
                }
                if !self.fails(Fault::XphoneDown) {
                    let now = self.clock(self.listener.replica);
                    self.store.hear(now, self.mutant);
                }
                self.listener.rounds += 1;
                if self.listener.rounds.is_multiple_of(2) {
                    let connection = self.listener.connection;
                    self.send(self.listener.replica, Asked::Snapshot { connection, connecting: false });
                }
            }
            _ if self.mutant == Mutant::NoComparison => {}
            _ => self.send(leader, Asked::List),
        }
    }

    /// What the rounds that were left out would have recorded: the same as before, but newer.
    pub fn catch_up(&mut self) {
        let Some(leader) = self.leader() else { return };
        let now = self.clock(leader);
        if self.listener.connected {
            self.store.hear(now, self.mutant);
        }
        let unreadable = [Fault::GraphDown, Fault::GraphAnswersLost, Fault::GraphRefuses].iter().any(|fault| self.fails(*fault));
        if let (Some(user), false, true) = (self.store.teams_user, unreadable, self.mutant != Mutant::NoSweep) {
            let (visible, number) = self.accounts[account_of(user)].seen_at(self.now);
            let fact = self.fact(visible, number, now);
            self.store.record_read(fact, now);
        }
    }
}

impl super::store::Store {
    fn apply_teams(&mut self, slot: usize, decided: &SlotDecision<TeamsSlot, TeamsPush>, now: Timestamp, mutant: Mutant) {
        let before = self.teams_slot(slot);
        match decided.push {
            Some(TeamsPush::Set(user)) => self.put(slot, Content::Set(user), now, mutant),
            Some(TeamsPush::Clear(user)) => self.put(slot, Content::Clear(user), now, mutant),
            Some(TeamsPush::Forget) => self.letters[slot] = None,
            None => {}
        }
        let row = &mut self.teams[slot - SESSION];
        if (before.record, before.live) != (decided.slot.record, decided.slot.live) {
            row.record = decided.slot.record;
            row.live_from = decided.slot.live.map(|live| live.from);
            row.live_until = decided.slot.live.and_then(|live| live.until);
        }
    }
}
