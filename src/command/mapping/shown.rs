//! What shows on both sides, or why not: worked out by deciding for every combination.

use super::people::{QUIET_PROFILE, XPHONE_BOTH, XPHONE_FREE, XPHONE_SAYS, look, somebody, spell};
use super::table::{Table, grouped, listed, spoken};
use crate::domain::expiry::XPHONE_TRUSTED;
use crate::domain::mapping::{Cause, StatusKind, TeamsNative, XphoneEntry};
use crate::domain::policy::Mode;
use crate::domain::reconcile::{Decision, Reason, SlotDecision, Snapshot, TeamsPush, decide};
use crate::domain::slot::{Record, Slot, SlotName, Suppression, TeamsSlot};

pub(super) fn matrices() -> String {
    let matrices = Mode::ALL.map(|mode| format!("### Under `{}`\n\n{}\n", mode.label(), matrix(mode))).concat();
    format!(
        "\
## 3. What is shown

For a person with all profiles that the rules look for; `{QUIET_PROFILE}` stands for the first active one whose status is *{}*. What
shows for people with fewer profiles is in section 4. *Itself* means: without what the gateway put there.

{matrices}{}",
        spoken(StatusKind::DoNotDisturb.label()),
        obstacles()
    )
}

fn matrix(mode: Mode) -> Table {
    let mut table = Table::new(["Teams itself says", "XPhone itself says", "XPhone shows", "Teams shows"]);
    let rows = TeamsNative::ALL.into_iter().flat_map(|native| {
        let outcome = |entry: XphoneEntry| {
            let snapshot = somebody(mode, native, entry);
            let decision = decide(&snapshot);
            (in_xphone(&snapshot, &decision), in_teams(&decision))
        };
        let groups = grouped(XPHONE_SAYS.into_iter().map(|(label, entry)| (label, outcome(entry))));
        groups.into_iter().map(move |group| (spoken(native.label()), group))
    });
    for (natives, (labels, (xphone, teams))) in grouped(rows) {
        table.row([listed(&natives, TeamsNative::ALL.len()), listed(&labels, XPHONE_SAYS.len()), xphone, teams]);
    }
    table
}

/// What XPhone shows after this decision, or why nothing.
pub(super) fn in_xphone(snapshot: &Snapshot, decision: &Decision) -> String {
    match &decision.appointment.slot {
        Slot::Shown(shown) => look(&shown.appointment, &snapshot.profiles),
        Slot::Empty | Slot::Suppressed { .. } => nothing(decision.appointment.reason, SlotName::XphoneAppointment),
    }
}

fn nothing(reason: Reason, slot: SlotName) -> String {
    format!("nothing: {}", reason.describe(slot))
}

/// What Teams shows in both places, or why not. A place without a cause goes unmentioned beside one that has something to say.
fn in_teams(decision: &Decision) -> String {
    let both = [
        (SlotName::TeamsSession, spoken(Cause::Call.label()), decision.session),
        (SlotName::TeamsPreferred, spoken(Cause::DoNotDisturb.label()), decision.preferred),
    ];
    let shows = |slot: TeamsSlot| matches!(slot.record, Record::Shown { .. });
    let nothing_shows = !both.iter().any(|(_, _, decision)| shows(decision.slot));
    let mut telling: Vec<_> = both.into_iter().filter(|(_, _, decision)| decision.reason != Reason::NothingToShow).collect();
    if nothing_shows {
        telling.dedup_by_key(|(slot, _, decision)| decision.reason.describe(*slot));
    }
    match telling.as_slice() {
        [] => nothing(Reason::NothingToShow, SlotName::TeamsSession),
        [(slot, _, decision)] if nothing_shows => nothing(decision.reason, *slot),
        telling => {
            let tell = |(slot, what, decision): &(SlotName, String, SlotDecision<TeamsSlot, TeamsPush>)| {
                if shows(decision.slot) { what.clone() } else { format!("no {what}: {}", decision.reason.describe(*slot)) }
            };
            telling.iter().map(tell).collect::<Vec<_>>().join("; ")
        }
    }
}

/// What stands in the way whatever both sides say.
fn obstacles() -> String {
    let mut table = Table::new(["what stands in the way", "XPhone shows", "Teams shows"]);
    for (what, change) in obstacles_known() {
        let changed = |native, entry| {
            let mut snapshot = somebody(Mode::TelephonyAndPresence, native, entry);
            change(&mut snapshot);
            let decision = decide(&snapshot);
            (snapshot, decision)
        };
        let (snapshot, decision) = changed(TeamsNative::Call, XPHONE_FREE);
        let xphone = in_xphone(&snapshot, &decision);
        let (_, decision) = changed(TeamsNative::Free, XPHONE_BOTH);
        table.row([what, xphone, in_teams(&decision)]);
    }
    format!(
        "\
### What stands in the way whatever both say

XPhone as for a person in a Teams call; Teams as for one who is on a call and on do not disturb in XPhone, both under
`{}`.

{table}
That a side is unread or unheard is no reason to take anything away: what shows already stays until its end, unless something that is
known speaks against it.
",
        Mode::TelephonyAndPresence.label()
    )
}

type Change = fn(&mut Snapshot);

fn obstacles_known() -> [(String, Change); 7] {
    [
        ("no Teams user has the e-mail address, or several have".to_owned(), |snapshot| snapshot.teams_user = None),
        ("the policy is on trial".to_owned(), |snapshot| snapshot.policy.shadow = true),
        ("Teams was never read".to_owned(), |snapshot| (snapshot.teams, snapshot.confirmed) = (None, None)),
        ("XPhone was never heard".to_owned(), |snapshot| (snapshot.xphone, snapshot.xphone_heard_at) = (None, None)),
        (format!("XPhone was not heard for {}", spell(XPHONE_TRUSTED)), |snapshot| {
            snapshot.xphone_heard_at = Some(snapshot.now - XPHONE_TRUSTED);
        }),
        ("somebody undid it".to_owned(), |snapshot| undo(snapshot, Suppression::Overridden)),
        ("it ran out".to_owned(), |snapshot| undo(snapshot, Suppression::Lapsed)),
    ]
}

/// Of the two places in Teams only the preferred presence is in people's hands.
fn undo(snapshot: &mut Snapshot, why: Suppression) {
    let since = snapshot.now;
    snapshot.appointment = Slot::Suppressed { cause: Cause::Call, why, since };
    snapshot.preferred.record = Record::Suppressed { why, since };
    if why == Suppression::Lapsed {
        snapshot.session.record = Record::Suppressed { why, since };
    }
}
