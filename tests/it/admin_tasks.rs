//! What runs by itself: listed, and let run now.

use presence_gateway::store::api_token::Role;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::admin::check_problem;
use crate::world::{ADMIN_TOKEN, World};

impl World {
    async fn run_task(&self, name: &str) {
        let request = self.admin_request(Method::POST, &format!("v1/tasks/{name}/run")).bearer_auth(ADMIN_TOKEN);
        assert_eq!(request.send().await.unwrap().status(), StatusCode::ACCEPTED, "{name}");
    }

    async fn task_names(&self) -> Vec<String> {
        let page = self.told(self.admin_request(Method::GET, "v1/tasks").bearer_auth(ADMIN_TOKEN)).await;
        page["items"].as_array().unwrap().iter().map(|task| task["name"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn every_task_is_listed_and_can_be_let_run() {
    let world = World::new().await;
    let names = world.task_names().await;
    let tasks = &world.app.tasks;
    let all: [&dyn presence_gateway::tasks::driver::Task; 16] = [
        &tasks.directory,
        &tasks.listener,
        &tasks.appointments,
        tasks.subscriptions.as_ref().unwrap(),
        &tasks.intake,
        &tasks.lifecycle,
        &tasks.policies,
        &tasks.reconciler,
        &tasks.xphone_dispatcher,
        &tasks.teams_dispatcher,
        &tasks.confirmer,
        &tasks.sweep,
        &tasks.templates,
        tasks.logins.as_ref().unwrap(),
        &tasks.heartbeat,
        &tasks.upkeep,
    ];
    assert_eq!(names, all.map(|task| task.name().to_owned()));
    for name in &names {
        world.run_task(name).await;
    }
    let last = world.audit("?limit=1").await["items"][0].clone();
    assert_eq!((&last["what"], &last["target"]), (&json!("task run"), &json!({"kind": "task", "id": "upkeep"})));
    let nothing = world.admin_request(Method::POST, "v1/tasks/nothing/run").bearer_auth(ADMIN_TOKEN);
    check_problem(nothing, 404, "not-found").await;
    let undecodable = world.admin_request(Method::POST, "v1/tasks/%ff/run").bearer_auth(ADMIN_TOKEN);
    check_problem(undecodable, 404, "not-found").await;
}

#[tokio::test]
async fn what_was_read_lately_is_read_again_when_somebody_wants_it() {
    let world = World::new().await;
    world.person("anna").await;
    world.directory().await;
    world.person("ben").await;
    world.directory().await;
    assert_eq!(world.app.store.people().await.unwrap().len(), 1, "it was read just now");
    world.run_task("directory").await;
    world.directory().await;
    assert_eq!(world.app.store.people().await.unwrap().len(), 2);
}

#[tokio::test]
async fn tasks_are_told_page_by_page_with_their_runs() {
    let world = World::new().await;
    world.app.metrics.note_task_run("directory", Some(1_700_000_000.0));
    world.app.metrics.note_task_problem("directory", "2023-11-14T22:13:00Z".parse().unwrap(), "XPhone is away".to_owned());
    let token = world.token("viewer", Role::Viewer, None).await;
    let list = async |query: &str| -> Value {
        world.told(world.admin_request(Method::GET, &format!("v1/tasks?{query}")).bearer_auth(&token)).await
    };
    let page = list("limit=1").await;
    let directory = &page["items"][0];
    assert_eq!((&directory["succeeded"], &directory["failed"]), (&json!(1), &json!(0)));
    assert_eq!(directory["last_success_at"], "2023-11-14T22:13:20Z");
    assert_eq!(directory["last_problem"], json!({"at": "2023-11-14T22:13:00Z", "problem": "XPhone is away"}));
    assert_eq!(page["next"], "directory");
    assert_eq!(list("limit=1&after=directory").await["items"][0]["name"], "listener");
    assert_eq!(list("after=upkeep").await, json!({"items": [], "next": null}));
    assert_eq!(list("after=nothing").await, json!({"items": [], "next": null}));
    for strange in ["%00".to_owned(), "x".repeat(257)] {
        let request = world.admin_request(Method::GET, &format!("v1/tasks?after={strange}")).bearer_auth(&token);
        check_problem(request, 400, "bad-query").await;
        let request = world.admin_request(Method::GET, &format!("v1/locations?search={strange}")).bearer_auth(&token);
        check_problem(request, 400, "bad-query").await;
    }
}
