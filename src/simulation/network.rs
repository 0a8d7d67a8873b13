//! The network: calls that arrive late, never, or unanswered; notifications and events on their way.

use jiff::{SignedDuration, Timestamp};

use super::account_of;
use super::graph::Visible;
use super::mailbox::Letter;
use super::mutant::Mutant;
use super::queue::Event;
use super::store::{APPOINTMENT, Fact, SESSION};
use super::story::{Fault, HOUR, MINUTE, Ms, SECOND};
use super::world::World;
use super::xphone::{Appointment, Entry, Gone};
use crate::domain::ids::TeamsUserId;
use crate::domain::mapping::read_teams;

/// What a replica asks of a side.
#[derive(Clone, Debug)]
pub enum Asked {
    Read { account: usize, user: TeamsUserId, confirms: bool },
    Push { slot: usize, letter: Letter },
    Snapshot { connection: u32, connecting: bool },
    List,
}

/// A call under way.
#[derive(Clone, Debug)]
pub struct Call {
    pub replica: usize,
    pub life: u32,
    /// By the replica's clock.
    pub begun: Timestamp,
    pub begun_at: Ms,
    pub asked: Asked,
}

/// How it went.
#[derive(Clone, Debug)]
pub enum Answer {
    Done,
    Failed { surely_not: bool },
    Throttled,
    Refused,
    Read { visible: Visible, number: u64 },
    Snapshot { era: u32, sequence: u64, entry: Entry },
    List { found: Option<Appointment>, gone: Gone },
}

/// Nobody waits longer for an answer.
const TIMEOUT: Ms = 10 * SECOND;

impl Call {
    fn is_for_graph(&self) -> bool {
        matches!(self.asked, Asked::Read { .. } | Asked::Push { slot: SESSION.., .. })
    }
}

impl World {
    pub fn way(&mut self, for_graph: bool) -> Ms {
        let slow = self.fails(if for_graph { Fault::GraphSlow } else { Fault::XphoneSlow });
        if slow { self.rng.i64(500..4500) } else { self.rng.i64(10..300) }
    }

    /// A call leaves.
    pub fn send(&mut self, replica: usize, asked: Asked) {
        let call = Call { replica, life: self.replicas[replica].life, begun: self.clock(replica), begun_at: self.now, asked };
        let way = self.way(call.is_for_graph());
        self.at(self.now + way, Event::Arrive(Box::new(call)));
    }

    /// A call arrives: it takes effect now, whatever becomes of its answer.
    pub fn arrive(&mut self, call: Call) {
        let graph = call.is_for_graph();
        let [down, lost, refuses] = if graph {
            [Fault::GraphDown, Fault::GraphAnswersLost, Fault::GraphRefuses]
        } else {
            [Fault::XphoneDown, Fault::XphoneAnswersLost, Fault::XphoneRefuses]
        }
        .map(|fault| self.fails(fault));
        let pushes = graph && matches!(call.asked, Asked::Push { .. });
        let lost = lost || pushes && self.fails(Fault::PushAnswersLost);
        let refuses = refuses || pushes && self.fails(Fault::GraphRefusesPushes);
        let timed_out = call.begun_at + TIMEOUT;
        let way = self.way(graph);
        let (answer, at) = if pushes && self.fails(Fault::GraphThrottlesPushes) {
            (Answer::Throttled, self.now + way)
        } else if down && self.rng.bool() {
            (Answer::Failed { surely_not: false }, timed_out)
        } else if down || refuses {
            (Answer::Failed { surely_not: true }, self.now + way)
        } else {
            let answer = self.take_effect(&call);
            if lost { (Answer::Failed { surely_not: false }, timed_out) } else { (answer, self.now + way) }
        };
        self.at(at, Event::Answered(Box::new(call), answer));
    }

