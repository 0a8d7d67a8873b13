//! The table of what was measured, and whether the expectations held.

use std::fmt;
use std::time::Duration;

use crate::raw::Raw;
use crate::run::Measured;
use crate::surroundings::figures::{float, milliseconds, quantile};
use crate::surroundings::machine;

/// Graph takes an answer after 3 s for slow; under overload 99 of 100 are to come within this.
const OVERLOADED_ACK_MAX: Duration = Duration::from_millis(100);
/// With a larger share of the machine for other programs a run proves nothing.
const OTHERS_MAX: f64 = 0.05;
/// Nor does one in which the raw limit fell below this part of its highest value.
const RAW_STEADY_MIN: f64 = 0.8;
const LABEL_WIDTH: usize = 42;
const COLUMN_WIDTH: usize = 19;

/// What was measured, scenario after scenario.
pub struct Report {
    per_post: usize,
    connections: usize,
    /// The raw limit: before the first scenario, and after each.
    raw: Vec<Raw>,
    measured: Vec<Measured>,
}

/// An expectation, and whether it held.
struct Expectation {
    text: String,
    held: bool,
}

impl Report {
    /// Nothing yet but the raw limit.
    pub fn new(per_post: usize, connections: usize, raw: Raw) -> Self {
        Self { per_post, connections, raw: vec![raw], measured: Vec::new() }
    }

    /// Adds a scenario and the raw limit measured after it.
    pub fn add(&mut self, measured: Measured, raw: Raw) {
        self.measured.push(measured);
        self.raw.push(raw);
    }

    /// The rate of the first scenario like this.
    pub fn rate_of(&self, is_it: impl Fn(&Measured) -> bool) -> Option<f64> {
        self.measured.iter().find(|measured| is_it(measured)).map(Measured::rate)
    }

    /// Whether every expectation held.
    pub fn holds(&self) -> bool {
        self.expectations().iter().all(|expectation| expectation.held)
    }

    /// What the library alone decrypts a second, around this scenario.
    fn raw_around(&self, place: usize) -> f64 {
        f64::midpoint(self.raw[place].per_second, self.raw[place + 1].per_second)
    }

    /// The ratio that would come out if the cores were ours alone and never idle; `None`: Postgres' share is not to be seen.
    fn ratio_of_cpu(&self, place: usize) -> Option<f64> {
        let raw = f64::midpoint(self.raw[place].cpu_seconds, self.raw[place + 1].cpu_seconds);
        let Measured { cpu, scenario, .. } = &self.measured[place];
        let used = cpu.gateway + cpu.postgres? + cpu.ours;
        Some(raw * float(scenario.notifications()) / used.as_secs_f64())
    }

    /// Whether other programs had their share, or the raw limit did not stay the same.
    fn is_disturbed(&self) -> bool {
        let slowest = self.raw.iter().map(|raw| raw.per_second).fold(f64::INFINITY, f64::min);
        let fastest = self.raw.iter().map(|raw| raw.per_second).fold(0.0, f64::max);
        let others = |measured: &Measured| others_share(measured) > OTHERS_MAX;
        slowest < fastest * RAW_STEADY_MIN || self.measured.iter().any(others)
    }

    fn ratio(&self, place: usize) -> f64 {
        self.measured[place].rate() / self.raw_around(place)
    }

    fn expectations(&self) -> Vec<Expectation> {
        let mut all = Vec::new();
        for (place, measured) in self.measured.iter().enumerate() {
            let name = measured.scenario.name;
            if let Some(min) = measured.scenario.ratio_min {
                let (ratio, rate) = (self.ratio(place), "of the raw limit");
                all.push(Expectation { text: format!("{name}: at least {min:.1} {rate}; {ratio:.2}"), held: ratio >= min });
            }
            if measured.scenario.offered_per_second.is_some() {
                let ack = quantile(&measured.answers.answered, 990);
                let max = OVERLOADED_ACK_MAX.as_millis();
                let text = format!("{name}: 99 of 100 answers within {max} ms; {}", milliseconds(ack));
                all.push(Expectation { text, held: ack < OVERLOADED_ACK_MAX });
            }
            all.push(Expectation { text: format!("{name}: nothing lost; {}", measured.lost), held: measured.lost == 0 });
        }
        all
    }

    fn row(&self, f: &mut fmt::Formatter<'_>, label: &str, cell: impl Fn(usize, &Measured) -> String) -> fmt::Result {
        write!(f, "{label:<LABEL_WIDTH$}")?;
        for (place, measured) in self.measured.iter().enumerate() {
            write!(f, "{:>COLUMN_WIDTH$}", cell(place, measured))?;
        }
        writeln!(f)
    }

