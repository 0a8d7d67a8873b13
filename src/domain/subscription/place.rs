//! How changes in Teams of one user reach us.

use jiff::Timestamp;
use uuid::Uuid;

use super::Why;

/// How changes in Teams of one user reach us. There is no other way: nobody is undefined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Not at all: nothing of this user matters to anybody.
    NotRead,
    /// By sweeps, because nobody is pushed here.
    PollOnly,
    /// By push; sweeps make sure.
    Pushed {
        /// The account's sign-in name.
        account: String,
        /// The subscription.
        subscription: Uuid,
        /// Since when it is known to tell nothing, so that the user is swept faster.
        silent_since: Option<Timestamp>,
    },
    /// By sweeps only.
    Swept {
        /// Why nothing that can be relied on watches the user.
        why: Why,
        /// Since when; `None`: nobody has looked since the user came.
        since: Option<Timestamp>,
    },
}

impl Place {
    /// In a sentence, for people.
    #[must_use]
    pub fn told(&self) -> String {
        match self {
            Self::NotRead => "not read: nothing may be shown for this user".to_owned(),
            Self::PollOnly => "read by sweeps: nothing is pushed here".to_owned(),
            Self::Pushed { account, silent_since: None, .. } => format!("told by {account}, and read by sweeps to make sure"),
            Self::Pushed { account, silent_since: Some(since), .. } => {
                format!("read by sweeps, faster than others: the subscription of {account} has been silent since {since:.0}")
            }
            Self::Swept { why, since } => {
                let why = match why {
                    Why::Joining => "the user waits for a subscription that takes others along",
                    Why::NoRoom => "there are too few subscriber accounts",
                    Why::Lost => "the subscription that watched the user fails; faster than others",
                };
                let since = since.map(|since| format!(", since {since:.0}")).unwrap_or_default();
                format!("read by sweeps only: {why}{since}")
            }
        }
    }
}
