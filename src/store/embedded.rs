//! A Postgres of our own for the demo and the tests: Debian's programs, a fresh folder, a Unix socket, and nothing left afterwards.
//!
//! A small shell supervises the server. It runs in a process group of its own, so that an interrupt at the terminal does not reach it,
//! and reads a pipe that we hold: when the pipe closes, because we stopped, were dropped or were killed, it stops the server and
//! removes the folder. It makes the folder itself, so there is no moment at which the folder exists and nobody will remove it.

use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use sqlx::{ConnectOptions, Connection, PgConnection};
use tokio::io::AsyncReadExt;
use tokio::process::{Child, ChildStderr, Command};
use uuid::Uuid;

/// The supervising shell's script; its arguments are told at its top.
const SUPERVISOR: &str = include_str!("embedded_supervisor.sh");
/// Where Debian and Ubuntu put the server's programs, in a folder per version.
const DEBIAN_VERSIONS: &str = "/usr/lib/postgresql";
/// Where the folder goes when we are root, since the user we drop to must be able to reach it, and when the usual place is too deep.
const SHARED_FOLDER: &str = "/tmp";
/// Linux allows 107 bytes for the path of a socket; the server adds `/.s.PGSQL.5432` to its folder's.
const FOLDER_BYTES_MAX: usize = 90;
/// The user and group called nobody.
const NOBODY: u32 = 65534;
/// Only part of the socket's name: the server listens on no network.
const PORT: u16 = 5432;
const CONNECTIONS_MAX: u32 = 200;
/// How long initdb and the server's start may take together, and how often we look meanwhile.
const START_MAX: Duration = Duration::from_mins(1);
const LOOK_EVERY: Duration = Duration::from_millis(25);
/// How long an orderly stop may take.
const STOP_MAX: Duration = Duration::from_secs(30);
/// How much of the server's last words is kept.
const LAST_WORDS_BYTES_MAX: u64 = 16 * 1024;

/// What a crash of the machine may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// Everything: nothing waits for the disk. For tests.
    Careless,
    /// Nothing that was committed.
    Durable,
}

/// Why there is no Postgres of our own.
#[derive(Debug, thiserror::Error)]
pub enum EmbeddedError {
    /// No server programs on this machine.
    #[error(
        "found no Postgres server (initdb and postgres): install it with `apt-get install postgresql`, or set GATEWAY__DATABASE__URL"
    )]
    NotInstalled,
    /// The supervising shell could not be started or watched.
    #[error("cannot run the shell that supervises the embedded Postgres: is /bin/sh there?")]
    Supervisor(#[source] std::io::Error),
    /// The server, or what makes its folder, ended before it was ready.
    #[error("the embedded Postgres ended before it was ready; its last words: {last_words}")]
    Ended {
        /// The last lines of its log.
        last_words: String,
    },
    /// The server took too long.
    #[error("the embedded Postgres was not ready within {} seconds: is the machine overloaded?", START_MAX.as_secs())]
    NotReady,
    /// The server took too long to stop; the shell still waits for it and will remove the folder.
    #[error("the embedded Postgres did not stop within {} seconds", STOP_MAX.as_secs())]
    NotStopped,
}

/// A running Postgres with an empty database; gone, with its folder, soon after this is dropped.
#[derive(Debug)]
pub struct EmbeddedPostgres {
    folder: PathBuf,
    supervisor: Supervisor,
}

impl EmbeddedPostgres {
    /// The address of the database `postgres` as its superuser, through the Unix socket; good for sqlx and for psql.
    #[must_use]
    pub fn url(&self) -> String {
        url(&self.folder)
    }

    /// Stops the server, ending its connections, and waits until it and its folder are gone.
    ///
    /// # Errors
    /// `NotStopped` after 30 seconds, `Supervisor` if the shell cannot be waited for.
    pub async fn stop(self) -> Result<(), EmbeddedError> {
        let Supervisor { mut shell, pipe, stderr: _ } = self.supervisor;
        drop(pipe);
        let ended = tokio::time::timeout(STOP_MAX, shell.wait()).await;
        ended.map_err(|_| EmbeddedError::NotStopped)?.map(|_| ()).map_err(EmbeddedError::Supervisor)
    }
}

