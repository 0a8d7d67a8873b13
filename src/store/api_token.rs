//! Tokens for the admin API: made once, kept as hashes, revocable.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use secrecy::SecretString;
use uuid::Uuid;

use super::audit::{self, Actor, Entry, Target};
use super::secret::{hash, random};
use super::{Store, StoreError, commit, known};
use crate::domain::ids::LocationGuid;

/// How a token begins, so that people and secret scanners know what they found.
pub const PREFIX: &str = "pgw_";
/// A token's last use is written at most this often.
const USE_NOTED_EVERY: SignedDuration = SignedDuration::from_mins(1);

/// What somebody may do with the admin API; each role may also do what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Looks.
    Viewer,
    /// Changes settings, runs tasks.
    Operator,
    /// Sees who changed what.
    Admin,
}

impl Role {
    /// All of them, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Operator, Self::Admin];

    /// Stable text for storage, command line and documents.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }

    /// The role that [`label`](Self::label) names.
    #[must_use]
    pub fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.label() == label)
    }
}

/// A token, without what is secret about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiToken {
    /// As its maker called it; no two valid tokens share a name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// All that it reaches; `None`: everything.
    pub location: Option<LocationGuid>,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, to the minute.
    pub last_used_at: Option<Timestamp>,
    /// Since when it lets nobody in.
    pub revoked_at: Option<Timestamp>,
}

impl Store {
    /// Makes a token and tells it, this once; `None`: a valid token has that name.
    ///
    /// # Errors
    /// Postgres could not, or the system gives no random numbers; nothing was made.
    pub async fn create_api_token(
        &self,
        name: &str,
        role: Role,
        location: Option<LocationGuid>,
        by: &Actor,
        now: Timestamp,
    ) -> Result<Option<SecretString>, StoreError> {
        let token = random(PREFIX)?;
        let mut tx = self.begin().await?;
        let made = sqlx::query!(
            "insert into api_token (id, name, hash, role, location_guid, created_at) values ($1, $2, $3, $4, $5, $6)
             on conflict (name) where revoked_at is null do nothing",
            Uuid::now_v7(),
            name,
            hash(&token),
            role.label(),
            location.map(|guid| guid.0),
            now.to_sqlx(),
        );
        if made.execute(&mut *tx).await?.rows_affected() == 0 {
            return Ok(None);
        }
        let after = serde_json::json!({"role": role.label(), "location": location.map(|guid| guid.0)});
        let entry = Entry { after: Some(after), ..token_entry(by, name, "token created") };
        audit::record(&mut tx, &entry, now).await?;
        commit(tx).await?;
        Ok(Some(token.into()))
    }

    /// Every token, the valid ones first.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn api_tokens(&self) -> Result<Vec<ApiToken>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            "select id, name, role, location_guid, created_at, last_used_at, revoked_at from api_token
             order by revoked_at is not null, name, created_at",
        );
        rows.fetch_all(&self.pool).await?.into_iter().map(Row::token).collect()
    }

    /// Lets nobody in with this token any more; false: no valid token has that name.
    ///
    /// # Errors
    /// Postgres could not; nothing has changed.
    pub async fn revoke_api_token(&self, name: &str, by: &Actor, now: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        let revoked = sqlx::query!(
            "update api_token set revoked_at = $2 where name = $1 and revoked_at is null returning role, location_guid",
            name,
            now.to_sqlx(),
        );
        let Some(row) = revoked.fetch_optional(&mut *tx).await? else { return Ok(false) };
        let before = serde_json::json!({"role": row.role, "location": row.location_guid});
        let entry = Entry { before: Some(before), ..token_entry(by, name, "token revoked") };
        audit::record(&mut tx, &entry, now).await?;
        commit(tx).await?;
        Ok(true)
    }

    /// The valid token that reads so; notes that it was used.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn find_api_token(&self, token: &str, now: Timestamp) -> Result<Option<ApiToken>, StoreError> {
        let row = sqlx::query_as!(
            Row,
            "select id, name, role, location_guid, created_at, last_used_at, revoked_at from api_token
             where hash = $1 and revoked_at is null",
            hash(token),
        );
        let Some(row) = row.fetch_optional(&self.pool).await? else { return Ok(None) };
        let id = row.id;
        let found = row.token()?;
        let before = now - USE_NOTED_EVERY;
        if found.last_used_at.is_none_or(|at| at <= before || at > now) {
            let noted = sqlx::query!("update api_token set last_used_at = $2 where id = $1", id, now.to_sqlx());
            noted.execute(&self.pool).await?;
        }
        Ok(Some(found))
    }
}

fn token_entry<'a>(actor: &'a Actor, name: &str, action: &'static str) -> Entry<'a> {
    let target = Target { kind: "token", id: Some(name.to_owned()) };
    Entry { actor, remote: None, action, target, before: None, after: None }
}

struct Row {
    id: Uuid,
    name: String,
    role: String,
    location_guid: Option<Uuid>,
    created_at: jiff_sqlx::Timestamp,
    last_used_at: Option<jiff_sqlx::Timestamp>,
    revoked_at: Option<jiff_sqlx::Timestamp>,
}

impl Row {
    fn token(self) -> Result<ApiToken, StoreError> {
        Ok(ApiToken {
            name: self.name,
            role: known(&self.role, Role::from_label)?,
            location: self.location_guid.map(LocationGuid),
            created_at: self.created_at.to_jiff(),
            last_used_at: self.last_used_at.map(jiff_sqlx::Timestamp::to_jiff),
            revoked_at: self.revoked_at.map(jiff_sqlx::Timestamp::to_jiff),
        })
    }
}
