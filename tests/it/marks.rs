//! What does not change costs nothing: people are read again only when the marks of their tables say that something changed, and a mark
//! cannot be missed.

use jiff::SignedDuration;
use presence_gateway::store::mark::Table;
use sqlx::{AssertSqlSafe, PgPool};

use crate::world::World;

const TABLES: [Table; 6] =
    [Table::People, Table::TeamsSync, Table::TeamsPeople, Table::Links, Table::Unlinked, Table::ImportedSeats];

async fn execute(database: &PgPool, statement: &str) {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(database).await.unwrap();
}

#[tokio::test]
async fn every_change_of_a_marked_table_moves_its_mark_and_nothing_else_does() {
    let (world, _) = World::with_people(["anna", "ben"]).await;
    let (database, store) = (world.database().await, &world.app.store);
    let person = "(select guid from person order by guid limit 1)";
    let table = [
        ("update person set name = 'Anne' where guid = PERSON", Some(Table::People)),
        ("update person set name = 'Anne' where false", None),
        ("insert into person (guid, match) values (gen_random_uuid(), 'no_email')", Some(Table::People)),
        ("delete from person where match = 'no_email'", Some(Table::People)),
        ("update teams_sync set mode = 'telephony'", Some(Table::TeamsSync)),
        ("delete from teams_sync", Some(Table::TeamsSync)),
        ("update teams_person set mail = null", Some(Table::TeamsPeople)),
        (
            "insert into teams_link (user_guid, teams_id, linked_by, linked_at) values (PERSON, gen_random_uuid(), 'x', now())",
            Some(Table::Links),
        ),
        ("delete from teams_link", Some(Table::Links)),
        ("delete from teams_link", None),
        ("insert into teams_unlinked (user_guid, at) values (PERSON, now())", Some(Table::Unlinked)),
        (
            "insert into imported_seat (email, location_guid) select 'anna@example.com', guid from location limit 1",
            Some(Table::ImportedSeats),
        ),
        ("delete from location", Some(Table::ImportedSeats)),
        ("truncate imported_seat", Some(Table::ImportedSeats)),
        ("begin; set local search_path = ''; update public.person set name = 'Anna'; commit", Some(Table::People)),
        ("update user_state set revisit_at = 'epoch', woken_by = 1", None),
        ("delete from slot", None),
    ];
    for (statement, expected) in table {
        let mut before = Vec::new();
        for table in TABLES {
            before.push(store.mark(&[table]).await.unwrap());
        }
        execute(&database, &statement.replace("PERSON", person)).await;
        let mut moved = Vec::new();
        for (table, before) in TABLES.into_iter().zip(&before) {
            if store.mark(&[table]).await.unwrap() != *before {
                moved.push(table);
            }
        }
        assert_eq!(moved, Vec::from_iter(expected), "{statement}");
    }
}

/// What commits late shows its mark only then, and nobody else's mark passes it.
#[tokio::test]
async fn a_mark_is_seen_together_with_its_change_however_late_that_commits() {
    let (world, _) = World::with_people(["anna"]).await;
    let (database, store) = (world.database().await, &world.app.store);
    let before = store.mark(&[Table::People]).await.unwrap();
    let mut late = database.begin().await.unwrap();
    sqlx::query("update person set name = 'late'").execute(&mut *late).await.unwrap();
    let mut other = database.acquire().await.unwrap();
    sqlx::query("set lock_timeout = '50ms'").execute(&mut *other).await.unwrap();
    let insert = sqlx::query("insert into person (guid, match) values (gen_random_uuid(), 'no_email')");
    insert.execute(&mut *other).await.expect_err("a second writer waits for the first one's mark");
    assert_eq!(store.mark(&[Table::People]).await.unwrap(), before, "neither is to be seen");
    late.commit().await.unwrap();
    assert_ne!(store.mark(&[Table::People]).await.unwrap(), before);
}

