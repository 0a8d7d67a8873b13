//! The people of XPhone: who they are in Teams, or why nobody; and what else can be asked and done about one of them.

mod explain;
mod timeline;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::{OperatorNotSelf, ViewerOrOwn, ViewerOrSelf};
use super::extract::{self, Asked};
use super::page::{self, Page};
use super::teams_sync::Mode;
use super::tree::SetAt;
use crate::domain::directory::Match;
use crate::domain::ids::LocationGuid;
use crate::http::Admin;
use crate::http::problem::Problem;
use crate::store;
use crate::store::audit::{self, Target};
use crate::store::person::{self, Listed};
use crate::store::user::wake;

/// Somebody of XPhone.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"guid": "d1b2ddea-9304-43e8-a2c5-e30395f00a7a", "name": "Anna Example", "email": "anna@example.com",
    "location": {"guid": "1d7e9c42-3b5a-4f68-8a90-b1c2d3e4f506", "name": "Headquarters"}, "configuration_group": null,
    "match": "matched", "teams": "5f0c7a3e-2b1d-4c6f-9e8d-7a6b5c4d3e2f",
    "teams_sync": {"mode": "telephony_and_presence", "from": "location", "shadow": false}}))]
pub struct User {
    /// XPhone's.
    guid: Uuid,
    /// What people read.
    name: String,
    /// The address they are matched by.
    #[schema(required)]
    email: Option<String>,
    /// Where they sit.
    #[schema(required)]
    location: Option<Seat>,
    #[schema(required)]
    configuration_group: Option<Seat>,
    /// `matched`, or why there is no single Teams user.
    #[serde(rename = "match")]
    matched: String,
    /// Who they are in Teams: Entra ID's object id.
    #[schema(required)]
    teams: Option<Uuid>,
    /// What may be shown for them.
    teams_sync: Effective,
}

/// A location or a configuration group that somebody is in.
#[derive(Debug, Serialize, ToSchema)]
pub struct Seat {
    guid: Uuid,
    /// null: XPhone's tree does not know it (yet).
    #[schema(required)]
    name: Option<String>,
}

/// What may be shown for somebody.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EffectiveTeamsSync)]
pub struct Effective {
    mode: Mode,
    /// Where the mode comes from.
    from: SetAt,
    /// Decided, but not shown.
    shadow: bool,
}

/// Why there is no single Teams user; `any`: whatever it is.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Difficulty {
    /// Whatever it is.
    Any,
    /// XPhone has no address for them.
    NoEmail,
    /// Nobody in Teams has the address.
    NotInTeams,
    /// Several people in XPhone have the address.
    DuplicateInXphone,
    /// Several people in Teams have the address.
    DuplicateInTeams,
    /// The Teams account is disabled.
    DisabledInTeams,
    /// Whoever has the address in Teams was linked by hand to somebody else.
    LinkedToAnother,
}

/// Which people.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Wanted {
    /// The `next` of the page before.
    after: Option<Uuid>,
    /// How many, at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
    /// Part of the name or the e-mail address, in any case.
    #[param(pattern = r"^[^\x00]*$", max_length = 256)]
    search: Option<String>,
    /// Those of this location.
    location: Option<Uuid>,
    /// Those of this configuration group.
    group: Option<Uuid>,
    /// Those without a single Teams user, for this reason.
    #[param(inline)]
    problem: Option<Difficulty>,
}

impl Difficulty {
    /// The match; `None`: any but one.
    fn matched(self) -> Option<Match> {
        match self {
            Self::Any => None,
            Self::NoEmail => Some(Match::NoEmail),
            Self::NotInTeams => Some(Match::NotInTeams),
            Self::DuplicateInXphone => Some(Match::DuplicateInXphone),
            Self::DuplicateInTeams => Some(Match::DuplicateInTeams),
            Self::DisabledInTeams => Some(Match::DisabledInTeams),
            Self::LinkedToAnother => Some(Match::LinkedToAnother),
        }
    }
}

