//! What decisions are made of and what becomes of them: the snapshots of those whose time has come are loaded, what was decided is stored.

pub mod told;

use std::collections::HashMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use self::told::Told;
use super::feed::Feed;
use super::policy::due as policy_due;
use super::timeline::{Decisions, Trials};
use super::{StoreError, Tx, known, mailbox, microphone, rows, slot, trace};
use crate::domain::ids::{PresenceStateGuid, ProfileGuid, TeamsUserId, UserGuid};
use crate::domain::mapping::{Meeting, StatusKind, TeamsNative, XphoneEntry, read_teams};
use crate::domain::policy::{self, Mode, TeamsSync};
use crate::domain::reconcile::{Decision, Profile, Reason, Remembered, Snapshot, Source, TeamsObservation, Terms};
use crate::domain::slot::{Held, Record, Suppression, TeamsSlot};
use crate::domain::timeline::{Last, OnTrial, Waker, Wakers};
use crate::trace::TraceContext;

/// Whose time this is, or an earlier one, was woken (see [`load_due`]); the clock never stood there.
const WOKEN_UNTIL: Timestamp = Timestamp::constant(315_532_800, 0);

/// A user whose time has come, and everything known about them.
#[derive(Clone, Debug)]
pub struct Due {
    /// Who.
    pub user: UserGuid,
    /// What is known.
    pub snapshot: Snapshot,
    /// Arrival of the oldest change not decided yet.
    pub changed_at: Option<Timestamp>,
    /// What woke them since the last decision.
    pub woken_by: Wakers,
    /// What was decided last.
    pub last: Last,
    /// Teams' two words, as they were last observed.
    pub words: Option<(String, String)>,
    /// The configuration group or location whose policy holds.
    pub policy_from: Option<Uuid>,
    /// Where the change behind it is followed.
    pub trace: Option<TraceContext>,
    /// What a notification told just now: it is recorded together with what is decided.
    pub told: Option<Told>,
}

/// What was decided for a user.
#[derive(Clone, Debug)]
pub struct Decided {
    /// Who, and on what grounds.
    pub due: Due,
    /// What.
    pub decision: Decision,
    /// What would be shown, were the policy not on trial.
    pub on_trial: OnTrial,
    /// Where the pushes that follow from it are followed.
    pub trace: Option<TraceContext>,
}

