//! An XPhone call and do not disturb show in Teams: the other direction, its echoes, and what people do against it.

use jiff::SignedDuration;
use presence_gateway::tasks::driver::Task;
use reqwest::Method;
use serde_json::{Value, json};

use crate::world::{Person, World, exhaust};

const AVAILABLE: &str = "Available/Available";
const IN_A_CALL: &str = "Busy/InACall";
const DO_NOT_DISTURB: &str = "DoNotDisturb/DoNotDisturb";
const ON_THE_PHONE: &str = "On the phone (MS Teams)";
const FREE: u32 = 2;
const RINGING: u32 = 16;
const CALLING: u32 = 4;

#[tokio::test]
async fn an_xphone_call_shows_in_teams_and_its_echo_is_silent() {
    let (world, [anna, ben]) = World::with_people(["anna", "ben"]).await;
    world.xphone_telephone(anna, RINGING).await;
    world.hear().await;
    assert_eq!(world.in_teams(anna).await, AVAILABLE);
    let writes = world.writes().await;
    world.xphone_telephone(anna, CALLING).await;
    world.hear().await;
    assert_eq!([world.in_teams(anna).await, world.in_teams(ben).await], [IN_A_CALL, AVAILABLE]);
    assert_eq!(world.count("shown{slot=\"teams_session\"}").await, 1);
    assert_eq!(world.count("change_to_push_seconds_count{direction=\"xphone_to_teams\"}").await, 1);
    world.confirm().await;
    world.minute().await;
    assert_eq!(world.writes().await, writes, "what it causes in Teams is an echo");
    world.xphone_telephone(anna, FREE).await;
    world.hear().await;
    assert_eq!(world.in_teams(anna).await, AVAILABLE);
    for _ in 0..4 {
        world.seconds(20).await;
    }
    assert_eq!(world.writes().await, writes);
    assert_eq!([world.asked_graph("setPresence", 200).await, world.asked_graph("clearPresence", 200).await], [1, 1]);
    assert_eq!(left(&world).await, 0, "no trace of it is kept");
}

#[tokio::test]
async fn meetings_with_sound_show_and_a_shared_screen_alone_does_not() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    for (meeting, expected) in
        [("screenShare", AVAILABLE), ("audio", IN_A_CALL), ("video", IN_A_CALL), ("screenShare", AVAILABLE), ("none", AVAILABLE)]
    {
        world.xphone_meeting(anna, meeting).await;
        world.hear().await;
        assert_eq!(world.in_teams(anna).await, expected, "{meeting}");
    }
}

#[tokio::test]
async fn a_long_call_is_renewed_at_half_time() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.xphone_telephone(anna, CALLING).await;
    world.hear().await;
    for _ in 0..61 {
        world.minute().await;
        assert_eq!(world.in_teams(anna).await, IN_A_CALL);
    }
    assert_eq!(world.asked_graph("setPresence", 200).await, 1 + 60 / 8, "each time the half of a quarter of an hour has passed");
    world.xphone_telephone(anna, FREE).await;
    world.hear().await;
    assert_eq!(world.in_teams(anna).await, AVAILABLE);
}

#[tokio::test]
async fn a_teams_call_behind_the_xphone_call_comes_to_light() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.xphone_telephone(anna, CALLING).await;
    world.hear().await;
    world.teams(anna, IN_A_CALL).await;
    world.settle().await;
    world.xphone_telephone(anna, FREE).await;
    world.hear().await;
    assert_eq!((world.in_teams(anna).await.as_str(), world.text(anna).await.as_str()), (IN_A_CALL, "Available"));
    world.seconds(5).await;
    assert_eq!(world.text(anna).await, "Available", "so soon a read may still tell of our session");
    world.seconds(5).await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
    world.teams(anna, AVAILABLE).await;
    world.settle().await;
    assert_eq!(world.text(anna).await, "Available");
}

#[tokio::test]
async fn do_not_disturb_goes_both_ways() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.xphone_status(anna, "doNotDisturb").await;
    world.hear().await;
    assert_eq!(world.in_teams(anna).await, DO_NOT_DISTURB);
    let expires_at = world.teams_user(anna).await["preferred"]["expiresAt"].as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    assert_eq!(expires_at, world.clock.now() + SignedDuration::from_hours(24));
    world.confirm().await;
    assert_eq!(world.appointment(anna).await, None, "an echo");
    world.xphone_status(anna, "available").await;
    world.hear().await;
    assert_eq!(world.in_teams(anna).await, AVAILABLE);
    world.minute().await;
    world.minute().await;
    world.pick_in_teams(anna, DO_NOT_DISTURB).await;
    world.settle().await;
    assert_eq!(world.text(anna).await, "Do not disturb (MS Teams)");
    world.hear().await;
    assert_eq!(world.asked_graph("setUserPreferredPresence", 200).await, 1, "what we show in XPhone is not XPhone's own");
}

