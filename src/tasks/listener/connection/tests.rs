//! How events and a snapshot beside them are gathered.

use futures::stream;
use uuid::Uuid;

use super::*;
use crate::domain::ids::PresenceStateGuid;
use crate::domain::mapping::Meeting;
use crate::xphone::values::Entry;

fn noon() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}

fn entry(user: u128, telephone_state: u32) -> Entry {
    Entry {
        user: UserGuid(Uuid::from_u128(user)),
        email: None,
        presence_state: PresenceStateGuid(Uuid::nil()),
        presence_text: None,
        profile: None,
        origin: None,
        telephone_state,
        meeting: Meeting::None,
        client_connected: true,
    }
}

fn event(sequence: u64, user: u128, telephone_state: u32) -> Heard {
    Heard::Event(Box::new(Event { sequence, changed: Vec::new(), entry: entry(user, telephone_state) }))
}

fn heard(told: impl IntoIterator<Item = Heard>) -> BoxStream<'static, Result<Heard, Error>> {
    let told: Vec<_> = told.into_iter().map(Ok).collect();
    stream::iter(told).chain(stream::pending()).boxed()
}

fn connection(told: impl IntoIterator<Item = Heard>) -> Connection {
    Connection::new(heard(told), 10, noon(), noon())
}

#[tokio::test]
async fn the_newest_of_each_user_is_gathered_and_the_old_is_dropped() {
    let told = vec![event(10, 1, 2), event(11, 1, 4), Heard::KeepAlive, event(12, 2, 4), event(13, 1, 2), event(12, 2, 16)];
    let mut connection = connection(told);
    let batch = connection.gather(Duration::ZERO).await;
    let newest: Vec<_> = batch.newest.values().map(|event| (event.sequence, event.entry.telephone_state)).collect();
    assert_eq!(newest, [(13, 2), (12, 4)]);
    assert_eq!((batch.old, batch.overtaken, batch.heard, connection.sequence), (2, 1, 6, 13));
    assert_eq!(connection.gather(Duration::ZERO).await.heard, 0);
}

#[tokio::test]
async fn what_came_before_the_end_is_gathered_with_it() {
    let mut connection = connection([]);
    connection.events = stream::iter([Ok(event(11, 1, 4)), Err(Error::Gone)]).boxed();
    let batch = connection.gather(Duration::ZERO).await;
    assert_eq!(batch.newest.len(), 1);
    assert!(matches!(connection.end, Some(End::Failed(Error::Gone))));
}

#[tokio::test]
async fn a_burst_is_taken_in_bounded_parts() {
    let told = (0..HEARD_MAX as u64 + 3).map(|n| event(11 + n, n.into(), 4));
    let mut connection = connection(told);
    assert_eq!(connection.gather(Duration::ZERO).await.newest.len(), HEARD_MAX);
    assert_eq!(connection.gather(Duration::ZERO).await.newest.len(), 3);
}

/// A snapshot that stands at `sequence`, asked for at event 10, while these events were recorded before it came.
async fn parts(sequence: u64, before: Vec<Heard>, after: Vec<Heard>) -> Vec<(u128, u32)> {
    let mut connection = connection(before);
    let entries = vec![entry(1, 100), entry(2, 100), entry(3, 100)];
    let answer = async move { Ok(Snapshot { sequence, entries }) }.boxed();
    let batch = connection.gather(Duration::ZERO).await;
    connection.whole.ask(answer, 10, noon());
    connection.whole.overtake(batch.newest.values().map(|event| (event.entry.user, event.sequence)));
    connection.gather(Duration::ZERO).await;
    connection.events = heard(after);
    let batch = connection.gather(Duration::ZERO).await;
    connection.whole.overtake(batch.newest.values().map(|event| (event.entry.user, event.sequence)));
    let part = connection.whole.next_part().map(|(_, entries)| entries).unwrap_or_default();
    let told = |entry: &Entry| (entry.user.0.as_u128(), entry.telephone_state);
    part.iter().map(told).chain(batch.newest.values().map(|event| told(&event.entry))).collect()
}

#[tokio::test]
async fn a_snapshot_replaces_older_events_and_never_newer_ones() {
    let check = async |sequence, before, after, expected: &[(u128, u32)]| {
        assert_eq!(parts(sequence, before, after).await, expected);
    };
    check(10, vec![], vec![], &[(1, 100), (2, 100), (3, 100)]).await;
    // Recorded before the snapshot came: below, at and above where it stands.
    check(12, vec![event(11, 1, 4), event(12, 2, 4), event(13, 3, 4)], vec![], &[(1, 100), (2, 100)]).await;
    // Heard after it came: what it holds already is old, the rest overtakes it.
    check(12, vec![], vec![event(11, 1, 4), event(12, 2, 4), event(13, 3, 4)], &[(1, 100), (2, 100), (3, 4)]).await;
}

#[tokio::test]
async fn a_snapshot_from_before_what_was_heard_means_a_restart() {
    let mut connection = connection([]);
    connection.whole.ask(async { Ok(Snapshot { sequence: 9, entries: Vec::new() }) }.boxed(), 10, noon());
    connection.gather(Duration::ZERO).await;
    assert!(matches!(connection.end, Some(End::Restarted)));
}
