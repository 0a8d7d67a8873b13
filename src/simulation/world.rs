//! The world of one story: both systems, the gateway's replicas and the network between them, one event after another.

use std::collections::BinaryHeap;

use jiff::Timestamp;

use super::graph::{Account, RanOut};
use super::mutant::Mutant;
use super::oracle::Oracle;
use super::queue::{At, Event};
use super::replica::{Listener, Replica};
use super::store::{APPOINTMENT, PREFERRED, SESSION, Store};
use super::story::{FAULTS, Fault, MINUTE, Ms, SECOND, Setup, Story, WORKSTATIONS};
use super::workstation::{Workstation, workstations};
use super::xphone::Server;
use super::{laws, profiles, reports, teams_user};

/// Where true time begins.
const EPOCH: Ms = 1_700_000_000_000;

/// What went wrong, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The name of the invariant.
    pub law: &'static str,
    /// What was seen.
    pub what: String,
    /// When.
    pub at: Ms,
}

/// Everything.
pub struct World {
    pub now: Ms,
    pub rng: fastrand::Rng,
    pub setup: Setup,
    pub mutant: Mutant,
    pub accounts: [Account; 2],
    pub xphone: Server,
    pub workstations: [Workstation; WORKSTATIONS],
    pub store: Store,
    pub replicas: Vec<Replica>,
    pub listener: Listener,
    pub oracle: Oracle,
    /// Until when each fault lasts.
    pub faults: [Ms; FAULTS.len()],
    /// When each activity is planned.
    pub planned: [Option<Ms>; 3],
    /// A read that confirms is under way, and whose.
    pub confirming: Option<(usize, u32)>,
    /// When the sweep, the listener's round and the comparison are next.
    pub rounds: [Ms; 3],
    /// When anything last changed in the gateway or its sides.
    pub changed_at: Ms,
    /// Pushes decided that renew nothing, and facts that gave cause for them.
    pub pushes: u32,
    pub causes: u32,
    /// When the gateway was last told that a do not disturb of the person's own shows in XPhone.
    pub told_at: Option<Ms>,
    /// What was known when each slot was pushed last.
    pub grounds: [laws::Held; 3],
    /// The same pushes, by slot, since the last cause.
    pub since_cause: [u32; 3],
    /// Reads that confirm.
    pub reads: u32,
    pub decisions: u32,
    /// Reports that told the gateway something new.
    pub news: u32,
    /// When a notification came last that was later than promised.
    pub late_at: Ms,
    /// When our session was cleared over a call of Teams.
    pub cleared_at: Option<Ms>,
    pub broken: Option<Broken>,
    pub trace: Option<Vec<String>>,
    pub events: u64,
    heap: BinaryHeap<At>,
    order: u64,
    ends_at: Option<Ms>,
}

/// How often the sweep, the listener's round and the comparison come.
pub const ROUNDS: [Ms; 3] = [MINUTE, 30 * SECOND, 15 * SECOND];

impl World {
    pub fn new(story: &Story, mutant: Mutant, traced: bool) -> Self {
        let setup = story.setup;
        let begin = timestamp(0);
        let mut world = Self {
            now: 0,
            rng: fastrand::Rng::with_seed(story.seed),
            setup,
            mutant,
            accounts: [Account::new(setup.conference_wins), Account::new(setup.conference_wins)],
            xphone: Server::new(),
            workstations: workstations(),
            store: Store::new(setup, teams_user(0), profiles(setup.profiles), mutant.table(reports::sync(setup.table)), begin),
            replicas: (0..setup.replicas).map(|_| Replica::default()).collect(),
            listener: Listener::default(),
            oracle: Oracle::new(setup),
            faults: [0; FAULTS.len()],
            planned: [None; 3],
            confirming: None,
            rounds: [30 * SECOND, 20 * SECOND, 10 * SECOND],
            changed_at: 0,
            pushes: 0,
            causes: 0,
            told_at: None,
            grounds: [laws::Held::default(); 3],
            since_cause: [0; 3],
            reads: 0,
            decisions: 0,
            news: 0,
            late_at: Ms::MIN / 2,
            cleared_at: None,
            broken: None,
            trace: traced.then(Vec::new),
            events: 0,
            heap: BinaryHeap::new(),
            order: 0,
            ends_at: None,
        };
        world.at(SECOND / 10, Event::Connect { life: 0 });
        world.settle_down();
        world
    }

