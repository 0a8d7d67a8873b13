//! A Teams call shows in XPhone: the stories that users see.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;

use crate::world::{Shown, World};

const ON_THE_PHONE: &str = "On the phone (MS Teams)";
const DO_NOT_DISTURB: &str = "Do not disturb (MS Teams)";

#[tokio::test]
async fn a_call_shows_and_goes() {
    let (world, [anna, ben]) = World::with_people(["anna", "ben"]).await;
    world.teams_of_many(&[anna, ben], "Busy/InACall").await;
    world.settle().await;
    let shown = Shown { text: ON_THE_PHONE.to_owned(), origin: Some("MSTeams".to_owned()) };
    assert_eq!([world.shown(anna).await, world.shown(ben).await], [shown.clone(), shown]);
    world.confirm().await;
    assert_eq!(world.writes().await, 2, "the confirming read changes nothing");
    world.teams_of_many(&[anna, ben], "Available/Available").await;
    world.settle().await;
    assert_eq!([world.text(anna).await, world.text(ben).await], ["Available", "Available"]);
    assert_eq!(world.writes().await, 4);
}

#[tokio::test]
async fn presenting_replaces_the_same_appointment() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    for (words, text) in [
        ("Busy/InACall", ON_THE_PHONE),
        ("DoNotDisturb/Presenting", DO_NOT_DISTURB),
        ("Busy/InAConferenceCall", ON_THE_PHONE),
        ("DoNotDisturb/DoNotDisturb", DO_NOT_DISTURB),
        ("Busy/InAMeeting", "Available"),
        ("PresenceUnknown/PresenceUnknown", "Available"),
    ] {
        world.teams(anna, words).await;
        world.settle().await;
        assert_eq!(world.text(anna).await, text, "{words}");
    }
}

#[tokio::test]
async fn teams_not_knowing_changes_nothing() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    world.teams(anna, "PresenceUnknown/PresenceUnknown").await;
    world.settle().await;
    world.minute().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
}

#[tokio::test]
async fn the_profile_of_the_appointment_is_the_users() {
    let world = World::new().await;
    let anna = world.person("anna").await;
    let profiles = [
        ("MS Teams", "busy", true),
        ("Appointment", "busy", true),
        ("Off", "doNotDisturb", false),
        ("Quiet", "doNotDisturb", true),
    ];
    world.xphone_user(anna.xphone, "anna@example.com", &profiles).await;
    world.go_live().await;
    let user = world.xphone_look(&format!("users/{}", anna.xphone)).await;
    let profile = |name: &str| {
        let profiles = user["user"]["profiles"].as_array().unwrap();
        profiles.iter().find(|profile| profile["name"] == name).unwrap()["guid"].clone()
    };
    for (words, name) in [("Busy/InACall", "MS Teams"), ("DoNotDisturb/Presenting", "Quiet")] {
        world.teams(anna, words).await;
        world.settle().await;
        assert_eq!(world.appointment(anna).await.unwrap()["profileGuid"], profile(name), "{words}");
    }
}

#[tokio::test]
async fn ones_own_stronger_status_is_left_alone() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    world.xphone_status(anna, "doNotDisturb").await;
    world.minute().await;
    assert_eq!(world.text(anna).await, "Do not disturb");
    assert_eq!(world.appointment(anna).await, None);
    assert_eq!(world.reason(anna).await, "own_is_stronger");
    world.xphone_control(Method::DELETE, &format!("users/{}/status", anna.xphone), json!(null)).await;
    world.minute().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
}

#[tokio::test]
async fn a_call_on_the_xphone_line_needs_no_appointment() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.xphone_telephone(anna, 4).await;
    world.minute().await;
    world.teams(anna, "Busy/InAConferenceCall").await;
    world.settle().await;
    assert_eq!(world.appointment(anna).await, None);
    world.xphone_telephone(anna, 2).await;
    world.minute().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
}

#[tokio::test]
async fn a_policy_lets_through_what_it_says_and_takes_back_the_rest() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.teams(anna, "DoNotDisturb/Presenting").await;
    world.settle().await;
    for (mode, shadow, text) in [
        ("telephony", false, ON_THE_PHONE),
        ("telephony_and_presence", true, "Available"),
        ("telephony_and_presence", false, DO_NOT_DISTURB),
        ("none", false, "Available"),
    ] {
        world.set_policy(mode, shadow).await;
        world.settle().await;
        assert_eq!(world.text(anna).await, text, "{mode}, shadow {shadow}");
    }
    world.set_policy("telephony", false).await;
    world.teams(anna, "DoNotDisturb/DoNotDisturb").await;
    world.settle().await;
    assert_eq!(world.text(anna).await, "Available");
    assert_eq!(world.reason(anna).await, "policy_telephony_only");
}

