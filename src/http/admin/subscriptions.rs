//! Graph's subscriptions: which account tells us about how many users, how well, and until when; and everybody's place.

use axum::Json;
use axum::extract::State;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::auth::Viewer;
use super::extract::Asked;
use super::page::{self, Page};
use crate::domain::ids::{TeamsUserId, UserGuid};
use crate::domain::subscription::{self as shards, Place, USERS_PER_SUBSCRIPTION_MAX, Why};
use crate::http::Admin;
use crate::http::problem::Problem;
use crate::store::shard::{Counted, Placed};
use crate::store::subscriber::Told;

/// A renewal that is this late does not succeed.
const OVERDUE_AFTER: SignedDuration = SignedDuration::from_mins(5);

/// A change notification subscription at Graph.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({"id": "0d6a2b1c-3e4f-4a5b-8c6d-7e8f90a1b2c3", "state": "live",
    "account": {"id": "6c9f0d3e-2b1a-4c5d-8e7f-a0b1c2d3e4f5", "user_principal_name": "presence-1@example.com"}, "users": 600,
    "free_places": 50, "created_at": "2026-11-02T09:00:00Z", "expires_at": "2026-11-02T09:58:00Z",
    "renew_at": "2026-11-02T09:14:00Z", "certificate": "9e8d7c6b-5a49-4838-a726-150413f2e1d0",
    "heard_at": "2026-11-02T09:03:10Z", "silent_since": null, "missed": 0, "made_anew": null}))]
pub struct Subscription {
    /// Graph's.
    id: Uuid,
    state: Condition,
    account: Holder,
    /// How many users it watches.
    users: i64,
    /// How many more it could watch. Whoever comes changes one subscription only, as long as one has room.
    free_places: i64,
    created_at: Timestamp,
    /// When it ends unless renewed.
    expires_at: Timestamp,
    /// When it is renewed.
    renew_at: Timestamp,
    /// The gateway's name for the certificate that Graph encrypts for.
    certificate: Uuid,
    /// When something of it was last heard, to within ten seconds; null: nothing yet.
    #[schema(required)]
    heard_at: Option<Timestamp>,
    /// Since when it is known to tell nothing, or not enough; null: it tells.
    #[schema(required)]
    silent_since: Option<Timestamp>,
    /// Changes of the last hour that sweeps found and it did not tell.
    missed: i64,
    /// How often in a row this account's subscriptions were made anew because they were silent; null: never.
    #[schema(required)]
    made_anew: Option<MadeAnew>,
}

/// Silent subscriptions are made anew: after half an hour at the earliest, then twice as long each time, up to six hours.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SubscriptionMadeAnew)]
pub struct MadeAnew {
    times: i32,
    last_at: Timestamp,
}

/// A page of subscriptions, and whether there are accounts enough for everybody.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SubscriptionPage)]
pub struct Listed {
    items: Vec<Subscription>,
    /// What to send as `after` for the next page; null: this is the last one.
    #[schema(required)]
    next: Option<String>,
    coverage: Coverage,
}

/// How many users are watched, and how many accounts there are for that.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SubscriptionCoverage)]
pub struct Coverage {
    /// False: nothing is pushed here, everybody is swept.
    push: bool,
    /// Users whose presence matters.
    users: i64,
    /// Users that a subscription watches.
    pushed: i64,
    /// Users that are swept only.
    swept: i64,
    accounts: Accounts,
}

/// Subscriber accounts.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SubscriptionAccounts)]
pub struct Accounts {
    /// Those that may hold a subscription now.
    usable: usize,
    /// Of those, the ones that hold none and stand ready to take one over.
    spare: i64,
    /// Those that Entra ID wants a person for.
    needs_sign_in: i64,
    /// Those that Graph lets have no subscription at present.
    refused: i64,
    /// As few as can watch everybody: 650 users each.
    needed: usize,
    /// As many as leave places free for whoever joins, and one spare.
    recommended: usize,
    /// How many more are needed for everybody to be watched.
    missing: usize,
}

