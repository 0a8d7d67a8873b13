//! Reads a user's timeline, and forgets what is too old of everybody's.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use crate::domain::ids::UserGuid;
use crate::domain::mapping::TeamsNative;
use crate::domain::presence::Presence;
use crate::domain::reconcile::Reason;
use crate::domain::slot::SlotName;
use crate::domain::timeline::{Entry, Fate, Outcome, Over, Pushes, Sending, SlotChange, Waiting, Wakers};
use crate::store::{FORGOTTEN_AT_ONCE, Store, StoreError, Tx, known, rows};

struct Row {
    id: i64,
    came_at: Option<jiff_sqlx::Timestamp>,
    decided_at: jiff_sqlx::Timestamp,
    woken_by: Option<i16>,
    teams_availability: Option<String>,
    teams_activity: Option<String>,
    teams_native: Option<String>,
    xphone_native: Option<String>,
    appointment_shows: Option<String>,
    appointment_reason: Option<String>,
    appointment_push: Option<String>,
    session_shows: Option<String>,
    session_reason: Option<String>,
    session_push: Option<String>,
    preferred_shows: Option<String>,
    preferred_reason: Option<String>,
    preferred_push: Option<String>,
}

impl Row {
    fn entry(self) -> Result<Entry, StoreError> {
        Ok(Entry {
            id: self.id,
            woken_by: Wakers(self.woken_by.unwrap_or_default()),
            came_at: self.came_at.map(jiff_sqlx::Timestamp::to_jiff),
            decided_at: self.decided_at.to_jiff(),
            words: self.teams_availability.zip(self.teams_activity),
            teams_native: word(self.teams_native.as_deref(), TeamsNative::from_label)?,
            xphone_native: word(self.xphone_native.as_deref(), Presence::from_label)?,
            slots: [
                slot_change([&self.appointment_shows, &self.appointment_reason, &self.appointment_push])?,
                slot_change([&self.session_shows, &self.session_reason, &self.session_push])?,
                slot_change([&self.preferred_shows, &self.preferred_reason, &self.preferred_push])?,
            ],
            fates: [None, None, None],
        })
    }
}

fn word<T>(word: Option<&str>, from_label: impl Fn(&str) -> Option<T>) -> Result<Option<T>, StoreError> {
    word.map(|word| known(word, from_label)).transpose()
}

fn slot_change([shows, reason, push]: [&Option<String>; 3]) -> Result<Option<SlotChange>, StoreError> {
    let Some(reason) = word(reason.as_deref(), Reason::from_label)? else { return Ok(None) };
    let (shows, push) = (word(shows.as_deref(), Presence::from_label)?, word(push.as_deref(), Sending::from_label)?);
    Ok(Some(SlotChange { shows, reason, push }))
}

impl Store {
    /// A user's changes, the latest first, beginning with those before the change `before`.
    ///
    /// # Errors
    /// Postgres cannot be asked, or holds a word this version does not know.
    pub async fn timeline(&self, user: UserGuid, before: Option<i64>, limit: usize) -> Result<Vec<Entry>, StoreError> {
        let mut tx = self.begin().await?;
        let found = sqlx::query_as!(
            Row,
            "select id, came_at, decided_at, woken_by, teams_availability, teams_activity, teams_native, xphone_native, appointment_shows,
                 appointment_reason, appointment_push, session_shows, session_reason, session_push, preferred_shows, preferred_reason,
                 preferred_push
             from timeline where user_guid = $1 and id < $2 and slot is null order by id desc limit $3",
            user.0,
            before.unwrap_or(i64::MAX),
            rows(limit),
        );
        let found = found.fetch_all(&mut *tx).await?;
        let mut entries = found.into_iter().map(Row::entry).collect::<Result<Vec<Entry>, StoreError>>()?;
        let Some(earliest) = entries.last().map(|entry| entry.id) else { return Ok(entries) };
        let over = over(&mut tx, user.0, earliest, &entries).await?;
        let (waiting, latest) = (waiting(&mut tx, user.0).await?, latest(&mut tx, user.0).await?);
        Pushes { over, waiting, latest }.tell(&mut entries);
        Ok(entries)
    }

    /// Forgets some of everybody's changes before this moment, the oldest first; `false`: there may be more. Replicas that do so at once
    /// take different ones.
    ///
    /// # Errors
    /// Postgres could not; what is left is forgotten the next time.
    pub async fn forget_timeline(&self, before: Timestamp) -> Result<bool, StoreError> {
        let some = sqlx::query!(
            "delete from timeline where ctid = any(array(
                 select ctid from timeline where decided_at < $1 order by decided_at limit $2 for update skip locked))",
            before.to_sqlx(),
            FORGOTTEN_AT_ONCE,
        );
        Ok(some.execute(&self.pool).await?.rows_affected() < FORGOTTEN_AT_ONCE.unsigned_abs())
    }
}

/// What became of the pushes of these changes, the latest first.
async fn over(tx: &mut Tx<'_>, user: Uuid, after: i64, entries: &[Entry]) -> Result<Vec<Over>, StoreError> {
    let latest = entries.iter().map(|entry| entry.decided_at).max().unwrap_or_default();
    let found = sqlx::query!(
        r#"select id, slot as "slot!", decided_at, pushed_at, settled_at as "settled_at!", attempts as "attempts!", result as "result!", problem
           from timeline where user_guid = $1 and id > $2 and slot is not null and decided_at <= $3 order by id desc"#,
        user,
        after,
        latest.to_sqlx(),
    );
    let over = found.fetch_all(&mut **tx).await?.into_iter().map(|row| {
        let settled_at = row.settled_at.to_jiff();
        let fate = match known(&row.result, Outcome::from_label)? {
            Outcome::Arrived => {
                let pushed_at = row.pushed_at.map(jiff_sqlx::Timestamp::to_jiff);
                Fate::Arrived { pushed_at, settled_at, attempts: row.attempts, problem: row.problem }
            }
            Outcome::Expired => Fate::Expired { at: settled_at, attempts: row.attempts },
        };
        Ok(Over { id: row.id, slot: known(&row.slot, SlotName::from_label)?, decided_at: row.decided_at.to_jiff(), fate })
    });
    over.collect()
}

async fn waiting(tx: &mut Tx<'_>, user: Uuid) -> Result<Vec<Waiting>, StoreError> {
    let letters = sqlx::query!("select slot, decided_at, attempts, problem, due_at from outbox where user_guid = $1", user);
    let waiting = letters.fetch_all(&mut **tx).await?.into_iter().map(|row| {
        let fate = Fate::Waiting { attempts: row.attempts, problem: row.problem, next_try_at: row.due_at.to_jiff() };
        Ok(Waiting { slot: known(&row.slot, SlotName::from_label)?, decided_at: row.decided_at.to_jiff(), fate })
    });
    waiting.collect()
}

async fn latest(tx: &mut Tx<'_>, user: Uuid) -> Result<[Option<i64>; 3], StoreError> {
    let row = sqlx::query!(
        "select max(id) filter (where appointment_push is not null) as appointment, max(id) filter (where session_push is not null) as session,
             max(id) filter (where preferred_push is not null) as preferred
         from timeline where user_guid = $1 and slot is null",
        user,
    );
    let row = row.fetch_one(&mut **tx).await?;
    Ok([row.appointment, row.session, row.preferred])
}
