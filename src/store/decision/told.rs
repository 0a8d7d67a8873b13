//! What notifications told: recorded with the decision that follows from it, in one statement about each user.

use std::collections::HashMap;

use jiff::{SignedDuration, Timestamp};
use jiff_sqlx::ToSqlx;
use uuid::Uuid;

use super::{Decided, Due, StateRow, complete, load_locked};
use crate::domain::ids::TeamsUserId;
use crate::domain::reconcile::Terms;
use crate::domain::timeline::Waker;
use crate::store::observation::TeamsFact;
use crate::store::{StoreError, Tx, times};

/// What was observed further ahead was written by a clock that was wrong, and gives way.
const AHEAD_MAX: SignedDuration = SignedDuration::from_mins(1);

/// What a notification told of a user: provisional, to be confirmed by reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// What.
    pub fact: TeamsFact,
    /// When to read.
    pub confirm_at: Timestamp,
}

/// Locks those whom these facts are about, as whoever changes several users' rows does in the order of their guids. What is decided for them
/// is decided at a moment after this: others may have held them meanwhile.
///
/// # Errors
/// Postgres could not.
pub async fn lock(tx: &mut Tx<'_>, facts: &[TeamsFact]) -> Result<Vec<Uuid>, StoreError> {
    let teams_ids: Vec<Uuid> = facts.iter().map(|fact| fact.user.0).collect();
    let locked = sqlx::query_scalar!(
        "select s.user_guid from person p join user_state s on s.user_guid = p.guid where p.teams_id = any($1)
         order by s.user_guid for no key update of s",
        &teams_ids,
    );
    Ok(locked.fetch_all(&mut **tx).await?)
}

/// Loads everything known about those of these locked users to whom the facts, at most one a user, tell something new, with what was told in
/// its place: they are to be decided for, and what was told is stored by that. What only repeats what is known is recorded here, unless
/// ours is in Teams: then each observation may change what is to be done. What is older than what is known is dropped. The second value
/// says how many facts were not.
///
/// # Errors
/// Postgres could not, or holds a word this version does not know.
pub async fn load_told(
    tx: &mut Tx<'_>,
    users: &[Uuid],
    facts: Vec<TeamsFact>,
    confirm_at: Timestamp,
    now: Timestamp,
    terms: Terms,
) -> Result<(Vec<Due>, u64), StoreError> {
    let mut facts: HashMap<TeamsUserId, TeamsFact> = facts.into_iter().map(|fact| (fact.user, fact)).collect();
    let (mut changed, mut told, mut repeated) = (Vec::new(), HashMap::new(), Vec::new());
    for mut row in load_locked(tx, users).await? {
        // Whoever has become another Teams user since has nothing to do with it.
        let fact = row.teams_id.and_then(|user| facts.remove(&TeamsUserId(user)));
        let Some(fact) = fact.filter(|fact| is_news(&row, fact, now)) else { continue };
        if row.in_teams || differs(&row, &fact) {
            tell(&mut row, &fact);
            told.insert(row.user_guid, Told { fact, confirm_at });
            changed.push(row);
        } else {
            repeated.push((row.user_guid, fact));
        }
    }
    let recorded = (changed.len() + repeated.len()) as u64;
    note_repeated(tx, &repeated, confirm_at).await?;
    let mut due = complete(tx, changed, now, terms).await?;
    for one in &mut due {
        one.told = told.remove(&one.user.0);
    }
    Ok((due, recorded))
}

/// Neither overtaken by a later observation nor by a higher version of Graph's.
fn is_news(row: &StateRow, fact: &TeamsFact, now: Timestamp) -> bool {
    let known_at = row.teams_observed_at.map(jiff_sqlx::Timestamp::to_jiff);
    is_newer((known_at, row.teams_sequence.as_deref()), (fact.observed_at, fact.sequence_number.as_deref()), now)
}

/// Observed when, and with which of Graph's versions: what is known beside what was told.
fn is_newer(known: (Option<Timestamp>, Option<&str>), told: (Timestamp, Option<&str>), now: Timestamp) -> bool {
    let is_late = known.0.is_some_and(|known| told.0 < known && known <= now + AHEAD_MAX);
    let is_lower = told.1.zip(known.1).is_some_and(|(told, known)| told < known);
    !is_late && !is_lower
}