#[tokio::test]
async fn what_ours_covers_in_xphone_is_still_the_users_own() {
    for heard_together in [true, false] {
        let (world, [anna]) = World::with_people(["anna"]).await;
        world.teams(anna, IN_A_CALL).await;
        world.delivered().await;
        world.intake().await;
        world.reconcile().await;
        // Picked while the appointment is on its way, which then comes on top.
        world.xphone_status(anna, "doNotDisturb").await;
        if !heard_together {
            world.listen().await;
        }
        world.dispatch().await;
        assert_eq!(world.text(anna).await, "On the phone (MS Teams)");
        world.hear().await;
        assert_eq!(world.appointment(anna).await, None, "it would hide what she picked");
        let set = || async { world.asked_graph("setUserPreferredPresence", 200).await };
        assert_eq!((world.in_teams(anna).await.as_str(), set().await), (DO_NOT_DISTURB, 1));
        world.hear().await;
        assert_eq!((world.appointment(anna).await, set().await), (None, 1), "and neither side answers the other");
    }
}

#[tokio::test]
async fn what_waited_long_to_be_cleared_is_read_again_first() {
    for picked in [None, Some("BeRightBack/BeRightBack")] {
        let (world, [anna]) = World::with_people(["anna"]).await;
        world.xphone_status(anna, "doNotDisturb").await;
        world.hear().await;
        world.seconds(15).await;
        world.xphone_status(anna, "available").await;
        world.listen().await;
        world.reconcile().await;
        // Nobody sends it for a while.
        if let Some(picked) = picked {
            world.pick_in_teams(anna, picked).await;
        }
        world.advance(SignedDuration::from_mins(3));
        world.dispatch().await;
        assert_eq!(world.in_teams(anna).await, picked.unwrap_or(DO_NOT_DISTURB), "not before it is known whose it is");
        world.minute().await;
        assert_eq!(world.in_teams(anna).await, picked.unwrap_or(AVAILABLE));
        assert_eq!(world.asked_graph("clearUserPreferredPresence", 200).await, u64::from(picked.is_none()));
    }
}

#[tokio::test]
async fn on_a_call_and_on_do_not_disturb_both_slots_are_held() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.xphone_telephone(anna, CALLING).await;
    world.xphone_status(anna, "doNotDisturb").await;
    world.hear().await;
    world.confirm().await;
    let held = |user: &Value| [user["sessions"]["app"].is_object(), user["preferred"].is_object()];
    assert_eq!((world.in_teams(anna).await.as_str(), held(&world.teams_user(anna).await)), (DO_NOT_DISTURB, [true, true]));
    world.xphone_status(anna, "available").await;
    world.hear().await;
    world.confirm().await;
    assert_eq!((world.in_teams(anna).await.as_str(), held(&world.teams_user(anna).await)), (IN_A_CALL, [true, false]));
    world.xphone_telephone(anna, FREE).await;
    world.hear().await;
    assert_eq!(held(&world.teams_user(anna).await), [false, false]);
}

#[tokio::test]
async fn switched_off_in_teams_it_stays_off() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.xphone_status(anna, "doNotDisturb").await;
    world.hear().await;
    world.confirm().await;
    world.seconds(30).await;
    world.reset_in_teams(anna).await;
    world.settle().await;
    world.confirm().await;
    for _ in 0..5 {
        world.minute().await;
        assert_eq!(world.in_teams(anna).await, AVAILABLE);
    }
    assert_eq!(world.asked_graph("setUserPreferredPresence", 200).await, 1);
    world.pick_in_teams(anna, "BeRightBack/BeRightBack").await;
    world.settle().await;
    world.xphone_status(anna, "available").await;
    world.hear().await;
    world.minute().await;
    assert_eq!(world.in_teams(anna).await, "BeRightBack/BeRightBack", "what is the user's own is not wiped");
    world.xphone_status(anna, "doNotDisturb").await;
    world.hear().await;
    assert_eq!(world.in_teams(anna).await, DO_NOT_DISTURB, "another do not disturb is another cause");
}

