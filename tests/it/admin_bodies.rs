//! What the admin API's bodies look like, as snapshots.

use insta::assert_snapshot;
use presence_gateway::store::api_token::Role;
use presence_gateway::tasks::driver::Task;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin::teams_sync;
use crate::settings::{microphone_sync, profile_template};
use crate::world::{ADMIN_TOKEN, World};

impl World {
    /// Status, type and body, with the GUIDs that differ from run to run under names.
    async fn seen(&self, method: Method, path: &str, body: Option<Value>, named: &[(Uuid, &str)]) -> String {
        let request = self.admin_request(method, path).bearer_auth(ADMIN_TOKEN);
        let request = if let Some(body) = body { request.json(&body) } else { request };
        let seen = seen(request).await;
        named.iter().fold(seen, |seen, (guid, name)| seen.replace(&guid.to_string(), name))
    }
}

/// Status, type and body of an answer.
pub async fn seen(request: RequestBuilder) -> String {
    let answer = request.send().await.unwrap();
    let media_type = answer.headers().get("content-type").map_or("", |value| value.to_str().unwrap()).to_owned();
    let tag = answer.headers().get("etag").map_or("", |value| value.to_str().unwrap()).to_owned();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    let body: Option<Value> = serde_json::from_str(&text).ok();
    let body = body.map_or(text, |body| serde_json::to_string_pretty(&body).unwrap());
    format!("{status} {media_type} {tag}\n{body}")
}

#[tokio::test]
async fn bodies_look_like_this() {
    let world = World::new().await;
    let (here, group) = (world.location, Uuid::new_v4());
    let headquarters = json!({"name": "Headquarters", "configurationGroups": [{"guid": group, "name": "Sales"}]});
    world.xphone_control(Method::PUT, &format!("locations/{here}"), headquarters).await;
    let anna = world.person("anna").await;
    let names = [(here, "<headquarters>"), (group, "<sales>"), (anna.xphone, "<anna>")];
    world.directory().await;
    let see = async |method, path: &str, body| world.seen(method, path, body, &names).await;
    let (sync, group_sync) = (format!("v1/locations/{here}/teams-sync"), format!("v1/configuration-groups/{group}/teams-sync"));
    assert_snapshot!("locations_unset", see(Method::GET, "v1/locations", None).await);
    assert_snapshot!("teams_sync_unset", see(Method::GET, &sync, None).await);
    assert_snapshot!("teams_sync_put", see(Method::PUT, &sync, Some(teams_sync("telephony"))).await);
    assert_snapshot!("teams_sync", see(Method::GET, &sync, None).await);
    let (microphone, template) =
        (format!("v1/locations/{here}/microphone-sync"), format!("v1/locations/{here}/profile-template"));
    assert_snapshot!("microphone_sync_put", see(Method::PUT, &microphone, Some(microphone_sync(&["Zoom", "chrome"]))).await);
    assert_snapshot!("profile_template_put", see(Method::PUT, &template, Some(profile_template(true, "busy"))).await);
    assert_snapshot!("locations", see(Method::GET, "v1/locations?search=head", None).await);
    assert_snapshot!("groups_inherited", see(Method::GET, "v1/configuration-groups", None).await);
    see(Method::PUT, &group_sync, Some(teams_sync("none"))).await;
    assert_snapshot!("groups_individual", see(Method::GET, "v1/configuration-groups", None).await);
    assert_snapshot!("teams_sync_deleted", see(Method::DELETE, &group_sync, None).await);
    assert_snapshot!("microphone_sync", see(Method::GET, &microphone, None).await);
    assert_snapshot!("microphone_sync_twice", see(Method::PUT, &microphone, Some(microphone_sync(&["a", "A.exe"]))).await);
    assert_snapshot!("default_processes", see(Method::GET, "v1/microphone-sync/default-processes", None).await);
    assert_snapshot!("profile_template", see(Method::GET, &template, None).await);
    assert_snapshot!("template_pending", see(Method::GET, &format!("{template}/state"), None).await);
    world.xphone_faults(json!({"deny": [{"endpoint": "profileTemplates", "status": 422}]})).await;
    world.app.tasks.templates.run().await.unwrap();
    assert_snapshot!("template_refused", see(Method::GET, &format!("{template}/state"), None).await);
    let of_group = format!("v1/configuration-groups/{group}/profile-template/state");
    assert_snapshot!("template_none", see(Method::GET, &of_group, None).await);
    assert_snapshot!("progress", see(Method::GET, &format!("v1/locations/{here}/progress"), None).await);
    let of_group = format!("v1/configuration-groups/{group}");
    assert_snapshot!("progress_of_group", see(Method::GET, &format!("{of_group}/progress"), None).await);
    assert_snapshot!("shadow_report_of_group_none", see(Method::GET, &format!("{of_group}/shadow-report"), None).await);
    let on_trial = json!({"mode": "telephony", "user_may_change": false, "remember_login_data": false, "shadow": true});
    see(Method::PUT, &group_sync, Some(on_trial)).await;
    assert_snapshot!("shadow_report_of_group", see(Method::GET, &format!("{of_group}/shadow-report"), None).await);
    see(Method::DELETE, &group_sync, None).await;
    let choice = format!("v1/users/{}/teams-sync", anna.xphone);
    let chosen = Some(json!({"mode": "none"}));
    assert_snapshot!("choice_refused", see(Method::PUT, &choice, chosen.clone()).await);
    let free = json!({"mode": "telephony", "user_may_change": true, "remember_login_data": true, "shadow": false});
    see(Method::PUT, &sync, Some(free)).await;
    assert_snapshot!("choice_unset", see(Method::GET, &choice, None).await);
    assert_snapshot!("choice_put", see(Method::PUT, &choice, chosen).await);
    assert_snapshot!("choice", see(Method::GET, &choice, None).await);
    assert_snapshot!("audit_export", unnamed(&see(Method::GET, "v1/audit/export?limit=2", None).await));
    assert_snapshot!("nothing_found", see(Method::GET, "v1/locations?search=nowhere", None).await);
    assert_snapshot!("bad_body", see(Method::PUT, &sync, Some(json!({"mode": "all"}))).await);
    assert_snapshot!("bad_guid", see(Method::GET, "v1/locations/x/teams-sync", None).await);
    assert_snapshot!("me", see(Method::GET, "v1/me", None).await);
    assert_snapshot!("task_run", see(Method::POST, "v1/tasks/upkeep/run", None).await);
    world.token("rollout", Role::Viewer, Some(here)).await;
    assert_snapshot!("audit", see(Method::GET, "v1/audit", None).await);
    assert_snapshot!("tasks", see(Method::GET, "v1/tasks?limit=2", None).await);
}

