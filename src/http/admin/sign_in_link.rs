//! One-time addresses with which users link their own Teams account.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use secrecy::ExposeSecret;
use serde::Serialize;
use serde_json::json;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::auth::OperatorOrSelf;
use crate::domain::policy::Mode;
use crate::http::problem::{Kind, Problem};
use crate::http::{Admin, sign_in};
use crate::store;
use crate::store::audit::{self, Target};
use crate::store::choice::lock_choice;
use crate::store::ticket::{Maker, make_ticket};

/// A one-time address.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"url": "https://gateway.example/sign-in?ticket=pgs_w2Q4TnXJ0kq9l3uYb7cZ1vR8sE5aHfGdMiKoPxWzUyT",
    "expires_at": "2026-11-02T10:00:00Z"}))]
pub struct SignInLink {
    /// Whoever opens it links a Teams account to this user: give it to nobody else.
    url: String,
    /// When it ends, used or not.
    expires_at: Timestamp,
}

pub fn router() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(make))
}

/// Make a one-time address with which a user links the own Teams account
///
/// It is told this once, is good for an hour and for one link. Whoever opens it is asked first whether they are this user. People without a role make one for themselves, as long as anything
/// is kept in step for them; such an address takes no account away that is somebody else's by the address, and neither does one made by whoever reaches
/// one location only.
#[utoipa::path(post, path = "/v1/users/{guid}/sign-in-link", operation_id = "makeUserSignInLink", tag = "users",
    security(("bearer" = ["operator"])), extensions(("x-scope" = json!("user"))),
    params(("guid" = uuid::Uuid, Path, description = "The user, by XPhone's guid")),
    responses((status = 201, body = SignInLink, description = "The address"), (status = 400, description = "bad-guid"),
        (status = 404, description = "There is no such user"), (status = 409, description = "no-public-url"),
        (status = 429, description = "too-many-failures, too-many-changes")))]
async fn make(permit: OperatorOrSelf, State(admin): State<Admin>) -> Result<(StatusCode, Json<SignInLink>), Problem> {
    let Some(public_url) = &admin.public_url else {
        return Err(Problem::new(Kind::NoPublicUrl, "set http.public_url: users must reach the public listener to sign in"));
    };
    let (user, now) = (permit.who.user, admin.clock.now());
    let mut tx = admin.store.begin().await?;
    let choice = lock_choice(&mut tx, user).await?.ok_or_else(|| Problem::not_found("XPhone has this user no more"))?;
    if permit.is_self && choice.effective.mode == Mode::None {
        return Err(Problem::new(Kind::NoChoice, "nothing is kept in step for you, so there is nothing to link an account for"));
    }
    // Whoever reaches one location only takes no account from elsewhere by such an address either.
    let takes_nothing = permit.is_self || permit.caller.location.is_some();
    let maker = Maker::new(&permit.caller.actor, takes_nothing);
    let (ticket, expires_at) = make_ticket(&mut tx, user, &maker, now).await?;
    let target = Target { kind: "user", id: Some(user.to_string()) };
    let mut entry = permit.caller.entry("sign-in link made", target);
    entry.after = Some(json!({"expires_at": expires_at}));
    audit::record(&mut tx, &entry, now).await?;
    store::commit(tx).await?;
    let url = sign_in::address(public_url, ticket.expose_secret());
    Ok((StatusCode::CREATED, Json(SignInLink { url, expires_at })))
}
