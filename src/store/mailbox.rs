//! Decisions become letters: what a slot's mailbox holds is replaced by what was decided last.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::decision::Decided;
use super::slot::look_columns;
use super::{StoreError, Tx};
use crate::domain::ids::TeamsUserId;
use crate::domain::reconcile::{Push, TeamsPush};
use crate::domain::slot::{Appointment, Audience, SlotName};

/// A letter about a fresh change passes those that were decided up to so long before it without one: a policy for thousands may be more
/// than a side takes in a while, and nobody who picks up the telephone should wait for it. Nor do the thousands wait for ever.
const FRESH_PASSES: SignedDuration = SignedDuration::from_mins(10);

/// Whose mailbox, and the change behind what is put into it.
#[derive(Default)]
struct Boxes {
    users: Vec<Uuid>,
    slots: Vec<String>,
    changed: Vec<Option<jiff_sqlx::Timestamp>>,
    teams_ids: Vec<Option<Uuid>>,
    traces: Vec<Option<String>>,
}

impl Boxes {
    fn add(&mut self, one: &Decided, slot: SlotName, teams_user: Option<TeamsUserId>) {
        self.users.push(one.due.user.0);
        self.slots.push(slot.label().to_owned());
        self.changed.push(one.due.changed_at.map(ToSqlx::to_sqlx));
        self.teams_ids.push(teams_user.map(|id| id.0));
        self.traces.push(one.trace.map(|trace| trace.to_string()));
    }
}

/// Letters that show something, column by column.
#[derive(Default)]
struct Shows {
    boxes: Boxes,
    subjects: Vec<Option<String>>,
    profiles: Vec<Option<Uuid>>,
    statuses: Vec<Option<Uuid>>,
    colleagues_only: Vec<bool>,
    starts: Vec<Option<jiff_sqlx::Timestamp>>,
    ends: Vec<Option<jiff_sqlx::Timestamp>>,
}

impl Shows {
    fn add(&mut self, content: Option<(&Appointment, Timestamp, Timestamp)>) {
        let look = content.map(|(appointment, ..)| look_columns(appointment.look));
        self.subjects.push(content.map(|(appointment, ..)| appointment.subject.clone()));
        self.profiles.push(look.and_then(|(profile, _)| profile));
        self.statuses.push(look.and_then(|(_, status)| status));
        self.colleagues_only.push(content.is_some_and(|(appointment, ..)| appointment.audience == Audience::TeamColleagues));
        self.starts.push(content.map(|(_, start, _)| start.to_sqlx()));
        self.ends.push(content.map(|(.., end)| end.to_sqlx()));
    }
}

/// Puts what was decided into the mailboxes.
pub(super) async fn fill(tx: &mut Tx<'_>, decided: &[Decided], now: Timestamp) -> Result<(), StoreError> {
    let (mut shows, mut clears, mut forgotten) = (Shows::default(), Boxes::default(), Boxes::default());
    for one in decided {
        match &one.decision.appointment.push {
            Some(Push::Show { appointment, start, end }) => {
                shows.boxes.add(one, SlotName::XphoneAppointment, None);
                shows.add(Some((appointment, *start, *end)));
            }
            Some(Push::Clear) => clears.add(one, SlotName::XphoneAppointment, None),
            None => {}
        }
        let teams =
            [(SlotName::TeamsSession, one.decision.session.push), (SlotName::TeamsPreferred, one.decision.preferred.push)];
        for (slot, push) in teams {
            match push {
                Some(TeamsPush::Set(teams_user)) => {
                    shows.boxes.add(one, slot, Some(teams_user));
                    shows.add(None);
                }
                Some(TeamsPush::Clear(teams_user)) => clears.add(one, slot, Some(teams_user)),
                Some(TeamsPush::Forget) => forgotten.add(one, slot, None),
                None => {}
            }
        }
    }
    clear(tx, &clears, now).await?;
    show(tx, &shows, now).await?;
    forget(tx, &forgotten).await
}

