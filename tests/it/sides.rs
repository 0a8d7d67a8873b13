//! A side that fails, or a user who does, stops nobody else.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;

use crate::world::{Person, World};

const ON_THE_PHONE: &str = "On the phone (MS Teams)";
/// Less than the ten seconds after which the gateway gives up a push.
const WITHIN: Duration = Duration::from_secs(9);

#[tokio::test]
async fn xphone_is_away_for_ten_minutes() {
    let (world, [anna, ben]) = World::with_people(["anna", "ben"]).await;
    let before = accepted(&world).await;
    world.xphone_faults(json!({"down": true})).await;
    world.teams_of_many(&[anna, ben], "Busy/InACall").await;
    world.settle().await;
    for _ in 0..60 {
        world.advance(SignedDuration::from_secs(10));
        world.dispatch().await;
    }
    assert_eq!(accepted(&world).await, before);
    world.xphone_faults(json!({})).await;
    // Within seconds of its return.
    for _ in 0..3 {
        world.advance(SignedDuration::from_secs(3));
        world.dispatch().await;
    }
    assert_eq!([world.text(anna).await, world.text(ben).await], [ON_THE_PHONE, ON_THE_PHONE]);
}

#[tokio::test]
async fn a_call_that_ended_while_xphone_refused_everything_is_never_told() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let deny =
        json!({"deny": [{"endpoint": "appointments", "user": null, "status": 503, "retry_after_seconds": 5, "times": null}]});
    world.xphone_faults(deny).await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    world.teams(anna, "Available/Available").await;
    world.settle().await;
    world.xphone_faults(json!({})).await;
    let before = accepted(&world).await;
    world.minute().await;
    assert_eq!(accepted(&world).await, before, "nothing had to be taken back, so nothing was sent");
    assert_eq!(world.text(anna).await, "Available");
}

#[tokio::test]
async fn a_user_whom_xphone_refuses_stops_nobody_else() {
    for status in [422, 409, 500] {
        let (world, [anna, ben, cleo]) = World::with_people(["anna", "ben", "cleo"]).await;
        let deny = json!({"deny": [{"endpoint": "appointments", "user": anna.xphone, "status": status, "retry_after_seconds": null, "times": null}]});
        world.xphone_faults(deny).await;
        world.teams_of_many(&[anna], "Busy/InACall").await;
        world.settle().await;
        world.teams_of_many(&[ben, cleo], "Busy/InACall").await;
        world.settle().await;
        assert_eq!([world.text(ben).await, world.text(cleo).await], [ON_THE_PHONE, ON_THE_PHONE], "{status}");
        world.xphone_faults(json!({})).await;
        world.advance(SignedDuration::from_mins(11));
        world.dispatch().await;
        assert_eq!(world.text(anna).await, ON_THE_PHONE, "{status}");
    }
}

#[tokio::test]
async fn xphone_asks_to_wait_and_is_left_alone() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let deny =
        json!({"deny": [{"endpoint": "appointments", "user": null, "status": 429, "retry_after_seconds": 60, "times": 1}]});
    world.xphone_faults(deny).await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    let asked = world.writes().await;
    for _ in 0..5 {
        world.advance(SignedDuration::from_secs(10));
        world.dispatch().await;
        assert_eq!(world.writes().await, asked);
    }
    world.advance(SignedDuration::from_secs(11));
    world.dispatch().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
}

#[tokio::test]
async fn graph_cannot_be_read_and_notifications_alone_do() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.graph_faults(json!({"deny": [{"endpoint": "getPresencesByUserId", "status": 503, "retry_after_seconds": 30}]})).await;
    for (words, text) in [("Busy/InACall", ON_THE_PHONE), ("Available/Available", "Available")] {
        world.teams(anna, words).await;
        world.settle().await;
        world.confirm().await;
        assert_eq!(world.text(anna).await, text);
    }
}

#[tokio::test]
async fn a_user_whose_pushes_hang_holds_up_nobody_else() {
    let (world, [anna, ben, cleo]) = World::with_people(["anna", "ben", "cleo"]).await;
    world.xphone_faults(json!({"hang": {"user": anna.xphone, "seconds": 3600}})).await;
    world.teams_of_many(&[anna, ben], "Busy/InACall").await;
    world.intake().await;
    world.reconcile().await;
    let others = async {
        appears(&world, ben).await;
        // Decided while Anna's push is under way.
        world.teams(cleo, "Busy/InACall").await;
        world.intake().await;
        world.reconcile().await;
        appears(&world, cleo).await;
    };
    tokio::select! {
        shown = tokio::time::timeout(WITHIN, others) => shown.expect("Anna's push holds up the others'"),
        () = world.dispatch() => panic!("everything ended, Anna's push too, before the others showed"),
    }
    assert_eq!(world.text(anna).await, "Available");
    world.xphone_faults(json!({})).await;
    world.advance(SignedDuration::from_secs(61));
    world.dispatch().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
}

/// Waits until XPhone shows the person on the phone.
async fn appears(world: &World, person: Person) {
    while world.text(person).await != ON_THE_PHONE {
        tokio::task::yield_now().await;
    }
}

/// Appointment writes that XPhone accepted.
async fn accepted(world: &World) -> usize {
    let requests = world.xphone_look("requests").await;
    let writes = requests["appointment_writes"].as_array().unwrap();
    writes.iter().filter(|write| write["status"].as_u64().is_some_and(|status| status < 500)).count()
}
