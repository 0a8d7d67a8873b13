//! The gateway dies between any two steps of the chain, and the next run leaves nobody wrong.

use std::time::Duration;

use jiff::SignedDuration;
use presence_gateway::domain::timeline::Waker;
use presence_gateway::store::inbox::{Holding, PostKind};
use serde_json::json;

use crate::world::{Person, World};

const ON_THE_PHONE: &str = "On the phone (MS Teams)";

/// The steps of the chain, in order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Nothing,
    Delivered,
    TakenIn,
    Decided,
    Dispatched,
    Confirmed,
}

const STEPS: [Step; 6] = [Step::Nothing, Step::Delivered, Step::TakenIn, Step::Decided, Step::Dispatched, Step::Confirmed];

async fn walk(world: &World, last: Step) {
    if last >= Step::Delivered {
        world.delivered().await;
    }
    if last >= Step::TakenIn {
        world.intake().await;
    }
    if last >= Step::Decided {
        world.reconcile().await;
    }
    if last >= Step::Dispatched {
        world.dispatch().await;
    }
    if last >= Step::Confirmed {
        world.confirm().await;
    }
}

#[tokio::test]
async fn a_death_after_any_step_costs_nothing_but_time() {
    let (mut world, [anna]) = World::with_people(["anna"]).await;
    for last in STEPS {
        for (words, text) in [("Busy/InACall", ON_THE_PHONE), ("Available/Available", "Available")] {
            world.teams(anna, words).await;
            walk(&world, last).await;
            if last >= Step::Delivered {
                // What is durable must do: reading Graph again would heal what was lost.
                world
                    .graph_faults(
                        json!({"deny": [{"endpoint": "getPresencesByUserId", "status": 503, "retry_after_seconds": 3600}]}),
                    )
                    .await;
                world.restart().await;
                world.settle().await;
                assert_eq!(world.text(anna).await, text, "died after {last:?}, {words}, without reading");
                world.confirm().await;
                assert_eq!(world.text(anna).await, text, "died after {last:?}, {words}, reading in vain");
                world.graph_faults(json!({})).await;
                world.advance(SignedDuration::from_secs(3601));
            } else {
                world.restart().await;
                world.settle().await;
            }
            world.minute().await;
            assert_eq!(world.text(anna).await, text, "died after {last:?}, {words}");
        }
    }
}

/// Whoever works on a post keeps it, without keeping Postgres from tidying up; whoever dies over it has given it back.
#[tokio::test]
async fn a_post_is_one_gateways_while_it_lives() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let database = world.database().await;
    world.teams(anna, "Busy/InACall").await;
    world.delivered().await;
    let mut holding = Holding::begin(&world.app.store).await.unwrap();
    let posts = holding.take(&world.app.store, PostKind::Notification, world.clock.now(), 10).await.unwrap();
    assert_eq!(posts.len(), 1);
    world.settle().await;
    assert_eq!(world.text(anna).await, "Available", "somebody else is at it");
    let hinders = "select count(*) from pg_stat_activity
        where datname = current_database() and state = 'idle in transaction' and (backend_xid is not null or backend_xmin is not null)";
    let hinders: i64 = sqlx::query_scalar(hinders).fetch_one(&database).await.unwrap();
    assert_eq!(hinders, 0);
    holding.finish().rollback().await.unwrap();
    world.settle().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
    assert_eq!(world.app.store.inbox_depth().await.unwrap().posts, 0);
}

#[tokio::test]
async fn two_deaths_in_one_change_cost_nothing_either() {
    let (mut world, [anna]) = World::with_people(["anna"]).await;
    for first in STEPS {
        world.teams(anna, "Busy/InACall").await;
        walk(&world, first).await;
        world.restart().await;
        world.teams(anna, "Available/Available").await;
        walk(&world, Step::Decided).await;
        world.restart().await;
        world.minute().await;
        assert_eq!(world.text(anna).await, "Available", "died after {first:?}");
        assert_eq!(world.appointment(anna).await, None);
    }
}

