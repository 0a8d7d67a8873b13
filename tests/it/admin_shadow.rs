//! What a policy on trial would have shown: counted for whom it concerns, forgotten with the trial.

use jiff::SignedDuration;
use presence_gateway::store::api_token::Role;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin::{check_problem, teams_sync};
use crate::world::{ADMIN_TOKEN, Person, World};

impl World {
    fn report_request(&self, place: &str, token: &str) -> reqwest::RequestBuilder {
        self.admin_request(Method::GET, &format!("v1/{place}/shadow-report")).bearer_auth(token)
    }

    async fn report(&self) -> Value {
        self.told(self.report_request(&format!("locations/{}", self.location), ADMIN_TOKEN)).await
    }

    /// Each person's Teams says this, one after the other; nothing else happens.
    async fn say(&self, people: &[Person], words: &str) {
        self.teams_of_many(people, words).await;
        self.settle().await;
    }
}

fn counted(report: &Value) -> Vec<String> {
    let line = |row: &Value| {
        let word = |name: &str| row[name].as_str().unwrap().to_owned();
        let number = |name: &str| row[name].as_i64().unwrap();
        format!(
            "{} {}: {} times, {} people, {} now",
            word("slot"),
            word("presence"),
            number("times"),
            number("people"),
            number("now")
        )
    };
    report["shown"].as_array().unwrap().iter().map(line).collect()
}

#[tokio::test]
async fn a_trial_counts_what_it_would_have_shown_and_shows_nothing() {
    let (world, [anna, ben, cleo]) = World::with_people(["anna", "ben", "cleo"]).await;
    let since = world.clock.now();
    world.set_policy("telephony_and_presence", true).await;
    world.settle().await;
    let quiet = json!({"since": since, "counted_since": since, "people": 3, "people_shown": 0, "people_now": 0, "shown": []});
    assert_eq!(world.report().await, quiet);
    world.say(&[anna, ben], "Busy/InACall").await;
    world.confirm().await;
    world.say(&[ben], "Available/Available").await;
    world.say(&[ben], "Busy/InAConferenceCall").await;
    world.say(&[anna], "DoNotDisturb/Presenting").await;
    world.xphone_telephone(cleo, 4).await;
    world.hear().await;
    let report = world.report().await;
    assert_eq!((&report["people_shown"], &report["people_now"]), (&json!(3), &json!(3)));
    assert_eq!(
        counted(&report),
        [
            "xphone_appointment on_the_phone: 3 times, 2 people, 1 now",
            "xphone_appointment do_not_disturb: 1 times, 1 people, 1 now",
            "teams_session on_the_phone: 1 times, 1 people, 1 now",
        ]
    );
    world.say(&[anna, ben], "Available/Available").await;
    world.xphone_telephone(cleo, 2).await;
    world.hear().await;
    assert_eq!(world.report().await["people_now"], 0);
    assert_eq!((world.writes().await, world.in_teams(cleo).await.as_str()), (0, "Available/Available"));
}

#[tokio::test]
async fn what_was_counted_goes_with_the_trial_and_a_change_within_it_keeps_it() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let since = world.clock.now();
    world.set_policy("telephony_and_presence", true).await;
    world.say(&[anna], "Busy/InACall").await;
    world.advance(SignedDuration::from_mins(1));
    world.set_policy("telephony", true).await;
    world.settle().await;
    let report = world.report().await;
    assert_eq!((&report["since"], counted(&report).len()), (&json!(since), 1));
    world.set_policy("telephony", false).await;
    world.settle().await;
    assert_eq!(world.text(anna).await, "On the phone (MS Teams)");
    let place = format!("locations/{}", world.location);
    check_problem(world.report_request(&place, ADMIN_TOKEN), 404, "not-found").await;
    world.say(&[anna], "Available/Available").await;
    let again = world.clock.now();
    world.set_policy("telephony", true).await;
    world.settle().await;
    let report = world.report().await;
    assert_eq!((&report["since"], &report["shown"]), (&json!(again), &json!([])));
    world.say(&[anna], "Busy/InACall").await;
    // Off and on again before anybody is decided for: what goes on counts for the new trial too.
    world.set_policy("telephony", false).await;
    world.set_policy("telephony", true).await;
    world.settle().await;
    assert_eq!(counted(&world.report().await), ["xphone_appointment on_the_phone: 1 times, 1 people, 1 now"]);
    assert_eq!(world.writes().await, 2, "set and taken away between the trials");
}

