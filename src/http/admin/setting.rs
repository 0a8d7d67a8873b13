//! Settings of a location or a configuration group: read, set and taken back, each change with its precondition and its audit entry.

use std::future::Future;

use axum::http::StatusCode;
use serde::Serialize;
use uuid::Uuid;

use super::auth::{Caller, LocalOperator, LocalViewer};
use super::etag::{Precondition, Tagged};
use crate::http::Admin;
use crate::http::problem::{Kind, Problem};
use crate::store::audit::{self, Target};
use crate::store::tree::{Place, PlaceKind};
use crate::store::{self, StoreError, Tx};
use crate::tasks::Activators;

/// Something that is set for a location or a configuration group, all or nothing.
pub trait Setting: Clone + PartialEq + Serialize + Send + Sync + 'static {
    /// What setting it is called in the audit log.
    const SET: &'static str;
    /// The same for taking it back.
    const UNSET: &'static str;

    /// What is set there.
    fn read(store: &store::Store, guid: Uuid) -> impl Future<Output = Result<Option<Self>, StoreError>> + Send;
    /// The same, locked until the transaction ends.
    fn lock(tx: &mut Tx<'_>, guid: Uuid) -> impl Future<Output = Result<Option<Self>, StoreError>> + Send;
    /// Sets what was locked; `None`: takes it back.
    fn write(
        tx: &mut Tx<'_>,
        guid: Uuid,
        setting: Option<Self>,
        now: jiff::Timestamp,
    ) -> impl Future<Output = Result<(), StoreError>> + Send;
    /// Wakes whoever acts on it.
    fn wake(activators: &Activators);
}

/// What is set at a place itself.
pub async fn show<S: Setting>(admin: &Admin, permit: LocalViewer, kind: PlaceKind, guid: Uuid) -> Result<Tagged<S>, Problem> {
    let place = there(admin, kind, guid).await?;
    permit.at(place.location)?;
    match S::read(&admin.store, guid).await? {
        Some(setting) => Ok(Tagged(setting)),
        None => {
            Err(Problem::not_found("nothing is set here: what holds is inherited, or the default where nothing was ever set"))
        }
    }
}

/// Sets it.
pub async fn put<S: Setting>(
    admin: &Admin,
    permit: LocalOperator,
    (kind, guid): (PlaceKind, Uuid),
    precondition: &Precondition,
    setting: S,
) -> Result<Tagged<S>, Problem> {
    let place = there(admin, kind, guid).await?;
    let caller = permit.at(place.location)?;
    change(admin, &caller, place, precondition, Some(setting.clone())).await?;
    Ok(Tagged(setting))
}

/// Takes it back, so that it is inherited.
pub async fn reset<S: Setting>(
    admin: &Admin,
    permit: LocalOperator,
    (kind, guid): (PlaceKind, Uuid),
    precondition: &Precondition,
) -> Result<StatusCode, Problem> {
    let place = there(admin, kind, guid).await?;
    let caller = permit.at(place.location)?;
    change(admin, &caller, place, precondition, None::<S>).await?;
    Ok(StatusCode::NO_CONTENT)
}

async fn change<S: Setting>(
    admin: &Admin,
    caller: &Caller,
    place: Place,
    precondition: &Precondition,
    after: Option<S>,
) -> Result<(), Problem> {
    let now = admin.clock.now();
    let mut tx = admin.store.begin().await?;
    let before = S::lock(&mut tx, place.guid).await?;
    precondition.check(before.as_ref())?;
    // What is set already is no change: nobody is woken, nothing is remembered.
    if before == after {
        return Ok(());
    }
    let mut entry = caller.entry(if after.is_some() { S::SET } else { S::UNSET }, target(place));
    (entry.before, entry.after) = (json(before.as_ref())?, json(after.as_ref())?);
    audit::record(&mut tx, &entry, now).await?;
    S::write(&mut tx, place.guid, after, now).await?;
    store::commit(tx).await?;
    S::wake(&admin.activators);
    Ok(())
}

/// A value as the audit log keeps it.
pub fn json<T: Serialize>(value: Option<&T>) -> Result<Option<serde_json::Value>, Problem> {
    let json = value.map(serde_json::to_value).transpose();
    json.map_err(|error| Problem::new(Kind::Internal, error.to_string()))
}

fn target(place: Place) -> Target {
    let kind = match place.kind {
        PlaceKind::Location => "location",
        PlaceKind::ConfigurationGroup => "configuration_group",
    };
    Target { kind, id: Some(place.guid.to_string()) }
}

/// The place, if XPhone has it.
pub async fn there(admin: &Admin, kind: PlaceKind, guid: Uuid) -> Result<Place, Problem> {
    let what = match kind {
        PlaceKind::Location => "location",
        PlaceKind::ConfigurationGroup => "configuration group",
    };
    let unknown = || {
        Problem::not_found(format!("XPhone has no {what} with this guid; a new one is known within directory.refresh_seconds"))
    };
    admin.store.place(kind, guid).await?.ok_or_else(unknown)
}
