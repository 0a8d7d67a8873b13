//! Subscriber accounts: enrolled by device code, watched over, and removed.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::{Administrator, Viewer};
use super::extract::{self, Asked, Body, Guid};
use super::page::{self, Page, Paging};
use super::teams_account::is_name;
use crate::domain::subscription::{AccountId, ProblemKind};
use crate::http::Admin;
use crate::http::problem::{Kind, Problem};
use crate::store;
use crate::store::audit::{self, Target};
use crate::store::enrolment::{Outcome, end_enrolment};
use crate::store::subscriber::{self, Carried, Enrolled, Subscriber, see_off_account};
use crate::tasks::enrolment::desk::{self, NotBegun};

/// Who is to be enrolled.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = SubscriberAccountWanted, example = json!({"user_principal_name": "presence-1@example.com"}))]
pub struct Wanted {
    /// The account's sign-in name.
    #[schema(max_length = 256, pattern = r"^[^@\s\x00-\x1f\x7f-\x9f]+@[^\s\x00-\x1f\x7f-\x9f]+$")]
    user_principal_name: String,
}

/// What a person must do to enrol an account.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EnrolmentBegun, example = json!({"id": "4f1d2c3b-5a69-4788-9a0b-1c2d3e4f5a6b", "verification_uri": "https://microsoft.com/devicelogin", "user_code": "FJ2KWLXPQ",
    "expires_at": "2026-11-02T09:15:00Z"}))]
pub struct Begun {
    /// Which enrolment, to cancel it.
    id: Uuid,
    /// The address to open, in a browser in which nobody else is signed in.
    verification_uri: String,
    /// What to type there; told this once.
    user_code: String,
    /// Until when.
    expires_at: Timestamp,
}

/// A subscriber account, or the attempt to enrol one.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SubscriberAccount, example = json!({"id": "6c9f0d3e-2b1a-4c5d-8e7f-a0b1c2d3e4f5", "state": "enrolled",
    "user_principal_name": "presence-1@example.com", "problem": null, "problem_kind": null, "problem_since": null, "remedy": null,
    "refused_since": null, "refusals": 0, "retry_at": null, "enrolled_at": "2026-11-02T09:00:00Z",
    "refreshed_at": "2026-11-02T09:12:00Z", "users": 650, "subscription": {"id": "0d6a2b1c-3e4f-4a5b-8c6d-7e8f90a1b2c3",
    "expires_at": "2026-11-02T10:10:00Z", "renew_at": "2026-11-02T09:26:00Z"}, "enrolment": null}))]
pub struct Account {
    /// Entra ID's object id; null: not enrolled.
    #[schema(required)]
    id: Option<Uuid>,
    user_principal_name: String,
    state: Condition,
    /// Why it is of no use until somebody helps, or until Graph lets it have a subscription.
    #[schema(required)]
    problem: Option<String>,
    /// `refresh_refused`: password changed, sign-ins revoked, unused for too long; `interaction_required`: a policy wants a person;
    /// `consent_withdrawn`; `account_gone`: disabled, locked or deleted.
    #[schema(required)]
    problem_kind: Option<&'static str>,
    #[schema(required)]
    problem_since: Option<Timestamp>,
    /// What to do about it.
    #[schema(required)]
    remedy: Option<&'static str>,
    /// Since when Graph lets it have no subscription.
    #[schema(required)]
    refused_since: Option<Timestamp>,
    /// How often in a row it was refused.
    refusals: i32,
    /// When it is tried again without anybody's help.
    #[schema(required)]
    retry_at: Option<Timestamp>,
    /// When somebody last signed in.
    #[schema(required)]
    enrolled_at: Option<Timestamp>,
    /// When Entra ID last gave a token for it.
    #[schema(required)]
    refreshed_at: Option<Timestamp>,
    /// About how many users it tells us.
    users: i64,
    /// Its subscription; null: there is nobody to watch, or it could not be made yet.
    #[schema(required)]
    subscription: Option<Subscription>,
    /// The latest enrolment that was begun here; null: there was none within a week.
    #[schema(required)]
    enrolment: Option<Enrolment>,
}

/// How an account does. `enrolled`; `needs_sign_in`: enrol it anew, or see its remedy; `refused`: Graph lets it have no subscription,
/// which is tried again; `leaving`: it goes as soon as its subscription has gone;
/// `not_enrolled`: look at its enrolment.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SubscriberAccountState)]
pub enum Condition {
    /// It works.
    Enrolled,
    /// Entra ID wants a person.
    NeedsSignIn,
    /// Graph lets it have no subscription.
    Refused,
    /// It was removed.
    Leaving,
    /// There is no such account yet.
    NotEnrolled,
}