/// Where a user is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = UserPlace, example = json!({"user": "d1b2ddea-9304-43e8-a2c5-e30395f00a7a", "teams_user": "5f0c7a3e-2b1d-4c6f-9e8d-7a6b5c4d3e2f",
    "by": "push", "why": null, "since": null, "account": "presence-1@example.com", "subscription": "0d6a2b1c-3e4f-4a5b-8c6d-7e8f90a1b2c3",
    "silent_since": null}))]
pub struct UserPlace {
    /// By XPhone's guid.
    user: Uuid,
    /// By Entra ID's object id.
    teams_user: Uuid,
    #[serde(flatten)]
    watched: Watched,
}

/// How changes in Teams of a user reach the gateway.
#[derive(Debug, Serialize, ToSchema)]
pub struct Watched {
    /// `push`, with sweeps to make sure; `sweep` only; `nothing`: nothing may be shown for this user.
    by: &'static str,
    /// Why sweeps only: `no_push` here at all; `joining`: waits for others to join with; `no_room`: too few accounts; `lost`: the
    /// subscription that watched fails, read faster until another watches.
    #[schema(required)]
    why: Option<&'static str>,
    /// Since when sweeps only.
    #[schema(required)]
    since: Option<Timestamp>,
    /// The account that tells, by its sign-in name; null too for whoever may not list accounts.
    #[schema(required)]
    account: Option<String>,
    /// The subscription that tells; null too for whoever may not list subscriptions.
    #[schema(required)]
    subscription: Option<Uuid>,
    /// Since when that is known to be silent: the user is read faster.
    #[schema(required)]
    silent_since: Option<Timestamp>,
}

impl Watched {
    /// The same without the account and the subscription.
    pub fn unnamed(self) -> Self {
        Self { account: None, subscription: None, ..self }
    }
}

/// The account in whose name it is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = SubscriptionAccount)]
pub struct Holder {
    /// Entra ID's object id.
    id: Uuid,
    user_principal_name: String,
}

/// `live`; `silent`: sweeps find what it does not tell; `overdue`: its renewal is late, it tells us until it ends; `unattended`: its
/// account needs a person, it tells us until it ends; `ended`: its users are swept until it is made anew.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[schema(as = SubscriptionState)]
pub enum Condition {
    /// It tells us.
    Live,
    /// It tells us nothing, or not enough.
    Silent,
    /// It tells us, but nobody can renew it.
    Unattended,
    /// It tells us, but was not renewed in time.
    Overdue,
    /// It tells us no more.
    Ended,
}

/// Which subscriptions, which page.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Which {
    /// Only those that watch this user, by XPhone's guid.
    user: Option<Uuid>,
    /// The `next` of the page before.
    after: Option<Uuid>,
    /// How many, at most.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    limit: Option<usize>,
}

pub fn router() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(places))
}

/// Graph's subscriptions
///
/// A user whom none watches is read each `graph.sweep_seconds`, and faster where one did and fails. `coverage` says how many
/// accounts are missing.
#[utoipa::path(get, path = "/v1/subscriptions", operation_id = "listSubscriptions", tag = "subscriptions", params(Which),
    security(("bearer" = ["viewer"])),
    responses((status = 200, body = Listed, description = "In the order of their ids"),
        (status = 400, description = "bad-query")))]
async fn list(_: Viewer, State(admin): State<Admin>, Asked(which): Asked<Which>) -> Result<Json<Listed>, Problem> {
    let limit = page::limit(which.limit)?;
    let told = admin.store.told_subscriptions(which.user.map(UserGuid), which.after, limit + 1).await?;
    let now = admin.clock.now();
    let items = told.into_iter().map(|told| subscription(told, now)).collect();
    let Page { items, next } = Page::cut(items, limit, |subscription: &Subscription| subscription.id.to_string());
    let (users, watched) = (admin.store.count_users_to_watch().await?, admin.store.count_watched(now).await?);
    let coverage = coverage(admin.store.count_accounts(now).await?, users, watched, admin.push);
    Ok(Json(Listed { items, next, coverage }))
}

