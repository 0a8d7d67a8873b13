//! What a user's timeline tells: from what was observed to what became of the push, and for how long it is kept.

use std::fmt::Write;

use jiff::SignedDuration;
use presence_gateway::domain::ids::UserGuid;
use presence_gateway::domain::slot::SlotName;
use presence_gateway::domain::timeline::{Entry, Fate, Waker};
use presence_gateway::store::commit;
use presence_gateway::store::refusal::{self, Refusals};
use presence_gateway::tasks::Progress;
use presence_gateway::tasks::driver::Task;
use reqwest::Method;
use serde_json::json;
use uuid::Uuid;

use crate::admin::teams_sync;
use crate::world::{ADMIN_TOKEN, Person, World};

/// More than any story has.
const ALL: usize = 1000;

impl World {
    async fn entries(&self, person: Person) -> Vec<Entry> {
        self.app.store.timeline(UserGuid(person.xphone), None, ALL).await.unwrap()
    }

    /// The newest change.
    async fn newest(&self, person: Person) -> Entry {
        self.entries(person).await.into_iter().next().unwrap()
    }

    /// The timeline line by line, the latest first: what woke us, what Teams said, and of each slot what it shows, why, and what
    /// became of it.
    async fn history(&self, person: Person) -> Vec<String> {
        self.entries(person).await.iter().map(line).collect()
    }

    async fn upkeep(&self) {
        self.app.tasks.upkeep.run().await.unwrap();
    }
}

fn line(entry: &Entry) -> String {
    let woken_by = entry.woken_by.iter().map(Waker::label).collect::<Vec<_>>().join("+");
    let words =
        entry.words.as_ref().map_or("nothing".to_owned(), |(availability, activity)| format!("{availability}/{activity}"));
    let mut line = format!("{woken_by}: {words}");
    for (index, slot) in SlotName::ALL.into_iter().enumerate() {
        let Some(change) = entry.slots[index] else { continue };
        let shows = change.shows.map_or("nothing", |presence| presence.label());
        let push = change.push.map_or(String::new(), |push| format!(", {}", push.label()));
        let fate = entry.fates[index].as_ref().map_or(String::new(), |fate| format!(" {}", fate.label()));
        write!(line, "; {} {shows} ({}{push}{fate})", slot.label(), change.reason.label()).unwrap();
    }
    line
}

#[tokio::test]
async fn a_call_is_told_from_its_notification_to_its_arrival() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let before = world.entries(anna).await.len();
    let came_at = world.clock.now();
    world.teams(anna, "Busy/InACall").await;
    world.delivered().await;
    world.advance(SignedDuration::from_millis(20));
    let decided_at = world.clock.now();
    world.intake().await;
    let waiting = world.newest(anna).await;
    assert!(matches!(waiting.fates[0], Some(Fate::Waiting { attempts: 0, problem: None, .. })), "{waiting:?}");
    world.advance(SignedDuration::from_millis(30));
    let pushed_at = world.clock.now();
    world.dispatch().await;
    let call = world.newest(anna).await;
    assert_eq!((call.came_at, call.decided_at), (Some(came_at), decided_at));
    let arrived = Fate::Arrived { pushed_at: Some(pushed_at), settled_at: pushed_at, attempts: 1, problem: None };
    assert_eq!(call.fates, [Some(arrived), None, None]);
    world.confirm().await;
    world.teams(anna, "Available/Available").await;
    world.settle().await;
    world.minute().await;
    let told = world.history(anna).await;
    assert_eq!(
        told[..told.len() - before],
        [
            "notification: Available/Available; xphone_appointment nothing (nothing_to_show, clear arrived)",
            "notification: Busy/InACall; xphone_appointment on_the_phone (shown_call, set arrived)",
        ],
        "what only confirms is no change"
    );
}

#[tokio::test]
async fn both_directions_and_all_that_wakes_are_told() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.xphone_telephone(anna, 4).await;
    world.hear().await;
    assert_eq!(world.history(anna).await[0], "xphone: Available/Available; teams_session on_the_phone (shown_call, set arrived)");
    world.xphone_telephone(anna, 2).await;
    world.hear().await;
    assert_eq!(world.history(anna).await[0], "xphone: Busy/InACall; teams_session nothing (nothing_to_show, clear arrived)");
    world.set_policy("none", false).await;
    world.settle().await;
    assert!(world.history(anna).await[0].starts_with("policy: "), "{:?}", world.history(anna).await);
    world.set_policy("telephony", false).await;
    world.minute().await;
    world.graph_faults(json!({"notifications": {"lose": 1}})).await;
    world.teams(anna, "Busy/InAConferenceCall").await;
    world.minute().await;
    let found = "sweep: Busy/InAConferenceCall; xphone_appointment on_the_phone (shown_call, set arrived)";
    assert_eq!(world.history(anna).await[0], found);
    world.advance(SignedDuration::from_hours(6));
    world.listen().await;
    world.sweep().await;
    world.settle().await;
    assert_eq!(world.history(anna).await[0], found.replace("sweep", "time"), "moved on at half time");
}

