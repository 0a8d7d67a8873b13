//! Tells changes as they happen, and holds the latest for whoever was away.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use futures::stream;
use serde::{Deserialize, Serialize};
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};
use tokio_util::sync::CancellationToken;

use super::extract::InQuery;
use super::guid::Guid;
use super::presence::{Entry, Part};
use super::refusal::Refusal;
use super::server::Server;

/// How many events are held.
const HELD_MAX: usize = 10_000;
/// Where the sequence of a server that never restarted begins; leaves room for restarts to begin lower.
const FIRST_SEQUENCE: u64 = 1_000_000;
/// How many events go out in one piece.
const BATCH_MAX: usize = 100;
/// A comment is sent when so much time went by without an event.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// An event without what the contract promises.
const UNREADABLE: Bytes = Bytes::from_static(b"data: {}\n\n");

pub fn router() -> Router<Arc<Server>> {
    Router::new().route("/api/v1/presence/events", get(follow))
}

/// The latest events, as they go over the wire.
pub struct Feed {
    sequence: u64,
    /// The sequence just before the oldest event held.
    floor: u64,
    held: VecDeque<Bytes>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Event<'a> {
    user_guid: Guid,
    changed: &'a [Part],
    entry: &'a Entry,
}

impl Feed {
    pub fn new() -> Self {
        Self::beginning_at(FIRST_SEQUENCE)
    }

    fn beginning_at(sequence: u64) -> Self {
        Self { sequence, floor: sequence, held: VecDeque::new() }
    }

    /// The sequence of the latest event.
    pub fn sequence(&self) -> u64 {
        self.sequence
    }

    /// Forgets what was held and begins anew, lower; half as high, so that old and new sequences do not meet in a test.
    pub fn restart(&mut self) {
        *self = Self::beginning_at(self.sequence / 2);
    }

    /// Adds an event about one user.
    pub fn raise(&mut self, changed: &[Part], entry: &Entry) {
        self.sequence += 1;
        let event = Event { user_guid: entry.user_guid, changed, entry };
        let json = serde_json::to_string(&event).expect("an event holds only text, numbers and guids");
        if self.held.len() == HELD_MAX {
            self.held.pop_front();
            self.floor += 1;
        }
        self.held.push_back(Bytes::from(format!("id: {}\ndata: {json}\n\n", self.sequence)));
    }

    fn holds(&self, since: u64) -> bool {
        (self.floor..=self.sequence).contains(&since)
    }

