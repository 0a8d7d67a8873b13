//! Why a user shows what they show: what both sides said and what that means, what may be shown and who said so, what is shown, what
//! is not and why, what is on its way, and when to look again.

mod microphone;
mod slot;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use self::microphone::MicrophoneInUse;
use self::slot::Place;
use super::gone;
use crate::domain::explanation::{Explanation, Holds, PolicySays, TeamsSays, XphoneSays};
use crate::domain::mapping::{Cause, StatusKind, TeamsNative};
use crate::domain::reconcile::{Profile, Source};
use crate::http::Admin;
use crate::http::admin::auth::ViewerOrSelf;
use crate::http::admin::microphone_sync::MicrophoneSync;
use crate::http::admin::profile_template::ProfileTemplate;
use crate::http::admin::subscriptions::Watched;
use crate::http::admin::teams_sync::Mode;
use crate::http::admin::tree::SetAt;
use crate::http::problem::Problem;

/// Why a user shows what they show, as of now.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Explanation)]
#[schema(example = json!({"user": "d1b2ddea-9304-43e8-a2c5-e30395f00a7a", "now": "2026-11-02T09:00:01Z", "match": "matched",
    "teams_user": "5f0c7a3e-2b1d-4c6f-9e8d-7a6b5c4d3e2f",
    "watched": {"by": "push", "why": null, "since": null, "account": "presence-1@example.com",
        "subscription": "0d6a2b1c-3e4f-4a5b-8c6d-7e8f90a1b2c3", "silent_since": null},
    "teams": {"availability": "Busy", "activity": "InACall", "source": "read", "observed_at": "2026-11-02T09:00:00Z",
        "age_seconds": 1.0, "confirm_at": null, "read_at": "2026-11-02T09:00:00Z",
        "mapping": {"word": "InACall", "known": true, "native": "call"}, "echo": null},
    "native": {"teams": "call", "teams_since": "2026-11-02T09:00:00Z", "xphone": "free"},
    "xphone": {"telephone_state": 2, "meeting": "none", "own_presence_status": "available", "ours": false, "client_connected": true,
        "changed_at": "2026-11-02T08:30:00Z", "heard_at": "2026-11-02T08:59:50Z", "age_seconds": 11.0,
        "mapping": {"causes": [], "native": "free"}},
    "policy": {"mode": {"value": "telephony_and_presence", "from": "location"}, "shadow": {"value": false, "from": "location"},
        "user_may_change": {"value": false, "from": "location"}, "remember_login_data": {"value": false, "from": "location"},
        "choice": null},
    "microphone_sync": {"from": "unset",
        "effective": {"enabled": true, "processes": [{"process": "Zoom", "alias": "Zoom Meeting", "active": true}],
            "ignored": ["voicemeeter"]}},
    "microphone": {"tells": "Zoom Meeting", "reported": [{"process": "zoom", "since": "2026-11-02T08:58:00Z",
        "reported_at": "2026-11-02T08:59:58Z", "live": true}], "held_back": null},
    "profile_template": {"from": "location",
        "effective": {"create": true, "presence_status": "busy", "call_forwarding": {"mode": "none", "number": null}}},
    "profiles": [{"guid": "2262eb26-92d4-461b-b300-356a1d3706b8", "name": "MS Teams", "presence_status": "busy", "active": true}],
    "has_busy_status": true,
    "slots": [{"slot": "xphone_appointment", "shows": {"presence": "on_the_phone", "subject": "On the phone (MS Teams)",
        "profile": "2262eb26-92d4-461b-b300-356a1d3706b8", "presence_status": null, "visible_from": null, "cause": "call",
        "since": "2026-11-02T09:00:00Z", "until": "2026-11-02T20:55:00Z", "given_up": false}, "held_back": null, "reason": "shown_call",
        "because": "shown, because of a Teams call", "would_show": null, "on_its_way": null, "to_do": null}],
    "decided_at": "2026-11-02T09:00:00.008Z", "next_look_at": "2026-11-02T14:57:30Z"}))]
pub struct Explained {
    user: Uuid,
    /// All ages are counted from here.
    now: Timestamp,
    /// `matched`, or why there is no single Teams user.
    #[serde(rename = "match")]
    matched: String,
    /// Who they are in Teams.
    #[schema(required)]
    teams_user: Option<Uuid>,
    /// How changes in Teams reach the gateway.
    watched: Watched,
    /// What Teams was last seen to say; null: nothing yet.
    #[schema(required)]
    teams: Option<InTeams>,
    /// What XPhone was last seen to say; null: nothing yet.
    #[schema(required)]
    xphone: Option<InXphone>,
    native: Natives,
    policy: Policy,
    /// Which programs are told of when they use the microphone.
    microphone_sync: Holding<MicrophoneSync>,
    /// What the user's workstations report of it.
    microphone: MicrophoneInUse,
    /// The central profile template `MS Teams`.
    profile_template: Holding<ProfileTemplate>,
    /// The user's *My Profiles*, in their order.
    profiles: Vec<Profiled>,
    /// Whether XPhone's server names a status *Busy*.
    has_busy_status: bool,
    /// Each place where something can be shown.
    slots: Vec<Place>,
    /// When the last decision was made; null: never.
    #[schema(required)]
    decided_at: Option<Timestamp>,
    /// When to look again though nothing happens, `now` if at once; null: when something changes.
    #[schema(required)]
    next_look_at: Option<Timestamp>,
}

