//! What the directory still owes.

use sqlx::PgConnection;

use crate::store::{Store, StoreError};

/// Something that is done by the directory's task in a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Everybody is to be matched anew.
    Matching,
    /// Everybody is to be decided for anew.
    Waking,
}

impl Due {
    fn label(self) -> &'static str {
        match self {
            Self::Matching => "matching",
            Self::Waking => "waking",
        }
    }
}

/// Asks for it.
pub(super) async fn ask(connection: &mut PgConnection, what: Due) -> Result<(), StoreError> {
    let asked = sqlx::query!(
        "insert into directory_due (what, asked) values ($1, 1) on conflict (what) do update set asked = directory_due.asked + 1",
        what.label()
    );
    asked.execute(connection).await?;
    Ok(())
}

/// It was done, unless it was asked again meanwhile.
pub(super) async fn done(connection: &mut PgConnection, what: Due, asked: i64) -> Result<(), StoreError> {
    let done = sqlx::query!("delete from directory_due where what = $1 and asked = $2", what.label(), asked);
    done.execute(connection).await?;
    Ok(())
}

impl Store {
    /// Whether it is owed: the number of the asking, to be given back when it is [done](Self::done).
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn due(&self, what: Due) -> Result<Option<i64>, StoreError> {
        let asked = sqlx::query_scalar!("select asked from directory_due where what = $1", what.label());
        Ok(asked.fetch_optional(&self.pool).await?)
    }

    /// It was done as asked up to `asked`.
    ///
    /// # Errors
    /// Postgres could not; it will be done once more.
    pub async fn done(&self, what: Due, asked: i64) -> Result<(), StoreError> {
        done(&mut *self.pool.acquire().await?, what, asked).await
    }
}