    /// The events after `since`, at most one batch; `None` where some of them are no longer held.
    fn after(&self, since: u64) -> Option<Vec<Bytes>> {
        let skipped = usize::try_from(since.checked_sub(self.floor)?).ok()?;
        self.holds(since).then(|| self.held.iter().skip(skipped).take(BATCH_MAX).cloned().collect())
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Since {
    since: u64,
}

async fn follow(State(server): State<Arc<Server>>, InQuery(query): InQuery<Since>) -> Result<Response, Refusal> {
    let woken = server.subscribe();
    let cut = server.look(|state, _| state.feed.holds(query.since).then(|| state.streams.clone())).ok_or(Refusal::NotHeld)?;
    let follower = Follower { server, since: query.since, woken, keep_alive: every(KEEP_ALIVE), cut };
    let body = Body::from_stream(stream::unfold(Some(follower), |follower| async move { Some(follower?.step().await) }));
    Ok(([(header::CONTENT_TYPE, "text/event-stream")], body).into_response())
}

fn every(period: Duration) -> Interval {
    let mut ticks = interval_at(Instant::now() + period, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks
}

/// One caller that follows the events.
struct Follower {
    server: Arc<Server>,
    /// The latest sequence sent.
    since: u64,
    woken: watch::Receiver<u64>,
    keep_alive: Interval,
    cut: CancellationToken,
}

/// What a follower may say now.
enum Saying {
    Events(Vec<Bytes>),
    Nothing { silent: bool },
    Lost,
}

impl Follower {
    /// Waits for the next piece to send; an error breaks the connection in mid-answer, and there is no follower after it.
    async fn step(mut self) -> (io::Result<Bytes>, Option<Self>) {
        loop {
            let silent = match self.saying() {
                Saying::Events(events) => {
                    self.since += events.len() as u64;
                    self.keep_alive.reset();
                    return (Ok(events.concat().into()), Some(self));
                }
                Saying::Lost => return broken(),
                Saying::Nothing { silent } => silent,
            };
            tokio::select! {
                biased;
                () = self.cut.cancelled() => return broken(),
                _ = self.woken.changed() => {}
                _ = self.keep_alive.tick(), if !silent => {
                    return (Ok(Bytes::from_static(b": still here\n\n")), Some(self));
                }
            }
        }
    }

    fn saying(&mut self) -> Saying {
        self.woken.mark_unchanged();
        if self.cut.is_cancelled() {
            return Saying::Lost;
        }
        self.server.look(|state, _| match state.feed.after(self.since) {
            _ if state.faults.silent_events => Saying::Nothing { silent: true },
            None => Saying::Lost,
            Some(events) if events.is_empty() => Saying::Nothing { silent: false },
            Some(mut events) => {
                events.iter_mut().filter(|_| state.faults.spoils_event()).for_each(|event| *event = UNREADABLE);
                Saying::Events(events)
            }
        })
    }
}

fn broken() -> (io::Result<Bytes>, Option<Follower>) {
    (Err(io::ErrorKind::ConnectionReset.into()), None)
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::emulator::clock::EmulatedClock;
    use crate::emulator::xphone::presence::Meeting;

    #[test]
    fn the_feed_holds_a_limited_number_of_events() {
        let mut feed = Feed::beginning_at(5);
        assert!(feed.holds(5) && !feed.holds(4) && !feed.holds(6));
        let entry = some_entry();
        for _ in 0..=HELD_MAX {
            feed.raise(&[Part::Telephone], &entry);
        }
        assert_eq!(feed.sequence(), 5 + 10_001);
        assert!(feed.after(5).is_none(), "the oldest event was let go");
        let batch = feed.after(6).expect("held");
        assert_eq!(batch.len(), BATCH_MAX);
        assert!(batch[0].starts_with(b"id: 7\ndata: {"));
        assert!(feed.after(feed.sequence()).expect("held").is_empty());
        assert!(feed.after(feed.sequence() + 1).is_none());
        feed.restart();
        assert_eq!(feed.sequence(), 5_003);
        assert!(feed.after(5_002).is_none() && feed.holds(5_003));
    }

    fn some_entry() -> Entry {
        Entry {
            user_guid: Guid::new(),
            email: String::new(),
            presence_state_guid: Guid::new(),
            presence_text: String::new(),
            profile_guid: None,
            origin: None,
            telephone_state: 4,
            meeting: Meeting::None,
            client_connected: false,
        }
    }

    fn follower(server: &Arc<Server>, keep_alive: Duration) -> Follower {
        let (since, cut) = server.look(|state, _| (state.feed.sequence(), state.streams.clone()));
        Follower { server: Arc::clone(server), since, woken: server.subscribe(), keep_alive: every(keep_alive), cut }
    }

    #[tokio::test]
    async fn a_quiet_stream_sends_comments_unless_it_was_silenced() {
        let clock = EmulatedClock::standing_at(Timestamp::UNIX_EPOCH);
        let server = Arc::new(Server::new(clock, String::new(), String::new(), CancellationToken::new()));
        let (sent, quiet) = follower(&server, Duration::from_millis(5)).step().await;
        assert_eq!(sent.expect("no error"), ": still here\n\n");

        server.look(|state, _| state.faults.silent_events = true);
        let mut silenced = Box::pin(quiet.expect("goes on").step());
        let waited = tokio::time::timeout(Duration::from_millis(50), &mut silenced).await;
        assert!(waited.is_err(), "a silenced stream said something");

        server.break_streams();
        let (sent, after) = silenced.await;
        assert!(sent.is_err() && after.is_none());
    }
}
