//! The mailboxes: one per user and slot, the newest decision wins, a generation stops a late sender.

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;

use uuid::Uuid;

use super::slot::{audience, look};
use super::{Store, StoreError, Tx, known, rows, trace};
use crate::domain::expiry::EVIDENCE_MAX;
use crate::domain::ids::{TeamsUserId, UserGuid};
use crate::domain::slot::{Appointment, Side, SlotName};
use crate::domain::timeline::{Outcome, Waker};
use crate::trace::TraceContext;

/// Nothing waits longer than this, and nobody claims for longer: what lies further ahead was written by a clock that was wrong.
pub const LETTER_AHEAD_MAX: SignedDuration = SignedDuration::from_mins(15);

/// A mailbox claimed for sending.
#[derive(Clone, Debug)]
pub struct Letter {
    /// Whose.
    pub user: UserGuid,
    /// Which of the user's mailboxes.
    pub slot: SlotName,
    /// Which decision it carries.
    pub generation: i64,
    /// What to send.
    pub errand: Errand,
    /// Attempts, this one included.
    pub attempts: i32,
    /// Arrival of the change behind it.
    pub changed_at: Option<Timestamp>,
    /// When that was decided.
    pub decided_at: Timestamp,
    /// When the first of the earlier attempts went out that may have taken effect.
    pub sent_before: Option<Timestamp>,
    /// When it was claimed; the attempt begins after it.
    pub claimed_at: Timestamp,
    /// Nobody else sends it before this moment.
    pub claimed_until: Timestamp,
    /// Where the change behind it is followed.
    pub trace: Option<TraceContext>,
}

/// What a letter asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Errand {
    /// Set the appointment.
    SetAppointment {
        /// What it says.
        appointment: Appointment,
        /// When it began.
        start: Timestamp,
        /// When it ends by itself.
        end: Timestamp,
    },
    /// Take the appointment away.
    ClearAppointment,
    /// Set the slot in Teams, for a whole life.
    SetInTeams(TeamsUserId),
    /// Clear the slot in Teams.
    ClearInTeams(TeamsUserId),
}

impl Errand {
    /// Whether it sets something, rather than taking it away.
    #[must_use]
    pub fn shows(&self) -> bool {
        matches!(self, Self::SetAppointment { .. } | Self::SetInTeams(_))
    }
}

/// How a push failed.
#[derive(Clone, Copy, Debug)]
pub struct Failed<'a> {
    /// For whoever asks why; without personal content.
    pub problem: &'a str,
    /// Whether it may have taken effect all the same.
    pub maybe_applied: bool,
    /// Whether the side refused this very push.
    pub refused: bool,
}

/// How full the mailboxes are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutboxDepth {
    /// Mailboxes with something in them.
    pub letters: i64,
    /// When the oldest was decided.
    pub oldest: Option<Timestamp>,
}

struct Row {
    user_guid: Uuid,
    slot: String,
    generation: i64,
    shows: bool,
    subject: Option<String>,
    profile_guid: Option<Uuid>,
    presence_status_guid: Option<Uuid>,
    colleagues_only: bool,
    starts_at: Option<jiff_sqlx::Timestamp>,
    ends_at: Option<jiff_sqlx::Timestamp>,
    teams_id: Option<Uuid>,
    changed_at: Option<jiff_sqlx::Timestamp>,
    decided_at: jiff_sqlx::Timestamp,
    attempts: i32,
    sent_before: Option<jiff_sqlx::Timestamp>,
    trace: Option<String>,
    due_since: jiff_sqlx::Timestamp,
}

impl Row {
    fn errand(&self) -> Option<Errand> {
        match (self.teams_id.map(TeamsUserId), self.shows) {
            (Some(teams_user), true) => Some(Errand::SetInTeams(teams_user)),
            (Some(teams_user), false) => Some(Errand::ClearInTeams(teams_user)),
            (None, false) => Some(Errand::ClearAppointment),
            (None, true) => {
                let look = look(self.profile_guid, self.presence_status_guid)?;
                let appointment = Appointment { subject: self.subject.clone()?, look, audience: audience(self.colleagues_only) };
                Some(Errand::SetAppointment { appointment, start: self.starts_at?.to_jiff(), end: self.ends_at?.to_jiff() })
            }
        }
    }

