//! Listening to what changes.

use futures::stream::StreamExt;
use serde_json::json;

use super::calls::{anna, entry, user};
use super::server::{REFRESH, Reply, noon, open_world, tokens};
use crate::xphone::values::{Changed, Event};
use crate::xphone::{Error, Heard};

fn told(sequence: u64, changed: &[&str]) -> &'static str {
    let event = json!({"userGuid": user().0, "changed": changed, "entry": entry()});
    format!("id: {sequence}\ndata: {event}\n\n").leak()
}

fn event(sequence: u64, changed: Vec<Changed>) -> Heard {
    Heard::Event(Box::new(Event { sequence, changed, entry: anna() }))
}

#[tokio::test]
async fn events_and_signs_of_life_come_as_they_are_told() {
    let world = open_world(|_| {
        let (head, tail) = told(8, &["telephone", "mood"]).split_at(20);
        Reply::Stream(vec![": hello\n\n", told(7, &["presence"]), head, tail])
    })
    .await;
    let heard: Vec<_> = world.xphone.events(6).await.unwrap().map(Result::unwrap).collect().await;
    let expected = [Heard::KeepAlive, event(7, vec![Changed::Presence]), event(8, vec![Changed::Telephone, Changed::Unknown])];
    assert_eq!(heard, expected);
    assert_eq!(world.last().what, "GET /presence/events?since=6");
}

#[tokio::test]
async fn silence_is_an_end() {
    let world = open_world(|_| Reply::StreamAndHold(vec![told(7, &["text"])])).await;
    let mut events = world.impatient().events(6).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap(), event(7, vec![Changed::Text]));
    let error = events.next().await.unwrap().unwrap_err();
    assert!(matches!(error, Error::Unreachable { maybe_applied: false, .. }), "{error:?}");
    assert!(events.next().await.is_none());
}

#[tokio::test]
async fn events_no_longer_held_are_gone() {
    let world = open_world(|_| Reply::Text(410, "")).await;
    let Err(error) = world.xphone.events(6).await else { panic!("heard something") };
    assert!(matches!(error, Error::Gone), "{error:?}");
}

#[tokio::test]
async fn a_stream_that_does_not_begin_is_not_waited_for() {
    let world = open_world(|_| Reply::Never).await;
    let Err(error) = world.impatient().events(6).await else { panic!("heard something") };
    assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
}

#[tokio::test]
async fn listening_refreshes_an_outdated_token_too() {
    let world = open_world(|asked| match (asked.what.as_str(), asked.token.as_deref()) {
        (REFRESH, _) => Reply::Json(200, tokens("token-2", noon(), 1800)),
        (_, Some("token-2")) => Reply::Stream(vec![":\n"]),
        _ => Reply::Text(401, ""),
    })
    .await;
    let mut events = world.xphone.events(6).await.unwrap();
    assert_eq!(events.next().await.unwrap().unwrap(), Heard::KeepAlive);
}

#[tokio::test]
async fn what_cannot_be_read_is_the_last_thing_heard() {
    for bad in ["data: {}\n\n", "id: 7\ndata: {}\n\n", "id: 7\ndata: rubbish\n\n", "id: seven\ndata: {}\n\n"] {
        let world = open_world(move |_| Reply::StreamAndHold(vec![bad, told(8, &[])])).await;
        let mut events = world.xphone.events(6).await.unwrap();
        let error = events.next().await.unwrap().unwrap_err();
        assert!(matches!(error, Error::Contract { .. }), "{error:?}");
        assert!(events.next().await.is_none());
    }
}
