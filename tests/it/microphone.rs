//! A program uses a microphone: its workstation reports it, team colleagues see it in XPhone, and it goes again, whatever happens.

mod agent;
mod wine;

use insta::assert_snapshot;
use jiff::SignedDuration;
use presence_gateway::store::api_token::Role;
use presence_gateway::tasks::driver::Task;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin::check_problem;
use crate::admin_bodies::seen;
use crate::world::{ADMIN_TOKEN, Person, World};

const FREE: &str = "Available";
const ZOOM: &str = "Zoom Meeting";
const PHONE: &str = "On the phone (MS Teams)";

const fn seconds(number: i64) -> SignedDuration {
    SignedDuration::from_secs(number)
}

impl World {
    /// The delivered table and ignore list, on or off.
    async fn microphone_sync(&self, enabled: bool) {
        let processes = self.admin_request(Method::GET, "v1/microphone-sync/default-processes").bearer_auth(ADMIN_TOKEN);
        let processes = self.told(processes).await["items"].take();
        self.put_microphone_sync(&json!({"enabled": enabled, "processes": processes})).await;
    }

    async fn put_microphone_sync(&self, sync: &Value) -> Value {
        let place = format!("v1/locations/{}/microphone-sync", self.location);
        self.told(self.admin_request(Method::PUT, &place).bearer_auth(ADMIN_TOKEN).json(sync)).await
    }

    fn report_as(&self, token: &str, report: &Value) -> RequestBuilder {
        self.admin_request(Method::POST, "v1/microphone-reports").bearer_auth(token).json(report)
    }

    /// A workstation reports, and everything follows from it that does at once.
    async fn reports(&self, user: &str, workstation: &str, programs: &[&str]) {
        let report = json!({"user": format!("{user}@example.com"), "workstation": workstation, "programs": programs});
        let answer = self.report_as(ADMIN_TOKEN, &report).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::NO_CONTENT, "{}", answer.text().await.unwrap());
        self.settle().await;
    }

    async fn after(&self, time: SignedDuration) {
        self.advance(time);
        self.listen().await;
        self.settle().await;
    }

    /// Long enough for a use not to be a probe.
    async fn uses(&self, user: &str, programs: &[&str]) {
        self.reports(user, "pc-1", programs).await;
        self.after(seconds(2)).await;
    }

    pub async fn enrol(&self, name: &str, user: &str) -> (Uuid, String) {
        let wanted = json!({"name": name, "user": user});
        let answer = self.admin_request(Method::POST, "v1/workstations").bearer_auth(ADMIN_TOKEN).json(&wanted);
        let answer = answer.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::CREATED);
        let enrolled: Value = answer.json().await.unwrap();
        (enrolled["id"].as_str().unwrap().parse().unwrap(), enrolled["token"].as_str().unwrap().to_owned())
    }

    async fn kept_reports(&self) -> Vec<(String, Vec<String>)> {
        let kept = sqlx::query_as("select workstation, processes from microphone_report order by workstation");
        kept.fetch_all(&self.database().await).await.unwrap()
    }
}

async fn with_anna() -> (World, Person) {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.microphone_sync(true).await;
    (world, anna)
}

#[tokio::test]
async fn a_meeting_shows_to_team_colleagues_and_goes_with_its_program() {
    let (world, anna) = with_anna().await;
    world.reports("anna", "PC-1", &[r"C:\Program Files\Zoom\ZOOM.EXE", "notepad.exe"]).await;
    assert_eq!(world.text(anna).await, FREE, "it may be a probe");
    world.after(seconds(2)).await;
    let shown = world.appointment(anna).await.unwrap();
    assert_eq!(
        (&shown["subject"], &shown["visibleFrom"], &shown["profileGuid"]),
        (&json!(ZOOM), &json!("teamColleague"), &Value::Null)
    );
    assert_eq!((world.text(anna).await.as_str(), world.reason(anna).await.as_str()), (ZOOM, "shown_microphone"));
    assert_eq!(world.kept_reports().await, [("pc-1".to_owned(), vec!["zoom".to_owned()])], "nothing of other programs");
    let writes = world.writes().await;
    for _ in 0..10 {
        world.after(seconds(30)).await;
        world.reports("anna", "pc-1", &["zoom.exe"]).await;
    }
    assert_eq!((world.text(anna).await.as_str(), world.writes().await), (ZOOM, writes), "heartbeats push nothing");
    world.reports("anna", "pc-1", &[]).await;
    assert_eq!(world.appointment(anna).await, None);
    assert!(world.kept_reports().await.is_empty());
    assert_eq!(world.count("microphone_reports_total{result=\"unchanged\"}").await, 10);
}