#[tokio::test]
async fn whoever_signs_out_has_not_switched_it_off() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.xphone_status(anna, "doNotDisturb").await;
    world.hear().await;
    world.confirm().await;
    world.teams(anna, "Offline/Offline").await;
    world.settle().await;
    world.minute().await;
    assert_eq!(world.in_teams(anna).await, "Offline/Offline");
    world.xphone_status(anna, "available").await;
    world.hear().await;
    world.teams(anna, AVAILABLE).await;
    world.settle().await;
    assert_eq!(world.in_teams(anna).await, AVAILABLE, "it was taken back though nobody saw it");
}

#[tokio::test]
async fn do_not_disturb_lapses_after_a_day_on_both_sides() {
    let (world, [anna, ben]) = World::with_people(["anna", "ben"]).await;
    world.xphone_status(anna, "doNotDisturb").await;
    world.hear().await;
    world.pick_in_teams(ben, DO_NOT_DISTURB).await;
    world.settle().await;
    assert_eq!(world.text(ben).await, "Do not disturb (MS Teams)");
    for _ in 0..24 {
        // Ben picks it again and again: Microsoft's day begins anew, ours does not.
        world.pick_in_teams(ben, DO_NOT_DISTURB).await;
        world.advance(SignedDuration::from_mins(59));
        world.minute().await;
    }
    world.minute().await;
    assert_eq!([world.in_teams(anna).await, world.text(ben).await], [AVAILABLE, "Available"]);
    for _ in 0..3 {
        world.minute().await;
    }
    assert_eq!(world.in_teams(anna).await, AVAILABLE, "it is not set again");
    assert_eq!(world.asked_graph("setUserPreferredPresence", 200).await, 1);
}

#[tokio::test]
async fn a_dead_gateway_leaves_nothing_behind() {
    let (world, [anna, ben]) = World::with_people(["anna", "ben"]).await;
    world.xphone_telephone(anna, CALLING).await;
    world.xphone_status(anna, "doNotDisturb").await;
    world.hear().await;
    world.teams(ben, IN_A_CALL).await;
    world.settle().await;
    assert_eq!((world.in_teams(anna).await.as_str(), world.text(ben).await.as_str()), (DO_NOT_DISTURB, ON_THE_PHONE));
    world.advance(SignedDuration::from_mins(16));
    assert_eq!(world.teams_user(anna).await["sessions"]["app"], Value::Null);
    world.advance(SignedDuration::from_hours(12));
    assert_eq!(world.text(ben).await, "Available");
    world.advance(SignedDuration::from_hours(12));
    assert_eq!(world.in_teams(anna).await, AVAILABLE);
}

#[tokio::test]
async fn many_changes_travel_in_batches_and_one_refused_user_stops_nobody() {
    let names: [String; 25] = std::array::from_fn(|number| format!("user{number}"));
    let (world, people) = Box::pin(World::with_people(names.each_ref().map(String::as_str))).await;
    world.graph_control(Method::DELETE, &format!("users/{}", people[7].teams), Value::Null).await;
    for person in people {
        world.xphone_telephone(person, CALLING).await;
    }
    world.hear().await;
    assert_eq!(showing(&world, &people, IN_A_CALL).await, 24);
    assert_eq!([world.asked_graph("batch", 200).await, world.asked_graph("setPresence", 200).await], [2, 24]);
    assert!(world.count("push_total{result=\"refused\",slot=\"teams_session\"}").await >= 1);
    for person in people {
        world.xphone_telephone(person, FREE).await;
    }
    world.hear().await;
    assert_eq!(showing(&world, &people, AVAILABLE).await, 24);
}

#[tokio::test]
async fn throttled_writes_wait_as_long_as_graph_says() {
    let (world, people) = World::with_people(["anna", "ben", "carla"]).await;
    world.graph_faults(json!({"writes_per_30_seconds": 1})).await;
    for person in people {
        world.xphone_telephone(person, CALLING).await;
    }
    world.hear().await;
    assert_eq!(showing(&world, &people, IN_A_CALL).await, 1);
    let asked = world.asked_graph("setPresence", 429).await;
    world.seconds(15).await;
    assert_eq!(world.asked_graph("setPresence", 429).await, asked, "before its time nothing is asked");
    world.graph_faults(json!({})).await;
    world.seconds(16).await;
    assert_eq!(showing(&world, &people, IN_A_CALL).await, 3);
}