/// What follows in a pseudonym differs from run to run.
fn unnamed(seen: &str) -> String {
    let mut parts = seen.split("pseudonym-");
    let first = parts.next().unwrap().to_owned();
    parts.fold(first, |text, part| {
        format!("{text}<pseudonym>{}", part.trim_start_matches(|digit: char| digit.is_ascii_hexdigit()))
    })
}

#[tokio::test]
async fn bodies_about_accounts_look_like_this() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let subscriber = world.app.store.accounts().await.unwrap()[0].id.0;
    let subscription: Uuid = world.graph_look("subscriptions").await[0]["id"].as_str().unwrap().parse().unwrap();
    let certificate: Uuid =
        world.graph_look("subscriptions").await[0]["encryptionCertificateId"].as_str().unwrap().parse().unwrap();
    let names = [
        (anna.xphone, "<anna>"),
        (anna.teams, "<anna in Teams>"),
        (subscriber, "<subscriber>"),
        (subscription, "<subscription>"),
        (certificate, "<certificate>"),
    ];
    let see = async |method, path: &str, body| {
        let seen = world.seen(method, path, body, &names).await;
        // A moment within minutes, by chance; a tag that random guids make.
        let line = |line: &str| match line.split_once(" \"") {
            Some((status, _)) if status.ends_with("application/json") => format!("{status} <tag>"),
            _ if line.contains("renew_at") => line.split(':').next().unwrap().to_owned(),
            _ => line.to_owned(),
        };
        seen.lines().map(line).collect::<Vec<_>>().join("\n")
    };
    let account = format!("v1/users/{}/teams-account", anna.xphone);
    assert_snapshot!("teams_account_by_address", see(Method::GET, &account, None).await);
    assert_snapshot!("teams_account_linked", see(Method::PUT, &account, Some(json!({"id": anna.teams}))).await);
    assert_snapshot!("teams_account_both", see(Method::PUT, &account, Some(json!({"id": null}))).await);
    assert_snapshot!("teams_account_unknown", see(Method::PUT, &account, Some(json!({"user_principal_name": "x@y.z"}))).await);
    assert_snapshot!("teams_account_deleted", see(Method::DELETE, &account, None).await);
    let link = see(Method::POST, &format!("v1/users/{}/sign-in-link", anna.xphone), None).await;
    let (before, after) = link.split_once(&world.public).unwrap();
    let (path, ticket) = after.split_once("pgs_").unwrap();
    assert_snapshot!("sign_in_link", format!("{before}<public>{path}<ticket>{}", &ticket[43..]));
    assert_snapshot!("subscriptions", see(Method::GET, "v1/subscriptions", None).await);
    assert_snapshot!("places", see(Method::GET, "v1/subscriptions/places", None).await);
    assert_snapshot!("subscriber_accounts", see(Method::GET, "v1/subscriber-accounts", None).await);
    assert_snapshot!(
        "subscriber_account_unknown",
        see(Method::DELETE, &format!("v1/subscriber-accounts/{}", Uuid::nil()), None).await
    );
}

