//! The reconciler's two statements on everything: load the snapshots of those whose time has come, store what was decided.

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::{StoreError, Tx, known, rows};
use crate::domain::ids::{PresenceStateGuid, ProfileGuid, UserGuid};
use crate::domain::mapping::{Cause, Meeting, StatusKind, TeamsNative, XphoneEntry, read_teams};
use crate::domain::policy::{self, Mode, TeamsSync};
use crate::domain::presence::Presence;
use crate::domain::reconcile::{Decision, Profile, Push, Remembered, Snapshot, Source, TeamsObservation};
use crate::domain::slot::{Appointment, Look, Shown, Sighting, Slot, SlotName, Suppression};

/// A user whose time has come, and everything known about them.
#[derive(Clone, Debug)]
pub struct Due {
    /// Who.
    pub user: UserGuid,
    /// What is known.
    pub snapshot: Snapshot,
    /// Arrival of the oldest change not decided yet.
    pub changed_at: Option<Timestamp>,
}

/// What was decided for a user.
#[derive(Clone, Debug)]
pub struct Decided {
    /// Who, and on what grounds.
    pub due: Due,
    /// What.
    pub decision: Decision,
}

struct StateRow {
    user_guid: Uuid,
    matched: bool,
    teams_availability: Option<String>,
    teams_activity: Option<String>,
    teams_source: Option<String>,
    teams_observed_at: Option<jiff_sqlx::Timestamp>,
    native: Option<String>,
    native_since: Option<jiff_sqlx::Timestamp>,
    xphone_telephone_state: Option<i32>,
    xphone_meeting: Option<String>,
    xphone_status_guid: Option<Uuid>,
    xphone_ours: Option<bool>,
    changed_at: Option<jiff_sqlx::Timestamp>,
    location_mode: Option<String>,
    location_may_change: Option<bool>,
    location_shadow: Option<bool>,
    group_mode: Option<String>,
    group_may_change: Option<bool>,
    group_shadow: Option<bool>,
    choice: Option<String>,
}

/// Locks and loads up to `limit` users whose `revisit_at` has come; nobody else decides for them while the transaction lasts.
///
/// # Errors
/// Postgres could not, or holds a word this version does not know.
pub async fn load_due(tx: &mut Tx<'_>, now: Timestamp, limit: usize) -> Result<Vec<Due>, StoreError> {
    let due = sqlx::query_scalar!(
        "select user_guid from user_state where revisit_at <= $1 order by revisit_at limit $2 for update skip locked",
        now.to_sqlx(),
        rows(limit),
    )
    .fetch_all(&mut **tx)
    .await?;
    load(tx, &due, now).await
}

/// Loads everything known about these users, without deciding anything.
///
/// # Errors
/// As [`load_due`].
pub async fn load(tx: &mut Tx<'_>, users: &[Uuid], now: Timestamp) -> Result<Vec<Due>, StoreError> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let states = sqlx::query_as!(
        StateRow,
        r#"
        select s.user_guid, p.teams_id is not null as "matched!", s.teams_availability, s.teams_activity, s.teams_source,
            s.teams_observed_at, s.native, s.native_since, s.xphone_telephone_state, s.xphone_meeting, s.xphone_status_guid,
            s.xphone_ours, s.changed_at,
            l.mode as "location_mode?", l.user_may_change as "location_may_change?", l.shadow as "location_shadow?",
            g.mode as "group_mode?", g.user_may_change as "group_may_change?", g.shadow as "group_shadow?",
            c.mode as "choice?"
        from user_state s
            join person p on p.guid = s.user_guid
            left join teams_sync l on l.guid = p.location_guid
            left join teams_sync g on g.guid = p.configuration_group_guid
            left join teams_sync_choice c on c.user_guid = s.user_guid
        where s.user_guid = any($1)
        "#,
        users,
    )
    .fetch_all(&mut **tx)
    .await?;
    let kinds = load_kinds(tx).await?;
    let mut profiles = load_profiles(tx, users, &kinds).await?;
    let mut slots = load_appointments(tx, users).await?;
    let busy_status = kinds.iter().filter(|(_, kind)| **kind == StatusKind::Busy).map(|(guid, _)| PresenceStateGuid(*guid)).min();
    let due = states.into_iter().map(|row| {
        let user = UserGuid(row.user_guid);
        let changed_at = row.changed_at.map(jiff_sqlx::Timestamp::to_jiff);
        let snapshot = Snapshot {
            now,
            policy: policy::effective(location(&row)?, group(&row)?, choice(&row)?),
            matched: row.matched,
            teams: teams(&row)?,
            remembered: remembered(&row)?,
            xphone: xphone(&row, &kinds)?,
            profiles: profiles.remove(&row.user_guid).unwrap_or_default(),
            busy_status,
            appointment: slots.remove(&row.user_guid).unwrap_or(Slot::Empty),
        };
        Ok(Due { user, snapshot, changed_at })
    });
    due.collect()
}

