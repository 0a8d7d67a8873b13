//! The microphone by the rules alone: from what arrived at the gateway, and when, to what may show of it, and what must not.

use super::story::{MINUTE, Ms, PROGRAMS, SECOND, Table, WORKSTATIONS};
use super::workstation::Programs;

/// Three missed heartbeats end what a workstation told.
const TOLD_LIFE: Ms = 90 * SECOND;
/// Less than this is a probe.
const PROBE: Ms = 2 * SECOND;
/// An event, a decision, a push.
pub const SHOWN_WITHIN: Ms = 5 * SECOND;
/// So long the microphone must have been free, while everything works, to have been noticed.
const NOTICED_AFTER: Ms = SECOND;
/// A push that was under way when something was undone may still do it again.
const UNDER_WAY: Ms = MINUTE;

/// What the table has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Alias {
    Zoom,
    Chrome,
}

const ALIASES: [Alias; 2] = [Alias::Zoom, Alias::Chrome];

impl Alias {
    pub fn alias(self) -> &'static str {
        match self {
            Self::Zoom => "Zoom Meeting",
            Self::Chrome => "Google Chrome",
        }
    }

    /// The entry that shows as this.
    pub fn named(alias: &str) -> Option<Self> {
        ALIASES.into_iter().find(|entry| entry.alias() == alias)
    }
}

/// The entry that a program of [`NAMES`](super::workstation::NAMES) belongs to, whether or not it is told of.
fn entry_of(table: Table, program: usize) -> Option<Alias> {
    match program {
        0 => Some(Alias::Zoom),
        1 => Some(Alias::Chrome),
        _ => (table != Table::ChromeFirst).then_some(Alias::Zoom),
    }
}

/// What is told of, the first first.
fn order(table: Table) -> &'static [Alias] {
    match table {
        Table::Off => &[],
        Table::ZoomFirst => &[Alias::Zoom, Alias::Chrome],
        Table::ChromeFirst => &[Alias::Chrome, Alias::Zoom],
        Table::ZoomSilent => &[Alias::Chrome],
    }
}

/// What a workstation told last.
#[derive(Clone, Copy, Debug, Default)]
struct Told {
    at: Ms,
    /// Since when each entry is told without a pause.
    since: [Option<Ms>; ALIASES.len()],
}

/// How sure it is that what is in use must not be shown before the microphone was free.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Held {
    No,
    /// The gateway may have seen it or not.
    Perhaps,
    Yes,
}

/// What the rules make of the reports.
#[derive(Clone, Debug)]
pub struct Overheard {
    pub table: Table,
    /// A microphone was ever used; before that there is nothing to work out.
    pub begun: bool,
    told: [Told; WORKSTATIONS],
    /// What should show of the microphone.
    pub wanted: Option<Alias>,
    /// What should have shown of late, and until when.
    recent: Vec<(Option<Alias>, Ms)>,
    pub held: Held,
    held_at: Ms,
    /// The gateway has seen what made it so.
    seen: bool,
    /// Since when, being held, it is free.
    free_since: Option<Ms>,
    /// When each entry was last truly in use where somebody would tell.
    last_used: [Ms; ALIASES.len()],
    /// When a report came last that had gone astray.
    astray_at: Ms,
}

impl Overheard {
    pub fn new(table: Table) -> Self {
        Self {
            table,
            begun: false,
            told: [Told::default(); WORKSTATIONS],
            wanted: None,
            recent: Vec::new(),
            held: Held::No,
            held_at: 0,
            seen: false,
            free_since: None,
            last_used: [Ms::MIN / 2; ALIASES.len()],
            astray_at: Ms::MIN / 2,
        }
    }

    /// A report was taken.
    pub fn told(&mut self, workstation: usize, programs: Programs, astray: bool, now: Ms) {
        let before = self.told[workstation];
        let goes_on = now < before.at + TOLD_LIFE;
        let named = |entry: Alias| {
            let mut programs = (0..PROGRAMS).filter(|program| programs & 1 << program != 0);
            order(self.table).contains(&entry) && programs.any(|program| entry_of(self.table, program) == Some(entry))
        };
        let since = |entry: Alias| before.since[entry as usize].filter(|_| goes_on).unwrap_or(now);
        self.told[workstation] = Told { at: now, since: ALIASES.map(|entry| named(entry).then(|| since(entry))) };
        if astray {
            self.astray_at = now;
        }
    }

    /// Whether any workstation tells of this entry, and has for so long.
    fn is_told(&self, entry: Alias, lasting: Ms, now: Ms) -> bool {
        let tells =
            |told: &Told| now < told.at + TOLD_LIFE && told.since[entry as usize].is_some_and(|since| since + lasting <= now);
        self.told.iter().any(tells)
    }