    /// Plans an event.
    pub fn at(&mut self, time: Ms, event: Event) {
        self.order += 1;
        self.heap.push(At { time: time.max(self.now), order: self.order, event });
    }

    /// A replica's clock.
    pub fn clock(&self, replica: usize) -> Timestamp {
        timestamp(self.now + self.replicas[replica].skew)
    }

    pub fn fails(&self, fault: Fault) -> bool {
        FAULTS.iter().position(|known| *known == fault).is_some_and(|index| self.faults[index] > self.now)
    }

    /// A line of the trace.
    pub fn tell(&mut self, line: impl FnOnce(&Self) -> String) {
        if self.trace.is_some() {
            let line = format!("{}  {}", super::story::Clock(self.now), line(self));
            if let Some(trace) = &mut self.trace {
                trace.push(line);
            }
        }
    }

    /// An invariant is broken; the first one counts.
    pub fn break_law(&mut self, law: &'static str, what: impl FnOnce(&Self) -> String) {
        if self.broken.is_none() {
            let what = what(self);
            self.tell(|_| format!("BROKEN: {law}: {what}"));
            self.broken = Some(Broken { law, what, at: self.now });
        }
    }

    /// Lets time pass.
    pub fn run_until(&mut self, end: Ms) {
        while self.broken.is_none() {
            let next = self.heap.peek().map_or(Ms::MAX, |at| at.time);
            let (round, index) = self.rounds.iter().copied().zip(0..).min().unwrap_or((Ms::MAX, 0));
            if next.min(round) > end {
                break;
            }
            self.events += 1;
            if round < next {
                if !self.skip_idle(round, next.min(end)) {
                    self.now = round;
                    self.rounds[index] += ROUNDS[index];
                    self.round(index);
                }
            } else if let Some(at) = self.heap.pop() {
                self.now = at.time;
                self.on(at.event);
            }
            self.settle_down();
        }
        self.now = self.now.max(end);
    }

    /// While nothing changes, rounds change nothing: they are left out until shortly before the next event.
    fn skip_idle(&mut self, round: Ms, next: Ms) -> bool {
        let quiet = round - self.changed_at > 130 * SECOND && self.store.letters.iter().all(Option::is_none);
        let target = next - 65 * SECOND;
        if !quiet || target - round < MINUTE {
            return false;
        }
        self.now = target;
        for (round, every) in self.rounds.iter_mut().zip(ROUNDS) {
            *round += ((target - *round) / every + 1).max(0) * every;
        }
        self.catch_up();
        true
    }

    fn on(&mut self, event: Event) {
        match event {
            Event::Act(activity) => self.act(activity),
            Event::Arrive(call) => self.arrive(*call),
            Event::Answered(call, answer) => self.answered(*call, answer),
            Event::Notified { account, visible, number, late } => self.notified(account, visible, number, late),
            Event::Streamed { connection, sequence, entry } => self.streamed(connection, sequence, entry),
            Event::Connect { life } => self.connect(life),
            Event::Restart { replica, life } => self.restart(replica, life),
            Event::Workstation(workstation) => self.tend(workstation),
            Event::Reported { workstation, number, programs, astray } => self.reported(workstation, number, programs, astray),
            Event::ReportAnswered { workstation, number, taken } => self.report_answered(workstation, number, taken),
            Event::Ends => {
                self.ends_at = None;
                self.changed_at = self.now;
            }
        }
    }

