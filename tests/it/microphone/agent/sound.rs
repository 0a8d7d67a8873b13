//! A sound server of its own, without hardware: loudspeakers that nobody hears, and a microphone that hears them.

use std::path::PathBuf;
use std::process::Stdio;

use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::{HAPPENS_WITHIN, LOOK_EVERY};

/// Debian's program that records under the name `parec`.
const RECORDER: &str = "/usr/bin/pacat";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    PulseAudio,
    PipeWire,
}

/// A running server; it ends when it is dropped.
pub struct Sound {
    folder: TempDir,
    processes: Vec<Child>,
}

impl Sound {
    pub async fn start(kind: Kind) -> Self {
        Self::start_in(kind, tempfile::tempdir().unwrap()).await
    }

    /// In the folder of one that died.
    pub async fn start_in(kind: Kind, folder: TempDir) -> Self {
        let mut sound = Self { folder, processes: Vec::new() };
        match kind {
            Kind::PulseAudio => {
                let arguments =
                    ["-n", "--daemonize=no", "--exit-idle-time=-1", "--use-pid-file=no", "-L", "module-native-protocol-unix"];
                sound.run("pulseaudio", &arguments);
            }
            Kind::PipeWire => {
                let bus = format!("--address={}", sound.bus());
                sound.run("dbus-daemon", &["--session", "--nofork", &bus]);
                sound.until_there("bus").await;
                sound.run("pipewire", &[]);
                sound.until_there("pipewire-0").await;
                sound.run("wireplumber", &[]);
                sound.run("pipewire-pulse", &[]);
            }
        }
        sound.until_there("pulse/native").await;
        sound.load(&["module-null-sink", "sink_name=hole"]).await;
        sound.load(&["module-remap-source", "source_name=microphone", "master=hole.monitor"]).await;
        sound
    }

    /// Makes a program one of this server's session.
    pub fn belongs_to(&self, program: &mut Command) {
        program.env("XDG_RUNTIME_DIR", self.folder.path()).env("HOME", self.folder.path());
        program.env("DBUS_SESSION_BUS_ADDRESS", self.bus());
        program.env_remove("PULSE_SERVER").env_remove("PULSE_RUNTIME_PATH").env_remove("PULSE_COOKIE");
    }

    /// A program of this name records until it is dropped.
    pub fn record(&self, program: &str, source: &str) -> Child {
        let path = self.folder.path().join(program);
        if !path.exists() {
            std::fs::copy(RECORDER, &path).expect("pulseaudio-utils is installed: deploy/test-microphone does so");
        }
        self.command(path, &["--record", "--device", source]).spawn().unwrap()
    }

    /// The server is killed.
    pub async fn die(&mut self) {
        for mut process in self.processes.drain(..) {
            process.kill().await.unwrap();
        }
        // What is left of it must not be taken for the next one.
        for left in ["pulse/native", "pipewire-0", "bus"] {
            _ = std::fs::remove_file(self.folder.path().join(left));
        }
    }

    /// What is left of one that died.
    pub fn into_folder(self) -> TempDir {
        self.folder
    }

    fn bus(&self) -> String {
        format!("unix:path={}", self.folder.path().join("bus").display())
    }

    fn command(&self, program: impl Into<PathBuf>, arguments: &[&str]) -> Command {
        let mut command = Command::new(program.into());
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
        self.belongs_to(&mut command);
        command
    }

    fn run(&mut self, program: &str, arguments: &[&str]) {
        let started = self.command(program, arguments).spawn();
        let process = started.unwrap_or_else(|error| panic!("{program}: {error}; deploy/test-microphone installs it"));
        self.processes.push(process);
    }

    async fn until_there(&self, file: &str) {
        let path = self.folder.path().join(file);
        let there = async {
            let mut looks = tokio::time::interval(LOOK_EVERY);
            while !path.exists() {
                looks.tick().await;
            }
        };
        tokio::time::timeout(HAPPENS_WITHIN, there).await.unwrap_or_else(|_| panic!("{file} never comes"));
    }

    /// Servers take orders a moment after they listen.
    async fn load(&self, module: &[&str]) {
        let loaded = async {
            let mut tries = tokio::time::interval(LOOK_EVERY);
            let arguments = [&["load-module"], module].concat();
            while !self.command("pactl", &arguments).status().await.expect("pulseaudio-utils is installed").success() {
                tries.tick().await;
            }
        };
        tokio::time::timeout(HAPPENS_WITHIN, loaded).await.unwrap_or_else(|_| panic!("{module:?} is never loaded"));
    }
}
