//! How many subscriber accounts so many users want.

use super::{FREE_PLACES_KEPT, USERS_PER_SUBSCRIPTION_MAX};

/// Accounts wanted and there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Users whose presence matters.
    pub users: usize,
    /// Accounts that may hold a subscription now.
    pub accounts: usize,
    /// As few as can watch everybody.
    pub accounts_needed: usize,
    /// As many as keep places free for whoever joins, and one spare to make before break with.
    pub accounts_recommended: usize,
    /// How many more are needed for everybody to be watched.
    pub accounts_missing: usize,
}

impl Coverage {
    /// For so many users and accounts.
    #[must_use]
    pub fn of(users: usize, accounts: usize) -> Self {
        let accounts_needed = users.div_ceil(USERS_PER_SUBSCRIPTION_MAX);
        let spare = usize::from(users > 0);
        Self {
            users,
            accounts,
            accounts_needed,
            accounts_recommended: users.div_ceil(USERS_PER_SUBSCRIPTION_MAX - FREE_PLACES_KEPT) + spare,
            accounts_missing: accounts_needed.saturating_sub(accounts),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accounts_are_counted_by_650_and_recommended_by_600_and_a_spare() {
        let check = |users, accounts, expected| {
            let Coverage { accounts_needed, accounts_recommended, accounts_missing, .. } = Coverage::of(users, accounts);
            assert_eq!((accounts_needed, accounts_recommended, accounts_missing), expected, "{users} {accounts}");
        };
        check(0, 0, (0, 0, 0));
        check(1, 0, (1, 2, 1));
        check(650, 1, (1, 3, 0));
        check(651, 1, (2, 3, 1));
        check(10_000, 16, (16, 18, 0));
        check(100_000, 100, (154, 168, 54));
    }
}
