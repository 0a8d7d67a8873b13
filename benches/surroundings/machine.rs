//! What processes used of the machine, as Linux tells it under `/proc`.

use std::fs;
use std::thread::available_parallelism;
use std::time::Duration;

use super::figures::float;

/// Linux counts CPU time for programs in hundredths of a second, whatever its own clock does.
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time used so far.
#[derive(Clone, Copy, Debug)]
pub struct CpuTimes {
    /// By the gateway.
    pub gateway: Duration,
    /// By Postgres, all its processes; `None`: it does not run on this machine, or we cannot see it.
    pub postgres: Option<Duration>,
    /// By this program: load and stand-ins.
    pub ours: Duration,
    /// By everything on the machine.
    pub machine: Duration,
}

impl CpuTimes {
    /// What was used by now. `postmaster` is the process that all of Postgres' are children of.
    pub fn now(gateway: u32, postmaster: Option<u32>) -> Self {
        let own = |pid: &str| stat(pid).map(|stat| stat.own).unwrap_or_default();
        Self { gateway: own(&gateway.to_string()), postgres: postmaster.and_then(family), ours: own("self"), machine: machine() }
    }

    /// What was used since `earlier`.
    pub fn since(self, earlier: Self) -> Self {
        Self {
            gateway: self.gateway.saturating_sub(earlier.gateway),
            postgres: self.postgres.zip(earlier.postgres).map(|(now, then)| now.saturating_sub(then)),
            ours: self.ours.saturating_sub(earlier.ours),
            machine: self.machine.saturating_sub(earlier.machine),
        }
    }

    /// What neither the gateway nor Postgres nor we used of all cores in so long a time, from 0 to 1.
    pub fn others_share(self, during: Duration) -> f64 {
        let others = self.machine.saturating_sub(self.gateway + self.ours + self.postgres.unwrap_or_default());
        others.as_secs_f64() / (during.as_secs_f64() * float(cores()))
    }
}

/// Cores that this program may use.
pub fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
}

/// CPU time that a process has used so far.
pub fn cpu_of(pid: u32) -> Duration {
    stat(&pid.to_string()).map(|stat| stat.own).unwrap_or_default()
}

/// The most memory a process ever held, in bytes.
pub fn peak_memory(pid: u32) -> Option<u64> {
    memory(pid, "VmHWM:")
}

/// The memory a process holds now, in bytes.
pub fn resident_memory(pid: u32) -> Option<u64> {
    memory(pid, "VmRSS:")
}

fn memory(pid: u32, field: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(field))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// The process that all of a server's are children of, from one of them, if it is a Postgres of this machine.
pub fn postmaster_of(backend: u32) -> Option<u32> {
    let backend = stat(&backend.to_string()).filter(|stat| stat.name == "postgres")?;
    let parent = stat(&backend.parent.to_string()).filter(|stat| stat.name == "postgres");
    parent.map(|_| backend.parent)
}

struct Stat {
    name: String,
    parent: u32,
    own: Duration,
    /// Of children that ended.
    children: Duration,
}

fn stat(pid: &str) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name stands in parentheses and may hold anything, even parentheses.
    let (head, fields) = text.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let number = |index: usize| fields.get(index).and_then(|field| field.parse::<u64>().ok());
    Some(Stat {
        name,
        parent: u32::try_from(number(1)?).ok()?,
        own: ticks(number(11)? + number(12)?),
        children: ticks(number(13)? + number(14)?),
    })
}

fn family(postmaster: u32) -> Option<Duration> {
    let root = stat(&postmaster.to_string())?;
    let mut total = root.own + root.children;
    for entry in fs::read_dir("/proc").ok()?.flatten() {
        let name = entry.file_name();
        let Some(pid) = name.to_str().filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())) else { continue };
        if let Some(child) = stat(pid).filter(|stat| stat.parent == postmaster) {
            total += child.own + child.children;
        }
    }
    Some(total)
}

/// Everything but idling, waiting for disks and what a host took away.
fn machine() -> Duration {
    let text = fs::read_to_string("/proc/stat").unwrap_or_default();
    let line = text.lines().next().unwrap_or_default();
    let fields: Vec<u64> = line.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    let busy = [0, 1, 2, 5, 6].into_iter().filter_map(|index| fields.get(index)).sum();
    ticks(busy)
}

fn ticks(ticks: u64) -> Duration {
    Duration::from_secs_f64(u32::try_from(ticks).map_or(f64::from(u32::MAX), f64::from) / TICKS_PER_SECOND)
}