    fn letter(self, claimed_at: Timestamp, claimed_until: Timestamp) -> Result<Letter, StoreError> {
        let broken = || StoreError::Unknown("a letter without what belongs to it".to_owned());
        Ok(Letter {
            user: UserGuid(self.user_guid),
            slot: known(&self.slot, SlotName::from_label)?,
            generation: self.generation,
            errand: self.errand().ok_or_else(broken)?,
            attempts: self.attempts,
            changed_at: self.changed_at.map(jiff_sqlx::Timestamp::to_jiff),
            decided_at: self.decided_at.to_jiff(),
            sent_before: self.sent_before.map(jiff_sqlx::Timestamp::to_jiff),
            claimed_at,
            claimed_until,
            trace: trace(self.trace),
        })
    }
}

impl Store {
    /// Claims a side's mailboxes that are due, the longest waiting first, for `claim`. From here on the push may have taken effect.
    /// A mailbox whose letter is replaced at that very moment is left for the next look, which whoever replaces it asks for.
    ///
    /// # Errors
    /// Postgres could not, or holds a letter that cannot be read.
    pub async fn claim_letters(
        &self,
        side: Side,
        now: Timestamp,
        claim: SignedDuration,
        limit: usize,
    ) -> Result<Vec<Letter>, StoreError> {
        let claimed_until = now + claim;
        let mut rows = sqlx::query_as!(
            Row,
            r#"
            update outbox o set claimed_until = $2, attempts = o.attempts + 1, sent_at = coalesce(o.sent_at, $1)
            from (
                select ctid as place, sent_at, due_at from outbox
                where (due_at <= $1 or due_at > $5) and (slot = 'xphone_appointment') = $4
                    and (claimed_until is null or claimed_until <= $1 or claimed_until > $5)
                    -- Two people may have been the same Teams user one after the other: the one is cleared before the other is set.
                    and (not shows or teams_id is null or (
                        select true from outbox other
                        where other.teams_id = outbox.teams_id and other.slot = outbox.slot and not other.shows limit 1) is null)
                    -- What may be the user's own by now is taken away only if a read, and what was decided after it, say that it is not.
                    and (shows or slot <> 'teams_preferred' or decided_at > $6 or (
                        select true from person p join user_state u on u.user_guid = p.guid
                        where p.guid = outbox.user_guid and p.teams_id = outbox.teams_id
                            and (u.read_at is null or u.read_at <= $6 or u.revisit_at <= $1) limit 1) is null)
                order by due_at limit $3 for update skip locked
            ) due
            -- By their place, which holds as long as they are locked: else all letters that lie there would be looked through for the few.
            where o.ctid = due.place
            returning o.user_guid, o.slot, o.generation, o.shows, o.subject, o.profile_guid, o.presence_status_guid, o.colleagues_only, o.starts_at,
                o.ends_at, o.teams_id, o.changed_at, o.decided_at, o.attempts, due.sent_at as sent_before, due.due_at as due_since, o.trace
            "#,
            now.to_sqlx(),
            claimed_until.to_sqlx(),
            rows(limit),
            side == Side::Xphone,
            (now + LETTER_AHEAD_MAX).to_sqlx(),
            (now - EVIDENCE_MAX).to_sqlx(),
        )
        .fetch_all(&self.pool)
        .await?;
        // Postgres returns what it updates in any order.
        rows.sort_by_key(|row| row.due_since.to_jiff());
        rows.into_iter().map(|row| row.letter(now, claimed_until)).collect()
    }

