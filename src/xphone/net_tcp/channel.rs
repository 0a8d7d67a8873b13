//! One connection to an endpoint: questions go out, answers find their question, what nobody asked for is an event.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nettcp::Limits;
use nettcp::framing::{Decoder, Record, TLS_UPGRADE, preamble};
use nettcp::session::{Incoming, Outgoing};
use nettcp::soap::{self, Message, MessageId};
use nettcp::xml::Element;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use url::Url;
use uuid::Uuid;

use super::endpoint::Endpoint;
use super::failure::{CallError, Failure, silent};
use super::tls::Tls;

/// Everybody's presence, for several 100,000 users, is one message.
const LIMITS: Limits = Limits { message_bytes_max: 128 << 20, depth_max: 32, nodes_max: 8_000_000, session_bytes_max: 64 << 10 };
/// WCF takes 2048 bytes of names, if nobody set another bound.
const NAMES_BYTES_MAX: usize = 1024;
/// Questions that wait to be written.
const WRITES_WAITING_MAX: usize = 64;
/// Events that wait to be taken; more than a busy server tells while everybody's presence is read and recorded.
const EVENTS_WAITING_MAX: usize = 16_384;
const READ_BYTES: usize = 64 * 1024;

/// Where a server is, and how it proves to be that one.
#[derive(Clone)]
pub(super) struct Target {
    pub server: Url,
    /// `None`: only endpoints without TLS may be used.
    pub tls: Option<Tls>,
}

/// How long we wait for what.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    /// For a connection, its upgrade included.
    pub connect: Duration,
    /// For an answer.
    pub answer: Duration,
    /// Between two signs of life that we ask for.
    pub keep_alive: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self { connect: seconds(5), answer: seconds(10), keep_alive: seconds(30) }
    }
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An open connection. It is closed when it is dropped.
pub(super) struct Channel {
    pub endpoint: Endpoint,
    address: String,
    answer_within: Duration,
    questions: mpsc::Sender<Element>,
    waiting: Arc<Mutex<Waiting>>,
    _at_work: AbortOnDropHandle<()>,
}

/// Who waits for what.
#[derive(Default)]
struct Waiting {
    answers: HashMap<MessageId, oneshot::Sender<Message>>,
    /// Why nothing comes any more.
    over: Option<Failure>,
}

impl Channel {
    /// Connects, and goes on in TLS where the endpoint does. The second value tells what nobody asked for.
    pub(super) async fn open(
        target: &Target,
        endpoint: Endpoint,
        patience: Patience,
    ) -> Result<(Self, mpsc::Receiver<Message>), Failure> {
        let address = endpoint.address(&target.server);
        let opened = timeout(patience.connect, open(target, endpoint, &address)).await;
        let (stream, decoder) = opened.map_err(|_| silent(patience.connect))??;
        let (questions, to_write) = mpsc::channel(WRITES_WAITING_MAX);
        let (events, told) = mpsc::channel(EVENTS_WAITING_MAX);
        let waiting = Arc::new(Mutex::new(Waiting::default()));
        let (reads, writes) = tokio::io::split(stream);
        let reader = Reader { reads, decoder, incoming: Incoming::new(LIMITS), waiting: Arc::clone(&waiting), events };
        let at_work = at_work(reader, write(writes, to_write), Arc::clone(&waiting));
        let at_work = AbortOnDropHandle::new(TaskTracker::new().spawn(at_work));
        let channel = Self { endpoint, address, answer_within: patience.answer, questions, waiting, _at_work: at_work };
        Ok((channel, told))
    }

    /// Why nothing more comes, if so.
    pub(super) fn over(&self) -> Option<Failure> {
        lock(&self.waiting).over.clone()
    }

    /// Asks, and waits for the answer.
    pub(super) async fn call(&self, action: &str, body: Element) -> Result<Message, CallError> {
        let id = *Uuid::new_v4().as_bytes();
        let question = soap::question(action, &self.address, id, body);
        let (answer, answered) = oneshot::channel();
        {
            let mut waiting = lock(&self.waiting);
            if let Some(failure) = &waiting.over {
                return Err(CallError::NotSent(failure.clone()));
            }
            waiting.answers.insert(id, answer);
        }
        let asked = Asked { id, waiting: &self.waiting };
        let exchange = async {
            if self.questions.send(question).await.is_err() {
                return Err(CallError::NotSent(asked.why_over()));
            }
            answered.await.map_err(|_| CallError::Lost(asked.why_over()))
        };
        let Ok(answer) = timeout(self.answer_within, exchange).await else {
            return Err(CallError::Lost(self.give_up(silent(self.answer_within))));
        };
        let answer = answer?;
        match answer.fault() {
            Some(fault) => Err(CallError::Fault(fault)),
            None => Ok(answer),
        }
    }
}

impl Channel {
    /// Whoever does not answer may be gone without a word: whoever asks next does so on another connection.
    fn give_up(&self, failure: Failure) -> Failure {
        let mut waiting = lock(&self.waiting);
        waiting.answers.clear();
        waiting.over.get_or_insert(failure).clone()
    }
}

/// A question under way; forgotten when nobody waits any more.
struct Asked<'a> {
    id: MessageId,
    waiting: &'a Mutex<Waiting>,
}

impl Asked<'_> {
    fn why_over(&self) -> Failure {
        lock(self.waiting).over.clone().unwrap_or(Failure::Ended)
    }
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        lock(self.waiting).answers.remove(&self.id);
    }
}

