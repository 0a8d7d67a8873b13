//! The real agent beside a real sound server on which real programs record: what it sees, XPhone shows, and it goes with the program,
//! with the agent, and with the sound server. Left out unless asked for: `deploy/test-microphone`.

mod sound;

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{FREE, seconds};
use crate::world::{Person, World};
use sound::{Kind, Sound};

/// What happens on the machine takes this long at most.
const HAPPENS_WITHIN: Duration = Duration::from_mins(1);
/// What has ended before is a probe, and must not show.
const PROBE_TOLD_WITHIN: Duration = Duration::from_millis(1500);
/// How often is looked whether it has.
pub const LOOK_EVERY: Duration = Duration::from_millis(20);

const MEETING: &str = "Meeting";
const DICTATION: &str = "Dictation";

/// Anna at her workstation.
struct Story {
    world: World,
    anna: Person,
    sound: Sound,
    agent: Child,
    folder: TempDir,
}

impl Story {
    async fn begin(kind: Kind) -> Self {
        let (world, [anna]) = World::with_people(["anna"]).await;
        let entry = |process: &str, alias: &str| json!({"process": process, "alias": alias, "active": true});
        let processes = [entry("meeting", MEETING), entry("dictation", DICTATION), entry("visualiser", "Nobody's business")];
        world.put_microphone_sync(&json!({"enabled": true, "processes": processes, "ignored": []})).await;
        let folder = tempfile::tempdir().unwrap();
        let (_, token) = world.enrol("PC-1", "anna@example.com").await;
        std::fs::write(folder.path().join("token"), token).unwrap();
        let sound = Sound::start(kind).await;
        let agent = agent(&world, folder.path(), &sound);
        Self { world, anna, sound, agent, folder }
    }

    async fn until_in_use(&self, expected: &[&str]) {
        until_in_use(&self.world, expected, HAPPENS_WITHIN).await;
    }

    /// Until these programs show, as they do once they are no probe.
    async fn until_shown(&self, programs: &[&str], alias: &str) {
        self.until_in_use(programs).await;
        self.world.after(seconds(2)).await;
        assert_eq!(self.world.text(self.anna).await, alias);
        let shown = self.world.appointment(self.anna).await.unwrap();
        assert_eq!((&shown["subject"], &shown["visibleFrom"]), (&json!(alias), &json!("teamColleague")));
    }

    async fn until_free(&self) {
        self.until_in_use(&[]).await;
        assert_eq!((self.world.text(self.anna).await.as_str(), self.world.appointment(self.anna).await), (FREE, None));
    }

    fn signal(&self, signal: Signal) {
        let id = self.agent.id().and_then(|id| Pid::from_raw(id.try_into().ok()?)).expect("it runs");
        kill_process(id, signal).unwrap();
    }
}

/// Until the gateway has kept these programs of the workstation, and has shown what follows at once.
pub async fn until_in_use(world: &World, expected: &[&str], within: Duration) {
    let in_use = async {
        let mut looks = tokio::time::interval(LOOK_EVERY);
        loop {
            looks.tick().await;
            let kept = world.kept_reports().await;
            let programs: Vec<&str> = kept.iter().flat_map(|(_, programs)| programs).map(String::as_str).collect();
            assert!(kept.iter().all(|(workstation, _)| workstation == "pc-1"), "{kept:?}");
            assert!(!programs.contains(&"visualiser"), "what hears loudspeakers is told of");
            if programs == expected {
                return;
            }
        }
    };
    tokio::time::timeout(within, in_use).await.unwrap_or_else(|_| panic!("{expected:?} is never in use"));
    world.settle().await;
}

/// The agent as `cargo build --package microphone-agent` makes it, beside this program.
fn agent(world: &World, folder: &Path, sound: &Sound) -> Child {
    let program = std::env::current_exe().unwrap().parent().and_then(Path::parent).unwrap().join("microphone-agent");
    let mut agent = Command::new(&program);
    agent.arg("--gateway-url").arg(&world.admin).arg("--token-file").arg(folder.join("token"));
    agent.args(["--workstation", "PC-1"]).stdin(Stdio::null()).kill_on_drop(true);
    sound.belongs_to(&mut agent);
    agent.spawn().unwrap_or_else(|error| panic!("{}: {error}; deploy/test-microphone builds it", program.display()))
}

async fn from_the_first_sound_to_the_last(kind: Kind) {
    let mut story = Story::begin(kind).await;
    // Something that draws the loudspeakers' sound records too, and from no microphone.
    let _visualiser = story.sound.record("visualiser", "hole.monitor");
    let meeting = story.sound.record("meeting", "microphone");
    story.until_shown(&["meeting"], MEETING).await;
    let dictation = story.sound.record("dictation", "microphone");
    story.until_in_use(&["dictation", "meeting"]).await;
    drop(meeting);
    story.until_shown(&["dictation"], DICTATION).await;
    drop(dictation);
    story.until_free().await;

    // A probe: the agent has told its end before it would show.
    let probe = story.sound.record("meeting", "microphone");
    story.until_in_use(&["meeting"]).await;
    drop(probe);
    until_in_use(&story.world, &[], PROBE_TOLD_WITHIN).await;

    // The sound server dies, and with it what was recorded; another comes.
    let meeting = story.sound.record("meeting", "microphone");
    story.until_shown(&["meeting"], MEETING).await;
    story.sound.die().await;
    drop(meeting);
    story.until_free().await;
    story.sound = Sound::start_in(kind, story.sound.into_folder()).await;
    let _meeting = story.sound.record("meeting", "microphone");
    story.until_shown(&["meeting"], MEETING).await;

    // Asked to end, the agent says so.
    story.signal(Signal::TERM);
    assert!(story.agent.wait().await.unwrap().success());
    story.until_free().await;

    // Killed, it says nothing: what it said last ends by the gateway's clock.
    story.agent = agent(&story.world, story.folder.path(), &story.sound);
    story.until_shown(&["meeting"], MEETING).await;
    story.signal(Signal::KILL);
    story.agent.wait().await.unwrap();
    story.world.after(seconds(87)).await;
    assert_eq!(story.world.text(story.anna).await, MEETING);
    story.world.after(seconds(1)).await;
    story.until_free().await;
}

#[tokio::test]
#[ignore = "needs a sound server: deploy/test-microphone"]
async fn what_records_on_pulseaudio_shows_in_xphone() {
    Box::pin(from_the_first_sound_to_the_last(Kind::PulseAudio)).await;
}

#[tokio::test]
#[ignore = "needs a sound server: deploy/test-microphone"]
async fn what_records_on_pipewire_shows_in_xphone() {
    Box::pin(from_the_first_sound_to_the_last(Kind::PipeWire)).await;
}
