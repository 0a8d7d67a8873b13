//! The agent for Windows under Wine, as far as Wine goes: what the registry holds to be in use, XPhone shows, and it goes again. Left out
//! unless asked for: `deploy/test-microphone-windows`.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::agent::{LOOK_EVERY, until_in_use};
use super::{FREE, seconds};
use crate::world::World;

const STORE: &str = r"HKCU\Software\Microsoft\Windows\CurrentVersion\CapabilityAccessManager\ConsentStore\microphone\NonPackaged";
const MEETING: &str = "C:#Meeting#Meeting.exe";
const WEBINAR: &str = "C:#Webinar#Webinar.exe";
const AGENT: &str = "microphone-agent.exe";

/// A use began after everything else, or before; it goes on.
const LATER: &str = "9000000000000000000";
const BEFORE: &str = "1";
const GOES_ON: &str = "0";

/// What an event tells. Without it, a list is made after a minute at the earliest.
const BY_EVENT: Duration = Duration::from_secs(30);
/// What no event tells.
const BY_LIST: Duration = Duration::from_secs(90);

/// A Windows of its own.
struct Wine {
    folder: TempDir,
}

impl Wine {
    async fn start() -> Self {
        let wine = Self { folder: tempfile::tempdir().unwrap() };
        wine.run(["wineboot", "--init"]).await;
        // There is no screen. What runs already would go on looking for one.
        wine.run(["reg", "add", r"HKCU\Software\Wine\Drivers", "/v", "Graphics", "/d", "null", "/f"]).await;
        wine.end();
        wine
    }

    fn command(&self, program: &str, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        command.env("WINEPREFIX", self.folder.path()).env("WINEDEBUG", "-all").env("WINEDLLOVERRIDES", "mscoree,mshtml=");
        command.env_remove("DISPLAY");
        command
    }

    async fn run(&self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) {
        // No pipes: what goes on in the background would keep them open.
        let done = self.command("wine", arguments).stdout(Stdio::null()).stderr(Stdio::null()).status().await;
        let done = done.unwrap_or_else(|error| panic!("wine: {error}; deploy/test-microphone-windows looks for it"));
        assert!(done.success(), "{done}");
    }

    /// All that runs in it ends.
    fn end(&self) {
        _ = std::process::Command::new("wineserver").arg("--kill").env("WINEPREFIX", self.folder.path()).status();
    }

    /// Used from one time to another, as Windows counts time.
    async fn record(&self, program: &str, from: &str, to: &str) {
        let key = format!(r"{STORE}\{program}");
        for (value, time) in [("LastUsedTimeStart", from), ("LastUsedTimeStop", to)] {
            self.run(["reg", "add", &key, "/v", value, "/t", "REG_QWORD", "/d", time, "/f"]).await;
        }
    }

    /// The agent's program under any name, with what this Wine lacks beside it.
    fn put(&self, path: &str) -> PathBuf {
        let place = self.folder.path().join("drive_c").join(path);
        std::fs::create_dir_all(place.parent().unwrap()).unwrap();
        for file in [AGENT, "bcryptprimitives.dll"] {
            let to = if file == AGENT { place.clone() } else { place.with_file_name(file) };
            // One that runs is left as it is.
            if !to.exists() {
                std::fs::copy(built().join(file), to).expect("deploy/test-microphone-windows builds it");
            }
        }
        place
    }

