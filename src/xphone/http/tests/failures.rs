//! Failures, sorted by what the caller can do.

use std::time::Duration;

use jiff::SignedDuration;
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio_util::task::TaskTracker;

use super::calls::{appointment, user};
use super::server::{AUTHENTICATE, Asked, Reply, World, client_of, open_world};
use crate::xphone::Error;
use crate::xphone::http::transport::Patience;

async fn put(reply: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> (Error, World) {
    let world = open_world(reply).await;
    let error = world.xphone.put_appointment(user(), "presence", &appointment()).await.unwrap_err();
    (error, world)
}

#[tokio::test]
async fn the_server_may_ask_to_wait() {
    let check = async |status: u16, retry_after: &'static str, seconds: u64| {
        let (error, _) = put(move |_| Reply::With(status, "retry-after", retry_after.to_owned())).await;
        let Error::Wait { retry_after: wait } = error else { panic!("{error:?}") };
        assert_eq!(wait, Duration::from_secs(seconds), "{status} {retry_after}");
    };
    check(429, "7", 7).await;
    check(503, "120", 120).await;
    // Noon is now.
    check(503, "Sun, 22 Nov 2026 12:00:30 GMT", 30).await;
    check(503, "Sun, 22 Nov 2026 11:00:00 GMT", 0).await;
    check(429, "soon", 5).await;
    check(429, "99999999", 3600).await;
    let (error, _) = put(|_| Reply::Text(503, "")).await;
    assert!(matches!(error, Error::Wait { retry_after } if retry_after == Duration::from_secs(5)), "{error:?}");
}

#[tokio::test]
async fn who_asks_to_wait_is_left_alone_with_this_kind_of_question() {
    let throttled = |asked: &Asked| asked.what.starts_with("PUT") || asked.what == "GET /presence";
    let world = open_world(move |asked| match asked {
        asked if throttled(asked) => Reply::With(429, "retry-after", "20".to_owned()),
        _ => Reply::Json(200, json!([])),
    })
    .await;
    let wait = |error: Error| if let Error::Wait { retry_after } = error { retry_after.as_secs() } else { panic!("{error:?}") };
    assert_eq!(wait(world.xphone.put_appointment(user(), "presence", &appointment()).await.unwrap_err()), 20);
    let asked = world.asked().len();
    world.clock.advance(SignedDuration::from_secs(5));
    assert_eq!(wait(world.xphone.delete_appointment(user(), "presence").await.unwrap_err()), 15);
    assert_eq!(world.asked().len(), asked, "not asked");
    world.xphone.locations().await.unwrap();

    assert_eq!(wait(world.xphone.presence().await.unwrap_err()), 20);
    world.clock.advance(SignedDuration::from_secs(15));
    assert_eq!(wait(world.xphone.locations().await.unwrap_err()), 5);
    world.xphone.delete_appointment(user(), "presence").await.unwrap();
    world.clock.advance(SignedDuration::from_secs(5));
    world.xphone.locations().await.unwrap();
}

#[tokio::test]
async fn a_throttled_log_in_is_left_alone() {
    let world = super::server::world(|_| Reply::With(503, "retry-after", "60".to_owned())).await;
    for seconds in [60, 50] {
        let error = world.xphone.put_appointment(user(), "presence", &appointment()).await.unwrap_err();
        assert!(matches!(error, Error::Wait { retry_after } if retry_after.as_secs() == seconds), "{error:?}");
        world.clock.advance(SignedDuration::from_secs(10));
    }
    assert_eq!(world.asked().len(), 1);
}

#[tokio::test]
async fn a_refusal_is_about_one() {
    for status in [400, 403, 404, 409, 422] {
        let said = json!({"error": "no profile \"Zahnarzt\" for anna@example.org"});
        let (error, _) = put(move |_| Reply::Json(status, said.clone())).await;
        assert!(error.is_about_one() && !error.maybe_applied());
        let Error::Refused { status: told, reason } = error else { panic!("{error:?}") };
        assert_eq!((told, reason.as_str()), (status, "no profile … for …"));
    }
    let (error, _) = put(|_| Reply::Text(404, "<html>")).await;
    assert!(matches!(error, Error::Refused { status: 404, .. }), "{error:?}");
}

