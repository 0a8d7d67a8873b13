//! Decrypts on threads of their own that stand back for everything else: an answer to Graph must not wait for a decryption.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread::{self, available_parallelism};
use std::time::Duration;

use tokio::sync::oneshot;

use super::depositor::Room;

/// How far they stand back: where others want the processor too, they get about a tenth.
const NICENESS: i32 = 10;
/// How long they really stand still after each job while somebody waits for an answer. Niceness counts only among threads of one
/// session or one container, and Postgres, whose commit the answer waits for, is in none of ours: Linux let it wait for up to 0.2 s on
/// the processor of a thread that decrypts.
const PAUSE: Duration = Duration::from_micros(500);

type Job = Box<dyn FnOnce() + Send>;

/// As many threads as there are cores; they end when this is dropped.
pub struct Opener {
    jobs: mpsc::Sender<Job>,
    room: Room,
    backlog: Backlog,
}

/// What is still to be decrypted: news, for which what can wait stands back.
#[derive(Clone, Debug, Default)]
pub struct Backlog(Arc<AtomicUsize>);

impl Backlog {
    /// Whether there is any.
    #[must_use]
    pub fn is_any(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }
}

impl Opener {
    /// Starts the threads.
    ///
    /// # Errors
    /// The system gives no more threads.
    pub fn start() -> io::Result<Self> {
        let room = Room::default();
        let (sender, jobs) = mpsc::channel::<Job>();
        let jobs = Arc::new(Mutex::new(jobs));
        for _ in 0..available_parallelism().map_or(1, usize::from) {
            let (jobs, room) = (Arc::clone(&jobs), room.clone());
            thread::Builder::new().name("opener".to_owned()).spawn(move || work(&jobs, &room))?;
        }
        Ok(Self { jobs: sender, room, backlog: Backlog::default() })
    }

    /// Where posts wait for whose answers these threads stand back.
    #[must_use]
    pub fn room(&self) -> &Room {
        &self.room
    }

    /// What is still to be decrypted.
    #[must_use]
    pub fn backlog(&self) -> &Backlog {
        &self.backlog
    }

    /// Does a computation on one of the threads; the answer is dropped if it panics.
    pub fn compute<T: Send + 'static>(&self, computation: impl FnOnce() -> T + Send + 'static) -> oneshot::Receiver<T> {
        let (answer, answered) = oneshot::channel();
        let queued = Queued::on(&self.backlog);
        // Nobody wants the answer any more where it cannot be sent, nor the computation where no thread is left.
        _ = self.jobs.send(Box::new(move || {
            let computed = computation();
            // Whoever has the answer need not be told of it as something still to come.
            drop(queued);
            _ = answer.send(computed);
        }));
        answered
    }
}

/// One computation of the backlog, until it is done, panics or is given up.
struct Queued(Backlog);

impl Queued {
    fn on(backlog: &Backlog) -> Self {
        backlog.0.fetch_add(1, Ordering::Relaxed);
        Self(backlog.clone())
    }
}

impl Drop for Queued {
    fn drop(&mut self) {
        self.0.0.fetch_sub(1, Ordering::Relaxed);
    }
}

fn work(jobs: &Mutex<mpsc::Receiver<Job>>, room: &Room) {
    // Linux takes process 0 for the thread that asks. Where standing back is not to be had, decrypting still is.
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "decryption runs with the same priority as everything else");
    }
    loop {
        let next = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = next else { return };
        // The answer is dropped with the job; the thread is needed for the next one.
        if catch_unwind(AssertUnwindSafe(job)).is_err() {
            tracing::error!("a decryption panicked");
        }
        if room.is_awaited() {
            thread::sleep(PAUSE);
        }
    }
}