/// An account's subscription at Graph.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SubscriberAccountSubscription)]
pub struct Subscription {
    /// Graph's.
    id: Uuid,
    /// When it ends unless renewed.
    expires_at: Timestamp,
    /// When it is renewed.
    renew_at: Timestamp,
}

/// An enrolment.
#[derive(Debug, Serialize, ToSchema)]
pub struct Enrolment {
    /// Which.
    id: Uuid,
    /// `waiting`; `enrolled`; `somebody_else` signed in; `not_approved`; `failed`; `cancelled`; `lost`: the gateway that waited was restarted, begin
    /// anew.
    state: &'static str,
    begun_at: Timestamp,
    /// Until when the code can be entered.
    expires_at: Timestamp,
    #[schema(required)]
    ended_at: Option<Timestamp>,
    /// What went wrong.
    #[schema(required)]
    problem: Option<String>,
}

pub fn router() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(list, enrol)).routes(routes!(remove)).routes(routes!(cancel))
}

/// Subscriber accounts, and how they do
#[utoipa::path(get, path = "/v1/subscriber-accounts", operation_id = "listSubscriberAccounts", tag = "subscriptions",
    params(Paging), security(("bearer" = ["viewer"])),
    responses((status = 200, body = Page<Account>, description = "In the order of their names"),
        (status = 400, description = "bad-query")))]
async fn list(_: Viewer, State(admin): State<Admin>, Asked(paging): Asked<Paging>) -> Result<Json<Page<Account>>, Problem> {
    let limit = page::limit(paging.limit)?;
    let after = extract::text("after", paging.after)?;
    let mut found = admin.store.subscribers(after.as_deref(), limit + 1).await?;
    let is_more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().filter(|_| is_more).map(|last| last.name.clone());
    let now = admin.clock.now();
    Ok(Json(Page { items: found.into_iter().map(|subscriber| account(subscriber, now)).collect(), next }))
}

/// Begin to enrol a subscriber account
///
/// Somebody opens the address, types the code and signs in as that account. How it goes is told by `GET`. An enrolment that waits
/// for the same account is given up, and so is every one when the gateway stops.
#[utoipa::path(post, path = "/v1/subscriber-accounts", operation_id = "enrolSubscriberAccount", tag = "subscriptions",
    security(("bearer" = ["admin"])), request_body = Wanted,
    responses((status = 202, body = Begun, description = "The gateway waits for the person"),
        (status = 400, description = "bad-json"), (status = 413, description = "The body is too long"),
        (status = 415, description = "The body is not JSON"), (status = 422, description = "The body is not of this form"),
        (status = 429, description = "too-many-enrolments"), (status = 502, description = "Entra ID refuses the app registration"),
        (status = 503, description = "entra-unavailable, or the database or Entra ID's signing keys cannot be had")))]
async fn enrol(
    administrator: Administrator,
    State(admin): State<Admin>,
    Body(wanted): Body<Wanted>,
) -> Result<(StatusCode, Json<Begun>), Problem> {
    let name = wanted.user_principal_name.as_str();
    if !is_name(name) {
        let detail = "user_principal_name must be a sign-in name, such as presence-1@example.com";
        return Err(Problem::new(Kind::BadBody, detail));
    }
    let caller = administrator.caller;
    let asked = desk::Asked { user_principal_name: name.to_owned(), actor: caller.actor, remote: caller.remote };
    let begun = admin.enrolments.begin(asked).await.map_err(not_begun)?;
    let desk::Begun { id, verification_uri, user_code, expires_at } = begun;
    Ok((StatusCode::ACCEPTED, Json(Begun { id, verification_uri, user_code, expires_at })))
}

/// Remove a subscriber account
///
/// Its subscription at Graph is deleted, its login data is forgotten, and its users go to accounts with room, or are swept.
#[utoipa::path(delete, path = "/v1/subscriber-accounts/{id}", operation_id = "removeSubscriberAccount", tag = "subscriptions",
    security(("bearer" = ["admin"])), params(("id" = Uuid, Path, description = "The account, by Entra ID's object id")),
    responses((status = 204, description = "It goes within seconds, or within the hour if Graph does not answer"),
        (status = 400, description = "bad-guid"), (status = 404, description = "There is no such account")))]
async fn remove(administrator: Administrator, State(admin): State<Admin>, Guid(id): Guid) -> Result<StatusCode, Problem> {
    let now = admin.clock.now();
    let target = Target { kind: "subscriber_account", id: Some(id.to_string()) };
    let entry = administrator.caller.entry("subscriber account removed", target);
    let mut tx = admin.store.begin().await?;
    if !see_off_account(&mut tx, AccountId(id), &entry, now).await? {
        return Err(Problem::not_found("no subscriber account has this id, or it was removed already"));
    }
    store::commit(tx).await?;
    // Without a subscription there is nothing to wait for, nor perhaps anybody who would.
    admin.store.forget_left_accounts(now).await?;
    admin.activators.subscriptions.wake();
    Ok(StatusCode::NO_CONTENT)
}