#[tokio::test]
async fn a_push_that_fails_tells_why_and_how_often_it_was_tried() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.xphone_faults(json!({"down": true})).await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    let Some(Fate::Waiting { attempts: 1, problem: Some(problem), next_try_at }) = &world.newest(anna).await.fates[0] else {
        panic!("{:?}", world.newest(anna).await)
    };
    assert!(!problem.is_empty() && *next_try_at > world.clock.now(), "{problem}");
    world.xphone_faults(json!({})).await;
    world.advance(SignedDuration::from_secs(10));
    world.settle().await;
    let Some(Fate::Arrived { attempts: 2, problem: Some(kept), pushed_at, .. }) = &world.newest(anna).await.fates[0] else {
        panic!("{:?}", world.newest(anna).await)
    };
    assert_eq!((kept, *pushed_at), (problem, Some(world.clock.now())));
}

#[tokio::test]
async fn what_was_over_before_it_could_be_sent_is_told_too() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.teams(anna, "Busy/InACall").await;
    world.intake().await;
    world.reconcile().await;
    world.teams(anna, "Available/Available").await;
    world.settle().await;
    assert_eq!(
        world.history(anna).await[..2],
        [
            "notification: Available/Available; xphone_appointment nothing (nothing_to_show, clear not_needed)",
            "notification: Busy/InACall; xphone_appointment on_the_phone (shown_call, set replaced)",
        ]
    );
    assert_eq!(world.writes().await, 0);
}

#[tokio::test]
async fn what_people_undo_and_what_runs_out_is_told() {
    let (world, [anna, ben]) = World::with_people(["anna", "ben"]).await;
    world.teams_of_many(&[anna, ben], "Busy/InACall").await;
    world.settle().await;
    world.minute().await;
    world.remove_appointment(anna).await;
    world.minute().await;
    let undone = "appointments: Busy/InACall; xphone_appointment nothing (overridden, clear arrived)";
    assert_eq!(world.history(anna).await[0], undone);
    world.advance(SignedDuration::from_hours(12));
    world.listen().await;
    world.reconcile().await;
    world.dispatch().await;
    assert_eq!(world.history(ben).await[0], "time: Busy/InACall; xphone_appointment nothing (lapsed, clear arrived)");
}

#[tokio::test]
async fn what_is_older_than_set_is_forgotten() {
    let world = World::with(|sources| sources.with("GATEWAY__ADMIN__PRESENCE_RETENTION_DAYS", 2)).await;
    let anna = world.person("anna").await;
    world.go_live().await;
    world.set_policy("telephony", true).await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    let mut refused = Refusals::default();
    refused.add(world.clock.now(), "client_state", None);
    let mut tx = world.app.store.begin().await.unwrap();
    refusal::record(&mut tx, &refused).await.unwrap();
    commit(tx).await.unwrap();
    let kept = async || {
        let database = world.database().await;
        let count = async |table: &str| -> i64 {
            let text = format!("select count(*) from {table}");
            sqlx::query_scalar(sqlx::AssertSqlSafe(text)).fetch_one(&database).await.unwrap()
        };
        [count("timeline").await, count("shadow_show").await, count("refusal").await]
    };
    assert!(kept().await.into_iter().all(|rows| rows > 0), "{:?}", kept().await);
    world.advance(SignedDuration::from_hours(47));
    world.upkeep().await;
    assert!(kept().await.into_iter().all(|rows| rows > 0), "{:?}", kept().await);
    world.advance(SignedDuration::from_hours(2));
    world.upkeep().await;
    assert_eq!(kept().await, [0, 0, 0]);
    assert_eq!(world.entries(anna).await, []);
    assert_eq!(world.reason(anna).await, "shadow", "what holds now is another thing");
}

