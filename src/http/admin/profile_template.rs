//! The central profile template `MS Teams`, per location and configuration group.

use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::{LocalOperator, LocalViewer};
use super::etag::{Precondition, Tagged};
use super::extract::{Body, Guid};
use super::setting::{self, Setting};
use crate::domain::mapping::StatusKind;
use crate::domain::template;
use crate::http::Admin;
use crate::http::problem::Problem;
use crate::store::template::{lock_profile_template, write_profile_template};
use crate::store::tree::PlaceKind::{ConfigurationGroup, Location};
use crate::store::{Store, StoreError, Tx};
use crate::tasks::Activators;

/// The central profile template `MS Teams`, as set for a location or a configuration group.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"create": true, "presence_status": "busy", "call_forwarding": {"mode": "voicemail", "number": null}}))]
pub struct ProfileTemplate {
    /// Whether it is to be in XPhone there, as set here.
    create: bool,
    presence_status: PresenceStatus,
    #[serde(deserialize_with = "usable", serialize_with = "told")]
    #[schema(value_type = CallForwarding)]
    call_forwarding: template::CallForwarding,
}

/// The presence status that the template shows.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PresenceStatus {
    /// Green.
    Available,
    /// Yellow.
    BeRightBack,
    /// Red, hatched.
    Busy,
    /// Red with a bar.
    DoNotDisturb,
    /// Grey.
    Unavailable,
    /// Grey.
    Offline,
}

/// Where calls go while the profile is active.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CallForwarding {
    mode: ForwardingMode,
    /// With the mode `number`, and only then.
    #[schema(min_length = 1, max_length = 40, pattern = r"^[0-9 +*#()/.\-]*[0-9][0-9 +*#()/.\-]*$")]
    number: Option<String>,
}

/// Nowhere else, to the voice mailbox, or to a number.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ForwardingMode {
    /// Nowhere else.
    None,
    /// To the voice mailbox.
    Voicemail,
    /// To a number.
    Number,
}

impl From<PresenceStatus> for StatusKind {
    fn from(wire: PresenceStatus) -> Self {
        match wire {
            PresenceStatus::Available => Self::Available,
            PresenceStatus::BeRightBack => Self::BeRightBack,
            PresenceStatus::Busy => Self::Busy,
            PresenceStatus::DoNotDisturb => Self::DoNotDisturb,
            PresenceStatus::Unavailable => Self::Unavailable,
            PresenceStatus::Offline => Self::Offline,
        }
    }
}

impl From<StatusKind> for PresenceStatus {
    fn from(kind: StatusKind) -> Self {
        match kind {
            StatusKind::Available => Self::Available,
            StatusKind::BeRightBack => Self::BeRightBack,
            StatusKind::Busy => Self::Busy,
            StatusKind::DoNotDisturb => Self::DoNotDisturb,
            StatusKind::Unavailable => Self::Unavailable,
            StatusKind::Offline => Self::Offline,
        }
    }
}

/// Reads call forwarding, and says what about it cannot be.
fn usable<'de, D: Deserializer<'de>>(deserializer: D) -> Result<template::CallForwarding, D::Error> {
    let CallForwarding { mode, number } = CallForwarding::deserialize(deserializer)?;
    let mode = match mode {
        ForwardingMode::None => "none",
        ForwardingMode::Voicemail => "voicemail",
        ForwardingMode::Number => "number",
    };
    template::CallForwarding::checked(mode, number).map_err(D::Error::custom)
}

fn told<S: Serializer>(forwarding: &template::CallForwarding, serializer: S) -> Result<S::Ok, S::Error> {
    let mode = match forwarding {
        template::CallForwarding::None => ForwardingMode::None,
        template::CallForwarding::Voicemail => ForwardingMode::Voicemail,
        template::CallForwarding::Number(_) => ForwardingMode::Number,
    };
    CallForwarding { mode, number: forwarding.number().map(str::to_owned) }.serialize(serializer)
}

impl From<ProfileTemplate> for template::ProfileTemplate {
    fn from(wire: ProfileTemplate) -> Self {
        let ProfileTemplate { create, presence_status, call_forwarding } = wire;
        Self { create, status: presence_status.into(), call_forwarding }
    }
}

impl From<template::ProfileTemplate> for ProfileTemplate {
    fn from(template: template::ProfileTemplate) -> Self {
        let template::ProfileTemplate { create, status, call_forwarding } = template;
        Self { create, presence_status: status.into(), call_forwarding }
    }
}

impl Setting for ProfileTemplate {
    const SET: &'static str = "profile-template set";
    const UNSET: &'static str = "profile-template unset";

    async fn read(store: &Store, guid: Uuid) -> Result<Option<Self>, StoreError> {
        Ok(store.profile_templates(&[guid]).await?.remove(&guid).map(Self::from))
    }

    async fn lock(tx: &mut Tx<'_>, guid: Uuid) -> Result<Option<Self>, StoreError> {
        Ok(lock_profile_template(tx, guid).await?.map(Self::from))
    }

    async fn write(tx: &mut Tx<'_>, guid: Uuid, setting: Option<Self>, now: Timestamp) -> Result<(), StoreError> {
        write_profile_template(tx, guid, setting.map(Self::into), now).await
    }