/// What Teams was last seen to say.
#[derive(Debug, Serialize, ToSchema)]
pub struct InTeams {
    availability: String,
    activity: String,
    /// `read`; `notification`: not confirmed yet.
    source: &'static str,
    /// When this was seen. While Teams is free and shows nothing of ours, reads that find the same are not recorded: then since when.
    observed_at: Timestamp,
    age_seconds: f64,
    /// When Teams is to be read to make sure.
    #[schema(required)]
    confirm_at: Option<Timestamp>,
    /// The read that was recorded last.
    #[schema(required)]
    read_at: Option<Timestamp>,
    mapping: TeamsMapping,
    /// It was taken for the gateway's own doing, and tells nothing.
    #[schema(required)]
    echo: Option<Echo>,
}

/// What the two words mean where they are not the gateway's own doing.
#[derive(Debug, Serialize, ToSchema)]
pub struct TeamsMapping {
    /// The one that decides; null: neither does, which means `free`.
    #[schema(required)]
    word: Option<&'static str>,
    /// Whether both are documented.
    known: bool,
    /// `free`, `call`, `presenting`, `do_not_disturb`; null: Teams does not know, which tells nothing.
    #[schema(required)]
    native: Option<&'static str>,
}

/// What was taken for the gateway's own doing.
#[derive(Debug, Serialize, ToSchema)]
pub struct Echo {
    /// What it looks like: `teams_session` or `teams_preferred`.
    slot: &'static str,
    /// Until when what looks like it, and comes the same way, is taken for ours; null: as long as that shows something.
    #[schema(required)]
    until: Option<Timestamp>,
}

/// What XPhone was last seen to say.
#[derive(Debug, Serialize, ToSchema)]
pub struct InXphone {
    /// Bits, as XPhone tells them.
    telephone_state: i32,
    /// `none`, `audio`, `video` or `screen_share`.
    meeting: &'static str,
    /// The kind of the status that XPhone showed last and that was not ours; null: none was, or one that the server never named.
    #[schema(required)]
    own_presence_status: Option<&'static str>,
    /// Whether the gateway made the presence now shown, which covers that status.
    ours: bool,
    #[schema(required)]
    client_connected: Option<bool>,
    /// When that changed last.
    #[schema(required)]
    changed_at: Option<Timestamp>,
    /// Until when it is known to be true.
    #[schema(required)]
    heard_at: Option<Timestamp>,
    /// Since then.
    #[schema(required)]
    age_seconds: Option<f64>,
    mapping: XphoneMapping,
}

/// What that means, without what the gateway put there.
#[derive(Debug, Serialize, ToSchema)]
pub struct XphoneMapping {
    /// What of it is to be shown in Teams: `call`, `do_not_disturb`.
    causes: Vec<&'static str>,
    /// `free`, `busy`, `on_the_phone` or `do_not_disturb`.
    native: &'static str,
}

/// What each side itself says, without what the gateway put there; null: not known.
#[derive(Debug, Serialize, ToSchema)]
pub struct Natives {
    /// `free`, `call`, `presenting` or `do_not_disturb`.
    #[schema(required)]
    teams: Option<&'static str>,
    #[schema(required)]
    teams_since: Option<Timestamp>,
    /// `free`, `busy`, `on_the_phone` or `do_not_disturb`.
    #[schema(required)]
    xphone: Option<&'static str>,
}

/// What may be shown, each part with the level that it comes from.
#[derive(Debug, Serialize, ToSchema)]
pub struct Policy {
    mode: ModeFrom,
    /// Decided, but not shown.
    shadow: SwitchFrom,
    /// Whether users choose for themselves.
    user_may_change: SwitchFrom,
    /// Whether log-in data of users who link themselves is kept.
    remember_login_data: SwitchFrom,
    /// What the user chose; it holds only where the mode comes from the user.
    #[schema(required)]
    choice: Option<Mode>,
}

/// A mode, and where it comes from.
#[derive(Debug, Serialize, ToSchema)]
pub struct ModeFrom {
    value: Mode,
    from: SetAt,
}

/// What holds for the user, and where that comes from.
#[derive(Debug, Serialize, ToSchema)]
pub struct Holding<T> {
    effective: T,
    from: SetAt,
}

/// On or off, and where that comes from.
#[derive(Debug, Serialize, ToSchema)]
pub struct SwitchFrom {
    value: bool,
    from: SetAt,
}

/// One of the user's presence profiles.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = Profile)]
pub struct Profiled {
    guid: Uuid,
    name: String,
    /// The kind of its status; null: one that the server never named.
    #[schema(required)]
    presence_status: Option<&'static str>,
    active: bool,
}

