//! What a user's presence shows, and what reads show of it while they lag.

use std::collections::VecDeque;

use jiff::Timestamp;

use super::faults::Faults;
use super::presence::Pair;

/// A presence as it was after one change.
#[derive(Clone, Debug)]
pub struct Version {
    pub pair: Pair,
    pub out_of_office: Option<String>,
    /// Sortable as text; rises with every change.
    pub sequence_number: String,
}

/// The versions of one user's presence that somebody can still see.
pub struct Shown {
    current: Version,
    /// What reads show while `presence_lag` is on.
    frozen: Option<Version>,
    /// Versions before the current one, oldest first, each with the end of its time in reads.
    superseded: VecDeque<(Timestamp, Version)>,
}

impl Shown {
    pub fn new(first: Version) -> Self {
        Self { current: first, frozen: None, superseded: VecDeque::new() }
    }

    /// What is true, however reads lag.
    pub fn current(&self) -> &Version {
        &self.current
    }

    /// What a read answers.
    pub fn read(&self, now: Timestamp) -> &Version {
        let late = self.superseded.iter().find(|(until, _)| *until > now).map(|(_, version)| version);
        self.frozen.as_ref().or(late).unwrap_or(&self.current)
    }

    /// Shows something new from `at` on; reads follow as the faults let them.
    pub fn replace(&mut self, next: Version, at: Timestamp, faults: &Faults) {
        if faults.presence_lag && self.frozen.is_none() {
            self.frozen = Some(self.read(at).clone());
        }
        self.superseded.retain(|(until, _)| *until > at);
        let before = std::mem::replace(&mut self.current, next);
        if faults.lag.reads_seconds > 0 {
            self.superseded.push_back((at + faults.lag.reads(), before));
        }
    }

    /// Ends what other faults than these have left behind: reads show what is true.
    pub fn catch_up(&mut self, before: &Faults, faults: &Faults) {
        if !faults.presence_lag {
            self.frozen = None;
        }
        if before.lag != faults.lag {
            self.superseded.clear();
        }
    }
}
