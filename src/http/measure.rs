//! What has a depth or an age is looked up when Prometheus asks, and costs nothing at any other time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::timeout;

use super::Admin;
use crate::domain::directory::Match;
use crate::domain::slot::SlotName;
use crate::domain::subscription::{Coverage, Why};
use crate::store::StoreError;
use crate::store::feed::Feed;
use crate::store::mark::{AsOf, Table};
use crate::store::template::CareState;

/// A database that has not answered by then does not.
const DATABASE_WITHIN: Duration = Duration::from_secs(2);

/// What was counted is told for so long though nothing about people has changed: of whoever is not synchronised, what is still shown
/// counts as well, and that has no mark.
const COUNTED_FOR: SignedDuration = SignedDuration::from_mins(5);

/// How many people there are, as last counted: counting looks at everybody, so it is done only when something has changed about them.
#[derive(Clone, Debug, Default)]
pub struct People(Arc<Mutex<Option<Counts>>>);

#[derive(Clone, Debug)]
struct Counts {
    as_of: AsOf,
    /// Whose presence matters.
    to_watch: i64,
    by_match: Vec<(String, i64)>,
}

impl People {
    /// The mark comes first: whatever changes while it is counted is counted again at the next look.
    async fn counted(&self, admin: &Admin) -> Result<Counts, StoreError> {
        let now = admin.clock.now();
        let mark = admin.store.mark(&[Table::People, Table::TeamsSync]).await?;
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(known) = known.filter(|known| known.as_of.holds(&mark, now, COUNTED_FOR)) {
            return Ok(known);
        }
        let (to_watch, by_match) = (admin.store.count_users_to_watch().await?, admin.store.people_by_match().await?);
        let counts = Counts { as_of: AsOf::new(mark, now), to_watch, by_match };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(counts.clone());
        Ok(counts)
    }
}

/// Brings the metrics up to date; what fails keeps its last value.
pub(super) async fn measure(admin: &Admin) -> Result<(), StoreError> {
    // Without a database the others would wait for it in turn, longer than Prometheus waits.
    let answered = timeout(DATABASE_WITHIN, clocks(admin)).await;
    admin.metrics.note_database(matches!(answered, Ok(Ok(()))));
    let Ok(answered) = answered else {
        tracing::warn!("the database does not answer in time: metrics about what lies there stand still");
        return Ok(());
    };
    answered?;
    // Each on its own: what one cannot be told must not hide the others.
    let measured = [queues(admin).await, shown(admin).await, feeds(admin).await, subscriptions(admin).await, people(admin).await];
    measured.into_iter().collect()
}

/// Our clock between two looks at it, against the database's in the middle.
async fn clocks(admin: &Admin) -> Result<(), StoreError> {
    let before = admin.clock.now();
    let theirs = admin.store.database_time().await?;
    let ours = before + admin.clock.now().duration_since(before) / 2;
    admin.metrics.note_clock_skew("database", ours.duration_since(theirs).as_secs_f64());
    Ok(())
}

async fn queues(admin: &Admin) -> Result<(), StoreError> {
    let now = admin.clock.now();
    let inbox = admin.store.inbox_depth().await?;
    admin.metrics.note_inbox(inbox.posts, age(now, inbox.oldest));
    let outbox = admin.store.outbox_depth().await?;
    admin.metrics.note_outbox(outbox.letters, age(now, outbox.oldest));
    let waiting = admin.store.waiting(now).await?;
    admin.metrics.note_users_waiting("decision", waiting.to_decide);
    admin.metrics.note_users_waiting("reading", waiting.to_read);
    Ok(())
}

async fn shown(admin: &Admin) -> Result<(), StoreError> {
    let shown = admin.store.shown().await?;
    let stuck = admin.store.stuck(admin.clock.now()).await?;
    for slot in SlotName::ALL {
        admin.metrics.note_shown(slot.label(), shown.get(&slot).copied().unwrap_or(0));
        let stuck = stuck.iter().find(|(name, _)| name == slot.label()).map_or(0, |(_, count)| *count);
        admin.metrics.note_stuck(slot.label(), stuck);
    }
    Ok(())
}

/// What was never read has no age: somebody else must watch that it begins.
async fn feeds(admin: &Admin) -> Result<(), StoreError> {
    let feeds = admin.store.feeds().await?;
    for feed in Feed::ALL {
        if let Some((_, at)) = feeds.iter().find(|(name, _)| name == feed.label()) {
            admin.metrics.note_feed_age(feed.label(), age(admin.clock.now(), Some(*at)));
        }
    }
    Ok(())
}

async fn subscriptions(admin: &Admin) -> Result<(), StoreError> {
    let now = admin.clock.now();
    let live = admin.store.live_subscriptions(now).await?;
    let left = live.first_ends_at.map_or(0.0, |ends_at| ends_at.duration_since(now).as_secs_f64());
    admin.metrics.note_subscriptions(live.count, live.silent, left);
    let accounts = admin.store.account_counts().await?;
    admin.metrics.note_subscriber_accounts("usable", accounts.usable);
    admin.metrics.note_subscriber_accounts("needs_sign_in", accounts.need_sign_in);
    admin.metrics.note_subscriber_accounts("leaving", accounts.leaving);
    let (counted, users) = (admin.store.count_accounts(now).await?, admin.people.counted(admin).await?.to_watch);
    admin.metrics.note_subscriber_accounts("spare", counted.accounts_spare);
    admin.metrics.note_subscriber_accounts("refused", counted.accounts_refused);
    let pushed_to = if admin.push { users } else { 0 };
    let coverage = Coverage::of(usize::try_from(pushed_to).unwrap_or(0), usize::try_from(counted.accounts).unwrap_or(0));
    admin.metrics.note_subscriber_accounts("missing", i64::try_from(coverage.accounts_missing).unwrap_or(i64::MAX));
    let swept = admin.store.swept_counts().await?;
    for why in Why::ALL {
        let count = swept.iter().find(|(known, _)| *known == why).map_or(0, |(_, count)| *count);
        admin.metrics.note_swept_users(why.label(), if admin.push { count } else { 0 });
    }
    admin.metrics.note_swept_users("no_push", users - pushed_to);
    Ok(())
}

async fn people(admin: &Admin) -> Result<(), StoreError> {
    admin.metrics.note_directory_held_back(admin.store.directory_held_back().await?);
    let templates = admin.store.template_counts().await?;
    for state in CareState::ALL {
        admin.metrics.note_profile_templates(state.label(), templates.get(&state).copied().unwrap_or(0));
    }
    let people = admin.people.counted(admin).await?;
    for state in Match::LABELS {
        let count = people.by_match.iter().find(|(known, _)| known == state).map_or(0, |(_, count)| *count);
        admin.metrics.note_users(state, count);
    }
    Ok(())
}

fn age(now: Timestamp, since: Option<Timestamp>) -> f64 {
    since.map_or(0.0, |since| now.duration_since(since).as_secs_f64().max(0.0))
}