#[tokio::test]
async fn a_dead_agent_ends_after_three_heartbeats() {
    let (world, anna) = with_anna().await;
    world.uses("anna", &["zoom"]).await;
    assert_eq!(world.text(anna).await, ZOOM);
    world.after(seconds(87)).await;
    assert_eq!(world.text(anna).await, ZOOM);
    world.after(seconds(1)).await;
    assert_eq!((world.text(anna).await.as_str(), world.appointment(anna).await), (FREE, None));
    assert!(world.kept_reports().await.is_empty(), "nothing is kept of it");
}

#[tokio::test]
async fn what_ended_is_forgotten_even_if_nobody_decides_again() {
    let (world, _) = with_anna().await;
    world.uses("anna", &["zoom"]).await;
    world.advance(seconds(87));
    world.app.tasks.upkeep.run().await.unwrap();
    assert_eq!(world.kept_reports().await.len(), 1);
    world.advance(seconds(1));
    world.app.tasks.upkeep.run().await.unwrap();
    assert!(world.kept_reports().await.is_empty());
}

#[tokio::test]
async fn a_probe_never_shows() {
    let (world, anna) = with_anna().await;
    let writes = world.writes().await;
    world.reports("anna", "pc-1", &["zoom"]).await;
    world.after(SignedDuration::from_millis(1900)).await;
    world.reports("anna", "pc-1", &[]).await;
    world.after(seconds(60)).await;
    assert_eq!((world.text(anna).await.as_str(), world.writes().await), (FREE, writes));
}

#[tokio::test]
async fn several_workstations_and_programs_show_the_first_of_the_table() {
    let (world, anna) = with_anna().await;
    world.reports("anna", "pc-1", &["zoom", "firefox"]).await;
    world.reports("anna", "laptop", &["chrome"]).await;
    world.after(seconds(2)).await;
    assert_eq!(world.text(anna).await, "Google Chrome");
    world.reports("anna", "laptop", &[]).await;
    assert_eq!(world.text(anna).await, "Mozilla Firefox");
    world.reports("anna", "pc-1", &["zoom"]).await;
    assert_eq!(world.text(anna).await, ZOOM);
    world.reports("anna", "pc-1", &["krisp", "audiodg.exe"]).await;
    assert_eq!(world.text(anna).await, FREE, "what always listens proves nothing");
}

#[tokio::test]
async fn a_teams_call_is_stronger_and_gives_the_place_back() {
    let (world, anna) = with_anna().await;
    world.uses("anna", &["ms-teams_modulehost.exe"]).await;
    assert_eq!(world.text(anna).await, "Microsoft Teams (V2)");
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    let shown = world.appointment(anna).await.unwrap();
    assert_eq!((&shown["subject"], &shown["visibleFrom"]), (&json!(PHONE), &Value::Null));
    world.teams(anna, "Available/Available").await;
    world.settle().await;
    assert_eq!(world.text(anna).await, "Microsoft Teams (V2)");
    world.xphone_telephone(anna, 4).await;
    world.listen().await;
    world.settle().await;
    assert_eq!((world.appointment(anna).await, world.reason(anna).await.as_str()), (None, "own_is_stronger"));
}

#[tokio::test]
async fn somebody_who_removes_it_has_the_last_word() {
    let (world, anna) = with_anna().await;
    world.uses("anna", &["zoom"]).await;
    world.remove_appointment(anna).await;
    world.advance(seconds(15));
    world.xphone_read().await;
    world.settle().await;
    world.reports("anna", "pc-1", &["zoom"]).await;
    world.after(seconds(20)).await;
    assert_eq!((world.appointment(anna).await, world.reason(anna).await.as_str()), (None, "overridden"));
    world.reports("anna", "pc-1", &[]).await;
    world.uses("anna", &["zoom"]).await;
    assert_eq!(world.text(anna).await, ZOOM, "that is another use");
}