struct StateRow {
    user_guid: Uuid,
    teams_id: Option<Uuid>,
    teams_availability: Option<String>,
    teams_activity: Option<String>,
    teams_sequence: Option<String>,
    teams_source: Option<String>,
    teams_observed_at: Option<jiff_sqlx::Timestamp>,
    read_availability: Option<String>,
    read_activity: Option<String>,
    read_at: Option<jiff_sqlx::Timestamp>,
    native: Option<String>,
    native_since: Option<jiff_sqlx::Timestamp>,
    xphone_telephone_state: Option<i32>,
    xphone_meeting: Option<String>,
    xphone_status_guid: Option<Uuid>,
    xphone_ours: Option<bool>,
    changed_at: Option<jiff_sqlx::Timestamp>,
    revisit_at: Option<jiff_sqlx::Timestamp>,
    woken_by: i16,
    trace: Option<String>,
    appointment_reason: Option<String>,
    session_reason: Option<String>,
    preferred_reason: Option<String>,
    on_trial: i16,
    in_teams: bool,
    microphone_held: Option<String>,
    microphone_held_since: Option<jiff_sqlx::Timestamp>,
    policy_from: Option<Uuid>,
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
/// Whoever wakes one user sets it to the epoch, whoever wakes thousands to 1980: both are past by any clock, and a fresh change comes
/// before the thousands. Half of a batch is taken from the other end: those whose time came by itself, so that they wait for nobody.
///
/// # Errors
/// Postgres could not, or holds a word this version does not know.
pub async fn load_due(tx: &mut Tx<'_>, now: Timestamp, terms: Terms, limit: usize) -> Result<Vec<Due>, StoreError> {
    let due = sqlx::query_scalar!(
        r#"
        with longest as (
            select user_guid from user_state where revisit_at <= $1 order by revisit_at limit $2 for update skip locked
        ), latest as (
            select user_guid from user_state where revisit_at <= $1 order by revisit_at desc limit $2 for update skip locked
        )
        select user_guid as "user_guid!" from longest union select user_guid from latest
        "#,
        now.to_sqlx(),
        rows(limit.div_ceil(2)),
    )
    .fetch_all(&mut **tx)
    .await?;
    let states = load_locked(tx, &due).await?;
    complete(tx, states, now, terms).await
}

/// What is known of users who are locked already, as it may be decided on. Read by statements of its own: one that waits for a row sees the
/// rest as it was before it waited.
async fn load_locked(tx: &mut Tx<'_>, users: &[Uuid]) -> Result<Vec<StateRow>, StoreError> {
    slot::lock_letters(tx, users).await?;
    // Whoever's turn has not come in a change of policy that is still being carried out.
    policy_due::forget_outdated(tx, users).await?;
    load_states(tx, users).await
}

/// Loads everything known about these users, without deciding anything or locking anybody: a transaction that only reads may.
///
/// # Errors
/// As [`load_due`].
pub async fn load(tx: &mut Tx<'_>, users: &[Uuid], now: Timestamp, terms: Terms) -> Result<Vec<Due>, StoreError> {
    let states = load_states(tx, users).await?;
    complete(tx, states, now, terms).await
}

async fn load_states(tx: &mut Tx<'_>, users: &[Uuid]) -> Result<Vec<StateRow>, StoreError> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    let states = sqlx::query_as!(
        StateRow,
        r#"
        select s.user_guid, p.teams_id, s.teams_availability, s.teams_activity, s.teams_sequence, s.teams_source,
            s.teams_observed_at, s.read_availability, s.read_activity, s.read_at, s.native, s.native_since, s.xphone_telephone_state,
            s.xphone_meeting, s.xphone_status_guid, s.xphone_ours, s.changed_at, s.revisit_at, s.woken_by, s.trace,
            s.appointment_reason, s.session_reason, s.preferred_reason, s.on_trial, s.in_teams, s.microphone_held,
            s.microphone_held_since, coalesce(g.guid, l.guid) as policy_from,
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
    );
    Ok(states.fetch_all(&mut **tx).await?)
}

/// Loads what else is known about these users.
async fn complete(tx: &mut Tx<'_>, states: Vec<StateRow>, now: Timestamp, terms: Terms) -> Result<Vec<Due>, StoreError> {
    if states.is_empty() {
        return Ok(Vec::new());
    }
    let users: Vec<Uuid> = states.iter().map(|row| row.user_guid).collect();
    let kinds = load_kinds(tx).await?;
    let mut profiles = load_profiles(tx, &users, &kinds).await?;
    let mut slots = slot::load(tx, &users).await?;
    let mut microphones = microphone::load(tx, &users).await?;
    let xphone_heard_at = load_heard_at(tx).await?;
    let busy_status = kinds.iter().filter(|(_, kind)| **kind == StatusKind::Busy).map(|(guid, _)| PresenceStateGuid(*guid)).min();
    let due = states.into_iter().map(|mut row| {
        let user = UserGuid(row.user_guid);
        let changed_at = row.changed_at.map(jiff_sqlx::Timestamp::to_jiff);
        let slots = slots.remove(&row.user_guid).unwrap_or_default();
        let snapshot = Snapshot {
            now,
            timing: terms.timing,
            keeps_audience: terms.keeps_audience,
            policy: policy::effective(location(&row)?, group(&row)?, choice(&row)?),
            teams_user: row.teams_id.map(TeamsUserId),
            teams: teams(&row)?,
            confirmed: confirmed(&row),
            remembered: remembered(&row)?,
            xphone: xphone(&row, &kinds)?,
            xphone_heard_at,
            profiles: profiles.remove(&row.user_guid).unwrap_or_default(),
            busy_status,
            microphone: microphones.remove(&row.user_guid).unwrap_or_default(),
            microphone_held: microphone_held(&row)?,
            appointment: slots.appointment,
            session: slots.session,
            preferred: slots.preferred,
        };
        let words = row.teams_availability.take().zip(row.teams_activity.take());
        let trace = trace(row.trace.take());
        let (woken_by, last, policy_from) = (woken_by(&row), last(&row), row.policy_from);
        Ok(Due { user, snapshot, changed_at, woken_by, last, words, policy_from, trace, told: None })
    });
    due.collect()
}