/// A push went out and took effect, but the gateway died before it heard so.
#[tokio::test]
async fn a_push_whose_answer_was_lost_is_repeated_without_harm() {
    let (mut world, [anna]) = World::with_people(["anna"]).await;
    for (words, text) in [("Busy/InACall", ON_THE_PHONE), ("Available/Available", "Available")] {
        world.xphone_faults(json!({"applied_but_answer_lost": 1})).await;
        world.teams(anna, words).await;
        world.settle().await;
        world.restart().await;
        world.minute().await;
        assert_eq!(world.text(anna).await, text);
    }
    assert_eq!(world.appointment(anna).await, None);
}

/// The call ends while the push that announces it may or may not have taken effect.
#[tokio::test]
async fn what_may_have_been_shown_is_taken_back() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.xphone_faults(json!({"applied_but_answer_lost": 1})).await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    world.teams(anna, "Available/Available").await;
    world.intake().await;
    world.reconcile().await;
    world.advance(SignedDuration::from_secs(10));
    world.dispatch().await;
    assert_eq!(world.appointment(anna).await, None);
}

#[tokio::test]
async fn what_an_earlier_life_left_behind_is_adopted_or_removed() {
    let (mut world, [anna, ben]) = World::with_people(["anna", "ben"]).await;
    plant(&world, anna, ON_THE_PHONE).await;
    plant(&world, ben, ON_THE_PHONE).await;
    world.teams(anna, "Busy/InACall").await;
    world.restart().await;
    world.minute().await;
    assert_eq!([world.text(anna).await, world.text(ben).await], [ON_THE_PHONE, "Available"]);
    assert_eq!(world.appointment(ben).await, None);
    world.teams(anna, "Available/Available").await;
    world.settle().await;
    assert_eq!(world.appointment(anna).await, None, "what was adopted goes with its cause");
}

#[tokio::test]
async fn what_the_server_lost_is_set_again() {
    let names = ["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"];
    let (world, people) = World::with_people(names).await;
    world.teams_of_many(&people, "Busy/InACall").await;
    world.settle().await;
    world.minute().await;
    for person in people {
        world.remove_appointment(person).await;
    }
    world.minute().await;
    for person in people {
        assert_eq!(world.text(person).await, ON_THE_PHONE, "nobody removes twelve appointments at once");
    }
}

/// An appointment of our key and origin that the gateway knows nothing of.
async fn plant(world: &World, person: Person, subject: &str) {
    let user = world.xphone_look(&format!("users/{}", person.xphone)).await;
    let profile = user["user"]["profiles"][0]["guid"].clone();
    let (start, end) = (world.clock.now(), world.clock.now() + SignedDuration::from_hours(3));
    let appointment = json!({
        "origin": "MSTeams", "subject": subject, "profileGuid": profile, "presenceStateGuid": null,
        "start": start.to_string(), "end": end.to_string(), "visibleFrom": null,
    });
    world
        .xphone_control(reqwest::Method::PUT, &format!("users/{}/appointments/presence-gateway", person.xphone), appointment)
        .await;
}

/// Whoever waits for a user's row reads what else is known of them afterwards: it may have been changed by whoever held the row.
#[tokio::test]
async fn what_is_chosen_while_a_notification_waits_counts() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let database = world.database().await;
    sqlx::query("update teams_sync set user_may_change = true").execute(&database).await.unwrap();
    world.teams(anna, "Busy/InACall").await;
    world.delivered().await;
    let mut choosing = database.begin().await.unwrap();
    let hold = "select from user_state where user_guid = $1 for no key update";
    sqlx::query(hold).bind(anna.xphone).execute(&mut *choosing).await.unwrap();
    let choose = async {
        let waits =
            "select exists (select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock')";
        let waiting = async {
            while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&database).await.unwrap() {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(9), waiting).await.expect("nobody waited for the row");
        let none = "insert into teams_sync_choice (user_guid, mode) values ($1, 'none')";
        sqlx::query(none).bind(anna.xphone).execute(&mut *choosing).await.unwrap();
        let wake = "update user_state set revisit_at = 'epoch', woken_by = $2 where user_guid = $1";
        sqlx::query(wake).bind(anna.xphone).bind(Waker::Policy.bit()).execute(&mut *choosing).await.unwrap();
        choosing.commit().await.unwrap();
    };
    tokio::join!(world.intake(), choose);
    world.settle().await;
    assert_eq!(world.text(anna).await, "Available", "it was switched off before it was decided");
}