#[tokio::test]
async fn a_policy_switched_off_takes_it_back_at_once_and_keeps_nothing() {
    let (world, anna) = with_anna().await;
    world.set_policy("none", false).await;
    world.uses("anna", &["zoom"]).await;
    assert_eq!(world.text(anna).await, ZOOM, "it is a function of its own");
    world.microphone_sync(false).await;
    world.settle().await;
    assert_eq!((world.text(anna).await.as_str(), world.appointment(anna).await), (FREE, None));
    world.reports("anna", "pc-1", &["zoom"]).await;
    assert!(world.kept_reports().await.is_empty());
    world.microphone_sync(true).await;
    world.uses("anna", &["zoom"]).await;
    assert_eq!(world.text(anna).await, ZOOM);
}

#[tokio::test]
async fn the_ignore_list_is_part_of_what_is_set() {
    let (world, anna) = with_anna().await;
    let table = json!([{"process": "zoom", "alias": null, "active": true}]);
    let own = json!({"enabled": true, "processes": table, "ignored": ["zoom_recorder"]});
    assert_eq!(world.put_microphone_sync(&own).await, own);
    world.uses("anna", &["Zoom_Recorder.exe"]).await;
    assert_eq!(world.text(anna).await, FREE);
    world.uses("anna", &["Zoom_Room.exe"]).await;
    assert_eq!(world.text(anna).await, "zoom", "without an alias, the process");
    let delivered = world.put_microphone_sync(&json!({"enabled": true, "processes": table})).await;
    assert!(delivered["ignored"].as_array().unwrap().contains(&json!("voicemeeter")), "left out, it is the delivered list");
    let bad = json!({"enabled": true, "processes": table, "ignored": [""]});
    let place = format!("v1/locations/{}/microphone-sync", world.location);
    check_problem(world.admin_request(Method::PUT, &place).bearer_auth(ADMIN_TOKEN).json(&bad), 422, "bad-body").await;
}

