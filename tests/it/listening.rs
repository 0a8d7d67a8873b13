//! What people do in XPhone is heard at once, and whatever is missed is made up for.

use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use presence_gateway::clock::Clock;
use presence_gateway::store::feed::Feed;
use presence_gateway::tasks::Progress;
use presence_gateway::tasks::driver::Task;
use reqwest::Method;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::world::{Person, World, exhaust};

const FREE: i32 = 2;
const BUSY: i32 = 4;
const ON_THE_PHONE: &str = "On the phone (MS Teams)";

#[tokio::test]
async fn a_call_is_recorded_and_wakes_only_whom_it_concerns() {
    let (world, [anna, ben]) = World::with_people(["anna", "ben"]).await;
    assert!(woken(&world).await.is_empty());
    world.xphone_telephone(anna, 4).await;
    world.listen().await;
    assert_eq!([telephone(&world, anna).await, telephone(&world, ben).await], [BUSY, FREE]);
    assert_eq!(woken(&world).await, [anna.xphone]);
    let changed_at: Option<jiff_sqlx::Timestamp> = sqlx::query_scalar("select changed_at from user_state where user_guid = $1")
        .bind(anna.xphone)
        .fetch_one(&world.database().await)
        .await
        .unwrap();
    assert_eq!(changed_at.map(jiff_sqlx::Timestamp::to_jiff), Some(world.clock.now()));
    world.teams_of_many(&[anna, ben], "Busy/InACall").await;
    world.settle().await;
    assert_eq!([world.text(anna).await, world.text(ben).await], ["Available", ON_THE_PHONE], "her own call needs no appointment");
    // The event that our own appointment causes changes nobody's own presence.
    world.listen().await;
    assert!(woken(&world).await.is_empty());
    assert_eq!(world.count("xphone_events_total{result=\"recorded\"}").await, 2);
}

#[tokio::test]
async fn nobody_listens_before_the_people_are_known() {
    let world = World::new().await;
    world.person("anna").await;
    assert_eq!(world.try_listen().await.unwrap(), Progress::Idle);
    assert_eq!(asked(&world, "presence").await, 0);
}

#[tokio::test]
async fn events_that_are_gone_are_made_up_for_by_a_snapshot() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    cut(&world).await;
    let deny = json!({"endpoint": "events", "user": null, "status": 410, "retry_after_seconds": null, "times": 1});
    world.xphone_faults(json!({"deny": [deny]})).await;
    let before = asked(&world, "presence").await;
    world.xphone_telephone(anna, 4).await;
    world.listen().await;
    assert_eq!(telephone(&world, anna).await, BUSY);
    assert_eq!(asked(&world, "presence").await, before + 2);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_is_made_up_for_by_a_snapshot() {
    let (world, [anna, ben]) = World::with_people(["anna", "ben"]).await;
    let before = asked(&world, "presence").await;
    world.xphone_faults(json!({"unreadable_events": 1})).await;
    world.xphone_telephone(anna, 4).await;
    world.xphone_telephone(ben, 4).await;
    world.listen().await;
    assert_eq!([telephone(&world, anna).await, telephone(&world, ben).await], [BUSY, BUSY]);
    assert_eq!(asked(&world, "presence").await, before + 1);
}

#[tokio::test]
async fn a_server_that_restarts_begins_lower() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let before = told(&world).await;
    for (state, expected) in [(4, BUSY), (2, FREE)] {
        world.xphone_control(Method::POST, "restart", Value::Null).await;
        world.xphone_telephone(anna, state).await;
        world.listen().await;
        assert_eq!(telephone(&world, anna).await, expected);
    }
    world.xphone_telephone(anna, 4).await;
    world.listen().await;
    assert!(told(&world).await < before);
    assert_eq!(telephone(&world, anna).await, BUSY, "events count from the new beginning");
}

#[tokio::test]
async fn what_happens_while_the_connection_is_cut_is_found() {
    let (world, [anna, ben]) = World::with_people(["anna", "ben"]).await;
    world.xphone_telephone(ben, 4).await;
    world.listen().await;
    cut(&world).await;
    assert_eq!(world.count("xphone_connected").await, 0);
    world.xphone_telephone(anna, 4).await;
    world.xphone_telephone(ben, 2).await;
    world.listen().await;
    assert_eq!([telephone(&world, anna).await, telephone(&world, ben).await], [BUSY, FREE]);
    assert_eq!(world.count("xphone_connected").await, 1);
}