#[tokio::test]
async fn a_long_timeline_is_forgotten_in_parts_by_an_index() {
    let world = World::new().await;
    let database = world.database().await;
    let old =
        "insert into timeline (user_guid, decided_at) select gen_random_uuid(), '2020-01-01Z' from generate_series(1, 12345)";
    sqlx::query(old).execute(&database).await.unwrap();
    let recent =
        "insert into timeline (user_guid, decided_at) select gen_random_uuid(), '2099-01-01Z' from generate_series(1, 100000)";
    sqlx::query(recent).execute(&database).await.unwrap();
    sqlx::query("analyze timeline").execute(&database).await.unwrap();
    let find = "explain select ctid from timeline where decided_at < '2021-01-01Z' order by decided_at limit 10000 for update skip locked";
    let plan: Vec<String> = sqlx::query_scalar(find).fetch_all(&database).await.unwrap();
    assert!(plan.iter().any(|line| line.contains("timeline_decided")), "{plan:#?}");
    let left = async || -> i64 { sqlx::query_scalar("select count(*) from timeline").fetch_one(&database).await.unwrap() };
    assert_eq!(world.app.tasks.upkeep.run().await.unwrap(), Progress::More);
    assert_eq!(left().await, 102_345);
    assert_eq!(world.app.tasks.upkeep.run().await.unwrap(), Progress::Idle);
    assert_eq!(left().await, 100_000);
}

/// Whether anything is known of what Teams and what XPhone said of somebody, and whether anything is still to be done.
async fn known(world: &World, person: Person) -> (bool, bool, bool) {
    let known = "select num_nonnulls(teams_availability, teams_activity, teams_source, teams_observed_at, read_availability,
            read_activity, read_at, native, native_since) > 0,
            num_nonnulls(xphone_telephone_state, xphone_meeting, xphone_status_guid, xphone_ours, xphone_observed_at,
                xphone_client_connected) > 0,
            revisit_at is not null or confirm_at is not null or woken_by <> 0
        from user_state where user_guid = $1";
    sqlx::query_as(known).bind(person.xphone).fetch_one(&world.database().await).await.unwrap()
}

#[tokio::test]
async fn what_was_observed_of_whoever_is_not_synchronised_any_more_is_forgotten_too() {
    let world = World::with(|sources| sources.with("GATEWAY__ADMIN__PRESENCE_RETENTION_DAYS", 2)).await;
    let (anna, ben, group) = (world.person("anna").await, world.person("ben").await, Uuid::new_v4());
    let sales = json!({"name": "Headquarters", "configurationGroups": [{"guid": group, "name": "Sales"}]});
    world.xphone_control(Method::PUT, &format!("locations/{}", world.location), sales).await;
    let in_sales = json!({"email": "ben@example.com", "accountName": "ben", "displayName": "ben", "location": world.location,
        "configurationGroup": group, "profiles": [{"name": "Appointment", "kind": "busy", "active": true}]});
    world.xphone_control(Method::PUT, &format!("users/{}", ben.xphone), in_sales).await;
    world.go_live().await;
    world.teams_of_many(&[anna, ben], "Busy/InACall").await;
    world.settle().await;
    world.minute().await;
    let path = format!("v1/configuration-groups/{group}/teams-sync");
    world.told(world.admin_request(Method::PUT, &path).bearer_auth(ADMIN_TOKEN).json(&teams_sync("none"))).await;
    world.settle().await;
    world.minute().await;
    assert_eq!([world.text(anna).await, world.text(ben).await], ["On the phone (MS Teams)", "Available"]);
    for (hours, teams_known) in [(46, true), (3, false)] {
        world.advance(SignedDuration::from_hours(hours));
        world.listen().await;
        world.xphone_read().await;
        world.upkeep().await;
        assert_eq!(known(&world, ben).await, (teams_known, true, false), "XPhone still says so; nobody is woken");
    }
    world.advance(SignedDuration::from_hours(49));
    world.upkeep().await;
    assert_eq!(known(&world, ben).await, (false, false, false), "XPhone has not been heard for so long");
    let (teams_known, xphone_known, _) = known(&world, anna).await;
    assert!(teams_known && xphone_known, "she is synchronised");
    world.told(world.admin_request(Method::PUT, &path).bearer_auth(ADMIN_TOKEN).json(&teams_sync("telephony"))).await;
    world.minute().await;
    world.minute().await;
    assert_eq!(world.text(ben).await, "On the phone (MS Teams)", "what is known no more is read again");
}