fn lock(waiting: &Mutex<Waiting>) -> std::sync::MutexGuard<'_, Waiting> {
    // Nothing that is done under it can be half done.
    waiting.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn open(target: &Target, endpoint: Endpoint, address: &str) -> Result<(Box<dyn Stream>, Decoder), Failure> {
    let host = target.server.host_str().unwrap_or_default().trim_matches(['[', ']']);
    let mut tcp = TcpStream::connect((host, target.server.port().unwrap_or(DEFAULT_PORT))).await?;
    tcp.set_nodelay(true)?;
    let mut decoder = Decoder::new(LIMITS);
    let mut out = preamble(address);
    let mut stream: Box<dyn Stream> = match (&target.tls, endpoint.is_secure()) {
        (Some(tls), true) => {
            Record::UpgradeRequest(TLS_UPGRADE.to_owned()).write(&mut out);
            tcp.write_all(&out).await?;
            out.clear();
            expect(&mut tcp, &mut decoder, &Record::UpgradeResponse).await?;
            if !decoder.is_empty() {
                return Err(Failure::OutOfPlace("bytes before TLS"));
            }
            Box::new(tls.connector.connect(tls.server_name.clone(), tcp).await?)
        }
        (None, true) => return Err(Failure::OutOfPlace("an endpoint that needs TLS")),
        (_, false) => Box::new(tcp),
    };
    Record::PreambleEnd.write(&mut out);
    stream.write_all(&out).await?;
    stream.flush().await?;
    expect(&mut stream, &mut decoder, &Record::PreambleAck).await?;
    Ok((stream, decoder))
}

/// The port of the product's servers.
pub(super) const DEFAULT_PORT: u16 = 3344;

async fn expect(stream: &mut (impl AsyncRead + Unpin), decoder: &mut Decoder, expected: &Record) -> Result<(), Failure> {
    // One byte: nothing that belongs to TLS may be taken along.
    let mut byte = [0];
    loop {
        match decoder.next_record()? {
            Some(record) if record == *expected => return Ok(()),
            Some(Record::Fault(why)) => return Err(Failure::Refused(why.rsplit('/').next().unwrap_or_default().to_owned())),
            Some(_) => return Err(Failure::OutOfPlace("a record")),
            None => {}
        }
        if stream.read(&mut byte).await? == 0 {
            return Err(Failure::Ended);
        }
        decoder.push(&byte);
    }
}

/// Reads and writes until either is over, and then tells everybody who waits.
async fn at_work(reader: Reader, writes: impl Future<Output = Failure>, waiting: Arc<Mutex<Waiting>>) {
    let failure = tokio::select! {
        failure = reader.run() => failure,
        failure = writes => failure,
    };
    let mut waiting = lock(&waiting);
    waiting.over = Some(failure);
    waiting.answers.clear();
}

async fn write(mut stream: WriteHalf<Box<dyn Stream>>, mut questions: mpsc::Receiver<Element>) -> Failure {
    let mut outgoing = Outgoing::new(NAMES_BYTES_MAX);
    while let Some(question) = questions.recv().await {
        let mut bytes = Vec::new();
        Record::Envelope(outgoing.write(&question)).write(&mut bytes);
        let written = async {
            stream.write_all(&bytes).await?;
            stream.flush().await
        };
        if let Err(error) = written.await {
            return error.into();
        }
    }
    Failure::Ended
}

struct Reader {
    reads: ReadHalf<Box<dyn Stream>>,
    decoder: Decoder,
    incoming: Incoming,
    waiting: Arc<Mutex<Waiting>>,
    events: mpsc::Sender<Message>,
}

impl Reader {
    async fn run(mut self) -> Failure {
        let mut bytes = vec![0; READ_BYTES];
        loop {
            if let Err(failure) = self.take() {
                return failure;
            }
            match self.reads.read(&mut bytes).await {
                Ok(0) => return Failure::Ended,
                Ok(length) => self.decoder.push(bytes.get(..length).unwrap_or_default()),
                Err(error) => return error.into(),
            }
        }
    }

    /// Everything that has arrived whole.
    fn take(&mut self) -> Result<(), Failure> {
        while let Some(record) = self.decoder.next_record()? {
            match record {
                Record::Envelope(bytes) => {
                    let message = Message::new(self.incoming.read(&bytes)?)?;
                    self.deliver(message)?;
                }
                Record::End => return Err(Failure::Ended),
                Record::Fault(why) => return Err(Failure::Refused(why.rsplit('/').next().unwrap_or_default().to_owned())),
                _ => return Err(Failure::OutOfPlace("a record")),
            }
        }
        Ok(())
    }

    fn deliver(&self, message: Message) -> Result<(), Failure> {
        let is_refusal = message.fault().is_some();
        let waiter = {
            let mut waiting = lock(&self.waiting);
            let asked = match message.relates_to {
                Some(question) => Some(question),
                // Some hosts do not say whom they refuse.
                None if is_refusal => match waiting.answers.len() {
                    0 | 1 => waiting.answers.keys().next().copied(),
                    _ => return Err(Failure::Unattributed),
                },
                None => None,
            };
            asked.and_then(|question| waiting.answers.remove(&question))
        };
        match waiter {
            // Whoever has given up waiting needs no answer.
            Some(waiter) => _ = waiter.send(message),
            None if message.relates_to.is_some() || is_refusal => {}
            None => match self.events.try_send(message) {
                Ok(()) | Err(mpsc::error::TrySendError::Closed(_)) => {}
                Err(mpsc::error::TrySendError::Full(_)) => return Err(Failure::Behind),
            },
        }
        Ok(())
    }
}
