//! Every operation with its refusals: walks the document, so that an operation that forgot to say whom it lets in is found.

use presence_gateway::domain::ids::UserGuid;
use presence_gateway::http::admin_document;
use presence_gateway::store::api_token::Role;
use presence_gateway::store::workstation::enrol;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin::{check_problem, teams_sync};
use crate::admin_entra::Entra;
use crate::world::{ADMIN_TOKEN, Person, World};

/// Operations that nobody needs a token for.
const OPEN: [&str; 3] = ["/healthz", "/readyz", "/metrics"];

struct Operation {
    method: Method,
    path: String,
    role: Option<Role>,
    scope: String,
    /// Whether it says that it takes a precondition.
    is_conditional: bool,
    /// A body that would do.
    example: Option<Value>,
}

fn operations() -> Vec<Operation> {
    let document = serde_json::to_value(admin_document()).unwrap();
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if OPEN.contains(&path.as_str()) {
                assert_eq!(operation["security"], Value::Null, "{path}");
                continue;
            }
            let roles = operation["security"][0]["bearer"].as_array().unwrap_or_else(|| panic!("{method} {path} is open"));
            let role = roles.first().map(|role| Role::from_label(role.as_str().unwrap()).unwrap());
            let scope = operation["x-scope"].as_str().unwrap_or("everything").to_owned();
            assert_eq!(role.is_none(), scope == "anybody", "{method} {path}");
            let schema = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"].as_str();
            let example = schema.map(|schema| {
                let schema = document.pointer(&schema[1..]).unwrap();
                schema.get("example").unwrap_or(&schema["examples"][0]).clone()
            });
            assert!(example.as_ref().is_none_or(Value::is_object), "{method} {path} shows no example");
            let parameters = operation["parameters"].as_array();
            let is_conditional = parameters.is_some_and(|all| all.iter().any(|one| one["name"] == "If-Match"));
            assert_eq!(is_conditional, operation["responses"].get("412").is_some(), "{method} {path}");
            let method = method.to_uppercase().parse().unwrap();
            found.push(Operation { method, path: path.clone(), role, scope, is_conditional, example });
        }
    }
    assert!(found.len() >= 15, "the document is empty");
    found
}

impl Operation {
    /// The operation on something that is there.
    fn request(&self, world: &World, target: Uuid) -> RequestBuilder {
        let target = target.to_string();
        let path = self.path.replace("{guid}", &target).replace("{id}", &target).replace("{name}", "upkeep");
        let request = world.admin_request(self.method.clone(), path.trim_start_matches('/'));
        if let Some(example) = &self.example { request.json(example) } else { request }
    }
}

/// One to remove, enrolled past the audit log.
async fn workstation(world: &World, person: Person) -> Uuid {
    let mut tx = world.app.store.begin().await.unwrap();
    let (id, _) = enrol(&mut tx, UserGuid(person.xphone), "PC", world.clock.now()).await.unwrap().unwrap();
    tx.commit().await.unwrap();
    id
}

#[tokio::test]
async fn every_operation_refuses_whoever_it_must() {
    let world = World::new().await;
    let group = Uuid::new_v4();
    let headquarters = json!({"name": "Headquarters", "configurationGroups": [{"guid": group, "name": "Sales"}]});
    world.xphone_control(Method::PUT, &format!("locations/{}", world.location), headquarters).await;
    let anna = world.person("anna").await;
    world.directory().await;
    let roles = [
        (Role::Viewer, world.token("viewer", Role::Viewer, None).await),
        (Role::Operator, world.token("operator", Role::Operator, None).await),
    ];
    let elsewhere = world.token("elsewhere", Role::Admin, Some(Uuid::new_v4())).await;
    for operation in operations() {
        let target = match operation.path.as_str() {
            path if path.starts_with("/v1/users/") => anna.xphone,
            path if path.starts_with("/v1/configuration-groups/") => group,
            path if path.starts_with("/v1/workstations/") => workstation(&world, anna).await,
            _ => world.location,
        };
        let what = format!("{} {}", operation.method, operation.path);
        println!("{what}");
        check_problem(operation.request(&world, target), 401, "not-signed-in").await;
        if operation.example.is_some() {
            // Whoever is not let in learns nothing of what else is wrong.
            check_problem(operation.request(&world, target).body("{"), 401, "not-signed-in").await;
            let bad = || operation.request(&world, target).bearer_auth(ADMIN_TOKEN);
            check_problem(bad().json(&json!({"no": "such"})), 422, "bad-body").await;
            check_problem(bad().json(&json!(["telephony", true, false, false])), 422, "bad-body").await;
            check_problem(bad().header("content-type", "application/json").body("{"), 400, "bad-json").await;
        }
        // Nobody here has a choice of their own, which is told first; `admin_entra` has that story.
        if operation.is_conditional && operation.path != "/v1/users/{guid}/teams-sync" {
            let stale = operation.request(&world, target).bearer_auth(ADMIN_TOKEN).header("if-match", "\"another\"");
            check_problem(stale, 412, "stale").await;
        }
        for (role, token) in &roles {
            if operation.role.is_some_and(|wanted| wanted > *role) {
                check_problem(operation.request(&world, target).bearer_auth(token), 403, "wrong-role").await;
            }
        }
        let from_elsewhere = operation.request(&world, target).bearer_auth(&elsewhere);
        match operation.scope.as_str() {
            "anybody" => {}
            "part" => {
                let page: Value = from_elsewhere.send().await.unwrap().json().await.unwrap();
                assert_eq!(page, json!({"items": [], "next": null}), "{what}");
            }
            _ => check_problem(from_elsewhere, 403, "wrong-location").await,
        }
    }
    assert!(world.app.store.audit(None, 100).await.unwrap().iter().all(|change| change.target_kind == "token"));
}

