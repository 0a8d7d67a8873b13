//! What a user's workstations report of the microphone, and what of it is told.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use super::slot::HeldBack;
use crate::domain::explanation::MicrophoneUse;

/// What the user's workstations report of the microphone.
#[derive(Debug, Serialize, ToSchema)]
pub struct MicrophoneInUse {
    /// What is told to team colleagues unless something stronger is shown; null: nothing.
    #[schema(required)]
    tells: Option<String>,
    /// Programs of the table that were reported lately; of others nothing is known.
    reported: Vec<ReportedProgram>,
    /// It is not told again before the microphone was free.
    #[schema(required)]
    held_back: Option<HeldBack>,
}

/// A program that a workstation reports.
#[derive(Debug, Serialize, ToSchema)]
pub struct ReportedProgram {
    /// Its entry's name, in lower case.
    process: String,
    since: Timestamp,
    reported_at: Timestamp,
    /// Whether the workstation was heard in the last 90 s.
    live: bool,
}

impl MicrophoneInUse {
    pub fn of(says: MicrophoneUse, now: Timestamp) -> Self {
        let programs = says.reported.in_use.into_iter().map(|program| ReportedProgram {
            live: program.is_live(now),
            process: program.process,
            since: program.since,
            reported_at: program.reported_at,
        });
        Self {
            tells: says.tells.map(|entry| entry.shown_as().to_owned()),
            reported: programs.collect(),
            held_back: says.held.map(|held| HeldBack { why: held.why.label(), since: held.since }),
        }
    }
}
