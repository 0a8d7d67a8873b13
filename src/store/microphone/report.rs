//! What workstations report of the microphone: recorded as long as it holds, loaded for deciding, forgotten when it ends.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::read;
use crate::domain::ids::UserGuid;
use crate::domain::microphone::{InUse, Microphone, MicrophoneSync, REPORT_LIFE, merge};
use crate::domain::policy;
use crate::domain::timeline::Waker;
use crate::store::{Store, StoreError, Tx, commit, times};

/// So many workstations of one user may have the microphone in use at once.
pub const WORKSTATIONS_MAX: i64 = 16;

/// A report, as it came.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// Whose microphone.
    pub user: UserGuid,
    /// Which workstation, as it calls itself.
    pub workstation: &'a str,
    /// Whose token it came with; `None`: an operator's.
    pub enrolled: Option<Uuid>,
    /// What uses the microphone there.
    pub programs: &'a [String],
}

/// What came of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reported {
    /// It is durable, and its user will be decided for.
    Changed,
    /// It told nothing new.
    Unchanged,
    /// Too many workstations of the user have the microphone in use.
    TooMany,
    /// XPhone has the user no more.
    Gone,
}

struct Row {
    reported_at: Timestamp,
    in_use: Vec<InUse>,
}

impl Store {
    /// Records what a workstation reports, without what is not told of, and wakes its user if that is news.
    ///
    /// # Errors
    /// Postgres could not; nothing was recorded.
    pub async fn report_microphone(&self, report: Report<'_>, now: Timestamp) -> Result<Reported, StoreError> {
        let workstation = report.workstation.to_lowercase();
        let mut tx = self.begin().await?;
        let Some(sync) = sync_of(&mut tx, report.user).await? else { return Ok(Reported::Gone) };
        let before = row(&mut tx, report.user, &workstation).await?;
        let kept = merge(&sync, report.programs, before.as_ref().map_or(&[], |row| &row.in_use), now);
        let Some(before) = before else {
            return if kept.is_empty() { Ok(Reported::Unchanged) } else { record(tx, report, &workstation, &kept, now).await };
        };
        let processes = |programs: &[InUse]| programs.iter().map(|program| program.process.clone()).collect::<Vec<_>>();
        let is_heartbeat = before.reported_at <= now
            && before.in_use.iter().all(|program| program.is_live(now))
            && processes(&before.in_use) == processes(&kept);
        if is_heartbeat && touch(&mut tx, report.user, &workstation, &processes(&kept), now).await? {
            commit(tx).await?;
            return Ok(Reported::Unchanged);
        }
        record(tx, report, &workstation, &kept, now).await
    }

    /// Forgets what counts no more. The next decision about its user does so too, but perhaps nobody decides about them again.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn forget_microphone_reports(&self, now: Timestamp) -> Result<(), StoreError> {
        let ended = sqlx::query!("delete from microphone_report where reported_at <= $1", (now - REPORT_LIFE).to_sqlx());
        ended.execute(&self.pool).await?;
        Ok(())
    }
}

/// Microphone sync as it holds for a user; `None`: there is no such user.
async fn sync_of(tx: &mut Tx<'_>, user: UserGuid) -> Result<Option<MicrophoneSync>, StoreError> {
    let person = sqlx::query!("select location_guid, configuration_group_guid from person where guid = $1", user.0);
    let Some(person) = person.fetch_optional(&mut **tx).await? else { return Ok(None) };
    let places: Vec<Uuid> = [person.location_guid, person.configuration_group_guid].into_iter().flatten().collect();
    let mut set = read(tx, &places).await?;
    let [location, group] =
        [person.location_guid, person.configuration_group_guid].map(|place| place.and_then(|place| set.remove(&place)));
    Ok(Some(policy::inherit(location, group, MicrophoneSync::unset()).0))
}

async fn row(tx: &mut Tx<'_>, user: UserGuid, workstation: &str) -> Result<Option<Row>, StoreError> {
    let row = sqlx::query!(
        r#"select reported_at, processes, since as "since: Vec<jiff_sqlx::Timestamp>" from microphone_report
           where user_guid = $1 and workstation = $2"#,
        user.0,
        workstation,
    );
    Ok(row.fetch_optional(&mut **tx).await?.map(|row| {
        let reported_at = row.reported_at.to_jiff();
        Row { reported_at, in_use: in_use(row.processes, row.since, reported_at) }
    }))
}

fn in_use(processes: Vec<String>, since: Vec<jiff_sqlx::Timestamp>, reported_at: Timestamp) -> Vec<InUse> {
    let both = processes.into_iter().zip(since);
    both.map(|(process, since)| InUse { process, since: since.to_jiff(), reported_at }).collect()
}

/// Nothing is new but that the workstation was heard; `false`: something is, meanwhile.
async fn touch(
    tx: &mut Tx<'_>,
    user: UserGuid,
    workstation: &str,
    processes: &[String],
    now: Timestamp,
) -> Result<bool, StoreError> {
    let touched = sqlx::query!(
        "update microphone_report set reported_at = $4 where user_guid = $1 and workstation = $2 and processes = $3",
        user.0,
        workstation,
        processes,
        now.to_sqlx(),
    );
    Ok(touched.execute(&mut **tx).await?.rows_affected() > 0)
}

