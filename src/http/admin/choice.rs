//! What users choose for themselves, where the policy lets them: by themselves, or by an operator.

use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{OperatorOrSelf, ViewerOrSelf};
use super::etag::{Precondition, Tagged};
use super::extract::Body;
use super::setting::{Setting, json};
use super::teams_sync::{Mode, TeamsSync};
use crate::http::Admin;
use crate::http::problem::{Kind, Problem};
use crate::store;
use crate::store::audit::{self, Target};
use crate::store::choice::{lock_choice, write_choice};

/// What a user chose.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"mode": "telephony"}))]
pub struct Choice {
    mode: Mode,
}

pub fn router() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(show, choose, unchoose))
}

/// Choose for a user
///
/// People without a role choose for their own user. Where the policy leaves no choice, administrators have none either: they
/// change the policy.
#[utoipa::path(put, path = "/v1/users/{guid}/teams-sync", operation_id = "putUserTeamsSync", tag = "users",
    security(("bearer" = ["operator"])), extensions(("x-scope" = json!("user"))),
    params(("guid" = uuid::Uuid, Path, description = "The user, by XPhone's guid"),
        ("If-Match" = Option<String>, Header, description = "Only if this is chosen now"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if nothing is chosen now")),
    request_body = Choice,
    responses((status = 200, body = Choice, description = "It is chosen", headers(("ETag" = String))),
        (status = 400, description = "bad-guid, bad-json"),
        (status = 403, description = "wrong-role, wrong-location, not-yours, no-choice"), (status = 404, description = "There is no such user"),
        (status = 412, description = "Something else is chosen by now"), (status = 429, description = "too-many-failures, too-many-changes"),
        (status = 413, description = "The body is too long"),
        (status = 415, description = "The body is not JSON"), (status = 422, description = "The body is not of this form")))]
async fn choose(
    permit: OperatorOrSelf,
    State(admin): State<Admin>,
    precondition: Precondition,
    Body(choice): Body<Choice>,
) -> Result<Tagged<Choice>, Problem> {
    change(&admin, &permit, &precondition, Some(choice)).await?;
    Ok(Tagged(choice))
}

/// What a user chose
///
/// Not what holds for them: that is told of the user, with where it comes from.
#[utoipa::path(get, path = "/v1/users/{guid}/teams-sync", operation_id = "getUserTeamsSync", tag = "users",
    security(("bearer" = ["viewer"])), extensions(("x-scope" = json!("user"))),
    params(("guid" = uuid::Uuid, Path, description = "The user, by XPhone's guid")),
    responses((status = 200, body = Choice, description = "What is chosen", headers(("ETag" = String))), (status = 400, description = "bad-guid"),
        (status = 404, description = "There is no such user, or nothing is chosen: what is set for their group or location holds")))]
async fn show(permit: ViewerOrSelf, State(admin): State<Admin>) -> Result<Tagged<Choice>, Problem> {
    let chosen = admin.store.choice(permit.who.user).await?;
    let nothing = || Problem::not_found("nothing is chosen: what is set for the user's group or location holds");
    chosen.map(|mode| Tagged(Choice { mode: mode.into() })).ok_or_else(nothing)
}

/// Take back a user's choice
#[utoipa::path(delete, path = "/v1/users/{guid}/teams-sync", operation_id = "deleteUserTeamsSync", tag = "users",
    security(("bearer" = ["operator"])), extensions(("x-scope" = json!("user"))),
    params(("guid" = uuid::Uuid, Path, description = "The user, by XPhone's guid"),
        ("If-Match" = Option<String>, Header, description = "Only if this is chosen now")),
    responses((status = 204, description = "What is set for their group or location holds"),
        (status = 400, description = "bad-guid"),
        (status = 403, description = "wrong-role, wrong-location, not-yours, no-choice"), (status = 404, description = "There is no such user"),
        (status = 412, description = "Something else is chosen by now"),
        (status = 429, description = "too-many-failures, too-many-changes")))]
async fn unchoose(permit: OperatorOrSelf, State(admin): State<Admin>, precondition: Precondition) -> Result<StatusCode, Problem> {
    change(&admin, &permit, &precondition, None).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn change(
    admin: &Admin,
    permit: &OperatorOrSelf,
    precondition: &Precondition,
    after: Option<Choice>,
) -> Result<(), Problem> {
    let (user, now) = (permit.who.user, admin.clock.now());
    let mut tx = admin.store.begin().await?;
    let stored = lock_choice(&mut tx, user).await?.ok_or_else(|| Problem::not_found("XPhone has this user no more"))?;
    if !stored.may_change {
        return Err(Problem::new(
            Kind::NoChoice,
            "what is set for the user's group or location says that users may not change it",
        ));
    }
    let before = stored.chosen.map(|mode| Choice { mode: mode.into() });
    precondition.check(before.as_ref())?;
    if before == after {
        return Ok(());
    }
    let target = Target { kind: "user", id: Some(user.to_string()) };
    let action = if after.is_some() { "teams-sync chosen" } else { "teams-sync choice taken back" };
    let mut entry = permit.caller.entry(action, target);
    (entry.before, entry.after) = (json(before.as_ref())?, json(after.as_ref())?);
    audit::record(&mut tx, &entry, now).await?;
    write_choice(&mut tx, user, after.map(|choice| choice.mode.into()), now).await?;
    store::commit(tx).await?;
    TeamsSync::wake(&admin.activators);
    Ok(())
}