/// A change that moves no mark: nobody can know of it who does not read the table.
async fn unmarked(database: &PgPool, table: &str, statement: &str) {
    let disabled =
        format!("begin; alter table {table} disable trigger user; {statement}; alter table {table} enable trigger user; commit");
    execute(database, &disabled).await;
}

const NEWCOMER: &str = "insert into person (guid, match, teams_id, location_guid)
    select gen_random_uuid(), 'matched', gen_random_uuid(), location_guid from person limit 1";

#[tokio::test]
async fn who_is_to_be_watched_is_read_when_a_mark_has_moved_and_each_five_minutes() {
    let (world, _) = World::with_people(["anna", "ben"]).await;
    let database = world.database().await;
    world.tend_subscriptions().await;
    let joining = async || {
        world.advance(SignedDuration::from_secs(1));
        world.tend_subscriptions().await;
        world.count(r#"swept_users{why="joining"}"#).await
    };
    assert_eq!(joining().await, 0);
    unmarked(&database, "person", NEWCOMER).await;
    assert_eq!(joining().await, 0, "nobody was read");
    world.advance(SignedDuration::from_mins(5));
    assert_eq!(joining().await, 1);
    execute(&database, NEWCOMER).await;
    assert_eq!(joining().await, 2);
    execute(&database, "update teams_sync set mode = 'none', user_may_change = false").await;
    assert_eq!(joining().await, 0);
}

#[tokio::test]
async fn a_subscriptions_list_is_read_once() {
    let (world, _) = World::with_people(["anna", "ben"]).await;
    let database = world.database().await;
    world.tend_subscriptions().await;
    let subscription = async || world.graph_look("subscriptions").await[0]["id"].clone();
    let before = subscription().await;
    execute(&database, "delete from subscription_user").await;
    for _ in 0..40 {
        world.advance(SignedDuration::from_secs(10));
        world.tend_subscriptions().await;
    }
    assert_eq!(subscription().await, before, "a list that were read again would lack everybody, and be made anew");
}

#[tokio::test]
async fn people_are_counted_for_prometheus_when_a_mark_has_moved_and_each_five_minutes() {
    let (world, _) = World::with_people(["anna", "ben"]).await;
    let database = world.database().await;
    let matched = async || world.count(r#"users{state="matched"}"#).await;
    assert_eq!(matched().await, 2);
    unmarked(&database, "person", NEWCOMER).await;
    assert_eq!(matched().await, 2, "nobody was counted");
    execute(&database, NEWCOMER).await;
    assert_eq!(matched().await, 4);
    unmarked(&database, "person", NEWCOMER).await;
    world.advance(SignedDuration::from_mins(5));
    assert_eq!(matched().await, 5);
}

#[tokio::test]
async fn nobody_is_compared_while_both_directories_say_what_they_said_when_nothing_differed() {
    let (world, [anna, _]) = World::with_people(["anna", "ben"]).await;
    let database = world.database().await;
    let next = async || {
        world.advance(SignedDuration::from_secs(300));
        world.directory().await;
        let name = sqlx::query_scalar::<_, String>("select name from person where guid = $1").bind(anna.xphone);
        name.fetch_one(&database).await.unwrap()
    };
    let name = next().await;
    let spoil = "update person set name = 'spoilt'";
    unmarked(&database, "person", spoil).await;
    assert_eq!(next().await, "spoilt", "nobody was loaded");
    execute(&database, "update teams_person set mail = mail").await;
    assert_eq!(next().await, name, "a mark has moved: what is stored is compared again, and put right");
    assert_eq!(next().await, name);
    unmarked(&database, "person", spoil).await;
    world.person("cora").await;
    assert_eq!(next().await, name, "XPhone tells of somebody new");
    assert_eq!(next().await, name);
    unmarked(&database, "person", spoil).await;
    assert_eq!(next().await, "spoilt");
    world.advance(SignedDuration::from_hours(1));
    assert_eq!(next().await, name, "once an hour, whatever the marks say");
}