#[tokio::test]
async fn a_group_reports_for_its_own_people_whoever_set_the_policy() {
    let world = World::new().await;
    let (here, sales, stock) = (world.location, Uuid::new_v4(), Uuid::new_v4());
    let groups = json!([{"guid": sales, "name": "Sales"}, {"guid": stock, "name": "Stock"}]);
    let headquarters = json!({"name": "Headquarters", "configurationGroups": groups});
    world.xphone_control(Method::PUT, &format!("locations/{here}"), headquarters).await;
    let mut people = Vec::new();
    for (name, group) in [("anna", Some(sales)), ("ben", Some(stock)), ("cleo", None)] {
        let person = world.person(name).await;
        let email = format!("{name}@example.com");
        let profiles = json!([{"name": "Appointment", "kind": "busy", "active": true}]);
        let user = json!({"email": email, "accountName": email, "displayName": name, "location": here,
            "configurationGroup": group, "profiles": profiles});
        world.xphone_control(Method::PUT, &format!("users/{}", person.xphone), user).await;
        people.push(person);
    }
    world.go_live().await;
    world.set_policy("telephony", true).await;
    let mut own = teams_sync("telephony");
    own["shadow"] = json!(true);
    let stock_sync = format!("v1/configuration-groups/{stock}/teams-sync");
    world.told(world.admin_request(Method::PUT, &stock_sync).bearer_auth(ADMIN_TOKEN).json(&own)).await;
    world.settle().await;
    world.say(&people, "Busy/InACall").await;
    let seen = async |place: String, token: &str| {
        let report = world.told(world.report_request(&place, token)).await;
        [report["people"].as_i64().unwrap(), report["people_shown"].as_i64().unwrap(), report["people_now"].as_i64().unwrap()]
    };
    let local = world.token("local", Role::Viewer, Some(here)).await;
    assert_eq!(seen(format!("locations/{here}"), &local).await, [2, 2, 2], "not the group with its own policy");
    assert_eq!(seen(format!("configuration-groups/{sales}"), &local).await, [1, 1, 1], "it inherits");
    assert_eq!(seen(format!("configuration-groups/{stock}"), ADMIN_TOKEN).await, [1, 1, 1]);
    let elsewhere = world.token("elsewhere", Role::Viewer, Some(Uuid::new_v4())).await;
    for place in [format!("locations/{here}"), format!("configuration-groups/{stock}")] {
        check_problem(world.report_request(&place, &elsewhere), 403, "wrong-location").await;
    }
    for place in ["locations", "configuration-groups"] {
        check_problem(world.report_request(&format!("{place}/{}", Uuid::nil()), ADMIN_TOKEN), 404, "not-found").await;
        check_problem(world.report_request(&format!("{place}/x"), ADMIN_TOKEN), 400, "bad-guid").await;
    }
}

#[tokio::test]
async fn whatever_goes_on_counts_for_the_trial_that_begins_meanwhile() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let (here, sales, elsewhere) = (world.location, Uuid::new_v4(), Uuid::new_v4());
    let place = json!({"name": "Headquarters", "configurationGroups": [{"guid": sales, "name": "Sales"}]});
    world.xphone_control(Method::PUT, &format!("locations/{here}"), place).await;
    world
        .xphone_control(Method::PUT, &format!("locations/{elsewhere}"), json!({"name": "Branch", "configurationGroups": []}))
        .await;
    let sit = async |location: Uuid, group: Option<Uuid>| {
        let user = json!({"email": "anna@example.com", "accountName": "anna", "displayName": "anna", "location": location,
            "configurationGroup": group, "profiles": [{"name": "Appointment", "kind": "busy", "active": true}]});
        world.xphone_control(Method::PUT, &format!("users/{}", anna.xphone), user).await;
        world.next_directory().await;
    };
    let mut trial = teams_sync("telephony");
    trial["shadow"] = json!(true);
    let set = async |place: &str| {
        let request = world.admin_request(Method::PUT, &format!("v1/{place}/teams-sync"));
        world.told(request.bearer_auth(ADMIN_TOKEN).json(&trial)).await;
        world.advance(SignedDuration::from_secs(1));
        world.settle().await;
    };
    let seen = async |place: &str| {
        let report = world.told(world.report_request(place, ADMIN_TOKEN)).await;
        [
            report["people_shown"].as_i64().unwrap(),
            report["people_now"].as_i64().unwrap(),
            counted(&report).len().try_into().unwrap(),
        ]
    };
    sit(here, Some(sales)).await;
    let [at, of, there] =
        [format!("locations/{here}"), format!("configuration-groups/{sales}"), format!("locations/{elsewhere}")];
    set(&at).await;
    set(&there).await;
    world.say(&[anna], "Busy/InACall").await;
    assert_eq!(seen(&at).await, [1, 1, 1]);
    // Her group is given a trial of its own; a change within it counts nothing twice.
    set(&of).await;
    assert_eq!(seen(&of).await, [1, 1, 1]);
    set(&of).await;
    let report = world.told(world.report_request(&of, ADMIN_TOKEN)).await;
    assert_eq!(counted(&report), ["xphone_appointment on_the_phone: 1 times, 1 people, 1 now"]);
    // She moves to where another trial goes on.
    sit(elsewhere, None).await;
    assert_eq!(seen(&there).await, [1, 1, 1]);
}
