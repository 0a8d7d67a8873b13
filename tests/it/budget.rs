//! Graph's request budget: what a sweep costs, who yields, what a throttled kind of request holds up, and how replicas share.

use jiff::SignedDuration;
use presence_gateway::app::App;
use presence_gateway::domain::ids::TeamsUserId;
use presence_gateway::tasks::driver::Task;
use serde_json::json;

use crate::world::{World, exhaust};

const MANY: i64 = 10_000;
/// The settings' own limit, which is the lowest that Microsoft has documented: 1500 requests in 30 s.
const LIMIT_PER_MINUTE: u64 = 3000;

impl World {
    /// People who are matched with somebody in Teams, without having been read from either side.
    pub async fn crowd_of(&self, people: i64) {
        let crowd = "with crowd as (
                 insert into person (guid, match, teams_id, location_guid)
                 select gen_random_uuid(), 'matched', gen_random_uuid(), $1 from generate_series(1, $2) returning guid)
             insert into user_state (user_guid) select guid from crowd";
        sqlx::query(crowd).bind(self.location).bind(people).execute(&self.database().await).await.unwrap();
    }
}

async fn share(app: &App) -> u32 {
    app.tasks.heartbeat.run().await.unwrap();
    app.metrics
        .text()
        .unwrap()
        .lines()
        .find_map(|line| line.strip_prefix("presence_gateway_graph_budget_share ").map(|share| share.parse().unwrap()))
        .unwrap()
}

#[tokio::test]
async fn sweeping_ten_thousand_takes_sixteen_requests_a_minute() {
    let world = World::with(|sources| sources.with("GATEWAY__GRAPH__PUSH", false)).await;
    world.directory().await;
    world.set_policy("telephony_and_presence", false).await;
    world.crowd_of(MANY).await;
    for _ in 0..3 {
        let before = world.asked_graph("getPresencesByUserId", 200).await;
        for _ in 0..60 {
            world.advance(SignedDuration::from_secs(1));
            exhaust(&world.app.tasks.sweep).await;
        }
        let minute = world.asked_graph("getPresencesByUserId", 200).await - before;
        assert_eq!(minute, 16, "10000 users, 650 in a request");
        assert!(minute * 20 < LIMIT_PER_MINUTE, "under five percent: it is half a percent");
    }
    world.app.tasks.heartbeat.run().await.unwrap();
    assert_eq!(world.count(r#"graph_budget_requests_total{class="sweep",result="sent"}"#).await, 48);
}

#[tokio::test]
async fn what_graph_throttles_holds_up_nothing_else() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let throttled = |endpoint: &str| json!({"deny": [{"endpoint": endpoint, "status": 429, "retry_after_seconds": 40}]});
    world.graph_faults(throttled("getPresencesByUserId")).await;
    world.advance(SignedDuration::from_secs(60));
    world.sweep().await;
    world.xphone_telephone(anna, 4).await;
    world.hear().await;
    assert_eq!(world.in_teams(anna).await, "Busy/InACall", "setting goes on while reading is throttled");
    let reads = world.asked_graph("getPresencesByUserId", 429).await;
    world.seconds(30).await;
    world.sweep().await;
    assert_eq!(world.asked_graph("getPresencesByUserId", 429).await, reads, "reading keeps to the pause it was asked for");
    world.graph_faults(throttled("presence")).await;
    world.xphone_telephone(anna, 2).await;
    world.hear().await;
    world.advance(SignedDuration::from_secs(25));
    let renewed = world.asked_graph("renewSubscription", 200).await;
    let read = world.asked_graph("getPresencesByUserId", 200).await;
    world.sweep().await;
    world.advance(SignedDuration::from_mins(20));
    world.tend_subscriptions().await;
    assert_eq!(world.asked_graph("renewSubscription", 200).await, renewed + 1, "renewing goes on while writing is throttled");
    assert!(world.asked_graph("getPresencesByUserId", 200).await > read, "and so does reading");
}

#[tokio::test]
async fn replicas_share_the_budget_and_take_over_what_a_dead_one_had() {
    let world = World::new().await;
    assert_eq!(share(&world.app).await, 1500);
    world.advance(SignedDuration::from_secs(1));
    let second = world.replica(&world.clock).await;
    assert_eq!((share(&second).await, share(&world.app).await), (750, 750));
    world.advance(SignedDuration::from_secs(1));
    let third = world.replica(&world.clock).await;
    assert_eq!((share(&third).await, share(&second).await, share(&world.app).await), (500, 500, 500));
    assert_eq!(world.app.store.replicas().await.unwrap().len(), 3);
    // One is killed: it is missed after 20 s. One says good-bye.
    world.advance(SignedDuration::from_secs(15));
    assert_eq!((share(&second).await, share(&world.app).await), (500, 500));
    world.advance(SignedDuration::from_secs(6));
    assert_eq!((share(&second).await, share(&world.app).await), (750, 750));
    let id = world.app.store.replicas().await.unwrap()[1].id;
    world.app.store.forget_replica(id).await.unwrap();
    assert_eq!(share(&world.app).await, 1500);
}

/// What is still to be opened is news to everybody; what waits for a read was acted on already.
#[tokio::test]
async fn a_burst_that_is_being_opened_goes_before_confirming_reads() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.settle().await;
    world.confirm().await;
    let reads = async || world.asked_graph("getPresencesByUserId", 200).await;
    let (opened, opening) = std::sync::mpsc::channel::<()>();
    let burst = world.app.tasks.intake.opener.compute(move || opening.recv().is_ok());
    let confirm = async |millis| {
        world.advance(SignedDuration::from_millis(millis));
        exhaust(&world.app.tasks.confirmer).await;
    };

    let due = async || {
        let user = [TeamsUserId(anna.teams)];
        world.app.store.confirm_users(&user, world.clock.now()).await.unwrap();
    };

    let before = reads().await;
    due().await;
    confirm(1000).await;
    assert_eq!(reads().await, before, "due, but the burst is not over");
    confirm(1500).await;
    assert_eq!(reads().await, before + 1, "nobody waits longer than 2 s for it");

    due().await;
    confirm(1000).await;
    assert_eq!(reads().await, before + 1, "it goes on");
    opened.send(()).unwrap();
    assert!(burst.await.unwrap());
    confirm(0).await;
    assert_eq!(reads().await, before + 2, "it is over");
}