fn differs(row: &StateRow, fact: &TeamsFact) -> bool {
    row.teams_availability.as_ref() != Some(&fact.availability) || row.teams_activity.as_ref() != Some(&fact.activity)
}

/// What the row says once this is recorded.
fn tell(row: &mut StateRow, fact: &TeamsFact) {
    if differs(row, fact) {
        row.changed_at = row.changed_at.or(Some(fact.observed_at.to_sqlx()));
    }
    row.teams_availability = Some(fact.availability.clone());
    row.teams_activity = Some(fact.activity.clone());
    row.teams_source = Some("notification".to_owned());
    row.teams_observed_at = Some(fact.observed_at.to_sqlx());
    row.woken_by |= Waker::Notification.bit();
    row.trace = fact.trace.map(|trace| trace.to_string()).or(row.trace.take());
}

async fn note_repeated(tx: &mut Tx<'_>, repeated: &[(Uuid, TeamsFact)], confirm_at: Timestamp) -> Result<(), StoreError> {
    if repeated.is_empty() {
        return Ok(());
    }
    let users: Vec<Uuid> = repeated.iter().map(|(user, _)| *user).collect();
    let sequence_numbers: Vec<Option<String>> = repeated.iter().map(|(_, fact)| fact.sequence_number.clone()).collect();
    sqlx::query!(
        "update user_state s set teams_sequence = coalesce(n.sequence_number, s.teams_sequence), teams_source = 'notification',
             teams_observed_at = n.observed_at, confirm_at = $4
         from unnest($1::uuid[], $2::text[], $3::timestamptz[]) as n (user_guid, sequence_number, observed_at)
         where s.user_guid = n.user_guid",
        &users,
        &sequence_numbers as _,
        times(repeated.iter().map(|(_, fact)| &fact.observed_at)) as _,
        confirm_at.to_sqlx(),
    )
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// What was told, column by column; of whom nothing was, nothing.
pub(super) struct Columns<'a> {
    pub availabilities: Vec<Option<&'a str>>,
    pub activities: Vec<Option<&'a str>>,
    pub sequence_numbers: Vec<Option<&'a str>>,
    pub observed: Vec<Option<jiff_sqlx::Timestamp>>,
    pub confirm: Vec<Option<jiff_sqlx::Timestamp>>,
}

impl<'a> Columns<'a> {
    pub fn of(decided: &'a [Decided]) -> Self {
        let told = || decided.iter().map(|one| one.due.told.as_ref());
        let fact = || told().map(|told| told.map(|told| &told.fact));
        Self {
            availabilities: fact().map(|fact| fact.map(|fact| fact.availability.as_str())).collect(),
            activities: fact().map(|fact| fact.map(|fact| fact.activity.as_str())).collect(),
            sequence_numbers: fact().map(|fact| fact.and_then(|fact| fact.sequence_number.as_deref())).collect(),
            observed: fact().map(|fact| fact.map(|fact| fact.observed_at.to_sqlx())).collect(),
            confirm: told().map(|told| told.map(|told| told.confirm_at.to_sqlx())).collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_newer_is_news() {
        let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
        let at = |seconds: i64| now + SignedDuration::from_secs(seconds);
        let known = |seconds, sequence| (Some(at(seconds)), sequence);
        let cases = [
            ("nothing is known", (None, None), (at(-9), None), true),
            ("the same again", known(-9, Some("7")), (at(-9), Some("7")), true),
            ("later", known(-9, None), (at(-8), None), true),
            ("earlier", known(-8, None), (at(-9), None), false),
            ("earlier, of a higher version", known(-8, Some("7")), (at(-9), Some("8")), false),
            ("later, of a lower version", known(-9, Some("8")), (at(-8), Some("7")), false),
            ("versions are compared as text", known(-9, Some("9")), (at(-8), Some("10")), false),
            ("later, without a version", known(-9, Some("8")), (at(-8), None), true),
            ("what is known is a minute ahead", known(60, None), (at(0), None), false),
            ("what is known was written by a clock that was wrong", known(61, None), (at(0), None), true),
        ];
        for (case, known, told, expected) in cases {
            assert_eq!(is_newer(known, told, now), expected, "{case}");
        }
    }
}
