//! Microphone sync as set per location and configuration group.

mod report;

use std::collections::HashMap;

use jiff::Timestamp;
use uuid::Uuid;

use super::policy::{lock_place, note_change};
use super::{Store, StoreError, Tx};
use crate::domain::microphone::{MicrophoneSync, Process, starting_ignored};

pub use report::{Report, Reported, WORKSTATIONS_MAX};
pub(super) use report::{forget_ended, load};

impl Store {
    /// Microphone sync as set at each of these places, where it is.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn microphone_syncs(&self, guids: &[Uuid]) -> Result<HashMap<Uuid, MicrophoneSync>, StoreError> {
        let mut tx = self.begin().await?;
        read(&mut tx, guids).await
    }
}

/// What is set there, locked: nobody else changes it before this transaction ends.
///
/// # Errors
/// Postgres could not.
pub async fn lock_microphone_sync(tx: &mut Tx<'_>, guid: Uuid) -> Result<Option<MicrophoneSync>, StoreError> {
    lock_place(tx, guid).await?;
    Ok(read(tx, &[guid]).await?.remove(&guid))
}

/// Sets (`None`: unsets) what was locked, and has those decided for whose microphone is in use: few are at any time.
///
/// # Errors
/// Postgres could not.
pub async fn write_microphone_sync(
    tx: &mut Tx<'_>,
    guid: Uuid,
    sync: Option<MicrophoneSync>,
    now: Timestamp,
) -> Result<(), StoreError> {
    // Its processes go with it.
    sqlx::query!("delete from microphone_sync where guid = $1", guid).execute(&mut **tx).await?;
    if let Some(sync) = sync {
        let set = sqlx::query!(
            "insert into microphone_sync (guid, enabled, ignored) values ($1, $2, $3)",
            guid,
            sync.enabled,
            &sync.ignored,
        );
        set.execute(&mut **tx).await?;
        let active: Vec<bool> = sync.processes.iter().map(|process| process.active).collect();
        let (processes, aliases): (Vec<String>, Vec<Option<String>>) =
            sync.processes.into_iter().map(|process| (process.process, process.alias)).unzip();
        sqlx::query!(
            "insert into microphone_process (guid, position, process, alias, active)
             select $1, n.position::int4, n.process, n.alias, n.active
             from unnest($2::text[], $3::text[], $4::bool[]) with ordinality as n (process, alias, active, position)",
            guid,
            &processes,
            &aliases as _,
            &active,
        )
        .execute(&mut **tx)
        .await?;
    }
    report::wake_at(tx, guid).await?;
    note_change(tx, guid, "microphone_sync", now).await
}

/// In one statement: a change between two would tear a table apart.
pub(super) async fn read(tx: &mut Tx<'_>, guids: &[Uuid]) -> Result<HashMap<Uuid, MicrophoneSync>, StoreError> {
    let rows = sqlx::query!(
        r#"select s.guid, s.enabled, s.ignored, p.process as "process?", p.alias, p.active as "active?"
           from microphone_sync s left join microphone_process p on p.guid = s.guid
           where s.guid = any($1) order by s.guid, p.position"#,
        guids,
    );
    let mut found: HashMap<Uuid, MicrophoneSync> = HashMap::new();
    for row in rows.fetch_all(&mut **tx).await? {
        let sync = found.entry(row.guid).or_insert_with(|| MicrophoneSync {
            enabled: row.enabled,
            processes: Vec::new(),
            ignored: row.ignored.unwrap_or_else(starting_ignored),
        });
        if let (Some(process), Some(active)) = (row.process, row.active) {
            sync.processes.push(Process { process, alias: row.alias, active });
        }
    }
    Ok(found)
}