#[tokio::test]
async fn a_connection_that_keeps_breaking_is_not_made_anew_all_the_time() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    for _ in 0..2 {
        cut(&world).await;
        world.listen().await;
    }
    cut(&world).await;
    assert_eq!(world.try_listen().await.unwrap(), Progress::Idle);
    world.xphone_telephone(anna, 4).await;
    world.advance(SignedDuration::from_secs(15));
    world.listen().await;
    assert_eq!(telephone(&world, anna).await, BUSY);
}

#[tokio::test]
async fn tokens_that_expire_in_between_cost_nothing() {
    for refresh_tokens in [false, true] {
        let (world, [anna]) = World::with_people(["anna"]).await;
        world.xphone_control(Method::POST, "tokens/expire", json!({"refresh_tokens": refresh_tokens})).await;
        world.xphone_telephone(anna, 4).await;
        world.listen().await;
        assert_eq!(telephone(&world, anna).await, BUSY, "an open stream goes on");
        world.advance(SignedDuration::from_secs(60));
        world.listen().await;
        world.xphone_control(Method::POST, "tokens/expire", json!({"refresh_tokens": refresh_tokens})).await;
        cut(&world).await;
        world.xphone_telephone(anna, 2).await;
        world.listen().await;
        assert_eq!(telephone(&world, anna).await, FREE);
    }
}

#[tokio::test]
async fn one_replica_listens_and_another_takes_over() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let other = world.replica(&world.clock).await;
    let before = asked(&world, "events").await;
    for _ in 0..3 {
        world.advance(SignedDuration::from_secs(20));
        assert_eq!(world.try_listen().await.unwrap(), Progress::More);
        assert_eq!(other.tasks.listener.run().await.unwrap(), Progress::Idle);
    }
    assert_eq!(asked(&world, "events").await, before);
    // The first is held up for longer than its lease lasts.
    world.advance(SignedDuration::from_secs(30));
    world.xphone_telephone(anna, 4).await;
    world.listen_as(&other).await;
    assert_eq!(telephone(&world, anna).await, BUSY);
    assert_eq!(world.try_listen().await.unwrap(), Progress::Idle);
    world.xphone_telephone(anna, 2).await;
    world.listen_as(&other).await;
    assert_eq!(telephone(&world, anna).await, FREE);
    assert_eq!(asked(&world, "events").await, before + 1);
}

/// Clocks differ, and the one that lost its lease does not know yet.
#[tokio::test]
async fn who_has_lost_the_lease_records_nothing() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let ahead = Clock::standing_at(world.clock.now() + SignedDuration::from_secs(31));
    let other = world.replica(&ahead).await;
    world.listen_as(&other).await;
    let true_at = world.app.store.refreshed_at(Feed::XphonePresence).await.unwrap();
    world.xphone_telephone(anna, 4).await;
    world.advance(SignedDuration::from_secs(4));
    assert_eq!(world.try_listen().await.unwrap(), Progress::Idle);
    assert_eq!(telephone(&world, anna).await, FREE);
    assert_eq!(world.app.store.refreshed_at(Feed::XphonePresence).await.unwrap(), true_at);
    assert_eq!(world.app.tasks.listener.recorded_up_to().await, None);
    world.listen_as(&other).await;
    assert_eq!(telephone(&world, anna).await, BUSY);
}

#[tokio::test]
async fn what_no_event_told_is_found_within_a_minute() {
    let (world, [anna, ben]) = World::with_people(["anna", "ben"]).await;
    world.xphone_faults(json!({"silent_events": true})).await;
    world.xphone_telephone(anna, 4).await;
    world.advance(SignedDuration::from_secs(60));
    world.listen().await;
    assert_eq!(telephone(&world, anna).await, BUSY);
    assert_eq!(woken(&world).await, [anna.xphone]);
    // What comes late is old, and the stream goes on.
    world.xphone_faults(json!({})).await;
    world.xphone_telephone(ben, 4).await;
    world.listen().await;
    assert_eq!([telephone(&world, anna).await, telephone(&world, ben).await], [BUSY, BUSY]);
    let counted = async |result: &str| world.count(&format!("xphone_events_total{{result=\"{result}\"}}")).await;
    assert_eq!((counted("old").await, counted("recorded").await), (1, 1));
}

#[tokio::test]
async fn a_silent_connection_is_made_anew() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let before = asked(&world, "events").await;
    world.xphone_faults(json!({"silent_events": true})).await;
    world.xphone_telephone(anna, 4).await;
    world.advance(SignedDuration::from_secs(90));
    world.listen().await;
    assert_eq!(asked(&world, "events").await, before + 1);
    assert_eq!(telephone(&world, anna).await, BUSY);
}

