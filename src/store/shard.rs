//! How subscriptions do, and who is watched by which or swept instead, and why.

use std::collections::{BTreeMap, HashMap};

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::{Store, StoreError, known, rows, times};
use crate::domain::ids::{TeamsUserId, UserGuid};
use crate::domain::subscription::{Listening, MISSED_SETTLED_AFTER, Place, Why};

/// Changes of one user that were not told count for so long after the first; then they are counted anew.
const MISSED_COUNTED: SignedDuration = SignedDuration::from_hours(1);
/// When a subscription was last heard is noted no oftener than this.
const HEARD_NOTED: SignedDuration = SignedDuration::from_secs(10);

/// A change that a sweep found and no notification had told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missed {
    /// Whose.
    pub user: TeamsUserId,
    /// When the user had last been seen, before it.
    pub seen_before: Timestamp,
}

/// Where somebody is, of those whose presence matters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placed {
    /// In XPhone.
    pub user: UserGuid,
    /// In Teams.
    pub teams_id: TeamsUserId,
    /// How their changes reach us.
    pub place: Place,
}

/// Subscriber accounts, counted by what they can do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counted {
    /// Accounts that may hold a subscription.
    pub accounts: i64,
    /// Accounts that Entra ID wants a person for.
    pub accounts_in_trouble: i64,
    /// Accounts that Graph lets have no subscription.
    pub accounts_refused: i64,
    /// Accounts without a subscription, ready to take one over.
    pub accounts_spare: i64,
}

