//! What runs by itself: when it last succeeded, and how to let it run now.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::{Operator, Viewer};
use super::extract::{self, Asked};
use super::page::{self, Page, Paging};
use crate::http::Admin;
use crate::http::problem::Problem;
use crate::store;
use crate::store::audit::{self, Target};
use crate::store::feed::{self, Feed};

/// Something that runs by itself, as this gateway saw it since it started.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"name": "directory", "does": "reads people, profiles and the tree", "succeeded": 12, "failed": 0,
    "last_success_at": "2026-11-02T09:00:00Z", "last_problem": null}))]
pub struct Task {
    /// Stable.
    name: String,
    /// What it does.
    does: &'static str,
    /// Runs that succeeded.
    succeeded: u64,
    /// Runs that failed; each will be, or was, tried again.
    failed: u64,
    /// When a run last succeeded; null: not yet.
    #[schema(required)]
    last_success_at: Option<Timestamp>,
    /// Why a run last failed, however many succeeded since; null: none did.
    #[schema(required)]
    last_problem: Option<TaskProblem>,
}

/// Why a run of a task failed.
#[derive(Debug, Serialize, ToSchema)]
pub struct TaskProblem {
    at: Timestamp,
    /// As it stands in the log.
    problem: String,
}

pub fn router() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(run))
}

/// What runs by itself
#[utoipa::path(get, path = "/v1/tasks", operation_id = "listTasks", tag = "tasks", params(Paging),
    security(("bearer" = ["viewer"])),
    responses((status = 200, body = Page<Task>, description = "In the order in which a change passes through them"),
        (status = 400, description = "bad-query")))]
async fn list(_: Viewer, State(admin): State<Admin>, Asked(paging): Asked<Paging>) -> Result<Json<Page<Task>>, Problem> {
    let limit = page::limit(paging.limit)?;
    let after = extract::text("after", paging.after)?;
    let records = admin.metrics.task_records();
    let task = |(name, does): (&str, &'static str)| {
        let record = records.get(name).cloned().unwrap_or_default();
        Task {
            name: name.to_owned(),
            does,
            succeeded: record.succeeded,
            failed: record.failed,
            last_success_at: record.last_success_at,
            last_problem: record.last_problem.map(|(at, problem)| TaskProblem { at, problem }),
        }
    };
    let all = admin.activators.named().into_iter().map(|(name, does, _)| (name, does));
    let behind: Vec<Task> = match &after {
        Some(after) => all.skip_while(|(name, _)| name != after).skip(1).map(task).collect(),
        None => all.map(task).collect(),
    };
    Ok(Json(Page::cut(behind, limit, |task| task.name.clone())))
}

/// Let a task run now
///
/// What it read lately counts as out of date. It runs in the gateway that answers; several wakings before it runs make one run.
#[utoipa::path(post, path = "/v1/tasks/{name}/run", operation_id = "runTask", tag = "tasks",
    params(("name" = String, Path, description = "One that `GET /v1/tasks` lists")), security(("bearer" = ["operator"])),
    responses((status = 202, description = "It will run at once"), (status = 404, description = "There is no such task")))]
async fn run(
    operator: Operator,
    State(admin): State<Admin>,
    name: Result<Path<String>, PathRejection>,
) -> Result<StatusCode, Problem> {
    // What does not decode is no name either.
    let name = name.map(|Path(name)| name).unwrap_or_default();
    let named = admin.activators.named().into_iter().find(|(known, ..)| *known == name);
    let (name, _, activator) =
        named.ok_or_else(|| Problem::not_found("there is no task of this name; GET /v1/tasks lists them"))?;
    let mut tx = admin.store.begin().await?;
    let entry = operator.caller.entry("task run", Target { kind: "task", id: Some(name.to_owned()) });
    audit::record(&mut tx, &entry, admin.clock.now()).await?;
    // A task is woken with nothing: that it is wanted now is told by what it reads.
    let feed = match name {
        "directory" => Some(Feed::Directory),
        "sweep" => Some(Feed::Sweep),
        "appointments" => Some(Feed::Appointments),
        "templates" => Some(Feed::Templates),
        _ => None,
    };
    if let Some(feed) = feed {
        feed::expire(&mut tx, feed).await?;
    }
    store::commit(tx).await?;
    activator.wake();
    Ok(StatusCode::ACCEPTED)
}
