//! Who changed what: for administrators, and with pseudonyms for works councils.

mod pseudonym;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::pseudonym::Pseudonyms;
use super::auth::Administrator;
use super::extract::Asked;
use super::page::{self, Page, Past};
use crate::http::Admin;
use crate::http::problem::Problem;
use crate::store::audit::Recorded;

/// A change.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(example = json!({"id": "17", "at": "2026-11-02T09:00:00Z", "who": {"kind": "token", "name": "rollout"}, "from": "10.0.0.7",
    "what": "teams-sync set", "target": {"kind": "location", "id": "1d7e9c42-3b5a-4f68-8a90-b1c2d3e4f506"}, "before": null,
    "after": {"mode": "telephony", "user_may_change": false, "remember_login_data": false, "shadow": true}}))]
pub struct Change {
    id: String,
    at: Timestamp,
    who: Who,
    /// The address the request came from; null: the gateway's own command line.
    #[schema(required)]
    from: Option<String>,
    /// What was done.
    what: String,
    target: What,
    /// What was set; null: nothing.
    #[schema(required)]
    before: Option<Value>,
    /// What was set then; null: nothing.
    #[schema(required)]
    after: Option<Value>,
}

/// Who changed something.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Actor)]
pub struct Who {
    /// `bootstrap`, `token`, `person` or `command_line`.
    kind: String,
    /// The token's name, or the person's object id in Entra ID.
    #[schema(required)]
    name: Option<String>,
}

/// What was changed.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[schema(as = Target)]
pub struct What {
    /// A word such as `location`, `configuration_group`, `user`, `token`, `task`.
    kind: String,
    /// Which of them.
    #[schema(required)]
    id: Option<String>,
}

impl From<Recorded> for Change {
    fn from(recorded: Recorded) -> Self {
        Self {
            id: recorded.id.to_string(),
            at: recorded.at,
            who: Who { kind: recorded.actor_kind, name: recorded.actor },
            from: recorded.remote,
            what: recorded.action,
            target: What { kind: recorded.target_kind, id: recorded.target },
            before: recorded.before,
            after: recorded.after,
        }
    }
}

pub fn router() -> OpenApiRouter<Admin> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(export))
}

/// Who changed what
#[utoipa::path(get, path = "/v1/audit", operation_id = "listAudit", tag = "audit", params(Past),
    security(("bearer" = ["admin"])),
    responses((status = 200, body = Page<Change>, description = "The latest first"), (status = 400, description = "bad-query")))]
async fn list(_: Administrator, State(admin): State<Admin>, Asked(past): Asked<Past>) -> Result<Json<Page<Change>>, Problem> {
    Ok(Json(changes(&admin, &past).await?))
}

/// What was changed, without saying by which person
///
/// For works councils. Persons and addresses are pseudonyms: XPhone's guid, Entra ID's object id and the account's name each have
/// one of their own, always the same. In what was set before and after, only words that are known to name nobody are left. Tokens keep their names.
#[utoipa::path(get, path = "/v1/audit/export", operation_id = "exportAudit", tag = "audit", params(Past),
    security(("bearer" = ["admin"])),
    responses((status = 200, body = Page<Change>, description = "The latest first"), (status = 400, description = "bad-query")))]
async fn export(_: Administrator, State(admin): State<Admin>, Asked(past): Asked<Past>) -> Result<Json<Page<Change>>, Problem> {
    let page = changes(&admin, &past).await?;
    let pseudonyms = Pseudonyms::new(&admin.store.pseudonym_key().await?);
    let items = page.items.into_iter().map(|change| pseudonyms.hide(change)).collect();
    Ok(Json(Page { items, ..page }))
}

async fn changes(admin: &Admin, past: &Past) -> Result<Page<Change>, Problem> {
    let limit = page::limit(past.limit)?;
    let recorded = admin.store.audit(past.after, limit + 1).await?;
    Ok(Page::cut(recorded.into_iter().map(Change::from).collect(), limit, |change| change.id.clone()))
}
