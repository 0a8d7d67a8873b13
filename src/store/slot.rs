//! What was recorded about each slot, and what lies in its mailbox: loaded for deciding, stored as decided.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::{StoreError, Tx, known};
use crate::domain::ids::{PresenceStateGuid, ProfileGuid, TeamsUserId, UserGuid};
use crate::domain::mapping::Cause;
use crate::domain::presence::Presence;
use crate::domain::reconcile::{Decision, Snapshot};
use crate::domain::slot::{
    Appointment, Audience, Live, Look, Pending, Reached, Record, Shown, Sighting, Slot, SlotName, Suppression, TeamsSlot,
};

const SHOWN: &str = "shown";
const ENDED: &str = "ended";

/// What is known of all of one user's slots.
#[derive(Clone, Debug)]
pub(super) struct Slots {
    pub appointment: Slot,
    pub session: TeamsSlot,
    pub preferred: TeamsSlot,
}

impl Default for Slots {
    fn default() -> Self {
        Self { appointment: Slot::Empty, session: TeamsSlot::default(), preferred: TeamsSlot::default() }
    }
}

impl Slots {
    fn teams(&mut self, name: SlotName) -> Option<&mut TeamsSlot> {
        match name {
            SlotName::XphoneAppointment => None,
            SlotName::TeamsSession => Some(&mut self.session),
            SlotName::TeamsPreferred => Some(&mut self.preferred),
        }
    }
}

struct SlotRow {
    user_guid: Uuid,
    name: String,
    state: String,
    cause: Option<String>,
    since: jiff_sqlx::Timestamp,
    until: Option<jiff_sqlx::Timestamp>,
    reached_at: Option<jiff_sqlx::Timestamp>,
    presence: Option<String>,
    subject: Option<String>,
    profile_guid: Option<Uuid>,
    presence_status_guid: Option<Uuid>,
    colleagues_only: bool,
    sighting: String,
    teams_id: Option<Uuid>,
    live_from: Option<jiff_sqlx::Timestamp>,
    live_until: Option<jiff_sqlx::Timestamp>,
    given_up: bool,
}