impl Store {
    /// Notes which subscriptions were just heard, and that nothing about these users was missed after all: it came late.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn note_heard(&self, subscriptions: &[Uuid], users: &[TeamsUserId], now: Timestamp) -> Result<(), StoreError> {
        let users: Vec<Uuid> = users.iter().map(|user| user.0).collect();
        sqlx::query!(
            "with heard as (
                 update subscription set heard_at = $3
                 where id in (select s.id from subscription s where s.id = any($1) and (s.heard_at is null or s.heard_at < $4 or s.heard_at > $3)
                     order by s.id for no key update skip locked)
             )
             delete from missed_change where teams_id = any($2)",
            subscriptions,
            &users,
            now.to_sqlx(),
            (now - HEARD_NOTED).to_sqlx(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes changes that a sweep found and the subscription that watches the user should have told: it stood already when the user
    /// was last seen.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn note_missed(&self, missed: &[Missed], now: Timestamp) -> Result<(), StoreError> {
        let users: Vec<Uuid> = missed.iter().map(|missed| missed.user.0).collect();
        let seen = times(missed.iter().map(|missed| &missed.seen_before));
        sqlx::query!(
            "insert into missed_change (subscription_id, teams_id, times, first_at, last_at)
             select distinct s.id, n.teams_id, 1, $3::timestamptz, $3::timestamptz
             from unnest($1::uuid[], $2::timestamptz[]) as n (teams_id, seen_at)
                 join subscription_user u on u.teams_id = n.teams_id join subscription s on s.id = u.subscription_id
             where s.created_at <= n.seen_at and s.expires_at > $3
             on conflict (subscription_id, teams_id) do update set times = missed_change.times + 1, last_at = excluded.last_at",
            &users,
            seen as _,
            now.to_sqlx(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// How each subscription tells. Of one user no more than four changes count: it takes five people to call it silent while others
    /// are heard.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn listening(&self, now: Timestamp) -> Result<HashMap<Uuid, Listening>, StoreError> {
        let found = sqlx::query!(
            r#"select s.id, s.heard_at, coalesce(sum(least(m.times, 4)), 0) as "missed!", min(m.first_at) as first_missed_at
               from subscription s
                   left join missed_change m on m.subscription_id = s.id and m.first_at > $1 and m.first_at <= $2
               group by s.id"#,
            (now - MISSED_COUNTED).to_sqlx(),
            (now - MISSED_SETTLED_AFTER).to_sqlx(),
        );
        let listening = found.fetch_all(&self.pool).await?.into_iter().map(|row| {
            let listening = Listening {
                heard_at: row.heard_at.map(jiff_sqlx::Timestamp::to_jiff),
                missed: u64::try_from(row.missed).unwrap_or(0),
                first_missed_at: row.first_missed_at.map(jiff_sqlx::Timestamp::to_jiff),
            };
            (row.id, listening)
        });
        Ok(listening.collect())
    }

    /// Notes which subscriptions are silent: these and no others; forgets what was missed long ago.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn note_silent(&self, silent: &[Uuid], now: Timestamp) -> Result<(), StoreError> {
        sqlx::query!(
            "with aged as (delete from missed_change where first_at <= $3)
             update subscription set silent_since = case when id = any($1) then coalesce(silent_since, $2) end
             where (silent_since is not null) is distinct from (id = any($1))",
            silent,
            now.to_sqlx(),
            (now - MISSED_COUNTED).to_sqlx(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Who is swept only, and why.
    ///
    /// # Errors
    /// Postgres cannot be asked, or holds a word this version does not know.
    pub async fn swept_users(&self) -> Result<BTreeMap<TeamsUserId, Why>, StoreError> {
        let found = sqlx::query!("select teams_id, why from swept_user").fetch_all(&self.pool).await?;
        found.into_iter().map(|row| Ok((TeamsUserId(row.teams_id), known(&row.why, Why::from_label)?))).collect()
    }

    /// How many are swept only, by reason.
    ///
    /// # Errors
    /// Postgres cannot be asked, or holds a word this version does not know.
    pub async fn swept_counts(&self) -> Result<Vec<(Why, i64)>, StoreError> {
        let found =
            sqlx::query!(r#"select why, count(*) as "users!" from swept_user group by why"#).fetch_all(&self.pool).await?;
        found.into_iter().map(|row| Ok((known(&row.why, Why::from_label)?, row.users))).collect()
    }

    /// Notes who is swept only from now on, or for another reason, and who is not any more.
    ///
    /// # Errors
    /// Postgres could not; nothing has changed.
    pub async fn note_swept(
        &self,
        swept: &[(TeamsUserId, Why)],
        no_more: &[TeamsUserId],
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let no_more: Vec<Uuid> = no_more.iter().map(|user| user.0).collect();
        let (users, why): (Vec<Uuid>, Vec<String>) = swept.iter().map(|(user, why)| (user.0, why.label().to_owned())).unzip();
        let mut tx = self.begin_derived().await?;
        sqlx::query!("delete from swept_user where teams_id = any($1)", &no_more).execute(&mut *tx).await?;
        sqlx::query!(
            "insert into swept_user (teams_id, why, since) select n.teams_id, n.why, $3 from unnest($1::uuid[], $2::text[]) as n (teams_id, why)
             on conflict (teams_id) do update set why = excluded.why, since = excluded.since",
            &users,
            &why,
            now.to_sqlx(),
        )
        .execute(&mut *tx)
        .await?;
        super::commit(tx).await
    }

    /// How many users' subscriptions fail: they are swept faster.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn count_users_to_hurry(&self) -> Result<u64, StoreError> {
        let count = sqlx::query_scalar!(
            r#"select (select count(*) from swept_user where why = 'lost')
                   + (select coalesce(sum((select count(*) from subscription_user u where u.subscription_id = s.id)), 0)::int8
                          from subscription s where s.silent_since is not null) as "users!""#
        );
        Ok(u64::try_from(count.fetch_one(&self.pool).await?).unwrap_or(0))
    }

    /// The next of those, in the order of their ids.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn users_to_hurry(&self, after: Option<TeamsUserId>, limit: usize) -> Result<Vec<TeamsUserId>, StoreError> {
        let ids = sqlx::query_scalar!(
            r#"select w.teams_id as "teams_id!" from (
                   select teams_id from swept_user where why = 'lost'
                   union select u.teams_id from subscription s join subscription_user u on u.subscription_id = s.id
                       where s.silent_since is not null
               ) w
               where w.teams_id > $1 and (select true from person p where p.teams_id = w.teams_id limit 1)
               order by w.teams_id limit $2"#,
            after.map_or(Uuid::nil(), |after| after.0),
            rows(limit),
        );
        Ok(ids.fetch_all(&self.pool).await?.into_iter().map(TeamsUserId).collect())
    }

    /// Everybody's place, of those whose presence matters: all in the order of their ids in Teams, or one user's.
    ///
    /// # Errors
    /// Postgres cannot be asked, or holds a word this version does not know.
    pub async fn places(
        &self,
        user: Option<UserGuid>,
        after: Option<TeamsUserId>,
        limit: usize,
        push: bool,
        now: Timestamp,
    ) -> Result<Vec<Placed>, StoreError> {
        let found = sqlx::query!(
            r#"select p.guid, p.teams_id as "teams_id!", w.subscription_id as "subscription_id?",
                 w.user_principal_name as "user_principal_name?", w.silent_since, x.why as "why?", x.since as "since?"
               from person p
                   left join teams_sync l on l.guid = p.location_guid
                   left join teams_sync g on g.guid = p.configuration_group_guid
                   left join swept_user x on x.teams_id = p.teams_id
                   left join lateral (
                       select u.subscription_id, a.user_principal_name, s.silent_since
                       from subscription_user u join subscription s on s.id = u.subscription_id
                           join subscriber_account a on a.id = s.account_id
                       where u.teams_id = p.teams_id and s.expires_at > $4 and a.problem is null
                       order by s.created_at desc limit 1) w on true
               where p.teams_id > $1 and ($2::uuid is null or p.guid = $2)
                   and (coalesce(g.mode, l.mode, 'none') <> 'none' or coalesce(g.user_may_change, l.user_may_change, false)
                       or exists (select from slot where slot.user_guid = p.guid))
               order by p.teams_id limit $3"#,
            after.map_or(Uuid::nil(), |after| after.0),
            user.map(|user| user.0),
            rows(limit),
            now.to_sqlx(),
        );
        let placed = found.fetch_all(&self.pool).await?.into_iter().map(|row| {
            let watcher = row.subscription_id.zip(row.user_principal_name);
            let why = row.why.as_deref().map(|why| known(why, Why::from_label)).transpose()?;
            let since = row.since.map(jiff_sqlx::Timestamp::to_jiff);
            let place = match (watcher, why) {
                _ if !push => Place::PollOnly,
                (Some((subscription, account)), _) => {
                    let silent_since = row.silent_since.map(jiff_sqlx::Timestamp::to_jiff);
                    Place::Pushed { account, subscription, silent_since }
                }
                (None, why) => Place::Swept { why: why.unwrap_or(Why::Joining), since },
            };
            Ok(Placed { user: UserGuid(row.guid), teams_id: TeamsUserId(row.teams_id), place })
        });
        placed.collect()
    }

    /// One user's place.
    ///
    /// # Errors
    /// As [`places`](Self::places).
    pub async fn place_of(&self, user: UserGuid, push: bool, now: Timestamp) -> Result<Place, StoreError> {
        let placed = self.places(Some(user), None, 1, push, now).await?.pop();
        Ok(placed.map_or(Place::NotRead, |placed| placed.place))
    }

    /// How many users there are whose presence matters; everybody is looked at.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn count_users_to_watch(&self) -> Result<i64, StoreError> {
        let users = sqlx::query_scalar!(
            r#"select count(*) as "users_to_watch!" from person_policy p
               where p.teams_id is not null and (p.is_synchronised or (select true from slot where slot.user_guid = p.user_guid limit 1))"#
        );
        Ok(users.fetch_one(&self.pool).await?)
    }

    /// How many accounts there are to watch them with.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn count_accounts(&self, now: Timestamp) -> Result<Counted, StoreError> {
        let row = sqlx::query!(
            r#"with account as (
                   select a.problem is not null as troubled, a.problem is null and a.retry_at > $1 as refused,
                       exists (select from subscription s where s.account_id = a.id and s.expires_at > $1) as holds
                   from subscriber_account a where a.leaving_at is null
               )
               select count(*) filter (where not troubled and refused is not true) as "accounts!",
                 count(*) filter (where troubled) as "troubled!", count(*) filter (where refused) as "refused!",
                 count(*) filter (where not troubled and refused is not true and not holds) as "spare!"
               from account"#,
            now.to_sqlx(),
        );
        let row = row.fetch_one(&self.pool).await?;
        Ok(Counted {
            accounts: row.accounts,
            accounts_in_trouble: row.troubled,
            accounts_refused: row.refused,
            accounts_spare: row.spare,
        })
    }

    /// How many users a subscription watches that can be relied on; every user on a list is looked at.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn count_watched(&self, now: Timestamp) -> Result<i64, StoreError> {
        let watched = sqlx::query_scalar!(
            r#"select count(distinct u.teams_id) as "watched!" from subscription_user u join subscription s on s.id = u.subscription_id
                   join subscriber_account a on a.id = s.account_id where s.expires_at > $1 and a.problem is null"#,
            now.to_sqlx(),
        );
        Ok(watched.fetch_one(&self.pool).await?)
    }
}
