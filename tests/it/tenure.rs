//! Work under a lease that takes longer than the lease lasts: here because XPhone takes a request and never answers.

use std::time::Duration;

use jiff::SignedDuration;
use presence_gateway::tasks::Progress;
use presence_gateway::tasks::driver::Task;
use sqlx::PgPool;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::world::World;

/// Longer than leases last.
const LONG: SignedDuration = SignedDuration::from_secs(16);
const EXPIRES: &str = "select extract(epoch from expires_at)::int8 from lease where name = 'directory'";

/// A gateway whose XPhone is silent, and who makes it so.
async fn silent_world() -> (World, PgPool, TcpListener) {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", silent.local_addr().unwrap());
    let world = World::with(|sources| sources.with("GATEWAY__XPHONE__BASE_URL", address)).await;
    let database = world.database().await;
    (world, database, silent)
}

/// When the lease ends, once it is there and does not end then any more.
async fn end_of_lease(database: &PgPool, other_than: Option<i64>) -> i64 {
    let mut looks = tokio::time::interval(Duration::from_millis(20));
    loop {
        looks.tick().await;
        let end: Option<i64> = sqlx::query_scalar(EXPIRES).fetch_optional(database).await.unwrap();
        if let Some(end) = end.filter(|end| Some(*end) != other_than) {
            return end;
        }
    }
}

#[tokio::test]
async fn a_lease_is_prolonged_beside_the_work() {
    let (world, database, _silent) = silent_world().await;
    let look = async {
        let end = end_of_lease(&database, None).await;
        world.advance(SignedDuration::from_secs(10));
        assert_eq!(end_of_lease(&database, Some(end)).await, end + 10);
    };
    tokio::select! {
        ended = world.app.tasks.directory.run() => panic!("the work ended first: {ended:?}"),
        () = look => {}
    }
}

#[tokio::test]
async fn work_is_dropped_when_its_lease_is_anothers() {
    let (world, database, _silent) = silent_world().await;
    let (other, store) = (Uuid::new_v4(), &world.app.store);
    let take = async {
        end_of_lease(&database, None).await;
        let (name, ahead) = ("directory", world.clock.now() + LONG);
        assert!(!store.hold_lease(name, other, world.clock.now(), LONG).await.unwrap(), "while it lasts, nobody else gets it");
        assert!(store.hold_lease(name, other, ahead, LONG).await.unwrap(), "by this clock it is over");
    };
    let (ended, ()) = tokio::join!(world.app.tasks.directory.run(), take);
    assert_eq!(ended.unwrap(), Progress::Idle, "given up, instead of waiting for XPhone and failing");
    assert!(!store.hold_lease("directory", Uuid::new_v4(), world.clock.now(), LONG).await.unwrap(), "it is still the other's");
}
