//! Keeps count of what was asked and remembers the latest appointment writes.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde::Serialize;

use super::endpoint::Endpoint;

/// How many appointment writes are remembered.
const WRITES_MAX: usize = 1000;

/// Everything asked of the server so far, its control API left out.
#[derive(Debug, Default)]
pub struct Requests {
    counts: BTreeMap<(Endpoint, Option<u16>), u64>,
    writes: VecDeque<Write>,
}

/// One attempt to set or delete an appointment.
#[derive(Clone, Debug, Serialize)]
pub struct Write {
    pub user: String,
    pub key: String,
    pub verb: String,
    pub at: Timestamp,
    /// `None`: cut off without an answer.
    pub status: Option<u16>,
}

#[derive(Debug, Serialize)]
struct Counted {
    endpoint: Endpoint,
    status: Option<u16>,
    count: u64,
}

/// The record as the control API shows it.
#[derive(Debug, Serialize)]
pub struct Record {
    counts: Vec<Counted>,
    appointment_writes: Vec<Write>,
}

impl Requests {
    pub fn count(&mut self, endpoint: Endpoint, status: Option<u16>) {
        *self.counts.entry((endpoint, status)).or_default() += 1;
    }

    pub fn remember(&mut self, write: Write) {
        if self.writes.len() == WRITES_MAX {
            self.writes.pop_front();
        }
        self.writes.push_back(write);
    }

    pub fn record(&self) -> Record {
        let counts = self.counts.iter().map(|(&(endpoint, status), &count)| Counted { endpoint, status, count }).collect();
        Record { counts, appointment_writes: self.writes.iter().cloned().collect() }
    }
}
