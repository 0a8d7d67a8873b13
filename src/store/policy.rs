//! Teams synchronisation as set per location and configuration group; a change wakes everybody whom it concerns.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::PgExecutor;
use uuid::Uuid;

use super::{Store, StoreError, Tx, commit, known, shadow};
use crate::domain::policy::{Mode, TeamsSync};
use crate::domain::timeline::Waker;

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
    lock_seat(tx, guid).await?;
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

/// Sets (`None`: unsets) what was locked, and wakes everybody in it. Whoever was not synchronised was not read either: what is
/// known of them may be long out of date, so it is forgotten and read at once.
///
/// # Errors
/// Postgres could not.
pub async fn write_teams_sync(tx: &mut Tx<'_>, guid: Uuid, sync: Option<TeamsSync>, now: Timestamp) -> Result<(), StoreError> {
    forget_unread(tx, guid).await?;
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
    if !sync.is_some_and(|sync| sync.shadow) {
        shadow::forget(tx, guid).await?;
    }
    note_change(tx, guid, "teams_sync", now).await?;
    wake_seat(tx, guid, now).await
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

/// Whoever changes several users' rows locks them in the order of their guids.
async fn lock_seat(tx: &mut Tx<'_>, guid: Uuid) -> Result<(), StoreError> {
    let lock = sqlx::query!(
        "select from user_state s join person p on p.guid = s.user_guid
         where p.location_guid = $1 or p.configuration_group_guid = $1 order by s.user_guid for no key update of s",
        guid,
    );
    lock.execute(&mut **tx).await?;
    Ok(())
}

/// Forgets what was observed of those in this seat for whom nothing is synchronised before the change.
async fn forget_unread(tx: &mut Tx<'_>, guid: Uuid) -> Result<(), StoreError> {
    sqlx::query!(
        "update user_state s set teams_availability = null, teams_activity = null, teams_source = null, teams_observed_at = null,
             read_availability = null, read_activity = null, read_at = null, native = null, native_since = null
         from person p
             left join teams_sync l on l.guid = p.location_guid
             left join teams_sync g on g.guid = p.configuration_group_guid
         where p.guid = s.user_guid and (p.location_guid = $1 or p.configuration_group_guid = $1)
             and coalesce(g.mode, l.mode, 'none') = 'none' and not coalesce(g.user_may_change, l.user_may_change, false)",
        guid,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Has everybody in this seat decided for anew; read are only those for whom anything is synchronised. To take back what is shown
/// nobody need be read, and thousands of readings would wake people one by one, in the way of fresh changes.
async fn wake_seat(tx: &mut Tx<'_>, guid: Uuid, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        "update user_state s set revisit_at = least(s.revisit_at, '1980-01-01Z'), woken_by = s.woken_by | $3,
             confirm_at = case when p.teams_id is null then null
                 when coalesce(g.mode, l.mode, 'none') <> 'none' or coalesce(g.user_may_change, l.user_may_change, false)
                     then least(s.confirm_at, $2)
                 else s.confirm_at end
         from person p
             left join teams_sync l on l.guid = p.location_guid
             left join teams_sync g on g.guid = p.configuration_group_guid
         where p.guid = s.user_guid and (p.location_guid = $1 or p.configuration_group_guid = $1)",
        guid,
        now.to_sqlx(),
        Waker::Policy.bit(),
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
