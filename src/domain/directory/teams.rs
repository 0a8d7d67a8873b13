//! Graph's changes of people, put together.

use std::collections::BTreeMap;

use crate::domain::ids::TeamsUserId;

/// A property in a change: Graph leaves out what did not change.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Told<T> {
    /// As it was; nothing, where nothing was known.
    #[default]
    Unchanged,
    /// This from now on.
    Now(T),
}

impl<T> Told<T> {
    fn or(self, earlier: Self) -> Self {
        match self {
            Self::Unchanged => earlier,
            Self::Now(_) => self,
        }
    }

    /// What it is now, if it was told.
    #[must_use]
    pub fn now(&self) -> Option<&T> {
        match self {
            Self::Unchanged => None,
            Self::Now(value) => Some(value),
        }
    }
}

/// What changed about a person of Teams.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TeamsChange {
    /// The sign-in name.
    pub user_principal_name: Told<Option<String>>,
    /// The mailbox address.
    pub mail: Told<Option<String>>,
    /// Whether the account may sign in.
    pub enabled: Told<bool>,
}

/// Puts together what is told of each person in one reading, in its order; `None`: the person is gone.
#[must_use]
pub fn fold(changes: impl IntoIterator<Item = (TeamsUserId, Option<TeamsChange>)>) -> BTreeMap<TeamsUserId, Option<TeamsChange>> {
    let mut folded: BTreeMap<TeamsUserId, Option<TeamsChange>> = BTreeMap::new();
    for (id, change) in changes {
        let earlier = folded.remove(&id).flatten();
        folded.insert(id, change.map(|change| change.after(earlier.unwrap_or_default())));
    }
    folded
}

impl TeamsChange {
    fn after(self, earlier: Self) -> Self {
        Self {
            user_principal_name: self.user_principal_name.or(earlier.user_principal_name),
            mail: self.mail.or(earlier.mail),
            enabled: self.enabled.or(earlier.enabled),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn mail(mail: Option<&str>) -> TeamsChange {
        TeamsChange { mail: Told::Now(mail.map(str::to_owned)), ..TeamsChange::default() }
    }

    fn enabled(enabled: bool) -> TeamsChange {
        TeamsChange { enabled: Told::Now(enabled), ..TeamsChange::default() }
    }

    #[test]
    fn what_is_told_several_times_of_one_person_is_put_together() {
        let anna = TeamsUserId(Uuid::from_u128(1));
        let check = |told: &[Option<TeamsChange>], expected: Option<TeamsChange>| {
            let folded = fold(told.iter().map(|change| (anna, change.clone())));
            assert_eq!(folded, BTreeMap::from([(anna, expected)]), "{told:?}");
        };
        check(&[Some(mail(Some("a@x")))], Some(mail(Some("a@x"))));
        check(&[Some(mail(Some("a@x"))), Some(mail(None))], Some(mail(None)));
        let both = TeamsChange { mail: Told::Now(Some("a@x".to_owned())), enabled: Told::Now(false), ..TeamsChange::default() };
        check(&[Some(mail(Some("a@x"))), Some(enabled(false))], Some(both.clone()));
        check(&[Some(enabled(true)), Some(mail(Some("a@x"))), Some(enabled(false))], Some(both));
        check(&[Some(mail(Some("a@x"))), None], None);
        check(&[Some(mail(Some("a@x"))), None, Some(enabled(true))], Some(enabled(true)));
        assert_eq!(Told::Now(1).now(), Some(&1));
        assert_eq!(Told::<u8>::Unchanged.now(), None);
    }
}
