//! Which programs are told of when they use the microphone, per location and configuration group.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::ToSchema;
use utoipa::openapi::{ArrayBuilder, ObjectBuilder, Type};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::{Anybody, LocalOperator, LocalViewer};
use super::etag::{Precondition, Tagged};
use super::extract::{Body, Guid};
use super::page::Page;
use super::setting::{self, Setting};
use crate::domain::microphone;
use crate::http::Admin;
use crate::http::problem::Problem;
use crate::store::microphone::{lock_microphone_sync, write_microphone_sync};
use crate::store::tree::PlaceKind::{ConfigurationGroup, Location};
use crate::store::{Store, StoreError, Tx};
use crate::tasks::Activators;

/// Microphone sync, as set for a location or a configuration group.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"enabled": true, "processes": [
    {"process": "Zoom", "alias": "Zoom Meeting", "active": true}, {"process": "chrome", "alias": null, "active": false}],
    "ignored": ["voicemeeter", "dragon"]}))]
pub struct MicrophoneSync {
    /// Whether anything is told at all.
    enabled: bool,
    /// Of which programs, each once; of several in use the first is shown. `GET /v1/microphone-sync/default-processes` has those to start from.
    #[serde(deserialize_with = "usable")]
    #[schema(max_items = 200)]
    processes: Vec<ProgramEntry>,
    /// Programs, and those whose name goes on from theirs, that prove no conversation: mixers, dictation, recorders. An entry of the very
    /// same or a longer name counts all the same. Left out: the delivered list.
    #[serde(default = "microphone::starting_ignored", deserialize_with = "usable_ignored")]
    #[schema(schema_with = program_names, required = false)]
    ignored: Vec<String>,
}

/// The name of a program's file, as documents say it: with a word in it besides folders and `.exe`.
fn file_name() -> ObjectBuilder {
    let pattern = r"^(?:[^\x00-\x1f\x7f-\x9f]*[/\\])?(?!\s*\.[eE][xX][eE]\s*$)[^/\\\x00-\x1f\x7f-\x9f]*[^/\\\s\x00-\x1f\x7f-\x9f][^/\\\x00-\x1f\x7f-\x9f]*$";
    ObjectBuilder::new().schema_type(Type::String).min_length(Some(1)).max_length(Some(100)).pattern(Some(pattern))
}

fn program_name() -> ObjectBuilder {
    file_name().description(Some(
        "As its file is called. Case, folder and `.exe` do not count; it stands for programs as well whose name goes on with `_`, `-`, `.` or \
         a blank, unless a longer entry is theirs.",
    ))
}

fn program_names() -> ArrayBuilder {
    let what = "Programs, and those whose name goes on from theirs, that prove no conversation: mixers, dictation, recorders. An entry of \
        the very same or a longer name counts all the same. Left out: the delivered list.";
    ArrayBuilder::new().items(file_name()).max_items(Some(200)).description(Some(what))
}

/// A program, and what is shown while it uses the microphone.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"process": "Zoom", "alias": "Zoom Meeting", "active": true}))]
pub struct ProgramEntry {
    /// As its file is called. Case, folder and `.exe` do not count; it stands for programs as well whose name goes on with `_`, `-`,
    /// `.` or a blank, unless a longer entry is theirs.
    #[schema(schema_with = program_name)]
    process: String,
    /// What is shown; null: the process.
    #[schema(
        min_length = 1,
        max_length = 100,
        pattern = r"^[^\x00-\x1f\x7f-\x9f]*[^\s\x00-\x1f\x7f-\x9f][^\x00-\x1f\x7f-\x9f]*$"
    )]
    alias: Option<String>,
    /// Whether it is told of.
    active: bool,
}

impl From<ProgramEntry> for microphone::Process {
    fn from(wire: ProgramEntry) -> Self {
        let ProgramEntry { process, alias, active } = wire;
        Self { process, alias, active }
    }
}

impl From<microphone::Process> for ProgramEntry {
    fn from(process: microphone::Process) -> Self {
        let microphone::Process { process, alias, active } = process;
        Self { process, alias, active }
    }
}

impl From<MicrophoneSync> for microphone::MicrophoneSync {
    fn from(wire: MicrophoneSync) -> Self {
        let MicrophoneSync { enabled, processes, ignored } = wire;
        Self { enabled, processes: processes.into_iter().map(Into::into).collect(), ignored }
    }
}

