//! What was observed in XPhone: only who holds the listener's lease records it, and every record wakes whom it concerns.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::feed::{self, Feed};
use super::lease::{self, Lease};
use super::{Store, StoreError, Tx, commit, traces};
use crate::domain::expiry::XPHONE_TRUSTED;
use crate::domain::ids::{PresenceStateGuid, UserGuid};
use crate::domain::mapping::Meeting;
use crate::domain::timeline::Waker;
use crate::trace::TraceContext;

/// Facts in one statement: whoever records about the same users must not wait for a whole tenant's.
pub const XPHONE_FACTS_MAX: usize = 500;

/// What XPhone said of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct XphoneFact {
    /// Whose presence.
    pub user: UserGuid,
    /// Bits of the telephone state.
    pub telephone_state: i32,
    /// The meeting, if any.
    pub meeting: Meeting,
    /// The user's own status; `None`: ours covers it, and it is what it was.
    pub own_status: Option<PresenceStateGuid>,
    /// Whether the gateway made the presence now shown.
    pub ours: bool,
    /// Whether a client of the user is connected.
    pub client_connected: bool,
    /// The event, or the snapshot, that said so.
    pub sequence: i64,
    /// Where the change is followed.
    pub trace: Option<TraceContext>,
}

/// What came of recording facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Recorded {
    /// Users of whom something is new.
    pub changed: u64,
    /// Of those, users whose own presence may have changed: they were woken.
    pub woken: u64,
    /// Of those, users whose client has just connected: Teams is to be read.
    pub to_confirm: u64,
}

#[derive(Default)]
struct Columns {
    users: Vec<Uuid>,
    telephones: Vec<i32>,
    meetings: Vec<String>,
    own_statuses: Vec<Option<Uuid>>,
    ours: Vec<bool>,
    connected: Vec<bool>,
    sequences: Vec<i64>,
}

fn columns(facts: &[XphoneFact]) -> Columns {
    let mut columns = Columns::default();
    for fact in facts {
        columns.users.push(fact.user.0);
        columns.telephones.push(fact.telephone_state);
        columns.meetings.push(fact.meeting.label().to_owned());
        columns.own_statuses.push(fact.own_status.map(|status| status.0));
        columns.ours.push(fact.ours);
        columns.connected.push(fact.client_connected);
        columns.sequences.push(fact.sequence);
    }
    columns
}

