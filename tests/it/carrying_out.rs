//! A change of policy is answered at once and carried out a few hundred people at a time, whatever comes in between.

use std::time::Duration;

use jiff::SignedDuration;
use presence_gateway::tasks::Progress;
use presence_gateway::tasks::driver::Task;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::admin::teams_sync;
use crate::world::{Person, World, exhaust};

/// Two batches and a bit.
const PEOPLE: u64 = 1100;
const ON_THE_PHONE: &str = "On the phone (MS Teams)";

impl World {
    /// So many people at the location, all decided for; none of them is in Teams.
    async fn with_strangers() -> Self {
        let world = Self::new().await;
        let user = |_| {
            let mail = format!("{}@example.com", Uuid::new_v4());
            json!({
                "guid": Uuid::new_v4(), "email": mail, "accountName": mail, "displayName": "somebody",
                "location": world.location, "configurationGroup": null, "profiles": [],
            })
        };
        world.xphone_control(Method::POST, "users", (0..PEOPLE).map(user).collect()).await;
        world.directory().await;
        world.reconcile().await;
        assert_eq!(world.to_decide().await, 0);
        world
    }

    /// Changes the policy of the location; nothing is carried out.
    async fn ask_for(&self, mode: &str) {
        let path = format!("locations/{}/teams-sync", self.location);
        let answer = self.as_admin(Method::PUT, &path).json(&teams_sync(mode)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }

    async fn to_decide(&self) -> u64 {
        self.look_up(&format!("locations/{}/progress", self.location)).await["to_decide"].as_u64().unwrap()
    }

    /// For how many people it is written down that they are to be decided for.
    async fn woken(&self) -> i64 {
        let query = "select count(*) from user_state where revisit_at <= $1";
        let now: jiff_sqlx::Timestamp = jiff_sqlx::ToSqlx::to_sqlx(self.clock.now());
        sqlx::query_scalar(query).bind(now).fetch_one(&self.database().await).await.unwrap()
    }

    async fn carry_out_a_batch(&self) -> Progress {
        self.app.tasks.policies.run().await.unwrap()
    }

    /// Something else wakes this person, who is decided for though the change has not come to them.
    async fn decide_before_their_turn(&self, person: Person) {
        let woken = self.as_admin(Method::POST, &format!("users/{}/reconcile", person.xphone)).send().await.unwrap();
        assert_eq!(woken.status(), StatusCode::ACCEPTED);
        exhaust(&self.app.tasks.reconciler).await;
        self.dispatch().await;
    }
}

#[tokio::test]
async fn a_change_is_carried_out_in_batches_and_goes_on_after_a_crash() {
    let mut world = World::with_strangers().await;
    world.ask_for("telephony").await;
    assert_eq!((world.woken().await, world.to_decide().await), (0, PEOPLE), "the request writes nothing about people");
    assert!(world.count(r#"users_waiting{for="decision"}"#).await >= PEOPLE);
    assert_eq!(world.carry_out_a_batch().await, Progress::More);
    assert_eq!((world.woken().await, world.to_decide().await), (500, PEOPLE));
    exhaust(&world.app.tasks.reconciler).await;
    assert_eq!((world.woken().await, world.to_decide().await), (0, PEOPLE - 500));
    world.restart().await;
    world.carry_out_a_batch().await;
    assert_eq!((world.woken().await, world.to_decide().await), (500, PEOPLE - 500), "others than before");
    world.carry_out_a_batch().await;
    assert_eq!((world.woken().await, world.carry_out_a_batch().await), (600, Progress::Idle));
    exhaust(&world.app.tasks.reconciler).await;
    assert_eq!((world.to_decide().await, world.count(r#"users_waiting{for="decision"}"#).await), (0, 0));
}

#[tokio::test]
async fn a_change_made_meanwhile_begins_anew() {
    let world = World::with_strangers().await;
    world.ask_for("telephony").await;
    world.carry_out_a_batch().await;
    world.carry_out_a_batch().await;
    exhaust(&world.app.tasks.reconciler).await;
    assert_eq!(world.to_decide().await, PEOPLE - 1000);
    world.ask_for("none").await;
    assert_eq!((world.woken().await, world.to_decide().await), (0, PEOPLE));
    for _ in 0..3 {
        assert_eq!(world.carry_out_a_batch().await, Progress::More);
    }
    assert_eq!((world.woken().await, world.carry_out_a_batch().await), (1100, Progress::Idle));
}

/// Whoever has a user's row waits for nobody who only changes a policy, and the other way round.
#[tokio::test]
async fn a_change_waits_for_nobody_whom_it_concerns() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let database = world.database().await;
    let mut busy = database.begin().await.unwrap();
    sqlx::query("select from user_state where user_guid = $1 for update").bind(anna.xphone).execute(&mut *busy).await.unwrap();
    // A row that stays locked would hold the request up for ten seconds, and fail it.
    tokio::time::timeout(Duration::from_secs(9), world.ask_for("telephony")).await.unwrap();
    assert_eq!(world.to_decide().await, 1);
    busy.rollback().await.unwrap();
}

#[tokio::test]
async fn whoever_is_decided_before_their_turn_follows_the_new_policy() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    world.confirm().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
    world.ask_for("none").await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
    world.decide_before_their_turn(anna).await;
    assert_eq!(world.text(anna).await, "Available", "what is set holds at once");
    world.settle().await;
    // She hangs up while nobody reads her.
    world.graph_faults(json!({"notifications": {"lose": 1}})).await;
    world.teams(anna, "Available/Available").await;
    world.advance(SignedDuration::from_mins(1));
    world.ask_for("telephony").await;
    world.decide_before_their_turn(anna).await;
    assert_eq!(world.text(anna).await, "Available", "what was known of her from before is out of date");
    // What is heard of her from now on counts, also when her turn comes.
    world.advance(SignedDuration::from_secs(1));
    world.teams(anna, "Busy/InACall").await;
    world.delivered().await;
    exhaust(&world.app.tasks.intake).await;
    exhaust(&world.app.tasks.reconciler).await;
    world.dispatch().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
    world.settle().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
    world.confirm().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
    let waiting = world.look_up(&format!("locations/{}/progress", world.location)).await;
    assert_eq!(waiting["done"], Value::Bool(true), "{waiting}");
}

#[tokio::test]
async fn a_group_takes_over_what_its_location_still_owes() {
    let world = World::new().await;
    let (anna, group) = (world.person("anna").await, Uuid::new_v4());
    let headquarters = json!({"name": "Headquarters", "configurationGroups": [{"guid": group, "name": "Sales"}]});
    world.xphone_control(Method::PUT, &format!("locations/{}", world.location), headquarters).await;
    let in_sales = json!({"email": "anna@example.com", "accountName": "anna", "displayName": "anna", "location": world.location,
        "configurationGroup": group, "profiles": [{"name": "Appointment", "kind": "busy", "active": true}]});
    world.xphone_control(Method::PUT, &format!("users/{}", anna.xphone), in_sales).await;
    world.go_live().await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    world.confirm().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
    world.ask_for("none").await;
    exhaust(&world.app.tasks.policies).await;
    world.settle().await;
    // She hangs up while nobody reads her; then the location is switched on, and before that has come to her, her group has its own.
    world.graph_faults(json!({"notifications": {"lose": 1}})).await;
    world.teams(anna, "Available/Available").await;
    world.advance(SignedDuration::from_mins(1));
    world.ask_for("telephony").await;
    let path = format!("configuration-groups/{group}/teams-sync");
    let answer = world.as_admin(Method::PUT, &path).json(&teams_sync("telephony")).send().await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
    let owed: Vec<(Uuid, bool)> =
        sqlx::query_as("select guid, unread_until is not null from policy_due order by changed_at, guid")
            .fetch_all(&world.database().await)
            .await
            .unwrap();
    assert!(owed.contains(&(group, true)), "what the location owes is the group's as well: {owed:?}");
    // The location's debt is paid; the group's still keeps what was known of her from counting.
    sqlx::query("delete from policy_due where guid = $1").bind(world.location).execute(&world.database().await).await.unwrap();
    world.decide_before_their_turn(anna).await;
    assert_eq!(world.text(anna).await, "Available", "what was known of her from before is out of date");
    exhaust(&world.app.tasks.policies).await;
    world.settle().await;
    world.confirm().await;
    assert_eq!(world.text(anna).await, "Available");
    assert_eq!(world.look_up(&format!("configuration-groups/{group}/progress")).await["done"], Value::Bool(true));
}
