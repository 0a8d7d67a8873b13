//! Who a user is in Teams: seen, linked by hand, and left to the e-mail address again.

use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::{OperatorNotSelf, OperatorOrSelf, ViewerOrSelf};
use super::etag::{Precondition, Tagged};
use super::extract::Body;
use crate::domain::ids::{LocationGuid, TeamsUserId, UserGuid};
use crate::http::Admin;
use crate::http::problem::{Kind, Problem};
use crate::store;
use crate::store::audit::{self, Target};
use crate::store::directory::link::{self, Holders, Linked, Named};

/// Entra ID's own sign-in names are shorter.
const NAME_CHARACTERS_MAX: usize = 256;

/// A Teams account, named by exactly one of the two.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = TeamsAccountWanted, example = json!({"user_principal_name": "anna@example.com"}))]
pub struct Wanted {
    /// Entra ID's object id.
    id: Option<Uuid>,
    /// The sign-in name, whatever the case.
    #[schema(max_length = 256, pattern = r"^[^@\s\x00-\x1f\x7f-\x9f]+@[^\s\x00-\x1f\x7f-\x9f]+$")]
    user_principal_name: Option<String>,
}

/// Who a user is in Teams, and why.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "6c9f0d3e-2b1a-4c5d-8e7f-a0b1c2d3e4f5", "user_principal_name": "anna@example.com",
    "link": {"by": "token rollout", "at": "2026-11-02T09:00:00Z"}, "login": null}))]
pub struct TeamsAccount {
    /// Entra ID's object id; null: nobody.
    #[schema(required)]
    id: Option<Uuid>,
    /// The sign-in name, as far as Teams' directory has the account.
    #[schema(required)]
    user_principal_name: Option<String>,
    /// The link; null: the e-mail address decides.
    #[schema(required)]
    link: Option<Link>,
    /// The login data that was kept when the user signed in; null: none.
    #[schema(required)]
    login: Option<Login>,
}

/// A link, and whose word it is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = TeamsAccountLink)]
pub struct Link {
    /// `sign-in`: the user's own. Otherwise who made it by hand: `token` and its name, `person` and the object id, `bootstrap`.
    by: String,
    at: Timestamp,
}

/// How kept login data does.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = KeptLogin)]
pub struct Login {
    /// `kept`, or `needs_sign_in`: Entra ID takes it no more, and it was forgotten. The link holds all the same.
    state: &'static str,
    /// Why the user would have to sign in again.
    #[schema(required)]
    problem: Option<String>,
    /// When the user signed in.
    kept_at: Timestamp,
    /// When the account was last proved with it.
    renewed_at: Timestamp,
}

pub fn router() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(show, put, remove))
}

/// Who a user is in Teams
#[utoipa::path(get, path = "/v1/users/{guid}/teams-account", operation_id = "getUserTeamsAccount", tag = "users",
    security(("bearer" = ["viewer"])), extensions(("x-scope" = json!("user"))),
    params(("guid" = Uuid, Path, description = "The user, by XPhone's guid")),
    responses((status = 200, body = TeamsAccount, description = "Who, and why", headers(("ETag" = String))),
        (status = 400, description = "bad-guid"),
        (status = 404, description = "There is no such user")))]
async fn show(permit: ViewerOrSelf, State(admin): State<Admin>) -> Result<Tagged<TeamsAccount>, Problem> {
    account(&admin, permit.who.user).await
}

/// Link a user to a Teams account by hand
///
/// It beats the e-mail address, and takes the account away from whoever has it by address. What the gateway showed on the account
/// before is taken back first. Login data that was kept with an earlier link is forgotten. A token that is confined to a location takes
/// no account that belongs to somebody elsewhere.
#[utoipa::path(put, path = "/v1/users/{guid}/teams-account", operation_id = "putUserTeamsAccount", tag = "users",
    security(("bearer" = ["operator"])), extensions(("x-scope" = json!("location"))),
    params(("guid" = Uuid, Path, description = "The user, by XPhone's guid"),
        ("If-Match" = Option<String>, Header, description = "Only if this is so now")), request_body = Wanted,
    responses((status = 200, body = TeamsAccount, description = "The link holds; it takes effect at once", headers(("ETag" = String))),
        (status = 400, description = "bad-guid, bad-json"), (status = 404, description = "There is no such user"),
        (status = 409, description = "teams-account-unknown, teams-account-disabled, teams-account-taken"),
        (status = 412, description = "It is another one by now"),
        (status = 413, description = "The body is too long"), (status = 415, description = "The body is not JSON"),
        (status = 422, description = "The body is not of this form")))]
async fn put(
    permit: OperatorNotSelf,
    State(admin): State<Admin>,
    precondition: Precondition,
    Body(wanted): Body<Wanted>,
) -> Result<Tagged<TeamsAccount>, Problem> {
    let (user, now) = (permit.who.user, admin.clock.now());
    let named = named(&wanted)?;
    let mut tx = admin.store.begin().await?;
    let before = link::lock_link(&mut tx, user).await?.ok_or_else(gone)?;
    precondition.check(Some(&TeamsAccount::from(link::read_account(&mut *tx, user).await?)))?;
    let from = permit.caller.location.map_or(Holders::Anybody, Holders::Within);
    let linked = link::link(&mut tx, user, named, from, &permit.caller.describe(), now).await?;
    let after = linked_to(linked, permit.caller.location)?;
    let mut entry = permit.caller.entry("teams-account linked", target(user));
    (entry.before, entry.after) = (before.map(|id| json!({"id": id.0})), Some(json!({"id": after.0})));
    audit::record(&mut tx, &entry, now).await?;
    store::commit(tx).await?;
    admin.activators.directory.wake();
    account(&admin, user).await
}

