//! What a handler wants of its caller, as the type of an argument; the caller is told only to who asks for the right thing.
//!
//! | argument | lets in | then |
//! |---|---|---|
//! | [`Viewer`], [`Operator`], [`Administrator`] | that role and those above, with the whole gateway in reach | `caller` |
//! | [`LocalViewer`], [`LocalOperator`] | the same, also with one location in reach | `at` a location, or only `part` |
//! | [`ViewerOrOwn`] | the same; people without a role to their own user | only what is within `reach` |
//! | [`ViewerOrSelf`], [`OperatorOrSelf`] | that role where the user of the address sits; the user itself | `caller` and `who` |
//! | [`OperatorNotSelf`] | that role where the user of the address sits, and nobody else | `caller` and `who` |
//! | [`Reporter`] | workstations; operators | whose microphone it is: the workstation's `own` user, or somebody `at` a location |
//! | [`Anybody`] | everybody who is signed in | `caller` |
//!
//! It must be the first argument, so that nobody learns anything before being let in.

use std::marker::PhantomData;

use axum::extract::{FromRequestParts, Path};
use axum::http::request::Parts;
use uuid::Uuid;

use super::Caller;
use crate::domain::ids::{LocationGuid, TeamsUserId, UserGuid};
use crate::http::Admin;
use crate::http::admin::extract::guid;
use crate::http::problem::{Kind, Problem};
use crate::store::api_token::Role;
use crate::store::choice::Belonging;
use crate::store::workstation::Workstation;

/// A role, as a type.
pub trait Wants: Send {
    /// The least that is wanted.
    const ROLE: Role;
    /// Whether people need no role for their own user.
    const SELF: bool = true;
}

/// See [`Role::Viewer`].
pub struct ToView;
/// See [`Role::Operator`].
pub struct ToOperate;
/// See [`Role::Admin`].
pub struct ToAdminister;
/// See [`Role::Operator`]; nobody does this for themselves.
pub struct ToOperateForOthers;

impl Wants for ToView {
    const ROLE: Role = Role::Viewer;
}
impl Wants for ToOperate {
    const ROLE: Role = Role::Operator;
}
impl Wants for ToAdminister {
    const ROLE: Role = Role::Admin;
}
impl Wants for ToOperateForOthers {
    const ROLE: Role = Role::Operator;
    const SELF: bool = false;
}

/// The whole gateway is within reach.
pub struct Whole<W> {
    /// Who calls.
    pub caller: Caller,
    wants: PhantomData<W>,
}

/// At least one location is within reach.
pub struct Local<W> {
    caller: Caller,
    wants: PhantomData<W>,
}

/// The user of the address is within reach.
pub struct ForUser<W> {
    /// Who calls.
    pub caller: Caller,
    /// Whose user.
    pub who: Belonging,
    /// Whether the caller is that user, and may this for that reason alone.
    pub is_self: bool,
    wants: PhantomData<W>,
}

/// A location is within reach, or only the own user.
pub struct LocalOrOwn<W> {
    caller: Caller,
    wants: PhantomData<W>,
}

/// Somebody who is signed in.
pub struct Anybody(pub Caller);

/// A workstation, or an operator.
pub struct Reporter(Caller);

/// May look at everything.
pub type Viewer = Whole<ToView>;
/// May change everything.
pub type Operator = Whole<ToOperate>;
/// May see who changed what.
pub type Administrator = Whole<ToAdminister>;
/// May look at a location at least.
pub type LocalViewer = Local<ToView>;
/// May change things in a location at least.
pub type LocalOperator = Local<ToOperate>;
/// May look at users of a location at least, or only at the own one.
pub type ViewerOrOwn = LocalOrOwn<ToView>;
/// May change things of the user of the address.
pub type OperatorOrSelf = ForUser<ToOperate>;
/// May look at things of the user of the address.
pub type ViewerOrSelf = ForUser<ToView>;
/// May change what users do not change about themselves.
pub type OperatorNotSelf = ForUser<ToOperateForOthers>;

impl<W> Local<W> {
    /// The caller, if this location is within reach.
    pub fn at(self, location: LocationGuid) -> Result<Caller, Problem> {
        within(&self.caller, Some(location))?;
        Ok(self.caller)
    }

    /// The caller, if where somebody sits is within reach; `None`: nowhere that XPhone says.
    pub fn at_seat(self, location: Option<LocationGuid>) -> Result<Caller, Problem> {
        within(&self.caller, location)?;
        Ok(self.caller)
    }

    /// The one location that is within reach; `None`: everything is.
    pub fn part(&self) -> Option<LocationGuid> {
        self.caller.location
    }
}

