//! The user's workstations as the simulation knows them: programs that use the microphone, and the agent that tells the gateway.
//!
//! Written from the agent's own description: each change at once, what is in use every 30 s, ever more slowly while that fails.

use super::queue::Event;
use super::story::{Fault, MINUTE, Ms, Outage, PROGRAMS, SECOND, WORKSTATIONS};
use super::world::World;

/// Which programs, each by its bit.
pub type Programs = u8;

/// While something is in use.
const HEARTBEAT: Ms = 30 * SECOND;
/// From one report to the next, taken together.
const DISTANCE: Ms = 3 * SECOND / 2;
/// No answer takes longer.
const ANSWERED_WITHIN: Ms = 10 * SECOND;
/// What goes astray comes so late at most.
pub const ASTRAY_MAX: Ms = MINUTE;

/// A workstation.
#[derive(Clone, Debug, Default)]
pub struct Workstation {
    /// Until when each program uses the microphone.
    uses: [Ms; PROGRAMS],
    /// What keeps the agent from reporting, since when and until when.
    out: Option<(Outage, Ms, Ms)>,
    agent: Agent,
    /// When it is looked at next.
    planned: Option<Ms>,
    /// Counts reports.
    number: u32,
}

/// What the agent remembers.
#[derive(Clone, Debug, Default)]
struct Agent {
    /// What it said last, if that was taken.
    said: Option<Programs>,
    /// The report under way.
    under_way: Option<(u32, Programs)>,
    /// From when on a report that tells of an end, and any other, floods nothing.
    room: [Ms; 2],
    heartbeat_at: Ms,
    retry_at: Option<Ms>,
    failures: u32,
    /// It was asked to end: one last word.
    ends: bool,
}

impl Workstation {
    /// What uses the microphone.
    fn used(&self, now: Ms) -> Programs {
        (0..PROGRAMS).filter(|program| self.uses[*program] > now).fold(0, |used, program| used | 1 << program)
    }

    /// What uses it, or ends to do so just now, where somebody is there who would tell.
    fn told_of(&self, now: Ms) -> Programs {
        if self.out.is_some() { 0 } else { self.used(now - 1) }
    }

    fn next_end(&self, now: Ms) -> Option<Ms> {
        self.uses.iter().copied().filter(|until| *until > now).min()
    }

    /// When the agent wants to report, if nothing changes before.
    fn due_at(&self, now: Ms) -> Option<Ms> {
        let agent = &self.agent;
        if agent.under_way.is_some() {
            return None;
        }
        let used = if agent.ends { 0 } else { self.used(now) };
        match (agent.said, agent.retry_at) {
            (_, Some(retry_at)) => Some(retry_at),
            (Some(said), None) if said == used => (used != 0).then_some(agent.heartbeat_at),
            (Some(said), None) if said & !used != 0 => Some(agent.room[0]),
            _ => Some(agent.room[1]),
        }
    }
}

impl World {
    /// A program begins to use the microphone, or goes on for longer.
    pub fn begin_use(&mut self, workstation: usize, program: usize, lasting: Ms) {
        let until = &mut self.workstations[workstation].uses[program];
        *until = (*until).max(self.now + lasting);
        self.oracle.overheard.begun = true;
        self.tend(workstation);
    }

    /// The oracle sees what is truly in use.
    pub fn witness(&mut self) {
        for station in &self.workstations {
            self.oracle.overheard.used(station.told_of(self.now), self.now);
        }
    }

    /// All programs end, and nobody tells.
    pub fn leave_workstations(&mut self) {
        self.workstations = Default::default();
    }

    /// The agent dies or ends, or the machine falls asleep.
    pub fn put_out(&mut self, workstation: usize, how: Outage, lasting: Ms) {
        let now = self.now;
        if self.workstations[workstation].out.is_some() {
            return;
        }
        self.witness();
        let station = &mut self.workstations[workstation];
        if how == Outage::Ended {
            station.agent.ends = true;
            station.agent.retry_at = None;
        } else {
            station.out = Some((how, now, now + lasting));
        }
        if how == Outage::Killed {
            station.agent = Agent::default();
        }
        self.tend(workstation);
    }

