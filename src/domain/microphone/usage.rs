//! What a user's workstations report to use the microphone, how long that holds, and what of it is to show.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use super::{MicrophoneSync, Process, program_name};

/// So often a workstation reports though nothing changed.
pub const HEARTBEAT: SignedDuration = SignedDuration::from_secs(30);
/// Three missed heartbeats end what a workstation reported.
pub const REPORT_LIFE: SignedDuration = SignedDuration::from_secs(90);
/// What uses the microphone for less is a probe: device settings, a level meter, a program that starts.
pub const PROBE_MAX: SignedDuration = SignedDuration::from_secs(2);
/// Replicas' clocks are no further apart; what was reported later than this was written by a clock that was wrong, and proves nothing.
const AHEAD_MAX: SignedDuration = SignedDuration::from_secs(5);

/// A program that a workstation reported: nothing but the name of its entry in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InUse {
    /// The entry's name, see [`program_name`].
    pub process: String,
    /// Since when the workstation reports it without a pause.
    pub since: Timestamp,
    /// When the workstation was last heard.
    pub reported_at: Timestamp,
}

/// What is known of a user's microphone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Microphone {
    /// What holds for the user; `None`: nothing was reported, so nobody looked.
    pub sync: Option<Arc<MicrophoneSync>>,
    /// What all of the user's workstations report.
    pub in_use: Vec<InUse>,
}

impl InUse {
    /// Whether its workstation was heard lately enough.
    #[must_use]
    pub fn is_live(&self, now: Timestamp) -> bool {
        self.reported_at <= now + AHEAD_MAX && now < self.reported_at + REPORT_LIFE
    }

    /// When it will have been in use for longer than a probe. When a start in the future was nobody knows: long ago.
    fn counts_from(&self, now: Timestamp) -> Timestamp {
        if self.since > now + AHEAD_MAX { now } else { self.since + PROBE_MAX }
    }
}

impl Microphone {
    fn live(&self, now: Timestamp) -> impl Iterator<Item = &InUse> {
        self.in_use.iter().filter(move |program| program.is_live(now))
    }

    /// What is to show: the first entry of the table that is in use, and no probe.
    #[must_use]
    pub fn shows(&self, now: Timestamp) -> Option<&Process> {
        self.shows_beside(now, None)
    }

    /// The same, where this is shown already: as long as it is in use it was no probe. A replica whose clock is behind would take back
    /// what another has shown, which would show it again.
    #[must_use]
    pub fn shows_beside(&self, now: Timestamp, shown: Option<&str>) -> Option<&Process> {
        let sync = self.sync.as_ref()?;
        let is_shown = |process: &str| shown.is_some() && sync.told_of(process).map(Process::shown_as) == shown;
        let counting = self.live(now).filter(|program| program.counts_from(now) <= now || is_shown(&program.process));
        sync.entry_to_show(counting.map(|program| program.process.as_str()))
    }

    /// When any workstation was last heard to say so, if one still counts.
    #[must_use]
    pub fn confirmed_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.live(now).map(|program| program.reported_at.min(now)).max()
    }

    /// When time alone changes what is to show: a probe becomes a use, or a workstation has missed its heartbeats.
    #[must_use]
    pub fn look_again_at(&self, now: Timestamp) -> Option<Timestamp> {
        let next = |program: &InUse| {
            let (counts, ends) = (program.counts_from(now), program.reported_at + REPORT_LIFE);
            if counts > now { counts.min(ends) } else { ends }
        };
        self.live(now).map(next).min()
    }

    /// Whether anything is kept that no longer counts.
    #[must_use]
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.in_use.iter().any(|program| now >= program.reported_at + REPORT_LIFE)
    }
}