    fn rates(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.row(f, "", |_, measured| measured.scenario.name.to_owned())?;
        self.row(f, "users x notifications each", |_, measured| {
            format!("{} x {}", measured.scenario.users, measured.scenario.per_user)
        })?;
        let offered = |measured: &Measured| measured.scenario.offered_per_second.map_or("-".into(), |rate| format!("{rate:.0}"));
        self.row(f, "notifications/s offered", |_, measured| offered(measured))?;
        self.row(f, "notifications/s decided and durable", |_, measured| format!("{:.0}", measured.rate()))?;
        self.row(f, "raw decrypts/s, before and after", |place, _| {
            format!("{:.0} {:.0}", self.raw[place].per_second, self.raw[place + 1].per_second)
        })?;
        self.row(f, "ratio to raw", |place, _| format!("{:.2}", self.ratio(place)))?;
        self.row(f, "  were the cores ours alone, by CPU time", |place, _| {
            self.ratio_of_cpu(place).map_or("not to be seen".to_owned(), |ratio| format!("{ratio:.2}"))
        })?;
        self.row(f, "superseded before decryption", |_, measured| measured.superseded.to_string())?;
        self.row(f, "s until decided and durable", |_, measured| seconds(measured.decided_in))?;
        self.row(f, "s until pushed and confirmed too", |_, measured| seconds(measured.pushed_in))
    }

    fn answers(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (label, per_mille) in [("ack p50", 500), ("ack p99", 990), ("ack max", 1000)] {
            self.row(f, label, |_, measured| milliseconds(quantile(&measured.answers.answered, per_mille)))?;
        }
        self.row(f, "posts accepted / sent again", |_, measured| {
            format!("{} / {}", measured.answers.accepted, measured.answers.again)
        })?;
        self.row(f, "s until the last answer", |_, measured| seconds(measured.answers.took))?;
        let late = |measured: &Measured| match measured.answers.late.as_slice() {
            [] => "-".to_owned(),
            late => milliseconds(quantile(late, 990)),
        };
        self.row(f, "posts sent late by this program, p99", |_, measured| late(measured))
    }

    fn costs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = |cpu: Duration, measured: &Measured| {
            format!("{:.3} ms", cpu.as_secs_f64() * 1e3 / float(measured.scenario.notifications()))
        };
        self.row(f, "CPU per notification: gateway", |_, measured| each(measured.cpu.gateway, measured))?;
        self.row(f, "  beside it: Postgres", |_, measured| {
            measured.cpu.postgres.map_or("not to be seen".to_owned(), |cpu| each(cpu, measured))
        })?;
        self.row(f, "  beside it: load and stand-ins", |_, measured| each(measured.cpu.ours, measured))?;
        self.row(f, "  for comparison: one raw decryption", |place, _| {
            format!("{:.3} ms", self.raw[place + 1].cpu_seconds * 1e3)
        })?;
        self.row(f, "machine taken by other programs", |_, measured| format!("{:.0} %", others_share(measured) * 100.0))?;
        self.row(f, "gateway's peak memory (RSS)", |_, measured| {
            let megabytes = |bytes: u64| format!("{} MiB", bytes >> 20);
            measured.peak_memory.map_or("not to be seen".to_owned(), megabytes)
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores = machine::cores();
        writeln!(
            f,
            "\nGateway, Postgres (durable), stand-ins for the other systems and load share {cores} cores; {} notifications in a post; \
             {} connections\nwhere no rate is offered. Rates tell about this machine, ratios about the gateway.\n",
            self.per_post, self.connections,
        )?;
        self.rates(f)?;
        self.answers(f)?;
        self.costs(f)?;
        if self.is_disturbed() {
            writeln!(
                f,
                "\nDISTURBED: other programs took part of the machine, or its speed changed. Ratios of this run prove nothing."
            )?;
        }
        writeln!(f, "\nExpected, and found in this run:")?;
        for expectation in self.expectations() {
            let verdict = if expectation.held { "held" } else { "DID NOT HOLD" };
            writeln!(f, "  {:<75} {verdict}", expectation.text)?;
        }
        Ok(())
    }
}

fn others_share(measured: &Measured) -> f64 {
    measured.cpu.others_share(measured.decided_in)
}

fn seconds(duration: Duration) -> String {
    format!("{:.2}", duration.as_secs_f64())
}
