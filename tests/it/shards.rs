//! Several subscriber accounts: who is watched by which, what happens when one fails, falls silent or is haunted, and who is swept.

use std::collections::BTreeSet;

use jiff::SignedDuration;
use presence_gateway::domain::ids::TeamsUserId;
use presence_gateway::store::shard::Missed;
use presence_gateway::store::subscription::Lists;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{ADMIN_TOKEN, Person, World, exhaust};

const FIRST: &str = "presence-1@example.com";
const SECOND: &str = "presence-2@example.com";
const THIRD: &str = "presence-3@example.com";
const ON_THE_PHONE: &str = "On the phone (MS Teams)";
const FREE: &str = "Available";
/// Graph takes no more users in one subscription.
const FULL: i64 = 650;

impl World {
    /// These people, watched with these accounts, at rest.
    async fn sharded<const N: usize>(names: [&str; N], accounts: &[&str]) -> (Self, [Person; N]) {
        Box::pin(Self::build_sharded(names, accounts)).await
    }

    async fn build_sharded<const N: usize>(names: [&str; N], accounts: &[&str]) -> (Self, [Person; N]) {
        let world = Self::new().await;
        let mut people = Vec::new();
        for name in names {
            people.push(world.person(name).await);
        }
        world.directory().await;
        world.set_policy("telephony_and_presence", false).await;
        for account in accounts {
            world.enrol_subscriber(account).await;
        }
        world.xphone_read().await;
        world.tend_subscriptions().await;
        world.sweep().await;
        world.settle().await;
        (world, people.try_into().unwrap())
    }

    /// An account is made in Entra ID and signed in.
    pub async fn enrol_subscriber(&self, name: &str) {
        let account = json!({"userPrincipalName": name});
        self.graph_control(Method::PUT, &format!("users/{}", Uuid::new_v4()), account).await;
        self.sign_in(name, name).await.unwrap();
        // The order of enrolment is the order in which accounts are used.
        self.advance(SignedDuration::from_secs(1));
    }

    pub async fn revoke(&self, name: &str, error: &str) {
        let body = json!({"user_principal_name": name, "error": error});
        self.graph_control(Method::POST, "refresh-tokens/revoke", body).await;
    }

    /// Tends subscriptions until the next renewals are due, whatever fails on the way.
    async fn renewals(&self) {
        self.advance(SignedDuration::from_mins(21));
        _ = self.try_tend_subscriptions().await;
        self.tend_subscriptions().await;
    }

    /// A minute in which tending subscriptions may fail.
    async fn rough_minute(&self) {
        self.advance(SignedDuration::from_secs(60));
        self.directory().await;
        self.xphone_read().await;
        _ = self.try_tend_subscriptions().await;
        self.sweep().await;
        self.settle().await;
        self.confirm().await;
    }

    /// The next reading of the directories and what follows from it, though tending subscriptions may fail.
    async fn next_directory_roughly(&self) {
        for _ in 0..7 {
            self.rough_minute().await;
        }
    }

    async fn shards_listed(&self) -> Value {
        self.told(self.admin_request(Method::GET, "v1/subscriptions").bearer_auth(ADMIN_TOKEN)).await
    }

    /// The place of one.
    async fn place_told(&self, person: Person) -> Value {
        let path = format!("v1/subscriptions/places?user={}", person.xphone);
        let told = self.told(self.admin_request(Method::GET, &path).bearer_auth(ADMIN_TOKEN)).await;
        told["items"][0].clone()
    }

    async fn told_by(&self, person: Person) -> String {
        let place = self.place_told(person).await;
        let text = |name: &str| place[name].as_str().unwrap_or_default().to_owned();
        format!("{} {}{}", text("by"), text("account"), text("why"))
    }

    async fn account_told(&self, name: &str) -> Value {
        let told = self.told(self.admin_request(Method::GET, "v1/subscriber-accounts").bearer_auth(ADMIN_TOKEN)).await;
        told["items"].as_array().unwrap().iter().find(|account| account["user_principal_name"] == name).cloned().unwrap()
    }

