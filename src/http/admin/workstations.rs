//! Workstations whose microphone agents may report: enrolled by IT, each with a token for one user's reports.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::{LocalOperator, LocalViewer};
use super::extract::{Asked, Body, Guid};
use super::page::{self, Page};
use crate::http::Admin;
use crate::http::problem::{Kind, Problem};
use crate::store;
use crate::store::audit::{self, Target};
use crate::store::choice::Belonging;
use crate::store::workstation::{self, enrol, remove};

/// No workstation's name is longer.
pub const NAME_CHARACTERS_MAX: usize = 100;

/// A workstation whose agent may report.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "0192f3a4-7b5c-7d6e-8f90-a1b2c3d4e5f6", "name": "PC-0815",
    "user": {"guid": "d1b2ddea-9304-43e8-a2c5-e30395f00a7a", "name": "Anna Example", "email": "anna@example.com"},
    "created_at": "2026-11-02T09:00:00Z", "seen_at": "2026-11-02T09:10:00Z"}))]
pub struct Workstation {
    id: Uuid,
    /// As whoever enrolled it called it.
    name: String,
    user: WorkstationUser,
    created_at: Timestamp,
    /// When its token was last used, to ten minutes; null: never.
    #[schema(required)]
    seen_at: Option<Timestamp>,
}

/// Whose microphone it reports.
#[derive(Debug, Serialize, ToSchema)]
pub struct WorkstationUser {
    /// XPhone's.
    guid: Uuid,
    /// What people read.
    name: String,
    #[schema(required)]
    email: Option<String>,
}

/// A workstation to enrol.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"name": "PC-0815", "user": "anna@example.com"}))]
pub struct NewWorkstation {
    /// As you call it; two may have the same.
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Whose microphone it reports: the e-mail address, in any case, or XPhone's guid.
    #[schema(max_length = 320)]
    user: String,
}

/// An enrolled workstation, with its token.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "0192f3a4-7b5c-7d6e-8f90-a1b2c3d4e5f6", "name": "PC-0815",
    "user": "d1b2ddea-9304-43e8-a2c5-e30395f00a7a", "token": "pgm_w2Q4TnXJ0kq9l3uYb7cZ1vR8sE5aHfGdMiKoPxWzUyT"}))]
pub struct EnrolledWorkstation {
    id: Uuid,
    name: String,
    /// By XPhone's guid.
    user: Uuid,
    /// Told this once. It lets nobody do anything but report this user's microphone.
    token: String,
}

/// Which workstations, which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Only those of this user, by XPhone's guid.
    user: Option<Uuid>,
    /// The `next` of the page before.
    after: Option<Uuid>,
    /// How many, at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
}

impl From<workstation::Workstation> for Workstation {
    fn from(found: workstation::Workstation) -> Self {
        let user = WorkstationUser { guid: found.user.0, name: found.user_name, email: found.email };
        Self { id: found.id, name: found.name, user, created_at: found.created_at, seen_at: found.seen_at }
    }
}

pub fn router() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(take_out))
}

/// Workstations whose agents may report
#[utoipa::path(get, path = "/v1/workstations", operation_id = "listWorkstations", tag = "microphone", params(Which),
    security(("bearer" = ["viewer"])), extensions(("x-scope" = json!("part"))),
    responses((status = 200, body = Page<Workstation>, description = "In the order in which they were enrolled"),
        (status = 400, description = "bad-query")))]
async fn list(
    permit: LocalViewer,
    State(admin): State<Admin>,
    Asked(which): Asked<Which>,
) -> Result<Json<Page<Workstation>>, Problem> {
    let limit = page::limit(which.limit)?;
    let location = permit.part().map(|part| part.0);
    let wanted = workstation::Wanted { user: which.user, location, after: which.after, limit: limit + 1 };
    let found = admin.store.workstations(wanted).await?.into_iter().map(Workstation::from).collect();
    Ok(Json(Page::cut(found, limit, |workstation| workstation.id.to_string())))
}

