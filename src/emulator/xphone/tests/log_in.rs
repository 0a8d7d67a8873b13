//! Logging in, refreshing, and tokens that end.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::world::World;

#[tokio::test]
async fn logging_in_gives_tokens_for_half_an_hour_and_four_days() {
    let mut world = World::start().await;
    let answer = world.log_in().await;
    let now = world.clock.now().as_millisecond();
    assert_eq!(answer["tokenData"]["tokenExpiresAt"], now + 30 * 60 * 1000);
    assert_eq!(answer["tokenData"]["refreshTokenExpiresAt"], now + 4 * 24 * 3600 * 1000);
    assert_eq!(answer["userData"]["displayName"], "gateway");

    world.clock.advance(SignedDuration::from_mins(30) - SignedDuration::from_millis(1));
    assert_eq!(world.status_of("GET", "/locations", Value::Null).await, 200);
    world.clock.advance(SignedDuration::from_millis(1));
    assert_eq!(world.status_of("GET", "/locations", Value::Null).await, 401);
}

#[tokio::test]
async fn a_wrong_log_in_is_told_by_its_result_and_a_bad_one_is_400() {
    let world = World::start().await;
    let wrong = json!({ "AccountName": "gateway", "Password": "wrong" });
    let (status, answer) = world.api("POST", "/user/authenticate", wrong).await;
    assert_eq!(status, 200);
    assert_ne!(answer["result"], 0);
    assert!(answer["tokenData"].is_null());
    assert_eq!(world.status_of("POST", "/user/authenticate", json!({ "accountName": "gateway" })).await, 400);
}

#[tokio::test]
async fn every_other_call_wants_a_token() {
    let mut world = World::start().await;
    for token in ["", "nonsense"] {
        token.clone_into(&mut world.token);
        for path in [
            "/server/capabilities",
            "/presenceStates",
            "/locations",
            "/users",
            "/presence",
            "/presence/events?since=1",
            "/appointments?origin=X",
        ] {
            assert_eq!(world.status_of("GET", path, Value::Null).await, 401, "{path}");
        }
        assert_eq!(world.set("key", json!({})).await.0, 401);
        assert_eq!(world.delete("key").await, 401);
    }
}

#[tokio::test]
async fn a_refresh_swaps_both_tokens_and_works_once() {
    let mut world = World::start().await;
    let answer = world.log_in().await;
    let old = json!({
        "token": answer["tokenData"]["token"],
        "refreshToken": answer["tokenData"]["refreshToken"],
        "sessionGuid": answer["sessionGuid"],
    });
    world.control("POST", "/tokens/expire", Value::Null).await;
    assert_eq!(world.status_of("GET", "/locations", Value::Null).await, 401);

    let (status, fresh) = world.api("POST", "/user/refreshToken", old.clone()).await;
    assert_eq!(status, 200);
    fresh["token"].as_str().expect("a token").clone_into(&mut world.token);
    assert_eq!(world.status_of("GET", "/locations", Value::Null).await, 200);
    assert_eq!(world.status_of("POST", "/user/refreshToken", old).await, 401);

    let next = json!({ "token": fresh["token"], "refreshToken": fresh["refreshToken"], "sessionGuid": answer["sessionGuid"] });
    world.clock.advance(SignedDuration::from_hours(96));
    assert_eq!(world.status_of("POST", "/user/refreshToken", next).await, 401);
}

#[tokio::test]
async fn refresh_tokens_can_be_ended_too_and_a_restart_ends_both() {
    let mut world = World::start().await;
    for end in ["/tokens/expire", "/restart"] {
        let answer = world.log_in().await;
        let session = json!({
            "token": answer["tokenData"]["token"],
            "refreshToken": answer["tokenData"]["refreshToken"],
            "sessionGuid": answer["sessionGuid"],
        });
        let body = if end == "/restart" { Value::Null } else { json!({ "refresh_tokens": true }) };
        world.control("POST", end, body).await;
        assert_eq!(world.status_of("GET", "/locations", Value::Null).await, 401);
        assert_eq!(world.status_of("POST", "/user/refreshToken", session).await, 401);
    }
}