    /// A change of Teams is pushed, without a sweep.
    async fn is_pushed(&self, person: Person) -> bool {
        self.teams(person, "Busy/InACall").await;
        self.settle().await;
        let shown = self.text(person).await == ON_THE_PHONE;
        self.teams(person, "Available/Available").await;
        self.settle().await;
        self.seconds(1).await;
        shown
    }

    /// What no subscription of ours tells comes into the inbox all the same.
    async fn stranger_posts(&self) {
        let post = json!({"value": [{"subscriptionId": Uuid::nil(), "resource": "x"}]}).to_string();
        assert_eq!(self.post("graph/notifications", post).await, StatusCode::ACCEPTED);
    }

    /// So many seconds of sweeps, one after the other.
    async fn swept_for(&self, seconds: i64) -> u64 {
        let before = self.asked_graph("getPresencesByUserId", 200).await;
        for _ in 0..seconds {
            self.advance(SignedDuration::from_secs(1));
            exhaust(&self.app.tasks.sweep).await;
        }
        self.asked_graph("getPresencesByUserId", 200).await - before
    }

    pub async fn at_graph(&self) -> Vec<Value> {
        self.graph_look("subscriptions").await.as_array().unwrap().clone()
    }
}

#[tokio::test]
async fn as_many_as_possible_are_pushed_and_it_is_said_how_many_accounts_are_missing() {
    let world = World::new().await;
    world.directory().await;
    world.set_policy("telephony_and_presence", false).await;
    world.crowd_of(FULL * 2 + 10).await;
    world.enrol_subscriber(FIRST).await;
    world.tend_subscriptions().await;
    let coverage = world.shards_listed().await["coverage"].clone();
    assert_eq!((&coverage["users"], &coverage["pushed"], &coverage["swept"]), (&json!(1310), &json!(650), &json!(660)));
    let accounts =
        json!({"usable": 1, "spare": 0, "needs_sign_in": 0, "refused": 0, "needed": 3, "recommended": 4, "missing": 2});
    assert_eq!(coverage["accounts"], accounts);
    assert_eq!(world.count(r#"subscriber_accounts{state="missing"}"#).await, 2);
    assert_eq!(world.count(r#"swept_users{why="no_room"}"#).await, 660);
    let mut places = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("v1/subscriptions/places?limit=500{after}");
        let page = world.told(world.admin_request(Method::GET, &path).bearer_auth(ADMIN_TOKEN)).await;
        places.extend(page["items"].as_array().unwrap().clone());
        let Some(next) = page["next"].as_str() else { break };
        after = format!("&after={next}");
    }
    let of = |by: &str, why: Value| places.iter().filter(|place| place["by"] == by && place["why"] == why).count();
    assert_eq!((places.len(), of("push", Value::Null), of("sweep", json!("no_room"))), (1310, 650, 660), "nobody is undefined");
    for account in [SECOND, THIRD] {
        world.enrol_subscriber(account).await;
    }
    world.advance(SignedDuration::from_mins(1));
    world.tend_subscriptions().await;
    let listed = world.shards_listed().await;
    assert_eq!(listed["coverage"]["accounts"]["missing"], 0);
    assert_eq!(listed["coverage"]["swept"], 0);
    assert_eq!(world.count(r#"subscriber_accounts{state="missing"}"#).await, 0);
    assert_eq!(world.count(r#"swept_users{why="no_room"}"#).await, 0);
    let watched: Vec<i64> = listed["items"].as_array().unwrap().iter().map(|shard| shard["users"].as_i64().unwrap()).collect();
    assert_eq!((watched.len(), watched.iter().sum::<i64>()), (3, 1310));
    assert!(
        listed["items"]
            .as_array()
            .unwrap()
            .iter()
            .all(|shard| shard["free_places"] == json!(FULL - shard["users"].as_i64().unwrap()))
    );
}

#[tokio::test]
async fn a_newcomer_changes_one_shard_without_a_gap_while_a_spare_account_stands_ready() {
    let (world, [anna]) = World::sharded(["anna"], &[FIRST, SECOND]).await;
    assert_eq!(world.told_by(anna).await, format!("push {FIRST}"));
    let ben = world.person("ben").await;
    world.next_directory().await;
    assert_eq!(world.told_by(ben).await, format!("push {SECOND}"), "made before the other is broken");
    assert_eq!(world.told_by(anna).await, format!("push {SECOND}"));
    assert_eq!(world.at_graph().await.len(), 1);
    assert!(world.is_pushed(anna).await && world.is_pushed(ben).await);
    // Now the first account is the spare one. While Graph would not let it have a subscription, the second keeps what it has.
    world.graph_faults(json!({"accounts": {FIRST: "quota"}})).await;
    let kept = world.at_graph().await[0]["id"].clone();
    let cora = world.person("cora").await;
    let mut refused = 0;
    while refused == 0 {
        world.rough_minute().await;
        refused = world.asked_graph("createSubscription", 403).await;
    }
    assert_eq!(world.at_graph().await[0]["id"], kept, "nobody is dropped for a place that cannot be had");
    assert!(world.is_pushed(anna).await);
    for _ in 0..3 {
        world.rough_minute().await;
    }
    assert_eq!(world.told_by(cora).await, format!("push {SECOND}"), "without a spare it is broken first, for a moment");
    assert_ne!(world.at_graph().await[0]["id"], kept);
    assert!(world.is_pushed(cora).await);
}

/// Whatever Graph refuses, and in whatever order it is asked again: what works stays.
#[tokio::test]
async fn while_graph_makes_none_nothing_that_works_is_deleted() {
    for status in [503, 429] {
        let (world, [anna]) = World::sharded(["anna"], &[FIRST, SECOND]).await;
        let kept = world.at_graph().await[0]["id"].clone();
        world.graph_faults(json!({"deny": [{"endpoint": "subscriptions", "method": "POST", "status": status}]})).await;
        let ben = world.person("ben").await;
        world.next_directory_roughly().await;
        let mut refused = 0;
        for _ in 0..5 {
            world.rough_minute().await;
            // At the same instant the spare account rests.
            _ = world.try_tend_subscriptions().await;
            for _ in 0..3 {
                world.advance(SignedDuration::from_secs(1));
                _ = world.try_tend_subscriptions().await;
            }
            refused = world.asked_graph("createSubscription", status).await;
            assert_eq!(world.at_graph().await[0]["id"], kept, "{status}: one newcomer takes nobody's push away");
        }
        assert!(refused > 0, "{status}: it was tried");
        assert!(world.is_pushed(anna).await, "{status}");
        world.graph_faults(json!({})).await;
        for _ in 0..3 {
            world.rough_minute().await;
        }
        assert_eq!(world.told_by(ben).await, format!("push {SECOND}"), "{status}: and once Graph makes one again it is made");
        assert_eq!(world.at_graph().await.len(), 1);
    }
}

/// What Graph does not delete goes on telling, and what it tells is taken.
#[tokio::test]
async fn what_graph_does_not_delete_is_kept_and_deleted_later() {
    let (world, [anna]) = World::sharded(["anna"], &[FIRST, SECOND]).await;
    world.graph_faults(json!({"deny": [{"endpoint": "subscriptions", "method": "DELETE", "status": 503}]})).await;
    let ben = world.person("ben").await;
    world.next_directory_roughly().await;
    assert_eq!(world.told_by(ben).await, format!("push {SECOND}"), "the new one stands");
    assert_eq!(world.at_graph().await.len(), 2);
    assert_eq!(world.shards_listed().await["items"].as_array().unwrap().len(), 2, "and the old one is not forgotten");
    assert!(world.is_pushed(anna).await && world.is_pushed(ben).await);
    world.graph_faults(json!({})).await;
    world.rough_minute().await;
    assert_eq!(world.at_graph().await.len(), 1);
    assert_eq!(world.shards_listed().await["items"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn whoever_leaves_changes_nothing_for_an_hour() {
    let (world, [anna, ben]) = World::sharded(["anna", "ben"], &[FIRST]).await;
    let first = world.at_graph().await[0]["id"].clone();
    let gone = json!({"userPrincipalName": "ben@example.com", "mail": "ben@example.com", "accountEnabled": false});
    world.graph_control(Method::PUT, &format!("users/{}", ben.teams), gone).await;
    world.next_directory().await;
    for _ in 0..5 {
        world.minute().await;
        assert_eq!(world.at_graph().await[0]["id"], first);
    }
    for _ in 0..60 {
        world.minute().await;
    }
    let shard = world.at_graph().await[0].clone();
    assert_ne!(shard["id"], first);
    assert_eq!(shard["users"], json!([anna.teams]));
    assert!(world.is_pushed(anna).await);
}

#[tokio::test]
async fn a_dead_account_is_told_apart_and_taken_over_without_losing_anybody() {
    let table =
        [("AADSTS50173", "refresh_refused"), ("AADSTS50078", "interaction_required"), ("AADSTS65001", "consent_withdrawn")];
    for (error, kind) in table {
        let (world, [anna]) = World::sharded(["anna"], &[FIRST, SECOND]).await;
        world.revoke(FIRST, error).await;
        world.renewals().await;
        let account = world.account_told(FIRST).await;
        assert_eq!((&account["state"], &account["problem_kind"]), (&json!("needs_sign_in"), &json!(kind)), "{account}");
        assert!(account["problem"].as_str().unwrap().contains(error) && account["remedy"].is_string(), "{account}");
        assert_eq!(account["problem_since"], json!(world.clock.now()));
        assert_eq!(world.count(r#"subscriber_accounts{state="needs_sign_in"}"#).await, 1);
        assert_eq!(world.told_by(anna).await, format!("push {SECOND}"), "{kind}");
        assert!(world.is_pushed(anna).await, "{kind}");
        // What the dead account still holds is called by its name until it ends.
        let listed = world.shards_listed().await;
        let states: Vec<&str> =
            listed["items"].as_array().unwrap().iter().map(|shard| shard["state"].as_str().unwrap()).collect();
        assert!(states.contains(&"live") && states.contains(&"unattended") && states.len() == 2, "{states:?}");
        world.advance(SignedDuration::from_mins(40));
        world.tend_subscriptions().await;
        assert_eq!(world.shards_listed().await["items"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn without_a_spare_a_dead_accounts_users_are_swept_four_times_as_often_until_it_works_again() {
    let (world, [anna]) = World::sharded(["anna"], &[FIRST]).await;
    assert_eq!(world.swept_for(60).await, 1, "everybody each minute");
    world.revoke(FIRST, "AADSTS65001").await;
    world.renewals().await;
    assert_eq!(world.told_by(anna).await, "sweep lost");
    assert_eq!(world.count(r#"swept_users{why="lost"}"#).await, 1);
    assert_eq!(world.swept_for(120).await, 2 + 8, "and each 15 s besides");
    world.advance(SignedDuration::from_mins(58));
    world.tend_subscriptions().await;
    world.teams(anna, "Busy/InACall").await;
    world.swept_for(16).await;
    world.settle().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE, "found within 15 s, long after the subscription has ended");
    // The consent is given again: the account is asked again by itself.
    world.graph_control(Method::POST, "refresh-tokens/restore", json!({"user_principal_name": FIRST})).await;
    world.advance(SignedDuration::from_mins(30));
    world.tend_subscriptions().await;
    world.tend_subscriptions().await;
    assert_eq!(world.account_told(FIRST).await["state"], "enrolled");
    assert_eq!(world.told_by(anna).await, format!("push {FIRST}"));
    assert_eq!(world.swept_for(60).await, 1);
}

#[tokio::test]
async fn a_removed_account_hands_its_users_over_before_it_goes() {
    let (world, [anna]) = World::sharded(["anna"], &[FIRST, SECOND]).await;
    let id = world.account_told(FIRST).await["id"].as_str().unwrap().to_owned();
    world.graph_faults(json!({"deny": [{"endpoint": "subscriptions", "method": "POST", "status": 503}]})).await;
    let path = format!("v1/subscriber-accounts/{id}");
    world.admin_request(Method::DELETE, &path).bearer_auth(ADMIN_TOKEN).send().await.unwrap().error_for_status().unwrap();
    world.try_tend_subscriptions().await.unwrap_err();
    assert!(world.is_pushed(anna).await, "it stays until another watches its users");
    world.graph_faults(json!({})).await;
    world.advance(SignedDuration::from_secs(31));
    world.tend_subscriptions().await;
    assert_eq!(world.at_graph().await.len(), 1);
    assert_eq!(world.told_by(anna).await, format!("push {SECOND}"));
    assert!(world.is_pushed(anna).await);
}

#[tokio::test]
async fn a_spare_account_that_dies_is_noticed_before_it_is_needed() {
    let (world, _) = World::sharded(["anna"], &[FIRST, SECOND]).await;
    assert_eq!(world.shards_listed().await["coverage"]["accounts"]["spare"], 1);
    world.revoke(SECOND, "AADSTS50173").await;
    for _ in 0..7 {
        world.advance(SignedDuration::from_mins(55));
        _ = world.try_tend_subscriptions().await;
    }
    assert_eq!(world.account_told(SECOND).await["problem_kind"], "refresh_refused");
    assert_eq!(world.shards_listed().await["coverage"]["accounts"]["spare"], 0);
}

/// A change each minute, which the sweep finds or a notification tells.
async fn minutes_of_changes(world: &World, person: Person, minutes: usize) {
    for minute in 0..minutes {
        world.teams(person, if minute % 2 == 0 { "Busy/InACall" } else { "Available/Available" }).await;
        world.minute().await;
    }
}

/// The same while nobody takes anything out of the inbox.
async fn minutes_without_intake(world: &World, person: Person, minutes: usize) {
    for minute in 0..minutes {
        world.teams(person, if minute % 2 == 0 { "Busy/InACall" } else { "Available/Available" }).await;
        world.delivered().await;
        world.advance(SignedDuration::from_secs(60));
        world.tend_subscriptions().await;
        world.sweep().await;
    }
}

#[tokio::test]
async fn a_silent_subscription_is_found_reported_and_made_anew_ever_more_seldom() {
    let (world, [anna]) = World::sharded(["anna"], &[FIRST]).await;
    minutes_of_changes(&world, anna, 8).await;
    let first = world.at_graph().await[0]["id"].clone();
    assert_eq!(world.shards_listed().await["items"][0]["missed"], 0, "what is told is not missed");
    let silence = async || {
        let id = world.at_graph().await[0]["id"].as_str().unwrap().to_owned();
        world.graph_control(Method::POST, &format!("subscriptions/{id}/silence"), Value::Null).await;
    };
    silence().await;
    minutes_of_changes(&world, anna, 6).await;
    let shard = world.shards_listed().await["items"][0].clone();
    assert_ne!(shard["id"], first, "three changes found by sweeps, and nothing heard");
    assert_eq!((&shard["state"], &shard["made_anew"]["times"]), (&json!("live"), &json!(1)));
    assert_eq!(world.count("silent_subscriptions_total").await, 1);
    assert!(world.is_pushed(anna).await, "the new one tells");
    // Again at once: it is known and its users are read faster, but it is left alone for half an hour.
    silence().await;
    let second = world.at_graph().await[0]["id"].clone();
    minutes_of_changes(&world, anna, 10).await;
    let shard = world.shards_listed().await["items"][0].clone();
    assert_eq!((&shard["id"], &shard["state"]), (&second, &json!("silent")));
    assert!(shard["missed"].as_i64().unwrap() >= 3 && shard["silent_since"].is_string(), "{shard}");
    assert_eq!(world.count(r#"subscriptions{state="silent"}"#).await, 1);
    assert!(world.place_told(anna).await["silent_since"].is_string());
    assert!(world.swept_for(60).await >= 4, "its users are read each 15 s");
    minutes_of_changes(&world, anna, 24).await;
    let shard = world.shards_listed().await["items"][0].clone();
    assert_ne!(shard["id"], second);
    assert_eq!(shard["made_anew"]["times"], 2);
}

#[tokio::test]
async fn what_the_first_sweep_after_an_outage_finds_is_no_silence() {
    let (world, people) = World::sharded(["anna", "ben", "cora", "dora"], &[FIRST]).await;
    let first = world.at_graph().await[0]["id"].clone();
    // Nobody takes notifications, and nobody sweeps.
    world.graph_faults(json!({"notifications": {"hold": true}})).await;
    for person in people {
        world.teams(person, "Busy/InACall").await;
    }
    world.advance(SignedDuration::from_mins(5));
    exhaust(&world.app.tasks.sweep).await;
    for _ in 0..3 {
        world.minute().await;
    }
    assert_eq!(world.at_graph().await[0]["id"], first);
    assert_eq!(world.shards_listed().await["items"][0]["missed"], 0);
}

/// It is taken away, and then Graph makes none: that it was silent is known all the same.
#[tokio::test]
async fn a_silence_is_remembered_though_nothing_can_be_made_in_its_place() {
    let (world, [anna]) = World::sharded(["anna"], &[FIRST]).await;
    let id = world.at_graph().await[0]["id"].as_str().unwrap().to_owned();
    world.graph_control(Method::POST, &format!("subscriptions/{id}/silence"), Value::Null).await;
    world.graph_faults(json!({"deny": [{"endpoint": "subscriptions", "method": "POST", "status": 503}]})).await;
    let mut minutes = 0;
    while !world.at_graph().await.is_empty() {
        world.teams(anna, if minutes % 2 == 0 { "Busy/InACall" } else { "Available/Available" }).await;
        world.rough_minute().await;
        minutes += 1;
        assert!(minutes < 10, "it is found");
    }
    world.graph_faults(json!({})).await;
    world.rough_minute().await;
    assert_eq!(world.at_graph().await.len(), 1);
    assert_eq!(world.shards_listed().await["items"][0]["made_anew"]["times"], 1);
    assert_eq!(world.count("silent_subscriptions_total").await, 1);
}

#[tokio::test]
async fn of_many_that_are_silent_at_once_one_is_made_anew_at_a_time() {
    let world = World::new().await;
    world.directory().await;
    world.set_policy("telephony_and_presence", false).await;
    world.crowd_of(FULL * 2 + 10).await;
    for account in [FIRST, SECOND, THIRD] {
        world.enrol_subscriber(account).await;
    }
    world.tend_subscriptions().await;
    let ids = async || -> BTreeSet<String> {
        world.at_graph().await.iter().map(|shard| shard["id"].as_str().unwrap().to_owned()).collect()
    };
    let before = ids().await;
    assert_eq!(before.len(), 3);
    world.advance(SignedDuration::from_secs(60));
    for held in world.app.store.subscriptions(&mut Lists::default()).await.unwrap() {
        let missed: Vec<Missed> =
            held.users.iter().take(4).map(|user| Missed { user: *user, seen_before: world.clock.now() }).collect();
        world.app.store.note_missed(&missed, world.clock.now()).await.unwrap();
    }
    world.advance(SignedDuration::from_secs(91));
    for expected in [2, 2, 2] {
        _ = world.try_tend_subscriptions().await;
        assert_eq!(before.intersection(&ids().await).count(), expected, "one is a probe");
        world.advance(SignedDuration::from_secs(30));
    }
    assert_eq!(world.count(r#"subscriptions{state="silent"}"#).await, 2, "the others are known");
}

#[tokio::test]
async fn one_odd_user_makes_no_subscription_silent_and_five_do() {
    let (world, people) = World::sharded(["anna", "ben", "cora", "dora", "emil", "fred"], &[FIRST]).await;
    let missed = |person: Person| Missed { user: TeamsUserId(person.teams), seen_before: world.clock.now() };
    let state = async || world.shards_listed().await["items"][0]["state"].clone();
    let miss = async |odd: &[Person], times: usize| {
        for _ in 0..times {
            let missed: Vec<Missed> = odd.iter().copied().map(missed).collect();
            world.app.store.note_missed(&missed, world.clock.now()).await.unwrap();
            world.advance(SignedDuration::from_secs(60));
        }
        // Others are heard.
        assert!(world.is_pushed(people[5]).await);
        let listening = world.app.store.listening(world.clock.now()).await.unwrap();
        listening.values().next().unwrap().is_silent()
    };
    assert_eq!(state().await, "live");
    assert!(!miss(&people[..1], 15).await, "one, however often");
    assert!(!miss(&people[..4], 5).await, "four");
    assert!(miss(&people[..5], 5).await, "five");
}

#[tokio::test]
async fn late_notifications_are_no_silence() {
    let (world, [anna]) = World::sharded(["anna"], &[FIRST]).await;
    let first = world.at_graph().await[0]["id"].clone();
    for minute in 0..12 {
        world.graph_faults(json!({"notifications": {"hold": true}})).await;
        world.teams(anna, if minute % 2 == 0 { "Busy/InACall" } else { "Available/Available" }).await;
        world.minute().await;
        world.graph_faults(json!({})).await;
        world.graph_control(Method::POST, "notifications/release", json!({})).await;
        world.intake().await;
    }
    assert_eq!(world.at_graph().await[0]["id"], first);
    assert_eq!(world.shards_listed().await["items"][0]["state"], "live");
}

/// Graph tells everything, and nobody has read it yet: no ground to make anything anew.
#[tokio::test]
async fn what_waits_in_the_inbox_is_no_silence() {
    let (world, [anna]) = World::sharded(["anna"], &[FIRST]).await;
    let first = world.at_graph().await[0]["id"].clone();
    minutes_without_intake(&world, anna, 8).await;
    let shard = world.shards_listed().await["items"][0].clone();
    assert!(shard["missed"].as_i64().unwrap() >= 3, "sweeps found them: {shard}");
    assert_eq!((&shard["id"], &shard["state"]), (&first, &json!("live")));
    world.settle().await;
    world.tend_subscriptions().await;
    let shard = world.shards_listed().await["items"][0].clone();
    assert_eq!((&shard["id"], &shard["missed"]), (&first, &json!(0)), "once it is read it was told");
}

#[tokio::test]
async fn a_silence_is_found_once_the_inbox_is_read() {
    let (world, [anna]) = World::sharded(["anna"], &[FIRST]).await;
    let first = world.at_graph().await[0]["id"].clone();
    world.graph_control(Method::POST, &format!("subscriptions/{}/silence", first.as_str().unwrap()), Value::Null).await;
    world.stranger_posts().await;
    minutes_without_intake(&world, anna, 8).await;
    let shard = world.shards_listed().await["items"][0].clone();
    assert_eq!((&shard["id"], &shard["state"]), (&first, &json!("live")), "what waits may be what is missing");
    world.intake().await;
    // What came just now holds nothing up.
    world.stranger_posts().await;
    world.advance(SignedDuration::from_secs(30));
    world.tend_subscriptions().await;
    assert_ne!(world.at_graph().await[0]["id"], first);
    assert_eq!(world.shards_listed().await["items"][0]["made_anew"]["times"], 1);
}

#[tokio::test]
async fn a_haunted_account_is_waited_out_with_growing_pauses_and_recovers_by_itself() {
    for fault in ["ghost", "quota"] {
        let (world, [anna]) = World::sharded(["anna"], &[FIRST]).await;
        let id = world.at_graph().await[0]["id"].as_str().unwrap().to_owned();
        world.graph_control(Method::DELETE, &format!("subscriptions/{id}"), Value::Null).await;
        world.graph_faults(json!({"accounts": {FIRST: fault}})).await;
        world.advance(SignedDuration::from_mins(21));
        world.try_tend_subscriptions().await.unwrap_err();
        assert_eq!(world.told_by(anna).await, "sweep lost");
        let account = world.account_told(FIRST).await;
        assert_eq!((&account["state"], &account["refusals"]), (&json!("refused"), &json!(1)), "{account}");
        let refused = async || {
            let status = if fault == "ghost" { 409 } else { 403 };
            world.asked_graph("createSubscription", status).await
        };
        let mut asked = Vec::new();
        for _ in 0..6 {
            let before = refused().await;
            for _ in 0..30 {
                world.advance(SignedDuration::from_secs(30));
                _ = world.try_tend_subscriptions().await;
            }
            asked.push(refused().await - before);
        }
        let an_attempt = if fault == "ghost" { 2 } else { 1 };
        assert_eq!(asked.iter().sum::<u64>(), 9 * an_attempt, "after 1, 2, 4, 8 minutes, then each 15: {asked:?}");
        assert!(asked[1..].iter().all(|count| *count <= 2 * an_attempt), "{asked:?}");
        world.teams(anna, "Busy/InACall").await;
        world.swept_for(15).await;
        world.settle().await;
        assert_eq!(world.text(anna).await, ON_THE_PHONE, "swept meanwhile");
        world.teams(anna, "Available/Available").await;
        world.graph_faults(json!({})).await;
        world.advance(SignedDuration::from_mins(15));
        world.tend_subscriptions().await;
        assert_eq!(world.account_told(FIRST).await["state"], "enrolled");
        assert!(world.is_pushed(anna).await, "{fault}");
    }
}

#[tokio::test]
async fn a_renewal_that_is_refused_is_asked_ever_more_seldom_while_the_subscription_tells() {
    let (world, [anna]) = World::sharded(["anna"], &[FIRST]).await;
    world.graph_faults(json!({"deny": [{"endpoint": "subscriptions", "method": "PATCH", "status": 403}]})).await;
    world.advance(SignedDuration::from_mins(20));
    for _ in 0..30 {
        world.advance(SignedDuration::from_secs(30));
        _ = world.try_tend_subscriptions().await;
    }
    assert_eq!(world.account_told(FIRST).await["refusals"], 4, "at once, then after 1, 2 and 4 minutes");
    assert!(world.is_pushed(anna).await, "and meanwhile it tells");
    world.graph_faults(json!({})).await;
    world.advance(SignedDuration::from_mins(8));
    world.tend_subscriptions().await;
    assert_eq!(world.account_told(FIRST).await["refusals"], 0);
    assert!(world.is_pushed(anna).await);
}

#[tokio::test]
async fn a_haunted_accounts_users_go_to_a_spare_one() {
    let (world, [anna]) = World::sharded(["anna"], &[FIRST, SECOND]).await;
    let id = world.at_graph().await[0]["id"].as_str().unwrap().to_owned();
    world.graph_control(Method::DELETE, &format!("subscriptions/{id}"), Value::Null).await;
    world.graph_faults(json!({"accounts": {FIRST: "ghost"}})).await;
    world.renewals().await;
    assert_eq!(world.told_by(anna).await, format!("push {SECOND}"));
    assert!(world.is_pushed(anna).await);
}

/// Governments' clouds: nothing is pushed, and presences have three properties.
#[tokio::test]
async fn a_cloud_without_push_keeps_the_same_rules() {
    let world = World::with(|sources| sources.with("GATEWAY__GRAPH__CLOUD", "us-gov-l4")).await;
    let anna = world.person("anna").await;
    world.graph_faults(json!({"sparse_presences": true})).await;
    world.directory().await;
    world.set_policy("telephony_and_presence", false).await;
    world.xphone_read().await;
    world.sweep().await;
    world.settle().await;
    assert!(world.app.tasks.subscriptions.is_none(), "nobody is asked to subscribe");
    assert_eq!(world.told_by(anna).await, "sweep no_push");
    assert_eq!(world.shards_listed().await["coverage"]["push"], false);
    for (said, shown) in [
        ("Busy/InACall", ON_THE_PHONE),
        ("Available/Available", FREE),
        ("DoNotDisturb/DoNotDisturb", "Do not disturb (MS Teams)"),
        ("DoNotDisturb/Presenting", "Do not disturb (MS Teams)"),
        ("Away/Away", FREE),
    ] {
        world.teams(anna, said).await;
        world.advance(SignedDuration::from_secs(61));
        world.xphone_read().await;
        exhaust(&world.app.tasks.sweep).await;
        world.settle().await;
        assert_eq!(world.text(anna).await, shown, "{said}");
    }
    // The other way, and its end.
    world.xphone_telephone(anna, 4).await;
    world.hear().await;
    assert_eq!(world.in_teams(anna).await, "Busy/InACall");
    world.xphone_telephone(anna, 2).await;
    world.hear().await;
    assert_eq!(world.in_teams(anna).await, "Away/Away");
}
