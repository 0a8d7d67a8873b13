//! Places whose template in XPhone is our concern: what is to be done there, and what became of it.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use crate::domain::ids::{LocationGuid, PresenceStateGuid};
use crate::domain::mapping::StatusKind;
use crate::domain::template::{CallForwarding, Maker, ProfileTemplate, Template};
use crate::store::tree::{Place, PlaceKind};
use crate::store::{Store, StoreError, known};

/// A place whose template is to be compared with what is set.
#[derive(Clone, Debug)]
pub struct Care {
    /// Where.
    pub place: Place,
    /// What is set, if the template is to be there.
    pub wanted: Option<ProfileTemplate>,
    /// Who made the one that was there last.
    pub maker: Maker,
    /// What we were about to make.
    pub put: Option<Template>,
    /// Which asking this answers.
    pub asked: i64,
    /// What was told of it last.
    pub told: Told,
}

/// How far the template of a place is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CareState {
    /// Still to be compared with XPhone.
    Pending,
    /// It is as it should be.
    InStep,
    /// XPhone would not.
    Refused,
}

/// What operators are told of a place's template.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// How far it is.
    pub state: CareState,
    /// Why it was refused: a stable word, and XPhone's own.
    pub refusal: Option<(String, Option<String>)>,
    /// Since when.
    pub since: Timestamp,
    /// When it was last compared with XPhone.
    pub compared_at: Option<Timestamp>,
    /// Who made what is there.
    pub maker: Maker,
}

/// What became of a comparison.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer<'a> {
    /// It is as it should be.
    InStep,
    /// XPhone would not: a stable word, and XPhone's own.
    Refused(&'static str, Option<&'a str>),
    /// It is no concern of ours any more.
    Forgotten,
}

/// Of which places something is asked.
#[derive(Clone, Copy, Debug, Default)]
struct Choice {
    /// This one, whatever its state.
    one: Option<Uuid>,
    /// Those to be compared, and those last tried before this moment.
    tried_before: Option<Timestamp>,
}

impl CareState {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pending, Self::InStep, Self::Refused];

    /// Stable text for storage, metrics and the admin API.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::InStep => "in_step",
            Self::Refused => "refused",
        }
    }

    fn from_label(label: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.label() == label)
    }
}

struct Row {
    guid: Uuid,
    location: Uuid,
    is_group: bool,
    maker: String,
    state: String,
    refusal: Option<String>,
    detail: Option<String>,
    since: jiff_sqlx::Timestamp,
    compared_at: Option<jiff_sqlx::Timestamp>,
    asked: i64,
    put_status_guid: Option<Uuid>,
    put_forwarding: Option<String>,
    put_number: Option<String>,
    presence_status: Option<String>,
    forwarding: Option<String>,
    number: Option<String>,
}

impl Row {
    fn care(self) -> Result<Care, StoreError> {
        let wanted = match (self.presence_status, self.forwarding) {
            (Some(status), Some(forwarding)) => Some(ProfileTemplate {
                create: true,
                status: known(&status, StatusKind::from_label)?,
                call_forwarding: known(&forwarding, |label| CallForwarding::from_parts(label, self.number.clone()))?,
            }),
            _ => None,
        };
        let put = self.put_status_guid.zip(self.put_forwarding).and_then(|(status, forwarding)| {
            let call_forwarding = CallForwarding::from_parts(&forwarding, self.put_number.clone())?;
            Some(Template { status: PresenceStateGuid(status), call_forwarding })
        });
        let kind = if self.is_group { PlaceKind::ConfigurationGroup } else { PlaceKind::Location };
        let maker = known(&self.maker, Maker::from_label)?;
        let told = Told {
            state: known(&self.state, CareState::from_label)?,
            refusal: self.refusal.map(|refusal| (refusal, self.detail)),
            since: self.since.to_jiff(),
            compared_at: self.compared_at.map(jiff_sqlx::Timestamp::to_jiff),
            maker,
        };
        let place = Place { kind, guid: self.guid, location: LocationGuid(self.location) };
        Ok(Care { place, wanted, maker, put, asked: self.asked, told })
    }
}

impl Store {
    /// Places of XPhone's tree whose template is our concern and still to be compared; with `before` also those that were not tried since
    /// that moment. Whoever waits longest comes first.
    ///
    /// # Errors
    /// Postgres cannot be asked, or holds a word this version does not know.
    pub async fn template_cares(&self, before: Option<Timestamp>) -> Result<Vec<Care>, StoreError> {
        self.cares(Choice { tried_before: before, ..Choice::default() }).await
    }