    /// XPhone is told.
    fn wake(activators: &Activators) {
        activators.templates.wake();
    }
}

pub fn router() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(show_location, put_location, reset_location)).routes(routes!(
        show_group,
        put_group,
        reset_group
    ))
}

type Shown = Result<Tagged<ProfileTemplate>, Problem>;

/// The profile template as set for a location
#[utoipa::path(get, path = "/v1/locations/{guid}/profile-template", operation_id = "getLocationProfileTemplate", tag = "settings",
    security(("bearer" = ["viewer"])), extensions(("x-scope" = json!("location"))),
    params(("guid" = Uuid, Path, description = "The location")),
    responses((status = 200, body = ProfileTemplate, description = "What is set", headers(("ETag" = String))),
        (status = 400, description = "bad-guid"), (status = 404, description = "Nothing is set, or there is no such location")))]
async fn show_location(permit: LocalViewer, State(admin): State<Admin>, Guid(guid): Guid) -> Shown {
    setting::show(&admin, permit, Location, guid).await
}

/// Set the profile template for a location
#[utoipa::path(put, path = "/v1/locations/{guid}/profile-template", operation_id = "putLocationProfileTemplate", tag = "settings",
    security(("bearer" = ["operator"])), extensions(("x-scope" = json!("location"))),
    params(("guid" = Uuid, Path, description = "The location"),
        ("If-Match" = Option<String>, Header, description = "Only if this is set now"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if nothing is set now")),
    request_body = ProfileTemplate,
    responses((status = 200, body = ProfileTemplate, description = "It is set", headers(("ETag" = String))),
        (status = 400, description = "bad-guid, bad-json"), (status = 404, description = "There is no such location"),
        (status = 412, description = "Something else is set by now"), (status = 413, description = "The body is too long"),
        (status = 415, description = "The body is not JSON"), (status = 422, description = "The body is not of this form")))]
async fn put_location(
    permit: LocalOperator,
    State(admin): State<Admin>,
    Guid(guid): Guid,
    precondition: Precondition,
    Body(setting): Body<ProfileTemplate>,
) -> Shown {
    setting::put(&admin, permit, (Location, guid), &precondition, setting).await
}

/// Take back the profile template of a location
///
/// One that the gateway made is removed from XPhone; anybody else's stays as it is.
#[utoipa::path(delete, path = "/v1/locations/{guid}/profile-template", operation_id = "deleteLocationProfileTemplate", tag = "settings",
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
    setting::reset::<ProfileTemplate>(&admin, permit, (Location, guid), &precondition).await
}

/// The profile template as set for a configuration group
#[utoipa::path(get, path = "/v1/configuration-groups/{guid}/profile-template", operation_id = "getConfigurationGroupProfileTemplate",
    tag = "settings", security(("bearer" = ["viewer"])), extensions(("x-scope" = json!("location"))),
    params(("guid" = Uuid, Path, description = "The configuration group")),
    responses((status = 200, body = ProfileTemplate, description = "What is set", headers(("ETag" = String))),
        (status = 400, description = "bad-guid"), (status = 404, description = "Nothing is set, or there is no such group")))]
async fn show_group(permit: LocalViewer, State(admin): State<Admin>, Guid(guid): Guid) -> Shown {
    setting::show(&admin, permit, ConfigurationGroup, guid).await
}

/// Set the profile template for a configuration group: *Individual*
#[utoipa::path(put, path = "/v1/configuration-groups/{guid}/profile-template", operation_id = "putConfigurationGroupProfileTemplate",
    tag = "settings", security(("bearer" = ["operator"])), extensions(("x-scope" = json!("location"))),
    params(("guid" = Uuid, Path, description = "The configuration group"),
        ("If-Match" = Option<String>, Header, description = "Only if this is set now"),
        ("If-None-Match" = Option<String>, Header, description = "`*`: only if nothing is set now")),
    request_body = ProfileTemplate,
    responses((status = 200, body = ProfileTemplate, description = "It is set", headers(("ETag" = String))),
        (status = 400, description = "bad-guid, bad-json"), (status = 404, description = "There is no such group"),
        (status = 412, description = "Something else is set by now"), (status = 413, description = "The body is too long"),
        (status = 415, description = "The body is not JSON"), (status = 422, description = "The body is not of this form")))]
async fn put_group(
    permit: LocalOperator,
    State(admin): State<Admin>,
    Guid(guid): Guid,
    precondition: Precondition,
    Body(setting): Body<ProfileTemplate>,
) -> Shown {
    setting::put(&admin, permit, (ConfigurationGroup, guid), &precondition, setting).await
}

/// Take back the profile template of a configuration group: *Default*
///
/// One that the gateway made for the group is removed from XPhone; anybody else's stays as it is.
#[utoipa::path(delete, path = "/v1/configuration-groups/{guid}/profile-template", operation_id = "deleteConfigurationGroupProfileTemplate",
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
    setting::reset::<ProfileTemplate>(&admin, permit, (ConfigurationGroup, guid), &precondition).await
}