    /// Whether any workstation tells of it at all.
    pub fn is_told_of(&self, entry: Alias, now: Ms) -> bool {
        self.is_told(entry, 0, now)
    }

    /// Works out what should show now; whether that is something else than before. `last_fault`: since when everything works.
    pub fn observe(&mut self, now: Ms, last_fault: Ms) -> bool {
        let wanted = order(self.table).iter().copied().find(|entry| self.is_told(*entry, PROBE, now));
        let changed = wanted != self.wanted;
        if changed {
            self.recent.push((self.wanted, now));
            self.wanted = wanted;
        }
        self.recent.retain(|(_, until)| *until + SHOWN_WITHIN > now);
        if self.held != Held::No {
            match (wanted, self.free_since) {
                (None, None) => self.free_since = Some(now),
                (Some(_), Some(free_since)) => {
                    let noticed = last_fault < free_since && now - free_since >= NOTICED_AFTER;
                    self.held = if noticed { Held::No } else { Held::Perhaps };
                    self.free_since = None;
                }
                _ => {}
            }
        }
        changed
    }

    /// What is truly in use at a workstation where somebody would tell.
    pub fn used(&mut self, programs: Programs, now: Ms) {
        for program in (0..PROGRAMS).filter(|program| programs & 1 << program != 0) {
            if let Some(entry) = entry_of(self.table, program) {
                self.last_used[entry as usize] = now;
            }
        }
    }

    /// Since when nobody could rightly tell of this entry.
    pub fn silent_since(&self, entry: Alias) -> Ms {
        self.last_used[entry as usize].max(self.astray_at)
    }

    /// When time alone changes what should show, or ends the time that it may take.
    pub fn next_change(&self, now: Ms) -> Option<Ms> {
        if !self.begun {
            return None;
        }
        let of_told = |told: &Told| {
            let counts = told.since.into_iter().flatten().map(|since| since + PROBE);
            counts.chain(told.since.iter().any(Option::is_some).then_some(told.at + TOLD_LIFE)).collect::<Vec<_>>()
        };
        let settled = self.recent.iter().map(|(_, until)| *until + SHOWN_WITHIN);
        self.told.iter().flat_map(of_told).chain(settled).filter(|at| *at > now).min()
    }

    /// Whether there is anything to judge.
    pub fn is_concerned(&self) -> bool {
        self.wanted.is_some() || !self.recent.is_empty()
    }

    /// Whether the microphone, where nothing stronger is shown, may rightly show this.
    pub fn may_show(&self, shown: Option<Alias>) -> bool {
        let of_late = || self.recent.iter().map(|(wanted, _)| *wanted).chain([self.wanted]).any(|wanted| wanted == shown);
        match self.held {
            Held::Yes => shown.is_none(),
            Held::Perhaps => shown.is_none() || of_late(),
            Held::No => of_late(),
        }
    }

    /// Whether it should show, or should have a moment ago: nobody is looked at again at once.
    pub fn is_or_was_wanted(&self, alias: Alias) -> bool {
        self.wanted == Some(alias) || self.recent.iter().any(|(wanted, _)| *wanted == Some(alias))
    }

    fn hold(&mut self, how: Held, now: Ms) {
        let how = if self.wanted.is_none() { Held::Perhaps } else { how };
        if self.held == Held::Yes && how == Held::Perhaps {
            return;
        }
        (self.held, self.held_at, self.seen) = (how, now, false);
        self.free_since = self.wanted.is_none().then_some(now);
    }

    /// A person removed what was shown.
    pub fn removed(&mut self, now: Ms) {
        self.hold(Held::Yes, now);
    }

    /// Its end came. `doubtful`: a push about it was on its way, or nobody knows what the time is.
    pub fn ended(&mut self, doubtful: bool, now: Ms) {
        self.hold(if doubtful { Held::Perhaps } else { Held::Yes }, now);
    }

    /// The gateway set or deleted the appointment, perhaps before it can have noticed.
    pub fn pushed(&mut self, last_fault: Ms, now: Ms) {
        if self.held == Held::Yes && !self.seen && (now - self.held_at < UNDER_WAY || last_fault >= self.held_at) {
            self.held = Held::Perhaps;
        }
    }

    /// The gateway has seen that it is gone: nothing that it does from now on makes that doubtful.
    pub fn seen_gone(&mut self) {
        self.seen = true;
    }

    /// Times recorded before mean something else now.
    pub fn clock_jumped(&mut self, now: Ms) {
        if self.held == Held::Yes {
            self.held = Held::Perhaps;
        } else if self.wanted.is_some() {
            self.hold(Held::Perhaps, now);
        }
    }
}
