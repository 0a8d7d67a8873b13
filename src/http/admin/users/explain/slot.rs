//! One place where something can be shown: what is, what is not and why, and what is on its way.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::domain::explanation::{Letter, Shows, SlotSays};
use crate::domain::mapping::Cause;
use crate::domain::presence::Presence;
use crate::domain::slot::{Audience, Look};
use crate::domain::timeline::Sending;

/// A place where something can be shown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ExplainedSlot)]
pub struct Place {
    /// `xphone_appointment`, `teams_session` or `teams_preferred`.
    slot: &'static str,
    /// What the gateway recorded as shown there, or on its way to be; null: nothing.
    #[schema(required)]
    shows: Option<Shown>,
    /// It is not set again before its cause has ended.
    #[schema(required)]
    held_back: Option<HeldBack>,
    /// Why it is so: a stable word.
    reason: &'static str,
    /// The same for people.
    because: &'static str,
    /// `on_the_phone` or `do_not_disturb`: what would be shown, were the policy not on trial.
    #[schema(required)]
    would_show: Option<&'static str>,
    /// What waits to be sent, or is just being sent.
    #[schema(required)]
    on_its_way: Option<OnItsWay>,
    /// What the next decision will send, if nothing else happens: `set`, `clear` or `forget`; null: nothing.
    #[schema(required)]
    to_do: Option<&'static str>,
}

/// Something shown.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ShownInSlot)]
pub struct Shown {
    /// `busy`, `on_the_phone` or `do_not_disturb`.
    presence: &'static str,
    /// What people read, in XPhone.
    #[schema(required)]
    subject: Option<String>,
    /// The profile that it looks like, in XPhone.
    #[schema(required)]
    profile: Option<Uuid>,
    /// The status that it looks like, in XPhone.
    #[schema(required)]
    presence_status: Option<Uuid>,
    /// `team_colleague`: only they and whoever is closer see it; null: everybody does.
    #[schema(required)]
    visible_from: Option<&'static str>,
    /// `call`, `do_not_disturb` or `microphone`; null: not known, it was found there.
    #[schema(required)]
    cause: Option<&'static str>,
    since: Timestamp,
    /// When it ends by itself unless it is moved on; null: Graph has not confirmed it yet.
    #[schema(required)]
    until: Option<Timestamp>,
    /// It only waits until a read tells whether it is still the gateway's to take away.
    given_up: bool,
}

/// Why it is not set again before its cause has ended.
#[derive(Debug, Serialize, ToSchema)]
pub struct HeldBack {
    /// `overridden`: a person undid it; `lapsed`: it ran out by itself.
    pub(super) why: &'static str,
    pub(super) since: Timestamp,
}

/// What waits to be sent, or is just being sent.
#[derive(Debug, Serialize, ToSchema)]
pub struct OnItsWay {
    /// `set` or `clear`.
    does: &'static str,
    decided_at: Timestamp,
    /// How often it was tried.
    attempts: i32,
    /// Why the last attempt failed; null: none did.
    #[schema(required)]
    problem: Option<String>,
    /// When it is tried next.
    next_try_at: Timestamp,
    /// Somebody may be sending it until then.
    #[schema(required)]
    being_sent_until: Option<Timestamp>,
}

impl Place {
    pub fn of(says: SlotSays, now: Timestamp) -> Self {
        Self {
            slot: says.slot.label(),
            shows: says.shows.map(Shown::from),
            held_back: says.held_back.map(|(why, since)| HeldBack { why: why.label(), since }),
            reason: says.reason.label(),
            because: says.reason.describe(says.slot),
            would_show: says.would_show.map(Presence::label),
            on_its_way: says.letter.map(|letter| OnItsWay::of(letter, now)),
            to_do: says.to_do.map(Sending::label),
        }
    }
}

impl From<Shows> for Shown {
    fn from(shows: Shows) -> Self {
        let (profile, presence_status) = match shows.look {
            Some(Look::Profile(profile)) => (Some(profile.0), None),
            Some(Look::Status(status)) => (None, Some(status.0)),
            None => (None, None),
        };
        Self {
            presence: shows.presence.label(),
            subject: shows.subject,
            profile,
            presence_status,
            visible_from: (shows.audience == Audience::TeamColleagues).then_some("team_colleague"),
            cause: shows.cause.map(Cause::label),
            since: shows.since,
            until: shows.until,
            given_up: shows.given_up,
        }
    }
}

impl OnItsWay {
    fn of(letter: Letter, now: Timestamp) -> Self {
        let does = if letter.shows { Sending::Set } else { Sending::Clear };
        Self {
            does: does.label(),
            decided_at: letter.decided_at,
            attempts: letter.attempts,
            problem: letter.problem,
            next_try_at: letter.next_try_at,
            being_sent_until: letter.claimed_until.filter(|until| *until > now),
        }
    }
}