/// Everybody's place
///
/// Of those whose presence matters: which subscription tells of them, or why they are swept only.
#[utoipa::path(get, path = "/v1/subscriptions/places", operation_id = "listPlaces", tag = "subscriptions", params(Which),
    security(("bearer" = ["viewer"])),
    responses((status = 200, body = Page<UserPlace>, description = "In the order of their ids in Teams"),
        (status = 400, description = "bad-query")))]
async fn places(_: Viewer, State(admin): State<Admin>, Asked(which): Asked<Which>) -> Result<Json<Page<UserPlace>>, Problem> {
    let limit = page::limit(which.limit)?;
    let (user, after) = (which.user.map(UserGuid), which.after.map(TeamsUserId));
    let placed = admin.store.places(user, after, limit + 1, admin.push, admin.clock.now()).await?;
    let items = placed.into_iter().map(user_place).collect();
    Ok(Json(Page::cut(items, limit, |place: &UserPlace| place.teams_user.to_string())))
}

fn coverage(counted: Counted, users: i64, watched: i64, push: bool) -> Coverage {
    let Counted { accounts, accounts_in_trouble, accounts_refused, accounts_spare } = counted;
    let whole = |count: i64| usize::try_from(count).unwrap_or(0);
    let shards::Coverage { accounts: usable, accounts_needed, accounts_recommended, accounts_missing, .. } =
        shards::Coverage::of(if push { whole(users) } else { 0 }, whole(accounts));
    let pushed = if push { watched.min(users) } else { 0 };
    Coverage {
        push,
        users,
        pushed,
        swept: users - pushed,
        accounts: Accounts {
            usable,
            spare: accounts_spare,
            needs_sign_in: accounts_in_trouble,
            refused: accounts_refused,
            needed: accounts_needed,
            recommended: accounts_recommended,
            missing: accounts_missing,
        },
    }
}

fn user_place(placed: Placed) -> UserPlace {
    let Placed { user, teams_id, place } = placed;
    UserPlace { user: user.0, teams_user: teams_id.0, watched: place.into() }
}

impl From<Place> for Watched {
    fn from(place: Place) -> Self {
        let nobody = |by, why| Self { by, why, since: None, account: None, subscription: None, silent_since: None };
        match place {
            Place::NotRead => nobody("nothing", None),
            Place::PollOnly => nobody("sweep", Some("no_push")),
            Place::Swept { why, since } => Self { since, ..nobody("sweep", Some(Why::label(why))) },
            Place::Pushed { account, subscription, silent_since } => {
                Self { account: Some(account), subscription: Some(subscription), silent_since, ..nobody("push", None) }
            }
        }
    }
}

fn subscription(told: Told, now: Timestamp) -> Subscription {
    let Told { account, user_principal_name, certificate, created_at, carried, .. } = told;
    let state = match now {
        now if carried.expires_at <= now => Condition::Ended,
        _ if told.unattended => Condition::Unattended,
        now if now.duration_since(carried.renew_at) > OVERDUE_AFTER => Condition::Overdue,
        _ if told.silent_since.is_some() => Condition::Silent,
        _ => Condition::Live,
    };
    Subscription {
        id: carried.id,
        state,
        account: Holder { id: account.0, user_principal_name },
        users: carried.users,
        free_places: i64::try_from(USERS_PER_SUBSCRIPTION_MAX).unwrap_or(0).saturating_sub(carried.users),
        created_at,
        expires_at: carried.expires_at,
        renew_at: carried.renew_at,
        certificate,
        heard_at: told.heard_at,
        silent_since: told.silent_since,
        missed: told.missed,
        made_anew: told.silences.map(|(times, last_at)| MadeAnew { times, last_at }),
    }
}
