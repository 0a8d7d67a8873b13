//! The table of what was measured.

use std::fmt;
use std::time::Duration;

use crate::ledger::Tally;
use crate::plan::Direction;
use crate::reference::Reference;
use crate::run::Part;
use crate::surroundings::figures::{float, milliseconds, quantile};
use crate::surroundings::machine;

/// With a larger share of the machine for other programs a run proves nothing.
const OTHERS_MAX: f64 = 0.05;
const LABEL_WIDTH: usize = 40;
const COLUMN_WIDTH: usize = 18;
const QUANTILES: [(&str, usize); 4] = [("p50", 500), ("p95", 950), ("p99", 990), ("max", 1000)];

/// What was measured.
pub struct Report {
    /// People, all of them.
    pub users: usize,
    /// Changes a second.
    pub per_second: u32,
    /// What came of the calls that were there before the gateway.
    pub at_first: Tally,
    /// Part after part.
    pub parts: Vec<Part>,
    /// What nobody can do without.
    pub reference: Reference,
    /// How durable the database is.
    pub durability: String,
    /// Notifications refused.
    pub refused: i64,
    /// Notifications that a newer one overtook.
    pub superseded: u64,
    /// The most memory the gateway held, in bytes.
    pub peak_memory: Option<u64>,
}

/// One direction in one part.
struct Column<'a> {
    part: &'a Part,
    direction: Direction,
}

impl Column<'_> {
    fn took(&self) -> &[Duration] {
        &self.part.tally.took[self.direction as usize]
    }

    fn of(&self, counts: [u64; 2]) -> String {
        counts[self.direction as usize].to_string()
    }

    fn others_share(&self) -> f64 {
        self.part.cpu.others_share(self.part.lasted)
    }
}

impl Report {
    /// Whether nothing was lost and nothing was wrong.
    pub fn is_sound(&self) -> bool {
        let tallies = || self.parts.iter().map(|part| &part.tally).chain([&self.at_first]);
        let failures: u64 = tallies().flat_map(|tally| tally.lost.iter().chain(&tally.wrong)).sum();
        failures == 0 && self.refused == 0
    }

    fn columns(&self) -> Vec<Column<'_>> {
        let of = |part| Part::columns(part);
        self.parts.iter().flat_map(of).collect()
    }

    fn ratio(&self, column: &Column<'_>) -> f64 {
        quantile(column.took(), 500).as_secs_f64() / quantile(&self.reference.both, 500).as_secs_f64()
    }

    fn latencies(&self, f: &mut fmt::Formatter<'_>, columns: &[Column<'_>]) -> fmt::Result {
        row(f, columns, "", |column| column.direction.label().to_owned())?;
        row(f, columns, "at the same time", |column| {
            if column.part.directions.len() > 1 { "both".to_owned() } else { "nothing else".to_owned() }
        })?;
        row(f, columns, "changes pushed", |column| column.took().len().to_string())?;
        for (label, per_mille) in QUANTILES {
            row(f, columns, &format!("change to push, {label}"), |column| milliseconds(quantile(column.took(), per_mille)))?;
        }
        row(f, columns, "p50 as a multiple of commit + request", |column| format!("{:.1}", self.ratio(column)))?;
        row(f, columns, "lost", |column| column.of(column.part.tally.lost))?;
        row(f, columns, "wrong", |column| column.of(column.part.tally.wrong))?;
        row(f, columns, "pushed twice", |column| column.of(column.part.tally.repeated))
    }

    fn surroundings(f: &mut fmt::Formatter<'_>, columns: &[Column<'_>]) -> fmt::Result {
        let answered = |column: &Column<'_>, per_mille| match column.direction {
            Direction::TeamsToXphone => milliseconds(quantile(&column.part.answered, per_mille)),
            Direction::XphoneToTeams => "-".to_owned(),
        };
        row(f, columns, "webhook's answer, p50", |column| answered(column, 500))?;
        row(f, columns, "webhook's answer, p99", |column| answered(column, 990))?;
        row(f, columns, "changes late by this program, p99", |column| milliseconds(quantile(&column.part.late, 990)))?;
        let cores = |cpu: Duration, part: &Part| format!("{:.2} cores", cpu.as_secs_f64() / part.lasted.as_secs_f64());
        row(f, columns, "busy: gateway", |column| cores(column.part.cpu.gateway, column.part))?;
        row(f, columns, "  Postgres", |column| {
            column.part.cpu.postgres.map_or("not to be seen".to_owned(), |cpu| cores(cpu, column.part))
        })?;
        row(f, columns, "  this program and stand-ins", |column| cores(column.part.cpu.ours, column.part))?;
        row(f, columns, "machine taken by other programs", |column| format!("{:.0} %", column.others_share() * 100.0))
    }

    fn reference(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Reference { commit, request, both } = &self.reference;
        writeln!(f, "\n{:<LABEL_WIDTH$}{:>COLUMN_WIDTH$}{:>COLUMN_WIDTH$}", "bare, beside an idle gateway", "p50", "p99")?;
        for (label, sorted) in [("one commit of one row", commit), ("one request over the loopback", request), ("both", both)] {
            let [p50, p99] = [500, 990].map(|per_mille| milliseconds(quantile(sorted, per_mille)));
            writeln!(f, "{label:<LABEL_WIDTH$}{p50:>COLUMN_WIDTH$}{p99:>COLUMN_WIDTH$}")?;
        }
        Ok(())
    }
}

impl Part {
    fn columns(&self) -> impl Iterator<Item = Column<'_>> {
        self.directions.iter().map(|direction| Column { part: self, direction: *direction })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let columns = self.columns();
        writeln!(
            f,
            "\nGateway, Postgres ({}), stand-ins for the other systems and this program share {} cores.\n\
             {} changes a second in all, by {} people, half of them in each direction.\n",
            self.durability,
            machine::cores(),
            self.per_second,
            self.users,
        )?;
        self.latencies(f, &columns)?;
        Self::surroundings(f, &columns)?;
        self.reference(f)?;
        let megabytes = self.peak_memory.map_or("not to be seen".to_owned(), |bytes| format!("{} MiB", bytes >> 20));
        writeln!(
            f,
            "\nThe gateway's peak memory: {megabytes}; notifications refused: {}, overtaken: {}.",
            self.refused, self.superseded
        )?;
        let Tally { took, lost, wrong, .. } = &self.at_first;
        let known = float(took.iter().map(Vec::len).sum());
        writeln!(f, "Calls that were there before the gateway: {known} pushed, lost {lost:?}, wrong {wrong:?}.")?;
        if columns.iter().any(|column| column.others_share() > OTHERS_MAX) {
            writeln!(f, "\nDISTURBED: other programs took part of the machine. The times of this run prove nothing.")?;
        }
        let verdict = if self.is_sound() { "Nothing was lost, nothing was wrong." } else { "CHANGES WERE LOST OR WRONG." };
        writeln!(f, "\n{verdict}")
    }
}

fn row(f: &mut fmt::Formatter<'_>, columns: &[Column<'_>], label: &str, cell: impl Fn(&Column<'_>) -> String) -> fmt::Result {
    write!(f, "{label:<LABEL_WIDTH$}")?;
    for column in columns {
        write!(f, "{:>COLUMN_WIDTH$}", cell(column))?;
    }
    writeln!(f)
}
