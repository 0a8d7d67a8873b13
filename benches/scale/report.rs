//! The table of what was measured, one column for each tenant.

use std::fmt;
use std::time::Duration;

use crate::Arguments;
use crate::changes::Part;
use crate::run::Measured;
use crate::surroundings::figures::{float, milliseconds, quantile};
use crate::surroundings::machine::{self, CpuTimes};
use crate::upkeep::Table;

const LABEL_WIDTH: usize = 46;
const COLUMN_WIDTH: usize = 22;
const MEGABYTE: f64 = 1_048_576.0;

/// What was measured, tenant after tenant.
pub struct Report {
    per_second: usize,
    measured: Vec<Measured>,
}

impl Report {
    /// Nothing yet.
    pub fn new(arguments: &Arguments) -> Self {
        Self { per_second: arguments.per_second, measured: Vec::new() }
    }

    /// Adds a tenant.
    pub fn add(&mut self, measured: Measured) {
        self.measured.push(measured);
    }

    /// Whether every change was shown, or was overtaken by the same person's next one.
    pub fn is_sound(&self) -> bool {
        self.measured.iter().all(|measured| measured.steady.seen.missing + measured.burst.seen.missing == 0)
    }

    fn row(&self, f: &mut fmt::Formatter<'_>, label: &str, cell: impl Fn(&Measured) -> String) -> fmt::Result {
        write!(f, "{label:<LABEL_WIDTH$}")?;
        for measured in &self.measured {
            write!(f, "{:>COLUMN_WIDTH$}", cell(measured))?;
        }
        writeln!(f)
    }

    fn part(&self, f: &mut fmt::Formatter<'_>, title: &str, part: impl Fn(&Measured) -> &Part) -> fmt::Result {
        writeln!(f, "{title}")?;
        let rate = |part: &Part| format!("{:.0}/s", float(part.changes) / part.making.as_secs_f64());
        self.row(f, "  changes made", |measured| part(measured).changes.to_string())?;
        self.row(f, "  how fast", |measured| rate(part(measured)))?;
        self.row(f, "  change to push, half within", |measured| milliseconds(quantile(&part(measured).seen.took, 500)))?;
        self.row(f, "  change to push, 99 of 100 within", |measured| milliseconds(quantile(&part(measured).seen.took, 990)))?;
        self.row(f, "  change to push, all within", |measured| milliseconds(quantile(&part(measured).seen.took, 1000)))?;
        self.row(f, "  the last was shown after", |measured| seconds(part(measured).lasted))?;
        self.row(f, "  overtaken by the next of the same person", |measured| part(measured).seen.overtaken.to_string())?;
        self.row(f, "  never shown", |measured| part(measured).seen.missing.to_string())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} cores, all of them shared by gateway, Postgres, emulators and this program", machine::cores())?;
        self.row(f, "users", |measured| measured.users.to_string())?;
        self.row(f, "subscriber accounts", |measured| measured.accounts.to_string())?;
        self.row(f, "the emulators were filled in", |measured| seconds(measured.filling))?;
        self.row(f, "everybody known, watched, decided for after", |measured| seconds(measured.from_nothing))?;
        writeln!(f, "at rest")?;
        self.row(f, "  gateway, memory (goal 300 MB)", |measured| megabytes(measured.rest.memory))?;
        self.row(f, "  gateway, most memory ever, first run", |measured| megabytes(measured.peak_memory[0]))?;
        self.row(f, "  gateway, most memory ever, second run", |measured| megabytes(measured.peak_memory[1]))?;
        self.row(f, "  gateway, of one core (goal 5 %)", |measured| share(measured.rest.cpu.gateway, measured.rest.lasted))?;
        let postgres = |cpu: CpuTimes, lasted| cpu.postgres.map_or_else(|| "elsewhere".to_owned(), |used| share(used, lasted));
        self.row(f, "  Postgres, of one core", |measured| postgres(measured.rest.cpu, measured.rest.lasted))?;
        self.row(f, "  emulators, of one core", |measured| share(measured.rest.emulators_cpu, measured.rest.lasted))?;
        self.row(f, "  one sweep", |measured| {
            measured.rest.sweep_seconds.map_or_else(|| "none ended".to_owned(), |seconds| format!("{seconds:.2} s"))
        })?;
        self.row(f, "restart to ready (goal 2 s)", |measured| milliseconds(measured.ready_after))?;
        self.part(f, &format!("changes, {} a second offered", self.per_second), |measured| &measured.steady)?;
        self.row(f, "  answers, 99 of 100 within", |measured| {
            milliseconds(Duration::try_from_secs_f64(measured.answered_within_seconds).unwrap_or(Duration::MAX))
        })?;
        let each =
            |used: Duration, measured: &Measured| format!("{:.2} ms", used.as_secs_f64() * 1e3 / float(measured.steady.changes));
        self.row(f, "  gateway, CPU for each change", |measured| each(measured.steady_cpu.gateway, measured))?;
        self.row(f, "  Postgres, CPU for each change", |measured| {
            measured.steady_cpu.postgres.map_or_else(|| "elsewhere".to_owned(), |used| each(used, measured))
        })?;
        self.part(f, "burst, offered within a second", |measured| &measured.burst)?;
        for measured in &self.measured {
            writeln!(f, "\nPostgres' tables after that, {} users", measured.users)?;
            writeln!(
                f,
                "  {:<20}{:>12}{:>12}{:>12}{:>14}{:>10}{:>12}",
                "table", "written", "live", "dead", "in place", "tidied", "size"
            )?;
            for table in &measured.tables {
                tell(f, table)?;
            }
        }
        Ok(())
    }
}

fn tell(f: &mut fmt::Formatter<'_>, table: &Table) -> fmt::Result {
    let Table { name, live, dead, written, in_place_percent, tidied, bytes } = table;
    let in_place = in_place_percent.map_or_else(|| "-".to_owned(), |percent| format!("{percent:.0} %"));
    let size = megabytes(u64::try_from(*bytes).ok());
    writeln!(f, "  {name:<20}{written:>12}{live:>12}{dead:>12}{in_place:>14}{tidied:>10}{size:>12}")
}

fn seconds(duration: Duration) -> String {
    format!("{:.1} s", duration.as_secs_f64())
}

fn share(used: Duration, of: Duration) -> String {
    format!("{:.1} %", used.as_secs_f64() / of.as_secs_f64() * 100.0)
}

fn megabytes(bytes: Option<u64>) -> String {
    let bytes = bytes.map(|bytes| u32::try_from(bytes / 1024).map_or(f64::MAX, f64::from) * 1024.0);
    bytes.map_or_else(|| "unknown".to_owned(), |bytes| format!("{:.0} MB", bytes / MEGABYTE))
}
