//! Until when something is known as it is, so that a restart or another replica neither skips nor repeats reading it.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use super::{Store, StoreError, Tx, commit};

/// Something that is read whole now and then, or followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Feed {
    /// People, profiles and the tree, of both systems.
    Directory,
    /// Everybody's presence in Teams.
    Sweep,
    /// Everybody's presence in XPhone: read whole, and followed since by events that have not fallen silent.
    XphonePresence,
    /// Our appointments in XPhone, compared with what is recorded.
    Appointments,
    /// The profile templates in XPhone that are our concern, compared with what is set.
    Templates,
}

impl Feed {
    /// Every one.
    pub const ALL: [Self; 5] = [Self::Directory, Self::Sweep, Self::XphonePresence, Self::Appointments, Self::Templates];

    /// Stable text for storage and metrics.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Directory => "directory",
            Self::Sweep => "sweep",
            Self::XphonePresence => "xphone_presence",
            Self::Appointments => "appointments",
            Self::Templates => "templates",
        }
    }
}

impl Store {
    /// When it was last read whole; `None`: never.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn refreshed_at(&self, feed: Feed) -> Result<Option<Timestamp>, StoreError> {
        let at = sqlx::query_scalar!("select refreshed_at from feed where name = $1", feed.label());
        Ok(at.fetch_optional(&self.pool).await?.map(jiff_sqlx::Timestamp::to_jiff))
    }

    /// Notes that it was read whole, by a reading that began at `at`.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn note_refreshed(&self, feed: Feed, at: Timestamp) -> Result<(), StoreError> {
        let mut tx = self.begin().await?;
        note(&mut tx, feed, at).await?;
        commit(tx).await
    }
}

/// Lets it count as long out of date, so that whoever reads it does so at the next look.
///
/// # Errors
/// Postgres could not.
pub async fn expire(tx: &mut Tx<'_>, feed: Feed) -> Result<(), StoreError> {
    let long_ago = Timestamp::UNIX_EPOCH.to_sqlx();
    sqlx::query!("update feed set refreshed_at = $2 where name = $1", feed.label(), long_ago).execute(&mut **tx).await?;
    Ok(())
}

/// Notes within a transaction that it was read whole.
///
/// # Errors
/// Postgres could not.
pub(super) async fn note(tx: &mut Tx<'_>, feed: Feed, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into feed (name, refreshed_at) values ($1, $2) on conflict (name) do update set refreshed_at = excluded.refreshed_at",
        feed.label(),
        at.to_sqlx(),
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
