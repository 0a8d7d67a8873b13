//! Graph goes on telling us: subscriptions are made, renewed, lost and found.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::World;

const ON_THE_PHONE: &str = "On the phone (MS Teams)";

async fn subscriptions(world: &World) -> Vec<Value> {
    world.graph_look("subscriptions").await.as_array().unwrap().clone()
}

async fn the_subscription(world: &World) -> Value {
    let mut all = subscriptions(world).await;
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

fn id(subscription: &Value) -> String {
    subscription["id"].as_str().unwrap().to_owned()
}

fn expires(subscription: &Value) -> jiff::Timestamp {
    subscription["expiresAt"].as_str().unwrap().parse().unwrap()
}

#[tokio::test]
async fn one_subscription_watches_everybody_and_is_renewed_early() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let first = the_subscription(&world).await;
    assert_eq!(first["users"], json!([anna.teams]));
    let asked = expires(&first).duration_since(world.clock.now());
    assert!(asked >= SignedDuration::from_mins(55) && asked <= SignedDuration::from_mins(59), "{asked:#}");
    let mut shortest = asked;
    for _ in 0..120 {
        world.minute().await;
        let now = the_subscription(&world).await;
        assert_eq!(id(&now), id(&first), "renewed, not made anew");
        shortest = shortest.min(expires(&now).duration_since(world.clock.now()));
    }
    assert!(shortest > SignedDuration::from_mins(35), "{shortest:#}: renewed 10 to 20 minutes after the last time");
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE, "after two hours the tokens are fresh");
}

#[tokio::test]
async fn a_lifecycle_notification_wakes_the_renewal() {
    let (world, _) = World::with_people(["anna"]).await;
    let first = the_subscription(&world).await;
    world.advance(SignedDuration::from_mins(2));
    world.tend_subscriptions().await;
    assert_eq!(expires(&the_subscription(&world).await), expires(&first), "not due yet");
    let path = format!("subscriptions/{}/lifecycle", id(&first));
    world.graph_control(Method::POST, &path, json!({"event": "reauthorizationRequired"})).await;
    world.intake().await;
    world.tend_subscriptions().await;
    assert!(expires(&the_subscription(&world).await) > expires(&first));
    let forged = json!({"event": "subscriptionRemoved", "client_state": "guessed"});
    world.graph_control(Method::POST, &path, forged).await;
    world.intake().await;
    world.tend_subscriptions().await;
    assert_eq!(id(&the_subscription(&world).await), id(&first), "a forged one removes nothing");
}

#[tokio::test]
async fn a_subscription_that_graph_lost_is_made_anew_and_its_gap_read() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let first = the_subscription(&world).await;
    world.graph_control(Method::DELETE, &format!("subscriptions/{}", id(&first)), Value::Null).await;
    world.teams(anna, "Busy/InACall").await;
    world.advance(SignedDuration::from_mins(21));
    world.tend_subscriptions().await;
    assert_ne!(id(&the_subscription(&world).await), id(&first));
    world.confirm().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE, "what happened meanwhile was read");
}

/// Graph takes no end more than an hour ahead, by its own clock.
#[tokio::test]
async fn a_clock_ahead_of_graphs_costs_no_subscription() {
    let (world, _) = World::with_people(["anna"]).await;
    let first = the_subscription(&world).await;
    let ahead = SignedDuration::from_mins(7);
    world.clock.advance(ahead);
    let left = async || expires(&the_subscription(&world).await).duration_since(world.clock.now() - ahead);
    // Nothing has told yet that the clocks differ: less is asked for before anything is given up.
    world.advance(SignedDuration::from_mins(21));
    world.tend_subscriptions().await;
    assert_eq!(id(&the_subscription(&world).await), id(&first));
    assert!(left().await >= SignedDuration::from_mins(49), "{:#}", left().await);
    world.advance(SignedDuration::from_mins(21));
    world.tend_subscriptions().await;
    assert_eq!(id(&the_subscription(&world).await), id(&first));
    assert!(left().await >= SignedDuration::from_mins(57), "{:#}", left().await);
    world.graph_control(Method::DELETE, &format!("subscriptions/{}", id(&first)), Value::Null).await;
    world.advance(SignedDuration::from_mins(21));
    world.tend_subscriptions().await;
    assert_ne!(id(&the_subscription(&world).await), id(&first), "one can be made as well");
}

/// The gateway died after Graph had made the subscription and before it was recorded.
#[tokio::test]
async fn a_subscription_that_only_graph_knows_is_removed_for_a_new_one() {
    let (mut world, [anna]) = World::with_people(["anna"]).await;
    let orphan = the_subscription(&world).await;
    world.app.store.forget_subscription(id(&orphan).parse().unwrap(), world.clock.now()).await.unwrap();
    world.restart().await;
    world.minute().await;
    assert_ne!(id(&the_subscription(&world).await), id(&orphan));
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
}

#[tokio::test]
async fn a_ghost_is_waited_out_on_sweeps() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let first = the_subscription(&world).await;
    world.graph_control(Method::DELETE, &format!("subscriptions/{}", id(&first)), Value::Null).await;
    world.graph_faults(json!({"ghost_subscription": true})).await;
    world.advance(SignedDuration::from_mins(21));
    assert!(world.try_tend_subscriptions().await.is_err());
    world.teams(anna, "Busy/InACall").await;
    world.sweep().await;
    world.settle().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
    world.graph_faults(json!({})).await;
    world.minute().await;
    the_subscription(&world).await;
}

#[tokio::test]
async fn a_newcomer_is_watched_too() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let ben = world.person("ben").await;
    world.next_directory().await;
    world.teams_of_many(&[anna, ben], "Busy/InACall").await;
    world.settle().await;
    assert_eq!([world.text(anna).await, world.text(ben).await], [ON_THE_PHONE, ON_THE_PHONE]);
    let mut both = [anna.teams, ben.teams];
    both.sort();
    assert_eq!(the_subscription(&world).await["users"], json!(both));
}

#[tokio::test]
async fn the_certificate_is_changed_every_ninety_days_and_the_old_one_goes_when_nothing_names_it() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let first = the_subscription(&world).await["encryptionCertificateId"].clone();
    // A notification encrypted for the old one is still on its way.
    for _ in 0..90 * 2 - 1 {
        world.advance(SignedDuration::from_hours(12));
        world.tend_subscriptions().await;
    }
    world.advance(SignedDuration::from_mins(11 * 60 + 50));
    world.tend_subscriptions().await;
    world.graph_faults(json!({"notifications": {"hold": true}})).await;
    world.teams(anna, "Busy/InACall").await;
    world.advance(SignedDuration::from_mins(20));
    world.tend_subscriptions().await;
    let second = the_subscription(&world).await["encryptionCertificateId"].clone();
    assert_ne!(first, second);
    world.graph_control(Method::POST, "notifications/release", json!({})).await;
    world.graph_faults(json!({})).await;
    world.settle().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
    assert_eq!(world.app.store.certificate_ids().await.unwrap().len(), 2);
    for _ in 0..25 {
        world.advance(SignedDuration::from_mins(15));
        world.tend_subscriptions().await;
    }
    crate::world::exhaust(&world.app.tasks.upkeep).await;
    let kept = world.app.store.certificate_ids().await.unwrap();
    assert_eq!(kept.into_iter().map(|id| id.to_string()).collect::<Vec<_>>(), [second.as_str().unwrap()]);
}
