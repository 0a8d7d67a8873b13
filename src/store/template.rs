//! The profile template as set per location and configuration group, and what became of it in XPhone.
//!
//! A place has a row in `template_care` as long as its template is our concern: it is to be there, or we made it. Who changes the
//! setting asks for care; the templates' task gives it, and answers the asking that it has seen.

mod care;

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::policy::{lock_place, note_change};
use super::{Store, StoreError, Tx, known};
use crate::domain::mapping::StatusKind;
use crate::domain::template::{CallForwarding, ProfileTemplate};

pub use care::{Answer, Care, CareState, Told};

impl Store {
    /// The profile template as set at each of these places, where it is.
    ///
    /// # Errors
    /// Postgres cannot be asked, or holds a word this version does not know.
    pub async fn profile_templates(&self, guids: &[Uuid]) -> Result<HashMap<Uuid, ProfileTemplate>, StoreError> {
        let mut tx = self.begin().await?;
        read(&mut tx, guids).await
    }
}

/// What is set there, locked: nobody else changes it before this transaction ends.
///
/// # Errors
/// Postgres could not, or holds a word this version does not know.
pub async fn lock_profile_template(tx: &mut Tx<'_>, guid: Uuid) -> Result<Option<ProfileTemplate>, StoreError> {
    lock_place(tx, guid).await?;
    Ok(read(tx, &[guid]).await?.remove(&guid))
}

/// Sets (`None`: unsets) what was locked, and asks for what follows from it in XPhone.
///
/// # Errors
/// Postgres could not.
pub async fn write_profile_template(
    tx: &mut Tx<'_>,
    guid: Uuid,
    template: Option<ProfileTemplate>,
    now: Timestamp,
) -> Result<(), StoreError> {
    let is_wanted = template.as_ref().is_some_and(|template| template.create);
    match template {
        Some(ProfileTemplate { create, status, call_forwarding }) => {
            sqlx::query!(
                "insert into profile_template (guid, creates, presence_status, forwarding, number) values ($1, $2, $3, $4, $5)
                 on conflict (guid) do update set creates = excluded.creates, presence_status = excluded.presence_status,
                     forwarding = excluded.forwarding, number = excluded.number",
                guid,
                create,
                status.label(),
                call_forwarding.label(),
                call_forwarding.number(),
            )
            .execute(&mut **tx)
            .await?
        }
        None => sqlx::query!("delete from profile_template where guid = $1", guid).execute(&mut **tx).await?,
    };
    ask(tx, guid, is_wanted, now).await?;
    note_change(tx, guid, "profile_template", now).await
}

/// What is not wanted and not ours is no concern of ours.
async fn ask(tx: &mut Tx<'_>, guid: Uuid, is_wanted: bool, now: Timestamp) -> Result<(), StoreError> {
    if is_wanted {
        sqlx::query!(
            "insert into template_care (guid, maker, state, since) values ($1, 'unknown', 'pending', $2)
             on conflict (guid) do nothing",
            guid,
            now.to_sqlx(),
        )
        .execute(&mut **tx)
        .await?;
    } else {
        let ours_no_more = sqlx::query!("delete from template_care where guid = $1 and maker in ('unknown', 'others')", guid);
        ours_no_more.execute(&mut **tx).await?;
    }
    sqlx::query!(
        "update template_care set state = 'pending', refusal = null, detail = null, since = $2, asked = asked + 1 where guid = $1",
        guid,
        now.to_sqlx(),
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

pub(super) async fn read(tx: &mut Tx<'_>, guids: &[Uuid]) -> Result<HashMap<Uuid, ProfileTemplate>, StoreError> {
    let rows = sqlx::query!(
        "select guid, creates, presence_status, forwarding, number from profile_template where guid = any($1)",
        guids,
    );
    let rows = rows.fetch_all(&mut **tx).await?.into_iter();
    rows.map(|row| {
        let status = known(&row.presence_status, StatusKind::from_label)?;
        let call_forwarding = known(&row.forwarding, |label| CallForwarding::from_parts(label, row.number.clone()))?;
        Ok((row.guid, ProfileTemplate { create: row.creates, status, call_forwarding }))
    })
    .collect()
}
