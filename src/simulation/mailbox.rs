//! The mailboxes: one letter per slot, the newest wins; claimed, settled or put back by whoever sends it.

use std::fmt;

use jiff::{SignedDuration, Timestamp};

use super::mutant::Mutant;
use super::store::{AHEAD_MAX, APPOINTMENT, PREFERRED, SESSION, Store};
use crate::domain::expiry;
use crate::domain::ids::TeamsUserId;
use crate::domain::slot::{Appointment, Reached, Record, Slot};

/// A letter that was claimed belongs to its sender for so long.
const CLAIM: SignedDuration = SignedDuration::from_secs(60);
/// No letter waits longer for its next attempt.
const PAUSE_MAX: SignedDuration = SignedDuration::from_mins(10);

/// What a letter says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    Show { appointment: Appointment, start: Timestamp, end: Timestamp },
    Delete,
    Set(TeamsUserId),
    Clear(TeamsUserId),
}

impl fmt::Display for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Show { appointment, .. } => write!(f, "show {:?}", appointment.subject),
            Self::Delete => f.write_str("delete the appointment"),
            Self::Set(user) => write!(f, "set for Teams user {}", super::account_of(*user)),
            Self::Clear(user) => write!(f, "clear for Teams user {}", super::account_of(*user)),
        }
    }
}

impl Content {
    pub fn shows(&self) -> bool {
        matches!(self, Self::Show { .. } | Self::Set(_))
    }

    pub fn teams_user(&self) -> Option<TeamsUserId> {
        match self {
            Self::Set(user) | Self::Clear(user) => Some(*user),
            _ => None,
        }
    }
}

/// A push that waits.
#[derive(Clone, Debug)]
pub struct Letter {
    pub slot: usize,
    pub generation: u64,
    pub content: Content,
    pub sent_at: Option<Timestamp>,
    /// What it was before the attempt under way.
    pub sent_before: Option<Timestamp>,
    pub claimed_until: Option<Timestamp>,
    pub decided_at: Timestamp,
    pub due_at: Timestamp,
    pub attempts: u32,
}

impl Store {
    /// Puts a newer letter in place of what lies there.
    pub fn put(&mut self, slot: usize, content: Content, now: Timestamp, mutant: Mutant) {
        self.generation += 1;
        let held = self.letters[slot].take();
        let reached = if slot == APPOINTMENT {
            self.appointment.reached_at.is_some()
        } else {
            let row = &self.teams[slot - SESSION];
            row.live_from.is_some() && row.live_until.is_none()
        };
        let unsent = held.as_ref().is_some_and(|held| held.content.shows() && held.sent_at.is_none());
        if !content.shows() && unsent && !reached {
            return;
        }
        let mut sent_at = held.as_ref().and_then(|held| held.sent_at);
        if content.shows() && held.as_ref().is_some_and(|held| !held.content.shows()) {
            sent_at = Some(sent_at.unwrap_or(now));
        }
        let claimed_until = held.as_ref().and_then(|held| held.claimed_until);
        let claimed_until = claimed_until.filter(|_| mutant != Mutant::ClaimsForgotten);
        let letter = Letter {
            slot,
            generation: self.generation,
            content,
            sent_at,
            sent_before: sent_at,
            claimed_until,
            decided_at: now,
            due_at: now,
            attempts: 0,
        };
        self.letters[slot] = Some(letter);
    }

    /// When the mailbox wants a sender.
    pub fn letter_due_at(&self, slot: usize, now: Timestamp) -> Option<Timestamp> {
        let letter = self.letters[slot].as_ref().filter(|_| !self.may_be_theirs(slot, now))?;
        // Further ahead than claims and pauses ever are: a wrong clock wrote it.
        let claimed_until = letter.claimed_until.filter(|until| *until <= now + CLAIM + AHEAD_MAX).unwrap_or(now);
        let due_at = if letter.due_at <= now + PAUSE_MAX + AHEAD_MAX { letter.due_at } else { now };
        Some(if letter.claimed_until.is_some() { claimed_until.max(due_at) } else { due_at })
    }

    /// What waits to be cleared may be the user's own by now.
    fn may_be_theirs(&self, slot: usize, now: Timestamp) -> bool {
        let stale = |at: Timestamp| at <= now - expiry::EVIDENCE_MAX;
        let clears = |letter: &&Letter| !letter.content.shows() && stale(letter.decided_at);
        let Some(letter) = self.letters[slot].as_ref().filter(|_| slot == PREFERRED).filter(clears) else { return false };
        let unread = self.confirmed.is_none_or(|read| stale(read.at)) || self.revisit_at.is_some_and(|at| at <= now);
        letter.content.teams_user() == self.teams_user && unread
    }

    /// Takes a letter for sending.
    pub fn claim(&mut self, slot: usize, now: Timestamp) -> Option<Letter> {
        let due = self.letter_due_at(slot, now).is_some_and(|at| at <= now);
        let letter = self.letters[slot].as_mut().filter(|_| due)?;
        if matches!(letter.content, Content::Show { end, .. } if end <= now) && letter.sent_at.is_none() {
            self.letters[slot] = None;
            self.wake();
            return None;
        }
        letter.claimed_until = Some(now + CLAIM);
        letter.attempts += 1;
        letter.sent_before = letter.sent_at;
        letter.sent_at = Some(letter.sent_at.unwrap_or(now));
        Some(letter.clone())
    }

    /// The push was confirmed. `begun`: when the attempt began.
    pub fn settle(&mut self, slot: usize, letter: &Letter, begun: Timestamp, now: Timestamp, mutant: Mutant) {
        let same = self.letters[slot].as_ref().is_some_and(|held| held.generation == letter.generation);
        let sent_at = self.letters[slot].as_ref().and_then(|held| held.sent_at).or(letter.sent_at);
        if same || mutant == Mutant::GenerationIgnored {
            self.letters[slot] = None;
        } else if let Some(held) = &mut self.letters[slot] {
            held.claimed_until = None;
        }
        if slot == APPOINTMENT {
            self.appointment.settled_at = Some(now);
            if same && letter.content.shows() && matches!(self.appointment.slot, Slot::Shown(_)) {
                self.appointment.reached_at = Some(now);
            }
            return;
        }
        let life = if slot == SESSION { mutant.timing().session_life } else { SignedDuration::from_hours(24) };
        let row = &mut self.teams[slot - SESSION];
        let counts = letter.content.shows() && (same || mutant == Mutant::GenerationIgnored);
        if let (true, Record::Shown { reached, .. }) = (counts, &mut row.record) {
            *reached = Some(Reached { at: now, until: begun + life });
            row.live_from = row.live_from.or(mutant.live_from(sent_at, now));
            row.live_until = None;
        } else if !letter.content.shows() && same {
            row.live_from = row.live_from.or(sent_at);
            row.live_until = Some(now);
        }
        self.wake();
    }

    /// The push failed.
    pub fn put_back(&mut self, slot: usize, letter: &Letter, pause: SignedDuration, surely_not: bool, now: Timestamp) {
        let ended = slot >= SESSION && matches!(self.teams[slot - SESSION].record, Record::Shown { given_up: true, .. });
        if ended {
            self.wake();
        }
        let Some(held) = &mut self.letters[slot] else { return };
        held.claimed_until = None;
        if held.generation == letter.generation {
            held.due_at = now + pause;
            if surely_not {
                held.sent_at = letter.sent_before;
            }
        }
    }
}
