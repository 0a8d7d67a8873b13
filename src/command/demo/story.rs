//! The story: what users do, and what both systems then show.

mod from_teams;
mod from_xphone;
mod words;

use std::time::Duration;

pub(super) use self::from_teams::FROM_TEAMS;
pub(super) use self::from_xphone::FROM_XPHONE;
pub(super) use self::words::{ours, teams_words, xphone_words};

/// Everybody is read once in this time: often enough to wait for, rarely enough not to be taken for a notification.
pub(super) const SWEEP_SECONDS: u64 = 6;
/// What reads show of a slot that was cleared counts as ours for so long; as a gateway does by default.
pub(super) const READ_GRACE_SECONDS: u64 = 10;
/// What takes longer was not a notification or an event, but a sweep.
const AT_ONCE: Duration = Duration::from_secs(SWEEP_SECONDS / 2);
/// Whatever a change stirs up has come by then, the read that confirms it included.
const QUIET: Duration = Duration::from_secs(1);

/// Availability and activity, as Graph spells them.
pub(super) type Client = (&'static str, &'static str);

/// The two users.
const A: usize = 0;
const B: usize = 1;

/// What one user shows, in the words that people read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub teams: String,
    pub xphone: String,
    /// What of the gateway's lies there, visible or not.
    pub ours: String,
}

/// What one user is to show.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Picture {
    pub teams: &'static str,
    pub xphone: &'static str,
    pub ours: &'static str,
}

/// One step of the story: something happens, and what both users show from then on.
pub(super) struct Step {
    pub title: &'static str,
    pub action: &'static str,
    pub deeds: &'static [Deed],
    pub expected: [Picture; 2],
    pub wait: Wait,
}

/// What a person, or bad luck, does; people by their number.
pub(super) enum Deed {
    /// Their Teams clients say so, all at once.
    TeamsClients(&'static [(usize, Client)]),
    PicksInTeams(usize, Client),
    ResetsInTeams(usize),
    /// The telephone state in bits.
    Telephone(usize, u32),
    Meeting(usize, &'static str),
    PicksInXphone(usize, &'static str),
    ResetsInXphone(usize),
    Fault(Fault),
}

/// What goes wrong with change notifications from now on.
#[derive(Clone, Copy)]
pub(super) enum Fault {
    None,
    /// So many of the next ones.
    Lose(u32),
    Late {
        seconds: u32,
    },
}

/// How long a step takes.
#[derive(Clone, Copy)]
pub(super) struct Wait {
    /// A step that did not come true by then has failed; counted from the last deed.
    pub limit: Duration,
    /// For so long it must stay true.
    pub stays: Duration,
    /// What else must hold, lest it came true for another reason than the story's.
    pub proof: Option<Proof>,
    /// Whether people may look at it for a while before the story goes on.
    pub may_linger: bool,
}

/// What the emulated Graph must tell of its notifications.
#[derive(Clone, Copy)]
pub(super) enum Proof {
    /// So many were lost since the step began, and none arrived.
    Lost(u64),
    /// Some were still to come when it came true; it stays true until they have come, and after.
    Late,
}

impl Wait {
    const BRIEF: Self = Self { limit: AT_ONCE, stays: Duration::ZERO, proof: None, may_linger: true };
    /// Comes true at once, and then nothing else happens.
    const SILENT: Self = Self { stays: QUIET, ..Self::BRIEF };
}

/// Everything, in its order; without meetings where XPhone does not tell of them.
pub(super) fn steps(meetings: bool) -> impl Iterator<Item = &'static Step> {
    let meets = |step: &Step| step.deeds.iter().any(|deed| matches!(deed, Deed::Meeting(..)));
    FROM_TEAMS.iter().chain(&FROM_XPHONE).filter(move |step| meetings || !meets(step))
}

impl Picture {
    pub(super) const FREE: Self = Self { teams: "Available", xphone: "Available", ours: "nothing" };

    pub(super) fn seen(self) -> Seen {
        Seen { teams: self.teams.to_owned(), xphone: self.xphone.to_owned(), ours: self.ours.to_owned() }
    }
}
