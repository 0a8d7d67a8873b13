//! Carries a change of Teams synchronisation out, a few people at a time: whom it concerns is woken, and what is not known any more forgotten.
//!
//! The request writes what is owed; every batch is a transaction of its own that also writes how far it came. A crash between any two
//! leaves the rest owed. Whoever is decided for before their turn is forgotten first, by [`forget_outdated`].

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use crate::domain::timeline::Waker;
use crate::store::{FORGOTTEN_AT_ONCE, Store, StoreError, Tx, commit, rows};

/// How many people are locked at once.
const BATCH_PEOPLE: usize = 500;

struct Owed {
    guid: Uuid,
    reached: Option<Uuid>,
    on_trial_until: Option<Timestamp>,
}

/// From when on, going back, nobody there was read whom the place governs; `None`: they are read. Asked before the change.
pub(super) async fn unread_until(tx: &mut Tx<'_>, guid: Uuid, now: Timestamp) -> Result<Option<Timestamp>, StoreError> {
    // A group that had nothing of its own takes over what its location still owes it.
    let until = sqlx::query_scalar!(
        r#"select case
                 when coalesce(o.mode, l.mode, 'none') = 'none' and not coalesce(o.user_may_change, l.user_may_change, false) then $2
                 when o.guid is null then d.unread_until end as "until: jiff_sqlx::Timestamp"
           from (select $1::uuid as guid) p
               left join teams_sync o on o.guid = p.guid
               left join configuration_group c on c.guid = p.guid
               left join teams_sync l on l.guid = c.location_guid
               left join policy_due d on d.guid = c.location_guid"#,
        guid,
        now.to_sqlx() as _,
    );
    Ok(until.fetch_one(&mut **tx).await?.map(jiff_sqlx::Timestamp::to_jiff))
}

/// Owes everybody there what follows from the change; what was owed already is begun anew. Unless the place's
/// trial goes on, what shows then counts from its beginning.
pub(super) async fn owe(
    tx: &mut Tx<'_>,
    guid: Uuid,
    trial_goes_on: bool,
    unread_until: Option<Timestamp>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let on_trial_until = (!trial_goes_on).then_some(now);
    sqlx::query!(
        "insert into policy_due (guid, changed_at, unread_until, on_trial_until) values ($1, $2, $3, $4)
         on conflict (guid) do update set changed_at = excluded.changed_at, reached = null,
             unread_until = greatest(policy_due.unread_until, excluded.unread_until),
             on_trial_until = greatest(policy_due.on_trial_until, excluded.on_trial_until)",
        guid,
        now.to_sqlx(),
        unread_until.map(ToSqlx::to_sqlx) as _,
        on_trial_until.map(ToSqlx::to_sqlx) as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

impl Store {
    /// Carries out one batch of what is owed; `false`: nothing is.
    ///
    /// # Errors
    /// Postgres could not; it is still owed.
    pub async fn carry_policy_out(&self, now: Timestamp) -> Result<bool, StoreError> {
        // What gets lost in a crash is owed again with it.
        let mut tx = self.begin_derived().await?;
        let Some(owed) = lock_owed(&mut tx).await? else { return Ok(false) };
        let is_forgotten = match owed.on_trial_until {
            Some(until) => forget_trials(&mut tx, owed.guid, until).await?,
            None => true,
        };
        if is_forgotten {
            wake_next(&mut tx, &owed, now).await?;
        }
        commit(tx).await?;
        Ok(true)
    }
}

/// Another replica works at another place meanwhile; whoever changes the policy of this one waits for this batch.
async fn lock_owed(tx: &mut Tx<'_>) -> Result<Option<Owed>, StoreError> {
    let row = sqlx::query!(
        "select guid, reached, on_trial_until from policy_due order by changed_at, guid limit 1 for update skip locked"
    );
    let owed = row.fetch_optional(&mut **tx).await?;
    Ok(owed.map(|row| Owed {
        guid: row.guid,
        reached: row.reached,
        on_trial_until: row.on_trial_until.map(jiff_sqlx::Timestamp::to_jiff),
    }))
}

/// Should there be another trial, whatever shows then begins anew. `false`: there is more.
async fn forget_trials(tx: &mut Tx<'_>, policy: Uuid, until: Timestamp) -> Result<bool, StoreError> {
    let some = sqlx::query!(
        "delete from shadow_show where ctid = any(array(
             select ctid from shadow_show where policy_guid = $1 and began_at <= $2 limit $3))",
        policy,
        until.to_sqlx(),
        FORGOTTEN_AT_ONCE,
    );
    Ok(some.execute(&mut **tx).await?.rows_affected() < FORGOTTEN_AT_ONCE.unsigned_abs())
}