/// Take the link of a user away
///
/// The e-mail address decides again, and login data that was kept is forgotten. People without a role take away the link that they made
/// by signing in, and no other.
#[utoipa::path(delete, path = "/v1/users/{guid}/teams-account", operation_id = "deleteUserTeamsAccount", tag = "users",
    security(("bearer" = ["operator"])), extensions(("x-scope" = json!("user"))),
    params(("guid" = Uuid, Path, description = "The user, by XPhone's guid"),
        ("If-Match" = Option<String>, Header, description = "Only if this is so now")),
    responses((status = 204, description = "There is no link"), (status = 400, description = "bad-guid"),
        (status = 404, description = "There is no such user"), (status = 412, description = "It is another one by now"),
        (status = 429, description = "too-many-failures, too-many-changes")))]
async fn remove(permit: OperatorOrSelf, State(admin): State<Admin>, precondition: Precondition) -> Result<StatusCode, Problem> {
    let (user, now) = (permit.who.user, admin.clock.now());
    let mut tx = admin.store.begin().await?;
    let before = link::lock_link(&mut tx, user).await?.ok_or_else(gone)?;
    let account = TeamsAccount::from(link::read_account(&mut *tx, user).await?);
    precondition.check(Some(&account))?;
    let Some(before) = before else { return Ok(StatusCode::NO_CONTENT) };
    if permit.is_self && account.link.as_ref().is_none_or(|link| link.by != link::BY_SIGNING_IN) {
        return Err(Problem::new(Kind::WrongRole, "you did not make this link by signing in: whoever made it can take it away"));
    }
    let mut entry = permit.caller.entry("teams-account unlinked", target(user));
    entry.before = Some(json!({"id": before.0}));
    audit::record(&mut tx, &entry, now).await?;
    link::unlink(&mut tx, user, now).await?;
    store::commit(tx).await?;
    admin.activators.directory.wake();
    Ok(StatusCode::NO_CONTENT)
}

fn named(wanted: &Wanted) -> Result<Named<'_>, Problem> {
    match (wanted.id, wanted.user_principal_name.as_deref()) {
        (Some(id), None) => Ok(Named::Id(TeamsUserId(id))),
        (None, Some(name)) if is_name(name) => Ok(Named::UserPrincipalName(name)),
        (None, Some(_)) => {
            Err(Problem::new(Kind::BadBody, "user_principal_name must be a sign-in name, such as anna@example.com"))
        }
        _ => Err(Problem::new(Kind::BadBody, "give either id or user_principal_name")),
    }
}

/// Whether it can be a sign-in name at all.
pub fn is_name(name: &str) -> bool {
    let is_whole = name.split_once('@').is_some_and(|(before, after)| !before.is_empty() && !after.is_empty());
    let has_strange = name.chars().any(|letter| letter.is_control() || letter.is_whitespace());
    is_whole && !has_strange && name.chars().count() <= NAME_CHARACTERS_MAX
}

/// The account, or why there is no link.
fn linked_to(linked: Linked, reach: Option<LocationGuid>) -> Result<TeamsUserId, Problem> {
    match linked {
        Linked::Done(account) => Ok(account),
        Linked::NoSuchUser => Err(gone()),
        Linked::NoSuchAccount => {
            let detail = "Teams' directory has no such account; a new one is known within directory.refresh_seconds";
            Err(Problem::new(Kind::TeamsAccountUnknown, detail))
        }
        Linked::Disabled => {
            let detail = "this account may not sign in: enable it in Entra ID, wait directory.refresh_seconds, and link it then";
            Err(Problem::new(Kind::TeamsAccountDisabled, detail))
        }
        Linked::OutOfReach => {
            let reach = reach.map(|location| location.to_string()).unwrap_or_default();
            let detail = format!("the token reaches what belongs to location {reach} only; this account is somebody's elsewhere");
            Err(Problem::new(Kind::WrongLocation, detail))
        }
        Linked::Taken(Some(holder)) => {
            let detail = format!("user {holder} is linked to this account: take that link away first");
            Err(Problem::new(Kind::TeamsAccountTaken, detail))
        }
        Linked::Taken(None) => {
            Err(Problem::new(Kind::TeamsAccountTaken, "somebody else was linked to this account until just now: try again"))
        }
    }
}

fn gone() -> Problem {
    Problem::not_found("XPhone has this user no more")
}

fn target(user: UserGuid) -> Target {
    Target { kind: "user", id: Some(user.to_string()) }
}

async fn account(admin: &Admin, user: UserGuid) -> Result<Tagged<TeamsAccount>, Problem> {
    Ok(Tagged(admin.store.teams_account(user).await?.into()))
}

impl From<link::Account> for TeamsAccount {
    fn from(account: link::Account) -> Self {
        let login = account.login.map(|login| Login {
            state: if login.problem.is_some() { "needs_sign_in" } else { "kept" },
            problem: login.problem,
            kept_at: login.kept_at,
            renewed_at: login.renewed_at,
        });
        Self {
            id: account.id.map(|id| id.0),
            user_principal_name: account.user_principal_name,
            link: account.link.map(|made| Link { by: made.by, at: made.at }),
            login,
        }
    }
}
