//! The people of Teams as Graph tells of them, and how far that has been read.
//!
//! A page of changes and the link to the next are stored together, so a crash between two pages repeats nothing and loses nobody.
//! Reading from the beginning forgets nobody either: whoever it did not meet goes when it has ended.

use std::collections::BTreeMap;

use sqlx::PgConnection;
use uuid::Uuid;

use crate::domain::directory::{TeamsChange, TeamsPerson};
use crate::domain::ids::TeamsUserId;
use crate::store::lease::{self, Lease};
use crate::store::sealed::{self, Purpose};
use crate::store::{Store, StoreError};

/// How far the people of Teams have been read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// Counts the readings from the beginning.
    pub reading: i64,
    /// Where to go on; `None`: at the beginning.
    pub link: Option<String>,
    /// Whether the stored people are all there are.
    pub complete: bool,
}

impl Store {
    /// How far the people of this tenant have been read; `None`: not at all.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn teams_position(&self, tenant: Uuid) -> Result<Option<Position>, StoreError> {
        let row = sqlx::query!("select reading, link, complete from teams_feed where tenant_id = $1", tenant);
        let Some(row) = row.fetch_optional(&self.pool).await? else { return Ok(None) };
        let Some(sealed) = row.link else {
            return Ok(Some(Position { reading: row.reading, link: None, complete: false }));
        };
        // With another key there is no harm in reading everybody once more.
        let opened = sealed::open(&self.keys, Purpose::PeopleLink, &sealed).ok();
        let link = opened.and_then(|link| String::from_utf8(link.to_vec()).ok());
        Ok(link.map(|link| Position { reading: row.reading, link: Some(link), complete: row.complete }))
    }

    /// Begins to read from the beginning; `None`: the lease is lost.
    ///
    /// # Errors
    /// Postgres could not; nothing has changed.
    pub async fn begin_teams_reading(&self, tenant: Uuid, lease: Lease) -> Result<Option<Position>, StoreError> {
        let mut tx = self.begin().await?;
        if !lease::is_held(&mut tx, lease).await? {
            return Ok(None);
        }
        let reading = sqlx::query_scalar!(
            "insert into teams_feed (tenant_id, reading, link, complete) values ($1, 1, null, false)
             on conflict (single) do update set tenant_id = excluded.tenant_id, reading = teams_feed.reading + 1, link = null, complete = false
             returning reading",
            tenant,
        )
        .fetch_one(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(Some(Position { reading, link: None, complete: false }))
    }

    /// Stores one page of changes and where they lead; `complete`: it was the last for now. `false`: the lease is lost, and nothing
    /// was stored.
    ///
    /// # Errors
    /// Postgres could not; nothing has changed.
    pub async fn store_teams_page(
        &self,
        changes: &BTreeMap<TeamsUserId, Option<TeamsChange>>,
        position: &Position,
        lease: Lease,
    ) -> Result<bool, StoreError> {
        let link = position.link.as_deref().unwrap_or_default();
        let link = sealed::seal(&self.keys, Purpose::PeopleLink, link.as_bytes())?;
        let mut tx = self.begin().await?;
        if !lease::is_held(&mut tx, lease).await? {
            return Ok(false);
        }
        let gone: Vec<Uuid> = changes.iter().filter(|(_, change)| change.is_none()).map(|(id, _)| id.0).collect();
        sqlx::query!("delete from teams_person where id = any($1)", &gone).execute(&mut *tx).await?;
        store_changes(&mut tx, changes, position.reading).await?;
        if position.complete {
            sqlx::query!("delete from teams_person where reading <> $1", position.reading).execute(&mut *tx).await?;
        }
        sqlx::query!("update teams_feed set link = $1, complete = $2", link, position.complete).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Everybody whom Teams knows.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn teams_people(&self) -> Result<Vec<TeamsPerson>, StoreError> {
        let rows = sqlx::query!("select id, mail, user_principal_name, enabled from teams_person order by id");
        let people = rows.fetch_all(&self.pool).await?.into_iter().map(|row| TeamsPerson {
            id: TeamsUserId(row.id),
            mail: row.mail,
            user_principal_name: row.user_principal_name,
            enabled: row.enabled,
        });
        Ok(people.collect())
    }
}

/// What a change leaves out stays as this reading told it before; what an earlier reading told says nothing.
async fn store_changes(
    connection: &mut PgConnection,
    changes: &BTreeMap<TeamsUserId, Option<TeamsChange>>,
    reading: i64,
) -> Result<(), StoreError> {
    let told = || changes.iter().filter_map(|(id, change)| Some((id.0, change.as_ref()?)));
    let ids: Vec<Uuid> = told().map(|(id, _)| id).collect();
    let names: Vec<Option<String>> = told().map(|(_, change)| change.user_principal_name.now().cloned().flatten()).collect();
    let mails: Vec<Option<String>> = told().map(|(_, change)| change.mail.now().cloned().flatten()).collect();
    let mails_told: Vec<bool> = told().map(|(_, change)| change.mail.now().is_some()).collect();
    let enabled: Vec<Option<bool>> = told().map(|(_, change)| change.enabled.now().copied()).collect();
    sqlx::query!(
        "insert into teams_person (id, user_principal_name, mail, enabled, reading)
         select n.id, coalesce(n.user_principal_name, p.user_principal_name, ''), case when n.mail_told then n.mail else p.mail end,
             coalesce(n.enabled, p.enabled, true), $6
         from unnest($1::uuid[], $2::text[], $3::text[], $4::bool[], $5::bool[]) as n (id, user_principal_name, mail, mail_told, enabled)
             left join teams_person p on p.id = n.id and p.reading = $6
         on conflict (id) do update set user_principal_name = excluded.user_principal_name, mail = excluded.mail,
             enabled = excluded.enabled, reading = excluded.reading",
        &ids,
        &names as _,
        &mails as _,
        &mails_told,
        &enabled as _,
        reading,
    )
    .execute(connection)
    .await?;
    Ok(())
}
