//! A story is played: its steps in their time, and what must hold in the end.

use super::mutant::Mutant;
use super::oracle::{SETTLED_AFTER, mode};
use super::queue::Event;
use super::store::PREFERRED;
use super::story::{APART_MAX, Beat, FAULTS, Fault, HOUR, MINUTE, Ms, SECOND, Step, Story};
use super::teams_user;
use super::world::{Broken, World};
use super::xphone::{Gone, Meeting};

/// Reads beside the sweep's that a quiet hour may take: notifications under way, a lapse, a clear.
const QUIET_READS_MAX: u32 = 10;

/// What happens in Teams may change a slot on either side.
const PUSHES_PER_CAUSE: u32 = 2;
/// Beside these: what a late notification set and a read took back.
const PUSHES_UNCAUSED_MAX: u32 = 2;

/// Decisions that a quiet hour may take: one a sweep while something is shown in Teams, and renewals.
const QUIET_DECISIONS_MAX: u32 = 120;
/// Beside these: when a workstation tells something new, when that is no probe any more, and when it would end.
const DECISIONS_PER_NEWS: u32 = 3;

/// What became of a story.
pub struct Played {
    /// The first invariant that broke.
    pub broken: Option<Broken>,
    /// What happened, if it was to be told.
    pub trace: Vec<String>,
    /// How many events it took.
    pub events: u64,
}

/// Plays a story from its beginning to its end.
pub fn play(story: &Story, mutant: Mutant, traced: bool) -> Played {
    let mut world = World::new(story, mutant, traced);
    world.run_until(5 * SECOND);
    for beat in &story.beats {
        world.run_until(world.now + beat.pause);
        world.judge();
        if world.broken.is_some() {
            break;
        }
        world.beat(beat);
    }
    world.rng = fastrand::Rng::with_seed(story.seed ^ 1);
    if world.broken.is_none() {
        if story.setup.dies { world.outlive() } else { world.come_to_rest() }
    }
    Played { broken: world.broken.clone(), events: world.events, trace: world.trace.take().unwrap_or_default() }
}

impl World {
    fn beat(&mut self, beat: &Beat) {
        self.rng = fastrand::Rng::with_seed(beat.seed);
        self.tell(|_| format!("* {:?}", beat.step));
        if !beat.step.is_of_microphone() {
            self.disturb(false);
        }
        let now = self.now;
        match beat.step {
            Step::Teams(client) => self.account().client = client,
            Step::Pick(value) => {
                let index = self.oracle.matched.unwrap_or(0);
                let before = self.accounts[index].preferred;
                if self.accounts[index].pick(value, now) {
                    let pending = self.store.letters[PREFERRED].is_some();
                    self.oracle.picked(index, before, value, pending, now);
                }
            }
            Step::Telephone(bits) => self.xphone.telephone = bits,
            Step::Meeting(meeting) => self.xphone.meeting = if meeting == self.xphone.meeting { Meeting::None } else { meeting },
            Step::PickStatus(kind) => self.xphone.picked = kind.map(|kind| (kind, now)),
            Step::XphoneClient(connected) => self.xphone.client = connected,
            Step::RemoveAppointment => {
                let of_microphone = self.xphone.shows_microphone();
                if self.xphone.take(Gone::Removed) {
                    self.oracle.appointment_removed(of_microphone, now);
                }
            }
            Step::Policy(set, shadow) => {
                (self.store.mode, self.store.shadow) = (mode(set), shadow);
                (self.oracle.mode, self.oracle.shadow) = (set, shadow);
                self.store.wake();
            }
            Step::Microphone(table) => {
                self.oracle.overheard.table = table;
                self.store.set_table(table, self.mutant);
            }
            Step::Use { workstation, program, lasting } => self.begin_use(workstation, program, lasting),
            Step::Silence { workstation, how, lasting } => self.put_out(workstation, how, lasting),
            Step::Match(account) => {
                let clock = self.clock(0);
                self.store.rematch(account.map(teams_user), clock);
                self.oracle.rematched(account, now);
            }
            Step::Fault(fault, lasting) => self.begin(fault, lasting),
            Step::CutStream => self.cut(),
            Step::RestartXphone(lose) => {
                self.xphone.restart(lose);
                self.cut();
            }
            Step::LoseAppointments => {
                self.xphone.take(Gone::Lost);
                self.disturb(true);
            }
            Step::Crash { replica, after, down_for } if replica < self.replicas.len() => {
                self.replicas[replica].crash = Some((after, down_for));
            }
            Step::Jump { by, .. } if by.abs() > APART_MAX => (0..self.replicas.len()).for_each(|replica| self.jump(replica, by)),
            Step::Jump { replica, by } if replica < self.replicas.len() && self.replicas[replica].skew == 0 => {
                let common = self.replicas.iter().map(|replica| replica.skew).max().unwrap_or(0);
                if common == 0 {
                    self.jump(replica, by);
                }
            }
            Step::Crash { .. } | Step::Jump { .. } => {}
        }
        self.settle_down();
    }