#[tokio::test]
async fn what_is_answered_outlives_a_restart() {
    let (mut world, anna) = with_anna().await;
    let report = json!({"user": "anna@example.com", "workstation": "pc-1", "programs": ["zoom"]});
    assert_eq!(world.report_as(ADMIN_TOKEN, &report).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    world.restart().await;
    assert_eq!(world.kept_reports().await.len(), 1);
    assert_eq!(world.report_as(ADMIN_TOKEN, &report).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    world.xphone_read().await;
    world.after(seconds(2)).await;
    assert_eq!(world.text(anna).await, ZOOM);
    // The same report again, while nothing has changed, changes nothing.
    let writes = world.writes().await;
    world.reports("anna", "pc-1", &["zoom"]).await;
    assert_eq!(world.writes().await, writes);
}

#[tokio::test]
async fn a_workstations_token_is_good_for_its_own_user_and_for_nothing_else() {
    let (world, [anna, ben]) = World::with_people(["anna", "ben"]).await;
    world.microphone_sync(true).await;
    let (id, token) = world.enrol("PC of Anna", "anna@example.com").await;
    let report = |user: &Value| json!({"user": user, "workstation": "pc-1", "programs": ["zoom"]});
    let takes = async |user: Value| world.report_as(&token, &report(&user)).send().await.unwrap().status();
    for own in [json!("anna@example.com"), json!("ANNA@example.com"), json!(anna.xphone), Value::Null] {
        assert_eq!(takes(own).await, StatusCode::NO_CONTENT);
    }
    for other in ["ben@example.com", "nobody@example.com", &ben.xphone.to_string(), ""] {
        check_problem(world.report_as(&token, &report(&json!(other))), 403, "not-yours").await;
    }
    for path in ["v1/users", "v1/workstations", "v1/audit", "v1/locations"] {
        check_problem(world.admin_request(Method::GET, path).bearer_auth(&token), 403, "wrong-role").await;
    }
    let me = world.told(world.admin_request(Method::GET, "v1/me").bearer_auth(&token)).await;
    assert_eq!(me, json!({"kind": "workstation", "name": "PC of Anna", "role": null, "location": null, "user": anna.xphone}));
    world.after(seconds(2)).await;
    assert_eq!(world.text(anna).await, ZOOM);
    // Removed, it ends at once, and the token is worthless.
    let path = format!("v1/workstations/{id}");
    let removed = world.admin_request(Method::DELETE, &path).bearer_auth(ADMIN_TOKEN).send().await.unwrap();
    assert_eq!(removed.status(), StatusCode::NO_CONTENT);
    world.settle().await;
    assert_eq!(world.text(anna).await, FREE);
    check_problem(world.report_as(&token, &report(&Value::Null)), 401, "not-signed-in").await;
    check_problem(world.admin_request(Method::DELETE, &path).bearer_auth(ADMIN_TOKEN), 404, "not-found").await;
}

#[tokio::test]
async fn workstations_are_listed_without_their_tokens_and_every_change_is_remembered() {
    let (world, [anna, _]) = World::with_people(["anna", "ben"]).await;
    let (first, token) = world.enrol("PC-1", "anna@example.com").await;
    let (second, _) = world.enrol("PC-2", "BEN@example.com").await;
    let list = async |query: &str| {
        let request = world.admin_request(Method::GET, &format!("v1/workstations{query}")).bearer_auth(ADMIN_TOKEN);
        world.told(request).await
    };
    let all = list("").await;
    let ids = |page: &Value| page["items"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&all), [json!(first), json!(second)]);
    assert_eq!(all["items"][0]["user"]["email"], "anna@example.com");
    assert_eq!(all["items"][0]["seen_at"], Value::Null);
    assert!(!all.to_string().contains(&token) && token.starts_with("pgm_"));
    let page = list("?limit=1").await;
    assert_eq!(
        (ids(&page), ids(&list(&format!("?after={}", page["next"].as_str().unwrap())).await)),
        (vec![json!(first)], vec![json!(second)])
    );
    assert_eq!(ids(&list(&format!("?user={}", anna.xphone)).await), [json!(first)]);
    let elsewhere = world.token("elsewhere", Role::Admin, Some(Uuid::new_v4())).await;
    let theirs = world.told(world.admin_request(Method::GET, "v1/workstations").bearer_auth(&elsewhere)).await;
    assert_eq!(theirs["items"], json!([]));
    let report = json!({"workstation": "x", "programs": []});
    assert_eq!(world.report_as(&token, &report).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    assert_eq!(list("").await["items"][0]["seen_at"], json!(world.clock.now()));
    let path = format!("v1/workstations/{first}");
    world.admin_request(Method::DELETE, &path).bearer_auth(ADMIN_TOKEN).send().await.unwrap();
    let audited = world.app.store.audit(None, 100).await.unwrap();
    let of_workstations: Vec<_> = audited.iter().filter(|change| change.target_kind == "workstation").collect();
    let told: Vec<_> = of_workstations.iter().map(|change| (change.action.as_str(), change.target.clone().unwrap())).collect();
    let (enrolled, removed) = ("workstation enrolled", "workstation removed");
    assert_eq!(told, [(removed, first.to_string()), (enrolled, second.to_string()), (enrolled, first.to_string())]);
    assert_eq!(of_workstations[2].after, Some(json!({"name": "PC-1", "user": anna.xphone})));
    let hash: (Vec<u8>,) = sqlx::query_as("select hash from workstation").fetch_one(&world.database().await).await.unwrap();
    assert_eq!(hash.0.len(), 32, "kept as a hash");
}

#[tokio::test]
async fn reports_that_cannot_be_taken_are_refused() {
    let (world, _) = with_anna().await;
    let check = async |report: Value, status: u16, kind: &str| {
        check_problem(world.report_as(ADMIN_TOKEN, &report), status, kind).await;
    };
    let (user, programs) = ("anna@example.com", json!([]));
    check(json!({"user": "nobody@example.com", "workstation": "pc", "programs": []}), 404, "not-found").await;
    check(json!({"user": "a\u{0}b", "workstation": "pc", "programs": []}), 404, "not-found").await;
    check(json!({"workstation": "pc", "programs": []}), 422, "bad-body").await;
    check(json!({"user": user, "programs": programs}), 422, "bad-body").await;
    check(json!({"user": user, "workstation": " ", "programs": programs}), 422, "bad-body").await;
    check(json!({"user": user, "workstation": "x".repeat(101), "programs": programs}), 422, "bad-body").await;
    check(json!({"user": user, "workstation": "a\u{0}b", "programs": programs}), 422, "bad-body").await;
    check(json!({"user": user, "workstation": "pc", "programs": "zoom"}), 422, "bad-body").await;
    check(json!({"user": user, "workstation": "pc", "programs": vec!["x"; 101]}), 422, "bad-body").await;
    check(json!({"user": user, "workstation": "pc", "programs": ["x".repeat(261)]}), 422, "bad-body").await;
    check(json!({"user": user, "workstation": "pc", "programs": ["x".repeat(40_000)]}), 413, "too-large").await;
    let viewer = world.token("viewer", Role::Viewer, None).await;
    let report = json!({"user": user, "workstation": "pc", "programs": programs});
    check_problem(world.report_as(&viewer, &report), 403, "wrong-role").await;
    let operator = world.token("operator", Role::Operator, None).await;
    assert_eq!(world.report_as(&operator, &report).send().await.unwrap().status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn a_flood_is_held_back_until_its_minute_is_over() {
    let (world, _) = with_anna().await;
    let report = json!({"user": "anna@example.com", "workstation": "pc", "programs": ["zoom"]});
    for _ in 0..60 {
        assert_eq!(world.report_as(ADMIN_TOKEN, &report).send().await.unwrap().status(), StatusCode::NO_CONTENT);
    }
    let answer = world.report_as(ADMIN_TOKEN, &report).send().await.unwrap();
    assert_eq!((answer.status(), answer.headers()["retry-after"].to_str().unwrap()), (StatusCode::TOO_MANY_REQUESTS, "60"));
    assert_snapshot!("too_many_reports", seen(world.report_as(ADMIN_TOKEN, &report)).await);
    world.advance(seconds(90));
    for workstation in 0..16 {
        world.reports("anna", &format!("pc-{workstation}"), &["zoom"]).await;
    }
    assert_snapshot!("too_many_workstations", seen(world.report_as(ADMIN_TOKEN, &report)).await);
    world.advance(seconds(90));
    assert_eq!(world.report_as(ADMIN_TOKEN, &report).send().await.unwrap().status(), StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn the_explanation_tells_what_is_reported_and_the_timeline_what_woke() {
    let (world, anna) = with_anna().await;
    world.uses("anna", &["zoom"]).await;
    let get = async |what: &str| {
        let path = format!("v1/users/{}/{what}", anna.xphone);
        world.told(world.admin_request(Method::GET, &path).bearer_auth(ADMIN_TOKEN)).await
    };
    let explained = get("explain").await;
    let (microphone, slot) = (&explained["microphone"], &explained["slots"][0]);
    assert_eq!((&microphone["tells"], &microphone["reported"][0]["process"]), (&json!(ZOOM), &json!("zoom")));
    assert_eq!((&microphone["reported"][0]["live"], &microphone["held_back"]), (&json!(true), &Value::Null));
    assert_eq!((&slot["shows"]["visible_from"], &slot["shows"]["cause"]), (&json!("team_colleague"), &json!("microphone")));
    assert_eq!((&slot["shows"]["presence"], &slot["reason"]), (&json!("busy"), &json!("shown_microphone")));
    world.reports("anna", "pc-1", &[]).await;
    let timeline = get("timeline").await;
    assert!(timeline["items"][0]["woken_by"].as_array().unwrap().contains(&json!("microphone")), "{timeline}");
    assert_eq!(get("explain").await["microphone"]["reported"], json!([]));
}