/// Starts a Postgres in a fresh folder and waits until it answers.
///
/// Its programs are those of Debian's newest version, else the first found in `search_path` (the value of `PATH`). As root it runs as
/// the user `postgres`, else as nobody, since Postgres refuses to run as root.
///
/// # Errors
/// Says what to install, or the server's last words.
pub async fn start(durability: Durability, search_path: &OsStr) -> Result<EmbeddedPostgres, EmbeddedError> {
    let programs = programs(Path::new(DEBIAN_VERSIONS), search_path).ok_or(EmbeddedError::NotInstalled)?;
    let account = Account::to_drop_to();
    let folder = new_folder(account);
    let mut supervisor = Supervisor::start(command(&folder, &programs, durability, account, search_path))?;
    // Dropping the supervisor on the way out closes the pipe, which cleans up.
    match tokio::time::timeout(START_MAX, until_ready(&folder, &mut supervisor)).await {
        Ok(ready) => ready?,
        Err(_) => return Err(EmbeddedError::NotReady),
    }
    Ok(EmbeddedPostgres { folder, supervisor })
}

fn url(folder: &Path) -> String {
    format!("postgres://postgres@localhost:{PORT}/postgres?host={}&sslmode=disable", folder.display())
}

/// The supervising shell, and our end of its pipe.
#[derive(Debug)]
struct Supervisor {
    shell: Child,
    pipe: OwnedFd,
    stderr: ChildStderr,
}

impl Supervisor {
    fn start(mut command: Command) -> Result<Self, EmbeddedError> {
        let mut shell = command.stdin(Stdio::piped()).spawn().map_err(EmbeddedError::Supervisor)?;
        let (Some(stdin), Some(stderr)) = (shell.stdin.take(), shell.stderr.take()) else {
            return Err(EmbeddedError::Supervisor(std::io::Error::other("the shell has no pipes")));
        };
        let pipe = stdin.into_owned_fd().map_err(EmbeddedError::Supervisor)?;
        Ok(Self { shell, pipe, stderr })
    }

    /// What the shell told of the end of its server. Only after it ended: before, this waits for it.
    async fn last_words(&mut self) -> String {
        let mut told = Vec::new();
        // What can be read is better than nothing; an error here adds nothing to the one being reported.
        _ = (&mut self.stderr).take(LAST_WORDS_BYTES_MAX).read_to_end(&mut told).await;
        String::from_utf8_lossy(&told).trim().to_owned()
    }
}

