//! What a policy on trial would have shown: kept while the trial lasts.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::tree::PlaceKind;
use super::{FORGOTTEN_AT_ONCE, Store, StoreError, Tx, known};
use crate::domain::presence::Presence;
use crate::domain::slot::SlotName;
use crate::domain::timeline::OnTrial;

/// What a policy on trial would have shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// Since when it is on trial.
    pub since: Timestamp,
    /// Whom it is about.
    pub people: i64,
    /// Of them, for how many something would have been shown.
    pub people_shown: i64,
    /// Of them, for how many something would be shown now.
    pub people_now: i64,
    /// What would have been shown; what never would is left out.
    pub shown: Vec<Counted>,
}

/// How often something would have been shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Where.
    pub slot: SlotName,
    /// What.
    pub presence: Presence,
    /// How often that began.
    pub times: i64,
    /// For how many people.
    pub people: i64,
    /// For how many it would be shown now.
    pub now: i64,
}

impl Store {
    /// What would have been shown since `from` for whoever is governed by the policy that holds at a place, were that not on trial;
    /// `None`: it is not.
    ///
    /// # Errors
    /// Postgres cannot be asked, or holds a word this version does not know.
    pub async fn shadow_report(&self, kind: PlaceKind, place: Uuid, from: Timestamp) -> Result<Option<Report>, StoreError> {
        let mut tx = self.begin().await?;
        let policy = sqlx::query!(
            r#"select t.guid, t.shadow_since as "since!" from teams_sync t
               where t.shadow and t.guid = coalesce(
                   (select guid from teams_sync where guid = $1), (select location_guid from configuration_group where guid = $1))"#,
            place,
        );
        let Some(policy) = policy.fetch_optional(&mut *tx).await? else { return Ok(None) };
        let group = (kind == PlaceKind::ConfigurationGroup).then_some(place);
        let now = now(&mut tx, policy.guid, group).await?;
        let people_shown = people_shown(&mut tx, policy.guid, group, from).await?;
        let mut shown = counted(&mut tx, policy.guid, group, from).await?;
        for (slot, presence, bit) in OnTrial::ALL {
            let of_it = now.iter().filter(|trial| trial.0 & bit != 0).count();
            let of_it = i64::try_from(of_it).unwrap_or(i64::MAX);
            match shown.iter_mut().find(|counted| (counted.slot, counted.presence) == (slot, presence)) {
                Some(counted) => counted.now = of_it,
                None if of_it > 0 => shown.push(Counted { slot, presence, times: 0, people: 0, now: of_it }),
                None => {}
            }
        }
        shown.sort_by_key(|counted| (counted.slot, counted.presence));
        let some_now = now.iter().filter(|trial| trial.0 != 0).count();
        Ok(Some(Report {
            since: policy.since.to_jiff(),
            people: i64::try_from(now.len()).unwrap_or(i64::MAX),
            people_shown,
            people_now: i64::try_from(some_now).unwrap_or(i64::MAX),
            shown,
        }))
    }

    /// Forgets what would have been shown before this moment, so many rows at a time.
    ///
    /// # Errors
    /// Postgres could not; what is left is forgotten the next time.
    pub async fn forget_trials(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut forgotten = 0;
        loop {
            let some = sqlx::query!(
                "delete from shadow_show where ctid = any(array(select ctid from shadow_show where began_at < $1 limit $2))",
                before.to_sqlx(),
                FORGOTTEN_AT_ONCE,
            );
            let some = some.execute(&self.pool).await?.rows_affected();
            forgotten += some;
            if some < FORGOTTEN_AT_ONCE.unsigned_abs() {
                return Ok(forgotten);
            }
        }
    }
}

/// What would be shown now for each of those whom the policy governs.
async fn now(tx: &mut Tx<'_>, policy: Uuid, group: Option<Uuid>) -> Result<Vec<OnTrial>, StoreError> {
    let people = sqlx::query_scalar!(
        "select s.on_trial from person p join user_state s on s.user_guid = p.guid
         where case when $2::uuid is null
             then $1 = p.configuration_group_guid
                 or $1 = p.location_guid and not exists (select from teams_sync t where t.guid = p.configuration_group_guid)
             else p.configuration_group_guid = $2 end",
        policy,
        group,
    );
    Ok(people.fetch_all(&mut **tx).await?.into_iter().map(OnTrial).collect())
}

async fn people_shown(tx: &mut Tx<'_>, policy: Uuid, group: Option<Uuid>, from: Timestamp) -> Result<i64, StoreError> {
    let people = sqlx::query_scalar!(
        r#"select count(distinct e.user_guid) as "people!" from shadow_show e
           where e.policy_guid = $1 and e.began_at >= $3
               and ($2::uuid is null or exists (select from person p where p.guid = e.user_guid and p.configuration_group_guid = $2))"#,
        policy,
        group,
        from.to_sqlx(),
    );
    Ok(people.fetch_one(&mut **tx).await?)
}

async fn counted(tx: &mut Tx<'_>, policy: Uuid, group: Option<Uuid>, from: Timestamp) -> Result<Vec<Counted>, StoreError> {
    let rows = sqlx::query!(
        r#"select e.slot, e.presence, count(*) as "times!", count(distinct e.user_guid) as "people!" from shadow_show e
           where e.policy_guid = $1 and e.began_at >= $3
               and ($2::uuid is null or exists (select from person p where p.guid = e.user_guid and p.configuration_group_guid = $2))
           group by e.slot, e.presence"#,
        policy,
        group,
        from.to_sqlx(),
    );
    let counted = rows.fetch_all(&mut **tx).await?.into_iter().map(|row| {
        Ok(Counted {
            slot: known(&row.slot, SlotName::from_label)?,
            presence: known(&row.presence, Presence::from_label)?,
            times: row.times,
            people: row.people,
            now: 0,
        })
    });
    counted.collect()
}