    /// The agent is back if it is time, and reports what is due.
    pub fn tend(&mut self, workstation: usize) {
        let now = self.now;
        let station = &mut self.workstations[workstation];
        if let Some((how, since, until)) = station.out {
            if now < until {
                self.look_again(workstation, until);
                return;
            }
            station.out = None;
            if how == Outage::Asleep {
                // The agent's own time stood still meanwhile.
                station.agent.heartbeat_at += until - since;
            }
        }
        let due_at = station.due_at(now);
        if due_at.is_some_and(|at| at <= now) {
            self.report(workstation);
        } else if let Some(next) = [due_at, station.next_end(now)].into_iter().flatten().min() {
            self.look_again(workstation, next);
        }
    }

    fn look_again(&mut self, workstation: usize, at: Ms) {
        let planned = &mut self.workstations[workstation].planned;
        if planned.is_none_or(|planned| planned > at || planned <= self.now) {
            *planned = Some(at);
            self.at(at, Event::Workstation(workstation));
        }
    }

    /// A report leaves; it may be lost, late, or come twice.
    fn report(&mut self, workstation: usize) {
        let now = self.now;
        let station = &mut self.workstations[workstation];
        let programs = if station.agent.ends { 0 } else { station.used(now) };
        station.number += 1;
        let number = station.number;
        let agent = &mut station.agent;
        let for_end = agent.room[1].max(now);
        (agent.room, agent.retry_at) = ([for_end, for_end + DISTANCE], None);
        agent.under_way = Some((number, programs));
        if agent.ends {
            // Whatever becomes of it: it was the last word.
            station.agent = Agent::default();
            station.out = Some((Outage::Ended, now, now + self.rng.i64(SECOND..2 * MINUTE)));
        }
        let way = self.rng.i64(10..300);
        let astray = self.rng.i64(0..ASTRAY_MAX);
        let lost = self.fails(Fault::ReportsLost);
        let late = self.fails(Fault::ReportsLate);
        if self.fails(Fault::ReportsDoubled) {
            self.at(now + astray, Event::Reported { workstation, number, programs, astray: true });
        }
        if !lost {
            let delay = if late { astray } else { way };
            self.at(now + delay, Event::Reported { workstation, number, programs, astray: late });
        }
        if lost || late {
            self.at(now + ANSWERED_WITHIN, Event::ReportAnswered { workstation, number, taken: false });
        }
        self.tend(workstation);
    }

    /// A report arrives, at whichever replica is up.
    pub fn reported(&mut self, workstation: usize, number: u32, programs: Programs, astray: bool) {
        let up: Vec<usize> = (0..self.replicas.len()).filter(|replica| !self.replicas[*replica].down).collect();
        let mut taken = !up.is_empty();
        if taken {
            let replica = up[self.rng.usize(..up.len())];
            let now = self.clock(replica);
            self.tell(|_| format!("workstation {workstation} reports programs {programs:03b}"));
            self.oracle.overheard.told(workstation, programs, astray, self.now);
            if self.store.report(workstation, programs, now, self.mutant) {
                self.changed_at = self.now;
                self.news += 1;
            }
            self.acted(replica);
            // Whoever dies answers nothing.
            taken = !self.replicas[replica].down;
        }
        let way = self.rng.i64(10..300);
        self.at(self.now + way, Event::ReportAnswered { workstation, number, taken });
    }

    /// The answer arrives, if the one who asked still waits for it.
    pub fn report_answered(&mut self, workstation: usize, number: u32, taken: bool) {
        let part = self.rng.i64(0..=500);
        let now = self.now;
        let station = &mut self.workstations[workstation];
        let agent = &mut station.agent;
        let Some((_, programs)) = agent.under_way.filter(|(under_way, _)| *under_way == number) else { return };
        agent.under_way = None;
        if taken {
            (agent.said, agent.failures, agent.heartbeat_at) = (Some(programs), 0, now + HEARTBEAT);
        } else {
            let pause = (SECOND << agent.failures.min(6)).min(MINUTE);
            agent.failures += 1;
            agent.retry_at = Some(now + pause / 2 + pause * part / 1000);
        }
        self.tend(workstation);
    }
}

/// As programs are called in reports.
pub const NAMES: [&str; PROGRAMS] = ["Zoom.exe", "/opt/google/chrome/chrome", "zoom_recorder.exe"];

/// None of them has anything in use, and nobody is kept from telling.
pub fn workstations() -> [Workstation; WORKSTATIONS] {
    Default::default()
}
