//! A sign on the database that a gateway serves from it, or that one takes everything back: the two are never done at once.
//!
//! It is a lock that belongs to a connection of its own, so that it goes with the process that holds it, however that ends. Every
//! gateway that serves shares it; whoever takes everything back has it alone.

use std::sync::Arc;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Executor};

use super::{Store, StoreError};

/// The lock's two numbers, which nothing else on this database uses: the letters "pgw" and which lock it is.
const LOCK: (i32, i32) = (0x70_67_77, 1);
/// How soon Postgres notices that a machine has vanished together with the gateway on it, and takes the sign down.
const KEEPALIVES: [(&str, &str); 4] = [
    ("tcp_keepalives_idle", "10"),
    ("tcp_keepalives_interval", "5"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "25000"),
];

/// What the sign says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Saying {
    /// A gateway serves; others may, too.
    Serving,
    /// Everything is taken back; nobody may serve, nor take back.
    Withdrawing,
}

/// The sign, as long as it stands.
#[derive(Debug)]
pub struct Sign {
    connection: PgConnection,
    options: Arc<PgConnectOptions>,
}

impl Store {
    /// Puts the sign up; `None`: one that says something else stands.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn put_up(&self, saying: Saying) -> Result<Option<Sign>, StoreError> {
        let mut sign = Sign::bare(self.pool.connect_options()).await?;
        Ok(sign.put_up(saying).await?.then_some(sign))
    }

    /// What signs stand just now.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn signs(&self) -> Result<Vec<Saying>, StoreError> {
        let modes = sqlx::query_scalar!(
            r#"select mode as "mode!" from pg_locks
               where locktype = 'advisory' and granted and objsubid = 2 and classid::int8 = $1 and objid::int8 = $2
                   and database = (select oid from pg_database where datname = current_database())"#,
            i64::from(LOCK.0),
            i64::from(LOCK.1),
        );
        let saying = |mode: String| if mode == "ShareLock" { Saying::Serving } else { Saying::Withdrawing };
        Ok(modes.fetch_all(&self.pool).await?.into_iter().map(saying).collect())
    }
}

impl Sign {
    async fn bare(options: Arc<PgConnectOptions>) -> Result<Self, StoreError> {
        let connection = PgConnection::connect_with(&options.as_ref().clone().options(KEEPALIVES)).await?;
        Ok(Self { connection, options })
    }

    async fn put_up(&mut self, saying: Saying) -> Result<bool, StoreError> {
        let (class, object) = LOCK;
        let lock = match saying {
            Saying::Serving => sqlx::query_scalar::<_, bool>("select pg_try_advisory_lock_shared($1, $2)"),
            Saying::Withdrawing => sqlx::query_scalar::<_, bool>("select pg_try_advisory_lock($1, $2)"),
        };
        Ok(lock.bind(class).bind(object).fetch_one(&mut self.connection).await?)
    }

    /// Makes sure that it still stands: the connection lives, and with it the lock.
    ///
    /// # Errors
    /// It does not, or nobody knows.
    pub async fn look(&mut self) -> Result<(), StoreError> {
        self.connection.execute("select 1").await?;
        Ok(())
    }

    /// Puts it up again on another connection; `false`: one that says something else stands by now.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn put_up_again(&mut self, saying: Saying) -> Result<bool, StoreError> {
        let mut next = Self::bare(Arc::clone(&self.options)).await?;
        let stands = next.put_up(saying).await?;
        if stands {
            *self = next;
        }
        Ok(stands)
    }

    /// Takes it down: whoever comes next finds none.
    pub async fn take_down(mut self) {
        // Asked for, since a lock outlives a farewell until Postgres' process has come to its end. If that fails, the connection is gone,
        // and the sign with it.
        _ = self.connection.execute("select pg_advisory_unlock_all()").await;
        _ = self.connection.close().await;
    }
}