/// As the reconciler does: first the user, then what belongs to them.
async fn record(
    mut tx: Tx<'_>,
    report: Report<'_>,
    workstation: &str,
    kept: &[InUse],
    now: Timestamp,
) -> Result<Reported, StoreError> {
    let lock = sqlx::query!("select from user_state where user_guid = $1 for no key update", report.user.0);
    lock.execute(&mut *tx).await?;
    if kept.is_empty() {
        let gone =
            sqlx::query!("delete from microphone_report where user_guid = $1 and workstation = $2", report.user.0, workstation);
        gone.execute(&mut *tx).await?;
    } else {
        let others = sqlx::query_scalar!(
            r#"select count(*) as "count!" from microphone_report where user_guid = $1 and workstation <> $2 and reported_at > $3"#,
            report.user.0,
            workstation,
            (now - REPORT_LIFE).to_sqlx(),
        );
        if others.fetch_one(&mut *tx).await? >= WORKSTATIONS_MAX {
            return Ok(Reported::TooMany);
        }
        put(&mut tx, report, workstation, kept, now).await?;
    }
    sqlx::query!(
        "update user_state set changed_at = coalesce(changed_at, $2), revisit_at = 'epoch', woken_by = woken_by | $3
         where user_guid = $1",
        report.user.0,
        now.to_sqlx(),
        Waker::Microphone.bit(),
    )
    .execute(&mut *tx)
    .await?;
    commit(tx).await?;
    Ok(Reported::Changed)
}

async fn put(tx: &mut Tx<'_>, report: Report<'_>, workstation: &str, kept: &[InUse], now: Timestamp) -> Result<(), StoreError> {
    let processes: Vec<String> = kept.iter().map(|program| program.process.clone()).collect();
    sqlx::query!(
        "insert into microphone_report (user_guid, workstation, workstation_id, reported_at, processes, since)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (user_guid, workstation) do update set workstation_id = excluded.workstation_id,
             reported_at = excluded.reported_at, processes = excluded.processes, since = excluded.since",
        report.user.0,
        workstation,
        report.enrolled,
        now.to_sqlx(),
        &processes,
        times(kept.iter().map(|program| &program.since)) as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What the workstations of these users report, and what may be told of it; whoever has none is left out.
pub(in crate::store) async fn load(tx: &mut Tx<'_>, users: &[Uuid]) -> Result<HashMap<Uuid, Microphone>, StoreError> {
    let rows = sqlx::query!(
        r#"select r.user_guid, r.reported_at, r.processes, r.since as "since: Vec<jiff_sqlx::Timestamp>", p.location_guid,
             p.configuration_group_guid
           from microphone_report r join person p on p.guid = r.user_guid
           where r.user_guid = any($1) order by r.user_guid, r.workstation"#,
        users,
    );
    let rows = rows.fetch_all(&mut **tx).await?;
    if rows.is_empty() {
        return Ok(HashMap::new());
    }
    let places: Vec<Uuid> = rows.iter().flat_map(|row| [row.location_guid, row.configuration_group_guid]).flatten().collect();
    let set: HashMap<Uuid, Arc<MicrophoneSync>> =
        read(tx, &places).await?.into_iter().map(|(place, sync)| (place, Arc::new(sync))).collect();
    let unset = Arc::new(MicrophoneSync::unset());
    let mut found: HashMap<Uuid, Microphone> = HashMap::new();
    for row in rows {
        let of = |place: Option<Uuid>| place.and_then(|place| set.get(&place).cloned());
        let (sync, _) = policy::inherit(of(row.location_guid), of(row.configuration_group_guid), Arc::clone(&unset));
        let microphone = found.entry(row.user_guid).or_insert(Microphone { sync: Some(sync), in_use: Vec::new() });
        microphone.in_use.extend(in_use(row.processes, row.since, row.reported_at.to_jiff()));
    }
    Ok(found)
}

/// Forgets what these users' workstations reported that counts no more.
pub(in crate::store) async fn forget_ended(tx: &mut Tx<'_>, users: &[Uuid], now: Timestamp) -> Result<(), StoreError> {
    if !users.is_empty() {
        let ended = sqlx::query!(
            "delete from microphone_report where user_guid = any($1) and reported_at <= $2",
            users,
            (now - REPORT_LIFE).to_sqlx(),
        );
        ended.execute(&mut **tx).await?;
    }
    Ok(())
}

/// Has those decided for anew who are governed by this place and whose microphone is in use.
pub(in crate::store) async fn wake_at(tx: &mut Tx<'_>, place: Uuid) -> Result<(), StoreError> {
    sqlx::query!(
        "with held as materialized (
             select s.user_guid from user_state s join person p on p.guid = s.user_guid
             where (p.location_guid = $1 or p.configuration_group_guid = $1)
                 and exists (select from microphone_report r where r.user_guid = s.user_guid)
             order by s.user_guid for no key update of s
         )
         update user_state s set revisit_at = least(s.revisit_at, '1980-01-01Z'), woken_by = s.woken_by | $2
         from held where s.user_guid = held.user_guid",
        place,
        Waker::Policy.bit(),
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