    fn account(&mut self) -> &mut super::graph::Account {
        let index = self.oracle.matched.unwrap_or(0);
        &mut self.accounts[index]
    }

    fn begin(&mut self, fault: Fault, lasting: Ms) {
        if let Some(index) = FAULTS.iter().position(|known| *known == fault) {
            self.faults[index] = self.faults[index].max(self.now + lasting);
        }
        if !fault.is_of_reports() {
            self.oracle.faulty_until(self.now + lasting);
        }
        self.at(self.now + lasting, Event::Ends);
        if fault == Fault::XphoneDown && self.listener.connected {
            self.cut();
        }
    }

    fn cut(&mut self) {
        self.disturb(true);
        if self.listener.connected {
            self.hang_up();
            self.reconnect();
        }
    }

    /// Long after the last disturbance both sides must be right.
    fn judge(&mut self) {
        let up = self.replicas.iter().any(|replica| !replica.down);
        let in_time = self.replicas.iter().all(|replica| replica.skew == 0);
        if !(up && in_time && self.oracle.is_calm(self.now)) {
            return;
        }
        if let Err(what) = self.oracle.verdict(&self.accounts, &self.xphone) {
            self.break_law("right within one sweep", |_| what);
        }
    }

    fn come_to_rest(&mut self) {
        let bound = PUSHES_PER_CAUSE * self.causes + PUSHES_UNCAUSED_MAX;
        if self.pushes > bound {
            self.break_law("no more pushes than causes", |world| format!("{} pushes for {} causes", world.pushes, world.causes));
        }
        self.heal();
        self.settle_down();
        self.run_until(self.oracle.calm_from().max(self.now + SETTLED_AFTER) + SECOND);
        self.judge();
        let (pushes, causes, reads, decisions, news) = (self.pushes, self.causes, self.reads, self.decisions, self.news);
        self.run_until(self.now + HOUR);
        self.judge();
        if self.decisions - decisions > QUIET_DECISIONS_MAX + DECISIONS_PER_NEWS * (self.news - news) {
            self.break_law("nothing happens, nothing is decided", |world| {
                format!("{} decisions in a quiet hour", world.decisions - decisions)
            });
        }
        if self.reads - reads > QUIET_READS_MAX {
            self.break_law("nothing happens, nothing is asked", |world| format!("{} reads in a quiet hour", world.reads - reads));
        }
        // What a wrong clock put off for an hour comes then.
        let put_off = if self.oracle.has_jumped() { 4 } else { 1 };
        if self.pushes - pushes > put_off + 3 * (self.causes - causes) {
            self.break_law("nothing happens, nothing is pushed", |world| {
                format!("{} pushes in a quiet hour", world.pushes - pushes)
            });
        }
    }

    /// The gateway is dead for good: nothing it showed may stay for long.
    fn outlive(&mut self) {
        self.die();
        self.leave_workstations();
        let died = self.now;
        self.tell(|_| "every replica dies for good".to_owned());
        self.run_until(died + 15 * MINUTE + 20 * SECOND);
        if self.accounts.iter().any(|account| account.session.is_some()) {
            self.break_law("nothing outlives the gateway", |_| "a session".to_owned());
        }
        self.run_until(died + 12 * HOUR + 20 * SECOND);
        if self.xphone.appointment.is_some() {
            self.break_law("nothing outlives the gateway", |_| "an appointment".to_owned());
        }
        self.run_until(died + 24 * HOUR + 20 * SECOND);
        if self.accounts.iter().any(|account| account.preferred.is_some_and(|held| held.ours)) {
            self.break_law("nothing outlives the gateway", |_| "a preferred presence".to_owned());
        }
    }
}