impl From<Listed> for User {
    fn from(listed: Listed) -> Self {
        let seat = |(guid, name)| Seat { guid, name };
        let policy = listed.policy;
        Self {
            guid: listed.guid.0,
            name: listed.name,
            email: listed.email,
            location: listed.location.map(seat),
            configuration_group: listed.group.map(seat),
            matched: listed.matched,
            teams: listed.teams.map(|teams| teams.0),
            teams_sync: Effective { mode: policy.mode.into(), from: policy.mode_from.into(), shadow: policy.shadow },
        }
    }
}

pub fn router() -> OpenApiRouter<Admin> {
    let one = OpenApiRouter::new().routes(routes!(show)).routes(routes!(reconcile));
    OpenApiRouter::new().routes(routes!(list)).merge(one).merge(explain::router()).merge(timeline::router())
}

/// The people of XPhone
///
/// A person without a role sees the own user only.
#[utoipa::path(get, path = "/v1/users", operation_id = "listUsers", tag = "users", params(Wanted),
    security(("bearer" = ["viewer"])), extensions(("x-scope" = json!("part"))),
    responses((status = 200, body = Page<User>, description = "In the order of their guids"),
        (status = 400, description = "bad-query")))]
async fn list(
    permit: ViewerOrOwn,
    State(admin): State<Admin>,
    Asked(wanted): Asked<Wanted>,
) -> Result<Json<Page<User>>, Problem> {
    let limit = page::limit(wanted.limit)?;
    if let Some(location) = wanted.location {
        permit.at(LocationGuid(location))?;
    }
    let (part, own) = permit.reach();
    let wanted = person::Wanted {
        user: None,
        teams: own,
        location: wanted.location.or(part.map(|part| part.0)),
        group: wanted.group,
        search: extract::text("search", wanted.search)?,
        unmatched: wanted.problem.is_some(),
        matched: wanted.problem.and_then(Difficulty::matched).map(Match::label),
        after: wanted.after,
        limit: limit + 1,
    };
    let found = admin.store.list_people(&wanted).await?.into_iter().map(User::from).collect();
    Ok(Json(Page::cut(found, limit, |user| user.guid.to_string())))
}

/// Somebody of XPhone
#[utoipa::path(get, path = "/v1/users/{guid}", operation_id = "getUser", tag = "users",
    security(("bearer" = ["viewer"])), extensions(("x-scope" = json!("user"))),
    params(("guid" = Uuid, Path, description = "The user, by XPhone's guid")),
    responses((status = 200, body = User, description = "The user"), (status = 400, description = "bad-guid"),
        (status = 404, description = "There is no such user")))]
async fn show(permit: ViewerOrSelf, State(admin): State<Admin>) -> Result<Json<User>, Problem> {
    let wanted = person::Wanted { user: Some(permit.who.user), limit: 1, ..person::Wanted::default() };
    let found = admin.store.list_people(&wanted).await?.pop().ok_or_else(gone)?;
    Ok(Json(found.into()))
}

/// Read Teams for a user now, and decide anew
///
/// Nothing else is done than would be done anyway, only now.
#[utoipa::path(post, path = "/v1/users/{guid}/reconcile", operation_id = "reconcileUser", tag = "users",
    security(("bearer" = ["operator"])), extensions(("x-scope" = json!("location"))),
    params(("guid" = Uuid, Path, description = "The user, by XPhone's guid")),
    responses((status = 202, description = "It will be done at once; the timeline tells what came of it"),
        (status = 400, description = "bad-guid"), (status = 404, description = "There is no such user")))]
async fn reconcile(permit: OperatorNotSelf, State(admin): State<Admin>) -> Result<StatusCode, Problem> {
    let (user, now) = (permit.who.user, admin.clock.now());
    let mut tx = admin.store.begin().await?;
    if !wake(&mut tx, user, now).await? {
        return Err(gone());
    }
    let entry = permit.caller.entry("reconciled", Target { kind: "user", id: Some(user.to_string()) });
    audit::record(&mut tx, &entry, now).await?;
    store::commit(tx).await?;
    admin.activators.reconciler.wake();
    admin.activators.confirmer.wake();
    Ok(StatusCode::ACCEPTED)
}

/// The user went while the request was under way.
fn gone() -> Problem {
    Problem::not_found("XPhone has this user no more")
}
