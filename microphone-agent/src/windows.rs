//! Follows capture sessions and the registry's record of microphone use, and says which programs use the microphone of this session.
//!
//! A list is the truth; events only say that it is time for another.

mod native;
mod registry;

use std::collections::BTreeSet;
use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use tokio::sync::watch;

use crate::consent;
use crate::pace::Pace;
use crate::programs::Programs;
use native::Sessions;

pub use native::{asked_to_end, attach_console, only_one};

/// Events come in swarms, and a new session is listed a moment after it is announced.
const LIST_PAUSE: Duration = Duration::from_millis(200);
/// A list is made now and then without an event, should one have got lost, or should sessions not be told of.
const IN_USE_CHECK: Duration = Duration::from_mins(1);
/// The same while nothing is in use.
const IDLE_CHECK: Duration = Duration::from_mins(5);
/// Who cannot go on waits: the task scheduler does not start anew what ended by itself, and at log-on a policy may bring the token later.
pub const BEGINS_ANEW_AFTER: Option<Duration> = Some(Duration::from_mins(1));
/// Below the folders for programs' data.
const FOLDER: &str = "microphone-agent";
/// The log begins anew when it is larger.
const LOG_BYTES_MAX: u64 = 256 * 1024;

/// Follows both for ever.
pub fn follow(told: &watch::Sender<Option<Programs>>) {
    native::join_apartment();
    let (wake, changes) = sync_channel(1);
    let registry_wake = wake.clone();
    let started = std::thread::Builder::new().name("registry".to_owned()).spawn(move || follow_registry(&registry_wake));
    if let Err(problem) = started {
        say(&format!("no thread for the registry: {problem}"));
    }
    let mut said = None;
    // Kept while it is waited, since it is what announces changes.
    let mut before = None;
    let mut heard = BTreeSet::new();
    loop {
        let sessions = Sessions::watch(&wake);
        let problem = sessions.as_ref().map_or_else(|error| Some(error.clone()), Sessions::problem);
        say_change(problem.map(|error| error.message()), &mut said);
        let recording = sessions.as_ref().map(Sessions::recording).unwrap_or_default();
        if said.is_none() {
            heard.extend(recording.iter().cloned());
        } else {
            // Perhaps they do not tell of all, and the registry does.
            heard.clear();
        }
        let programs = consent::programs(recording, &heard, &registry::entries(), native::processes);
        let is_idle = programs.is_empty() && said.is_none();
        programs.tell(told);
        drop(before.replace(sessions));
        wait(&changes, if is_idle { IDLE_CHECK } else { IN_USE_CHECK });
    }
}

fn wait(changes: &Receiver<()>, at_most: Duration) {
    // Nobody is left to wake only if this thread itself is gone.
    if changes.recv_timeout(at_most).is_ok() {
        std::thread::sleep(LIST_PAUSE);
        // What came meanwhile is in the list that follows.
        _ = changes.try_recv();
    }
}

fn say_change(problem: Option<String>, said: &mut Option<String>) {
    if *said != problem {
        say(&problem.as_ref().map_or_else(
            || "capture sessions are followed again".to_owned(),
            |problem| format!("capture sessions cannot all be followed, the registry stands in: {problem}"),
        ));
        *said = problem;
    }
}

/// Wakes at each change, and when the record came to be.
fn follow_registry(wake: &SyncSender<()>) {
    let mut pace = Pace::default();
    loop {
        if let Ok(store) = registry::store() {
            while native::until_changed(&store).is_ok() {
                pace.succeed();
                _ = wake.try_send(());
            }
        }
        std::thread::sleep(pace.fail(fastrand::f64()));
        _ = wake.try_send(());
    }
}

/// The machine's name.
pub fn workstation() -> String {
    environment("COMPUTERNAME").unwrap_or_default()
}

/// Where settings lie unless told otherwise: those of the machine, beside the program, since whoever may write there has the agent anyway; then
/// those of the user, which count more.
pub fn settings_files() -> Vec<PathBuf> {
    let program = std::env::current_exe().ok();
    let beside = program.as_deref().and_then(Path::parent).map(Path::to_owned);
    beside.into_iter().chain(folder("LOCALAPPDATA")).map(|folder| folder.join("settings.conf")).collect()
}

/// Where the token lies unless told otherwise: where only the user, and whoever administers the machine, can read.
pub fn token_file() -> Option<PathBuf> {
    Some(folder("LOCALAPPDATA")?.join("token"))
}

/// Nobody is warned: where the token lies by default, Windows lets nobody else read; elsewhere its access list is not looked at.
pub fn is_open_to_others(_: &Path) -> bool {
    false
}

/// A line for whoever looks after it: on the console that it was started from, and in the user's log. Never a token, never a
/// program.
pub fn say(line: &str) {
    // Usually there is no console.
    _ = writeln!(std::io::stderr(), "microphone-agent: {line}");
    // Where there is no room for a log the agent goes on without.
    _ = log(line);
}

fn log(line: &str) -> std::io::Result<()> {
    let Some(folder) = folder("LOCALAPPDATA") else { return Ok(()) };
    std::fs::create_dir_all(&folder)?;
    let path = folder.join("agent.log");
    let is_full = std::fs::metadata(&path).is_ok_and(|log| log.len() > LOG_BYTES_MAX);
    let mut log = if is_full { File::create(path)? } else { OpenOptions::new().create(true).append(true).open(path)? };
    writeln!(log, "{} {line}", native::now())
}

fn folder(variable: &str) -> Option<PathBuf> {
    environment(variable).map(|folder| Path::new(&folder).join(FOLDER))
}

#[expect(clippy::disallowed_methods, reason = "this is where Windows says where a user's files are")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