    /// The answer arrives, if the one who asked still lives.
    pub fn answered(&mut self, call: Call, answer: Answer) {
        let replica = call.replica;
        if self.replicas[replica].down || self.replicas[replica].life != call.life {
            return;
        }
        let now = self.clock(replica);
        match (call.asked, answer) {
            (Asked::Read { user, confirms, .. }, answer) => {
                self.read_answered(user, confirms, &answer, call.begun, now);
            }
            (Asked::Push { slot, letter }, Answer::Done) => {
                self.changed_at = self.now;
                self.oracle.confirmed(slot, letter.content.shows(), call.begun_at);
                self.store.settle(slot, &letter, call.begun, now, self.mutant);
            }
            (Asked::Push { slot, letter }, Answer::Throttled) => {
                self.oracle.throttled(self.now);
                self.changed_at = self.now;
                self.store.put_back(slot, &letter, SignedDuration::from_mins(1), false, now);
            }
            (Asked::Push { slot, letter }, Answer::Failed { surely_not }) => {
                self.put_back(slot, &letter, surely_not, 5 * SECOND, now);
            }
            (Asked::Push { slot, letter }, _) => {
                self.put_back(slot, &letter, true, 10 * MINUTE, now);
                // An end too far ahead is refused for as long as nobody decides anew.
                self.store.wake();
            }
            (Asked::Snapshot { connection, connecting }, answer) => self.snapshot_answered(connection, connecting, &answer, now),
            (Asked::List, Answer::List { found, gone }) => self.compare(found, gone, call.begun, now),
            (Asked::List, _) => {}
        }
        self.acted(replica);
    }

    fn put_back(&mut self, slot: usize, letter: &Letter, surely_not: bool, max: Ms, now: Timestamp) {
        let pause = (250 << letter.attempts.min(16)).min(max);
        let pause = SignedDuration::from_millis(pause / 2 + self.rng.i64(0..=pause / 2));
        let surely_not = surely_not || self.mutant == Mutant::AnswerLostForgotten;
        self.changed_at = self.now;
        self.store.put_back(slot, letter, pause, surely_not, now);
    }

    /// What Graph's words mean, with their number if Graph tells numbers.
    pub fn fact(&self, visible: Visible, number: u64, at: Timestamp) -> Fact {
        let (availability, activity) = visible.words();
        Fact { words: read_teams(availability, activity).words, at, number: self.setup.numbered.then_some(number) }
    }

    fn read_answered(&mut self, user: TeamsUserId, confirms: bool, answer: &Answer, begun: Timestamp, now: Timestamp) {
        if confirms {
            self.confirming = None;
        }
        if self.store.teams_user != Some(user) {
            return;
        }
        if let Answer::Read { visible, number } = *answer {
            let fact = self.fact(visible, number, begun);
            let before = self.store.newest.map(|(newest, _)| newest.words);
            self.store.record_read(fact, now);
            if before != Some(fact.words) {
                self.changed_at = self.now;
                self.tell(|_| format!("a read says {visible:?}"));
            }
        } else if confirms {
            self.store.confirm_at = Some(now + SignedDuration::from_secs(3));
        }
    }

    /// Teams tells the gateway, soon, late, twice or never.
    pub fn notify(&mut self, account: usize, visible: Visible, number: u64) {
        if self.fails(Fault::NotificationsLost) {
            return;
        }
        let copies = if self.fails(Fault::NotificationsDoubled) { 2 } else { 1 };
        for _ in 0..copies {
            let late = self.fails(Fault::NotificationsLate);
            let delay = match self.rng.u8(0..10) {
                _ if late => self.rng.i64(0..4 * HOUR),
                0 => self.rng.i64(3 * SECOND..59 * SECOND),
                _ => self.rng.i64(50..3 * SECOND),
            };
            let late = late || copies > 1;
            self.at(self.now + delay, Event::Notified { account, visible, number, late });
        }
    }

    pub fn notified(&mut self, account: usize, visible: Visible, number: u64, late: bool) {
        let Some(replica) = self.leader() else {
            // Graph tries again.
            let delay = self.rng.i64(SECOND..MINUTE);
            self.at(self.now + delay, Event::Notified { account, visible, number, late: true });
            return;
        };
        if late {
            self.late_at = self.now;
            self.disturb(true);
        }
        if self.store.teams_user.map(account_of) == Some(account) {
            self.tell(|_| format!("a notification says {visible:?}"));
            let now = self.clock(replica);
            let fact = self.fact(visible, number, now);
            self.changed_at = self.now;
            self.store.record_notification(fact, now);
        }
        self.acted(replica);
    }
}

/// The appointment's slot is not in Teams.
const _: () = assert!(APPOINTMENT < SESSION);
