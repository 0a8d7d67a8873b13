//! Postgres, the only place with SQL: what is known, what is shown and the queues between.

pub mod account;
pub mod api_token;
pub mod appointment;
pub mod audit;
pub mod certificate;
pub mod choice;
pub mod decision;
pub mod directory;
pub mod embedded;
pub mod enrolment;
pub mod feed;
pub mod inbox;
pub mod inspection;
pub mod kept_login;
pub mod lease;
mod mailbox;
pub mod mark;
pub mod microphone;
pub mod observation;
pub mod outbox;
mod past;
pub mod person;
pub mod policy;
pub mod progress;
pub mod refusal;
pub mod replica;
mod reseal;
pub mod scratch;
pub mod sealed;
mod secret;
pub mod shadow;
pub mod shard;
pub mod sign;
mod slot;
pub mod subscriber;
pub mod subscription;
pub mod template;
pub mod ticket;
pub mod timeline;
pub mod tree;
pub mod user;
pub mod vital_signs;
pub mod withdrawal;
pub mod workstation;
pub mod xphone_fact;

use std::str::FromStr;
use std::time::Duration;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use secrecy::{ExposeSecret, SecretString};
use sqlx::migrate::{MigrateError, Migrator};
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{ConnectOptions as _, Postgres, Transaction};

use crate::config::SealingKeys;
use crate::trace::TraceContext;

/// The migrations, compiled in. Some that a newer gateway has applied are no error: while replicas are exchanged one after the other, and
/// after a step back, an older one starts on the newer schema, which is only ever extended before anything in it is given up.
static MIGRATOR: Migrator = Migrator { ignore_missing: true, ..sqlx::migrate!() };

const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(5);
/// No statement of ours takes longer on a healthy database; a longer one would hold a connection that webhooks need.
const STATEMENT_TIMEOUT: &str = "30s";
/// How long a statement waits for a row that somebody else has locked.
const LOCK_TIMEOUT: &str = "10s";

/// How long a transaction may stand idle: a burst is opened in one, on threads that stand back for everything else.
const IDLE_IN_TRANSACTION_TIMEOUT: &str = "5min";

/// How Postgres finds out that we are gone without a farewell (a machine lost, a network cut): within a minute, instead of the two
/// hours that Linux takes, it gives back the locks and the connections that we held. A statement under way is looked after as well.
const FAREWELL: [(&str, &str); 5] = [
    ("tcp_keepalives_idle", "30"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "60000"),
    ("client_connection_check_interval", "10000"),
];

/// What Postgres tells unasked and we log: that a table is there already, as every start asks for that of migrations, warns of nothing.
const NOTICES: &str = "warning";

/// How many rows are forgotten with one statement.
const FORGOTTEN_AT_ONCE: i64 = 10_000;

/// A statement is planned once a connection, for few rows whose pages are in memory, whatever it is then used for: that finds all
/// rows by their keys. Planning for the many of one batch, or with what is known of tables that were empty a minute ago, would read
/// whole tables instead. A table that is empty or small just when the plan is made, as every queue is before a burst, would be read
/// whole too, and go on being so for a minute in which thousands of rows came: hence never where an index serves. What has none is
/// priced so high by that that Postgres would compile it first.
pub const PLANNING: [(&str, &str); 4] =
    [("plan_cache_mode", "force_generic_plan"), ("random_page_cost", "1"), ("enable_seqscan", "off"), ("jit", "off")];

/// A transaction on the store.
pub type Tx<'a> = Transaction<'a, Postgres>;

/// The database, and the keys that close what is secret in it.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
    keys: SealingKeys,
}

