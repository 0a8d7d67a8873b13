//! Who is who, said by hand.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use super::due::{self, Due};
use crate::domain::directory::Link;
use crate::domain::ids::{TeamsUserId, UserGuid};
use crate::store::{Store, StoreError};

const ONE_TEAMS_USER_ONCE: &str = "teams_link_teams_id";

/// What became of a link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Linked {
    /// It holds; everybody is matched anew in a moment.
    Done,
    /// XPhone knows no such user.
    NoSuchUser,
    /// Teams knows no such user.
    NoSuchTeamsUser,
    /// Somebody else is linked to that Teams user: who, unless that was undone meanwhile.
    Taken(Option<UserGuid>),
}

/// What became of taking a link away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unlinked {
    /// The address decides again.
    Done,
    /// There was no link.
    NoLink,
}

impl Store {
    /// Links a user to a Teams user by hand, in the place of an earlier link; `by` is kept.
    ///
    /// # Errors
    /// Postgres could not; nothing has changed.
    pub async fn link(&self, link: Link, by: &str, now: Timestamp) -> Result<Linked, StoreError> {
        let Link { user, teams_user } = link;
        let mut tx = self.begin().await?;
        // Kept from going while it is linked.
        let known = sqlx::query_scalar!("select guid from person where guid = $1 for key share", user.0);
        if known.fetch_optional(&mut *tx).await?.is_none() {
            return Ok(Linked::NoSuchUser);
        }
        let known = sqlx::query_scalar!("select id from teams_person where id = $1", teams_user.0);
        if known.fetch_optional(&mut *tx).await?.is_none() {
            return Ok(Linked::NoSuchTeamsUser);
        }
        let linked = sqlx::query!(
            "insert into teams_link (user_guid, teams_id, linked_by, linked_at) values ($1, $2, $3, $4)
             on conflict (user_guid) do update set teams_id = excluded.teams_id, linked_by = excluded.linked_by, linked_at = excluded.linked_at",
            user.0,
            teams_user.0,
            by,
            now.to_sqlx(),
        );
        match linked.execute(&mut *tx).await {
            Err(sqlx::Error::Database(refusal)) if refusal.constraint() == Some(ONE_TEAMS_USER_ONCE) => {
                drop(tx);
                return self.taken(teams_user).await;
            }
            linked => linked?,
        };
        due::ask(&mut tx, Due::Matching).await?;
        tx.commit().await?;
        Ok(Linked::Done)
    }

    async fn taken(&self, teams_user: TeamsUserId) -> Result<Linked, StoreError> {
        let holder = sqlx::query_scalar!("select user_guid from teams_link where teams_id = $1", teams_user.0);
        Ok(Linked::Taken(holder.fetch_optional(&self.pool).await?.map(UserGuid)))
    }

    /// Takes a user's link away.
    ///
    /// # Errors
    /// Postgres could not; nothing has changed.
    pub async fn unlink(&self, user: UserGuid) -> Result<Unlinked, StoreError> {
        let mut tx = self.begin().await?;
        let removed = sqlx::query!("delete from teams_link where user_guid = $1", user.0).execute(&mut *tx).await?;
        if removed.rows_affected() == 0 {
            return Ok(Unlinked::NoLink);
        }
        due::ask(&mut tx, Due::Matching).await?;
        tx.commit().await?;
        Ok(Unlinked::Done)
    }

    /// Every link.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn links(&self) -> Result<Vec<Link>, StoreError> {
        let rows = sqlx::query!("select user_guid, teams_id from teams_link order by user_guid").fetch_all(&self.pool).await?;
        Ok(rows.into_iter().map(|row| Link { user: UserGuid(row.user_guid), teams_user: TeamsUserId(row.teams_id) }).collect())
    }
}
