//! Subscriber accounts, how their enrolments go, and their subscriptions, as administrators see them.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::audit::{self, Entry};
use super::enrolment::Outcome;
use super::{Store, StoreError, Tx, known, rows};
use crate::domain::ids::UserGuid;
use crate::domain::subscription::{AccountId, ProblemKind};

/// An account, or the attempt to enrol one.
#[derive(Clone, Debug)]
pub struct Subscriber {
    /// What lists go on from: the sign-in name in lower case.
    pub name: String,
    /// The sign-in name.
    pub user_principal_name: String,
    /// The account, if it is enrolled.
    pub account: Option<Enrolled>,
    /// The latest attempt that was begun over the admin API.
    pub enrolment: Option<Enrolment>,
}

/// An account that is enrolled.
#[derive(Clone, Debug)]
pub struct Enrolled {
    /// Entra ID's object id.
    pub id: AccountId,
    /// Why it is of no use until somebody signs in again.
    pub problem: Option<Trouble>,
    /// Why Graph lets it have no subscription.
    pub refusal: Option<Refusal>,
    /// When somebody last signed in.
    pub enrolled_at: Timestamp,
    /// When Entra ID last gave a token for it.
    pub refreshed_at: Timestamp,
    /// Since when it is to go.
    pub leaving_at: Option<Timestamp>,
    /// Whom it tells us about.
    pub subscription: Option<Carried>,
}

/// What is wrong with an account.
#[derive(Clone, Debug)]
pub struct Trouble {
    /// In words.
    pub problem: String,
    /// What kind; `None`: it was noted by an earlier version.
    pub kind: Option<ProblemKind>,
    /// Since when.
    pub since: Option<Timestamp>,
    /// When Entra ID is asked again.
    pub retry_at: Option<Timestamp>,
}

/// What Graph says to an account that wants a subscription.
#[derive(Clone, Debug)]
pub struct Refusal {
    /// In Graph's words, without names.
    pub refusal: String,
    /// Since when.
    pub since: Timestamp,
    /// How often in a row.
    pub times: i32,
    /// When Graph is asked again.
    pub retry_at: Option<Timestamp>,
}

/// An account's subscription.
#[derive(Clone, Debug)]
pub struct Carried {
    /// Graph's id.
    pub id: Uuid,
    /// How many users.
    pub users: i64,
    /// When it ends unless renewed.
    pub expires_at: Timestamp,
    /// When it is renewed.
    pub renew_at: Timestamp,
}

/// How an enrolment does.
#[derive(Clone, Debug)]
pub struct Enrolment {
    /// Which attempt.
    pub id: Uuid,
    /// When it was begun.
    pub begun_at: Timestamp,
    /// Until when the code can be entered.
    pub expires_at: Timestamp,
    /// The gateway that waits says so again before this.
    pub alive_until: Timestamp,
    /// When and how it ended; `None`: it waits, or its gateway is gone.
    pub ended: Option<(Timestamp, Outcome)>,
    /// What went wrong.
    pub problem: Option<String>,
}

/// A subscription, told.
#[derive(Clone, Debug)]
pub struct Told {
    /// Whose account.
    pub account: AccountId,
    /// Its sign-in name.
    pub user_principal_name: String,
    /// The certificate that Graph encrypts for.
    pub certificate: Uuid,
    /// When Graph gave it.
    pub created_at: Timestamp,
    /// What it is.
    pub carried: Carried,
    /// Whether its account can tend it no more.
    pub unattended: bool,
    /// When something of it was last heard.
    pub heard_at: Option<Timestamp>,
    /// Since when it is known to be silent.
    pub silent_since: Option<Timestamp>,
    /// Changes within an hour that sweeps found and it did not tell.
    pub missed: i64,
    /// How often in a row its account's subscriptions were made anew because they were silent, and when last.
    pub silences: Option<(i32, Timestamp)>,
}