/// Enrol a workstation
///
/// Answers, this once, with the token for its microphone agent, which is good for this user's reports only.
#[utoipa::path(post, path = "/v1/workstations", operation_id = "enrolWorkstation", tag = "microphone",
    security(("bearer" = ["operator"])), extensions(("x-scope" = json!("location"))), request_body = NewWorkstation,
    responses((status = 201, body = EnrolledWorkstation, description = "Keep the token: it is not told again"),
        (status = 400, description = "bad-json"), (status = 404, description = "No user, or more than one, has this address"),
        (status = 413, description = "The body is too long"), (status = 415, description = "The body is not JSON"),
        (status = 422, description = "The body is not of this form")))]
async fn add(
    permit: LocalOperator,
    State(admin): State<Admin>,
    Body(wanted): Body<NewWorkstation>,
) -> Result<(StatusCode, Json<EnrolledWorkstation>), Problem> {
    if !is_name(&wanted.name) {
        let detail = format!("name must have 1 to {NAME_CHARACTERS_MAX} characters, none of them a control character");
        return Err(Problem::new(Kind::BadBody, detail));
    }
    let gone = || Problem::not_found("XPhone has no user with this address, or more than one");
    let who = user_named(&admin, wanted.user.trim()).await?.ok_or_else(gone)?;
    let caller = permit.at_seat(who.location)?;
    let (name, now) = (wanted.name.trim(), admin.clock.now());
    let mut tx = admin.store.begin().await?;
    let (id, token) = enrol(&mut tx, who.user, name, now).await?.ok_or_else(gone)?;
    let mut entry = caller.entry("workstation enrolled", target(id));
    entry.after = Some(json!({"name": name, "user": who.user.0}));
    audit::record(&mut tx, &entry, now).await?;
    store::commit(tx).await?;
    let enrolled = EnrolledWorkstation { id, name: name.to_owned(), user: who.user.0, token: token.expose_secret().to_owned() };
    Ok((StatusCode::CREATED, Json(enrolled)))
}

/// Remove a workstation
///
/// Its token lets nobody report any more, and what it reported ends at once.
#[utoipa::path(delete, path = "/v1/workstations/{id}", operation_id = "removeWorkstation", tag = "microphone",
    security(("bearer" = ["operator"])), extensions(("x-scope" = json!("location"))),
    params(("id" = Uuid, Path, description = "The workstation, by its id")),
    responses((status = 204, description = "It is removed"), (status = 400, description = "bad-guid"),
        (status = 404, description = "There is no such workstation")))]
async fn take_out(permit: LocalOperator, State(admin): State<Admin>, Guid(id): Guid) -> Result<StatusCode, Problem> {
    let gone = || Problem::not_found("no workstation has this id, or it was removed already");
    let found = admin.store.workstation(id).await?.ok_or_else(gone)?;
    let caller = permit.at_seat(found.location)?;
    let now = admin.clock.now();
    let mut tx = admin.store.begin().await?;
    if !remove(&mut tx, &found, now).await? {
        return Err(gone());
    }
    let mut entry = caller.entry("workstation removed", target(id));
    entry.before = Some(json!({"name": found.name, "user": found.user.0}));
    audit::record(&mut tx, &entry, now).await?;
    store::commit(tx).await?;
    admin.activators.reconciler.wake();
    Ok(StatusCode::NO_CONTENT)
}

fn target(id: Uuid) -> Target {
    Target { kind: "workstation", id: Some(id.to_string()) }
}

/// Whether people can read it and Postgres can keep it.
pub fn is_name(name: &str) -> bool {
    !name.trim().is_empty() && name.chars().count() <= NAME_CHARACTERS_MAX && !name.chars().any(char::is_control)
}

/// The one user of this address or guid, and where they sit; `None`: nobody, or more than one.
pub async fn user_named(admin: &Admin, name: &str) -> Result<Option<Belonging>, Problem> {
    // Postgres keeps no such character, and would refuse the statement.
    if name.contains('\0') {
        return Ok(None);
    }
    let [user] = admin.store.find_user(name).await?[..] else { return Ok(None) };
    Ok(admin.store.belonging(user).await?)
}