fn location(row: &StateRow) -> Result<Option<TeamsSync>, StoreError> {
    sync(row.location_mode.as_deref(), row.location_may_change, row.location_shadow)
}

fn group(row: &StateRow) -> Result<Option<TeamsSync>, StoreError> {
    sync(row.group_mode.as_deref(), row.group_may_change, row.group_shadow)
}

fn choice(row: &StateRow) -> Result<Option<Mode>, StoreError> {
    row.choice.as_deref().map(|mode| known(mode, Mode::from_label)).transpose()
}

fn sync(mode: Option<&str>, user_may_change: Option<bool>, shadow: Option<bool>) -> Result<Option<TeamsSync>, StoreError> {
    let Some(mode) = mode else { return Ok(None) };
    let mode = known(mode, Mode::from_label)?;
    let (user_may_change, shadow) = (user_may_change.unwrap_or(false), shadow.unwrap_or(false));
    Ok(Some(TeamsSync { mode, user_may_change, remember_login_data: false, shadow }))
}

fn teams(row: &StateRow) -> Result<Option<TeamsObservation>, StoreError> {
    let (Some(availability), Some(activity), Some(source), Some(observed_at)) =
        (&row.teams_availability, &row.teams_activity, &row.teams_source, row.teams_observed_at)
    else {
        return Ok(None);
    };
    let source = match source.as_str() {
        "notification" => Source::Notification,
        "read" => Source::Read,
        other => return Err(StoreError::Unknown(format!("{other:?}"))),
    };
    let native = read_teams(availability, activity).native;
    Ok(Some(TeamsObservation { native, source, observed_at: observed_at.to_jiff() }))
}

fn remembered(row: &StateRow) -> Result<Option<Remembered>, StoreError> {
    let (Some(native), Some(since)) = (&row.native, row.native_since) else { return Ok(None) };
    Ok(Some(Remembered { native: known(native, TeamsNative::from_label)?, since: since.to_jiff() }))
}

fn xphone(row: &StateRow, kinds: &HashMap<Uuid, StatusKind>) -> Result<Option<XphoneEntry>, StoreError> {
    let (Some(telephone_state), Some(meeting), Some(ours)) = (row.xphone_telephone_state, &row.xphone_meeting, row.xphone_ours)
    else {
        return Ok(None);
    };
    let status = row.xphone_status_guid.and_then(|guid| kinds.get(&guid).copied());
    Ok(Some(XphoneEntry { telephone_state, meeting: known(meeting, Meeting::from_label)?, status, ours }))
}

async fn load_kinds(tx: &mut Tx<'_>) -> Result<HashMap<Uuid, StatusKind>, StoreError> {
    let rows = sqlx::query!("select guid, kind from presence_status").fetch_all(&mut **tx).await?;
    Ok(rows.into_iter().filter_map(|row| Some((row.guid, StatusKind::from_label(&row.kind)?))).collect())
}

