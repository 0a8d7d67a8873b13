//! What is set for microphone sync and the profile template: read, set and taken back, inherited whole, refused where it is wrong.

use presence_gateway::store::api_token::Role;
use reqwest::{Method, RequestBuilder, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin::{check_problem, teams_sync};
use crate::world::{ADMIN_TOKEN, World};

impl World {
    pub fn as_admin(&self, method: Method, path: &str) -> RequestBuilder {
        self.admin_request(method, &format!("v1/{path}")).bearer_auth(ADMIN_TOKEN)
    }

    /// What the admin API answers to an administrator who looks.
    pub async fn look_up(&self, path: &str) -> Value {
        self.told(self.as_admin(Method::GET, path)).await
    }

    pub async fn put_setting(&self, path: &str, setting: &Value) {
        assert_eq!(&self.told(self.as_admin(Method::PUT, path).json(setting)).await, setting);
        self.carry_policies_out().await;
    }

    pub async fn delete_setting(&self, path: &str) {
        assert_eq!(self.as_admin(Method::DELETE, path).send().await.unwrap().status(), StatusCode::NO_CONTENT);
        self.carry_policies_out().await;
    }

    /// A group at the location, known to the gateway.
    pub async fn with_group(&self) -> Uuid {
        let group = Uuid::new_v4();
        let headquarters = json!({"name": "Headquarters", "configurationGroups": [{"guid": group, "name": "Sales"}]});
        self.xphone_control(Method::PUT, &format!("locations/{}", self.location), headquarters).await;
        self.person("anna").await;
        self.directory().await;
        group
    }
}

pub fn microphone_sync(processes: &[&str]) -> Value {
    let process = |process: &&str| json!({"process": process, "alias": null, "active": true});
    json!({"enabled": true, "processes": processes.iter().map(process).collect::<Vec<_>>(), "ignored": ["voicemeeter"]})
}

pub fn profile_template(create: bool, status: &str) -> Value {
    json!({"create": create, "presence_status": status, "call_forwarding": {"mode": "voicemail", "number": null}})
}

#[tokio::test]
async fn each_function_is_inherited_for_itself_and_whole() {
    let world = World::new().await;
    let group = world.with_group().await;
    let (here, there) = (format!("locations/{}", world.location), format!("configuration-groups/{group}"));
    let settings: [(&str, &str, Value, Value); 3] = [
        ("teams-sync", "teams_sync", teams_sync("telephony"), teams_sync("none")),
        ("microphone-sync", "microphone_sync", microphone_sync(&["Zoom", "chrome"]), microphone_sync(&["Slack"])),
        ("profile-template", "profile_template", profile_template(true, "busy"), profile_template(false, "do_not_disturb")),
    ];
    for (path, function, of_location, of_group) in settings {
        // What is set there, what holds there, and from where.
        let told = async |list: &str| {
            let told = world.look_up(list).await["items"][0][function].clone();
            (told["set"].clone(), told["effective"].clone(), told["from"].as_str().unwrap().to_owned())
        };
        let others = async || {
            let mut group = world.look_up("configuration-groups").await["items"][0].clone();
            group.as_object_mut().unwrap().remove(function);
            group
        };
        let untouched = others().await;
        let (none, unset, from) = told("locations").await;
        assert_eq!((none, from.as_str()), (Value::Null, "unset"));
        assert_eq!(told("configuration-groups").await, (Value::Null, unset.clone(), "unset".to_owned()));
        world.put_setting(&format!("{here}/{path}"), &of_location).await;
        assert_eq!(told("locations").await, (of_location.clone(), of_location.clone(), "location".to_owned()));
        assert_eq!(told("configuration-groups").await, (Value::Null, of_location.clone(), "location".to_owned()));
        world.put_setting(&format!("{there}/{path}"), &of_group).await;
        assert_eq!(told("configuration-groups").await, (of_group.clone(), of_group.clone(), "configuration_group".to_owned()));
        assert_eq!(told("locations").await.0, of_location, "a group sets nothing for its location");
        assert_eq!(world.look_up(&format!("{there}/{path}")).await, of_group);
        world.delete_setting(&format!("{there}/{path}")).await;
        check_problem(world.as_admin(Method::GET, &format!("{there}/{path}")), 404, "not-found").await;
        assert_eq!(told("configuration-groups").await, (Value::Null, of_location, "location".to_owned()));
        world.delete_setting(&format!("{here}/{path}")).await;
        world.delete_setting(&format!("{here}/{path}")).await;
        assert_eq!(told("locations").await, (Value::Null, unset, "unset".to_owned()));
        assert_eq!(others().await, untouched, "{function} says nothing about the others");
    }
}

#[tokio::test]
async fn a_table_of_programs_starts_from_the_vendors() {
    let world = World::new().await;
    world.with_group().await;
    let token = world.token("agent", Role::Viewer, Some(Uuid::new_v4())).await;
    let starting = world.told(world.admin_request(Method::GET, "v1/microphone-sync/default-processes").bearer_auth(token)).await;
    let zoom = json!({"process": "Zoom", "alias": "Zoom Meeting", "active": true});
    let helper = json!({"process": "ms-teams_modulehost", "alias": "Microsoft Teams (V2)", "active": true});
    let processes = starting["items"].as_array().unwrap();
    assert!(processes.len() == 22 && processes.contains(&zoom) && processes.contains(&helper), "{starting}");
    let effective = world.look_up("locations").await["items"][0]["microphone_sync"]["effective"].clone();
    let ignored = &effective["ignored"];
    assert!(ignored.as_array().unwrap().contains(&json!("voicemeeter")), "{ignored}");
    assert_eq!(effective, json!({"enabled": false, "processes": processes, "ignored": ignored}));
    // It may be set as it is.
    let path = format!("locations/{}/microphone-sync", world.location);
    world.put_setting(&path, &json!({"enabled": true, "processes": processes, "ignored": ignored})).await;
    let empty = json!({"enabled": true, "processes": [], "ignored": []});
    world.put_setting(&path, &empty).await;
    assert_eq!(world.look_up(&path).await, empty);
}

#[tokio::test]
async fn settings_that_cannot_be_are_refused_and_nothing_changes() {
    let world = World::new().await;
    world.with_group().await;
    let microphone = format!("locations/{}/microphone-sync", world.location);
    let template = format!("locations/{}/profile-template", world.location);
    let (table, busy) = (microphone_sync(&["Zoom"]), profile_template(false, "busy"));
    world.put_setting(&microphone, &table).await;
    world.put_setting(&template, &busy).await;
    let process = |process: Value, alias: Value| json!({"enabled": true, "processes": [{"process": process, "alias": alias, "active": true}]});
    let many: Vec<String> = (0..201).map(|number| format!("p{number}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    for bad in [
        microphone_sync(&["Zoom", "zoom.EXE"]),
        microphone_sync(&many),
        process(json!(""), Value::Null),
        process(json!("x".repeat(101)), Value::Null),
        process(json!("a\u{7}"), Value::Null),
        process(json!(r"C:\"), Value::Null),
        process(json!("Zoom"), json!("")),
        process(Value::Null, Value::Null),
        json!({"enabled": true}),
        json!({"enabled": true, "processes": [], "more": 1}),
        json!({"enabled": true, "processes": [{"process": "Zoom", "alias": null, "active": true, "more": 1}]}),
        json!({"enabled": "yes", "processes": []}),
    ] {
        check_problem(world.as_admin(Method::PUT, &microphone).json(&bad), 422, "bad-body").await;
    }
    let forwarding = |mode: &str, number: Value| json!({"create": true, "presence_status": "busy", "call_forwarding": {"mode": mode, "number": number}});
    for bad in [
        forwarding("number", Value::Null),
        forwarding("number", json!("")),
        forwarding("number", json!("reception")),
        forwarding("number", json!("1".repeat(41))),
        forwarding("none", json!("4711")),
        forwarding("fax", Value::Null),
        profile_template(true, "doNotDisturb"),
        json!({"create": true, "presence_status": "busy"}),
        json!({"create": true, "presence_status": "busy", "call_forwarding": {"mode": "none", "number": null, "more": 1}}),
    ] {
        check_problem(world.as_admin(Method::PUT, &template).json(&bad), 422, "bad-body").await;
    }
    assert_eq!([world.look_up(&microphone).await, world.look_up(&template).await], [table, busy]);
    let wrong = world.as_admin(Method::PUT, &microphone).json(&microphone_sync(&["a", "a"])).send().await.unwrap();
    let told: Value = wrong.json().await.unwrap();
    assert!(told["detail"].as_str().unwrap().contains("entries 1 and 2 are about the same process"), "{told}");
    let number = forwarding("number", json!("+49 89 1234-0"));
    world.put_setting(&template, &number).await;
}

#[tokio::test]
async fn every_setting_keeps_to_its_precondition_its_location_and_the_audit_log() {
    let world = World::new().await;
    let group = world.with_group().await;
    let elsewhere = world.token("elsewhere", Role::Operator, Some(Uuid::new_v4())).await;
    let local = world.token("local", Role::Operator, Some(world.location)).await;
    let settings = [
        ("microphone-sync", microphone_sync(&["Zoom"]), microphone_sync(&["Slack", "Zoom"])),
        ("profile-template", profile_template(false, "busy"), profile_template(false, "available")),
    ];
    for place in [format!("locations/{}", world.location), format!("configuration-groups/{group}")] {
        for (function, first, second) in &settings {
            let path = format!("v1/{place}/{function}");
            let request = |method, token: &str| world.admin_request(method, &path).bearer_auth(token);
            check_problem(request(Method::PUT, &elsewhere).json(first), 403, "wrong-location").await;
            let made = request(Method::PUT, &local).json(first).header("if-none-match", "*").send().await.unwrap();
            let seen = made.headers()["etag"].clone();
            check_problem(request(Method::PUT, &local).json(first).header("if-none-match", "*"), 412, "stale").await;
            let changed = request(Method::PUT, &local).json(second).header("if-match", &seen).send().await.unwrap();
            assert_eq!(changed.status(), StatusCode::OK);
            check_problem(request(Method::PUT, &local).json(first).header("if-match", &seen), 412, "stale").await;
            check_problem(request(Method::DELETE, &local).header("if-match", &seen), 412, "stale").await;
            // The same once more is no change.
            assert_eq!(world.told(request(Method::PUT, &local).json(second)).await, *second);
            assert_eq!(request(Method::DELETE, &local).send().await.unwrap().status(), StatusCode::NO_CONTENT);
            let recorded = world.app.store.audit(None, 3).await.unwrap();
            let told: Vec<_> = recorded.iter().map(|one| (one.action.clone(), one.before.clone(), one.after.clone())).collect();
            let (set, unset) = (format!("{function} set"), format!("{function} unset"));
            let (first, second) = (Some(first.clone()), Some(second.clone()));
            assert_eq!(told, [(unset, second.clone(), None), (set.clone(), first.clone(), second), (set, None, first)]);
        }
    }
}

#[tokio::test]
async fn what_is_nowhere_is_told_apart_from_what_is_not_set() {
    let world = World::new().await;
    let group = world.with_group().await;
    for what in ["microphone-sync", "profile-template", "profile-template/state", "progress"] {
        for (places, other) in [("locations", group), ("configuration-groups", world.location)] {
            let ask = |place: &str| world.as_admin(Method::GET, &format!("{places}/{place}/{what}"));
            check_problem(ask("headquarters"), 400, "bad-guid").await;
            check_problem(ask(&Uuid::new_v4().to_string()), 404, "not-found").await;
            check_problem(ask(&other.to_string()), 404, "not-found").await;
        }
    }
    let write = |method: Method, what: &str| world.as_admin(method, &format!("locations/{group}/{what}"));
    check_problem(write(Method::PUT, "microphone-sync").json(&microphone_sync(&[])), 404, "not-found").await;
    check_problem(write(Method::DELETE, "profile-template"), 404, "not-found").await;
    check_problem(world.as_admin(Method::POST, "microphone-sync/default-processes"), 405, "wrong-method").await;
}

#[tokio::test]
async fn the_progress_of_a_group_is_its_own_and_its_locations_change_counts() {
    let world = World::new().await;
    let group = world.with_group().await;
    let ben = world.person("ben").await;
    let in_group = json!({
        "email": "ben@example.com", "accountName": "ben", "displayName": "ben", "location": world.location,
        "configurationGroup": group, "profiles": [{"name": "Appointment", "kind": "busy", "active": true}],
    });
    world.xphone_control(Method::PUT, &format!("users/{}", ben.xphone), in_group).await;
    world.go_live().await;
    world.next_directory().await;
    world.teams(ben, "Busy/InACall").await;
    world.settle().await;
    world.confirm().await;
    let progress = async |place: &str| world.look_up(&format!("{place}/progress")).await;
    let (here, there) = (format!("locations/{}", world.location), format!("configuration-groups/{group}"));
    let (of_location, of_group) = (progress(&here).await, progress(&there).await);
    assert_eq!([&of_location["users"], &of_group["users"]], [2, 1], "{of_location} {of_group}");
    assert_eq!([&of_location["shown"]["xphone"], &of_group["shown"]["xphone"]], [1, 1]);
    assert_eq!((&of_group["done"], &of_group["changed_at"]), (&json!(true), &of_location["changed_at"]));
    world.advance(jiff::SignedDuration::from_secs(1));
    world.put_setting(&format!("{there}/teams-sync"), &teams_sync("none")).await;
    let (of_location, of_group) = (progress(&here).await, progress(&there).await);
    assert_eq!([&of_location["to_decide"], &of_group["to_decide"]], [1, 1]);
    assert_ne!(of_group["changed_at"], of_location["changed_at"]);
    world.reconcile().await;
    assert_eq!(progress(&there).await["to_send"]["xphone"], 1);
    world.dispatch().await;
    let done = progress(&there).await;
    assert_eq!((&done["done"], &done["shown"]["xphone"]), (&json!(true), &json!(0)));
}
