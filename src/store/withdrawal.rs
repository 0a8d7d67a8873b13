//! Taking everything back: who is concerned, what is left of it, and what a later start must not believe any more.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use super::feed::Feed;
use super::{Store, StoreError, commit, known, rows};
use crate::domain::ids::UserGuid;
use crate::domain::slot::SlotName;
use crate::domain::timeline::Waker;

/// How much of ours is left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Left {
    /// For how many users each slot shows something, or may; a slot without any is left out.
    pub slots: BTreeMap<SlotName, i64>,
}

impl Left {
    /// Whether there is nothing.
    #[must_use]
    pub fn is_nothing(&self) -> bool {
        self.slots.is_empty()
    }

    /// Of how many places in all.
    #[must_use]
    pub fn count(&self) -> i64 {
        self.slots.values().sum()
    }
}

/// A place where something of ours is left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LeftPlace {
    /// Whose.
    pub user: UserGuid,
    /// Where.
    pub slot: SlotName,
    /// Why it was not taken back yet, as far as that is known.
    pub problem: Option<String>,
    /// When it ends by itself, as far as that is known.
    pub ends_at: Option<Timestamp>,
}

impl Store {
    /// Wakes everybody for whom something is shown or on its way, and lets no letter wait any longer. Whose do not disturb in Teams may
    /// be ours is read first: nobody has listened since the gateways were stopped, so that no earlier read proves anything.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn hurry_everything(&self, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query!(
            "update user_state s set revisit_at = 'epoch', woken_by = s.woken_by | $1,
                 read_availability = case when preferred then null else s.read_availability end,
                 read_activity = case when preferred then null else s.read_activity end,
                 read_at = case when preferred then null else s.read_at end,
                 confirm_at = case when preferred then $2 else s.confirm_at end
             from (
                 select user_guid, exists (select from slot where slot.user_guid = u.user_guid and state = 'shown'
                     and name = 'teams_preferred') as preferred
                 from user_state u
                 where exists (select from slot where slot.user_guid = u.user_guid and state = 'shown')
                     or exists (select from outbox where outbox.user_guid = u.user_guid)
                 order by user_guid for no key update
             ) held where s.user_guid = held.user_guid",
            Waker::Operator.bit(),
            now.to_sqlx(),
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!("update outbox set due_at = least(due_at, $1)", now.to_sqlx()).execute(&mut *tx).await?;
        commit(tx).await
    }

    /// How much of ours is left: shown, or with a letter about it that has not arrived.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn left(&self) -> Result<Left, StoreError> {
        let counted = sqlx::query!(
            r#"select name as "name!", count(*) as "count!" from (
                   select user_guid, name from slot where state = 'shown' union select user_guid, slot from outbox
               ) left_over group by name"#
        );
        let counted = counted.fetch_all(&self.pool).await?.into_iter();
        let slots = counted.map(|row| Ok((known(&row.name, SlotName::from_label)?, row.count)));
        Ok(Left { slots: slots.collect::<Result<_, StoreError>>()? })
    }

    /// Where it is left, and why.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn left_places(&self, limit: usize) -> Result<Vec<LeftPlace>, StoreError> {
        let places = sqlx::query!(
            r#"select coalesce(s.user_guid, o.user_guid) as "user!", coalesce(s.name, o.slot) as "name!", o.problem, s.until
               from (select user_guid, name, until from slot where state = 'shown') s
                   full join outbox o on o.user_guid = s.user_guid and o.slot = s.name
               order by 2, 1 limit $1"#,
            rows(limit),
        );
        let places = places.fetch_all(&self.pool).await?.into_iter().map(|row| {
            let slot = known(&row.name, SlotName::from_label)?;
            let ends_at = row.until.map(jiff_sqlx::Timestamp::to_jiff);
            Ok(LeftPlace { user: UserGuid(row.user), slot, problem: row.problem, ends_at })
        });
        places.collect()
    }

    /// Forgets everything that was observed, so that whoever serves next reads both sides before showing anything: what is known now
    /// may be weeks old by then. What people undid stays undone, and what was just cleared in Teams keeps its grace.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn forget_everything_observed(&self) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        sqlx::query!(
            "update user_state set teams_availability = null, teams_activity = null, teams_sequence = null, teams_source = null,
                 teams_observed_at = null, read_availability = null, read_activity = null, read_at = null, confirm_at = null,
                 native = null, native_since = null, xphone_telephone_state = null, xphone_meeting = null, xphone_status_guid = null,
                 xphone_ours = null, xphone_client_connected = null, xphone_sequence = null, xphone_observed_at = null,
                 changed_at = null, trace = null, revisit_at = null, woken_by = 0",
        )
        .execute(&mut *tx)
        .await?;
        let read_again = [Feed::Sweep, Feed::XphonePresence, Feed::Appointments].map(|feed| feed.label().to_owned());
        sqlx::query!("delete from feed where name = any($1)", &read_again).execute(&mut *tx).await?;
        sqlx::query!("delete from inbox").execute(&mut *tx).await?;
        commit(tx).await
    }
}
