//! Who changes when: made ahead, the same in every run.

use std::time::Duration;

use fastrand::Rng;

use crate::surroundings::figures::float;

/// Whoever changed rests at least about so long.
pub const REST_MIN: Duration = Duration::from_secs(3);

/// Where a change comes from and where it is to be shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From Teams to XPhone.
    TeamsToXphone,
    /// From XPhone to Teams.
    XphoneToTeams,
}

impl Direction {
    /// Both.
    pub const ALL: [Self; 2] = [Self::TeamsToXphone, Self::XphoneToTeams];

    /// In which direction a person's changes go.
    pub fn of(person: usize) -> Self {
        if person.is_multiple_of(2) { Self::TeamsToXphone } else { Self::XphoneToTeams }
    }

    /// As people call it.
    pub fn label(self) -> &'static str {
        match self {
            Self::TeamsToXphone => "Teams to XPhone",
            Self::XphoneToTeams => "XPhone to Teams",
        }
    }
}

/// Whether a person is in a call when everything begins.
pub fn begins_in_call(person: usize) -> bool {
    (person / 2).is_multiple_of(2)
}

/// One person begins or ends a call.
#[derive(Clone, Copy, Debug)]
pub struct Change {
    /// When, from the beginning of its part.
    pub at: Duration,
    /// Who.
    pub person: usize,
    /// Whether a call begins; else it ends.
    pub in_call: bool,
}

/// Makes one part after the other; everybody goes on where the last part left them.
pub struct Planner {
    random: Rng,
    /// The people of each direction, the longest rested first.
    queues: [Vec<usize>; 2],
    next: [usize; 2],
    in_call: Vec<bool>,
}

impl Planner {
    /// Before the first part.
    pub fn new(users: usize) -> Self {
        let mut random = Rng::with_seed(2026);
        let queues = Direction::ALL.map(|direction| {
            let mut queue: Vec<usize> = (0..users).filter(|person| Direction::of(*person) == direction).collect();
            random.shuffle(&mut queue);
            queue
        });
        Self { random, queues, next: [0, 0], in_call: (0..users).map(begins_in_call).collect() }
    }

    /// So many changes a second for so long, in these directions by turns; each at any moment of its share of time.
    pub fn part(&mut self, directions: &[Direction], per_second: u32, seconds: u32) -> Vec<Change> {
        let share = 1.0 / f64::from(per_second);
        let mut changes = Vec::new();
        for (number, direction) in (0..(per_second * seconds) as usize).zip(directions.iter().cycle()) {
            let at = Duration::from_secs_f64((float(number) + self.random.f64()) * share);
            let person = self.next(*direction);
            self.in_call[person] = !self.in_call[person];
            changes.push(Change { at, person, in_call: self.in_call[person] });
        }
        changes
    }

    fn next(&mut self, direction: Direction) -> usize {
        let queue = &self.queues[direction as usize];
        let next = &mut self.next[direction as usize];
        let person = queue[*next % queue.len()];
        *next += 1;
        person
    }
}