    /// The pushes have taken effect: their mailboxes are emptied, except where a newer decision lies in one, which is then due at
    /// once. What was set in Teams ends `life` after the attempt began; its user is looked at again, and so is whose slot there was
    /// cleared: from now on a grace runs.
    ///
    /// # Errors
    /// Postgres could not; the pushes will be sent again, which changes nothing.
    pub async fn settle(
        &self,
        letters: &[&Letter],
        life: impl Fn(SlotName) -> SignedDuration,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let users: Vec<Uuid> = letters.iter().map(|letter| letter.user.0).collect();
        let slots: Vec<String> = letters.iter().map(|letter| letter.slot.label().to_owned()).collect();
        let generations: Vec<i64> = letters.iter().map(|letter| letter.generation).collect();
        let shows: Vec<bool> = letters.iter().map(|letter| letter.errand.shows()).collect();
        let untils = super::times(&letters.iter().map(|letter| letter.claimed_at + life(letter.slot)).collect::<Vec<_>>());
        let sent = super::times(letters.iter().map(|letter| letter.sent_before.as_ref().unwrap_or(&letter.claimed_at)));
        let claimed = super::times(letters.iter().map(|letter| &letter.claimed_at));
        let decided = super::times(letters.iter().map(|letter| &letter.decided_at));
        let attempts: Vec<i32> = letters.iter().map(|letter| letter.attempts).collect();
        // Like the reconciler: first the users, then what belongs to them. In a statement of its own, so that the next one sees what
        // was decided while this one waited. That one looks each row up and then goes by its place: joined, whole tables would be read, if a
        // plan was made while they were empty. The place holds while the users are locked; if a letter's claim ran out and somebody claims it
        // at this very moment, it is sent again.
        let mut tx = self.begin_derived().await?;
        let held = sqlx::query!(
            r#"select count(*) as "users!" from (
                   select from user_state where user_guid = any($1) order by user_guid for no key update) held"#,
            &users
        );
        held.fetch_one(&mut *tx).await?;
        sqlx::query!(
            "with letter as materialized (
                 select unnest($1::uuid[]) as user_guid, unnest($2::text[]) as slot, unnest($3::int8[]) as generation,
                     unnest($4::bool[]) as shows, unnest($5::timestamptz[]) as until, unnest($6::timestamptz[]) as sent_at,
                     unnest($8::timestamptz[]) as claimed_at, unnest($9::timestamptz[]) as decided_at, unnest($10::int4[]) as attempts
             ), emptied as (
                 delete from outbox where ctid = any(array(
                     select o.place from letter l cross join lateral (
                         select ctid as place from outbox
                         where user_guid = l.user_guid and slot = l.slot and generation = l.generation limit 1) o))
                 returning user_guid, slot, problem
             ), told as (
                 insert into timeline (user_guid, decided_at, slot, pushed_at, settled_at, attempts, result, problem)
                 select l.user_guid, l.decided_at, l.slot, l.claimed_at, $7, l.attempts, $11, e.problem
                 from letter l left join emptied e on e.user_guid = l.user_guid and e.slot = l.slot
             ), released as (
                 update outbox set claimed_until = null where ctid = any(array(
                     select o.place from letter l cross join lateral (
                         select ctid as place from outbox
                         where user_guid = l.user_guid and slot = l.slot and generation <> l.generation limit 1) o
                     where (l.user_guid, l.slot) not in (select user_guid, slot from emptied)))
             ), reached as (
                 update slot s set reached_at = $7,
                     until = case when s.teams_id is null then s.until else l.until end,
                     live_from = case when s.teams_id is not null then coalesce(s.live_from, l.sent_at) end,
                     live_until = null
                 from (
                     select shown.place, l.until, l.sent_at from letter l cross join lateral (
                         select ctid as place from slot where user_guid = l.user_guid and name = l.slot and state = 'shown' limit 1) shown
                     where l.shows and (l.user_guid, l.slot) in (select user_guid, slot from emptied)
                 ) l where s.ctid = l.place
             ), ended as (
                 insert into slot (user_guid, name, state, since, live_from, live_until)
                 select l.user_guid, l.slot, 'ended', $7, l.sent_at, $7 from letter l
                 where not l.shows and l.slot <> 'xphone_appointment' and (l.user_guid, l.slot) in (select user_guid, slot from emptied)
                     and (select true from person where guid = l.user_guid limit 1)
                 on conflict (user_guid, name) do update set live_from = coalesce(slot.live_from, excluded.live_from),
                     live_until = excluded.live_until
             )
             update user_state u set
                 revisit_at = case when l.in_teams then 'epoch' else u.revisit_at end,
                 woken_by = case when l.in_teams then u.woken_by | $12 else u.woken_by end,
                 in_teams = u.in_teams or l.in_teams,
                 cleared_at = case when l.cleared then $7 else u.cleared_at end
             from (
                 select user_guid, bool_or(slot <> 'xphone_appointment') as in_teams,
                     bool_or(slot = 'xphone_appointment' and not shows) as cleared
                 from letter group by user_guid
             ) l where u.user_guid = l.user_guid and (l.in_teams or l.cleared)",
            &users,
            &slots,
            &generations,
            &shows,
            untils as _,
            sent as _,
            now.to_sqlx(),
            claimed as _,
            decided as _,
            &attempts,
            Outcome::Arrived.label(),
            Waker::Push.bit(),
        )
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// The push failed: the letter waits until `due_at`; a newer decision in its place is due at once. Whose push was refused is
    /// looked at again: perhaps the decision was made by a clock that was wrong. So is whose cause has ended while the push was under way:
    /// before it is tried again it is given up.
    ///
    /// # Errors
    /// Postgres could not; the claim runs out by itself.
    pub async fn put_back(&self, letter: &Letter, due_at: Timestamp, failed: &Failed<'_>) -> Result<(), StoreError> {
        let Failed { problem, maybe_applied, refused } = *failed;
        let sent_at = letter.sent_before.or_else(|| maybe_applied.then_some(letter.claimed_at));
        let mut tx = self.begin().await?;
        let woken = sqlx::query!(
            "update user_state set revisit_at = 'epoch', woken_by = woken_by | $4
             where user_guid = $1 and ($2 or exists (select from slot where user_guid = $1 and name = $3 and given_up))",
            letter.user.0,
            refused,
            letter.slot.label(),
            Waker::Push.bit(),
        );
        woken.execute(&mut *tx).await?;
        sqlx::query!(
            "update outbox set claimed_until = null,
                 due_at = case when generation = $3 then $4 else due_at end,
                 problem = case when generation = $3 then $5 else problem end,
                 sent_at = case when generation = $3 then $6 else sent_at end
             where user_guid = $1 and slot = $2",
            letter.user.0,
            letter.slot.label(),
            letter.generation,
            due_at.to_sqlx(),
            problem,
            sent_at.map(ToSqlx::to_sqlx) as _,
        )
        .execute(&mut *tx)
        .await?;
        Ok(tx.commit().await?)
    }

    /// What the letter would show is over before it could be sent: it is dropped, and its user looked at again.
    ///
    /// # Errors
    /// Postgres could not; it is found over again later.
    pub async fn drop_letter(&self, letter: &Letter, now: Timestamp) -> Result<(), StoreError> {
        let user = letter.user.0;
        // Like `settle`: first the user, who may be gone, then what belongs to them.
        let mut tx = self.begin().await?;
        let held = sqlx::query!("select from user_state where user_guid = $1 for no key update", user);
        held.execute(&mut *tx).await?;
        let emptied = sqlx::query!(
            "with released as (
                 update outbox set claimed_until = null where user_guid = $1 and slot = $2 and generation <> $3
             ), told as (
                 insert into timeline (user_guid, decided_at, slot, settled_at, attempts, result) values ($1, $4, $2, $5, $6, $7)
             )
             delete from outbox where user_guid = $1 and slot = $2 and generation = $3",
            user,
            letter.slot.label(),
            letter.generation,
            letter.decided_at.to_sqlx(),
            now.to_sqlx(),
            // The one that was just begun was none.
            letter.attempts - 1,
            Outcome::Expired.label(),
        );
        emptied.execute(&mut *tx).await?;
        wake(&mut tx, letter).await?;
        Ok(tx.commit().await?)
    }

    /// How full the mailboxes are.
    ///
    /// # Errors
    /// Postgres cannot be asked.
    pub async fn outbox_depth(&self) -> Result<OutboxDepth, StoreError> {
        let row = sqlx::query!(r#"select count(*) as "letters!", min(decided_at) as oldest from outbox"#);
        let row = row.fetch_one(&self.pool).await?;
        Ok(OutboxDepth { letters: row.letters, oldest: row.oldest.map(jiff_sqlx::Timestamp::to_jiff) })
    }
}

async fn wake(tx: &mut Tx<'_>, letter: &Letter) -> Result<(), StoreError> {
    let woken = sqlx::query!(
        "update user_state set revisit_at = 'epoch', woken_by = woken_by | $2 where user_guid = $1",
        letter.user.0,
        Waker::Push.bit(),
    );
    woken.execute(&mut **tx).await?;
    Ok(())
}
