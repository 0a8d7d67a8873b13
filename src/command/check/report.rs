//! What a probe found, as a line for people and as JSON for programs.

use std::fmt;

use serde_json::{Value, json};

/// How it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// As it should be.
    Ok,
    /// It works, and may not do for long.
    Warn,
    /// It does not work.
    Fail,
    /// It could not be asked, or is not needed.
    Skipped,
}

impl Outcome {
    /// The first word of the line.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "FAIL",
            Self::Skipped => "skipped",
        }
    }
}

/// What one probe found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What was asked.
    pub probe: String,
    /// How it went.
    pub outcome: Outcome,
    /// What was found.
    pub found: String,
    /// What to do.
    pub remedy: Option<String>,
}

impl Finding {
    pub(super) fn ok(probe: &str, found: impl Into<String>) -> Self {
        Self { probe: probe.to_owned(), outcome: Outcome::Ok, found: found.into(), remedy: None }
    }

    pub(super) fn warn(probe: &str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { probe: probe.to_owned(), outcome: Outcome::Warn, found: found.into(), remedy: Some(remedy.into()) }
    }

    pub(super) fn fail(probe: &str, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { probe: probe.to_owned(), outcome: Outcome::Fail, found: found.into(), remedy: Some(remedy.into()) }
    }

    pub(super) fn skipped(probe: &str, why: impl Into<String>) -> Self {
        Self { probe: probe.to_owned(), outcome: Outcome::Skipped, found: why.into(), remedy: None }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { probe, outcome, found, remedy } = self;
        // One line each, whatever a server said.
        let found = found.split_whitespace().collect::<Vec<_>>().join(" ");
        write!(f, "{:<8}{probe:<23} {found}", outcome.label())?;
        remedy.as_ref().map_or(Ok(()), |remedy| write!(f, "; {remedy}"))
    }
}

/// All findings, one line each.
pub(super) fn lines(findings: &[Finding]) -> String {
    findings.iter().fold(String::new(), |text, finding| text + &finding.to_string() + "\n")
}

/// All findings, and whether any failed.
pub(super) fn json(findings: &[Finding]) -> Value {
    let one = |finding: &Finding| {
        let Finding { probe, outcome, found, remedy } = finding;
        json!({"probe": probe, "outcome": outcome.label().to_lowercase(), "found": found, "remedy": remedy})
    };
    let failed = findings.iter().any(|finding| finding.outcome == Outcome::Fail);
    json!({"ok": !failed, "findings": findings.iter().map(one).collect::<Vec<_>>()})
}
