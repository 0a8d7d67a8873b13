//! Follows the sound server, which is `PulseAudio` or `PipeWire` in its place, and says which programs record from a microphone.

mod place;
mod server;

use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::pace::Pace;
use crate::programs::Programs;
use server::{Connection, Error};

pub use place::{is_open_to_others, workstation};

/// Events come in swarms; no list is asked for sooner after another.
const LIST_PAUSE: Duration = Duration::from_millis(200);
/// A list is asked for now and then without an event, should one have got lost: while something is in use, nobody is to show it for long.
const IN_USE_CHECK: Duration = Duration::from_mins(1);
/// The same while nothing is.
const IDLE_CHECK: Duration = Duration::from_hours(1);

/// Who cannot go on ends: the unit starts it anew.
pub const BEGINS_ANEW_AFTER: Option<Duration> = None;

/// Where settings lie unless told otherwise: nowhere, since the unit hands them over.
pub fn settings_files() -> Vec<PathBuf> {
    Vec::new()
}

/// Where the token lies unless told otherwise: the unit tells it.
pub fn token_file() -> Option<PathBuf> {
    None
}

/// A line for the journal: never a token, never a program.
pub fn say(line: &str) {
    eprintln!("microphone-agent: {line}");
}

/// Ends when the agent is asked to; asked for before anything else runs, so that no signal is missed.
pub fn asked_to_end() -> std::io::Result<impl Future<Output = ()>> {
    let (mut end, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        tokio::select! {
            _ = end.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// Follows the server for ever; while there is none, nothing is in use.
pub fn follow(told: &watch::Sender<Option<Programs>>) {
    let mut pace = Pace::default();
    let mut said = None;
    loop {
        let problem = follow_once(told, &mut pace, &mut said).to_string();
        Programs::default().tell(told);
        if said.as_ref() != Some(&problem) {
            say(&problem);
            said = Some(problem);
        }
        std::thread::sleep(pace.fail(fastrand::f64()));
    }
}

/// One connection tells that something changed, another is asked what there is: answers and events do not mix.
fn follow_once(told: &watch::Sender<Option<Programs>>, pace: &mut Pace, said: &mut Option<String>) -> Error {
    match connect() {
        Ok((asked, changes, _hang_up)) => loop_until_it_ends(asked, &changes, told, pace, said),
        Err(error) => error,
    }
}

fn connect() -> Result<(Connection, Receiver<()>, HangUp), Error> {
    let path = place::socket().ok_or(Error::NoServer)?;
    let (asked, events) = (Connection::open(&path)?, Connection::open(&path)?.subscribed()?);
    let hang_up = HangUp(events.socket()?);
    let (swarm, changes) = sync_channel(1);
    std::thread::Builder::new().name("events".to_owned()).spawn(move || pass_on(events, &swarm))?;
    Ok((asked, changes, hang_up))
}

fn loop_until_it_ends(
    mut asked: Connection,
    changes: &Receiver<()>,
    told: &watch::Sender<Option<Programs>>,
    pace: &mut Pace,
    said: &mut Option<String>,
) -> Error {
    loop {
        let recording = match asked.recording() {
            Ok(recording) => recording,
            Err(error) => return error,
        };
        let check = if recording.is_empty() { IDLE_CHECK } else { IN_USE_CHECK };
        recording.tell(told);
        pace.succeed();
        if said.take().is_some() {
            say("the sound server is followed again");
        }
        std::thread::sleep(LIST_PAUSE);
        if let Err(RecvTimeoutError::Disconnected) = changes.recv_timeout(check) {
            return Error::Ended;
        }
    }
}

/// A swarm of events is one.
fn pass_on(mut events: Connection, swarm: &SyncSender<()>) {
    while events.changed().is_ok() {
        if let Err(TrySendError::Disconnected(())) = swarm.try_send(()) {
            return;
        }
    }
}

/// Ends the thread that waits for events, when nobody wants them any more.
struct HangUp(UnixStream);

impl Drop for HangUp {
    fn drop(&mut self) {
        // The server may have gone before.
        _ = self.0.shutdown(Shutdown::Both);
    }
}
