//! Who changed what: written in the transaction of the change, never altered, forgotten when it is too old.

use std::net::IpAddr;

use aws_lc_rs::rand;
use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use serde_json::Value;
use zeroize::Zeroizing;

use super::sealed::{self, Purpose};
use super::{Store, StoreError, Tx, commit, rows};

const PSEUDONYM_KEY_BYTES: usize = 32;

/// Who changed something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Whoever knows the bootstrap token.
    Bootstrap,
    /// Whoever holds the token of this name.
    Token(String),
    /// A person, by the object id that Entra ID gave.
    Person(String),
    /// A workstation of this name; nothing that it may do is an entry here.
    Workstation(String),
    /// Somebody with the gateway's settings at hand: the operating system's user, if it is known.
    CommandLine(Option<String>),
}

impl Actor {
    /// Stable text for storage and documents.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Bootstrap => "bootstrap",
            Self::Token(_) => "token",
            Self::Person(_) => "person",
            Self::Workstation(_) => "workstation",
            Self::CommandLine(_) => "command_line",
        }
    }

    /// Which token, which person, which user of the machine.
    #[must_use]
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Token(name) | Self::Person(name) | Self::Workstation(name) => Some(name),
            Self::CommandLine(user) => user.as_deref(),
            Self::Bootstrap => None,
        }
    }
}

/// What was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    /// A word such as `location`, `configuration_group`, `user`, `token`, `task`.
    pub kind: &'static str,
    /// Which of them.
    pub id: Option<String>,
}

/// A change, to be remembered.
#[derive(Clone, Debug)]
pub struct Entry<'a> {
    /// Who.
    pub actor: &'a Actor,
    /// From where.
    pub remote: Option<IpAddr>,
    /// What was done, as a short stable text.
    pub action: &'static str,
    /// To what.
    pub target: Target,
    /// What was set before; `None`: nothing.
    pub before: Option<Value>,
    /// What is set now; `None`: nothing.
    pub after: Option<Value>,
}

/// A remembered change.
#[derive(Clone, Debug, PartialEq)]
pub struct Recorded {
    /// Grows with every change.
    pub id: i64,
    /// When.
    pub at: Timestamp,
    /// See [`Actor::kind`].
    pub actor_kind: String,
    /// See [`Actor::name`].
    pub actor: Option<String>,
    /// The address the request came from.
    pub remote: Option<String>,
    /// What was done.
    pub action: String,
    /// See [`Target::kind`].
    pub target_kind: String,
    /// See [`Target::id`].
    pub target: Option<String>,
    /// What was set before.
    pub before: Option<Value>,
    /// What was set then.
    pub after: Option<Value>,
}

/// Remembers a change, in its own transaction.
///
/// # Errors
/// Postgres could not.
pub async fn record(tx: &mut Tx<'_>, entry: &Entry<'_>, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into audit (at, actor_kind, actor, remote, action, target_kind, target, before, after)
         values ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        now.to_sqlx(),
        entry.actor.kind(),
        entry.actor.name(),
        entry.remote.map(|address| address.to_string()),
        entry.action,
        entry.target.kind,
        entry.target.id,
        entry.before,
        entry.after,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

impl Store {
    /// Changes, the latest first, beginning with those before the change `before`.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn audit(&self, before: Option<i64>, limit: usize) -> Result<Vec<Recorded>, StoreError> {
        let rows = sqlx::query!(
            "select id, at, actor_kind, actor, remote, action, target_kind, target, before, after from audit
             where id < $1 order by id desc limit $2",
            before.unwrap_or(i64::MAX),
            rows(limit),
        );
        let recorded = rows.fetch_all(&self.pool).await?.into_iter().map(|row| Recorded {
            id: row.id,
            at: row.at.to_jiff(),
            actor_kind: row.actor_kind,
            actor: row.actor,
            remote: row.remote,
            action: row.action,
            target_kind: row.target_kind,
            target: row.target,
            before: row.before,
            after: row.after,
        });
        Ok(recorded.collect())
    }

    /// Forgets changes made before this moment.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn forget_audit(&self, before: Timestamp) -> Result<u64, StoreError> {
        let mut tx = self.begin().await?;
        // The guard of the table asks for it; it holds for this transaction only.
        sqlx::query!("select set_config('presence_gateway.forgets_audit', 'yes', true)").fetch_one(&mut *tx).await?;
        let forgotten = sqlx::query!("delete from audit where at < $1", before.to_sqlx()).execute(&mut *tx).await?;
        commit(tx).await?;
        Ok(forgotten.rows_affected())
    }

    /// The key of the pseudonyms in exports: made at the first use, sealed anew at each, so that it outlives `secrets.previous_keys`.
    ///
    /// # Errors
    /// Postgres could not, or no key opens it.
    pub async fn pseudonym_key(&self) -> Result<Zeroizing<Vec<u8>>, StoreError> {
        let mut fresh = Zeroizing::new(vec![0; PSEUDONYM_KEY_BYTES]);
        rand::fill(&mut fresh).map_err(|_| StoreError::NoRandomness)?;
        let fresh = sealed::seal(&self.keys, Purpose::PseudonymKey, &fresh)?;
        let mut tx = self.begin().await?;
        sqlx::query!("insert into pseudonym_key (key) values ($1) on conflict (single) do nothing", fresh)
            .execute(&mut *tx)
            .await?;
        let kept = sqlx::query_scalar!("select key from pseudonym_key for update").fetch_one(&mut *tx).await?;
        let key = sealed::open(&self.keys, Purpose::PseudonymKey, &kept)?;
        let anew = sealed::seal(&self.keys, Purpose::PseudonymKey, &key)?;
        sqlx::query!("update pseudonym_key set key = $1", anew).execute(&mut *tx).await?;
        commit(tx).await?;
        Ok(key)
    }
}