    /// Without settings it waits, and records as little as anything else here: it stands for a program that does.
    fn program(&self, path: &str) -> Child {
        let mut program = self.command("wine", [self.put(path)]);
        program.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// With its settings beside it.
    fn agent(&self, world: &World, token: &Path) -> Child {
        let program = self.put(&format!("Agent/{AGENT}"));
        let (gateway, token) = (&world.admin, token.display());
        let gateway = format!("MICROPHONE_AGENT_GATEWAY_URL={gateway}\r\n");
        let token = format!("MICROPHONE_AGENT_TOKEN_FILE=Z:{token}\r\n");
        let settings = format!("{gateway}{token}MICROPHONE_AGENT_WORKSTATION=PC-1\r\n");
        std::fs::write(program.with_file_name("settings.conf"), settings).unwrap();
        self.command("wine", [program]).stderr(Stdio::null()).spawn().unwrap()
    }

    /// Until an agent has said so.
    async fn until_said(&self, line: &str) {
        let said = async {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            while !self.logs().any(|log| log.contains(line)) {
                looks.tick().await;
            }
        };
        tokio::time::timeout(BY_EVENT, said).await.unwrap_or_else(|_| panic!("nobody says {line:?}"));
    }

    /// Of all users of this Windows.
    fn logs(&self) -> impl Iterator<Item = String> {
        let users = std::fs::read_dir(self.folder.path().join("drive_c/users")).unwrap();
        let log = |user: std::fs::DirEntry| user.path().join("AppData/Local/microphone-agent/agent.log");
        users.filter_map(move |user| std::fs::read_to_string(log(user.ok()?)).ok())
    }
}

impl Drop for Wine {
    fn drop(&mut self) {
        self.end();
    }
}

/// What `deploy/test-microphone-windows` has laid ready, beside this program's folder.
fn built() -> PathBuf {
    let target = std::env::current_exe().unwrap().ancestors().nth(3).map(Path::to_owned).unwrap();
    target.join("microphone-windows")
}

#[tokio::test]
#[ignore = "needs Wine: deploy/test-microphone-windows"]
async fn what_windows_holds_to_be_in_use_shows_in_xphone() {
    let (world, [anna]) = World::with_people(["anna"]).await;
    let entry = |process: &str| json!({"process": process, "alias": process, "active": true});
    let processes = ["Meeting", "Webinar", "Crashed"].map(entry);
    world.put_microphone_sync(&json!({"enabled": true, "processes": processes, "ignored": []})).await;
    let (_, token) = world.enrol("PC-1", "anna@example.com").await;
    let wine = Wine::start().await;
    let token_file = wine.folder.path().join("token");
    std::fs::write(&token_file, token).unwrap();

    // One runs and is in use; of one that does not run a crash left the entry behind.
    let _meeting = wine.program(r"Meeting/Meeting.exe");
    let webinar = wine.program(r"Webinar/Webinar.exe");
    wine.record("C:#Crashed#Crashed.exe", LATER, GOES_ON).await;
    wine.record(MEETING, LATER, GOES_ON).await;
    let mut agent = wine.agent(&world, &token_file);
    until_in_use(&world, &["meeting"], BY_LIST).await;
    // Of two in one session the second waits: its last word would end what the first reports.
    let second = wine.agent(&world, &token_file);
    wine.until_said("another agent runs in this session").await;
    drop(second);
    world.after(seconds(2)).await;
    assert_eq!(world.text(anna).await, "Meeting");

    wine.record(MEETING, LATER, LATER).await;
    until_in_use(&world, &[], BY_EVENT).await;
    assert_eq!((world.text(anna).await.as_str(), world.appointment(anna).await), (FREE, None));

    // It runs again after a crash, and uses nothing; another does.
    wine.record(MEETING, BEFORE, GOES_ON).await;
    wine.record(WEBINAR, LATER, GOES_ON).await;
    until_in_use(&world, &["webinar"], BY_EVENT).await;
    wine.record(MEETING, LATER, GOES_ON).await;
    until_in_use(&world, &["meeting", "webinar"], BY_EVENT).await;

    // Killed, a program changes nothing in the record.
    drop(webinar);
    until_in_use(&world, &["meeting"], BY_LIST).await;

    // Asked to end, the agent says so.
    wine.run(["taskkill", "/im", AGENT]).await;
    assert!(tokio::time::timeout(BY_LIST, agent.wait()).await.expect("it does not end").unwrap().success());
    until_in_use(&world, &[], BY_EVENT).await;
}
