//! Who is who, said by hand or proved by signing in.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use sqlx::{Acquire, PgExecutor};
use uuid::Uuid;

use super::due::{self, Due};
use crate::domain::directory::Link;
use crate::domain::ids::{LocationGuid, TeamsUserId, UserGuid};
use crate::store::{Store, StoreError, Tx, times};

/// Whose word a link is that a user made by signing in.
pub const BY_SIGNING_IN: &str = "sign-in";

const ONE_TEAMS_USER_ONCE: &str = "teams_link_teams_id";

/// How somebody names a Teams account.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Named<'a> {
    /// By its object id.
    Id(TeamsUserId),
    /// By its sign-in name, whatever the case.
    UserPrincipalName(&'a str),
}

/// From whom a link may take its account away, so far as they have it by a link or by the address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Holders {
    /// From anybody.
    Anybody,
    /// From whoever belongs to this location.
    Within(LocationGuid),
    /// From nobody.
    Nobody,
}

/// What became of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linked {
    /// It holds; everybody is matched anew in a moment.
    Done(TeamsUserId),
    /// XPhone knows no such user.
    NoSuchUser,
    /// Teams knows no such account.
    NoSuchAccount,
    /// The account may not sign in.
    Disabled,
    /// Somebody has that Teams user from whom it may not be taken.
    OutOfReach,
    /// Somebody else is linked to that Teams user: who, unless that was undone meanwhile.
    Taken(Option<UserGuid>),
}

/// Who a user is in Teams, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// The object id; `None`: nobody.
    pub id: Option<TeamsUserId>,
    /// The sign-in name, if Teams' directory has the account.
    pub user_principal_name: Option<String>,
    /// The link; `None`: the address decides.
    pub link: Option<Made>,
    /// The login data that was kept with the link.
    pub login: Option<Login>,
}

/// By whom a link was made, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// Who.
    pub by: String,
    /// When.
    pub at: Timestamp,
}

/// How login data does that was kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// When the user signed in.
    pub kept_at: Timestamp,
    /// When the link was last proved anew with it.
    pub renewed_at: Timestamp,
    /// Why the user must sign in again; then nothing is kept any more.
    pub problem: Option<String>,
}

/// The account that a user is linked to, locked: nobody else links or unlinks the user before this transaction ends. The inner
/// `None`: there is no link; the outer: XPhone has no such user.
///
/// # Errors
/// Postgres could not.
pub async fn lock_link(tx: &mut Tx<'_>, user: UserGuid) -> Result<Option<Option<TeamsUserId>>, StoreError> {
    // The row of state stands for the user: the person's row is what the directory writes.
    sqlx::query!("select from user_state where user_guid = $1 for no key update", user.0).execute(&mut **tx).await?;
    let known = sqlx::query_scalar!("select guid from person where guid = $1 for key share", user.0);
    if known.fetch_optional(&mut **tx).await?.is_none() {
        return Ok(None);
    }
    let linked = sqlx::query_scalar!("select teams_id from teams_link where user_guid = $1", user.0);
    Ok(Some(linked.fetch_optional(&mut **tx).await?.map(TeamsUserId)))
}

/// Links a user to a Teams account, in the place of an earlier link; `by` is kept. Login data kept with the earlier one is
/// forgotten, even if the account stays the same. What is refused changes nothing.
///
/// # Errors
/// Postgres could not; the transaction is of no use any more.
pub async fn link(
    tx: &mut Tx<'_>,
    user: UserGuid,
    named: Named<'_>,
    from: Holders,
    by: &str,
    now: Timestamp,
) -> Result<Linked, StoreError> {
    if lock_link(tx, user).await?.is_none() {
        return Ok(Linked::NoSuchUser);
    }
    let Some((account, is_enabled)) = find(tx, named).await? else { return Ok(Linked::NoSuchAccount) };
    if !may_take(tx, account, user, from).await? {
        return Ok(Linked::OutOfReach);
    }
    if !is_enabled {
        return Ok(Linked::Disabled);
    }
    if !put(tx, user, account, by, now).await? {
        // Who came first may be somebody else than was there before.
        if !may_take(tx, account, user, from).await? {
            return Ok(Linked::OutOfReach);
        }
        let holder = sqlx::query_scalar!("select user_guid from teams_link where teams_id = $1", account.0);
        return Ok(Linked::Taken(holder.fetch_optional(&mut **tx).await?.map(UserGuid)));
    }
    due::ask(&mut *tx, Due::Matching).await?;
    Ok(Linked::Done(account))
}

/// The account, and whether it may sign in.
async fn find(tx: &mut Tx<'_>, named: Named<'_>) -> Result<Option<(TeamsUserId, bool)>, StoreError> {
    let (id, name) = match named {
        Named::Id(id) => (Some(id.0), None),
        Named::UserPrincipalName(name) => (None, Some(name)),
    };
    let account = sqlx::query!(
        "select id, enabled from teams_person where id = $1 or lower(user_principal_name) = lower($2) order by enabled desc limit 1",
        id,
        name,
    );
    Ok(account.fetch_optional(&mut **tx).await?.map(|row| (TeamsUserId(row.id), row.enabled)))
}