    /// This place is tried now: others come first the next time, even if it fails. It also keeps those in order that are tried at once.
    ///
    /// # Errors
    /// Postgres could not; it is tried before the others again.
    pub async fn note_template_tried(&self, guid: Uuid, now: Timestamp) -> Result<(), StoreError> {
        let noted = sqlx::query!("update template_care set tried_at = $2 where guid = $1", guid, now.to_sqlx());
        noted.execute(&self.pool).await?;
        Ok(())
    }

    /// What operators are told of a place's template; `None`: it is no concern of ours.
    ///
    /// # Errors
    /// Postgres cannot be asked, or holds a word this version does not know.
    pub async fn template_told(&self, guid: Uuid) -> Result<Option<Told>, StoreError> {
        Ok(self.cares(Choice { one: Some(guid), ..Choice::default() }).await?.pop().map(|care| care.told))
    }

    async fn cares(&self, choice: Choice) -> Result<Vec<Care>, StoreError> {
        let rows = sqlx::query_as!(
            Row,
            r#"select c.guid, p.location as "location!", p.is_group as "is_group!", c.maker, c.state, c.refusal, c.detail, c.since,
                 c.compared_at, c.asked, c.put_status_guid, c.put_forwarding, c.put_number,
                 t.presence_status as "presence_status?", t.forwarding as "forwarding?", t.number
             from template_care c
                 join (select guid, guid as location, false as is_group from location
                     union all select guid, location_guid, true from configuration_group) p on p.guid = c.guid
                 left join profile_template t on t.guid = c.guid and t.creates
             where c.guid = $1 or $1 is null and (c.state = 'pending' or c.tried_at is null or c.tried_at < $2)
             order by c.tried_at nulls first, c.guid"#,
            choice.one,
            choice.tried_before.map(ToSqlx::to_sqlx) as _,
        );
        rows.fetch_all(&self.pool).await?.into_iter().map(Row::care).collect()
    }

    /// How many places there are in each state.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn template_counts(&self) -> Result<HashMap<CareState, i64>, StoreError> {
        let counts = sqlx::query!(
            r#"select state, count(*) as "places!" from template_care c
               where exists (select from location l where l.guid = c.guid)
                   or exists (select from configuration_group g where g.guid = c.guid)
               group by state"#
        );
        let counts = counts.fetch_all(&self.pool).await?.into_iter();
        counts.map(|row| Ok((known(&row.state, CareState::from_label)?, row.places))).collect()
    }

    /// Which of this server's statuses is of a kind; `None`: none is, as far as is known.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn status_of_kind(&self, kind: StatusKind) -> Result<Option<PresenceStateGuid>, StoreError> {
        let found = sqlx::query_scalar!("select guid from presence_status where kind = $1 order by guid limit 1", kind.label());
        Ok(found.fetch_optional(&self.pool).await?.map(PresenceStateGuid))
    }

    /// We are about to make this template: if we die before we know what became of it, one that looks so is ours. `false`: the place
    /// is no concern of ours any more, and nothing may be made.
    ///
    /// # Errors
    /// Postgres could not; nothing may be made.
    pub async fn claim_template(&self, guid: Uuid, template: &Template) -> Result<bool, StoreError> {
        let claimed = sqlx::query!(
            "update template_care set maker = 'perhaps_us', put_status_guid = $2, put_forwarding = $3, put_number = $4
             where guid = $1",
            guid,
            template.status.0,
            template.call_forwarding.label(),
            template.call_forwarding.number(),
        );
        Ok(claimed.execute(&self.pool).await?.rows_affected() > 0)
    }

    /// Remembers who made what is there, and answers the asking that was seen; a newer one stays.
    ///
    /// # Errors
    /// Postgres could not; the next comparison finds the same.
    pub async fn answer_template(
        &self,
        care: &Care,
        maker: Maker,
        answer: &Answer<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let (state, refusal, detail) = match answer {
            Answer::InStep => (CareState::InStep, None, None),
            Answer::Refused(refusal, detail) => (CareState::Refused, Some(*refusal), *detail),
            Answer::Forgotten => {
                let forgotten =
                    sqlx::query!("delete from template_care where guid = $1 and asked = $2", care.place.guid, care.asked);
                if forgotten.execute(&self.pool).await?.rows_affected() > 0 {
                    return Ok(());
                }
                (CareState::Pending, None, None)
            }
        };
        sqlx::query!(
            "update template_care set maker = $3, compared_at = $7,
                 state = case when asked = $2 then $4 else state end,
                 refusal = case when asked = $2 then $5 else refusal end,
                 detail = case when asked = $2 then $6 else detail end,
                 since = case when asked = $2 and (state, refusal) is distinct from ($4, $5) then $7 else since end
             where guid = $1",
            care.place.guid,
            care.asked,
            maker.label(),
            state.label(),
            refusal,
            detail,
            now.to_sqlx(),
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