#[tokio::test]
async fn graph_is_away_when_the_call_begins_and_the_session_appears_on_its_return() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let deny = json!({"deny": [{"endpoint": "presence", "status": 503}]});
    world.graph_faults(deny).await;
    world.xphone_telephone(anna, CALLING).await;
    world.hear().await;
    for _ in 0..100 {
        world.advance(SignedDuration::from_secs(12));
        world.listen().await;
        world.settle().await;
    }
    assert_eq!(world.in_teams(anna).await, AVAILABLE);
    world.graph_faults(json!({})).await;
    world.seconds(31).await;
    assert_eq!(world.in_teams(anna).await, IN_A_CALL, "what was never set has not run out");
}

#[tokio::test]
async fn an_answer_that_is_lost_changes_nothing() {
    let (world, [anna, ben]) = World::with_people(["anna", "ben"]).await;
    world.graph_faults(json!({"batch": {"executed_yet_429": 2, "retry_after_seconds": 5}})).await;
    world.xphone_telephone(anna, CALLING).await;
    world.xphone_telephone(ben, CALLING).await;
    world.hear().await;
    assert_eq!(world.in_teams(anna).await, IN_A_CALL);
    assert_eq!(world.appointment(anna).await, None, "an echo can be faster than the answer");
    world.seconds(6).await;
    world.xphone_telephone(anna, FREE).await;
    world.hear().await;
    assert_eq!([world.in_teams(anna).await, world.in_teams(ben).await], [AVAILABLE, IN_A_CALL]);
}

#[tokio::test]
async fn a_death_after_any_step_leaves_nobody_wrong() {
    for dies_after in 0..4 {
        let (mut world, [anna]) = World::with_people(["anna"]).await;
        for (state, status, expected) in [(CALLING, "doNotDisturb", DO_NOT_DISTURB), (FREE, "available", AVAILABLE)] {
            world.xphone_telephone(anna, state).await;
            world.xphone_status(anna, status).await;
            if dies_after > 0 {
                world.listen().await;
            }
            if dies_after > 1 {
                world.reconcile().await;
            }
            if dies_after > 2 {
                // The letters are claimed and arrive, and nobody is left to settle them.
                exhaust(&world.app.tasks.teams_dispatcher).await;
            }
            world.restart().await;
            world.minute().await;
            world.minute().await;
            assert_eq!(world.in_teams(anna).await, expected, "{dies_after}");
            assert_eq!(world.appointment(anna).await, None);
        }
    }
}

#[tokio::test]
async fn reads_and_notifications_that_lag_start_no_fight_and_too_short_a_grace_does() {
    // Notification grace, read grace, and whether the sides leave one another in peace.
    for (notification_grace, read_grace, peaceful) in [(60, 10, true), (5, 10, false), (60, 1, false)] {
        let world = World::with(|sources| {
            let sources = sources.with("GATEWAY__GRAPH__NOTIFICATION_GRACE_SECONDS", notification_grace);
            sources.with("GATEWAY__GRAPH__READ_GRACE_SECONDS", read_grace)
        });
        let world = world.await;
        let anna = world.person("anna").await;
        world.go_live().await;
        world.graph_faults(json!({"lag": {"reads_seconds": 8, "notifications_seconds": 40}})).await;
        world.xphone_telephone(anna, CALLING).await;
        world.hear().await;
        world.seconds(20).await;
        let before = world.writes().await;
        world.xphone_telephone(anna, FREE).await;
        world.hear().await;
        for _ in 0..60 {
            world.seconds(2).await;
        }
        assert_eq!(world.writes().await == before, peaceful, "{notification_grace} s, {read_grace} s");
        assert_eq!(world.text(anna).await, "Available", "in the end it is right all the same");
    }
}

#[tokio::test]
async fn a_policy_that_is_switched_off_takes_everything_back() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    for (mode, shadow) in [("none", false), ("telephony_and_presence", true)] {
        world.set_policy("telephony_and_presence", false).await;
        world.xphone_telephone(anna, CALLING).await;
        world.xphone_status(anna, "doNotDisturb").await;
        world.hear().await;
        // Whoever is switched on is read first.
        world.confirm().await;
        assert_eq!(world.in_teams(anna).await, DO_NOT_DISTURB);
        world.set_policy(mode, shadow).await;
        world.settle().await;
        // Where nobody has seen our do not disturb yet, it is read before it is taken away.
        world.confirm().await;
        assert_eq!(world.in_teams(anna).await, AVAILABLE, "{mode}");
        world.minute().await;
        world.minute().await;
    }
    world.set_policy("telephony", false).await;
    world.hear().await;
    world.confirm().await;
    assert_eq!(world.in_teams(anna).await, IN_A_CALL, "only the call, where only calls are let through");
}