async fn may_take(tx: &mut Tx<'_>, account: TeamsUserId, user: UserGuid, from: Holders) -> Result<bool, StoreError> {
    let location = match from {
        Holders::Anybody => return Ok(true),
        Holders::Within(location) => Some(location.0),
        Holders::Nobody => None,
    };
    let others = sqlx::query_scalar!(
        r#"select exists (
               select from person where guid <> $2 and ($3::uuid is null or location_guid is distinct from $3)
                   and guid in (select guid from person where teams_id = $1 union select user_guid from teams_link where teams_id = $1)
           ) as "exists!""#,
        account.0,
        user.0,
        location,
    );
    Ok(!others.fetch_one(&mut **tx).await?)
}

/// Writes the link; `false`: somebody else is linked to the account.
async fn put(tx: &mut Tx<'_>, user: UserGuid, account: TeamsUserId, by: &str, now: Timestamp) -> Result<bool, StoreError> {
    let mut attempt = tx.begin().await?;
    sqlx::query!("delete from kept_login where user_guid = $1", user.0).execute(&mut *attempt).await?;
    let linked = sqlx::query!(
        "insert into teams_link (user_guid, teams_id, linked_by, linked_at) values ($1, $2, $3, $4)
         on conflict (user_guid) do update set teams_id = excluded.teams_id, linked_by = excluded.linked_by, linked_at = excluded.linked_at",
        user.0,
        account.0,
        by,
        now.to_sqlx(),
    );
    match linked.execute(&mut *attempt).await {
        Err(sqlx::Error::Database(refusal)) if refusal.constraint() == Some(ONE_TEAMS_USER_ONCE) => {
            attempt.rollback().await?;
            return Ok(false);
        }
        linked => linked?,
    };
    attempt.commit().await?;
    Ok(true)
}

/// Takes a user's link away, and with it the login data that was kept. That the user may lose their match by that is said with it.
///
/// # Errors
/// Postgres could not.
pub async fn unlink(tx: &mut Tx<'_>, user: UserGuid, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query!("delete from teams_link where user_guid = $1", user.0).execute(&mut **tx).await?;
    sqlx::query!(
        "insert into teams_unlinked (user_guid, at) values ($1, $2) on conflict (user_guid) do update set at = excluded.at",
        user.0,
        now.to_sqlx(),
    )
    .execute(&mut **tx)
    .await?;
    due::ask(&mut *tx, Due::Matching).await
}

impl Store {
    /// Every link.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn links(&self) -> Result<Vec<Link>, StoreError> {
        let rows = sqlx::query!("select user_guid, teams_id from teams_link order by user_guid").fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|row| Link { user: UserGuid(row.user_guid), teams_user: TeamsUserId(row.teams_id) }).collect())
    }

    /// Whose link was taken away since everybody was last matched, and when.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn unlinked(&self) -> Result<Vec<(UserGuid, Timestamp)>, StoreError> {
        let rows = sqlx::query!("select user_guid, at from teams_unlinked").fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|row| (UserGuid(row.user_guid), row.at.to_jiff())).collect())
    }

    /// These were matched without their links; whose link was taken away anew meanwhile still is to be.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn settle_unlinked(&self, unlinked: &[(UserGuid, Timestamp)]) -> Result<(), StoreError> {
        let users: Vec<Uuid> = unlinked.iter().map(|(user, _)| user.0).collect();
        let at = times(unlinked.iter().map(|(_, at)| at));
        let settled = sqlx::query!(
            "delete from teams_unlinked u using unnest($1::uuid[], $2::timestamptz[]) as n (user_guid, at)
             where u.user_guid = n.user_guid and u.at = n.at",
            &users,
            at as _,
        );
        settled.execute(&self.pool).await?;
        Ok(())
    }

    /// Who a user is in Teams: by a link at once, by the address as they were last matched.
    ///
    /// # Errors
    /// Postgres cannot be asked, or there is no such user.
    pub async fn teams_account(&self, user: UserGuid) -> Result<Account, StoreError> {
        read_account(&self.pool, user).await
    }
}

/// The same within a transaction, such as one that [locked the link](lock_link).
///
/// # Errors
/// Postgres cannot be asked, or there is no such user.
pub async fn read_account(by: impl PgExecutor<'_>, user: UserGuid) -> Result<Account, StoreError> {
    let row = sqlx::query!(
        r#"select coalesce(l.teams_id, p.teams_id) as id, t.user_principal_name as "user_principal_name?",
                 l.linked_by as "linked_by?", l.linked_at as "linked_at?", k.kept_at as "kept_at?", k.renewed_at as "renewed_at?",
                 k.problem
               from person p left join teams_link l on l.user_guid = p.guid left join kept_login k on k.user_guid = p.guid
                   left join teams_person t on t.id = coalesce(l.teams_id, p.teams_id)
               where p.guid = $1"#,
        user.0,
    );
    let row = row.fetch_one(by).await?;
    let made = row.linked_by.zip(row.linked_at).map(|(by, at)| Made { by, at: at.to_jiff() });
    let times = row.kept_at.zip(row.renewed_at);
    let login = times.map(|(kept_at, renewed_at)| Login {
        kept_at: kept_at.to_jiff(),
        renewed_at: renewed_at.to_jiff(),
        problem: row.problem,
    });
    Ok(Account { id: row.id.map(TeamsUserId), user_principal_name: row.user_principal_name, link: made, login })
}
