//! Why somebody shows what they show, as programs and people are told; and looking at somebody at once.

use jiff::SignedDuration;
use presence_gateway::command::explain::describe;
use presence_gateway::store::api_token::Role;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin::{check_problem, teams_sync};
use crate::settings::{microphone_sync, profile_template};
use crate::world::{ADMIN_TOKEN, Person, World, exhaust};

impl World {
    async fn explained(&self, person: Person) -> Value {
        self.get(&format!("v1/users/{}/explain", person.xphone), ADMIN_TOKEN).await
    }

    /// What `presence-gateway explain` prints.
    async fn printed(&self, person: Person) -> String {
        describe(&self.explanation(person).await).unwrap()
    }

    /// Both tell the same: whatever programs read stands in what people read.
    async fn check_printed(&self, person: Person, lines: &[&str]) {
        let printed = self.printed(person).await;
        for line in lines {
            assert!(printed.lines().any(|printed| printed.starts_with(line)), "{line:?} is missing in:\n{printed}");
        }
    }

    fn reconcile_user(&self, guid: Uuid, token: &str) -> reqwest::RequestBuilder {
        self.admin_request(Method::POST, &format!("v1/users/{guid}/reconcile")).bearer_auth(token)
    }
}

fn slot<'a>(explained: &'a Value, name: &str) -> &'a Value {
    explained["slots"].as_array().unwrap().iter().find(|slot| slot["slot"] == name).unwrap()
}

#[tokio::test]
async fn a_call_that_shows_is_explained_from_its_words_to_its_end() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let call_at = world.clock.now();
    world.teams(anna, "busy/inACall").await;
    world.settle().await;
    world.advance(SignedDuration::from_secs(2));
    let explained = world.explained(anna).await;
    assert_eq!(explained["match"], "matched");
    let teams = &explained["teams"];
    assert_eq!(
        (&teams["availability"], &teams["activity"], &teams["source"]),
        (&json!("busy"), &json!("inACall"), &json!("notification"))
    );
    assert_eq!((&teams["observed_at"], &teams["age_seconds"]), (&json!(call_at), &json!(2.0)));
    assert!(teams["confirm_at"].is_string());
    assert_eq!(teams["mapping"], json!({"word": "InACall", "known": true, "native": "call"}));
    assert_eq!(teams["echo"], json!(null));
    assert_eq!(explained["native"], json!({"teams": "call", "teams_since": call_at, "xphone": "free"}));
    let setting = |value: Value| json!({"value": value, "from": "location"});
    let policy = json!({"mode": setting(json!("telephony_and_presence")), "shadow": setting(json!(false)),
        "user_may_change": setting(json!(false)), "remember_login_data": setting(json!(false)), "choice": null});
    assert_eq!(explained["policy"], policy);
    let appointment = slot(&explained, "xphone_appointment");
    assert_eq!((&appointment["reason"], &appointment["to_do"]), (&json!("shown_call"), &json!(null)));
    let shows = &appointment["shows"];
    assert_eq!(
        (&shows["subject"], &shows["cause"], &shows["since"]),
        (&json!("On the phone (MS Teams)"), &json!("call"), &json!(call_at))
    );
    assert_eq!(shows["profile"], explained["profiles"][0]["guid"]);
    assert_eq!(shows["until"], json!(call_at + SignedDuration::from_mins(12 * 60 - 5)));
    let until =
        format!("  shows       \"On the phone (MS Teams)\" with profile {}, since 2s ago", shows["profile"].as_str().unwrap());
    world
        .check_printed(
            anna,
            &["Teams says    busy/inACall (notified", &until, "policy        telephony_and_presence (from location)"],
        )
        .await;
    world.confirm().await;
    assert_eq!(world.explained(anna).await["teams"]["source"], "read");
}

