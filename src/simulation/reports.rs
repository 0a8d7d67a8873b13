//! What workstations reported of the microphone, as the gateway's database keeps it; each function is one transaction.

use std::sync::Arc;

use jiff::Timestamp;

use super::mutant::Mutant;
use super::store::Store;
use super::story::{PROGRAMS, Table};
use super::workstation::{NAMES, Programs};
use crate::domain::microphone::{InUse, Microphone, MicrophoneSync, Process, merge};

/// One workstation's last report, as far as it told of anything.
#[derive(Clone, Debug)]
pub struct Row {
    reported_at: Timestamp,
    in_use: Vec<InUse>,
}

/// What an operator set.
pub fn sync(table: Table) -> Arc<MicrophoneSync> {
    let entry =
        |process: &str, alias: &str, active| Process { process: process.to_owned(), alias: Some(alias.to_owned()), active };
    let zoom = entry("Zoom", "Zoom Meeting", table != Table::ZoomSilent);
    let chrome = entry("chrome", "Google Chrome", true);
    let processes = if table == Table::ChromeFirst { vec![chrome, zoom] } else { vec![zoom, chrome] };
    let ignored = if table == Table::ChromeFirst { vec!["zoom_recorder".to_owned()] } else { Vec::new() };
    Arc::new(MicrophoneSync { enabled: table != Table::Off, processes, ignored })
}

impl Store {
    /// An operator sets another table; whose microphone is in use is decided for.
    pub fn set_table(&mut self, table: Table, mutant: Mutant) {
        self.sync = mutant.table(sync(table));
        if mutant != Mutant::TableUnnoticed && self.reports.iter().any(Option::is_some) {
            self.wake();
        }
    }

    /// Records what a workstation reports; whether that is news.
    pub fn report(&mut self, workstation: usize, programs: Programs, now: Timestamp, mutant: Mutant) -> bool {
        let workstation = if mutant == Mutant::OneWorkstation { 0 } else { workstation };
        let named = (0..PROGRAMS).filter(|program| programs & 1 << program != 0);
        let programs: Vec<String> = named.map(|program| NAMES[program].to_owned()).collect();
        let before = self.reports[workstation].as_ref();
        let known = before.map_or(&[][..], |row| &row.in_use);
        let known = if mutant == Mutant::BegunAnew { &[] } else { known };
        let kept = merge(&self.sync, &programs, known, now);
        let Some(before) = before else {
            return !kept.is_empty() && self.record(workstation, kept, now, mutant);
        };
        if mutant == Mutant::EndsUnheard && kept.is_empty() {
            return false;
        }
        let same = before.in_use.iter().map(|program| &program.process).eq(kept.iter().map(|program| &program.process));
        let is_heartbeat = before.reported_at <= now && before.in_use.iter().all(|program| program.is_live(now)) && same;
        if is_heartbeat && mutant != Mutant::BegunAnew {
            if mutant != Mutant::HeartbeatsUnheard {
                self.touch(workstation, now);
            }
            return false;
        }
        self.record(workstation, kept, now, mutant)
    }

    fn touch(&mut self, workstation: usize, now: Timestamp) {
        if let Some(row) = &mut self.reports[workstation] {
            row.reported_at = now;
            row.in_use.iter_mut().for_each(|program| program.reported_at = now);
        }
    }

    fn record(&mut self, workstation: usize, in_use: Vec<InUse>, now: Timestamp, mutant: Mutant) -> bool {
        if mutant == Mutant::MicrophoneHeldForgotten {
            self.microphone_held = None;
        }
        self.reports[workstation] = (!in_use.is_empty()).then_some(Row { reported_at: now, in_use });
        self.wake();
        true
    }

    /// What is known of the microphone; where nothing was reported nobody looks at the table.
    pub fn microphone(&self) -> Microphone {
        let in_use: Vec<InUse> = self.reports.iter().flatten().flat_map(|row| row.in_use.iter().cloned()).collect();
        Microphone { sync: (!in_use.is_empty()).then(|| Arc::clone(&self.sync)), in_use }
    }

    /// Forgets what counts no more.
    pub fn forget_ended(&mut self, now: Timestamp) {
        for row in &mut self.reports {
            *row = row.take().filter(|row| now < row.reported_at + crate::domain::microphone::REPORT_LIFE);
        }
    }
}