#[tokio::test]
async fn what_is_told_about_people_looks_like_this() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let nobody = Uuid::new_v4();
    world.xphone_user(nobody, "nobody@example.com", &[]).await;
    world.next_directory().await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    world.confirm().await;
    let explained = world.get(&format!("v1/users/{}/explain", anna.xphone), ADMIN_TOKEN).await;
    let subscription = explained["watched"]["subscription"].as_str().unwrap().parse::<Uuid>().unwrap();
    let profile = |index: usize| explained["profiles"][index]["guid"].as_str().unwrap().parse::<Uuid>().unwrap();
    let names = [
        (world.location, "<headquarters>"),
        (anna.xphone, "<anna>"),
        (anna.teams, "<anna in Teams>"),
        (nobody, "<nobody>"),
        (subscription, "<subscription>"),
        (profile(0), "<her first profile>"),
        (profile(1), "<her second profile>"),
    ];
    let see = async |path: &str| world.seen(Method::GET, path, None, &names).await;
    let (of_anna, place) = (format!("v1/users/{}", anna.xphone), format!("v1/locations/{}", world.location));
    assert_snapshot!("users_problem", see("v1/users?problem=any").await);
    assert_snapshot!("user", see(&of_anna).await);
    assert_snapshot!("user_explain", see(&format!("{of_anna}/explain")).await);
    let timeline = see(&format!("{of_anna}/timeline?limit=1")).await;
    // How many changes there were before is nobody's business.
    let numbered = |line: &&str| line.contains(r#""id": ""#) || line.contains(r#""next": ""#);
    assert_eq!(timeline.lines().filter(numbered).count(), 2, "{timeline}");
    let timeline: Vec<&str> = timeline.lines().filter(|line| !numbered(line)).collect();
    assert_snapshot!("user_timeline", timeline.join("\n"));
    let reconciled = world.seen(Method::POST, &format!("{of_anna}/reconcile"), None, &names).await;
    assert_snapshot!("user_reconcile", reconciled);
    assert_snapshot!("shadow_report_none", see(&format!("{place}/shadow-report")).await);
    world.set_policy("telephony", true).await;
    world.settle().await;
    assert_snapshot!("shadow_report", see(&format!("{place}/shadow-report")).await);
    assert_snapshot!("user_unknown", see(&format!("v1/users/{}", Uuid::nil())).await);
}

/// What was told, and its body.
fn told(seen: &str) -> Value {
    serde_json::from_str(seen.split_once('\n').unwrap().1).unwrap()
}

/// With these words, which differ from run to run, under names.
fn named(seen: &str, told: &Value, fields: &[&str]) -> String {
    let name = |seen: String, field: &&str| seen.replace(told[field].as_str().unwrap(), &format!("<{field}>"));
    fields.iter().fold(seen.to_owned(), name)
}

#[tokio::test]
async fn bodies_about_workstations_look_like_this() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let names = [(anna.xphone, "<anna>")];
    let see = async |method, path: &str, body| world.seen(method, path, body, &names).await;
    let enrol = async |user: &str| see(Method::POST, "v1/workstations", Some(json!({"name": "PC-0815", "user": user}))).await;
    assert_snapshot!("workstation_of_nobody", enrol("nobody@example.com").await);
    let enrolled = enrol("Anna@example.com").await;
    let told = told(&enrolled);
    assert_snapshot!("workstation_enrolled", named(&enrolled, &told, &["id", "token"]));
    assert_snapshot!("workstations", named(&see(Method::GET, "v1/workstations", None).await, &told, &["id"]));
    let path = format!("v1/workstations/{}", told["id"].as_str().unwrap());
    assert_snapshot!("workstation_removed", see(Method::DELETE, &path, None).await);
    assert_snapshot!("workstation_unknown", see(Method::DELETE, &path, None).await);
    assert_snapshot!("workstations_none", see(Method::GET, "v1/workstations", None).await);
}

#[tokio::test]
async fn bodies_about_enrolments_look_like_this() {
    let world = World::new().await;
    let see = async |method, path: &str, body| world.seen(method, path, body, &[]).await;
    let enrol = async |number: usize| {
        let name = json!({"user_principal_name": format!("presence-{number}@example.com")});
        see(Method::POST, "v1/subscriber-accounts", Some(name)).await
    };
    let begun = enrol(0).await;
    let told = told(&begun);
    let fields: Vec<&str> = ["id", "user_code", "enrolment"].into_iter().filter(|field| told[*field].is_string()).collect();
    assert_snapshot!("enrolment_begun", named(&begun, &told, &fields));
    let mut refused = String::new();
    for number in 1..=100 {
        refused = enrol(number).await;
        if !refused.starts_with("202") {
            break;
        }
    }
    assert_snapshot!("enrolments_too_many", refused);
    let accounts = self::told(&see(Method::GET, "v1/subscriber-accounts", None).await);
    let enrolment = accounts["items"][0]["enrolment"]["id"].as_str().unwrap();
    let path = format!("v1/subscriber-enrolments/{enrolment}");
    assert_snapshot!("enrolment_cancelled", see(Method::DELETE, &path, None).await);
    assert_snapshot!("enrolment_unknown", see(Method::DELETE, &format!("v1/subscriber-enrolments/{}", Uuid::nil()), None).await);
}