impl Explained {
    fn of(explanation: Explanation, watched: Watched) -> Self {
        let now = explanation.now;
        Self {
            user: explanation.user.0,
            now,
            matched: explanation.matched,
            teams_user: explanation.teams_user.map(|teams| teams.0),
            watched,
            native: Natives {
                teams: explanation.teams_itself.map(|known| known.native.label()),
                teams_since: explanation.teams_itself.map(|known| known.since),
                xphone: explanation.xphone.map(|xphone| xphone.native.label()),
            },
            teams: explanation.teams.map(|teams| InTeams::of(teams, now)),
            xphone: explanation.xphone.map(|xphone| InXphone::of(xphone, now)),
            policy: explanation.policy.into(),
            microphone_sync: explanation.microphone.into(),
            microphone: MicrophoneInUse::of(explanation.microphone_use, now),
            profile_template: explanation.template.into(),
            profiles: explanation.profiles.into_iter().map(Profiled::from).collect(),
            has_busy_status: explanation.has_busy_status,
            slots: explanation.slots.into_iter().map(|slot| Place::of(slot, now)).collect(),
            decided_at: explanation.decided_at,
            next_look_at: explanation.next_look_at,
        }
    }
}

impl InTeams {
    fn of(says: TeamsSays, now: Timestamp) -> Self {
        let native = says.means.map(TeamsNative::label);
        Self {
            mapping: TeamsMapping { word: says.word, known: says.is_known, native },
            availability: says.availability,
            activity: says.activity,
            source: match says.source {
                Source::Notification => "notification",
                Source::Read => "read",
            },
            observed_at: says.observed_at,
            age_seconds: age(says.observed_at, now),
            confirm_at: says.confirm_at,
            read_at: says.read_at,
            echo: says.echo.map(|echo| Echo { slot: echo.slot.label(), until: echo.until }),
        }
    }
}

impl InXphone {
    fn of(says: XphoneSays, now: Timestamp) -> Self {
        let causes = [(says.says_call, Cause::Call), (says.says_do_not_disturb, Cause::DoNotDisturb)];
        let causes = causes.into_iter().filter(|(is_given, _)| *is_given).map(|(_, cause)| cause.label()).collect();
        Self {
            telephone_state: says.entry.telephone_state,
            meeting: says.entry.meeting.label(),
            own_presence_status: says.entry.own_status.map(StatusKind::label),
            ours: says.entry.ours,
            client_connected: says.client_connected,
            changed_at: says.changed_at,
            heard_at: says.heard_at,
            age_seconds: says.heard_at.map(|at| age(at, now)),
            mapping: XphoneMapping { causes, native: says.native.label() },
        }
    }
}

impl From<PolicySays> for Policy {
    fn from(says: PolicySays) -> Self {
        let switch = |value| SwitchFrom { value, from: says.set_at.into() };
        Self {
            mode: ModeFrom { value: says.mode.into(), from: says.mode_from.into() },
            shadow: switch(says.shadow),
            user_may_change: switch(says.user_may_change),
            remember_login_data: switch(says.remember_login_data),
            choice: says.choice.map(Mode::from),
        }
    }
}

impl<S: Into<T>, T> From<Holds<S>> for Holding<T> {
    fn from(holds: Holds<S>) -> Self {
        Self { effective: holds.value.into(), from: holds.from.into() }
    }
}

impl From<Profile> for Profiled {
    fn from(profile: Profile) -> Self {
        let presence_status = profile.status.map(StatusKind::label);
        Self { guid: profile.guid.0, name: profile.name, presence_status, active: profile.active }
    }
}

fn age(at: Timestamp, now: Timestamp) -> f64 {
    now.duration_since(at).as_secs_f64()
}

pub fn router() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(explain))
}

/// Why a user shows what they show
///
/// What `presence-gateway explain` prints. Which account and subscription watch the user is told to whoever may list those.
#[utoipa::path(get, path = "/v1/users/{guid}/explain", operation_id = "explainUser", tag = "users",
    security(("bearer" = ["viewer"])), extensions(("x-scope" = json!("user"))),
    params(("guid" = Uuid, Path, description = "The user, by XPhone's guid")),
    responses((status = 200, body = Explained, description = "As of now"), (status = 400, description = "bad-guid"),
        (status = 404, description = "There is no such user")))]
async fn explain(permit: ViewerOrSelf, State(admin): State<Admin>) -> Result<Json<Explained>, Problem> {
    let (user, now) = (permit.who.user, admin.clock.now());
    let explanation = admin.store.explain(user, now, admin.terms).await?.ok_or_else(gone)?;
    let watched = Watched::from(admin.store.place_of(user, admin.push, now).await?);
    // Which accounts there are is told only to whoever may list them.
    let is_confined = permit.is_self || permit.caller.location.is_some();
    let watched = if is_confined { watched.unnamed() } else { watched };
    Ok(Json(Explained::of(explanation, watched)))
}