#[tokio::test]
async fn it_is_known_until_when_what_we_know_is_true() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let began = world.clock.now();
    let true_for = async || (true_at(&world).await - began).get_seconds();
    assert_eq!(true_for().await, 0);
    for (seconds, state, expected) in [(6, 4, 0), (6, 2, 12), (6, 4, 12), (6, 2, 24)] {
        world.advance(SignedDuration::from_secs(seconds));
        world.xphone_telephone(anna, state).await;
        world.listen().await;
        assert_eq!(true_for().await, expected);
    }
    cut(&world).await;
    world.xphone_faults(json!({"down": true})).await;
    world.advance(SignedDuration::from_mins(10));
    assert!(world.try_listen().await.is_err());
    assert_eq!(true_for().await, 24);
    world.xphone_faults(json!({})).await;
    world.listen().await;
    assert_eq!(true_for().await, 624);
}

#[tokio::test]
async fn a_burst_of_events_is_recorded_in_few_parts() {
    const USERS: usize = 1000;
    let world = World::new().await;
    let guids: Vec<Uuid> = (0..USERS).map(|_| Uuid::new_v4()).collect();
    let user = |guid: &Uuid| {
        json!({"guid": guid, "email": format!("{guid}@example.com"), "accountName": guid, "displayName": guid, "location": world.location,
            "configurationGroup": null, "profiles": []})
    };
    world.xphone_control(Method::POST, "users", guids.iter().map(user).collect()).await;
    world.directory().await;
    world.listen().await;
    let call = |guid: Uuid| world.xphone_telephone(Person { xphone: guid, teams: Uuid::nil() }, 4);
    futures::stream::iter(guids).map(call).buffer_unordered(16).collect::<()>().await;
    world.listen().await;
    let (users, parts): (i64, i64) = sqlx::query_as(
        "select count(*), count(distinct xmin::text) from user_state where xphone_telephone_state = 4 and revisit_at is not null",
    )
    .fetch_one(&world.database().await)
    .await
    .unwrap();
    assert_eq!(usize::try_from(users).unwrap(), USERS);
    assert!(parts <= 40, "{parts} statements");
}

/// What an earlier state left behind goes when the user's client starts: Teams is read again at once.
#[tokio::test]
async fn a_client_that_starts_lets_teams_be_read() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    world.confirm().await;
    world.graph_faults(json!({"notifications": {"lose": 1}})).await;
    world.teams(anna, "Available/Available").await;
    world.settle().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE, "nobody told");
    for connected in [false, true] {
        world.xphone_client(anna, connected).await;
        world.listen().await;
        exhaust(&world.app.tasks.confirmer).await;
    }
    world.settle().await;
    assert_eq!(world.text(anna).await, "Available");
}

/// XPhone is away for a moment, and the gateway has noticed.
async fn cut(world: &World) {
    world.xphone_faults(json!({"down": true})).await;
    for _ in 0..10 {
        if world.try_listen().await.is_err() {
            world.xphone_faults(json!({})).await;
            return;
        }
    }
    panic!("the connection is not cut");
}

async fn telephone(world: &World, person: Person) -> i32 {
    let state = sqlx::query_scalar("select xphone_telephone_state from user_state where user_guid = $1").bind(person.xphone);
    state.fetch_one(&world.database().await).await.unwrap()
}

/// Whose time has come.
async fn woken(world: &World) -> Vec<Uuid> {
    let due = sqlx::query_scalar("select user_guid from user_state where revisit_at <= $1 order by user_guid");
    due.bind(jiff_sqlx::ToSqlx::to_sqlx(world.clock.now())).fetch_all(&world.database().await).await.unwrap()
}

/// Until when what is known of XPhone was true.
async fn true_at(world: &World) -> Timestamp {
    world.app.store.refreshed_at(Feed::XphonePresence).await.unwrap().unwrap()
}

/// The sequence of XPhone's latest event.
async fn told(world: &World) -> u64 {
    world.xphone_look("events").await["sequence"].as_u64().unwrap()
}

/// How often XPhone was asked for this.
async fn asked(world: &World, endpoint: &str) -> u64 {
    let requests = world.xphone_look("requests").await;
    let counts = requests["counts"].as_array().unwrap();
    counts.iter().filter(|count| count["endpoint"] == endpoint).map(|count| count["count"].as_u64().unwrap()).sum()
}
