//! What changed for a user lately, from what was observed to what became of each push.

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::domain::mapping::TeamsNative;
use crate::domain::presence::Presence;
use crate::domain::reconcile::Reason;
use crate::domain::slot::SlotName;
use crate::domain::timeline::{Entry, Fate, Sending, SlotChange, Waker};
use crate::http::Admin;
use crate::http::admin::auth::ViewerOrSelf;
use crate::http::admin::extract::Asked;
use crate::http::admin::page::{self, Page, Past};
use crate::http::problem::Problem;

/// A decision that changed something for a user.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "4711", "woken_by": ["notification"], "came_at": "2026-11-02T09:00:00Z",
    "decided_at": "2026-11-02T09:00:00.008Z", "teams": {"availability": "Busy", "activity": "InACall"},
    "native": {"teams": "call", "xphone": "free"}, "slots": [{"slot": "xphone_appointment", "shows": "on_the_phone",
    "would_show": null, "reason": "shown_call", "push": {"does": "set", "result": "arrived",
    "pushed_at": "2026-11-02T09:00:00.011Z", "settled_at": "2026-11-02T09:00:00.017Z", "attempts": 1, "problem": null,
    "next_try_at": null}}]}))]
#[schema(as = TimelineEntry)]
pub struct Item {
    id: String,
    /// What had the gateway decide: `notification`, `read`, `sweep`, `xphone`, `microphone`, `policy`, `directory`, `push` (one was over),
    /// `appointments` (one was missed or found in XPhone), `operator`, `time`; empty: not known.
    woken_by: Vec<&'static str>,
    /// When the oldest change came that was decided about; null: nothing new had come.
    #[schema(required)]
    came_at: Option<Timestamp>,
    decided_at: Timestamp,
    /// Teams' words, as last observed then; null: none yet.
    #[schema(required)]
    teams: Option<Words>,
    native: Native,
    /// Those that changed.
    slots: Vec<Changed>,
}

/// Graph's two words.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TeamsWords)]
pub struct Words {
    availability: String,
    activity: String,
}

/// What each side itself said, without what the gateway put there; null: not known.
#[derive(Debug, Serialize, ToSchema)]
pub struct Native {
    /// `free`, `call`, `presenting` or `do_not_disturb`.
    #[schema(required)]
    teams: Option<&'static str>,
    /// `free`, `busy`, `on_the_phone` or `do_not_disturb`.
    #[schema(required)]
    xphone: Option<&'static str>,
}

/// What changed about a slot.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SlotChange)]
pub struct Changed {
    /// `xphone_appointment`, `teams_session` or `teams_preferred`.
    slot: &'static str,
    /// `on_the_phone` or `do_not_disturb`; null: nothing from then on.
    #[schema(required)]
    shows: Option<&'static str>,
    /// The same, were the policy not on trial.
    #[schema(required)]
    would_show: Option<&'static str>,
    /// Why.
    reason: &'static str,
    /// What was sent about it; null: nothing.
    #[schema(required)]
    push: Option<Push>,
}

/// What was sent, and what became of it.
#[derive(Debug, Default, Serialize, ToSchema)]
pub struct Push {
    /// `set`, `clear`, or `forget`: nothing is sent, not even what was to be sent.
    does: &'static str,
    /// `arrived`; `waiting`; `expired`: over before it could be sent; `replaced`: a later decision took its place before it was known
    /// to have arrived; `not_needed`: nothing of it had been sent, so there was nothing to take away; `unknown`. null: `forget`.
    #[schema(required)]
    result: Option<&'static str>,
    /// When the last attempt began.
    #[schema(required)]
    pushed_at: Option<Timestamp>,
    /// When it was over.
    #[schema(required)]
    settled_at: Option<Timestamp>,
    /// How many there were; null: not known.
    #[schema(required)]
    attempts: Option<i32>,
    /// Why the last one that failed did.
    #[schema(required)]
    problem: Option<String>,
    /// When it is tried next.
    #[schema(required)]
    next_try_at: Option<Timestamp>,
}

impl From<Entry> for Item {
    fn from(entry: Entry) -> Self {
        let Entry { slots, fates, .. } = entry;
        let all = SlotName::ALL.into_iter().zip(slots).zip(fates);
        let slots = all.filter_map(|((slot, change), fate)| change.map(|change| Changed::of(slot, change, fate))).collect();
        Self {
            id: entry.id.to_string(),
            woken_by: entry.woken_by.iter().map(Waker::label).collect(),
            came_at: entry.came_at,
            decided_at: entry.decided_at,
            teams: entry.words.map(|(availability, activity)| Words { availability, activity }),
            native: Native {
                teams: entry.teams_native.map(TeamsNative::label),
                xphone: entry.xphone_native.map(Presence::label),
            },
            slots,
        }
    }
}

impl Changed {
    fn of(slot: SlotName, change: SlotChange, fate: Option<Fate>) -> Self {
        let presence = change.shows.map(Presence::label);
        let is_on_trial = change.reason == Reason::Shadow;
        Self {
            slot: slot.label(),
            shows: presence.filter(|_| !is_on_trial),
            would_show: presence.filter(|_| is_on_trial),
            reason: change.reason.label(),
            push: change.push.map(|push| Push::of(push, fate)),
        }
    }
}

impl Push {
    fn of(push: Sending, fate: Option<Fate>) -> Self {
        let does = push.label();
        let Some(fate) = fate else { return Self { does, ..Self::default() } };
        let begun = Self { does, result: Some(fate.label()), ..Self::default() };
        match fate {
            Fate::Arrived { pushed_at, settled_at, attempts, problem } => {
                Self { pushed_at, settled_at: Some(settled_at), attempts: Some(attempts), problem, ..begun }
            }
            Fate::Expired { at, attempts } => Self { settled_at: Some(at), attempts: Some(attempts), ..begun },
            Fate::Waiting { attempts, problem, next_try_at } => {
                Self { attempts: Some(attempts), problem, next_try_at: Some(next_try_at), ..begun }
            }
            Fate::NotNeeded => Self { attempts: Some(0), ..begun },
            Fate::Replaced | Fate::Unknown => begun,
        }
    }
}

pub fn router() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(timeline))
}

/// What changed for a user lately
///
/// Decisions that changed nothing are left out. Kept for `admin.presence_retention_days`.
#[utoipa::path(get, path = "/v1/users/{guid}/timeline", operation_id = "getUserTimeline", tag = "users",
    security(("bearer" = ["viewer"])), extensions(("x-scope" = json!("user"))),
    params(("guid" = uuid::Uuid, Path, description = "The user, by XPhone's guid"), Past),
    responses((status = 200, body = Page<Item>, description = "The latest first"),
        (status = 400, description = "bad-guid, bad-query"), (status = 404, description = "There is no such user")))]
async fn timeline(
    permit: ViewerOrSelf,
    State(admin): State<Admin>,
    Asked(past): Asked<Past>,
) -> Result<Json<Page<Item>>, Problem> {
    let limit = page::limit(past.limit)?;
    let entries = admin.store.timeline(permit.who.user, past.after, limit + 1).await?;
    Ok(Json(Page::cut(entries.into_iter().map(Item::from).collect(), limit, |item| item.id.clone())))
}