/// Cancel an enrolment that waits for its person
///
/// Whoever enters the code from now on enrols nothing.
#[utoipa::path(delete, path = "/v1/subscriber-enrolments/{id}", operation_id = "cancelSubscriberEnrolment", tag = "subscriptions",
    security(("bearer" = ["admin"])), params(("id" = Uuid, Path, description = "The enrolment, as its beginning told it")),
    responses((status = 204, description = "It is cancelled"), (status = 400, description = "bad-guid"),
        (status = 404, description = "No such enrolment waits")))]
async fn cancel(administrator: Administrator, State(admin): State<Admin>, Guid(id): Guid) -> Result<StatusCode, Problem> {
    let now = admin.clock.now();
    let mut tx = admin.store.begin().await?;
    if !end_enrolment(&mut tx, id, Outcome::Cancelled, None, now).await? {
        return Err(Problem::not_found("no such enrolment waits: it has ended, or another one has taken its place"));
    }
    let target = Target { kind: "subscriber_enrolment", id: Some(id.to_string()) };
    audit::record(&mut tx, &administrator.caller.entry("subscriber account enrolment cancelled", target), now).await?;
    store::commit(tx).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn not_begun(refused: NotBegun) -> Problem {
    match refused {
        NotBegun::Full => {
            let detail = format!("{} enrolments wait for people already: finish one, or let its code run out", desk::WAITING_MAX);
            Problem::new(Kind::TooManyEnrolments, detail)
        }
        NotBegun::Later(wait) => {
            let problem = Problem::new(Kind::EntraUnavailable, "Entra ID gives no code just now: try again");
            match wait {
                Some(wait) => problem.retry_after(wait),
                None => problem,
            }
        }
        NotBegun::Refused(what) => Problem::new(Kind::EntraRefused, what),
        NotBegun::Store(error) => error.into(),
    }
}

fn account(subscriber: Subscriber, now: Timestamp) -> Account {
    let Subscriber { user_principal_name, account, enrolment, .. } = subscriber;
    let enrolment = enrolment.map(|enrolment| told(enrolment, now));
    let nobody = Account {
        id: None,
        user_principal_name,
        state: Condition::NotEnrolled,
        problem: None,
        problem_kind: None,
        problem_since: None,
        remedy: None,
        refused_since: None,
        refusals: 0,
        retry_at: None,
        enrolled_at: None,
        refreshed_at: None,
        users: 0,
        subscription: None,
        enrolment,
    };
    let Some(Enrolled { id, problem, refusal, enrolled_at, refreshed_at, leaving_at, subscription }) = account else {
        return nobody;
    };
    let state = match (&problem, &refusal) {
        _ if leaving_at.is_some() => Condition::Leaving,
        (Some(_), _) => Condition::NeedsSignIn,
        (None, Some(_)) => Condition::Refused,
        (None, None) => Condition::Enrolled,
    };
    let kind = problem.as_ref().and_then(|trouble| trouble.kind);
    let carried = |Carried { id, expires_at, renew_at, .. }| Subscription { id, expires_at, renew_at };
    Account {
        id: Some(id.0),
        state,
        problem_kind: kind.map(ProblemKind::label),
        problem_since: problem.as_ref().and_then(|trouble| trouble.since),
        remedy: kind.map(ProblemKind::remedy),
        refused_since: refusal.as_ref().map(|refusal| refusal.since),
        refusals: refusal.as_ref().map_or(0, |refusal| refusal.times),
        retry_at: problem.as_ref().and_then(|trouble| trouble.retry_at).or(refusal.as_ref().and_then(|refusal| refusal.retry_at)),
        problem: problem.map(|trouble| trouble.problem).or(refusal.map(|refusal| refusal.refusal)),
        enrolled_at: Some(enrolled_at),
        refreshed_at: Some(refreshed_at),
        users: subscription.as_ref().map_or(0, |subscription| subscription.users),
        subscription: subscription.map(carried),
        ..nobody
    }
}

fn told(enrolment: subscriber::Enrolment, now: Timestamp) -> Enrolment {
    let state = match enrolment.ended {
        Some((_, outcome)) => outcome.label(),
        None if enrolment.alive_until > now => "waiting",
        None => "lost",
    };
    let lost = || (state == "lost").then(|| "the gateway that waited was restarted, or lost its database: begin anew".to_owned());
    Enrolment {
        id: enrolment.id,
        state,
        begun_at: enrolment.begun_at,
        expires_at: enrolment.expires_at,
        ended_at: enrolment.ended.map(|(at, _)| at),
        problem: enrolment.problem.or_else(lost),
    }
}