pub(super) async fn load(tx: &mut Tx<'_>, users: &[Uuid]) -> Result<HashMap<Uuid, Slots>, StoreError> {
    let rows = sqlx::query_as!(
        SlotRow,
        "select user_guid, name, state, cause, since, until, reached_at, presence, subject, profile_guid, presence_status_guid, colleagues_only, sighting,
             teams_id, live_from, live_until, given_up
         from slot where user_guid = any($1)",
        users,
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut slots: HashMap<Uuid, Slots> = HashMap::new();
    for row in rows {
        let name = known(&row.name, SlotName::from_label)?;
        let slots = slots.entry(row.user_guid).or_default();
        match slots.teams(name) {
            Some(slot) => *slot = teams_slot(&row)?,
            None => slots.appointment = appointment(&row)?,
        }
    }
    load_letters(tx, users, &mut slots).await?;
    Ok(slots)
}

/// Keeps the letters for Teams as they are until the transaction ends: what is decided about one that nobody sends must still be true
/// of it when the decision is stored.
///
/// # Errors
/// Postgres could not.
pub(super) async fn lock_letters(tx: &mut Tx<'_>, users: &[Uuid]) -> Result<(), StoreError> {
    if !users.is_empty() {
        sqlx::query!("select from outbox where user_guid = any($1) and slot <> 'xphone_appointment' for update", users)
            .execute(&mut **tx)
            .await?;
    }
    Ok(())
}

/// A slot is live from the moment its letter was sent, whatever became of it, until a letter that takes it away has arrived. One that
/// waits to be taken away ends by itself at the latest.
async fn load_letters(tx: &mut Tx<'_>, users: &[Uuid], slots: &mut HashMap<Uuid, Slots>) -> Result<(), StoreError> {
    let letters = sqlx::query!(
        r#"select user_guid, slot, teams_id as "teams_id!", shows, sent_at, decided_at, claimed_until
           from outbox where user_guid = any($1) and slot <> 'xphone_appointment'"#,
        users,
    );
    for letter in letters.fetch_all(&mut **tx).await? {
        let name = known(&letter.slot, SlotName::from_label)?;
        let Some(slot) = slots.entry(letter.user_guid).or_default().teams(name) else { continue };
        slot.pending = Some(Pending {
            teams_user: TeamsUserId(letter.teams_id),
            shows: letter.shows,
            decided_at: letter.decided_at.to_jiff(),
            claimed_until: letter.claimed_until.map(jiff_sqlx::Timestamp::to_jiff),
        });
        if let Some(sent_at) = letter.sent_at.map(jiff_sqlx::Timestamp::to_jiff) {
            let from = slot.live.map_or(sent_at, |live| live.from.min(sent_at));
            // A window that had ended before the letter was sent is open again.
            let ended = |until: &Timestamp| !letter.shows && *until >= sent_at;
            let until = slot.live.and_then(|live| live.until).filter(ended);
            slot.live = Some(Live { from, until });
        }
    }
    Ok(())
}

fn broken(row: &SlotRow) -> StoreError {
    StoreError::Unknown(format!("a slot in state {:?} without what belongs to it", row.state))
}

fn appointment(row: &SlotRow) -> Result<Slot, StoreError> {
    let cause = row.cause.as_deref().map(|cause| known(cause, Cause::from_label)).transpose()?;
    let since = row.since.to_jiff();
    if let Some(why) = Suppression::from_label(&row.state) {
        return Ok(Slot::Suppressed { cause: cause.ok_or_else(|| broken(row))?, why, since });
    }
    let presence = known(row.presence.as_deref().unwrap_or_default(), Presence::from_label)?;
    let appointment = Appointment {
        subject: row.subject.clone().ok_or_else(|| broken(row))?,
        look: look(row.profile_guid, row.presence_status_guid).ok_or_else(|| broken(row))?,
        audience: audience(row.colleagues_only),
    };
    let until = row.until.map(jiff_sqlx::Timestamp::to_jiff).ok_or_else(|| broken(row))?;
    let sighting = known(&row.sighting, Sighting::from_label)?;
    Ok(Slot::Shown(Shown { appointment, presence, cause, since, until, sighting }))
}

fn teams_slot(row: &SlotRow) -> Result<TeamsSlot, StoreError> {
    let since = row.since.to_jiff();
    let reached = row.reached_at.zip(row.until).map(|(at, until)| Reached { at: at.to_jiff(), until: until.to_jiff() });
    let record = match row.state.as_str() {
        SHOWN => {
            let teams_user = TeamsUserId(row.teams_id.ok_or_else(|| broken(row))?);
            Record::Shown { teams_user, since, reached, given_up: row.given_up }
        }
        ENDED => Record::Empty,
        other => Record::Suppressed { why: known(other, Suppression::from_label)?, since },
    };
    let live = row.live_from.map(|from| Live { from: from.to_jiff(), until: row.live_until.map(jiff_sqlx::Timestamp::to_jiff) });
    Ok(TeamsSlot { record, live, pending: None })
}

/// An appointment looks like a profile or like a status, never both.
pub(super) fn look(profile: Option<Uuid>, status: Option<Uuid>) -> Option<Look> {
    match (profile, status) {
        (Some(profile), None) => Some(Look::Profile(ProfileGuid(profile))),
        (None, Some(status)) => Some(Look::Status(PresenceStateGuid(status))),
        _ => None,
    }
}

/// Who sees an appointment.
pub(super) fn audience(colleagues_only: bool) -> Audience {
    if colleagues_only { Audience::TeamColleagues } else { Audience::Everybody }
}

/// The two columns of a look.
pub(super) fn look_columns(look: Look) -> (Option<Uuid>, Option<Uuid>) {
    match look {
        Look::Profile(profile) => (Some(profile.0), None),
        Look::Status(status) => (None, Some(status.0)),
    }
}

/// Rows to write, column by column, and rows to delete.
#[derive(Default)]
pub(super) struct Changes {
    emptied: (Vec<Uuid>, Vec<String>),
    users: Vec<Uuid>,
    names: Vec<String>,
    states: Vec<String>,
    causes: Vec<Option<String>>,
    sinces: Vec<jiff_sqlx::Timestamp>,
    untils: Vec<Option<jiff_sqlx::Timestamp>>,
    presences: Vec<Option<String>>,
    subjects: Vec<Option<String>>,
    profiles: Vec<Option<Uuid>>,
    statuses: Vec<Option<Uuid>>,
    colleagues_only: Vec<bool>,
    teams_ids: Vec<Option<Uuid>>,
    reached: Vec<Option<jiff_sqlx::Timestamp>>,
    live_froms: Vec<Option<jiff_sqlx::Timestamp>>,
    live_untils: Vec<Option<jiff_sqlx::Timestamp>>,
    given_up: Vec<bool>,
}

/// What a row says that both kinds of slots have.
struct Common {
    state: &'static str,
    cause: Option<Cause>,
    since: Timestamp,
    until: Option<Timestamp>,
}

impl Changes {
    /// What the decision changes of what was recorded.
    pub fn add(&mut self, user: UserGuid, before: &Snapshot, decision: &Decision, now: Timestamp) {
        if decision.appointment.slot != before.appointment {
            self.add_appointment(user, &decision.appointment.slot);
        }
        let teams = [
            (SlotName::TeamsSession, Cause::Call, before.session, decision.session.slot),
            (SlotName::TeamsPreferred, Cause::DoNotDisturb, before.preferred, decision.preferred.slot),
        ];
        for (name, cause, before, after) in teams {
            if (before.record, before.live) != (after.record, after.live) {
                self.add_teams(user, name, cause, after, now);
            }
        }
    }

    fn add_appointment(&mut self, user: UserGuid, slot: &Slot) {
        let name = SlotName::XphoneAppointment;
        let common = match slot {
            Slot::Empty => return self.empty(user, name),
            Slot::Shown(shown) => Common { state: SHOWN, cause: shown.cause, since: shown.since, until: Some(shown.until) },
            Slot::Suppressed { cause, why, since } => {
                Common { state: why.label(), cause: Some(*cause), since: *since, until: None }
            }
        };
        let shown = if let Slot::Shown(shown) = slot { Some(shown) } else { None };
        let (profile, status) = shown.map_or((None, None), |shown| look_columns(shown.appointment.look));
        self.add_common(user, name, &common);
        self.presences.push(shown.map(|shown| shown.presence.label().to_owned()));
        self.subjects.push(shown.map(|shown| shown.appointment.subject.clone()));
        self.profiles.push(profile);
        self.statuses.push(status);
        self.colleagues_only.push(shown.is_some_and(|shown| shown.appointment.audience == Audience::TeamColleagues));
        self.add_live(None, None, None, false);
    }

    fn add_teams(&mut self, user: UserGuid, name: SlotName, cause: Cause, slot: TeamsSlot, now: Timestamp) {
        let cause = Some(cause);
        let (common, teams_user, reached) = match slot.record {
            Record::Empty if slot.live.is_none() => return self.empty(user, name),
            Record::Empty => (Common { state: ENDED, cause, since: now, until: None }, None, None),
            Record::Suppressed { why, since } => (Common { state: why.label(), cause, since, until: None }, None, None),
            Record::Shown { teams_user, since, reached, .. } => {
                let until = reached.map(|reached| reached.until);
                (Common { state: SHOWN, cause, since, until }, Some(teams_user), reached)
            }
        };
        self.add_common(user, name, &common);
        self.presences.push(None);
        self.subjects.push(None);
        self.profiles.push(None);
        self.statuses.push(None);
        self.colleagues_only.push(false);
        let given_up = matches!(slot.record, Record::Shown { given_up: true, .. });
        self.add_live(teams_user, reached, slot.live, given_up);
    }

    fn empty(&mut self, user: UserGuid, name: SlotName) {
        self.emptied.0.push(user.0);
        self.emptied.1.push(name.label().to_owned());
    }

    fn add_common(&mut self, user: UserGuid, name: SlotName, common: &Common) {
        self.users.push(user.0);
        self.names.push(name.label().to_owned());
        self.states.push(common.state.to_owned());
        self.causes.push(common.cause.map(|cause| cause.label().to_owned()));
        self.sinces.push(common.since.to_sqlx());
        self.untils.push(common.until.map(ToSqlx::to_sqlx));
    }

    fn add_live(&mut self, teams_user: Option<TeamsUserId>, reached: Option<Reached>, live: Option<Live>, given_up: bool) {
        self.teams_ids.push(teams_user.map(|id| id.0));
        self.reached.push(reached.map(|reached| reached.at.to_sqlx()));
        self.live_froms.push(live.map(|live| live.from.to_sqlx()));
        self.live_untils.push(live.and_then(|live| live.until).map(ToSqlx::to_sqlx));
        self.given_up.push(given_up);
    }

    pub async fn store(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        let (users, names) = &self.emptied;
        if !users.is_empty() {
            let emptying = sqlx::query!(
                // Looked up one by one and deleted by their place: joined, all would be read if a plan was made while there were none.
                "delete from slot where ctid = any(array(
                     select s.place from unnest($1::uuid[], $2::text[]) as n (user_guid, name) cross join lateral (
                         select ctid as place from slot where user_guid = n.user_guid and name = n.name limit 1) s))",
                users,
                names,
            );
            emptying.execute(&mut **tx).await?;
        }
        if self.users.is_empty() { Ok(()) } else { self.write(tx).await }
    }

    /// An appointment's arrival is the dispatcher's to record, and stays recorded as long as something is shown.
    async fn write(self, tx: &mut Tx<'_>) -> Result<(), StoreError> {
        sqlx::query!(
            "insert into slot (user_guid, name, state, cause, since, until, presence, subject, profile_guid, presence_status_guid,
                 teams_id, reached_at, live_from, live_until, given_up, colleagues_only)
             select unnest($1::uuid[]), unnest($2::text[]), unnest($3::text[]), unnest($4::text[]), unnest($5::timestamptz[]),
                 unnest($6::timestamptz[]), unnest($7::text[]), unnest($8::text[]), unnest($9::uuid[]), unnest($10::uuid[]),
                 unnest($11::uuid[]), unnest($12::timestamptz[]), unnest($13::timestamptz[]), unnest($14::timestamptz[]),
                 unnest($15::bool[]), unnest($16::bool[])
             on conflict (user_guid, name) do update set state = excluded.state, cause = excluded.cause, since = excluded.since,
                 until = excluded.until, presence = excluded.presence, subject = excluded.subject,
                 profile_guid = excluded.profile_guid, presence_status_guid = excluded.presence_status_guid, sighting = 'as_set',
                 teams_id = excluded.teams_id, live_from = excluded.live_from, live_until = excluded.live_until,
                 given_up = excluded.given_up, colleagues_only = excluded.colleagues_only,
                 reached_at = case when slot.name <> 'xphone_appointment' then excluded.reached_at
                     when excluded.state = 'shown' then slot.reached_at end",
            &self.users,
            &self.names,
            &self.states,
            &self.causes as _,
            self.sinces as _,
            self.untils as _,
            &self.presences as _,
            &self.subjects as _,
            &self.profiles as _,
            &self.statuses as _,
            &self.teams_ids as _,
            self.reached as _,
            self.live_froms as _,
            self.live_untils as _,
            &self.given_up,
            &self.colleagues_only,
        )
        .execute(&mut **tx)
        .await?;
        Ok(())
    }
}