#[tokio::test]
async fn what_somebody_removed_comes_back_only_with_the_next_call() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    world.minute().await;
    world.remove_appointment(anna).await;
    for _ in 0..3 {
        world.minute().await;
        assert_eq!(world.text(anna).await, "Available");
    }
    assert_eq!(world.reason(anna).await, "overridden");
    world.teams(anna, "Available/Available").await;
    world.settle().await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
}

#[tokio::test]
async fn what_a_hand_picked_status_hides_still_goes_with_its_cause() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    world.xphone_status(anna, "beRightBack").await;
    world.minute().await;
    assert_eq!(world.text(anna).await, "Be right back");
    assert!(world.appointment(anna).await.is_some());
    world.teams(anna, "Available/Available").await;
    world.settle().await;
    assert_eq!(world.text(anna).await, "Be right back");
    assert_eq!(world.appointment(anna).await, None);
}

#[tokio::test]
async fn a_lost_notification_costs_one_sweep() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    world.confirm().await;
    world.graph_faults(json!({"notifications": {"lose": 1}})).await;
    world.teams(anna, "Available/Available").await;
    world.settle().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE, "nobody told us");
    world.minute().await;
    assert_eq!(world.text(anna).await, "Available");
    assert!(world.metric("missed_changes_total").await >= 1.0);
}

#[tokio::test]
async fn duplicates_and_late_ones_are_put_right_by_the_read() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.graph_faults(json!({"notifications": {"hold": true, "reverse": true}})).await;
    world.teams(anna, "Busy/InACall").await;
    world.teams(anna, "Available/Available").await;
    world.graph_control(Method::POST, "notifications/release", json!({})).await;
    world.settle().await;
    world.confirm().await;
    assert_eq!(world.text(anna).await, "Available", "the call's notification came last, but the read says otherwise");
    world.graph_faults(json!({"notifications": {"duplicate": 5}})).await;
    world.teams(anna, "Busy/InACall").await;
    let before = world.writes().await;
    world.settle().await;
    world.confirm().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
    assert_eq!(world.writes().await, before + 1);
}

#[tokio::test]
async fn an_appointment_lives_as_long_as_reads_confirm_its_call_and_no_longer() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    // A call of 30 hours: the end is moved on, always less than 12 h ahead.
    for hour in 0..30 {
        world.advance(SignedDuration::from_mins(59));
        world.minute().await;
        let appointment = world.appointment(anna).await.unwrap_or_else(|| panic!("gone after {hour} hours"));
        let end: jiff::Timestamp = appointment["end"].as_str().unwrap().parse().unwrap();
        let ahead = end.duration_since(world.clock.now());
        assert!(ahead > SignedDuration::ZERO && ahead <= SignedDuration::from_hours(12), "{ahead:#}");
    }
    assert!(world.writes().await < 8, "moved on at half time, not at every read");
}

#[tokio::test]
async fn what_ran_out_while_we_were_away_has_lapsed() {
    let (mut world, [anna]) = World::with_people(["anna"]).await;
    world.teams(anna, "Busy/InACall").await;
    world.settle().await;
    world.advance(SignedDuration::from_hours(12));
    assert_eq!(world.text(anna).await, "Available", "XPhone ended it by itself");
    world.restart().await;
    world.minute().await;
    world.minute().await;
    assert_eq!(world.text(anna).await, "Available");
    assert_eq!(world.reason(anna).await, "lapsed");
    world.teams(anna, "Available/Available").await;
    world.minute().await;
    world.teams(anna, "Busy/InACall").await;
    world.minute().await;
    assert_eq!(world.text(anna).await, ON_THE_PHONE);
}

#[tokio::test]
async fn do_not_disturb_ends_after_a_day() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    world.teams(anna, "DoNotDisturb/DoNotDisturb").await;
    world.settle().await;
    for hour in 1..=25 {
        world.advance(SignedDuration::from_mins(59));
        world.minute().await;
        let expected = if hour < 24 { DO_NOT_DISTURB } else { "Available" };
        assert_eq!(world.text(anna).await, expected, "after {hour} hours");
    }
    assert_eq!(world.reason(anna).await, "lapsed");
}
