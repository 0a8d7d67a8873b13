//! Which subscriber account watches which users, when that changes, and how it is noticed that one tells nothing.

mod coverage;
mod debounce;
mod health;
mod hurry;
mod place;
mod plan;
mod settled;
mod silence;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

use super::ids::TeamsUserId;

pub use coverage::Coverage;
pub use debounce::{Debounce, JOIN_QUIET, JOIN_WAIT_MAX, LEAVE_AFTER};
pub use health::{ProblemKind, TROUBLED_RETRY, refused_pause};
pub use hurry::hurried_period;
pub use place::Place;
pub use plan::plan;
pub use settled::{Settled, renewals};
pub use silence::{Listening, MISSED_SETTLED_AFTER, Silence, may_probe, silent_together};

/// Graph takes no more users in one presence subscription.
pub const USERS_PER_SUBSCRIPTION_MAX: usize = 650;

/// A new subscription leaves so many places free where there are accounts enough: whoever joins later changes just that one.
pub const FREE_PLACES_KEPT: usize = 50;

/// How long a subscription is asked to live: Graph raises anything under 45 minutes and refuses anything over 60.
pub const SUBSCRIPTION_LIFE: SignedDuration = SignedDuration::from_mins(58);

/// Renewals come between these two after the last one.
pub const RENEWAL_AFTER_MIN: SignedDuration = SignedDuration::from_mins(10);
/// See [`RENEWAL_AFTER_MIN`].
pub const RENEWAL_AFTER_MAX: SignedDuration = SignedDuration::from_mins(20);

/// An account that may hold one subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AccountId(pub Uuid);

/// A subscription that Graph gave us: one shard of the users.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// Graph's id.
    pub id: Uuid,
    /// Whose it is.
    pub account: AccountId,
    /// Whom it watches.
    pub users: Arc<BTreeSet<TeamsUserId>>,
    /// When Graph gave it.
    pub created_at: Timestamp,
    /// When it ends unless renewed.
    pub expires_at: Timestamp,
    /// When to renew it.
    pub renew_at: Timestamp,
    /// Whether it still encrypts for an earlier certificate.
    pub old_certificate: bool,
    /// Whether it is to be made anew because it tells nothing.
    pub silent: bool,
}

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make a subscription.
    Create {
        /// With this account's token.
        account: AccountId,
        /// For these users, at most 650.
        users: BTreeSet<TeamsUserId>,
        /// Another account's subscription that is taken away once this one stands: nobody is unwatched meanwhile.
        replaces: Option<Uuid>,
    },
    /// Renew one, with the current certificate.
    Renew(Uuid),
    /// Take one away: its time is over, others watch its users, or it must make room for another of its account.
    Delete(Uuid),
}

/// Why no subscription watches a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Why {
    /// The user has just come, and waits for others to join with.
    Joining,
    /// There are too few accounts.
    NoRoom,
    /// The subscription that watched the user is gone or fails, and there is no place elsewhere yet.
    Lost,
}

impl Why {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Joining, Self::NoRoom, Self::Lost];

    /// Stable text for storage and metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Joining => "joining",
            Self::NoRoom => "no_room",
            Self::Lost => "lost",
        }
    }

    /// The reason of this label.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|why| why.label() == label)
    }
}

/// What to do, and who is not watched by anybody once it is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// In order; a delete comes before the create that needs its account.
    pub steps: Vec<Step>,
    /// Users whom nothing will watch: they are swept only.
    pub swept: BTreeMap<TeamsUserId, Why>,
}
