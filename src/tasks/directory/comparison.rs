//! Compares both systems' people with those that are stored, and holds back what would drop too many of them.

use jiff::{SignedDuration, Timestamp};

use super::Directory;
use crate::domain::directory::{Difference, Person, XphonePerson, difference, match_people, needs_word, without_drops};
use crate::domain::ids::UserGuid;
use crate::store::directory::{Changes, Missing, Refusal};
use crate::tasks::TaskError;

/// Who was dropped within this time counts when more are to be dropped.
const DAY: SignedDuration = SignedDuration::from_hours(24);

/// What came of a comparison.
pub(super) struct Compared {
    /// What is to be written.
    pub(super) difference: Difference,
    /// Whether what was not read is gone, or held back until an operator agrees.
    pub(super) missing: Missing,
    /// Whose link was taken away, and when.
    pub(super) unlinked: Vec<(UserGuid, Timestamp)>,
}

impl Compared {
    /// Everybody is as stored.
    pub(super) fn nothing() -> Self {
        Self { difference: Difference::default(), missing: Missing::Gone, unlinked: Vec::new() }
    }
}

impl Directory {
    /// What is to be written, and whether whom it would drop is held back until an operator agrees.
    pub(super) async fn compare(
        &self,
        before: &[Person],
        xphone: Vec<XphonePerson>,
        now: Timestamp,
    ) -> Result<Compared, TaskError> {
        let unlinked = self.store.unlinked().await?;
        let (teams, links) = (self.store.teams_people().await?, self.store.links().await?);
        let a_side_is_empty = xphone.is_empty() || teams.is_empty();
        let matches = match_people(&xphone, &teams, &links);
        let after = xphone.into_iter().zip(matches).map(|(xphone, matched)| Person { xphone, matched }).collect();
        let by_hand: Vec<UserGuid> = unlinked.iter().map(|(user, _)| *user).collect();
        let difference = difference(before, after, &by_hand);
        let refusal = self.store.directory_refusal().await?;
        let accepted = refusal.as_ref().filter(|refusal| refusal.accepted.is_some()).map(|refusal| refusal.dropped.as_slice());
        let recent = self.store.departures(now - DAY).await?;
        if !needs_word(before, &difference, a_side_is_empty, accepted.unwrap_or_default(), &recent) {
            return Ok(Compared { difference, missing: Missing::Gone, unlinked });
        }
        let dropped = difference.dropped();
        let (people, gone, unmatched) = (before.len(), difference.gone.len(), dropped.len() - difference.gone.len());
        tracing::error!(
            people,
            gone,
            unmatched,
            recent = recent.len(),
            "too many people would be dropped within a day, so they stay as they are: look at the rights of our accounts on both systems; \
             if it is right so: presence-gateway directory accept"
        );
        let since = refusal.map_or(now, |refusal| refusal.since);
        let refusal = Refusal { since, seen_at: now, people, gone, unmatched, recent: recent.len(), dropped, accepted: None };
        self.store.refuse_directory(&refusal).await?;
        Ok(Compared { difference: without_drops(before, &difference), missing: Missing::Kept, unlinked })
    }

    /// Says what was written, and wakes whoever is concerned.
    pub(super) fn tell(&self, difference: &Difference) {
        if difference.is_empty() {
            return;
        }
        let Changes { inserted, altered, gone } = Changes::from(difference);
        tracing::info!(inserted, altered, gone, "people changed");
        self.activators.reconciler.wake();
        self.activators.confirmer.wake();
        self.activators.teams_dispatcher.wake();
        self.activators.subscriptions.wake();
        self.activators.listener.wake();
        self.activators.sweep.wake();
    }
}
