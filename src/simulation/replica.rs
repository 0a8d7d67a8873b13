//! The replicas' lives: they crash, come back, lose the clock; one of them listens to XPhone.

use super::network::Asked;
use super::queue::Event;
use super::story::{Clock, MINUTE, Ms, SECOND};
use super::world::World;

/// One process of the gateway.
#[derive(Clone, Debug, Default)]
pub struct Replica {
    pub down: bool,
    /// Counts its lives: what an earlier one had under way is lost.
    pub life: u32,
    /// How far its clock is ahead.
    pub skew: Ms,
    /// After how many more steps it dies, and for how long.
    pub crash: Option<(u32, Ms)>,
}

/// Whoever holds the lease listens to XPhone.
#[derive(Clone, Debug, Default)]
pub struct Listener {
    pub replica: usize,
    pub life: u32,
    /// Counts connections; what an earlier one brings is nobody's.
    pub connection: u32,
    pub connected: bool,
    /// The last sequence applied.
    pub applied: u64,
    pub failures: u32,
    /// In order: nothing arrives before this.
    pub last_at: Ms,
    pub rounds: u32,
}

impl World {
    /// After each step of a replica; its crash may be due.
    pub fn acted(&mut self, replica: usize) {
        match self.replicas[replica].crash {
            Some((0, down_for)) => self.crash(replica, down_for),
            Some((more, down_for)) => self.replicas[replica].crash = Some((more - 1, down_for)),
            None => {}
        }
    }

    fn crash(&mut self, replica: usize, down_for: Ms) {
        self.tell(|_| format!("replica {replica} crashes"));
        let dead = &mut self.replicas[replica];
        (dead.down, dead.crash) = (true, None);
        dead.life += 1;
        let life = dead.life;
        if self.confirming.is_some_and(|(reader, _)| reader == replica) {
            self.confirming = None;
        }
        if self.listener.replica == replica {
            self.hang_up();
            if let Some(leader) = self.leader() {
                self.listener.replica = leader;
                self.listener.life += 1;
                let life = self.listener.life;
                self.at(self.now + 20 * SECOND, Event::Connect { life });
            }
        }
        self.disturb(true);
        self.oracle.faulty_until(self.now + down_for);
        self.at(self.now + down_for, Event::Restart { replica, life });
    }

    /// Every replica dies for good.
    pub fn die(&mut self) {
        for replica in &mut self.replicas {
            replica.down = true;
            replica.life += 1000;
        }
        self.hang_up();
    }

    pub fn restart(&mut self, replica: usize, life: u32) {
        if !self.replicas[replica].down || self.replicas[replica].life != life {
            return;
        }
        self.tell(|_| format!("replica {replica} is back"));
        let alone = self.leader().is_none();
        self.replicas[replica].down = false;
        // What it left behind may be old by now.
        self.late_at = self.now;
        self.disturb(true);
        if alone {
            self.listener.replica = replica;
            self.listener.life += 1;
            let life = self.listener.life;
            self.at(self.now + SECOND, Event::Connect { life });
            for (round, seconds) in self.rounds.iter_mut().zip(2..) {
                *round = self.now + SECOND * seconds;
            }
        }
    }

    /// A replica's clock jumps.
    pub fn jump(&mut self, replica: usize, by: Ms) {
        self.tell(|_| format!("the clock of replica {replica} jumps by {}", Clock(by)));
        self.replicas[replica].skew += by;
        self.planned = [None; 3];
        self.oracle.clock_jumped(self.now);
        self.late_at = self.now + 12 * MINUTE;
        self.disturb(true);
    }

    /// The listener's connection is over.
    pub fn hang_up(&mut self) {
        self.listener.connected = false;
        self.listener.connection += 1;
    }

    /// It tries again, ever more slowly.
    pub fn reconnect(&mut self) {
        self.listener.failures += 1;
        let pause = (SECOND << self.listener.failures.min(4)).min(MINUTE / 6);
        let life = self.listener.life;
        self.at(self.now + pause, Event::Connect { life });
    }

    pub fn connect(&mut self, life: u32) {
        let listener = &self.listener;
        if life != listener.life || listener.connected || self.replicas[listener.replica].down {
            return;
        }
        let connection = listener.connection;
        self.send(listener.replica, Asked::Snapshot { connection, connecting: true });
    }
}