#[tokio::test]
async fn an_xphone_that_is_silent_keeps_no_call_alive() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.xphone_telephone(anna, CALLING).await;
    world.hear().await;
    world.xphone_faults(json!({"down": true})).await;
    for _ in 0..16 {
        world.advance(SignedDuration::from_mins(1));
        let _ = world.try_listen().await;
        world.settle().await;
    }
    assert_eq!(world.in_teams(anna).await, AVAILABLE);
}

#[tokio::test]
async fn whoever_leaves_xphone_leaves_nothing_in_teams() {
    let (world, [anna, ben]) = World::with_people(["anna", "ben"]).await;
    world.xphone_telephone(anna, CALLING).await;
    world.hear().await;
    assert_eq!(world.in_teams(anna).await, IN_A_CALL);
    world.xphone_control(Method::DELETE, &format!("users/{}", anna.xphone), Value::Null).await;
    world.advance(SignedDuration::from_mins(6));
    world.directory().await;
    world.settle().await;
    assert_eq!([world.in_teams(anna).await, world.in_teams(ben).await], [AVAILABLE, AVAILABLE]);
}

#[tokio::test]
async fn ten_thousand_due_at_once_do_not_hold_up_a_fresh_change() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let database = world.database().await;
    sqlx::query("insert into person (guid, match) select gen_random_uuid(), 'not_in_teams' from generate_series(1, 10000)")
        .execute(&database)
        .await
        .unwrap();
    sqlx::query(
        "insert into user_state (user_guid, revisit_at) select guid, '1980-01-01Z' from person where match = 'not_in_teams'",
    )
    .execute(&database)
    .await
    .unwrap();
    world.advance(SignedDuration::from_secs(30));
    world.xphone_telephone(anna, CALLING).await;
    world.listen().await;
    world.app.tasks.reconciler.run().await.unwrap();
    exhaust(&world.app.tasks.teams_dispatcher).await;
    assert_eq!(world.in_teams(anna).await, IN_A_CALL, "the first batch takes the freshest along");
    world.reconcile().await;
    let waiting: i64 = sqlx::query_scalar("select count(*) from user_state where revisit_at <= $1")
        .bind(jiff_sqlx::ToSqlx::to_sqlx(world.clock.now()))
        .fetch_one(&database)
        .await
        .unwrap();
    assert_eq!(waiting, 0);
}

async fn showing(world: &World, people: &[Person], words: &str) -> usize {
    let mut showing = 0;
    for person in people {
        let user = world.teams_user(*person).await;
        showing += usize::from(format!("{}/{}", user["availability"], user["activity"]).replace('"', "") == words);
    }
    showing
}

/// Rows about slots in Teams.
async fn left(world: &World) -> i64 {
    let left = sqlx::query_scalar("select count(*) from slot where name <> 'xphone_appointment'");
    left.fetch_one(&world.database().await).await.unwrap()
}

#[tokio::test]
async fn whoever_was_on_a_call_all_through_a_silence_is_looked_at_when_xphone_is_heard_again() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.set_policy("none", false).await;
    world.xphone_telephone(anna, CALLING).await;
    world.hear().await;
    world.xphone_faults(json!({"down": true})).await;
    world.advance(SignedDuration::from_mins(6));
    let _ = world.try_listen().await;
    world.set_policy("telephony", false).await;
    world.confirm().await;
    assert_eq!(world.in_teams(anna).await, AVAILABLE, "what nobody has heard for minutes is not shown");
    world.xphone_faults(json!({})).await;
    world.advance(SignedDuration::from_secs(20));
    world.hear().await;
    assert_eq!(world.in_teams(anna).await, IN_A_CALL);
}

#[tokio::test]
async fn a_clock_that_was_hours_ahead_holds_nothing_back_once_it_is_right() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let ahead = SignedDuration::from_hours(3);
    world.clock.advance(ahead);
    world.teams(anna, "Busy/InAConferenceCall").await;
    world.settle().await;
    assert_eq!(world.appointment(anna).await, None, "XPhone takes no end so far ahead");
    world.clock.advance(-ahead);
    world.settle().await;
    world.settle().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
    world.teams(anna, AVAILABLE).await;
    world.settle().await;
    world.minute().await;
    assert_eq!(world.text(anna).await, "Available");
}