impl Store {
    /// Accounts and attempts to enrol them, in the order of their names.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn subscribers(&self, after: Option<&str>, limit: usize) -> Result<Vec<Subscriber>, StoreError> {
        let found = sqlx::query!(
            r#"select coalesce(lower(a.user_principal_name), e.name) as "name!",
                 coalesce(a.user_principal_name, e.user_principal_name) as "user_principal_name!",
                 a.id as "account?", a.problem, a.enrolled_at as "enrolled_at?", a.refreshed_at as "refreshed_at?", a.leaving_at,
                 a.problem_kind, a.problem_at, a.retry_at, a.refused_since, a.refusal, a.refusals as "refusals?",
                 s.id as "subscription?", s.expires_at as "ends_at?", s.renew_at as "renew_at?",
                 (select count(*) from subscription_user u where u.subscription_id = s.id) as "users!",
                 e.begun_at as "begun_at?", e.expires_at as "expires_at?", e.alive_until as "alive_until?", e.ended_at, e.outcome,
                 e.problem as enrolment_problem, e.attempt as "attempt?"
               from subscriber_account a full join subscriber_enrolment e on e.name = lower(a.user_principal_name)
                   left join lateral (select id, expires_at, renew_at from subscription
                       where account_id = a.id order by created_at desc limit 1) s on true
               where $1::text is null or coalesce(lower(a.user_principal_name), e.name) > $1
               order by 1 limit $2"#,
            after,
            rows(limit),
        );
        let subscriber = |row| -> Result<Subscriber, StoreError> {
            let Columns { name, user_principal_name, .. } = &row;
            let (name, user_principal_name) = (name.clone(), user_principal_name.clone());
            Ok(Subscriber { name, user_principal_name, enrolment: enrolment(&row)?, account: enrolled(row)? })
        };
        let rows = found.fetch_all(&self.pool).await?.into_iter();
        rows.map(|row| Columns {
            name: row.name,
            user_principal_name: row.user_principal_name,
            account: row.account,
            problem: row.problem,
            problem_kind: row.problem_kind,
            problem_at: row.problem_at.map(jiff_sqlx::Timestamp::to_jiff),
            retry_at: row.retry_at.map(jiff_sqlx::Timestamp::to_jiff),
            refusal: row
                .refusal
                .zip(row.refused_since)
                .map(|(refusal, since)| (refusal, since.to_jiff(), row.refusals.unwrap_or(0))),
            enrolled: row.enrolled_at.zip(row.refreshed_at).map(|(at, refreshed)| (at.to_jiff(), refreshed.to_jiff())),
            leaving_at: row.leaving_at.map(jiff_sqlx::Timestamp::to_jiff),
            subscription: row.subscription,
            renewal: row.ends_at.zip(row.renew_at).map(|(ends, renew)| (ends.to_jiff(), renew.to_jiff())),
            users: row.users,
            begun: row.begun_at.zip(row.expires_at).map(|(begun, expires)| (begun.to_jiff(), expires.to_jiff())),
            alive_until: row.alive_until.map(jiff_sqlx::Timestamp::to_jiff),
            ended_at: row.ended_at.map(jiff_sqlx::Timestamp::to_jiff),
            outcome: row.outcome,
            enrolment_problem: row.enrolment_problem,
            attempt: row.attempt,
        })
        .map(subscriber)
        .collect()
    }

    /// Subscriptions in the order of their ids: all, or those that watch a user.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn told_subscriptions(
        &self,
        user: Option<UserGuid>,
        after: Option<Uuid>,
        limit: usize,
    ) -> Result<Vec<Told>, StoreError> {
        let found = sqlx::query!(
            r#"select s.id, s.account_id, a.user_principal_name, s.certificate_id, s.created_at, s.expires_at, s.renew_at,
                 s.heard_at, s.silent_since, a.problem is not null as "unattended!", a.silences, a.silence_found_at,
                 (select coalesce(sum(m.times), 0) from missed_change m where m.subscription_id = s.id) as "missed!",
                 (select count(*) from subscription_user u where u.subscription_id = s.id) as "users!"
               from subscription s join subscriber_account a on a.id = s.account_id
               where ($1::uuid is null or exists (select from subscription_user u join person p on p.teams_id = u.teams_id
                     where u.subscription_id = s.id and p.guid = $1))
                 and ($2::uuid is null or s.id > $2)
               order by s.id limit $3"#,
            user.map(|user| user.0),
            after,
            rows(limit),
        );
        let told = found.fetch_all(&self.pool).await?.into_iter().map(|row| Told {
            account: AccountId(row.account_id),
            user_principal_name: row.user_principal_name,
            certificate: row.certificate_id,
            created_at: row.created_at.to_jiff(),
            carried: Carried {
                id: row.id,
                users: row.users,
                expires_at: row.expires_at.to_jiff(),
                renew_at: row.renew_at.to_jiff(),
            },
            unattended: row.unattended,
            heard_at: row.heard_at.map(jiff_sqlx::Timestamp::to_jiff),
            silent_since: row.silent_since.map(jiff_sqlx::Timestamp::to_jiff),
            missed: row.missed,
            silences: row.silence_found_at.map(|at| (row.silences, at.to_jiff())),
        });
        Ok(told.collect())
    }
}