/// Waits until the server answers or ends; the caller bounds the time.
async fn until_ready(folder: &Path, supervisor: &mut Supervisor) -> Result<(), EmbeddedError> {
    let options: sqlx::postgres::PgConnectOptions =
        url(folder).parse().map_err(|error| EmbeddedError::Supervisor(std::io::Error::other(error)))?;
    let options = options.disable_statement_logging();
    loop {
        if let Ok(connection) = PgConnection::connect_with(&options).await {
            // It answered; how the farewell goes does not matter.
            _ = connection.close().await;
            return Ok(());
        }
        if supervisor.shell.try_wait().map_err(EmbeddedError::Supervisor)?.is_some() {
            return Err(EmbeddedError::Ended { last_words: supervisor.last_words().await });
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// The supervising shell, not yet started; its standard input is for the caller to set.
fn command(folder: &Path, programs: &Path, durability: Durability, account: Option<Account>, search_path: &OsStr) -> Command {
    let mut command = Command::new("/bin/sh");
    command.arg("-c").arg(SUPERVISOR).arg("embedded-postgres").arg(folder).arg(programs);
    command.args(server_arguments(durability));
    // Nothing of our environment may reach the server: PGPORT would move its socket, and settings hold secrets.
    let usual = OsStr::new("/usr/bin:/bin");
    command.env_clear().env("PATH", if search_path.is_empty() { usual } else { search_path }).env("LC_ALL", "C");
    // Our own working folder may be closed to the user we drop to.
    command.current_dir("/").process_group(0).stdout(Stdio::null()).stderr(Stdio::piped());
    if let Some(account) = account {
        command.uid(account.user).gid(account.group);
    }
    command
}

fn server_arguments(durability: Durability) -> Vec<String> {
    let mut settings = vec![
        "listen_addresses=".to_owned(),
        format!("port={PORT}"),
        format!("max_connections={CONNECTIONS_MAX}"),
        "timezone=UTC".to_owned(),
        "log_timezone=UTC".to_owned(),
    ];
    if durability == Durability::Careless {
        settings.extend(["fsync=off", "synchronous_commit=off", "full_page_writes=off"].map(str::to_owned));
    }
    settings.into_iter().flat_map(|setting| ["-c".to_owned(), setting]).collect()
}

/// The folder of the newest version under `versions`, else the first in `search_path` that has both programs.
fn programs(versions: &Path, search_path: &OsStr) -> Option<PathBuf> {
    let both = |folder: &PathBuf| folder.join("initdb").is_file() && folder.join("postgres").is_file();
    let debian = std::fs::read_dir(versions).into_iter().flatten().flatten();
    let debian =
        debian.filter_map(|version| Some((version.file_name().to_str()?.parse::<u32>().ok()?, version.path().join("bin"))));
    let newest = debian.filter(|(_, bin)| both(bin)).max();
    newest.map(|(_, bin)| bin).or_else(|| std::env::split_paths(search_path).find(both))
}

/// A folder that nobody else has, with a path short enough for a socket and plain enough for an address.
fn new_folder(account: Option<Account>) -> PathBuf {
    let name = format!("presence-gateway-{}", Uuid::new_v4().simple());
    let usual = std::env::temp_dir().join(&name);
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"/._-".contains(byte);
    let path = usual.as_os_str().as_bytes();
    let usual_is_good = account.is_none() && path.len() <= FOLDER_BYTES_MAX && path.iter().all(plain);
    if usual_is_good { usual } else { Path::new(SHARED_FOLDER).join(name) }
}

/// A user and group of this machine, by number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Account {
    user: u32,
    group: u32,
}

impl Account {
    /// Whom the server runs as instead of root; `None` if we are not root.
    fn to_drop_to() -> Option<Self> {
        let is_root = std::fs::metadata("/proc/self").is_ok_and(|ours| ours.uid() == 0);
        let accounts = || std::fs::read_to_string("/etc/passwd").unwrap_or_default();
        is_root.then(|| Self::named("postgres", &accounts()).unwrap_or(Self { user: NOBODY, group: NOBODY }))
    }

    /// Finds `name` in the text of `/etc/passwd`.
    fn named(name: &str, passwd: &str) -> Option<Self> {
        let line = passwd.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        let mut fields = line.split(':').skip(1);
        Some(Self { user: fields.next()?.parse().ok()?, group: fields.next()?.parse().ok()? })
    }
}

#[cfg(test)]
mod tests {
    use std::ffi::OsString;

    use super::*;

    fn search_path() -> OsString {
        OsString::from("/usr/local/bin:/usr/bin:/bin")
    }

    fn server_in(folder: &Path) -> PathBuf {
        let pid = std::fs::read_to_string(folder.join("pg/postmaster.pid")).unwrap();
        Path::new("/proc").join(pid.lines().next().unwrap())
    }

    #[tokio::test]
    async fn answers_until_stopped_and_leaves_nothing() {
        let postgres = start(Durability::Careless, &search_path()).await.unwrap();
        let (folder, server) = (postgres.folder.clone(), server_in(&postgres.folder));
        let mut connection = PgConnection::connect(&postgres.url()).await.unwrap();
        let one: i32 = sqlx::query_scalar("select 1").fetch_one(&mut connection).await.unwrap();
        assert_eq!(one, 1);
        let fsync: String = sqlx::query_scalar("show fsync").fetch_one(&mut connection).await.unwrap();
        assert_eq!(fsync, "off");
        // The connection is still open: stopping does not wait for it.
        postgres.stop().await.unwrap();
        assert!(!folder.exists());
        assert!(!server.exists());
    }

    #[tokio::test]
    async fn durable_keeps_fsync() {
        let postgres = start(Durability::Durable, &search_path()).await.unwrap();
        let mut connection = PgConnection::connect(&postgres.url()).await.unwrap();
        let fsync: String = sqlx::query_scalar("show fsync").fetch_one(&mut connection).await.unwrap();
        assert_eq!(fsync, "on");
        postgres.stop().await.unwrap();
    }

    /// Somebody else holds the pipe in our place and is killed with no chance to clean up.
    #[tokio::test]
    async fn a_killed_owner_leaves_nothing() {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut owner = Command::new("/bin/sh").args(["-c", "read -r _"]).stdin(Stdio::piped()).stdout(writer).spawn().unwrap();
        let account = Account::to_drop_to();
        let folder = new_folder(account);
        let programs = programs(Path::new(DEBIAN_VERSIONS), &search_path()).unwrap();
        let mut command = command(&folder, &programs, Durability::Careless, account, &search_path());
        let mut shell = command.stdin(reader).spawn().unwrap();
        let (stderr, unused_pipe) = (shell.stderr.take().unwrap(), OwnedFd::from(std::io::pipe().unwrap().1));
        let mut supervisor = Supervisor { shell, pipe: unused_pipe, stderr };
        until_ready(&folder, &mut supervisor).await.unwrap();
        let server = server_in(&folder);

        owner.kill().await.unwrap();
        assert!(supervisor.shell.wait().await.unwrap().success());
        assert!(!folder.exists());
        assert!(!server.exists());
        assert_eq!(supervisor.last_words().await, "");
    }

    #[tokio::test]
    async fn a_server_that_cannot_start_tells_why() {
        let account = Account::to_drop_to();
        let folder = new_folder(account);
        let programs = programs(Path::new(DEBIAN_VERSIONS), &search_path()).unwrap();
        let mut command = command(&folder, &programs, Durability::Careless, account, &search_path());
        command.args(["-c", "no_such_setting=1"]);
        let mut supervisor = Supervisor::start(command).unwrap();
        let error = until_ready(&folder, &mut supervisor).await.unwrap_err();
        assert!(error.to_string().contains("no_such_setting"), "{error}");
        assert!(!folder.exists());
    }

    #[test]
    fn the_newest_version_wins_then_the_search_path() {
        let root = tempfile::tempdir().unwrap();
        let install = |folder: &str| {
            let folder = root.path().join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            for program in ["initdb", "postgres"] {
                std::fs::write(folder.join(program), "").unwrap();
            }
            folder
        };
        let elsewhere = install("elsewhere");
        let search_path = std::env::join_paths([root.path(), &elsewhere]).unwrap();
        assert_eq!(programs(root.path(), &search_path), Some(elsewhere));
        install("9/bin");
        let newest = install("15/bin");
        std::fs::create_dir_all(root.path().join("16/bin")).unwrap();
        assert_eq!(programs(root.path(), &search_path), Some(newest));
        assert_eq!(programs(Path::new("/nowhere"), OsStr::new("")), None);
    }

    #[test]
    fn accounts_are_found_by_their_whole_name() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\npostgresql:x:1:1::/:/bin/sh\npostgres:x:107:115:PostgreSQL:/var:/bin/sh\n";
        assert_eq!(Account::named("postgres", passwd), Some(Account { user: 107, group: 115 }));
        assert_eq!(Account::named("nobody", passwd), None);
    }
}
