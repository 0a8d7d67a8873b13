//! Several gateways as processes on one database: they are replaced one by one, killed, and lose their database.

mod balancer;
mod cluster;
mod fleet;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use reqwest::StatusCode;
use serde_json::{Value, json};

use self::fleet::{Fleet, Replica, Writes};

/// Far more than anything here takes, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(100);
/// How often is looked whether something has come about.
const LOOK_EVERY: Duration = Duration::from_millis(20);
const PEOPLE: usize = 6;

/// Waits until something has come about.
async fn until(what: &str, mut has_come: impl AsyncFnMut() -> bool) {
    let mut looks = tokio::time::interval(LOOK_EVERY);
    let came = async {
        while !has_come().await {
            looks.tick().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, came).await.is_ok(), "never: {what}");
}

/// Changes everybody on both sides until told to stop, each change once it is seen that the one before has arrived; how often
/// calls began and ended.
async fn keep_changing(fleet: &Fleet, stop: &AtomicBool) -> u64 {
    let mut rounds = 0;
    while !stop.load(Ordering::Relaxed) {
        for in_a_call in [true, false] {
            tokio::join!(fleet.call_in_teams(in_a_call), fleet.call_in_xphone(in_a_call));
            tokio::join!(fleet.until_xphone_shows(in_a_call), fleet.until_teams_shows(in_a_call));
        }
        rounds += 1;
    }
    rounds
}

fn as_often(rounds: u64) -> Writes {
    let each = rounds * PEOPLE as u64;
    Writes { appointments_set: each, appointments_deleted: each, sessions_set: each, sessions_cleared: each }
}

#[tokio::test]
async fn a_rolling_update_loses_and_doubles_no_change() {
    let fleet = Fleet::new(PEOPLE).await;
    let (first, second) = (fleet.start("first").await, fleet.start("second").await);
    fleet.balancer.point_at([first.public, second.public]);
    fleet.go_live(&first).await;
    let stop = AtomicBool::new(false);
    let update = async {
        let (third, _) = replace(&fleet, first, "third", second.public).await;
        let (fourth, _) = replace(&fleet, second, "fourth", third.public).await;
        stop.store(true, Ordering::Relaxed);
        (third, fourth)
    };
    let (rounds, (third, fourth)) = tokio::join!(keep_changing(&fleet, &stop), update);
    assert!(rounds >= 2, "there were changes all the while");
    assert_eq!(fleet.writes().await, as_often(rounds));
    for name in ["first", "second"] {
        assert!(!fleet.log(name).contains("stopping hard"), "{}", fleet.log(name));
    }
    let leases = "select count(*) from lease where expires_at > now()";
    until("the new ones do what only one may do", async || fleet.count(leases).await >= Some(4)).await;
    third.stop().await;
    fourth.stop().await;
}

/// The next version starts before this one stops, as a rolling update does.
async fn replace(fleet: &Fleet, old: Replica, name: &str, other: std::net::SocketAddr) -> (Replica, f64) {
    let new = fleet.start(name).await;
    fleet.balancer.point_at([new.public, other]);
    let taken = fleet.metric(&old, "notifications_total", &[]).await;
    old.stop().await;
    (new, taken)
}

#[tokio::test]
async fn whoever_is_killed_is_followed_within_half_a_minute() {
    let fleet = Fleet::new(PEOPLE).await;
    let first = fleet.start("first").await;
    fleet.balancer.point_at([first.public]);
    fleet.go_live(&first).await;
    let names =
        "select count(*) from lease where name in ('directory', 'sweep', 'subscriptions', 'xphone_listener', 'appointments')";
    until("it does all that only one may do", async || fleet.count(names).await == Some(5)).await;
    let second = fleet.start("second").await;
    fleet.balancer.point_at([first.public, second.public]);
    fleet.call_in_teams(true).await;
    fleet.call_in_xphone(true).await;
    tokio::join!(fleet.until_xphone_shows(true), fleet.until_teams_shows(true));
    assert_eq!(fleet.count("select count(distinct holder) from lease").await, Some(1), "the second waits for its turn");
    let holder = holder(&fleet).await;

    first.kill().await;
    let killed = Instant::now();
    // Teams is heard by whoever is left, at once; XPhone as soon as somebody else listens.
    fleet.call_in_teams(false).await;
    fleet.call_in_xphone(false).await;
    tokio::join!(fleet.until_xphone_shows(false), fleet.until_teams_shows(false));
    // What is done each few seconds is followed at once; whatever is done less often is free for whoever is next.
    until("another does it", async || {
        let holders = holders(&fleet).await;
        let is_anothers = |name: &str| holders.iter().any(|(lease, by)| lease == name && *by != holder);
        ["xphone_listener", "subscriptions", "appointments"].into_iter().all(is_anothers)
    })
    .await;
    assert!(killed.elapsed() < Duration::from_secs(30), "{:?}", killed.elapsed());
    assert_eq!(fleet.writes().await, as_often(1));
    second.stop().await;
}