#[tokio::test]
async fn a_refusal_of_what_concerns_everybody_is_not() {
    for status in [400, 404, 422, 302] {
        let world = open_world(move |_| Reply::With(status, "location", "/elsewhere".to_owned())).await;
        let error = world.xphone.locations().await.unwrap_err();
        assert!(matches!(error, Error::Contract { call: "locations", .. }), "{error:?}");
        assert!(!error.is_about_one());
        assert_eq!(world.asked().len(), 2, "no redirect is followed");
    }
}

#[tokio::test]
async fn after_the_question_went_out_it_may_have_been_applied() {
    for status in [500, 502, 504] {
        let (error, world) = put(move |_| Reply::Text(status, "")).await;
        assert!(error.maybe_applied(), "{error:?}");
        assert!(!error.is_about_one());
        let error = world.xphone.locations().await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { maybe_applied: false, .. }), "reading applies nothing: {error:?}");
    }
    let world = open_world(|_| Reply::Never).await;
    let error = world.impatient().put_appointment(user(), "presence", &appointment()).await.unwrap_err();
    assert!(error.maybe_applied(), "{error:?}");
}

#[tokio::test]
async fn a_log_in_without_an_answer_applies_nothing() {
    let world = super::server::world(|_| Reply::Never).await;
    let error = world.impatient().put_appointment(user(), "presence", &appointment()).await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { maybe_applied: false, .. }), "{error:?}");
    assert_eq!(world.count(AUTHENTICATE), 1);
}

#[tokio::test]
async fn without_a_connection_nothing_was_applied() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let (xphone, _) = client_of(port, Patience::default());
    let error = xphone.delete_appointment(user(), "presence").await.unwrap_err();
    assert!(matches!(error, Error::Unreachable { maybe_applied: false, .. }), "{error:?}");
    assert!(error.to_string().contains("refused"), "tells the cause: {error}");
    assert!(!error.to_string().contains(&user().to_string()));
}

/// Lets the client in over one connection; takes the next question, and hangs up without an answer.
#[tokio::test]
async fn a_connection_that_breaks_may_have_applied_it() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (xphone, _) = client_of(listener.local_addr().unwrap().port(), Patience::default());
    let server = TaskTracker::new();
    server.spawn(async move {
        use tokio::io::AsyncWriteExt;
        let mut bytes = [0; 4096];
        let (mut first, _) = listener.accept().await.unwrap();
        _ = first.read(&mut bytes).await.unwrap();
        let tokens = super::server::tokens("token", super::server::noon(), 1800);
        let welcome = json!({"result": 0, "tokenData": tokens, "sessionGuid": "session"}).to_string();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", welcome.len());
        first.write_all((head + &welcome).as_bytes()).await.unwrap();
        drop(first);
        let (mut second, _) = listener.accept().await.unwrap();
        _ = second.read(&mut bytes).await.unwrap();
    });
    let error = xphone.put_appointment(user(), "presence", &appointment()).await.unwrap_err();
    assert!(error.maybe_applied(), "{error:?}");
}

#[tokio::test]
async fn unexpected_answers_are_told_without_their_content() {
    for (body, told) in
        [("<html>anna@example.org", "not JSON"), ("[{\"guid\":\"anna@example.org\"}]", "another shape"), ("", "not JSON")]
    {
        let world = open_world(move |_| Reply::Text(200, body)).await;
        let error = world.xphone.locations().await.unwrap_err();
        assert!(matches!(error, Error::Contract { .. }), "{error:?}");
        assert!(error.to_string().contains(told), "{error}");
        assert!(!format!("{error} {error:?}").contains("anna"), "{error:?}");
    }
}
