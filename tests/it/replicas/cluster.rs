//! A Postgres that can be killed and started again on the same files, as a database host that goes and comes back.

use std::fs::Permissions;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use sqlx::{ConnectOptions, Connection, PgConnection};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use super::until;

/// Runs the server until its standard input closes, however that happens, and then kills it with all it was doing: no orderly end.
const SUPERVISOR: &str = r#""$@" <&- & server=$!; read -r _; kill -QUIT $server; wait $server"#;

pub struct Cluster {
    folder: TempDir,
    programs: PathBuf,
    server: Option<Child>,
}

impl Cluster {
    pub async fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("presence-replicas-").tempdir_in("/tmp").unwrap();
        std::fs::set_permissions(folder.path(), Permissions::from_mode(0o700)).unwrap();
        if let Some((user, group)) = account() {
            chown(folder.path(), Some(user), Some(group)).unwrap();
        }
        let mut cluster = Self { folder, programs: programs(), server: None };
        let mut initdb = cluster.command(&cluster.programs.join("initdb"));
        initdb.args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata=data"]);
        assert!(initdb.stdout(Stdio::null()).status().await.unwrap().success());
        cluster.come_back().await;
        cluster
    }

    /// The database is there (again), and answers.
    pub async fn come_back(&mut self) {
        let mut server = self.command(Path::new("/bin/sh"));
        server.args(["-c", SUPERVISOR, "supervisor"]).arg(self.programs.join("postgres")).args(["-D", "data", "-k"]);
        server.arg(self.folder.path()).args(["-c", "listen_addresses=", "-c", "fsync=off", "-c", "logging_collector=off"]);
        self.server = Some(server.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
        until("Postgres answers", async || self.connect().await.is_ok()).await;
    }

    /// The database is gone, as if the power had been cut; what was committed durably is on its disk.
    pub async fn go_away(&mut self) {
        let mut server = self.server.take().unwrap();
        drop(server.stdin.take());
        server.wait().await.unwrap();
        assert!(self.connect().await.is_err());
    }

    pub fn url(&self) -> String {
        format!("postgres://postgres@localhost:5432/postgres?host={}&sslmode=disable", self.folder.path().display())
    }

    pub async fn connect(&self) -> Result<PgConnection, sqlx::Error> {
        let options: sqlx::postgres::PgConnectOptions = self.url().parse()?;
        PgConnection::connect_with(&options.disable_statement_logging()).await
    }

    fn command(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.folder.path()).env_clear().env("PATH", "/usr/bin:/bin").env("LC_ALL", "C").kill_on_drop(true);
        if let Some((user, group)) = account() {
            command.uid(user).gid(group);
        }
        command
    }
}

impl Drop for Cluster {
    /// The folder must not go before its server.
    fn drop(&mut self) {
        if let Some(mut server) = self.server.take() {
            drop(server.stdin.take());
            while matches!(server.try_wait(), Ok(None)) {
                std::thread::yield_now();
            }
        }
    }
}

/// Whom the server runs as in the place of root.
fn account() -> Option<(u32, u32)> {
    use std::os::unix::fs::MetadataExt;
    let is_root = std::fs::metadata("/proc/self").is_ok_and(|ours| ours.uid() == 0);
    let accounts = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let ids = |line: &str| {
        let mut fields = line.split(':').skip(2);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    };
    is_root.then(|| accounts.lines().find(|line| line.starts_with("postgres:")).and_then(ids).unwrap_or((65534, 65534)))
}

/// The newest of Debian's, else whatever the search path has.
fn programs() -> PathBuf {
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = debian.filter_map(|entry| Some((entry.file_name().to_str()?.parse::<u32>().ok()?, entry.path().join("bin"))));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let elsewhere = || std::env::split_paths(&path).find(|folder| folder.join("postgres").is_file());
    newest.max().map(|(_, bin)| bin).or_else(elsewhere).expect("the programs of a Postgres server are installed")
}