#[tokio::test]
async fn every_function_is_explained_with_the_level_that_it_comes_from() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let put = async |what: &str, body: Value| {
        let path = format!("v1/locations/{}/{what}", world.location);
        world.told(world.admin_request(Method::PUT, &path).bearer_auth(ADMIN_TOKEN).json(&body)).await;
    };
    let (microphone, template) = (microphone_sync(&["Zoom", "chrome"]), profile_template(true, "busy"));
    let unset = world.explained(anna).await;
    assert_eq!((&unset["microphone_sync"]["from"], &unset["profile_template"]["from"]), (&json!("unset"), &json!("unset")));
    world.check_printed(anna, &["microphone    off (from unset)", "template      none wanted (from unset)"]).await;
    put("microphone-sync", microphone.clone()).await;
    put("profile-template", template.clone()).await;
    put("teams-sync", teams_sync("telephony")).await;
    let explained = world.explained(anna).await;
    assert_eq!(explained["microphone_sync"], json!({"effective": microphone, "from": "location"}));
    assert_eq!(explained["profile_template"], json!({"effective": template, "from": "location"}));
    assert_eq!(explained["policy"]["remember_login_data"], json!({"value": true, "from": "location"}));
    let lines = ["login data    kept (from location)", "microphone    on, ", "template      busy, calls forwarded: "];
    world.check_printed(anna, &lines).await;
}

#[tokio::test]
async fn an_echo_is_called_one_and_for_how_long() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.xphone_telephone(anna, 4).await;
    world.hear().await;
    let explained = world.explained(anna).await;
    assert_eq!(explained["teams"]["mapping"]["native"], "call");
    assert_eq!(explained["teams"]["echo"], json!({"slot": "teams_session", "until": null}));
    assert_eq!(explained["native"]["teams"], "free", "it tells nothing");
    assert_eq!(explained["xphone"]["mapping"], json!({"causes": ["call"], "native": "on_the_phone"}));
    let session = slot(&explained, "teams_session");
    assert_eq!((&session["reason"], &session["shows"]["presence"]), (&json!("shown_call"), &json!("on_the_phone")));
    world.check_printed(anna, &["  an echo     taken for our session"]).await;
    // Teams goes on telling of it.
    world.graph_faults(json!({"notifications": {"hold": true}})).await;
    world.xphone_telephone(anna, 2).await;
    world.hear().await;
    let cleared_at = world.clock.now();
    let explained = world.explained(anna).await;
    assert_eq!(explained["teams"]["echo"]["until"], json!(cleared_at + SignedDuration::from_secs(60)), "{explained}");
    assert_eq!(explained["next_look_at"], json!(cleared_at + SignedDuration::from_secs(10)));
}

#[tokio::test]
async fn what_is_not_shown_says_why() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    world.minute().await;
    world.remove_appointment(anna).await;
    world.minute().await;
    let explained = world.explained(anna).await;
    let appointment = slot(&explained, "xphone_appointment");
    assert_eq!((&appointment["shows"], &appointment["reason"]), (&json!(null), &json!("overridden")));
    assert_eq!(appointment["held_back"]["why"], "overridden");
    assert!(appointment["because"].as_str().unwrap().contains("removed it in XPhone"));
    world.check_printed(anna, &["  shows       nothing: overridden", "  because     somebody removed it in XPhone"]).await;
    world.set_policy("telephony", true).await;
    world.teams(anna, "Available/Available").await;
    world.settle().await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    let explained = world.explained(anna).await;
    let appointment = slot(&explained, "xphone_appointment");
    assert_eq!((&appointment["reason"], &appointment["would_show"]), (&json!("shadow"), &json!("on_the_phone")));
    assert_eq!(explained["policy"]["shadow"], json!({"value": true, "from": "location"}));
    world
        .check_printed(
            anna,
            &["  would show  in a call", "policy        telephony (from location), on trial (shadow, from location)"],
        )
        .await;
}