/// Whoever was woken by a statement that does not say which one it is, was woken by nobody knows what.
fn woken_by(row: &StateRow) -> Wakers {
    let by_itself = row.woken_by == 0 && row.revisit_at.is_some_and(|at| at.to_jiff() > WOKEN_UNTIL);
    Wakers(if by_itself { Waker::Time.bit() } else { row.woken_by })
}

fn last(row: &StateRow) -> Last {
    let reasons = [&row.appointment_reason, &row.session_reason, &row.preferred_reason];
    let reasons = reasons.map(|reason| reason.as_deref().and_then(Reason::from_label));
    Last { reasons, on_trial: OnTrial(row.on_trial) }
}

fn microphone_held(row: &StateRow) -> Result<Option<Held>, StoreError> {
    let (Some(why), Some(since)) = (&row.microphone_held, row.microphone_held_since) else { return Ok(None) };
    Ok(Some(Held { why: known(why, Suppression::from_label)?, since: since.to_jiff() }))
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
    let words = read_teams(availability, activity).words;
    Ok(Some(TeamsObservation { words, source, observed_at: observed_at.to_jiff() }))
}

fn confirmed(row: &StateRow) -> Option<TeamsObservation> {
    let words = read_teams(row.read_availability.as_deref()?, row.read_activity.as_deref()?).words;
    Some(TeamsObservation { words, source: Source::Read, observed_at: row.read_at?.to_jiff() })
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
    let own_status = row.xphone_status_guid.and_then(|guid| kinds.get(&guid).copied());
    Ok(Some(XphoneEntry { telephone_state, meeting: known(meeting, Meeting::from_label)?, own_status, ours }))
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

async fn load_heard_at(tx: &mut Tx<'_>) -> Result<Option<Timestamp>, StoreError> {
    let heard = sqlx::query_scalar!("select refreshed_at from feed where name = $1", Feed::XphonePresence.label());
    Ok(heard.fetch_optional(&mut **tx).await?.map(jiff_sqlx::Timestamp::to_jiff))
}

/// Stores decisions: what they changed, what to remember, what goes into the mailboxes, what is recorded as shown, when to look again.
///
/// # Errors
/// Postgres could not; within the transaction nothing must be kept.
pub async fn store(tx: &mut Tx<'_>, decided: &[Decided], now: Timestamp) -> Result<(), StoreError> {
    store_states(tx, decided, now).await?;
    Trials::of(decided).store(tx, now).await?;
    mailbox::fill(tx, decided, now).await?;
    let ended = decided.iter().filter(|one| one.due.snapshot.microphone.has_ended(now));
    microphone::forget_ended(tx, &ended.map(|one| one.due.user.0).collect::<Vec<_>>(), now).await?;
    let mut changes = slot::Changes::default();
    for one in decided {
        changes.add(one.due.user, &one.due.snapshot, &one.decision, now);
    }
    changes.store(tx).await
}

async fn store_states(tx: &mut Tx<'_>, decided: &[Decided], now: Timestamp) -> Result<(), StoreError> {
    let users: Vec<Uuid> = decided.iter().map(|one| one.due.user.0).collect();
    let remembered = |one: &Decided| one.decision.remembered;
    let natives: Vec<Option<String>> =
        decided.iter().map(|one| remembered(one).map(|remembered| remembered.native.label().to_owned())).collect();
    let sinces: Vec<Option<jiff_sqlx::Timestamp>> =
        decided.iter().map(|one| remembered(one).map(|remembered| remembered.since.to_sqlx())).collect();
    let reasons =
        |of: fn(&Decision) -> &'static str| -> Vec<String> { decided.iter().map(|one| of(&one.decision).to_owned()).collect() };
    let revisits: Vec<Option<jiff_sqlx::Timestamp>> =
        decided.iter().map(|one| one.decision.revisit_at.map(ToSqlx::to_sqlx)).collect();
    let in_teams: Vec<bool> = decided.iter().map(|one| is_in_teams(&one.decision)).collect();
    let reads: Vec<bool> = decided.iter().map(|one| one.decision.read_teams).collect();
    let trials: Vec<i16> = decided.iter().map(|one| one.on_trial.0).collect();
    let held = |one: &Decided| one.decision.microphone_held;
    let microphones: Vec<Option<String>> = decided.iter().map(|one| held(one).map(|held| held.why.label().to_owned())).collect();
    let microphones_since: Vec<Option<jiff_sqlx::Timestamp>> =
        decided.iter().map(|one| held(one).map(|held| held.since.to_sqlx())).collect();
    let changes = Decisions::of(decided);
    let told = told::Columns::of(decided);
    sqlx::query!(
        "with changes as (
             insert into timeline (decided_at, user_guid, came_at, woken_by, teams_availability, teams_activity, teams_native, xphone_native,
                 appointment_shows, appointment_reason, appointment_push, session_shows, session_reason, session_push,
                 preferred_shows, preferred_reason, preferred_push)
             select $10, unnest($12::uuid[]), unnest($13::timestamptz[]), unnest($14::int2[]), unnest($15::text[]), unnest($16::text[]),
                 unnest($17::text[]), unnest($18::text[]), unnest($19::text[]), unnest($20::text[]), unnest($21::text[]),
                 unnest($22::text[]), unnest($23::text[]), unnest($24::text[]), unnest($25::text[]), unnest($26::text[]),
                 unnest($27::text[])
         )
         update user_state s set native = d.native, native_since = d.native_since, appointment_reason = d.appointment_reason,
             session_reason = d.session_reason, preferred_reason = d.preferred_reason, revisit_at = d.revisit_at,
             in_teams = d.in_teams,
             confirm_at = case when d.read_teams then least(s.confirm_at, $10) else coalesce(d.confirm_at, s.confirm_at) end,
             decided_at = $10, changed_at = null, trace = null, woken_by = 0, on_trial = d.on_trial,
             microphone_held = d.microphone_held, microphone_held_since = d.microphone_held_since,
             teams_availability = coalesce(d.availability, s.teams_availability),
             teams_activity = coalesce(d.activity, s.teams_activity),
             teams_sequence = coalesce(d.sequence_number, s.teams_sequence),
             teams_source = case when d.observed_at is null then s.teams_source else 'notification' end,
             teams_observed_at = coalesce(d.observed_at, s.teams_observed_at)
         from (select unnest($1::uuid[]) as user_guid, unnest($2::text[]) as native, unnest($3::timestamptz[]) as native_since,
                 unnest($4::text[]) as appointment_reason, unnest($5::text[]) as session_reason, unnest($6::text[]) as preferred_reason,
                 unnest($7::timestamptz[]) as revisit_at, unnest($8::bool[]) as in_teams, unnest($9::bool[]) as read_teams,
                 unnest($11::int2[]) as on_trial, unnest($28::text[]) as microphone_held,
                 unnest($29::timestamptz[]) as microphone_held_since, unnest($30::text[]) as availability, unnest($31::text[]) as activity,
                 unnest($32::text[]) as sequence_number, unnest($33::timestamptz[]) as observed_at, unnest($34::timestamptz[]) as confirm_at) d
         where s.user_guid = d.user_guid",
        &users,
        &natives as _,
        sinces as _,
        &reasons(|decision| decision.appointment.reason.label()),
        &reasons(|decision| decision.session.reason.label()),
        &reasons(|decision| decision.preferred.reason.label()),
        revisits as _,
        &in_teams,
        &reads,
        now.to_sqlx(),
        &trials,
        &changes.users,
        changes.came as _,
        &changes.woken_by,
        changes.availabilities as _,
        changes.activities as _,
        changes.teams_natives as _,
        changes.xphone_natives as _,
        changes.appointment.shows as _,
        changes.appointment.reasons as _,
        changes.appointment.pushes as _,
        changes.session.shows as _,
        changes.session.reasons as _,
        changes.session.pushes as _,
        changes.preferred.shows as _,
        changes.preferred.reasons as _,
        changes.preferred.pushes as _,
        &microphones as _,
        microphones_since as _,
        told.availabilities as _,
        told.activities as _,
        told.sequence_numbers as _,
        told.observed as _,
        told.confirm as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// Whether every observation of Teams may change what is to be done in Teams.
fn is_in_teams(decision: &Decision) -> bool {
    let is = |slot: &TeamsSlot| slot.record != Record::Empty || slot.live.is_some() || slot.pending.is_some();
    is(&decision.session.slot) || is(&decision.preferred.slot)
}
