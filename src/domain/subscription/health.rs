//! What may be wrong with a subscriber account, and how long it is left alone for that.

use jiff::SignedDuration;

/// An account whose trouble may pass is asked again so seldom.
pub const TROUBLED_RETRY: SignedDuration = SignedDuration::from_mins(30);

/// Graph would not let an account have a subscription: asked again after this, then twice as long each time.
const REFUSED_FIRST: SignedDuration = SignedDuration::from_mins(1);
/// No longer than this; ghosts were seen to last one to three hours.
const REFUSED_MAX: SignedDuration = SignedDuration::from_mins(15);

/// Why Entra ID gives an account no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProblemKind {
    /// The refresh token is no longer good: password changed, tokens revoked, unused for 90 days.
    RefreshRefused,
    /// A policy wants a person: another factor, a newer sign-in, a known device or place.
    InteractionRequired,
    /// The consent to read presence was withdrawn, from the app or from this account.
    ConsentWithdrawn,
    /// The account is disabled, locked or deleted.
    AccountGone,
}

impl ProblemKind {
    /// Every one.
    pub const ALL: [Self; 4] = [Self::RefreshRefused, Self::InteractionRequired, Self::ConsentWithdrawn, Self::AccountGone];

    /// Stable text for storage, metrics and the admin API.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::RefreshRefused => "refresh_refused",
            Self::InteractionRequired => "interaction_required",
            Self::ConsentWithdrawn => "consent_withdrawn",
            Self::AccountGone => "account_gone",
        }
    }

    /// The kind of this label.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.label() == label)
    }

    /// Whether it may pass without a person who signs in: a policy undone, a consent given back, an account enabled. A refresh token
    /// that is dead stays dead.
    #[must_use]
    pub fn may_pass(self) -> bool {
        self != Self::RefreshRefused
    }

    /// What an operator does about it.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::RefreshRefused => "sign the account in again",
            Self::InteractionRequired => {
                "sign the account in again; if that does not last, exempt it from the conditional access policy that asks for more"
            }
            Self::ConsentWithdrawn => {
                "grant admin consent for the delegated permission Presence.Read.All; the account then works again by itself within half an hour"
            }
            Self::AccountGone => "enable the account in Entra ID, or remove it here and enrol another",
        }
    }
}

/// How long an account is left alone after so many refusals in a row.
#[must_use]
pub fn refused_pause(refusals: u32) -> SignedDuration {
    let doubled = 1_i32.checked_shl(refusals.saturating_sub(1).min(16)).unwrap_or(i32::MAX);
    REFUSED_FIRST.checked_mul(doubled).unwrap_or(REFUSED_MAX).min(REFUSED_MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_and_stay_bounded() {
        let minutes: Vec<i64> = [1, 2, 3, 4, 5, 6, 40, u32::MAX].map(|refusals| refused_pause(refusals).as_mins()).to_vec();
        assert_eq!(minutes, [1, 2, 4, 8, 15, 15, 15, 15]);
    }

    #[test]
    fn labels_lead_back() {
        for kind in ProblemKind::ALL {
            assert_eq!(ProblemKind::from_label(kind.label()), Some(kind));
        }
    }
}