async fn load_profiles(
    tx: &mut Tx<'_>,
    users: &[Uuid],
    kinds: &HashMap<Uuid, StatusKind>,
) -> Result<HashMap<Uuid, Vec<Profile>>, StoreError> {
    let rows = sqlx::query!(
        "select user_guid, guid, name, presence_status_guid, active from profile where user_guid = any($1) order by user_guid, position",
        users,
    )
    .fetch_all(&mut **tx)
    .await?;
    let mut profiles: HashMap<Uuid, Vec<Profile>> = HashMap::new();
    for row in rows {
        let status = kinds.get(&row.presence_status_guid).copied();
        let profile = Profile { guid: ProfileGuid(row.guid), name: row.name, status, active: row.active };
        profiles.entry(row.user_guid).or_default().push(profile);
    }
    Ok(profiles)
}

async fn load_appointments(tx: &mut Tx<'_>, users: &[Uuid]) -> Result<HashMap<Uuid, Slot>, StoreError> {
    let rows = sqlx::query!(
        "select user_guid, state, cause, since, until, presence, subject, profile_guid, presence_status_guid, sighting
         from slot where user_guid = any($1) and name = $2",
        users,
        SlotName::XphoneAppointment.label(),
    )
    .fetch_all(&mut **tx)
    .await?;
    let slots = rows.into_iter().map(|row| {
        let cause = row.cause.as_deref().map(|cause| known(cause, Cause::from_label)).transpose()?;
        let since = row.since.to_jiff();
        let broken = || StoreError::Unknown(format!("a slot in state {:?} without what belongs to it", row.state));
        let slot = if let Some(why) = Suppression::from_label(&row.state) {
            Slot::Suppressed { cause: cause.ok_or_else(broken)?, why, since }
        } else {
            let presence = known(row.presence.as_deref().unwrap_or_default(), Presence::from_label)?;
            let appointment = Appointment {
                subject: row.subject.clone().ok_or_else(broken)?,
                look: look(row.profile_guid, row.presence_status_guid).ok_or_else(broken)?,
            };
            let until = row.until.map(jiff_sqlx::Timestamp::to_jiff).ok_or_else(broken)?;
            Slot::Shown(Shown {
                appointment,
                presence,
                cause,
                since,
                until,
                sighting: known(&row.sighting, Sighting::from_label)?,
            })
        };
        Ok((row.user_guid, slot))
    });
    slots.collect()
}

/// An appointment looks like a profile or like a status, never both.
pub(super) fn look(profile: Option<Uuid>, status: Option<Uuid>) -> Option<Look> {
    match (profile, status) {
        (Some(profile), None) => Some(Look::Profile(ProfileGuid(profile))),
        (None, Some(status)) => Some(Look::Status(PresenceStateGuid(status))),
        _ => None,
    }
}

/// The two columns of a look.
pub(super) fn look_columns(look: Look) -> (Option<Uuid>, Option<Uuid>) {
    match look {
        Look::Profile(profile) => (Some(profile.0), None),
        Look::Status(status) => (None, Some(status.0)),
    }
}

/// Stores decisions: what to remember, what is recorded as shown, what goes into the mailboxes, when to look again.
///
/// # Errors
/// Postgres could not; within the transaction nothing must be kept.
pub async fn store(tx: &mut Tx<'_>, decided: &[Decided], now: Timestamp) -> Result<(), StoreError> {
    store_states(tx, decided, now).await?;
    clear_mailboxes(tx, decided, now).await?;
    fill_mailboxes(tx, decided, now).await?;
    store_slots(tx, decided).await
}

