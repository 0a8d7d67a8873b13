//! One user in full, for explaining what they show.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::decision::{self, Due};
use super::policy::read_teams_sync;
use super::{Store, StoreError, Tx, known, microphone, template};
use crate::domain::explanation::{Explanation, Facts, Holds, Letter};
use crate::domain::ids::UserGuid;
use crate::domain::microphone::MicrophoneSync;
use crate::domain::policy::Mode;
use crate::domain::reconcile::Terms;
use crate::domain::slot::SlotName;
use crate::domain::template::ProfileTemplate;
use crate::domain::timeline::Waker;

impl Store {
    /// Finds a user by XPhone's guid or by e-mail address, ignoring case.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn find_user(&self, name: &str) -> Result<Vec<UserGuid>, StoreError> {
        let guid: Option<Uuid> = name.parse().ok();
        let found =
            sqlx::query_scalar!("select guid from person where guid = $1 or lower(email) = lower($2) order by guid", guid, name);
        Ok(found.fetch_all(&self.pool).await?.into_iter().map(UserGuid).collect())
    }

    /// Why a user shows what they show, as of now; `None`: there is no such user.
    ///
    /// # Errors
    /// Postgres cannot be asked, or holds a word this version does not know.
    pub async fn explain(&self, user: UserGuid, now: Timestamp, terms: Terms) -> Result<Option<Explanation>, StoreError> {
        Ok(self.facts(user, now, terms).await?.as_ref().map(Explanation::of))
    }

    /// Everything known about a user; `None`: there is no such user.
    ///
    /// # Errors
    /// As [`explain`](Self::explain).
    pub async fn facts(&self, user: UserGuid, now: Timestamp, terms: Terms) -> Result<Option<Facts>, StoreError> {
        let mut tx = self.begin().await?;
        // One moment, whatever is decided meanwhile.
        sqlx::query!("set transaction isolation level repeatable read read only").execute(&mut *tx).await?;
        let Some(due) = decision::load(&mut tx, &[user.0], now, terms).await?.pop() else { return Ok(None) };
        let Due { user, snapshot, words, .. } = due;
        let row = sqlx::query!(
            r#"select p.match as matched, p.location_guid, p.configuration_group_guid, s.confirm_at, s.xphone_observed_at,
                 s.xphone_client_connected, s.decided_at, s.revisit_at, c.mode as "choice?"
             from person p join user_state s on s.user_guid = p.guid left join teams_sync_choice c on c.user_guid = p.guid
             where p.guid = $1"#,
            user.0,
        )
        .fetch_one(&mut *tx)
        .await?;
        let time = |at: Option<jiff_sqlx::Timestamp>| at.map(jiff_sqlx::Timestamp::to_jiff);
        let mut set = [None, None];
        for (set, guid) in set.iter_mut().zip([row.location_guid, row.configuration_group_guid]) {
            if let Some(guid) = guid {
                *set = read_teams_sync(&mut *tx, guid).await?;
            }
        }
        let [location, group] = set;
        let (microphone, template) = functions(&mut tx, row.location_guid, row.configuration_group_guid).await?;
        Ok(Some(Facts {
            user,
            matched: row.matched,
            snapshot,
            words,
            confirm_at: time(row.confirm_at),
            xphone_changed_at: time(row.xphone_observed_at),
            client_connected: row.xphone_client_connected,
            location,
            group,
            choice: row.choice.map(|mode| known(&mode, Mode::from_label)).transpose()?,
            microphone,
            template,
            letters: letters(&mut tx, user).await?,
            decided_at: time(row.decided_at),
            revisit_at: time(row.revisit_at),
        }))
    }
}

/// Has Teams read for a user, and the user decided for anew; `false`: there is no such user.
///
/// # Errors
/// Postgres could not.
pub async fn wake(tx: &mut Tx<'_>, user: UserGuid, now: Timestamp) -> Result<bool, StoreError> {
    let woken = sqlx::query!(
        "update user_state s set revisit_at = 'epoch', woken_by = s.woken_by | $3,
             confirm_at = case when p.teams_id is not null then least(s.confirm_at, $2) end
         from person p where p.guid = s.user_guid and s.user_guid = $1",
        user.0,
        now.to_sqlx(),
        Waker::Operator.bit(),
    );
    Ok(woken.execute(&mut **tx).await?.rows_affected() > 0)
}

type Functions = (Holds<MicrophoneSync>, Holds<ProfileTemplate>);

/// What holds beside Teams synchronisation in this location and group.
async fn functions(tx: &mut Tx<'_>, location: Option<Uuid>, group: Option<Uuid>) -> Result<Functions, StoreError> {
    let places: Vec<Uuid> = location.into_iter().chain(group).collect();
    let (mut microphones, mut templates) = (microphone::read(tx, &places).await?, template::read(tx, &places).await?);
    let microphone = [location, group].map(|place| place.and_then(|place| microphones.remove(&place)));
    let template = [location, group].map(|place| place.and_then(|place| templates.remove(&place)));
    let ([at_location, of_group], [template_at_location, template_of_group]) = (microphone, template);
    Ok((
        Holds::inherited(at_location, of_group, MicrophoneSync::unset()),
        Holds::inherited(template_at_location, template_of_group, ProfileTemplate::unset()),
    ))
}

async fn letters(tx: &mut Tx<'_>, user: UserGuid) -> Result<Vec<Letter>, StoreError> {
    let letters = sqlx::query!(
        "select slot, shows, decided_at, attempts, problem, due_at, claimed_until from outbox where user_guid = $1",
        user.0,
    );
    let letters = letters.fetch_all(&mut **tx).await?.into_iter().map(|row| {
        Ok(Letter {
            slot: known(&row.slot, SlotName::from_label)?,
            shows: row.shows,
            decided_at: row.decided_at.to_jiff(),
            attempts: row.attempts,
            problem: row.problem,
            next_try_at: row.due_at.to_jiff(),
            claimed_until: row.claimed_until.map(jiff_sqlx::Timestamp::to_jiff),
        })
    });
    letters.collect()
}
