//! Writes what shows where, why and until when: `docs/mapping.md`, worked out by asking the domain.
//!
//! No rule is told twice: the tables come from calling the same functions that decide, on made-up people. Only the sentences around
//! them are written here, with the domain's numbers in them.

mod course;
mod microphone;
mod people;
mod shown;
mod sources;
mod table;
mod times;

use std::process::ExitCode;

use super::Failure;
use super::output::print;
use crate::domain::reconcile::Reason;
use crate::domain::slot::SlotName;
use table::Table;

/// `presence-gateway mapping`
pub(super) fn run() -> Result<ExitCode, Failure> {
    print(&document())?;
    Ok(ExitCode::SUCCESS)
}

const OPENING: &str = "\
<!-- Written by `presence-gateway mapping`, out of the rules themselves. Do not edit; a test compares the two. -->

# What shows where, why, and until when

The gateway looks at what Microsoft Teams and XPhone Connect each say of a person. What one of them says *by itself*, without what the
gateway put there, may be shown in the other. It is shown only where it is stronger than what the other says by itself; so nobody's
own status is ever weakened.
";

/// The whole document.
fn document() -> String {
    [
        OPENING.to_owned(),
        sources::sources(),
        sources::policies(),
        shown::matrices(),
        microphone::microphone(),
        times::times(),
        reasons(),
    ]
    .join("\n")
}

const REASONS: &str = "\
## 5. Reasons

Each of the three places has its reason: the appointment in XPhone, session and preferred presence in Teams. `presence-gateway explain`
tells it in words. The metrics `presence_gateway_decisions_total` and `presence_gateway_slot_ended_total` name it by the label. Not
every reason can come up in every place.
";

fn reasons() -> String {
    let mut table = Table::new(["label", "of what XPhone shows", "of what Teams shows"]);
    for reason in Reason::ALL {
        let in_xphone = reason.describe(SlotName::XphoneAppointment);
        let mut in_teams = vec![reason.describe(SlotName::TeamsSession), reason.describe(SlotName::TeamsPreferred)];
        in_teams.dedup();
        let in_teams = if in_teams == [in_xphone] { "the same".to_owned() } else { in_teams.join("; ") };
        table.row([format!("`{}`", reason.label()), in_xphone.to_owned(), in_teams]);
    }
    format!("{REASONS}\n{table}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_mapping_is_not_stale() {
        let published = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/mapping.md");
        let stale = std::fs::read_to_string(published).unwrap_or_default() != document();
        assert!(!stale, "the rules have changed; renew what is published with: cargo run -- mapping > docs/mapping.md");
    }

    #[test]
    fn every_table_has_a_head_and_equal_rows() {
        let document = document();
        for paragraph in document.split("\n\n").filter(|paragraph| paragraph.starts_with('|')) {
            let bars: Vec<usize> = paragraph.lines().map(|line| line.matches('|').count()).collect();
            assert!(bars.len() > 2 && bars.iter().all(|count| *count == bars[0]), "{paragraph}");
            assert!(paragraph.lines().nth(1).unwrap().chars().all(|mark| "|- ".contains(mark)), "{paragraph}");
        }
        let begins = |line: &str| line.starts_with('|');
        let lines: Vec<&str> = document.lines().collect();
        assert!(lines.windows(2).all(|two| begins(two[0]) == begins(two[1]) || two[0].is_empty() || two[1].is_empty()));
    }
}
