//! XPhone's Integration API as a real WCF service: C# of ours, compiled and run by Mono, so that it shares nothing with our client, not
//! even the way its bytes are read.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpListener;
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::sync::Mutex;
use uuid::Uuid;

const SOURCES: [(&str, &str); 3] = [
    ("Contract.cs", include_str!("../../tests/wcf/Contract.cs")),
    ("Server.cs", include_str!("../../tests/wcf/Server.cs")),
    ("Host.cs", include_str!("../../tests/wcf/Host.cs")),
];
/// Debian's packages that bring what is needed.
const PACKAGES: &str = "mono-mcs mono-runtime libmono-system-servicemodel4.0a-cil";

/// The compiled service; removed when it is dropped.
#[derive(Debug)]
pub struct Program {
    folder: PathBuf,
}

impl Program {
    /// Compiles the service.
    ///
    /// # Errors
    /// Mono's compiler is not there, or cannot.
    pub async fn compile() -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("presence-gateway-wcf-{}", Uuid::new_v4()));
        tokio::fs::create_dir(&folder).await?;
        let program = Self { folder };
        for (name, text) in SOURCES {
            tokio::fs::write(program.folder.join(name), text).await?;
        }
        let mut mcs = Command::new("mcs");
        mcs.arg(format!("-out:{}", program.executable().display()));
        mcs.args(["-r:System.ServiceModel.dll", "-r:System.Runtime.Serialization.dll"]);
        mcs.args(SOURCES.map(|(name, _)| program.folder.join(name)));
        let compiled = mcs.stdin(Stdio::null()).output().await.map_err(missing)?;
        if !compiled.status.success() {
            return Err(io::Error::other(String::from_utf8_lossy(&compiled.stderr).into_owned()));
        }
        Ok(program)
    }

    fn executable(&self) -> PathBuf {
        self.folder.join("host.exe")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // What is left lies among other temporary files.
        _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// The running service. It ends when it is dropped.
#[derive(Debug)]
pub struct Host {
    process: Child,
    line: Mutex<Line>,
    /// Where it listens, on loopback.
    pub port: u16,
}

#[derive(Debug)]
struct Line {
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Host {
    /// Starts the service on a free port.
    ///
    /// # Errors
    /// Mono is not there, or the service cannot listen.
    pub async fn start(program: &Program) -> io::Result<Self> {
        let port = TcpListener::bind("127.0.0.1:0").await?.local_addr()?.port();
        Self::start_on(program, port).await
    }

    /// Starts the service on this port.
    ///
    /// # Errors
    /// Mono is not there, or the service cannot listen.
    pub async fn start_on(program: &Program, port: u16) -> io::Result<Self> {
        let mut process = run(&program.executable(), port)?;
        let broken = || io::Error::other("the WCF host has no pipes");
        let orders = process.stdin.take().ok_or_else(broken)?;
        let mut answers = BufReader::new(process.stdout.take().ok_or_else(broken)?).lines();
        match answers.next_line().await? {
            Some(ready) if ready == "ready" => Ok(Self { process, line: Mutex::new(Line { orders, answers }), port }),
            other => Err(io::Error::other(format!("the WCF host does not start: {}", other.unwrap_or_default()))),
        }
    }

    /// What `xphone.net_tcp.address` must be.
    #[must_use]
    pub fn address(&self) -> String {
        format!("net.tcp://127.0.0.1:{}/", self.port)
    }

    /// Has it do something, and returns what it says to that. No word may hold a tabulator or a line's end.
    ///
    /// # Errors
    /// It is gone, or could not.
    pub async fn order(&self, words: &[&str]) -> io::Result<String> {
        let mut line = self.line.lock().await;
        line.orders.write_all(format!("{}\n", words.join("\t")).as_bytes()).await?;
        line.orders.flush().await?;
        match line.answers.next_line().await? {
            Some(answer) if answer.starts_with("error ") || answer == "unknown order" => Err(io::Error::other(answer)),
            Some(answer) => Ok(answer),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// Ends it here and now, as a crash would.
    ///
    /// # Errors
    /// The system does not let us.
    pub async fn kill(mut self) -> io::Result<()> {
        self.process.kill().await
    }
}

fn run(executable: &Path, port: u16) -> io::Result<Child> {
    let mut mono = Command::new("mono");
    mono.arg(executable).arg(port.to_string());
    mono.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).kill_on_drop(true);
    mono.spawn().map_err(missing)
}

fn missing(error: io::Error) -> io::Error {
    if error.kind() == io::ErrorKind::NotFound {
        return io::Error::new(error.kind(), format!("Mono is not installed; Debian has it as {PACKAGES}"));
    }
    error
}
