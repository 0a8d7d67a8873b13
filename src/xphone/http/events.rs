//! The event stream: what changes in XPhone, as it changes.

use std::collections::VecDeque;

use futures::stream::{self, BoxStream, StreamExt};
use reqwest::{Response, StatusCode};
use tokio::time::timeout;

use super::sse::{Message, Parser};
use super::transport::{Question, broken, contract, parsed, unreachable};
use super::{XPhone, wire};
use crate::xphone::error::Silence;
use crate::xphone::{Error, Heard};

const CALL: &str = "presence/events";

impl XPhone {
    /// Listens to what changed after the sequence `since`, as it stands in a snapshot or in the last event.
    ///
    /// The stream ends where the server ends it, and after the first error; then listen again from the last sequence heard, after a
    /// pause. `Unreachable` stands for a broken connection and for 90 s without even a sign of life. After `Contract` an event
    /// could not be read: read the snapshot before listening again. Events may repeat.
    ///
    /// # Errors
    /// `Gone`: the server no longer holds the events after `since`; read the snapshot and listen from its sequence. And as all calls
    /// fail.
    pub(in crate::xphone) async fn events(&self, since: u64) -> Result<BoxStream<'static, Result<Heard, Error>>, Error> {
        let question = self.reading(CALL, &["presence", "events"], &[("since", &since.to_string())]);
        // The answer never ends, so only its beginning is bounded. Logging in has its own bounds within.
        let patience = self.transport.patience;
        let begun = timeout(patience.request, self.answer(&question, None)).await;
        let response = begun.map_err(|_| broken(&question, Silence(patience.request)))??;
        if response.status() == StatusCode::GONE {
            return Err(Error::Gone);
        }
        let response = self.transport.sorted(&question, response).await?;
        let listening =
            Listening { response, question, silence: patience.silence, parser: Parser::default(), read: VecDeque::new() };
        Ok(stream::unfold(Some(listening), step).boxed())
    }
}

/// An open stream.
struct Listening {
    response: Response,
    question: Question,
    silence: std::time::Duration,
    parser: Parser,
    /// Read from the connection, not yet told.
    read: VecDeque<Message>,
}

/// One step of the stream; an error is its last.
async fn step(listening: Option<Listening>) -> Option<(Result<Heard, Error>, Option<Listening>)> {
    let mut listening = listening?;
    match listening.next().await {
        Ok(Some(heard)) => Some((Ok(heard), Some(listening))),
        Ok(None) => None,
        Err(error) => Some((Err(error), None)),
    }
}

impl Listening {
    /// What comes next; `None`: the server ended the stream.
    async fn next(&mut self) -> Result<Option<Heard>, Error> {
        loop {
            if let Some(message) = self.read.pop_front() {
                return heard(message).map(Some);
            }
            let chunk = timeout(self.silence, self.response.chunk()).await;
            let chunk = chunk.map_err(|_| broken(&self.question, Silence(self.silence)))?;
            let Some(bytes) = chunk.map_err(|error| unreachable(&self.question, error))? else {
                return Ok(None);
            };
            self.parser.push(&bytes, &mut self.read).map_err(|malformed| contract(CALL, malformed.to_string()))?;
        }
    }
}

fn heard(message: Message) -> Result<Heard, Error> {
    match message {
        Message::Comment => Ok(Heard::KeepAlive),
        Message::Event { id, text } => {
            let sequence = id.parse().map_err(|_| contract(CALL, "an event without a sequence"))?;
            let event: wire::Event = parsed(CALL, text.as_bytes())?;
            Ok(Heard::Event(Box::new(event.at(sequence))))
        }
    }
}