/// Why the store could not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Postgres cannot be reached or is out of connections; the same may work in a moment.
    #[error("Postgres cannot be used just now; look at its log and at database.url")]
    Unavailable(#[source] sqlx::Error),
    /// Postgres does not know the user, the password or the way.
    #[error("Postgres does not let the gateway in; check user and password in database.url, and Postgres' pg_hba.conf")]
    NotLetIn(#[source] sqlx::Error),
    /// The tables belong to somebody else.
    #[error("the user of database.url may not make or change the tables; let it own the database and what is in it")]
    NotOwner(#[source] MigrateError),
    /// Postgres refused a statement.
    #[error("Postgres refused a statement")]
    Refused(#[source] sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("the database schema could not be migrated")]
    Migration(#[source] MigrateError),
    /// Something stored cannot be opened with any key we have.
    #[error("something sealed in the database opens with none of secrets.key and secrets.previous_keys")]
    Sealed,
    /// The system gives no random numbers.
    #[error("the system gives no random numbers")]
    NoRandomness,
    /// The database holds a word that this version does not know.
    #[error("the database holds {0}, which this version does not know; was it written by a newer one?")]
    Unknown(String),
}

/// Classes of Postgres' refusals that say nothing about the statement: connections broken (08), the database not there (3D), others in
/// the way (40, 55), connections or space used up (53), the server starting or ending (57), a standby that is not the primary yet, or
/// not any more (25006), a transaction that was cut off for standing idle (25P03).
const PASSING: [&str; 8] = ["08", "25006", "25P03", "3D", "40", "53", "55", "57"];
/// The class of Postgres' refusals of a log-in.
const NOT_LET_IN: &str = "28";
/// Postgres' code for a right that is missing.
const NO_RIGHT: &str = "42501";

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        match error {
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => Self::Unavailable(error),
            sqlx::Error::Database(ref refusal)
                if refusal.code().is_some_and(|code| PASSING.iter().any(|class| code.starts_with(class))) =>
            {
                Self::Unavailable(error)
            }
            sqlx::Error::Database(ref refusal) if refusal.code().is_some_and(|code| code.starts_with(NOT_LET_IN)) => {
                Self::NotLetIn(error)
            }
            _ => Self::Refused(error),
        }
    }
}

impl From<MigrateError> for StoreError {
    fn from(error: MigrateError) -> Self {
        match error {
            MigrateError::Execute(sqlx::Error::Database(ref refusal))
            | MigrateError::ExecuteMigration(sqlx::Error::Database(ref refusal), _)
                if refusal.code().as_deref() == Some(NO_RIGHT) =>
            {
                Self::NotOwner(error)
            }
            _ => Self::Migration(error),
        }
    }
}

impl Store {
    /// Connects, without touching the schema.
    ///
    /// # Errors
    /// The address cannot be read, or Postgres cannot be reached.
    pub async fn connect(url: &SecretString, connections_max: u32, keys: SealingKeys) -> Result<Self, StoreError> {
        let options = PgConnectOptions::from_str(url.expose_secret())?
            .application_name("presence-gateway")
            .options([("statement_timeout", STATEMENT_TIMEOUT), ("lock_timeout", LOCK_TIMEOUT)])
            .options([("idle_in_transaction_session_timeout", IDLE_IN_TRANSACTION_TIMEOUT)])
            .options(FAREWELL)
            .options([("client_min_messages", NOTICES)])
            .options(PLANNING);
        let pool = PgPoolOptions::new().max_connections(connections_max).acquire_timeout(ACQUIRE_TIMEOUT);
        match pool.connect_with(options.clone()).await {
            Ok(pool) => Ok(Self { pool, keys }),
            // The pool tries until its time is up and keeps to itself what it met.
            Err(sqlx::Error::PoolTimedOut) => Err(Self::hindrance(&options).await.unwrap_or(sqlx::Error::PoolTimedOut).into()),
            Err(error) => Err(error.into()),
        }
    }

    async fn hindrance(options: &PgConnectOptions) -> Option<sqlx::Error> {
        tokio::time::timeout(ACQUIRE_TIMEOUT, options.connect()).await.ok()?.err()
    }

    /// Brings the schema up to date; several replicas may try at once.
    ///
    /// # Errors
    /// A migration fails, or the database was migrated by a newer version.
    pub async fn migrate(&self) -> Result<(), StoreError> {
        Ok(MIGRATOR.run(&self.pool).await?)
    }

    /// Names the migrations that are still to be applied.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn pending_migrations(&self) -> Result<Vec<String>, StoreError> {
        let there = sqlx::query_scalar!(r#"select to_regclass('_sqlx_migrations') is not null as "there!""#);
        let applied = if there.fetch_one(&self.pool).await? {
            let applied = sqlx::query_scalar::<_, i64>("select version from _sqlx_migrations where success");
            applied.fetch_all(&self.pool).await?
        } else {
            Vec::new()
        };
        let pending = MIGRATOR.iter().filter(|migration| !applied.contains(&migration.version));
        Ok(pending.map(|migration| format!("{:04} {}", migration.version, migration.description)).collect())
    }

    /// Begins a transaction; dropped without commit, it changes nothing.
    ///
    /// # Errors
    /// Postgres cannot be reached.
    pub async fn begin(&self) -> Result<Tx<'static>, StoreError> {
        Ok(self.pool.begin().await?)
    }

    /// Begins a transaction whose changes follow from what is durable already, and will be made again should they get lost: its commit
    /// waits for no disk. A later commit that does wait makes this one durable too, so what follows from it is never kept without it.
    ///
    /// # Errors
    /// Postgres cannot be reached.
    pub async fn begin_derived(&self) -> Result<Tx<'static>, StoreError> {
        Ok(self.pool.begin_with("begin; set local synchronous_commit = off").await?)
    }

    /// Lets go of all connections.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Makes a transaction's changes durable.
///
/// # Errors
/// Postgres could not; nothing has changed.
pub async fn commit(tx: Tx<'_>) -> Result<(), StoreError> {
    Ok(tx.commit().await?)
}

fn times<'a>(times: impl IntoIterator<Item = &'a Timestamp>) -> Vec<jiff_sqlx::Timestamp> {
    times.into_iter().map(|time| time.to_sqlx()).collect()
}

/// Where a change is followed, as a row holds it.
fn trace(column: Option<String>) -> Option<TraceContext> {
    TraceContext::parse(&column?)
}

/// The same for many rows.
fn traces(contexts: impl IntoIterator<Item = Option<TraceContext>>) -> Vec<Option<String>> {
    contexts.into_iter().map(|context| context.map(|context| context.to_string())).collect()
}

/// As many rows as Postgres may be asked for.
fn rows(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

fn known<T>(word: &str, from_label: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
    from_label(word).ok_or_else(|| StoreError::Unknown(format!("{word:?}")))
}