#[tokio::test]
async fn every_operation_lets_in_whoever_it_must_and_nobody_without_a_role() {
    let entra = Entra::start().await;
    let world = entra.world().await;
    let group = Uuid::new_v4();
    let headquarters = json!({"name": "Headquarters", "configurationGroups": [{"guid": group, "name": "Sales"}]});
    world.xphone_control(Method::PUT, &format!("locations/{}", world.location), headquarters).await;
    let (anna, ben) = (world.person("anna").await, world.person("ben").await);
    world.directory().await;
    // Anna is somebody here, but of no role: what is Ben's, and everybody's, is not hers.
    let nobody = entra.token(&world, anna.teams, &[], &json!({}));
    let local = world.token("local", Role::Admin, Some(world.location)).await;
    let mut let_in = 0;
    for operation in operations() {
        let target = match operation.path.as_str() {
            path if path.starts_with("/v1/users/") => ben.xphone,
            path if path.starts_with("/v1/configuration-groups/") => group,
            path if path.starts_with("/v1/workstations/") => workstation(&world, ben).await,
            _ => world.location,
        };
        println!("{} {}", operation.method, operation.path);
        if operation.path == "/v1/users" {
            let page = world.told(operation.request(&world, target).bearer_auth(&nobody)).await;
            let guids: Vec<&Value> = page["items"].as_array().unwrap().iter().map(|item| &item["guid"]).collect();
            assert_eq!(guids, [&json!(anna.xphone)], "the own user only");
        } else if operation.scope != "anybody" {
            let kind = if operation.scope == "user" { "not-yours" } else { "wrong-role" };
            check_problem(operation.request(&world, target).bearer_auth(&nobody), 403, kind).await;
        }
        if operation.scope != "everything" {
            let answer = operation.request(&world, target).bearer_auth(&local).send().await.unwrap();
            let (status, text) = (answer.status().as_u16(), answer.text().await.unwrap());
            let refused = ["not-signed-in", "wrong-role", "wrong-location", "not-yours"];
            assert!(status < 500 && !refused.iter().any(|kind| text.contains(kind)), "{status} {text}");
            let_in += usize::from(status < 300);
        }
    }
    assert!(let_in >= 15, "{let_in}");
    let audited = world.app.store.audit(None, 100).await.unwrap();
    assert!(audited.iter().all(|change| change.actor.as_deref() != Some(&anna.teams.to_string())));
}