async fn holder(fleet: &Fleet) -> uuid::Uuid {
    holders(fleet).await[0].1
}

async fn holders(fleet: &Fleet) -> Vec<(String, uuid::Uuid)> {
    let mut connection = fleet.cluster.connect().await.unwrap();
    sqlx::query_as("select name, holder from lease").fetch_all(&mut connection).await.unwrap()
}

/// For as long as it takes until every wait for the database has run out several times and every lease has ended, which is the same
/// to the gateways as a minute, or an hour.
#[tokio::test]
async fn a_database_that_goes_and_comes_back_costs_nothing_but_time() {
    let mut fleet = Fleet::new(PEOPLE).await;
    let replicas = [fleet.start("first").await, fleet.start("second").await];
    fleet.balancer.point_at(replicas.each_ref().map(|replica| replica.public));
    fleet.go_live(&replicas[0]).await;
    fleet.call_in_teams(true).await;
    tokio::join!(fleet.until_xphone_shows(true));
    let refused_before = refused(&fleet).await;

    fleet.cluster.go_away().await;
    fleet.call_in_teams(false).await;
    fleet.call_in_xphone(true).await;
    for replica in &replicas {
        let post = json!({"value": [{"subscriptionId": uuid::Uuid::new_v4(), "tenantId": uuid::Uuid::new_v4()}]});
        let url = format!("http://{}/graph/notifications", replica.public);
        let answer = fleet.http.post(url).json(&post).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(fleet.readiness(replica).await, Some(StatusCode::SERVICE_UNAVAILABLE));
        for task in
            ["intake", "reconciler", "xphone_dispatcher", "teams_dispatcher", "confirmer", "sweep", "listener", "subscriptions"]
        {
            let failed = [format!("task=\"{task}\""), "result=\"failed\"".to_owned()];
            let failed = failed.each_ref().map(String::as_str);
            until(&format!("{task} has failed"), async || fleet.metric(replica, "task_runs_total", &failed).await >= 2.0).await;
        }
    }
    assert!(refused(&fleet).await > refused_before, "Graph was told to come again");

    fleet.cluster.come_back().await;
    tokio::join!(fleet.until_xphone_shows(false), fleet.until_teams_shows(true));
    for replica in &replicas {
        until("it is ready", async || fleet.readiness(replica).await == Some(StatusCode::OK)).await;
    }
    fleet.call_in_teams(true).await;
    fleet.call_in_xphone(false).await;
    tokio::join!(fleet.until_xphone_shows(true), fleet.until_teams_shows(false));
    let pending = async || fleet.graph(reqwest::Method::GET, "notifications/pending", Value::Null).await["pending"] == 0;
    until("Graph has got rid of everything", pending).await;
    let given_up = fleet.graph(reqwest::Method::GET, "requests", Value::Null).await["notifications"]["given_up"].as_u64();
    assert_eq!(given_up, Some(0));
    for replica in replicas {
        replica.stop().await;
    }
}

/// How many deliveries of Graph's met a refusal.
async fn refused(fleet: &Fleet) -> u64 {
    let requests = fleet.graph(reqwest::Method::GET, "requests", Value::Null).await;
    requests["notifications"]["refused"].as_u64().unwrap()
}