    /// After each event: what ended, what became visible, what is due now.
    pub fn settle_down(&mut self) {
        let now = self.now;
        for index in 0..self.accounts.len() {
            for gone in self.accounts[index].run_out(now) {
                self.tell(|_| format!("Teams {index}: {gone:?} ran out"));
                if gone == RanOut::Session {
                    laws::runs_out(self, index);
                }
                let slot = if gone == RanOut::Session { SESSION } else { PREFERRED };
                let pending = self.store.letters[slot].is_some();
                self.oracle.ran_out_in_teams(index, gone, pending, now);
                self.caused();
            }
            if let Some((visible, number)) = self.accounts[index].note(now) {
                self.tell(|_| format!("Teams {index} shows {visible:?}"));
                self.changed_at = now;
                self.notify(index, visible, number);
            }
        }
        let of_microphone = self.xphone.shows_microphone();
        if self.xphone.run_out(now) {
            self.tell(|_| "XPhone: the appointment ended".to_owned());
            let pending = self.store.letters[APPOINTMENT].is_some();
            self.oracle.appointment_ended(of_microphone, pending, now);
            self.caused();
        }
        if let Some((sequence, entry)) = self.xphone.note() {
            self.tell(|_| format!("XPhone shows {entry:?}"));
            self.changed_at = now;
            self.emit(sequence, entry);
        }
        self.oracle.observe(now, &self.accounts, &self.xphone);
        self.overhear();
        laws::comes_to_light(self);
        laws::uncovers(self);
        laws::follows_the_microphone(self);
        if let Some(what) = self.oracle.outlived(now, &self.accounts, &self.xphone).filter(|_| self.leader().is_some()) {
            self.break_law("nothing outlives its cause", |_| what);
        }
        self.plan();
        let appointment = self.xphone.appointment.as_ref().map(|held| held.end);
        let told = self.oracle.overheard.next_change(now);
        let end = [self.accounts[0].next_end(), self.accounts[1].next_end(), appointment, told].into_iter().flatten().min();
        if let Some(end) = end.filter(|end| self.ends_at.is_none_or(|at| *end < at)) {
            self.ends_at = Some(end);
            self.at(end, Event::Ends);
        }
    }

    /// What is known of the microphone from now on.
    fn overhear(&mut self) {
        if !self.oracle.overheard.begun {
            return;
        }
        let now = self.now;
        self.witness();
        if self.oracle.overhear(now) {
            self.tell(|world| format!("the microphone may show {:?}", world.oracle.overheard.wanted));
            self.changed_at = now;
            // It shows in XPhone alone.
            self.causes += 1;
            self.since_cause[APPOINTMENT] = 0;
        }
    }

    /// Nothing more goes wrong: what is late comes now, clocks are right, everybody is up.
    pub fn heal(&mut self) {
        self.tell(|_| "everything works from now on".to_owned());
        self.faults = [self.now; FAULTS.len()];
        let held = std::mem::take(&mut self.heap);
        for mut at in held {
            if matches!(at.event, Event::Notified { .. } | Event::Reported { .. }) {
                at.time = at.time.min(self.now + 10 * SECOND);
            }
            if matches!(at.event, Event::Restart { .. }) {
                at.time = self.now;
            }
            self.heap.push(at);
        }
        self.oracle.healed(self.now);
        for index in 0..self.replicas.len() {
            if self.replicas[index].skew != 0 {
                self.jump(index, -self.replicas[index].skew);
            }
            self.replicas[index].crash = None;
        }
        self.disturb(true);
    }

    /// What people or faults did just now.
    pub fn disturb(&mut self, fault: bool) {
        self.oracle.disturbed(self.now, fault);
        self.changed_at = self.now;
        self.caused();
    }

    /// Something may give cause for a push of any slot.
    fn caused(&mut self) {
        self.causes += 1;
        self.since_cause = [0; 3];
    }
}

/// True time as a moment.
pub fn timestamp(at: Ms) -> Timestamp {
    Timestamp::from_millisecond(EPOCH + at).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// The moment as true time.
pub fn true_time(at: Timestamp) -> Ms {
    at.as_millisecond() - EPOCH
}
