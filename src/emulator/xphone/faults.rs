//! What the server was told to get wrong.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::endpoint::Endpoint;
use super::guid::Guid;
use super::kind::Kind;

/// Everything that goes wrong at present.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Faults {
    /// Refusals; the first that strikes answers.
    pub deny: Vec<Deny>,
    /// Every request is cut off without an answer.
    pub down: bool,
    /// Event streams stay open and say nothing.
    pub silent_events: bool,
    /// So many events go out as nobody can read them.
    pub unreadable_events: u32,
    /// So many changes are applied, and the connection is cut instead of answering.
    pub applied_but_answer_lost: u32,
    /// The server says that it has no profile templates.
    pub no_profile_templates: bool,
    /// Further abilities that the server says it has not, as it names them.
    pub incapable_of: Vec<String>,
    /// Presence statuses that it does not name.
    pub unnamed_statuses: Vec<Kind>,
    /// Writes of appointments that are slow.
    pub hang: Option<Hang>,
}

/// Writes that are applied and answered late.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Hang {
    /// Only this user's; `None`: everybody's.
    #[serde(default)]
    pub user: Option<Guid>,
    /// How late, in real seconds whatever the server's clock does.
    pub seconds: u64,
}

/// A refusal in place of the real answer.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Deny {
    pub endpoint: Endpoint,
    /// Only calls about this user, location or configuration group.
    #[serde(default)]
    pub user: Option<Guid>,
    /// Only calls that would change something.
    #[serde(default)]
    pub writes_only: bool,
    pub status: u16,
    #[serde(default)]
    pub retry_after_seconds: Option<u64>,
    /// How often it strikes before it is spent; `None`: for ever.
    #[serde(default)]
    pub times: Option<u32>,
    /// What the refusal says.
    #[serde(default)]
    pub reason: Option<String>,
}

/// What becomes of a request.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Answer,
    Refuse { status: u16, retry_after_seconds: Option<u64>, reason: Option<String> },
    Cut,
}

impl Faults {
    /// Judges one request; a refusal that strikes is spent by one.
    pub fn judge(&mut self, endpoint: Endpoint, user: Option<Guid>, is_write: bool) -> Verdict {
        if self.down {
            return Verdict::Cut;
        }
        let strikes = |deny: &Deny| {
            deny.times != Some(0)
                && deny.endpoint.covers(endpoint)
                && (is_write || !deny.writes_only)
                && deny.user.is_none_or(|aimed_at| Some(aimed_at) == user)
        };
        let Some(deny) = self.deny.iter_mut().find(|deny| strikes(deny)) else { return Verdict::Answer };
        deny.times = deny.times.map(|times| times - 1);
        Verdict::Refuse { status: deny.status, retry_after_seconds: deny.retry_after_seconds, reason: deny.reason.clone() }
    }

    /// How late a write of this user's appointments is applied and answered.
    pub fn hangs(&self, user: Option<Guid>) -> Option<Duration> {
        let hang = self.hang.as_ref().filter(|hang| hang.user.is_none_or(|aimed_at| Some(aimed_at) == user))?;
        Some(Duration::from_secs(hang.seconds))
    }

    /// Whether an event goes out as nobody can read it.
    pub fn spoils_event(&mut self) -> bool {
        let spoiled = self.unreadable_events > 0;
        self.unreadable_events = self.unreadable_events.saturating_sub(1);
        spoiled
    }

    /// Whether the answer to a change just applied gets lost.
    pub fn loses_answer(&mut self) -> bool {
        let lost = self.applied_but_answer_lost > 0;
        self.applied_but_answer_lost = self.applied_but_answer_lost.saturating_sub(1);
        lost
    }
}