/// What to keep of a report: of programs that are told of the names of their entries, each once, and since when each is in use.
///
/// `before`: what is kept of the same workstation's last report. What is not told of is not kept.
#[must_use]
pub fn merge(sync: &MicrophoneSync, programs: &[String], before: &[InUse], now: Timestamp) -> Vec<InUse> {
    let mut kept: Vec<InUse> = Vec::new();
    for entry in programs.iter().filter_map(|program| sync.told_of(program)) {
        let process = program_name(&entry.process);
        if kept.iter().all(|kept| kept.process != process) {
            let same = before.iter().find(|before| before.process == process && before.is_live(now));
            let since = same.map_or(now, |same| same.since.min(now));
            kept.push(InUse { process, since, reported_at: now });
        }
    }
    kept.sort_by(|one, other| one.process.cmp(&other.process));
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::microphone::starting_ignored;

    fn at(seconds: i64) -> Timestamp {
        "2026-11-30T09:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(seconds)
    }

    fn sync(enabled: bool) -> MicrophoneSync {
        let entry = |(process, active): (&str, bool)| Process { process: process.to_owned(), alias: None, active };
        let processes = [("Zoom.exe", true), ("chrome", true), ("slack", false)].map(entry).to_vec();
        MicrophoneSync { enabled, processes, ignored: starting_ignored() }
    }

    fn in_use(process: &str, since: i64, reported: i64) -> InUse {
        InUse { process: process.to_owned(), since: at(since), reported_at: at(reported) }
    }

    fn microphone(in_use: &[InUse]) -> Microphone {
        Microphone { sync: Some(Arc::new(sync(true))), in_use: in_use.to_vec() }
    }

    #[test]
    fn what_is_in_use_shows_after_two_seconds_and_for_three_heartbeats() {
        let check = |programs: &[InUse], now: i64, shows: Option<&str>, look_again: Option<i64>| {
            let microphone = microphone(programs);
            assert_eq!(microphone.shows(at(now)).map(Process::shown_as), shows, "{programs:?} at {now}");
            assert_eq!(microphone.look_again_at(at(now)), look_again.map(at), "{programs:?} at {now}");
        };
        check(&[], 0, None, None);
        check(&[in_use("zoom", 0, 0)], 0, None, Some(2));
        check(&[in_use("zoom", 0, 0)], 1, None, Some(2));
        check(&[in_use("zoom", 0, 0)], 2, Some("Zoom.exe"), Some(90));
        check(&[in_use("zoom", 0, 30)], 89, Some("Zoom.exe"), Some(120));
        check(&[in_use("zoom", 0, 0)], 89, Some("Zoom.exe"), Some(90));
        check(&[in_use("zoom", 0, 0)], 90, None, None);
        // The table's order counts, not that of the reports; of two workstations one is enough.
        check(&[in_use("chrome", 0, 0), in_use("zoom", 3, 3)], 4, Some("chrome"), Some(5));
        check(&[in_use("chrome", 0, 0), in_use("zoom", 3, 3)], 5, Some("Zoom.exe"), Some(90));
        check(&[in_use("zoom", -100, -90), in_use("zoom", -50, -20)], 0, Some("Zoom.exe"), Some(70));
        // No entry of its own, or switched off.
        check(&[in_use("notepad", 0, 0), in_use("slack", 0, 0)], 5, None, Some(90));
        // A clock was wrong.
        check(&[in_use("zoom", 3600, 3600)], 0, None, None);
        check(&[in_use("zoom", 3600, 0)], 0, Some("Zoom.exe"), Some(90));
        check(&[in_use("zoom", 0, 2)], 1, None, Some(2));
    }

    #[test]
    fn of_a_report_only_what_is_told_of_is_kept() {
        let check = |enabled, programs: &[&str], before: &[InUse], expected: &[InUse]| {
            let programs: Vec<String> = programs.iter().map(|program| (*program).to_owned()).collect();
            assert_eq!(merge(&sync(enabled), &programs, before, at(60)), expected, "{programs:?}");
        };
        check(true, &[], &[in_use("zoom", 0, 30)], &[]);
        check(
            true,
            &[r"C:\Zoom\ZOOM.exe", "zoom_helper", "notepad.exe", "Slack.exe", "krisp.exe"],
            &[],
            &[in_use("zoom", 60, 60)],
        );
        check(true, &["zoom", "chrome"], &[in_use("zoom", 0, 30)], &[in_use("chrome", 60, 60), in_use("zoom", 0, 60)]);
        // Three heartbeats were missed in between: that was another use.
        check(true, &["zoom"], &[in_use("zoom", -90, -30)], &[in_use("zoom", 60, 60)]);
        check(true, &["zoom"], &[in_use("zoom", 3600, 50)], &[in_use("zoom", 60, 60)]);
        check(false, &["zoom", "chrome"], &[], &[]);
    }

    #[test]
    fn what_counts_no_more_is_told_to_be_forgotten() {
        assert!(!microphone(&[in_use("zoom", 0, 0)]).has_ended(at(89)));
        assert!(microphone(&[in_use("zoom", 0, 0)]).has_ended(at(90)));
        assert_eq!(microphone(&[in_use("zoom", 0, 4), in_use("chrome", 0, 2)]).confirmed_at(at(3)), Some(at(3)));
        assert_eq!(microphone(&[in_use("zoom", 0, 0)]).confirmed_at(at(90)), None);
    }
}
