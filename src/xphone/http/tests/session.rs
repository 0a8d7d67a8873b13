//! Logging in, once, and staying so.

use futures::future::join_all;
use jiff::SignedDuration;
use serde_json::json;

use super::server::{AUTHENTICATE, PASSWORD, REFRESH, Reply, noon, open_world, tokens, welcome, world};
use crate::xphone::Error;

fn nothing() -> Reply {
    Reply::Json(200, json!([]))
}

#[tokio::test]
async fn logs_in_once_however_many_wait() {
    let world = open_world(|_| nothing()).await;
    for states in join_all((0..20).map(|_| world.xphone.presence_states())).await {
        assert_eq!(states.unwrap(), []);
    }
    assert_eq!(world.count(AUTHENTICATE), 1);
    assert_eq!(world.asked()[0].body, json!({"AccountName": "gateway", "Password": PASSWORD}));
    assert_eq!(world.asked()[0].token, None);
    assert_eq!(world.last().token.as_deref(), Some("token-1"));
    assert!(world.last().agent.unwrap().starts_with("presence-gateway/"));
}

#[tokio::test]
async fn refreshes_two_minutes_ahead_and_once() {
    let world = world(|asked| match asked.what.as_str() {
        AUTHENTICATE => welcome("token-1", 1800),
        REFRESH => Reply::Json(200, tokens("token-2", noon() + SignedDuration::from_mins(28), 1800)),
        _ => nothing(),
    })
    .await;
    world.xphone.locations().await.unwrap();
    world.clock.advance(SignedDuration::from_secs(28 * 60 - 1));
    world.xphone.locations().await.unwrap();
    assert_eq!(world.last().token.as_deref(), Some("token-1"));
    world.clock.advance(SignedDuration::from_secs(1));
    join_all((0..20).map(|_| world.xphone.locations())).await;
    assert_eq!(world.last().token.as_deref(), Some("token-2"));
    assert_eq!((world.count(AUTHENTICATE), world.count(REFRESH)), (1, 1));
    let refresh = world.asked().into_iter().find(|asked| asked.what == REFRESH).unwrap();
    assert_eq!(refresh.body, json!({"token": "token-1", "refreshToken": "refresh-token-1", "sessionGuid": "session"}));
}

#[tokio::test]
async fn logs_in_again_when_the_refresh_is_refused() {
    let world = world(|asked| match asked.what.as_str() {
        AUTHENTICATE => welcome("token", 1800),
        REFRESH => Reply::Text(401, ""),
        _ => nothing(),
    })
    .await;
    world.xphone.locations().await.unwrap();
    world.clock.advance(SignedDuration::from_mins(29));
    world.xphone.locations().await.unwrap();
    assert_eq!((world.count(AUTHENTICATE), world.count(REFRESH)), (2, 1));
}

#[tokio::test]
async fn logs_in_again_when_the_refresh_token_has_ended() {
    let world = open_world(|_| nothing()).await;
    world.xphone.locations().await.unwrap();
    world.clock.advance(SignedDuration::from_hours(97));
    world.xphone.locations().await.unwrap();
    assert_eq!((world.count(AUTHENTICATE), world.count(REFRESH)), (2, 0));
}

#[tokio::test]
async fn an_outdated_token_is_refreshed_once_and_the_call_repeated() {
    let world = world(|asked| match (asked.what.as_str(), asked.token.as_deref()) {
        (AUTHENTICATE, _) => welcome("token-1", 1800),
        (REFRESH, _) => Reply::Json(200, tokens("token-2", noon(), 1800)),
        (_, Some("token-2")) => nothing(),
        _ => Reply::Text(401, ""),
    })
    .await;
    for states in join_all((0..20).map(|_| world.xphone.presence_states())).await {
        states.unwrap();
    }
    assert_eq!((world.count(AUTHENTICATE), world.count(REFRESH)), (1, 1));
}

#[tokio::test]
async fn a_server_that_takes_no_token_is_not_asked_for_ever() {
    let world = world(|asked| match asked.what.as_str() {
        AUTHENTICATE => welcome("token-1", 1800),
        REFRESH => Reply::Json(200, tokens("token-2", noon(), 1800)),
        _ => Reply::Text(401, ""),
    })
    .await;
    let error = world.xphone.locations().await.unwrap_err();
    assert!(matches!(error, Error::LogIn { .. }), "{error:?}");
    assert_eq!(world.count("GET /locations"), 2);
}

#[tokio::test]
async fn a_refused_log_in_is_told_and_not_repeated_at_once() {
    for refusal in [|| Reply::Json(200, json!({"result": 5})), || Reply::Text(401, "")] {
        let world = world(move |_| refusal()).await;
        for outcome in join_all((0..20).map(|_| world.xphone.locations())).await {
            let error = outcome.unwrap_err();
            assert!(matches!(error, Error::LogIn { .. }), "{error:?}");
            assert!(!format!("{error} {error:?}").contains(PASSWORD));
        }
        world.xphone.locations().await.unwrap_err();
        assert_eq!(world.count(AUTHENTICATE), 1);
        world.clock.advance(SignedDuration::from_mins(1));
        world.xphone.locations().await.unwrap_err();
        assert_eq!(world.count(AUTHENTICATE), 2);
    }
}

#[tokio::test]
async fn a_failed_log_in_is_shared_by_all_who_waited_and_tried_again_by_the_next() {
    let world = world(|_| Reply::Text(500, "")).await;
    for outcome in join_all((0..20).map(|_| world.xphone.locations())).await {
        let error = outcome.unwrap_err();
        assert!(matches!(error, Error::Unreachable { maybe_applied: false, .. }), "{error:?}");
    }
    assert_eq!(world.count(AUTHENTICATE), 1);
    world.xphone.locations().await.unwrap_err();
    assert_eq!(world.count(AUTHENTICATE), 2);
}

#[tokio::test]
async fn secrets_do_not_show() {
    let world = open_world(|_| nothing()).await;
    world.xphone.locations().await.unwrap();
    let shown = format!("{:?}", world.xphone);
    assert!(!shown.contains(PASSWORD) && !shown.contains("token-1"), "{shown}");
}
