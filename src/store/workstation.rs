//! Workstations whose agents may report one user's microphone: their tokens are told once and kept as hashes.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use secrecy::SecretString;
use uuid::Uuid;

use super::secret::{hash, random};
use super::{Store, StoreError, Tx, rows};
use crate::domain::ids::{LocationGuid, UserGuid};
use crate::domain::timeline::Waker;

/// How a token begins, so that people and secret scanners know what they found.
pub const PREFIX: &str = "pgm_";
/// A token's last use is written at most this often: most reports tell nothing new, and write nothing.
const USE_NOTED_EVERY: SignedDuration = SignedDuration::from_mins(10);

/// A workstation, without what is secret about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workstation {
    /// Our name for it.
    pub id: Uuid,
    /// As whoever enrolled it called it.
    pub name: String,
    /// Whose microphone it reports.
    pub user: UserGuid,
    /// What people read of them.
    pub user_name: String,
    /// Their address.
    pub email: Option<String>,
    /// Where they sit.
    pub location: Option<LocationGuid>,
    /// When it was enrolled.
    pub created_at: Timestamp,
    /// When its token was last used, to some minutes.
    pub seen_at: Option<Timestamp>,
}

/// Which workstations a list is to show.
#[derive(Clone, Copy, Debug, Default)]
pub struct Wanted {
    /// Only those of this user.
    pub user: Option<Uuid>,
    /// Only those of users of this location.
    pub location: Option<Uuid>,
    /// Those after this one, in the order in which they were enrolled.
    pub after: Option<Uuid>,
    /// As many.
    pub limit: usize,
}

struct Row {
    id: Uuid,
    name: String,
    user_guid: Uuid,
    user_name: String,
    email: Option<String>,
    location_guid: Option<Uuid>,
    created_at: jiff_sqlx::Timestamp,
    seen_at: Option<jiff_sqlx::Timestamp>,
}

impl From<Row> for Workstation {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            name: row.name,
            user: UserGuid(row.user_guid),
            user_name: row.user_name,
            email: row.email,
            location: row.location_guid.map(LocationGuid),
            created_at: row.created_at.to_jiff(),
            seen_at: row.seen_at.map(jiff_sqlx::Timestamp::to_jiff),
        }
    }
}

impl Store {
    /// Workstations, in the order in which they were enrolled.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn workstations(&self, wanted: Wanted) -> Result<Vec<Workstation>, StoreError> {
        let found = sqlx::query_as!(
            Row,
            "select w.id, w.name, w.user_guid, p.name as user_name, p.email, p.location_guid, w.created_at, w.seen_at
             from workstation w join person p on p.guid = w.user_guid
             where ($1::uuid is null or w.user_guid = $1) and ($2::uuid is null or p.location_guid = $2)
                 and ($3::uuid is null or w.id > $3)
             order by w.id limit $4",
            wanted.user,
            wanted.location,
            wanted.after,
            rows(wanted.limit),
        );
        Ok(found.fetch_all(&self.pool).await?.into_iter().map(Workstation::from).collect())
    }

    /// The workstation of this id.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn workstation(&self, id: Uuid) -> Result<Option<Workstation>, StoreError> {
        let found = sqlx::query_as!(
            Row,
            "select w.id, w.name, w.user_guid, p.name as user_name, p.email, p.location_guid, w.created_at, w.seen_at
             from workstation w join person p on p.guid = w.user_guid where w.id = $1",
            id,
        );
        Ok(found.fetch_optional(&self.pool).await?.map(Workstation::from))
    }

    /// The workstation whose token reads so; notes that it was used.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn find_workstation(&self, token: &str, now: Timestamp) -> Result<Option<Workstation>, StoreError> {
        let found = sqlx::query_as!(
            Row,
            "select w.id, w.name, w.user_guid, p.name as user_name, p.email, p.location_guid, w.created_at, w.seen_at
             from workstation w join person p on p.guid = w.user_guid where w.hash = $1",
            hash(token),
        );
        let Some(found) = found.fetch_optional(&self.pool).await?.map(Workstation::from) else { return Ok(None) };
        let before = now - USE_NOTED_EVERY;
        if found.seen_at.is_none_or(|at| at <= before || at > now) {
            let noted = sqlx::query!("update workstation set seen_at = $2 where id = $1", found.id, now.to_sqlx());
            noted.execute(&self.pool).await?;
        }
        Ok(Some(found))
    }
}

/// Enrols a workstation and tells its token, this once; `None`: there is no such user.
///
/// # Errors
/// Postgres could not, or the system gives no random numbers; nothing was made.
pub async fn enrol(
    tx: &mut Tx<'_>,
    user: UserGuid,
    name: &str,
    now: Timestamp,
) -> Result<Option<(Uuid, SecretString)>, StoreError> {
    let (id, token) = (Uuid::now_v7(), random(PREFIX)?);
    let made = sqlx::query!(
        "insert into workstation (id, user_guid, name, hash, created_at) select $1, guid, $3, $4, $5 from person where guid = $2",
        id,
        user.0,
        name,
        hash(&token),
        now.to_sqlx(),
    );
    let made = made.execute(&mut **tx).await?.rows_affected() > 0;
    Ok(made.then(|| (id, token.into())))
}

/// Forgets a workstation, its token and what it reported, and has its user decided for; `false`: there is none.
///
/// # Errors
/// Postgres could not.
pub async fn remove(tx: &mut Tx<'_>, workstation: &Workstation, now: Timestamp) -> Result<bool, StoreError> {
    // As the reconciler does: first the user, then what belongs to them.
    sqlx::query!("select from user_state where user_guid = $1 for no key update", workstation.user.0).execute(&mut **tx).await?;
    let gone = sqlx::query!("delete from microphone_report where workstation_id = $1", workstation.id);
    if gone.execute(&mut **tx).await?.rows_affected() > 0 {
        sqlx::query!(
            "update user_state set changed_at = coalesce(changed_at, $2), revisit_at = 'epoch', woken_by = woken_by | $3
             where user_guid = $1",
            workstation.user.0,
            now.to_sqlx(),
            Waker::Microphone.bit(),
        )
        .execute(&mut **tx)
        .await?;
    }
    let removed = sqlx::query!("delete from workstation where id = $1", workstation.id);
    Ok(removed.execute(&mut **tx).await?.rows_affected() > 0)
}