impl From<microphone::MicrophoneSync> for MicrophoneSync {
    fn from(sync: microphone::MicrophoneSync) -> Self {
        let microphone::MicrophoneSync { enabled, processes, ignored } = sync;
        Self { enabled, processes: processes.into_iter().map(Into::into).collect(), ignored }
    }
}

/// Reads a table, and says which entry cannot be used.
fn usable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<ProgramEntry>, D::Error> {
    let processes = Vec::<ProgramEntry>::deserialize(deserializer)?;
    let table: Vec<microphone::Process> = processes.iter().cloned().map(Into::into).collect();
    microphone::check(&table).map_err(D::Error::custom)?;
    Ok(processes)
}

/// The same for an ignore list.
fn usable_ignored<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    let ignored = Vec::<String>::deserialize(deserializer)?;
    microphone::check_ignored(&ignored).map_err(D::Error::custom)?;
    Ok(ignored)
}

impl Setting for MicrophoneSync {
    const SET: &'static str = "microphone-sync set";
    const UNSET: &'static str = "microphone-sync unset";

    async fn read(store: &Store, guid: Uuid) -> Result<Option<Self>, StoreError> {
        Ok(store.microphone_syncs(&[guid]).await?.remove(&guid).map(Self::from))
    }

    async fn lock(tx: &mut Tx<'_>, guid: Uuid) -> Result<Option<Self>, StoreError> {
        Ok(lock_microphone_sync(tx, guid).await?.map(Self::from))
    }

    async fn write(tx: &mut Tx<'_>, guid: Uuid, setting: Option<Self>, now: Timestamp) -> Result<(), StoreError> {
        write_microphone_sync(tx, guid, setting.map(Self::into), now).await
    }

    /// Whose microphone is in use is decided for anew.
    fn wake(activators: &Activators) {
        activators.reconciler.wake();
    }
}

pub fn router() -> OpenApiRouter<Admin> {
    OpenApiRouter::new()
        .routes(routes!(show_location, put_location, reset_location))
        .routes(routes!(show_group, put_group, reset_group))
        .routes(routes!(default_processes))
}

/// The programs that a table starts from
///
/// The vendor's table and what came up since: what holds, switched off, where nothing was ever set.
#[utoipa::path(get, path = "/v1/microphone-sync/default-processes", operation_id = "listDefaultProcesses", tag = "settings",
    security(("bearer" = [])), extensions(("x-scope" = json!("anybody"))),
    responses((status = 200, body = Page<ProgramEntry>, description = "All of them, in their order")))]
async fn default_processes(_: Anybody) -> Json<Page<ProgramEntry>> {
    let items = microphone::starting_table().into_iter().map(ProgramEntry::from).collect();
    Json(Page { items, next: None })
}

type Shown = Result<Tagged<MicrophoneSync>, Problem>;

/// Microphone sync as set for a location
#[utoipa::path(get, path = "/v1/locations/{guid}/microphone-sync", operation_id = "getLocationMicrophoneSync", tag = "settings",
    security(("bearer" = ["viewer"])), extensions(("x-scope" = json!("location"))),
    params(("guid" = Uuid, Path, description = "The location")),
    responses((status = 200, body = MicrophoneSync, description = "What is set", headers(("ETag" = String))),
        (status = 400, description = "bad-guid"), (status = 404, description = "Nothing is set, or there is no such location")))]
async fn show_location(permit: LocalViewer, State(admin): State<Admin>, Guid(guid): Guid) -> Shown {
    setting::show(&admin, permit, Location, guid).await
}

/// Set microphone sync for a location
#[utoipa::path(put, path = "/v1/locations/{guid}/microphone-sync", operation_id = "putLocationMicrophoneSync", tag = "settings",
    security(("bearer" = ["operator"])), extensions(("x-scope" = json!("location"))),
    params(("guid" = Uuid, Path, description = "The location"),
        ("If-Match" = Option<String>, Header, description = "Only if this is set now"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if nothing is set now")),
    request_body = MicrophoneSync,
    responses((status = 200, body = MicrophoneSync, description = "It is set", headers(("ETag" = String))),
        (status = 400, description = "bad-guid, bad-json"), (status = 404, description = "There is no such location"),
        (status = 412, description = "Something else is set by now"), (status = 413, description = "The body is too long"),
        (status = 415, description = "The body is not JSON"), (status = 422, description = "The body is not of this form")))]
