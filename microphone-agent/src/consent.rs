//! What Windows' record of who may use the microphone (`ConsentStore`) tells about its use now: the fallback for what capture sessions miss.
//!
//! An entry whose use has no end is in use, unless its program crashed: that leaves it behind for good. So it counts only while a process
//! runs that was there when the use began.

use std::collections::BTreeSet;

use crate::programs::Programs;

/// Whom an entry is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Holder {
    /// A package, by its family's name.
    Package(String),
    /// The program of a path in which `#` stands for `\`.
    Program(String),
}

/// An entry that tells of use without an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    holder: Holder,
    /// When the use began, as Windows counts time (100 ns since 1601).
    since: Option<u64>,
}

/// A process that runs now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its program, with the folder.
    pub path: String,
    /// Its package, if it has one.
    pub family: Option<String>,
    /// When it began, as Windows counts time.
    pub began: u64,
}

impl Entry {
    /// The entry, if it tells of use now. Of whom nothing was recorded yet there is no end either.
    pub fn in_use(holder: Holder, since: Option<u64>, end: Option<u64>) -> Option<Self> {
        (end == Some(0)).then_some(Self { holder, since: since.filter(|since| *since > 0) })
    }

    fn counts_for(&self, process: &Process) -> bool {
        let was_there = self.since.is_none_or(|since| process.began <= since);
        was_there
            && match &self.holder {
                Holder::Package(family) => process.family.as_deref().is_some_and(|its| same(its, family)),
                // A `#` of the path itself cannot be told from one that stands for `\`.
                Holder::Program(key) => same(&process.path.replace('\\', "#"), key),
            }
    }
}

/// Programs in use: those of sessions, given as paths, and those that only entries tell of.
///
/// `heard`: whom sessions have told of since they can be followed. Of those they tell always, so no entry is needed: one of theirs that has no
/// end would only prolong what has ended, should Windows not close it.
///
/// An entry of a package does not say which of its programs records. If sessions name one of them, that is the one; else all are told.
pub fn programs(
    sessions: Vec<String>,
    heard: &BTreeSet<String>,
    entries: &[Entry],
    processes: impl FnOnce() -> Vec<Process>,
) -> Programs {
    // Usually there is none: then nobody looks through all that runs.
    let processes = if entries.is_empty() { Vec::new() } else { processes() };
    let missed = entries.iter().flat_map(|entry| {
        let of_entry: Vec<&Process> = processes.iter().filter(|process| entry.counts_for(process)).collect();
        let is_known = of_entry.iter().any(|process| sessions.iter().chain(heard).any(|path| same(path, &process.path)));
        if is_known { Vec::new() } else { of_entry }
    });
    let missed: Vec<String> = missed.map(|process| process.path.clone()).collect();
    sessions.into_iter().chain(missed).collect()
}

