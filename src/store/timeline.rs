//! What changed for whom, in the order in which it did: rows are added with the statements that decide and settle, never altered.

mod read;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::decision::Decided;
use super::{StoreError, Tx};
use crate::domain::mapping::TeamsNative;
use crate::domain::presence::Presence;
use crate::domain::reconcile::{Reason, Remembered};
use crate::domain::slot::SlotName;
use crate::domain::timeline::{Changes, Sending, SlotChange};

/// Rows to add about decisions, column by column.
#[derive(Default)]
pub(super) struct Decisions<'a> {
    pub users: Vec<Uuid>,
    pub came: Vec<Option<jiff_sqlx::Timestamp>>,
    pub woken_by: Vec<i16>,
    pub availabilities: Vec<Option<&'a str>>,
    pub activities: Vec<Option<&'a str>>,
    pub teams_natives: Vec<Option<&'static str>>,
    pub xphone_natives: Vec<Option<&'static str>>,
    pub appointment: Columns,
    pub session: Columns,
    pub preferred: Columns,
}

/// What changed about a slot, column by column.
#[derive(Default)]
pub(super) struct Columns {
    pub shows: Vec<Option<&'static str>>,
    pub reasons: Vec<Option<&'static str>>,
    pub pushes: Vec<Option<&'static str>>,
}

impl Columns {
    fn add(&mut self, change: Option<SlotChange>) {
        self.shows.push(change.and_then(|change| change.shows).map(Presence::label));
        self.reasons.push(change.map(|change| change.reason).map(Reason::label));
        self.pushes.push(change.and_then(|change| change.push).map(Sending::label));
    }
}

impl<'a> Decisions<'a> {
    /// Those of these decisions that changed something.
    pub fn of(decided: &'a [Decided]) -> Self {
        let mut rows = Self::default();
        for one in decided {
            let changes = Changes::of(&one.due.snapshot, one.due.last, &one.decision, one.on_trial);
            if changes.is_any() {
                rows.add(one, changes);
            }
        }
        rows
    }

    fn add(&mut self, one: &'a Decided, changes: Changes) {
        let native = |remembered: Remembered| remembered.native;
        let [appointment, session, preferred] = changes.slots;
        self.users.push(one.due.user.0);
        // What is recorded while we decide came after our clock was read; nobody decides what has not come.
        self.came.push(one.due.changed_at.map(|at| at.min(one.due.snapshot.now).to_sqlx()));
        self.woken_by.push(one.due.woken_by.0);
        self.availabilities.push(one.due.words.as_ref().map(|(availability, _)| availability.as_str()));
        self.activities.push(one.due.words.as_ref().map(|(_, activity)| activity.as_str()));
        self.teams_natives.push(one.decision.remembered.map(native).map(TeamsNative::label));
        self.xphone_natives.push(one.due.snapshot.xphone.map(|entry| entry.native().label()));
        self.appointment.add(appointment);
        self.session.add(session);
        self.preferred.add(preferred);
    }
}

/// Each time that something would have been shown, column by column.
#[derive(Default)]
pub(super) struct Trials {
    policies: Vec<Uuid>,
    users: Vec<Uuid>,
    slots: Vec<&'static str>,
    presences: Vec<&'static str>,
}

impl Trials {
    /// What began with these decisions.
    pub fn of(decided: &[Decided]) -> Self {
        let mut rows = Self::default();
        for one in decided {
            let Some(policy) = one.due.policy_from else { continue };
            for (slot, presence) in one.on_trial.since(one.due.last.on_trial).iter() {
                rows.policies.push(policy);
                rows.users.push(one.due.user.0);
                rows.slots.push(SlotName::label(slot));
                rows.presences.push(presence.label());
            }
        }
        rows
    }

    pub async fn store(&self, tx: &mut Tx<'_>, now: Timestamp) -> Result<(), StoreError> {
        if self.users.is_empty() {
            return Ok(());
        }
        sqlx::query!(
            "insert into shadow_show (policy_guid, user_guid, slot, presence, began_at)
             select policy_guid, user_guid, slot, presence, $5
             from unnest($1::uuid[], $2::uuid[], $3::text[], $4::text[]) as n (policy_guid, user_guid, slot, presence)",
            &self.policies,
            &self.users,
            &self.slots as _,
            &self.presences as _,
            now.to_sqlx(),
        )
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}