#[tokio::test]
async fn somebody_who_is_nobody_in_teams_is_explained_too() {
    let world = World::new().await;
    let stranger = Person { xphone: Uuid::new_v4(), teams: Uuid::nil() };
    world.xphone_user(stranger.xphone, "stranger@example.com", &[]).await;
    world.directory().await;
    world.xphone_read().await;
    world.reconcile().await;
    let explained = world.explained(stranger).await;
    assert_eq!(
        (&explained["match"], &explained["teams_user"], &explained["teams"]),
        (&json!("not_in_teams"), &json!(null), &json!(null))
    );
    assert_eq!(explained["native"]["teams"], json!(null), "what is not known is not made up");
    assert_eq!(explained["policy"]["mode"], json!({"value": "none", "from": "unset"}));
    assert!(explained["slots"].as_array().unwrap().iter().all(|slot| slot["reason"] == "not_matched"));
    world.check_printed(stranger, &["Teams says    nothing yet", "  because     no single Teams user has"]).await;
}

#[tokio::test]
async fn a_side_that_cannot_be_reached_shows_in_what_waits() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.xphone_faults(json!({"down": true})).await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    let explained = world.explained(anna).await;
    let waits = &slot(&explained, "xphone_appointment")["on_its_way"];
    assert_eq!((&waits["does"], &waits["attempts"]), (&json!("set"), &json!(1)));
    assert!(!waits["problem"].as_str().unwrap().is_empty());
    let next: jiff::Timestamp = waits["next_try_at"].as_str().unwrap().parse().unwrap();
    assert!(next > world.clock.now());
    world.check_printed(anna, &["  on its way  setting it, decided just now; 1 attempts, tried next in"]).await;
}

#[tokio::test]
async fn a_user_is_looked_at_at_once_and_who_asked_is_remembered() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let operator = world.token("operator", Role::Operator, Some(world.location)).await;
    world.graph_faults(json!({"notifications": {"lose": 1}})).await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    assert_eq!(world.text(anna).await, "Available", "nobody told us");
    let answer = world.reconcile_user(anna.xphone, &operator).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    exhaust(&world.app.tasks.confirmer).await;
    world.settle().await;
    assert_eq!(world.text(anna).await, "On the phone (MS Teams)");
    let newest = &world.get(&format!("v1/users/{}/timeline?limit=1", anna.xphone), ADMIN_TOKEN).await["items"][0];
    assert_eq!(newest["woken_by"], json!(["read", "operator"]));
    let audit = world.app.store.audit(None, 1).await.unwrap().remove(0);
    assert_eq!((audit.action.as_str(), audit.target), ("reconciled", Some(anna.xphone.to_string())));
    assert_eq!(audit.actor.as_deref(), Some("operator"));
}

#[tokio::test]
async fn who_may_not_or_names_nobody_lets_nobody_be_looked_at() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let elsewhere = world.token("elsewhere", Role::Operator, Some(Uuid::new_v4())).await;
    let viewer = world.token("viewer", Role::Viewer, None).await;
    check_problem(world.reconcile_user(anna.xphone, &elsewhere), 403, "wrong-location").await;
    check_problem(world.reconcile_user(anna.xphone, &viewer), 403, "wrong-role").await;
    check_problem(world.reconcile_user(Uuid::nil(), ADMIN_TOKEN), 404, "not-found").await;
    let unknown = world.admin_request(Method::POST, "v1/users/x/reconcile").bearer_auth(ADMIN_TOKEN);
    check_problem(unknown, 400, "bad-guid").await;
    assert!(world.app.store.audit(None, 10).await.unwrap().iter().all(|change| change.action != "reconciled"));
}

#[tokio::test]
async fn which_account_watches_is_told_only_to_whoever_may_list_accounts() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let watched = async |token: String| {
        let explain = world.admin_request(Method::GET, &format!("v1/users/{}/explain", anna.xphone)).bearer_auth(token);
        world.told(explain).await["watched"].clone()
    };
    let told = watched(world.token("viewer", Role::Viewer, None).await).await;
    assert!(told["account"].is_string() && told["subscription"].is_string(), "{told}");
    let confined = watched(world.token("confined", Role::Admin, Some(world.location)).await).await;
    assert_eq!((&confined["account"], &confined["subscription"]), (&Value::Null, &Value::Null));
    assert_eq!(confined["by"], told["by"]);
}