#[tokio::test]
async fn a_token_for_a_location_sees_and_changes_that_location() {
    let world = World::new().await;
    let (group, elsewhere, other) = (Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4());
    let headquarters = json!({"name": "Headquarters", "configurationGroups": [{"guid": group, "name": "Sales"}]});
    world.xphone_control(Method::PUT, &format!("locations/{}", world.location), headquarters).await;
    let branch = json!({"name": "Branch", "configurationGroups": [{"guid": other, "name": "Stock"}]});
    world.xphone_control(Method::PUT, &format!("locations/{elsewhere}"), branch).await;
    world.person("anna").await;
    world.directory().await;
    let token = world.token("local", Role::Operator, Some(world.location)).await;
    let list = async |what: &str| world.told(world.admin_request(Method::GET, &format!("v1/{what}")).bearer_auth(&token)).await;
    let names = |page: &Value| page["items"].as_array().unwrap().iter().map(|item| item["name"].clone()).collect::<Vec<_>>();
    assert_eq!(names(&list("locations").await), ["Headquarters"]);
    assert_eq!(names(&list("configuration-groups").await), ["Sales"]);
    assert_eq!(names(&list(&format!("configuration-groups?location={}", world.location)).await), ["Sales"]);
    let put = |path: &str| {
        let request = world.admin_request(Method::PUT, &format!("v1/{path}/teams-sync"));
        request.bearer_auth(&token).json(&teams_sync("telephony"))
    };
    world.told(put(&format!("locations/{}", world.location))).await;
    world.told(put(&format!("configuration-groups/{group}"))).await;
    check_problem(put(&format!("locations/{elsewhere}")), 403, "wrong-location").await;
    check_problem(put(&format!("configuration-groups/{other}")), 403, "wrong-location").await;
    check_problem(put(&format!("locations/{}", Uuid::nil())), 404, "not-found").await;
    let foreign = world.admin_request(Method::GET, &format!("v1/configuration-groups?location={elsewhere}"));
    check_problem(foreign.bearer_auth(&token), 403, "wrong-location").await;
}

#[tokio::test]
async fn a_change_of_something_else_than_was_seen_is_refused() {
    let world = World::new().await;
    world.person("anna").await;
    world.directory().await;
    let path = format!("v1/locations/{}/teams-sync", world.location);
    let request = |method| world.admin_request(method, &path).bearer_auth(ADMIN_TOKEN);
    let put = |mode| request(Method::PUT).json(&teams_sync(mode));
    check_problem(put("none").header("if-match", "*"), 412, "stale").await;
    let made = put("none").header("if-none-match", "*").send().await.unwrap();
    let seen = made.headers()["etag"].clone();
    check_problem(put("telephony").header("if-none-match", "*"), 412, "stale").await;
    assert_eq!(request(Method::GET).send().await.unwrap().headers()["etag"], seen);
    let changed = put("telephony").header("if-match", &seen).send().await.unwrap();
    let newer = changed.headers()["etag"].clone();
    assert_ne!(newer, seen);
    check_problem(put("none").header("if-match", &seen), 412, "stale").await;
    check_problem(request(Method::DELETE).header("if-match", &seen), 412, "stale").await;
    let taken_back = request(Method::DELETE).header("if-match", &newer).send().await.unwrap();
    assert_eq!(taken_back.status().as_u16(), 204);
    check_problem(request(Method::DELETE).header("if-match", &newer), 412, "stale").await;
    assert_eq!(world.app.store.audit(None, 100).await.unwrap().len(), 3, "what was refused changed nothing");
}

#[tokio::test]
async fn what_is_asked_for_wrongly_is_refused() {
    let world = World::new().await;
    let check = async |path: &str, status: u16, kind: &str| {
        check_problem(world.admin_request(Method::GET, path).bearer_auth(ADMIN_TOKEN), status, kind).await;
    };
    for path in [
        "v1/locations",
        "v1/configuration-groups",
        "v1/tasks",
        "v1/audit",
        "v1/audit/export",
        "v1/subscriptions",
        "v1/subscriptions/places",
        "v1/subscriber-accounts",
    ] {
        for query in ["limit=0", "limit=1001", "limit=x", "limit=-1", "page=2", "limit=1&limit=2"] {
            check(&format!("{path}?{query}"), 400, "bad-query").await;
        }
    }
    for query in [
        "locations?after=x",
        "audit?after=x",
        "locations?search=%00",
        "configuration-groups?location=x",
        "subscriptions?user=x",
        "subscriber-accounts?after=%00",
    ] {
        check(&format!("v1/{query}"), 400, "bad-query").await;
    }
    for guid in ["x", "%ff", "{00000000-0000-0000-0000-000000000000}", "00000000000000000000000000000000"] {
        check(&format!("v1/locations/{guid}/teams-sync"), 400, "bad-guid").await;
    }
    check("v1/locations/", 404, "not-found").await;
    check("v1/tasks/upkeep/run", 405, "wrong-method").await;
    let answer = world.admin_request(Method::PATCH, "v1/tasks").send().await.unwrap();
    assert!(answer.headers()["allow"].to_str().unwrap().contains("GET"));
}
