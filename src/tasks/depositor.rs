//! Makes what Graph posts durable, many posts in one commit; who posted is answered only after that.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use super::Activators;
use super::driver::chain;
use crate::store::Store;
use crate::store::inbox::{Post, PostKind};

/// Posts that may wait for the commit before theirs; more are turned away, and Graph tries again.
const WAITING_MAX: usize = 4096;
/// What may wait in memory, however large its posts are.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Posts and bytes in one commit.
const POSTS_PER_COMMIT_MAX: usize = 64;
const BYTES_PER_COMMIT_MAX: usize = 16 * 1024 * 1024;
/// While one commit waits for the disk the next one is prepared, and the disk often takes both at once.
const COMMITS_AT_ONCE: usize = 2;
/// Graph waits 3 s for an answer: what is not durable by then is better posted again.
const ANSWER_WITHIN: Duration = Duration::from_millis(2500);

/// Could not be made durable: the post must be sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the post could not be made durable")]
pub struct NotDurable;

struct Waiting {
    post: Post,
    answer: oneshot::Sender<()>,
    /// Its share of what may wait, until it is durable.
    room: OwnedSemaphorePermit,
}

/// Room for the posts that wait for the disk, as bytes.
#[derive(Clone, Debug)]
pub struct Room(Arc<Semaphore>);

impl Room {
    /// Whether some post is on its way to the disk, and whoever sent it waits for an answer.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.0.available_permits() < WAITING_BYTES_MAX
    }
}

impl Default for Room {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(WAITING_BYTES_MAX)))
    }
}

/// Where the webhook drops posts.
#[derive(Clone, Debug)]
pub struct Deposits {
    sender: mpsc::Sender<Waiting>,
    room: Room,
}

/// The other end: writes them.
#[derive(Debug)]
pub struct Depositor {
    waiting: mpsc::Receiver<Waiting>,
    writer: Writer,
}

#[derive(Debug)]
struct Writer {
    store: Store,
    activators: Activators,
}

/// Makes both ends.
#[must_use]
pub fn channel(store: Store, activators: Activators, room: Room) -> (Deposits, Depositor) {
    let (sender, waiting) = mpsc::channel(WAITING_MAX);
    (Deposits { sender, room }, Depositor { waiting, writer: Writer { store, activators } })
}

impl Deposits {
    /// Returns once the post is durable.
    ///
    /// # Errors
    /// It is not: the database fails or is too slow, or too many posts are waiting.
    pub async fn deposit(&self, post: Post) -> Result<(), NotDurable> {
        let bytes = u32::try_from(post.body.len()).map_err(|_| NotDurable)?;
        let room = Arc::clone(&self.room.0).try_acquire_many_owned(bytes).map_err(|_| NotDurable)?;
        let (answer, answered) = oneshot::channel();
        self.sender.try_send(Waiting { post, answer, room }).map_err(|_| NotDurable)?;
        match tokio::time::timeout(ANSWER_WITHIN, answered).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(NotDurable),
        }
    }
}

impl Depositor {
    /// Writes until `stop`, and then what is still waiting.
    pub async fn run(self, stop: CancellationToken) {
        let Self { mut waiting, writer } = self;
        let mut commits = FuturesUnordered::new();
        loop {
            let first = tokio::select! {
                biased;
                Some(()) = commits.next() => continue,
                first = waiting.recv(), if commits.len() < COMMITS_AT_ONCE => first,
                () = stop.cancelled(), if !waiting.is_closed() => { waiting.close(); continue }
            };
            let Some(first) = first else { break };
            commits.push(writer.write(gather(first, &mut waiting)));
        }
        while commits.next().await.is_some() {}
    }
}

fn gather(first: Waiting, waiting: &mut mpsc::Receiver<Waiting>) -> Vec<Waiting> {
    let mut bytes = first.post.body.len();
    let mut batch = vec![first];
    while batch.len() < POSTS_PER_COMMIT_MAX && bytes < BYTES_PER_COMMIT_MAX {
        let Ok(next) = waiting.try_recv() else { break };
        bytes += next.post.body.len();
        batch.push(next);
    }
    // Who has given up waiting was told to post again.
    batch.retain(|waiting| !waiting.answer.is_closed());
    batch
}

impl Writer {
    /// An answer that is dropped unsent tells its post to come again.
    async fn write(&self, batch: Vec<Waiting>) {
        let waiting = batch.into_iter().map(|Waiting { post, answer, room }| (post, (answer, room)));
        let (posts, answers): (Vec<Post>, Vec<_>) = waiting.unzip();
        match tokio::time::timeout(ANSWER_WITHIN, self.store.deposit(&posts)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                return tracing::warn!(posts = posts.len(), error = %chain(&error), "posts could not be made durable");
            }
            Err(_) => return tracing::warn!(posts = posts.len(), "posts could not be made durable in time"),
        }
        for (answer, room) in answers {
            drop(room);
            _ = answer.send(());
        }
        let came = |kind| posts.iter().any(|post| post.kind == kind);
        if came(PostKind::Notification) {
            self.activators.intake.wake();
        }
        if came(PostKind::Lifecycle) {
            self.activators.lifecycle.wake();
        }
    }
}