async fn put_location(
    permit: LocalOperator,
    State(admin): State<Admin>,
    Guid(guid): Guid,
    precondition: Precondition,
    Body(setting): Body<MicrophoneSync>,
) -> Shown {
    setting::put(&admin, permit, (Location, guid), &precondition, setting).await
}

/// Take back microphone sync of a location
///
/// No microphone is told of there, but in groups with settings of their own.
#[utoipa::path(delete, path = "/v1/locations/{guid}/microphone-sync", operation_id = "deleteLocationMicrophoneSync", tag = "settings",
    security(("bearer" = ["operator"])), extensions(("x-scope" = json!("location"))),
    params(("guid" = Uuid, Path, description = "The location"),
        ("If-Match" = Option<String>, Header, description = "Only if this is set now")),
    responses((status = 204, description = "Nothing is set any more"), (status = 400, description = "bad-guid"),
        (status = 404, description = "There is no such location"), (status = 412, description = "Something else is set by now")))]
async fn reset_location(
    permit: LocalOperator,
    State(admin): State<Admin>,
    Guid(guid): Guid,
    precondition: Precondition,
) -> Result<StatusCode, Problem> {
    setting::reset::<MicrophoneSync>(&admin, permit, (Location, guid), &precondition).await
}

/// Microphone sync as set for a configuration group
#[utoipa::path(get, path = "/v1/configuration-groups/{guid}/microphone-sync", operation_id = "getConfigurationGroupMicrophoneSync",
    tag = "settings", security(("bearer" = ["viewer"])), extensions(("x-scope" = json!("location"))),
    params(("guid" = Uuid, Path, description = "The configuration group")),
    responses((status = 200, body = MicrophoneSync, description = "What is set", headers(("ETag" = String))),
        (status = 400, description = "bad-guid"), (status = 404, description = "Nothing is set, or there is no such group")))]
async fn show_group(permit: LocalViewer, State(admin): State<Admin>, Guid(guid): Guid) -> Shown {
    setting::show(&admin, permit, ConfigurationGroup, guid).await
}

/// Set microphone sync for a configuration group: *Individual*
#[utoipa::path(put, path = "/v1/configuration-groups/{guid}/microphone-sync", operation_id = "putConfigurationGroupMicrophoneSync",
    tag = "settings", security(("bearer" = ["operator"])), extensions(("x-scope" = json!("location"))),
    params(("guid" = Uuid, Path, description = "The configuration group"),
        ("If-Match" = Option<String>, Header, description = "Only if this is set now"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if nothing is set now")),
    request_body = MicrophoneSync,
    responses((status = 200, body = MicrophoneSync, description = "It is set", headers(("ETag" = String))),
        (status = 400, description = "bad-guid, bad-json"), (status = 404, description = "There is no such group"),
        (status = 412, description = "Something else is set by now"), (status = 413, description = "The body is too long"),
        (status = 415, description = "The body is not JSON"), (status = 422, description = "The body is not of this form")))]
async fn put_group(
    permit: LocalOperator,
    State(admin): State<Admin>,
    Guid(guid): Guid,
    precondition: Precondition,
    Body(setting): Body<MicrophoneSync>,
) -> Shown {
    setting::put(&admin, permit, (ConfigurationGroup, guid), &precondition, setting).await
}

/// Take back microphone sync of a configuration group: *Default*
///
/// What holds there is inherited from its location again.
#[utoipa::path(delete, path = "/v1/configuration-groups/{guid}/microphone-sync", operation_id = "deleteConfigurationGroupMicrophoneSync",
    tag = "settings", security(("bearer" = ["operator"])), extensions(("x-scope" = json!("location"))),
    params(("guid" = Uuid, Path, description = "The configuration group"),
        ("If-Match" = Option<String>, Header, description = "Only if this is set now")),
    responses((status = 204, description = "It is inherited again"), (status = 400, description = "bad-guid"),
        (status = 404, description = "There is no such group"), (status = 412, description = "Something else is set by now")))]
async fn reset_group(
    permit: LocalOperator,
    State(admin): State<Admin>,
    Guid(guid): Guid,
    precondition: Precondition,
) -> Result<StatusCode, Problem> {
    setting::reset::<MicrophoneSync>(&admin, permit, (ConfigurationGroup, guid), &precondition).await
}