async fn store_states(tx: &mut Tx<'_>, decided: &[Decided], now: Timestamp) -> Result<(), StoreError> {
    let users: Vec<Uuid> = decided.iter().map(|one| one.due.user.0).collect();
    let remembered = |one: &Decided| one.decision.remembered;
    let natives: Vec<Option<String>> =
        decided.iter().map(|one| remembered(one).map(|remembered| remembered.native.label().to_owned())).collect();
    let sinces: Vec<Option<jiff_sqlx::Timestamp>> =
        decided.iter().map(|one| remembered(one).map(|remembered| remembered.since.to_sqlx())).collect();
    let reasons: Vec<String> = decided.iter().map(|one| one.decision.reason.label().to_owned()).collect();
    let revisits: Vec<Option<jiff_sqlx::Timestamp>> =
        decided.iter().map(|one| one.decision.revisit_at.map(ToSqlx::to_sqlx)).collect();
    sqlx::query!(
        "update user_state s set native = d.native, native_since = d.native_since, reason = d.reason, revisit_at = d.revisit_at,
             decided_at = $6, changed_at = null
         from unnest($1::uuid[], $2::text[], $3::timestamptz[], $4::text[], $5::timestamptz[])
             as d (user_guid, native, native_since, reason, revisit_at)
         where s.user_guid = d.user_guid",
        &users,
        &natives as _,
        sinces as _,
        &reasons,
        revisits as _,
        now.to_sqlx(),
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What never left the mailbox and never reached the side needs no clearing: it is just taken out again. Everything else is cleared.
async fn clear_mailboxes(tx: &mut Tx<'_>, decided: &[Decided], now: Timestamp) -> Result<(), StoreError> {
    let cleared = || decided.iter().filter(|one| one.decision.push == Some(Push::Clear));
    let users: Vec<Uuid> = cleared().map(|one| one.due.user.0).collect();
    if users.is_empty() {
        return Ok(());
    }
    let changed: Vec<Option<jiff_sqlx::Timestamp>> = cleared().map(|one| one.due.changed_at.map(ToSqlx::to_sqlx)).collect();
    sqlx::query!(
        "with unsent as (
             delete from outbox o using slot s
             where o.user_guid = any($1) and o.slot = $4 and o.shows and not o.maybe_applied
                 and s.user_guid = o.user_guid and s.name = o.slot and s.reached_at is null
             returning o.user_guid
         )
         insert into outbox (user_guid, slot, shows, changed_at, decided_at, due_at)
         select c.user_guid, $4, false, c.changed_at, $3, $3
         from unnest($1::uuid[], $2::timestamptz[]) as c (user_guid, changed_at)
         where c.user_guid not in (select user_guid from unsent)
         on conflict (user_guid, slot) do update set generation = nextval('outbox_generation'), shows = false, subject = null,
             profile_guid = null, presence_status_guid = null, starts_at = null, ends_at = null,
             changed_at = excluded.changed_at, decided_at = excluded.decided_at, due_at = excluded.due_at, attempts = 0, problem = null",
        &users,
        changed as _,
        now.to_sqlx(),
        SlotName::XphoneAppointment.label(),
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What lay in the mailbox is replaced; if that was an unfinished clear, something of ours may still be on the side.
async fn fill_mailboxes(tx: &mut Tx<'_>, decided: &[Decided], now: Timestamp) -> Result<(), StoreError> {
    let shown: Vec<(&Due, &Appointment, Timestamp, Timestamp)> = decided
        .iter()
        .filter_map(|one| match &one.decision.push {
            Some(Push::Show { appointment, start, end }) => Some((&one.due, appointment, *start, *end)),
            _ => None,
        })
        .collect();
    if shown.is_empty() {
        return Ok(());
    }
    let users: Vec<Uuid> = shown.iter().map(|(due, ..)| due.user.0).collect();
    let subjects: Vec<String> = shown.iter().map(|(_, appointment, ..)| appointment.subject.clone()).collect();
    let (profiles, statuses): (Vec<Option<Uuid>>, Vec<Option<Uuid>>) =
        shown.iter().map(|(_, appointment, ..)| look_columns(appointment.look)).unzip();
    let starts = super::times(shown.iter().map(|(.., start, _)| start));
    let ends = super::times(shown.iter().map(|(.., end)| end));
    let changed: Vec<Option<jiff_sqlx::Timestamp>> = shown.iter().map(|(due, ..)| due.changed_at.map(ToSqlx::to_sqlx)).collect();
    sqlx::query!(
        "insert into outbox (user_guid, slot, shows, subject, profile_guid, presence_status_guid, starts_at, ends_at, changed_at,
             decided_at, due_at)
         select n.user_guid, $9, true, n.subject, n.profile_guid, n.presence_status_guid, n.starts_at, n.ends_at, n.changed_at, $8, $8
         from unnest($1::uuid[], $2::text[], $3::uuid[], $4::uuid[], $5::timestamptz[], $6::timestamptz[], $7::timestamptz[])
             as n (user_guid, subject, profile_guid, presence_status_guid, starts_at, ends_at, changed_at)
         on conflict (user_guid, slot) do update set generation = nextval('outbox_generation'), shows = true,
             maybe_applied = outbox.maybe_applied or not outbox.shows, subject = excluded.subject,
             profile_guid = excluded.profile_guid, presence_status_guid = excluded.presence_status_guid,
             starts_at = excluded.starts_at, ends_at = excluded.ends_at, changed_at = excluded.changed_at,
             decided_at = excluded.decided_at, due_at = excluded.due_at, attempts = 0, problem = null",
        &users,
        &subjects,
        &profiles as _,
        &statuses as _,
        starts as _,
        ends as _,
        changed as _,
        now.to_sqlx(),
        SlotName::XphoneAppointment.label(),
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

#[derive(Default)]
struct SlotColumns {
    users: Vec<Uuid>,
    states: Vec<String>,
    causes: Vec<Option<String>>,
    sinces: Vec<jiff_sqlx::Timestamp>,
    untils: Vec<Option<jiff_sqlx::Timestamp>>,
    presences: Vec<Option<String>>,
    subjects: Vec<Option<String>>,
    profiles: Vec<Option<Uuid>>,
    statuses: Vec<Option<Uuid>>,
}

impl SlotColumns {
    fn add(&mut self, user: UserGuid, slot: &Slot) {
        let (shown, state, cause, since) = match slot {
            Slot::Empty => return,
            Slot::Shown(shown) => (Some(shown), "shown", shown.cause, shown.since),
            Slot::Suppressed { cause, why, since } => (None, why.label(), Some(*cause), *since),
        };
        let (profile, status) = shown.map_or((None, None), |shown| look_columns(shown.appointment.look));
        self.users.push(user.0);
        self.states.push(state.to_owned());
        self.causes.push(cause.map(|cause| cause.label().to_owned()));
        self.sinces.push(since.to_sqlx());
        self.untils.push(shown.map(|shown| shown.until.to_sqlx()));
        self.presences.push(shown.map(|shown| shown.presence.label().to_owned()));
        self.subjects.push(shown.map(|shown| shown.appointment.subject.clone()));
        self.profiles.push(profile);
        self.statuses.push(status);
    }
}

async fn store_slots(tx: &mut Tx<'_>, decided: &[Decided]) -> Result<(), StoreError> {
    let changed = || decided.iter().filter(|one| one.decision.appointment != one.due.snapshot.appointment);
    let emptied: Vec<Uuid> = changed().filter(|one| one.decision.appointment == Slot::Empty).map(|one| one.due.user.0).collect();
    let name = SlotName::XphoneAppointment.label();
    if !emptied.is_empty() {
        let emptying = sqlx::query!("delete from slot where user_guid = any($1) and name = $2", &emptied, name);
        emptying.execute(&mut **tx).await?;
    }
    let mut columns = SlotColumns::default();
    changed().for_each(|one| columns.add(one.due.user, &one.decision.appointment));
    if columns.users.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into slot (user_guid, name, state, cause, since, until, presence, subject, profile_guid, presence_status_guid)
         select n.user_guid, $10, n.state, n.cause, n.since, n.until, n.presence, n.subject, n.profile_guid, n.presence_status_guid
         from unnest($1::uuid[], $2::text[], $3::text[], $4::timestamptz[], $5::timestamptz[], $6::text[], $7::text[], $8::uuid[], $9::uuid[])
             as n (user_guid, state, cause, since, until, presence, subject, profile_guid, presence_status_guid)
         on conflict (user_guid, name) do update set state = excluded.state, cause = excluded.cause, since = excluded.since,
             until = excluded.until, presence = excluded.presence, subject = excluded.subject,
             profile_guid = excluded.profile_guid, presence_status_guid = excluded.presence_status_guid, sighting = 'as_set',
             reached_at = case when excluded.state = 'shown' then slot.reached_at end",
        &columns.users,
        &columns.states,
        &columns.causes as _,
        columns.sinces as _,
        columns.untils as _,
        &columns.presences as _,
        &columns.subjects as _,
        &columns.profiles as _,
        &columns.statuses as _,
        name,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