/// An account is to go as soon as its subscription at Graph has gone, and the attempt to enrol it is forgotten; `false`: there is no
/// such account, or it is going already.
///
/// # Errors
/// Postgres could not.
pub async fn see_off_account(tx: &mut Tx<'_>, id: AccountId, entry: &Entry<'_>, now: Timestamp) -> Result<bool, StoreError> {
    let leaving = sqlx::query_scalar!(
        "update subscriber_account set leaving_at = $2 where id = $1 and leaving_at is null returning user_principal_name",
        id.0,
        now.to_sqlx(),
    );
    let Some(name) = leaving.fetch_optional(&mut **tx).await? else { return Ok(false) };
    sqlx::query!("delete from subscriber_enrolment where name = lower($1)", name).execute(&mut **tx).await?;
    let entry = Entry { before: Some(serde_json::json!({"user_principal_name": name})), ..entry.clone() };
    audit::record(tx, &entry, now).await?;
    Ok(true)
}

struct Columns {
    name: String,
    user_principal_name: String,
    account: Option<Uuid>,
    problem: Option<String>,
    problem_kind: Option<String>,
    problem_at: Option<Timestamp>,
    retry_at: Option<Timestamp>,
    refusal: Option<(String, Timestamp, i32)>,
    enrolled: Option<(Timestamp, Timestamp)>,
    leaving_at: Option<Timestamp>,
    subscription: Option<Uuid>,
    renewal: Option<(Timestamp, Timestamp)>,
    users: i64,
    attempt: Option<Uuid>,
    begun: Option<(Timestamp, Timestamp)>,
    alive_until: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    outcome: Option<String>,
    enrolment_problem: Option<String>,
}

fn enrolled(row: Columns) -> Result<Option<Enrolled>, StoreError> {
    let Some(((enrolled_at, refreshed_at), id)) = row.enrolled.zip(row.account) else { return Ok(None) };
    let kind = row.problem_kind.as_deref().map(|kind| known(kind, ProblemKind::from_label)).transpose()?;
    let retry_at = row.retry_at;
    let carried = |(id, (expires_at, renew_at))| Carried { id, users: row.users, expires_at, renew_at };
    Ok(Some(Enrolled {
        id: AccountId(id),
        problem: row.problem.map(|problem| Trouble { problem, kind, since: row.problem_at, retry_at }),
        refusal: row.refusal.map(|(refusal, since, times)| Refusal { refusal, since, times, retry_at }),
        enrolled_at,
        refreshed_at,
        leaving_at: row.leaving_at,
        subscription: row.subscription.zip(row.renewal).map(carried),
    }))
}

fn enrolment(row: &Columns) -> Result<Option<Enrolment>, StoreError> {
    let Some(((id, (begun_at, expires_at)), alive_until)) = row.attempt.zip(row.begun).zip(row.alive_until) else {
        return Ok(None);
    };
    let outcome = row.outcome.as_deref().map(|outcome| known(outcome, Outcome::from_label)).transpose()?;
    let ended = row.ended_at.zip(outcome);
    Ok(Some(Enrolment { id, begun_at, expires_at, alive_until, ended, problem: row.enrolment_problem.clone() }))
}