async fn wake_next(tx: &mut Tx<'_>, owed: &Owed, now: Timestamp) -> Result<(), StoreError> {
    let people = sqlx::query_scalar!(
        "select guid from person where (location_guid = $1 or configuration_group_guid = $1) and ($2::uuid is null or guid > $2)
         order by guid limit $3",
        owed.guid,
        owed.reached as _,
        rows(BATCH_PEOPLE),
    );
    let people = people.fetch_all(&mut **tx).await?;
    // Whoever changes several users' rows locks them in the order of their guids.
    sqlx::query!("select from user_state where user_guid = any($1) order by user_guid for no key update", &people)
        .execute(&mut **tx)
        .await?;
    forget_outdated(tx, &people).await?;
    wake(tx, &people, now).await?;
    match people.last().filter(|_| people.len() == BATCH_PEOPLE) {
        Some(last) => {
            sqlx::query!("update policy_due set reached = $2 where guid = $1", owed.guid, last).execute(&mut **tx).await?
        }
        None => sqlx::query!("delete from policy_due where guid = $1", owed.guid).execute(&mut **tx).await?,
    };
    Ok(())
}

/// Forgets what changes of policy that are still being carried out make worthless: observations from when these, locked already, were not
/// read, and what a trial that ended would show. What came since the change stays, so to do it twice does no harm.
pub(in crate::store) async fn forget_outdated(tx: &mut Tx<'_>, users: &[Uuid]) -> Result<(), StoreError> {
    let forgotten = sqlx::query!(
        "update user_state s set
             teams_availability = case when s.teams_observed_at <= c.unread_until then null else s.teams_availability end,
             teams_activity = case when s.teams_observed_at <= c.unread_until then null else s.teams_activity end,
             teams_source = case when s.teams_observed_at <= c.unread_until then null else s.teams_source end,
             teams_observed_at = case when s.teams_observed_at <= c.unread_until then null else s.teams_observed_at end,
             read_availability = case when s.read_at <= c.unread_until then null else s.read_availability end,
             read_activity = case when s.read_at <= c.unread_until then null else s.read_activity end,
             read_at = case when s.read_at <= c.unread_until then null else s.read_at end,
             native = case when s.decided_at <= c.unread_until then null else s.native end,
             native_since = case when s.decided_at <= c.unread_until then null else s.native_since end,
             on_trial = case when s.decided_at <= c.on_trial_until then 0 else s.on_trial end
         from (
             select p.guid, max(d.unread_until) as unread_until, max(d.on_trial_until) as on_trial_until
             from person p join policy_due d on d.guid = p.configuration_group_guid
                 or d.guid = p.location_guid and not exists (select from teams_sync t where t.guid = p.configuration_group_guid)
             -- Nearly always there is none, and nobody need be looked up.
             where p.guid = any($1) and exists (select from policy_due) group by p.guid
         ) c
         where s.user_guid = c.guid and (s.teams_observed_at <= c.unread_until or s.read_at <= c.unread_until
             or s.decided_at <= greatest(c.unread_until, c.on_trial_until))",
        users,
    );
    forgotten.execute(&mut **tx).await?;
    Ok(())
}

/// Has these decided for anew; read are only those for whom anything is synchronised. To take back what is shown nobody need be read, and
/// thousands of readings would wake people one by one, in the way of fresh changes.
async fn wake(tx: &mut Tx<'_>, users: &[Uuid], now: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        "update user_state s set revisit_at = least(s.revisit_at, '1980-01-01Z'), woken_by = s.woken_by | $3,
             confirm_at = case when p.teams_id is null then null
                 when p.is_synchronised then least(s.confirm_at, $2)
                 else s.confirm_at end
         from person_policy p
         where p.user_guid = s.user_guid and s.user_guid = any($1)",
        users,
        now.to_sqlx(),
        Waker::Policy.bit(),
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
