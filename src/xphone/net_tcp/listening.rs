//! The event stream: what an open connection tells, as whole entries with a sequence of our own.

use std::collections::VecDeque;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, BoxStream, StreamExt};
use nettcp::soap::Message;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::calls::Line;
use super::channel::Patience;
use super::contract::{Change, changes};
use super::failure::{Failure, unreachable};
use super::fold::Folded;
use super::told::Told;
use crate::xphone::values::{Changed, Event};
use crate::xphone::{Error, Heard};

/// A connection whose events are to be heard.
pub(super) struct Listening {
    pub line: Arc<Line>,
    pub events: mpsc::Receiver<Message>,
    pub told: Arc<Told>,
    pub patience: Patience,
    /// Read, not yet told.
    ahead: VecDeque<Change>,
    alive: Alive,
}

/// The next sign of life: awaited, or asked for.
enum Alive {
    Due(Instant),
    Asked(BoxFuture<'static, Result<(), Error>>),
}

enum Came {
    Event(Option<Message>),
    Alive(Result<(), Error>),
    Time,
}

impl Listening {
    pub(super) fn new(line: Arc<Line>, events: mpsc::Receiver<Message>, told: Arc<Told>, patience: Patience) -> Self {
        let alive = Alive::Due(Instant::now() + patience.keep_alive);
        Self { line, events, told, patience, ahead: VecDeque::new(), alive }
    }

    /// Goes on until the connection is over; an error is the last.
    pub(super) fn stream(self) -> BoxStream<'static, Result<Heard, Error>> {
        stream::unfold(Some(self), step).boxed()
    }

    async fn next(&mut self) -> Result<Heard, Error> {
        loop {
            while let Some(change) = self.ahead.pop_front() {
                if let Some(event) = self.fold(&change).await? {
                    return Ok(Heard::Event(Box::new(event)));
                }
            }
            match self.come().await {
                Came::Event(Some(event)) => self.ahead.extend(changes(&event)),
                Came::Event(None) => return Err(self.line.why_over().unwrap_or_else(|| unreachable(Failure::Ended))),
                Came::Alive(answer) => {
                    answer?;
                    self.alive = Alive::Due(Instant::now() + self.patience.keep_alive);
                    return Ok(Heard::KeepAlive);
                }
                Came::Time => {
                    let line = Arc::clone(&self.line);
                    self.alive = Alive::Asked(async move { line.keep_alive().await }.boxed());
                }
            }
        }
    }

    async fn come(&mut self) -> Came {
        tokio::select! {
            event = self.events.recv() => Came::Event(event),
            came = alive(&mut self.alive) => came,
        }
    }

    /// Nothing is lost where this is given up: a change is out of `ahead` only for as long as it is asked about, and whoever gives up
    /// listening altogether reads everybody anew.
    async fn fold(&mut self, change: &Change) -> Result<Option<Event>, Error> {
        let sequence = self.told.next();
        let email = match self.told.change(change, sequence) {
            Folded::Nothing => return Ok(None),
            Folded::Entry(entry, changed) => return Ok(Some(Event { sequence, changed: vec![changed], entry: *entry })),
            Folded::Ask(email) => email,
        };
        let found = self.line.find(&email).await?;
        let entry = found.and_then(|found| self.told.replace(&found.entry, sequence));
        Ok(entry.map(|entry| Event { sequence, changed: vec![Changed::Presence, Changed::Text, Changed::Telephone], entry }))
    }
}

async fn alive(alive: &mut Alive) -> Came {
    match alive {
        Alive::Due(at) => {
            sleep_until(*at).await;
            Came::Time
        }
        Alive::Asked(answer) => Came::Alive(answer.await),
    }
}

async fn step(listening: Option<Listening>) -> Option<(Result<Heard, Error>, Option<Listening>)> {
    let mut listening = listening?;
    match listening.next().await {
        Ok(heard) => Some((Ok(heard), Some(listening))),
        Err(error) => Some((Err(error), None)),
    }
}