impl Store {
    /// Records facts, at most one a user and [`XPHONE_FACTS_MAX`] in all, that arrived at `now`. Where a client has just connected,
    /// Teams is to be read. Woken is only whose own presence may have changed: what we set there ourselves changes nobody's. Who is heard
    /// of for the first time comes after fresh changes: that may be thousands.
    ///
    /// `None`: the lease is another's by now, who may know newer facts, and nothing was recorded. It stays ours until this is done.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn record_xphone(
        &self,
        facts: &[XphoneFact],
        lease: Lease,
        now: Timestamp,
    ) -> Result<Option<Recorded>, StoreError> {
        let Columns { users, telephones, meetings, own_statuses, ours, connected, sequences } = columns(facts);
        let traces = traces(facts.iter().map(|fact| fact.trace));
        let mut tx = self.begin().await?;
        if !lease::is_held(&mut tx, lease).await? {
            return Ok(None);
        }
        let recorded = sqlx::query!(
            r#"
            with changed as (
                update user_state s set
                    xphone_telephone_state = n.telephone_state,
                    xphone_meeting = n.meeting,
                    xphone_status_guid = n.status,
                    xphone_ours = n.ours,
                    xphone_client_connected = n.connected,
                    xphone_sequence = n.sequence,
                    xphone_observed_at = $8,
                    confirm_at = case when n.started then least(s.confirm_at, $8) else s.confirm_at end,
                    changed_at = case when n.matters and s.xphone_observed_at is not null then coalesce(s.changed_at, $8) else s.changed_at end,
                    revisit_at = case when not n.matters then s.revisit_at
                        when s.xphone_observed_at is null then least(s.revisit_at, '1980-01-01Z') else 'epoch' end,
                    woken_by = case when n.matters then s.woken_by | $9 else s.woken_by end,
                    trace = case when n.matters then coalesce(n.trace, s.trace) else s.trace end
                from (
                    select n.user_guid, n.telephone_state, n.meeting, own.status, n.ours, n.connected, n.sequence, n.trace,
                        n.connected and not held.xphone_client_connected as started,
                        (held.xphone_telephone_state, held.xphone_meeting, before.kind)
                            is distinct from (n.telephone_state, n.meeting, after.kind) as matters
                    from unnest($1::uuid[], $2::int4[], $3::text[], $4::uuid[], $5::bool[], $6::bool[], $7::int8[], $10::text[])
                            as n (user_guid, telephone_state, meeting, own_status, ours, connected, sequence, trace)
                        join user_state held on held.user_guid = n.user_guid
                        cross join lateral (select coalesce(n.own_status, held.xphone_status_guid) as status) own
                        left join presence_status before on before.guid = held.xphone_status_guid
                            and before.kind in ('busy', 'do_not_disturb')
                        left join presence_status after on after.guid = own.status and after.kind in ('busy', 'do_not_disturb')
                    where (held.xphone_telephone_state, held.xphone_meeting, held.xphone_status_guid, held.xphone_ours,
                            held.xphone_client_connected)
                        is distinct from (n.telephone_state, n.meeting, own.status, n.ours, n.connected)
                    order by n.user_guid for no key update of held
                ) n
                where s.user_guid = n.user_guid
                    and (s.xphone_telephone_state, s.xphone_meeting, s.xphone_status_guid, s.xphone_ours, s.xphone_client_connected)
                        is distinct from (n.telephone_state, n.meeting, n.status, n.ours, n.connected)
                returning n.matters, n.started
            )
            select count(*) as "changed!", count(*) filter (where matters) as "woken!", count(*) filter (where started) as "started!"
            from changed
            "#,
            &users,
            &telephones,
            &meetings,
            &own_statuses as _,
            &ours,
            &connected,
            &sequences,
            now.to_sqlx(),
            Waker::Xphone.bit(),
            &traces as _,
        )
        .fetch_one(&mut *tx)
        .await?;
        commit(tx).await?;
        let count = |rows: i64| u64::try_from(rows).unwrap_or_default();
        let (changed, woken, to_confirm) = (count(recorded.changed), count(recorded.woken), count(recorded.started));
        Ok(Some(Recorded { changed, woken, to_confirm }))
    }

    /// Notes that what is recorded of XPhone was still true at `at`, and wakes whom a long silence held; `false`: the lease is another's by now, and nothing was noted.
    ///
    /// # Errors
    /// Postgres could not.
    pub async fn note_xphone_true(&self, lease: Lease, at: Timestamp) -> Result<bool, StoreError> {
        let mut tx = self.begin().await?;
        if !lease::is_held(&mut tx, lease).await? {
            return Ok(false);
        }
        let heard = sqlx::query_scalar!("select refreshed_at from feed where name = $1", Feed::XphonePresence.label());
        let heard_at = heard.fetch_optional(&mut *tx).await?.map(jiff_sqlx::Timestamp::to_jiff);
        feed::note(&mut tx, Feed::XphonePresence, at).await?;
        if heard_at.is_none_or(|heard_at| heard_at + XPHONE_TRUSTED <= at) {
            wake_those_held(&mut tx).await?;
        }
        commit(tx).await?;
        Ok(true)
    }
}

/// While XPhone was silent nothing was decided on its word; now it is heard again, also about those of whom it says what it said.
async fn wake_those_held(tx: &mut Tx<'_>) -> Result<(), StoreError> {
    sqlx::query!(
        "update user_state s set revisit_at = least(s.revisit_at, '1980-01-01Z'), woken_by = s.woken_by | $1 from (
             select user_guid from user_state
             where in_teams or xphone_telephone_state & 4 <> 0 or xphone_meeting in ('audio', 'video')
                 or xphone_status_guid in (select guid from presence_status where kind = 'do_not_disturb')
             order by user_guid for no key update
         ) held where s.user_guid = held.user_guid",
        Waker::Xphone.bit(),
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