/// What never left the mailbox and never reached the side needs no clearing: it is just taken out again. Everything else is cleared.
async fn clear(tx: &mut Tx<'_>, boxes: &Boxes, now: Timestamp) -> Result<(), StoreError> {
    if boxes.users.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "with n as materialized (
             select unnest($1::uuid[]) as user_guid, unnest($2::text[]) as slot, unnest($3::timestamptz[]) as changed_at,
                 unnest($4::uuid[]) as teams_id, unnest($7::text[]) as trace
         ), unsent as (
             delete from outbox where ctid = any(array(
                 select o.place from n cross join lateral (
                     select ctid as place from outbox
                     where user_guid = n.user_guid and slot = n.slot and shows and sent_at is null limit 1) o
                 where (
                     select true from slot where user_guid = n.user_guid and name = n.slot
                         and (reached_at is not null or live_from is not null and live_until is null) limit 1) is null))
                 -- Asked again of what somebody claims at this moment.
                 and shows and sent_at is null
             returning user_guid, slot
         )
         insert into outbox (user_guid, slot, shows, teams_id, changed_at, decided_at, due_at, trace)
         select n.user_guid, n.slot, false, n.teams_id, n.changed_at, $5::timestamptz,
             case when n.changed_at is null then $5::timestamptz else $6::timestamptz end, n.trace
         from n
         where (n.user_guid, n.slot) not in (select user_guid, slot from unsent)
         on conflict (user_guid, slot) do update set generation = nextval('outbox_generation'), shows = false, subject = null,
             profile_guid = null, presence_status_guid = null, colleagues_only = false, starts_at = null, ends_at = null, teams_id = excluded.teams_id,
             changed_at = excluded.changed_at, decided_at = excluded.decided_at, due_at = excluded.due_at, attempts = 0, problem = null,
             trace = excluded.trace",
        &boxes.users,
        &boxes.slots,
        &boxes.changed as _,
        &boxes.teams_ids as _,
        now.to_sqlx(),
        (now - FRESH_PASSES).to_sqlx(),
        &boxes.traces as _,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// If what is replaced was an unfinished clear, something of ours may still be on the side.
async fn show(tx: &mut Tx<'_>, letters: &Shows, now: Timestamp) -> Result<(), StoreError> {
    if letters.boxes.users.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "insert into outbox (user_guid, slot, shows, teams_id, changed_at, subject, profile_guid, presence_status_guid, starts_at, ends_at,
             colleagues_only, decided_at, due_at, trace)
         select n.user_guid, n.slot, true, n.teams_id, n.changed_at, n.subject, n.profile_guid, n.presence_status_guid, n.starts_at,
             n.ends_at, n.colleagues_only, $10::timestamptz, case when n.changed_at is null then $10::timestamptz else $11::timestamptz end, n.trace
         from (select unnest($1::uuid[]) as user_guid, unnest($2::text[]) as slot, unnest($3::timestamptz[]) as changed_at,
                 unnest($4::uuid[]) as teams_id, unnest($5::text[]) as subject, unnest($6::uuid[]) as profile_guid,
                 unnest($7::uuid[]) as presence_status_guid, unnest($8::timestamptz[]) as starts_at, unnest($9::timestamptz[]) as ends_at,
                 unnest($12::text[]) as trace, unnest($13::bool[]) as colleagues_only) n
         on conflict (user_guid, slot) do update set generation = nextval('outbox_generation'), shows = true,
             sent_at = coalesce(outbox.sent_at, case when not outbox.shows then excluded.decided_at end), subject = excluded.subject,
             profile_guid = excluded.profile_guid, presence_status_guid = excluded.presence_status_guid,
             colleagues_only = excluded.colleagues_only, starts_at = excluded.starts_at, ends_at = excluded.ends_at, teams_id = excluded.teams_id, changed_at = excluded.changed_at,
             decided_at = excluded.decided_at, due_at = excluded.due_at, attempts = 0, problem = null, trace = excluded.trace",
        &letters.boxes.users,
        &letters.boxes.slots,
        &letters.boxes.changed as _,
        &letters.boxes.teams_ids as _,
        &letters.subjects as _,
        &letters.profiles as _,
        &letters.statuses as _,
        &letters.starts as _,
        &letters.ends as _,
        now.to_sqlx(),
        (now - FRESH_PASSES).to_sqlx(),
        &letters.boxes.traces as _,
        &letters.colleagues_only,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

async fn forget(tx: &mut Tx<'_>, boxes: &Boxes) -> Result<(), StoreError> {
    if boxes.users.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "delete from outbox where ctid = any(array(
             select o.place from unnest($1::uuid[], $2::text[]) as n (user_guid, slot) cross join lateral (
                 select ctid as place from outbox where user_guid = n.user_guid and slot = n.slot limit 1) o))",
        &boxes.users,
        &boxes.slots,
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}
