//! What is going to happen, in the order of time.

use std::cmp::Ordering;

use super::gateway::Activity;
use super::graph::Visible;
use super::network::{Answer, Call};
use super::story::Ms;
use super::workstation::Programs;
use super::xphone::Entry;

/// Something that happens at a moment.
#[derive(Debug)]
pub enum Event {
    /// The gateway does what is due.
    Act(Activity),
    /// A call reaches its side.
    Arrive(Box<Call>),
    /// Its answer reaches the replica.
    Answered(Box<Call>, Answer),
    /// A change notification reaches the gateway.
    Notified { account: usize, visible: Visible, number: u64, late: bool },
    /// An event of XPhone reaches its listener.
    Streamed { connection: u32, sequence: u64, entry: Entry },
    /// The listener connects.
    Connect { life: u32 },
    /// A replica is back.
    Restart { replica: usize, life: u32 },
    /// At a workstation something is due.
    Workstation(usize),
    /// A report reaches the gateway; `astray`: late, or a copy.
    Reported { workstation: usize, number: u32, programs: Programs, astray: bool },
    /// Its answer reaches the agent.
    ReportAnswered { workstation: usize, number: u32, taken: bool },
    /// Something ends by itself about now.
    Ends,
}

/// An event and its moment; of several at one moment, the one planned first comes first.
pub struct At {
    pub time: Ms,
    pub order: u64,
    pub event: Event,
}

impl PartialEq for At {
    fn eq(&self, other: &Self) -> bool {
        (self.time, self.order) == (other.time, other.order)
    }
}
impl Eq for At {}
impl PartialOrd for At {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for At {
    fn cmp(&self, other: &Self) -> Ordering {
        (other.time, other.order).cmp(&(self.time, self.order))
    }
}
