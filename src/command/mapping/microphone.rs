//! What XPhone shows of a program that uses the microphone, or why not: beside whatever both sides say.

use std::sync::Arc;

use super::people::{NOW, XPHONE_SAYS, somebody, spell};
use super::shown::in_xphone;
use super::table::{Table, grouped, listed, spoken};
use crate::domain::mapping::{TeamsNative, XphoneEntry};
use crate::domain::microphone::{
    HEARTBEAT, InUse, Microphone, MicrophoneSync, PROBE_MAX, REPORT_LIFE, starting_ignored, starting_table,
};
use crate::domain::policy::Mode;
use crate::domain::reconcile::{Snapshot, decide};
use crate::domain::slot::{Held, Suppression};

/// Of the delivered table; its alias is not its name.
const PROGRAM: &str = "zoom";

pub(super) fn microphone() -> String {
    let (probe, heartbeat, life) = (spell(PROBE_MAX), spell(HEARTBEAT), spell(REPORT_LIFE));
    let (beside, obstacles) = (beside(), obstacles());
    format!(
        "\
### While a program uses the microphone

For a person under `{}` whose microphone is in use by `{PROGRAM}`, an entry of the delivered table, and whose
location or configuration group has microphone sync on. Only team colleagues see it, and Teams shows nothing of it. It is a function of
its own: under any other mode it shows as well, wherever nothing of Teams does.

{beside}
What stands in its way, for a person who is free in both:

{obstacles}
It shows once it was in use for {probe}, which no probe is, and goes when the workstation says so, or {life} after it was last heard: it
reports every {heartbeat}. Of several programs the first in the table's order shows.
",
        Mode::TelephonyAndPresence.label()
    )
}

fn with_microphone(native: TeamsNative, entry: XphoneEntry) -> Snapshot {
    let sync = MicrophoneSync { enabled: true, processes: starting_table(), ignored: starting_ignored() };
    let in_use = vec![InUse { process: PROGRAM.to_owned(), since: NOW - PROBE_MAX, reported_at: NOW }];
    let microphone = Microphone { sync: Some(Arc::new(sync)), in_use };
    Snapshot { microphone, ..somebody(Mode::TelephonyAndPresence, native, entry) }
}

fn beside() -> Table {
    let mut table = Table::new(["Teams itself says", "XPhone itself says", "XPhone shows"]);
    let rows = TeamsNative::ALL.into_iter().flat_map(|native| {
        let outcome = |entry: XphoneEntry| shows(&with_microphone(native, entry));
        let groups = grouped(XPHONE_SAYS.into_iter().map(|(label, entry)| (label, outcome(entry))));
        groups.into_iter().map(move |group| (spoken(native.label()), group))
    });
    for (natives, (labels, shows)) in grouped(rows) {
        table.row([listed(&natives, TeamsNative::ALL.len()), listed(&labels, XPHONE_SAYS.len()), shows]);
    }
    table
}

fn shows(snapshot: &Snapshot) -> String {
    in_xphone(snapshot, &decide(snapshot))
}

type Change = fn(&mut Snapshot);

fn obstacles() -> Table {
    let obstacles: [(&str, Change); 6] = [
        ("microphone sync is off", |snapshot| snapshot.microphone.sync = Some(Arc::new(MicrophoneSync::unset()))),
        ("the program is not in the table", |snapshot| "notepad".clone_into(&mut snapshot.microphone.in_use[0].process)),
        ("it has been in use for a moment only", |snapshot| snapshot.microphone.in_use[0].since = snapshot.now),
        ("its workstation fell silent", |snapshot| snapshot.microphone.in_use[0].reported_at = snapshot.now - REPORT_LIFE),
        ("somebody removed it", |snapshot| {
            snapshot.microphone_held = Some(Held { why: Suppression::Overridden, since: snapshot.now });
        }),
        ("XPhone is spoken to over net.tcp", |snapshot| snapshot.keeps_audience = false),
    ];
    let mut table = Table::new(["what stands in its way", "XPhone shows"]);
    for (what, change) in obstacles {
        let (_, free) = XPHONE_SAYS[0];
        let mut snapshot = with_microphone(TeamsNative::Free, free);
        change(&mut snapshot);
        table.row([what.to_owned(), shows(&snapshot)]);
    }
    table
}
