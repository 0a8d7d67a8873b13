//! What a decision changed, in a line of the trace.

use super::story::Clock;
use super::world::true_time;
use crate::domain::reconcile::{Decision, Push, Snapshot, TeamsPush};
use crate::domain::slot::Record;

/// A line of the trace, where the decision changed anything.
pub fn describe(snapshot: &Snapshot, decision: &Decision) -> Option<String> {
    let mut parts = Vec::new();
    if snapshot.remembered != decision.remembered {
        parts.push(format!("Teams itself says {:?}", decision.remembered.map(|remembered| remembered.native)));
    }
    let appointment = &decision.appointment;
    if appointment.push.is_some() || snapshot.appointment != appointment.slot {
        let push = match &appointment.push {
            Some(Push::Show { appointment, end, .. }) => format!("show {} until {}", appointment.subject, Clock(true_time(*end))),
            Some(Push::Clear) => "delete it".to_owned(),
            None => "push nothing".to_owned(),
        };
        parts.push(format!("appointment: {push}, {:?}", appointment.reason));
    }
    let in_teams = [("session", snapshot.session, &decision.session), ("preferred", snapshot.preferred, &decision.preferred)];
    for (name, before, decided) in in_teams {
        if decided.push.is_some() || before != decided.slot {
            let push = match decided.push {
                Some(TeamsPush::Set(_)) => "set",
                Some(TeamsPush::Clear(_)) => "clear",
                Some(TeamsPush::Forget) => "forget",
                None => "push nothing",
            };
            let record = match decided.slot.record {
                Record::Empty => "empty".to_owned(),
                Record::Shown { reached, .. } => {
                    format!("shown until {:?}", reached.map(|reached| Clock(true_time(reached.until)).to_string()))
                }
                Record::Suppressed { why, .. } => format!("{why:?}"),
            };
            let live = decided.slot.live.map(|live| (true_time(live.from), live.until.map(true_time)));
            parts.push(format!("{name}: {push}, {:?}, {record}, live {live:?}", decided.reason));
        }
    }
    if snapshot.microphone_held != decision.microphone_held {
        parts.push(format!("the microphone is held: {:?}", decision.microphone_held.map(|held| held.why)));
    }
    if decision.read_teams {
        parts.push("read Teams".to_owned());
    }
    (!parts.is_empty()).then(|| format!("decides: {}", parts.join("; ")))
}
