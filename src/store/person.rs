//! The people of XPhone as lists show them: who they are, where they sit, who they are in Teams, or why nobody.

use uuid::Uuid;

use super::{Store, StoreError, known, rows};
use crate::domain::ids::{TeamsUserId, UserGuid};
use crate::domain::policy::{EffectivePolicy, Mode, TeamsSync, effective};

/// Somebody of XPhone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// XPhone's guid.
    pub guid: UserGuid,
    /// What people read.
    pub name: String,
    /// The address they are matched by.
    pub email: Option<String>,
    /// Where they sit, with its name if the tree knows it.
    pub location: Option<(Uuid, Option<String>)>,
    /// In which configuration group, with its name if the tree knows it.
    pub group: Option<(Uuid, Option<String>)>,
    /// What matching found, by its label.
    pub matched: String,
    /// Who they are in Teams.
    pub teams: Option<TeamsUserId>,
    /// What may be shown for them.
    pub policy: EffectivePolicy,
}

/// Whom a list is to show.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    /// Only this one.
    pub user: Option<UserGuid>,
    /// Only who this is in Teams.
    pub teams: Option<TeamsUserId>,
    /// Only those of this location.
    pub location: Option<Uuid>,
    /// Only those of this configuration group.
    pub group: Option<Uuid>,
    /// Part of the name or the address, in any case.
    pub search: Option<String>,
    /// Only those without a single Teams user.
    pub unmatched: bool,
    /// Only those with this match, by its label.
    pub matched: Option<&'static str>,
    /// Those after this one, in the order of their guids.
    pub after: Option<Uuid>,
    /// As many.
    pub limit: usize,
}

struct Row {
    guid: Uuid,
    name: String,
    email: Option<String>,
    matched: String,
    teams_id: Option<Uuid>,
    location_guid: Option<Uuid>,
    location_name: Option<String>,
    configuration_group_guid: Option<Uuid>,
    group_name: Option<String>,
    location_mode: Option<String>,
    location_may_change: Option<bool>,
    location_shadow: Option<bool>,
    group_mode: Option<String>,
    group_may_change: Option<bool>,
    group_shadow: Option<bool>,
    choice: Option<String>,
}

impl Row {
    fn listed(self) -> Result<Listed, StoreError> {
        let location = sync(self.location_mode.as_deref(), self.location_may_change, self.location_shadow)?;
        let group = sync(self.group_mode.as_deref(), self.group_may_change, self.group_shadow)?;
        let choice = self.choice.map(|mode| known(&mode, Mode::from_label)).transpose()?;
        Ok(Listed {
            guid: UserGuid(self.guid),
            name: self.name,
            email: self.email,
            location: self.location_guid.map(|guid| (guid, self.location_name)),
            group: self.configuration_group_guid.map(|guid| (guid, self.group_name)),
            matched: self.matched,
            teams: self.teams_id.map(TeamsUserId),
            policy: effective(location, group, choice),
        })
    }
}

fn sync(mode: Option<&str>, may_change: Option<bool>, shadow: Option<bool>) -> Result<Option<TeamsSync>, StoreError> {
    let Some(mode) = mode else { return Ok(None) };
    let mode = known(mode, Mode::from_label)?;
    let (user_may_change, shadow) = (may_change.unwrap_or(false), shadow.unwrap_or(false));
    Ok(Some(TeamsSync { mode, user_may_change, remember_login_data: false, shadow }))
}

impl Store {
    /// People of XPhone, in the order of their guids.
    ///
    /// # Errors
    /// Postgres cannot be asked, or holds a word this version does not know.
    pub async fn list_people(&self, wanted: &Wanted) -> Result<Vec<Listed>, StoreError> {
        let found = sqlx::query_as!(
            Row,
            r#"select p.guid, p.name, p.email, p.match as matched, p.teams_id, p.location_guid, l.name as "location_name?",
                 p.configuration_group_guid, g.name as "group_name?", ls.mode as "location_mode?",
                 ls.user_may_change as "location_may_change?", ls.shadow as "location_shadow?", gs.mode as "group_mode?",
                 gs.user_may_change as "group_may_change?", gs.shadow as "group_shadow?", c.mode as "choice?"
             from person p
                 left join location l on l.guid = p.location_guid
                 left join configuration_group g on g.guid = p.configuration_group_guid
                 left join teams_sync ls on ls.guid = p.location_guid
                 left join teams_sync gs on gs.guid = p.configuration_group_guid
                 left join teams_sync_choice c on c.user_guid = p.guid
             where ($1::uuid is null or p.guid = $1) and ($2::uuid is null or p.teams_id = $2)
                 and ($3::uuid is null or p.location_guid = $3) and ($4::uuid is null or p.configuration_group_guid = $4)
                 and ($5::text is null or position(lower($5) in lower(p.name)) > 0 or position(lower($5) in lower(p.email)) > 0)
                 and (not $6 or p.match <> 'matched') and ($7::text is null or p.match = $7) and ($8::uuid is null or p.guid > $8)
             order by p.guid limit $9"#,
            wanted.user.map(|user| user.0),
            wanted.teams.map(|teams| teams.0),
            wanted.location,
            wanted.group,
            wanted.search,
            wanted.unmatched,
            wanted.matched,
            wanted.after,
            rows(wanted.limit),
        );
        found.fetch_all(&self.pool).await?.into_iter().map(Row::listed).collect()
    }
}
