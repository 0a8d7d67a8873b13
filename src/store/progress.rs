//! How far a change of policy has come: whom it still has to reach in a location or a configuration group.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::{Store, StoreError};

/// How far the users of a place have followed what is set for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// When Teams synchronisation was last changed there, or in the location above; `None`: never.
    pub changed_at: Option<Timestamp>,
    /// How many users there are.
    pub users: i64,
    /// How many wait for a decision.
    pub to_decide: i64,
    /// How many wait for being read in Teams.
    pub to_read: i64,
    /// How many letters to XPhone wait.
    pub letters_xphone: i64,
    /// How many letters to Teams wait.
    pub letters_teams: i64,
    /// How many of the letters were sent in vain before.
    pub letters_failed: i64,
    /// When the oldest of the letters was decided.
    pub oldest_letter: Option<Timestamp>,
    /// Of how many users XPhone may show something of ours.
    pub shown_xphone: i64,
    /// Of how many users Teams may show something of ours.
    pub shown_teams: i64,
}

/// How many users wait, of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Waiting {
    /// For a decision.
    pub to_decide: i64,
    /// For being read in Teams.
    pub to_read: i64,
}

impl Store {
    /// How far the users of a location (those in its groups as well) or of a configuration group have come.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn progress(&self, guid: Uuid, now: Timestamp) -> Result<Progress, StoreError> {
        let row = sqlx::query!(
            r#"with states as (
                 select count(*) filter (where s.revisit_at <= $2) as to_decide,
                     count(*) filter (where s.confirm_at <= $2) as to_read
                 from user_state s join person p on p.guid = s.user_guid
                 where (s.revisit_at <= $2 or s.confirm_at <= $2) and (p.location_guid = $1 or p.configuration_group_guid = $1)
             ), unwoken as (
                 select count(*) filter (where (s.revisit_at <= $2) is not true) as to_decide,
                     count(*) filter (where u.to_read and (s.confirm_at <= $2) is not true) as to_read
                 from policy_unwoken u join user_state s on s.user_guid = u.user_guid
                 where u.location_guid = $1 or u.configuration_group_guid = $1
             ), letters as (
                 select count(*) filter (where o.teams_id is null) as xphone, count(*) filter (where o.teams_id is not null) as teams,
                     count(*) filter (where o.problem is not null) as failed, min(o.decided_at) as oldest
                 from outbox o join person p on p.guid = o.user_guid
                 where p.location_guid = $1 or p.configuration_group_guid = $1
             ), shown as (
                 select count(distinct v.user_guid) filter (where v.slot = 'xphone_appointment') as xphone,
                     count(distinct v.user_guid) filter (where v.slot <> 'xphone_appointment') as teams
                 from visible v join person p on p.guid = v.user_guid
                 where (p.location_guid = $1 or p.configuration_group_guid = $1)
             )
             select (select count(*) from person where location_guid = $1 or configuration_group_guid = $1) as "users!",
                 states.to_decide + unwoken.to_decide as "to_decide!", states.to_read + unwoken.to_read as "to_read!",
                 letters.xphone as "letters_xphone!", letters.teams as "letters_teams!", letters.failed as "letters_failed!",
                 letters.oldest, shown.xphone as "shown_xphone!", shown.teams as "shown_teams!",
                 (select max(changed_at) from policy_change where setting = 'teams_sync'
                      and (guid = $1 or guid = (select location_guid from configuration_group where guid = $1))) as changed_at
             from states, unwoken, letters, shown"#,
            guid,
            now.to_sqlx(),
        );
        let row = row.fetch_one(&self.pool).await?;
        Ok(Progress {
            changed_at: row.changed_at.map(jiff_sqlx::Timestamp::to_jiff),
            users: row.users,
            to_decide: row.to_decide,
            to_read: row.to_read,
            letters_xphone: row.letters_xphone,
            letters_teams: row.letters_teams,
            letters_failed: row.letters_failed,
            oldest_letter: row.oldest.map(jiff_sqlx::Timestamp::to_jiff),
            shown_xphone: row.shown_xphone,
            shown_teams: row.shown_teams,
        })
    }

    /// How many of all users wait.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn waiting(&self, now: Timestamp) -> Result<Waiting, StoreError> {
        let row = sqlx::query!(
            r#"with unwoken as (
                 select count(*) filter (where (s.revisit_at <= $1) is not true) as to_decide,
                     count(*) filter (where u.to_read and (s.confirm_at <= $1) is not true) as to_read
                 from policy_unwoken u join user_state s on s.user_guid = u.user_guid
             )
             select (select count(*) from user_state where revisit_at <= $1) + unwoken.to_decide as "to_decide!",
                 (select count(*) from user_state where confirm_at <= $1) + unwoken.to_read as "to_read!" from unwoken"#,
            now.to_sqlx(),
        );
        let row = row.fetch_one(&self.pool).await?;
        Ok(Waiting { to_decide: row.to_decide, to_read: row.to_read })
    }
}