impl<W> LocalOrOwn<W> {
    /// Whether this location is within reach.
    pub fn at(&self, location: LocationGuid) -> Result<(), Problem> {
        within(&self.caller, Some(location))
    }

    /// The one location that is within reach, and the one Teams user; `None`: all are.
    pub fn reach(&self) -> (Option<LocationGuid>, Option<TeamsUserId>) {
        (self.caller.location, self.caller.teams.filter(|_| self.caller.role.is_none()))
    }
}

impl Reporter {
    /// The workstation that reports; `None`: an operator does.
    pub fn own(&self) -> Option<&Workstation> {
        self.0.workstation.as_ref()
    }

    /// Its id.
    pub fn workstation(&self) -> Option<Uuid> {
        self.own().map(|own| own.id)
    }

    /// Whether where somebody sits is within an operator's reach.
    pub fn at(&self, location: Option<LocationGuid>) -> Result<(), Problem> {
        within(&self.0, location)
    }
}

fn with_role(caller: &Caller, wanted: Role) -> Result<(), Problem> {
    if caller.role.is_some_and(|role| role >= wanted) {
        return Ok(());
    }
    let has = caller.role.map_or("no role", Role::label);
    Err(Problem::new(Kind::WrongRole, format!("this wants the role {}; the token has {has}", wanted.label())))
}

fn within(caller: &Caller, location: Option<LocationGuid>) -> Result<(), Problem> {
    match caller.location {
        Some(reach) if Some(reach) != location => {
            let detail = format!("the token reaches what belongs to location {reach} only");
            Err(Problem::new(Kind::WrongLocation, detail))
        }
        _ => Ok(()),
    }
}

impl<W: Wants> FromRequestParts<Admin> for Whole<W> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, admin: &Admin) -> Result<Self, Problem> {
        let caller = admin.auth.caller(parts).await?;
        with_role(&caller, W::ROLE)?;
        within(&caller, None)?;
        Ok(Self { caller, wants: PhantomData })
    }
}

impl<W: Wants> FromRequestParts<Admin> for Local<W> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, admin: &Admin) -> Result<Self, Problem> {
        let caller = admin.auth.caller(parts).await?;
        with_role(&caller, W::ROLE)?;
        Ok(Self { caller, wants: PhantomData })
    }
}

impl<W: Wants> FromRequestParts<Admin> for LocalOrOwn<W> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, admin: &Admin) -> Result<Self, Problem> {
        let caller = admin.auth.caller(parts).await?;
        let is_person_alone = caller.role.is_none() && caller.teams.is_some();
        if !is_person_alone {
            with_role(&caller, W::ROLE)?;
        }
        Ok(Self { caller, wants: PhantomData })
    }
}

impl FromRequestParts<Admin> for Reporter {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, admin: &Admin) -> Result<Self, Problem> {
        let caller = admin.auth.caller(parts).await?;
        if caller.workstation.is_none() {
            with_role(&caller, Role::Operator)?;
        }
        Ok(Self(caller))
    }
}

impl FromRequestParts<Admin> for Anybody {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, admin: &Admin) -> Result<Self, Problem> {
        Ok(Self(admin.auth.caller(parts).await?))
    }
}

impl<W: Wants> FromRequestParts<Admin> for ForUser<W> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, admin: &Admin) -> Result<Self, Problem> {
        let caller = admin.auth.caller(parts).await?;
        let is_person = W::SELF && caller.teams.is_some();
        if !is_person {
            with_role(&caller, W::ROLE)?;
        }
        let Path(named) = Path::<String>::from_request_parts(parts, admin).await.map_err(|_| guid("").unwrap_err())?;
        let who = admin.store.belonging(UserGuid(guid(&named)?)).await?;
        let is_own = is_person && who.is_some_and(|who| who.teams == caller.teams);
        if !is_own {
            // Whether there is such a user is told only to who may know.
            let not_yours = || Problem::new(Kind::NotYours, "without a role a person reaches the own user only");
            with_role(&caller, W::ROLE).map_err(|problem| if caller.role.is_none() { not_yours() } else { problem })?;
        }
        let unknown =
            || Problem::not_found("XPhone has no user with this guid; a new one is known within directory.refresh_seconds");
        let who = who.ok_or_else(unknown)?;
        if !is_own {
            within(&caller, who.location)?;
        }
        let is_self = is_own && with_role(&caller, W::ROLE).is_err();
        if is_self
            && !parts.method.is_safe()
            && let Some(person) = caller.teams
        {
            admin.auth.step(person)?;
        }
        Ok(Self { is_self, caller, who, wants: PhantomData })
    }
}