/// Windows tells no case apart.
fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ZOOM: &str = r"C:\Users\anna\AppData\Roaming\Zoom\bin\Zoom.exe";
    const ZOOM_KEY: &str = "C:#Users#anna#AppData#Roaming#Zoom#bin#Zoom.exe";
    const TEAMS: &str = r"C:\Program Files\WindowsApps\MSTeams_25163.1_x64__8wekyb3d8bbwe\ms-teams.exe";
    const HELPER: &str = r"C:\Program Files\WindowsApps\MSTeams_25163.1_x64__8wekyb3d8bbwe\ms-teams_modulehost.exe";
    const FAMILY: &str = "MSTeams_8wekyb3d8bbwe";

    fn program(key: &str, since: u64) -> Entry {
        Entry::in_use(Holder::Program(key.to_owned()), Some(since), Some(0)).unwrap()
    }

    fn package(family: &str, since: u64) -> Entry {
        Entry::in_use(Holder::Package(family.to_owned()), Some(since), Some(0)).unwrap()
    }

    /// Began at 100.
    fn process(path: &str, family: Option<&str>) -> Process {
        Process { path: path.to_owned(), family: family.map(str::to_owned), began: 100 }
    }

    fn told(sessions: &[&str], entries: &[Entry], processes: &[Process]) -> Programs {
        programs(sessions.iter().map(|path| (*path).to_owned()).collect(), &BTreeSet::new(), entries, || processes.to_vec())
    }

    fn names(names: &[&str]) -> Programs {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn only_what_has_no_end_is_in_use() {
        let holder = || Holder::Program(ZOOM_KEY.to_owned());
        let check = |since, end, expected: Option<Option<u64>>| {
            assert_eq!(Entry::in_use(holder(), since, end).map(|entry| entry.since), expected, "{since:?} {end:?}");
        };
        check(Some(7), Some(0), Some(Some(7)));
        check(Some(7), Some(9), None);
        // Allowed, and never used.
        check(None, None, None);
        check(Some(7), None, None);
        // Since when is not known.
        check(None, Some(0), Some(None));
        check(Some(0), Some(0), Some(None));
    }

    #[test]
    fn an_entry_counts_while_its_program_runs() {
        let check = |key: &str, path: &str, expected: &[&str]| {
            assert_eq!(told(&[], &[program(key, 150)], &[process(path, None)]), names(expected), "{key} {path}");
        };
        check(ZOOM_KEY, ZOOM, &["Zoom.exe"]);
        check(&ZOOM_KEY.to_uppercase(), ZOOM, &["Zoom.exe"]);
        // Another program, and another of the same name.
        check(ZOOM_KEY, r"C:\Windows\explorer.exe", &[]);
        check(ZOOM_KEY, r"D:\Zoom.exe", &[]);
        // Folders may have a # of their own, or be another machine's.
        check("C:#C##demo.exe", r"C:\C#\demo.exe", &["demo.exe"]);
        check("##server#share#demo.exe", r"\\server\share\demo.exe", &["demo.exe"]);
        // A package's family is no path, and the other way about.
        assert_eq!(told(&[], &[program(FAMILY, 150)], &[process(TEAMS, Some(FAMILY))]), names(&[]));
        assert_eq!(told(&[], &[package(ZOOM_KEY, 150)], &[process(ZOOM, None)]), names(&[]));
    }

    #[test]
    fn what_a_crash_left_behind_does_not_count() {
        let check = |since: Option<u64>, began: u64, expected: &[&str]| {
            let entry = Entry::in_use(Holder::Program(ZOOM_KEY.to_owned()), since, Some(0)).unwrap();
            let zoom = Process { began, ..process(ZOOM, None) };
            assert_eq!(told(&[], &[entry], &[zoom]), names(expected), "{since:?} {began}");
        };
        check(Some(150), 100, &["Zoom.exe"]);
        check(Some(150), 150, &["Zoom.exe"]);
        // It runs again, and has not used the microphone since.
        check(Some(150), 151, &[]);
        check(None, 151, &["Zoom.exe"]);
        assert_eq!(told(&[], &[program(ZOOM_KEY, 150)], &[]), names(&[]), "it does not run");
        let lives = [100, 200].map(|began| Process { began, ..process(ZOOM, None) });
        assert_eq!(told(&[], &[program(ZOOM_KEY, 150)], &lives), names(&["Zoom.exe"]), "one of them was there");
    }

    #[test]
    fn entries_tell_only_what_sessions_miss() {
        let processes =
            [process(TEAMS, Some(FAMILY)), process(HELPER, Some(FAMILY)), process(ZOOM, None), process(r"C:\x.exe", None)];
        let check = |sessions: &[&str], entries: &[Entry], expected: &[&str]| {
            assert_eq!(told(sessions, entries, &processes), names(expected), "{sessions:?} {entries:?}");
        };
        check(&[], &[], &[]);
        check(&[ZOOM], &[], &["Zoom.exe"]);
        check(&[ZOOM], &[program(ZOOM_KEY, 150)], &["Zoom.exe"]);
        check(&[&ZOOM.to_lowercase()], &[program(ZOOM_KEY, 150)], &["zoom.exe"]);
        check(&[], &[package(FAMILY, 150)], &["ms-teams.exe", "ms-teams_modulehost.exe"]);
        check(&[HELPER], &[package(&FAMILY.to_lowercase(), 150)], &["ms-teams_modulehost.exe"]);
        check(&[HELPER], &[program(ZOOM_KEY, 150)], &["Zoom.exe", "ms-teams_modulehost.exe"]);
        check(&[ZOOM], &[package("Other_1", 150), program("C:#x.exe", 99)], &["Zoom.exe"]);
    }

    #[test]
    fn what_sessions_have_told_of_no_entry_tells_once_they_have_ended() {
        let processes = [process(TEAMS, Some(FAMILY)), process(HELPER, Some(FAMILY)), process(ZOOM, None)];
        let check = |heard: &[&str], entries: &[Entry], expected: &[&str]| {
            let heard: BTreeSet<String> = heard.iter().map(|path| (*path).to_owned()).collect();
            assert_eq!(programs(Vec::new(), &heard, entries, || processes.to_vec()), names(expected), "{heard:?} {entries:?}");
        };
        check(&[ZOOM], &[program(ZOOM_KEY, 150)], &[]);
        check(&[&ZOOM.to_lowercase()], &[program(ZOOM_KEY, 150)], &[]);
        check(&[HELPER], &[package(FAMILY, 150)], &[]);
        check(&[HELPER], &[program(ZOOM_KEY, 150)], &["Zoom.exe"]);
    }

    #[test]
    fn nobody_looks_through_processes_for_nothing() {
        assert_eq!(programs(vec![ZOOM.to_owned()], &BTreeSet::new(), &[], || panic!("for nothing")), names(&["Zoom.exe"]));
    }
}
