//! Teams synchronisation as set per location and configuration group; a change owes it to everybody whom it concerns to wake them.

pub(super) mod due;

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgExecutor;
use uuid::Uuid;

use super::{Store, StoreError, Tx, commit, known};
use crate::domain::policy::{Mode, TeamsSync};

impl Store {
    /// Teams synchronisation as set there; `None`: nothing is set.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn teams_sync(&self, guid: Uuid) -> Result<Option<TeamsSync>, StoreError> {
        read_teams_sync(&self.pool, guid).await
    }

    /// Teams synchronisation as set at each of these places, where it is.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn teams_syncs(&self, guids: &[Uuid]) -> Result<HashMap<Uuid, TeamsSync>, StoreError> {
        let rows = sqlx::query!(
            "select guid, mode, user_may_change, remember_login_data, shadow from teams_sync where guid = any($1)",
            guids,
        );
        let sync = |(mode, user_may_change, remember_login_data, shadow): (String, bool, bool, bool)| {
            known(&mode, Mode::from_label).map(|mode| TeamsSync { mode, user_may_change, remember_login_data, shadow })
        };
        let rows = rows.fetch_all(&self.pool).await?.into_iter();
        rows.map(|row| Ok((row.guid, sync((row.mode, row.user_may_change, row.remember_login_data, row.shadow))?))).collect()
    }

    /// Sets Teams synchronisation for a location or a configuration group, as [`write_teams_sync`] does.
    ///
    /// # Errors
    /// Postgres could not; nothing has changed.
    pub async fn set_teams_sync(&self, guid: Uuid, sync: TeamsSync, now: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        lock_teams_sync(&mut tx, guid).await?;
        write_teams_sync(&mut tx, guid, Some(sync), now).await?;
        commit(tx).await
    }
}

/// What is set there, locked: nobody else changes it before this transaction ends.
///
/// # Errors
/// Postgres could not.
pub async fn lock_teams_sync(tx: &mut Tx<'_>, guid: Uuid) -> Result<Option<TeamsSync>, StoreError> {
    lock_place(tx, guid).await?;
    read_teams_sync(&mut **tx, guid).await
}

/// Where nothing is set yet there is no row to lock but the place's own.
pub(super) async fn lock_place(tx: &mut Tx<'_>, guid: Uuid) -> Result<(), StoreError> {
    sqlx::query!("select from location where guid = $1 for no key update", guid).execute(&mut **tx).await?;
    sqlx::query!("select from configuration_group where guid = $1 for no key update", guid).execute(&mut **tx).await?;
    Ok(())
}

/// Remembers when a setting of a place was changed.
pub(super) async fn note_change(tx: &mut Tx<'_>, guid: Uuid, setting: &str, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into policy_change (guid, setting, changed_at) values ($1, $2, $3)
         on conflict (guid, setting) do update set changed_at = excluded.changed_at",
        guid,
        setting,
        now.to_sqlx(),
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Sets (`None`: unsets) what was locked. It holds at once for whoever is decided for; everybody there is
/// [woken](Store::carry_policy_out) in a while. Whoever was not synchronised was not read either: what is known of them may be long out of
/// date, so it is forgotten and they are read then.
///
/// # Errors
/// Postgres could not.
pub async fn write_teams_sync(tx: &mut Tx<'_>, guid: Uuid, sync: Option<TeamsSync>, now: Timestamp) -> Result<(), StoreError> {
    let unread_until = due::unread_until(tx, guid, now).await?;
    let is_first = read_teams_sync(&mut **tx, guid).await?.is_none();
    match sync {
        Some(sync) => {
            sqlx::query!(
                "insert into teams_sync (guid, mode, user_may_change, remember_login_data, shadow, shadow_since)
                 values ($1, $2, $3, $4, $5, case when $5 then $6::timestamptz end)
                 on conflict (guid) do update set mode = excluded.mode, user_may_change = excluded.user_may_change,
                     remember_login_data = excluded.remember_login_data, shadow = excluded.shadow,
                     shadow_since = case when excluded.shadow then coalesce(teams_sync.shadow_since, excluded.shadow_since) end",
                guid,
                sync.mode.label(),
                sync.user_may_change,
                sync.remember_login_data,
                sync.shadow,
                now.to_sqlx(),
            )
            .execute(&mut **tx)
            .await?
        }
        None => sqlx::query!("delete from teams_sync where guid = $1", guid).execute(&mut **tx).await?,
    };
    // A group's first own policy begins a trial of its own, whatever its location's trial has counted; a change within a trial begins none.
    let trial_goes_on = !is_first && sync.is_some_and(|sync| sync.shadow);
    due::owe(tx, guid, trial_goes_on, unread_until, now).await?;
    note_change(tx, guid, "teams_sync", now).await
}

pub(super) async fn read_teams_sync(by: impl PgExecutor<'_>, guid: Uuid) -> Result<Option<TeamsSync>, StoreError> {
    let row = sqlx::query!("select mode, user_may_change, remember_login_data, shadow from teams_sync where guid = $1", guid);
    let Some(row) = row.fetch_optional(by).await? else { return Ok(None) };
    Ok(Some(TeamsSync {
        mode: known(&row.mode, Mode::from_label)?,
        user_may_change: row.user_may_change,
        remember_login_data: row.remember_login_data,
        shadow: row.shadow,
    }))
}
