//! What is forgotten of a user, column by column. Several statements name these columns, each with some of its own: one that is added
//! must be left out of none.

use jiff::SignedDuration;
use presence_gateway::domain::directory::{Match, difference};
use presence_gateway::store::lease::Lease;
use sqlx::PgPool;
use uuid::Uuid;

use crate::world::World;

/// What Teams was last seen to say.
const TEAMS: [&str; 9] = [
    "native",
    "native_since",
    "read_activity",
    "read_at",
    "read_availability",
    "teams_activity",
    "teams_availability",
    "teams_observed_at",
    "teams_source",
];
/// What XPhone was last seen to say.
const XPHONE: [&str; 7] = [
    "xphone_client_connected",
    "xphone_meeting",
    "xphone_observed_at",
    "xphone_ours",
    "xphone_sequence",
    "xphone_status_guid",
    "xphone_telephone_state",
];
/// All that may be known of a user.
const KNOW: &str = "update user_state set teams_availability = 'Busy', teams_activity = 'InACall', teams_sequence = '7',
        teams_source = 'read', teams_observed_at = '2026-11-01Z', read_availability = 'Busy', read_activity = 'InACall',
        read_at = '2026-11-01Z', confirm_at = '2026-11-01Z', native = 'call', native_since = '2026-11-01Z', xphone_telephone_state = 1,
        xphone_meeting = 'none', xphone_status_guid = gen_random_uuid(), xphone_ours = true, xphone_client_connected = true,
        xphone_sequence = 7, xphone_observed_at = '2026-11-01Z', appointment_reason = 'x', session_reason = 'x',
        preferred_reason = 'x', decided_at = '2026-11-01Z', changed_at = '2026-11-01Z', revisit_at = '2026-11-01Z', woken_by = 1,
        cleared_at = '2026-11-01Z', microphone_held = 'lapsed', microphone_held_since = '2026-11-01Z', trace = 'x'";

/// The columns that hold nothing.
async fn empty(database: &PgPool) -> Vec<String> {
    let empty = "select distinct key from user_state, jsonb_each(to_jsonb(user_state)) where value = 'null' order by key";
    sqlx::query_scalar(empty).fetch_all(database).await.unwrap()
}

/// A user of whom everything is known.
async fn known_whole(world: &World) -> PgPool {
    let database = world.database().await;
    sqlx::query(KNOW).execute(&database).await.unwrap();
    assert_eq!(empty(&database).await, [""; 0], "a new column: fill it above, and say below who forgets it");
    database
}

fn sorted(columns: &[&[&str]]) -> Vec<String> {
    let mut columns: Vec<String> = columns.concat().into_iter().map(str::to_owned).collect();
    columns.sort();
    columns
}

#[tokio::test]
async fn each_side_is_forgotten_as_a_whole_by_whoever_forgets_it() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let store = &world.app.store;

    // Another user of Teams from now on, or none.
    let database = known_whole(&world).await;
    let lease = Lease { name: "directory", holder: Uuid::new_v4() };
    world.advance(SignedDuration::from_mins(5));
    let now = world.clock.now();
    assert!(store.hold_lease(lease.name, lease.holder, now, SignedDuration::from_mins(1)).await.unwrap());
    let before = store.people().await.unwrap();
    let mut after = before.clone();
    after[0].matched = Match::NotInTeams;
    assert!(store.write_difference(&difference(&before, after, &[]), lease, now).await.unwrap());
    let own = ["confirm_at", "teams_sequence"].as_slice();
    assert_eq!(empty(&database).await, sorted(&[&TEAMS, own]), "parted from {}", anna.teams);

    // What is old, of somebody for whom nothing is synchronised. What Teams said last of all still tells which of its words are newer.
    known_whole(&world).await;
    store.forget_observations(now).await.unwrap();
    assert_eq!(empty(&database).await, sorted(&[&TEAMS, &XPHONE]));

    // Everything, with what was to come of it.
    known_whole(&world).await;
    store.forget_everything_observed().await.unwrap();
    let own = ["changed_at", "confirm_at", "revisit_at", "teams_sequence", "trace"].as_slice();
    assert_eq!(empty(&database).await, sorted(&[&TEAMS, &XPHONE, own]));
}
