//! What users chose for themselves, and what they may choose.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;

use super::{Store, StoreError, Tx, known};
use crate::domain::ids::{LocationGuid, TeamsUserId, UserGuid};
use crate::domain::policy::{EffectivePolicy, Mode, effective};
use crate::domain::timeline::Waker;
use crate::store::policy::read_teams_sync;

/// Where a user belongs, and who that is in Teams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Belonging {
    /// The user.
    pub user: UserGuid,
    /// Where they sit, if XPhone says.
    pub location: Option<LocationGuid>,
    /// Who they are in Teams.
    pub teams: Option<TeamsUserId>,
}

/// A user's choice, and what holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Choice {
    /// What they chose, if they did.
    pub chosen: Option<Mode>,
    /// Whether a choice counts.
    pub may_change: bool,
    /// What holds for them.
    pub effective: EffectivePolicy,
}

impl Store {
    /// Where a user belongs; `None`: XPhone has no such user.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn belonging(&self, user: UserGuid) -> Result<Option<Belonging>, StoreError> {
        let row = sqlx::query!("select location_guid, teams_id from person where guid = $1", user.0);
        let row = row.fetch_optional(&self.pool).await?;
        Ok(row.map(|row| Belonging { user, location: row.location_guid.map(LocationGuid), teams: row.teams_id.map(TeamsUserId) }))
    }

    /// What a user chose; `None`: nothing.
    ///
    /// # Errors
    /// Postgres cannot be asked, or holds a word this version does not know.
    pub async fn choice(&self, user: UserGuid) -> Result<Option<Mode>, StoreError> {
        let chosen = sqlx::query_scalar!("select mode from teams_sync_choice where user_guid = $1", user.0);
        chosen.fetch_optional(&self.pool).await?.map(|mode| known(&mode, Mode::from_label)).transpose()
    }

    /// Who this Teams user is in XPhone.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn user_of(&self, teams: TeamsUserId) -> Result<Option<UserGuid>, StoreError> {
        let found = sqlx::query_scalar!("select guid from person where teams_id = $1", teams.0);
        Ok(found.fetch_optional(&self.pool).await?.map(UserGuid))
    }
}

/// What a user chose and may choose, locked: nobody else changes it before this transaction ends. `None`: the user is gone.
///
/// # Errors
/// Postgres could not.
pub async fn lock_choice(tx: &mut Tx<'_>, user: UserGuid) -> Result<Option<Choice>, StoreError> {
    sqlx::query!("select from user_state where user_guid = $1 for no key update", user.0).execute(&mut **tx).await?;
    let row = sqlx::query!(
        r#"select p.location_guid, p.configuration_group_guid, c.mode as "mode?"
           from person p left join teams_sync_choice c on c.user_guid = p.guid where p.guid = $1"#,
        user.0,
    );
    let Some(row) = row.fetch_optional(&mut **tx).await? else { return Ok(None) };
    let chosen = row.mode.map(|mode| known(&mode, Mode::from_label)).transpose()?;
    let (mut location, mut group) = (None, None);
    if let Some(guid) = row.location_guid {
        location = read_teams_sync(&mut **tx, guid).await?;
    }
    if let Some(guid) = row.configuration_group_guid {
        group = read_teams_sync(&mut **tx, guid).await?;
    }
    let may_change = group.or(location).is_some_and(|sync| sync.user_may_change);
    Ok(Some(Choice { chosen, may_change, effective: effective(location, group, chosen) }))
}

/// Sets (`None`: unsets) what was locked, and wakes the user.
///
/// # Errors
/// Postgres could not.
pub async fn write_choice(tx: &mut Tx<'_>, user: UserGuid, mode: Option<Mode>, now: Timestamp) -> Result<(), StoreError> {
    match mode {
        Some(mode) => {
            sqlx::query!(
                "insert into teams_sync_choice (user_guid, mode) values ($1, $2) on conflict (user_guid) do update set mode = excluded.mode",
                user.0,
                mode.label(),
            )
            .execute(&mut **tx)
            .await?
        }
        None => sqlx::query!("delete from teams_sync_choice where user_guid = $1", user.0).execute(&mut **tx).await?,
    };
    sqlx::query!(
        "update user_state s set revisit_at = 'epoch', woken_by = s.woken_by | $3,
             confirm_at = case when p.teams_id is not null then least(s.confirm_at, $2) end
         from person p where p.guid = s.user_guid and s.user_guid = $1",
        user.0,
        now.to_sqlx(),
        Waker::Policy.bit(),
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
