//! Where the gateway is and what lets this workstation report: arguments, over the environment, over files.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use clap::Parser;
use reqwest::Certificate;
use url::{Host, Url};

use crate::{say, system};

/// What begins the names of all settings in the environment and in the file.
const PREFIX: &str = "MICROPHONE_AGENT_";

/// Reports which programs use this workstation's microphone to the presence gateway.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Arguments {
    /// Lines of the form `MICROPHONE_AGENT_GATEWAY_URL=...`, for whatever is given neither here nor by the environment. On Windows, if
    /// left out: `microphone-agent\\settings.conf` below `%LOCALAPPDATA%`, over `settings.conf` beside the program.
    #[arg(long)]
    settings: Option<PathBuf>,
    /// Where the gateway takes reports, without `/v1/...`; https, but to this machine.
    #[arg(long)]
    gateway_url: Option<String>,
    /// The file with this workstation's token, as enrolling answered it. On Windows, if left out: `%LOCALAPPDATA%\\microphone-agent\\token`.
    #[arg(long)]
    token_file: Option<String>,
    /// The file with certificates (PEM) to trust besides the system's.
    #[arg(long)]
    ca_file: Option<String>,
    /// What this workstation is called; its host name, if left out.
    #[arg(long)]
    workstation: Option<String>,
}

/// All that the agent must know.
pub struct Settings {
    /// Where reports go.
    pub reports: Url,
    /// Where the token lies.
    pub token_file: PathBuf,
    /// What lets this workstation report.
    pub token: String,
    /// Trusted besides the system's.
    pub certificates: Vec<Certificate>,
    /// What this workstation is called.
    pub workstation: String,
}

/// What is wrong with the settings.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It must be given.
    #[error("{PREFIX}{0} is not set: see --help")]
    Missing(&'static str),
    /// A file cannot be read.
    #[error("{0} cannot be read: {1}")]
    Unreadable(PathBuf, std::io::Error),
    /// A line says nothing.
    #[error("line {1} of {0} is not of the form NAME=value with a known name")]
    Line(PathBuf, usize),
    /// The address would give the token away.
    #[error("the gateway's address must begin with https://, or be on this machine")]
    Address,
    /// There is nothing that lets it report.
    #[error("{0} holds no token: enrol this workstation at the gateway, and write its token there")]
    NoToken(PathBuf),
    /// Nor perhaps a file.
    #[error(
        "{0}, where this workstation's token should be, cannot be read: {1}; enrol it at the gateway, and write its token there"
    )]
    UnreadableToken(PathBuf, std::io::Error),
    /// There is no certificate.
    #[error("{0} holds no certificate that can be used (PEM)")]
    Certificates(PathBuf),
}

impl Settings {
    /// Reads what the arguments leave open.
    pub fn of(arguments: &Arguments) -> Result<Self, Error> {
        let files = match &arguments.settings {
            Some(named) => vec![named.clone()],
            None => system::settings_files().into_iter().filter(|path| path.exists()).collect(),
        };
        let file = read_files(&files)?;
        let given = |name: &'static str, argument: &Option<String>| {
            let given = argument.clone().or_else(|| environment(name)).or_else(|| file.get(name).cloned());
            given.filter(|value| !value.is_empty())
        };
        let url = given("GATEWAY_URL", &arguments.gateway_url).ok_or(Error::Missing("GATEWAY_URL"))?;
        let token_file = given("TOKEN_FILE", &arguments.token_file).map(PathBuf::from).or_else(system::token_file);
        let token_file = token_file.ok_or(Error::Missing("TOKEN_FILE"))?;
        let token = read_token(&token_file)?;
        if system::is_open_to_others(&token_file) {
            say(&format!(
                "others than its owner can read {}: whoever has the token can report in this user's name; let only the user read it",
                token_file.display()
            ));
        }
        let certificates = match given("CA_FILE", &arguments.ca_file).map(PathBuf::from) {
            Some(path) => certificates(path)?,
            None => Vec::new(),
        };
        let workstation = given("WORKSTATION", &arguments.workstation).unwrap_or_else(system::workstation);
        Ok(Self { reports: reports(&url)?, token_file, token, certificates, workstation })
    }

    /// Takes the token that the file holds now, if it holds one.
    pub fn read_token_again(&mut self) {
        if let Ok(token) = read_token(&self.token_file) {
            self.token = token;
        }
    }
}

fn read_token(path: &Path) -> Result<String, Error> {
    let token = read(path).map_err(|error| Error::UnreadableToken(path.to_owned(), error))?.trim().to_owned();
    if token.is_empty() { Err(Error::NoToken(path.to_owned())) } else { Ok(token) }
}

#[expect(clippy::disallowed_methods, reason = "this is where the environment is read, once")]
fn environment(name: &str) -> Option<String> {
    std::env::var(format!("{PREFIX}{name}")).ok()
}

/// Without the mark that Windows' editors begin a text with.
fn read(path: &Path) -> std::io::Result<String> {
    let text = std::fs::read_to_string(path)?;
    Ok(text.strip_prefix('\u{feff}').map(str::to_owned).unwrap_or(text))
}

/// As systemd reads the same file for a unit; a later file counts more.
fn read_files(paths: &[PathBuf]) -> Result<HashMap<&'static str, String>, Error> {
    let mut found = HashMap::new();
    for path in paths {
        let text = read(path).map_err(|error| Error::Unreadable(path.clone(), error))?;
        found.extend(parse(&text).map_err(|line| Error::Line(path.clone(), line))?);
    }
    Ok(found)
}

fn parse(text: &str) -> Result<HashMap<&'static str, String>, usize> {
    let mut found = HashMap::new();
    for (number, line) in (1_usize..).zip(text.lines()) {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (name, value) = line.split_once('=').ok_or(number)?;
        let known = ["GATEWAY_URL", "TOKEN_FILE", "CA_FILE", "WORKSTATION"];
        let name = name.trim().strip_prefix(PREFIX).and_then(|name| known.into_iter().find(|known| *known == name));
        found.insert(name.ok_or(number)?, value.trim().trim_matches('"').to_owned());
    }
    Ok(found)
}

fn certificates(path: PathBuf) -> Result<Vec<Certificate>, Error> {
    let text = read(&path).map_err(|error| Error::Unreadable(path.clone(), error))?;
    let found = Certificate::from_pem_bundle(text.as_bytes()).unwrap_or_default();
    if found.is_empty() { Err(Error::Certificates(path)) } else { Ok(found) }
}

/// A token that travels openly is anybody's.
fn reports(gateway: &str) -> Result<Url, Error> {
    let url = Url::parse(&format!("{}/v1/microphone-reports", gateway.trim_end_matches('/'))).map_err(|_| Error::Address)?;
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    if url.scheme() == "https" || (url.scheme() == "http" && is_here) { Ok(url) } else { Err(Error::Address) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_travels_openly_only_within_the_machine() {
        let check = |url: &str, expected: Option<&str>| {
            assert_eq!(reports(url).ok().map(|url| url.to_string()).as_deref(), expected, "{url}");
        };
        check("https://gateway.example", Some("https://gateway.example/v1/microphone-reports"));
        check("https://gateway.example/presence/", Some("https://gateway.example/presence/v1/microphone-reports"));
        check("http://127.0.0.1:8081", Some("http://127.0.0.1:8081/v1/microphone-reports"));
        check("http://[::1]:8081", Some("http://[::1]:8081/v1/microphone-reports"));
        check("http://gateway.example", None);
        check("http://localhost.example", None);
        check("ftp://127.0.0.1", None);
        check("gateway.example", None);
    }

    #[test]
    fn a_token_is_read_again_and_one_that_is_gone_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "first\n").unwrap();
        let (url, file) = (Some("https://gateway.example".to_owned()), Some(path.display().to_string()));
        let arguments = Arguments { settings: None, gateway_url: url, token_file: file, ca_file: None, workstation: None };
        let mut settings = Settings::of(&arguments).unwrap();
        assert_eq!((settings.token.as_str(), settings.workstation.is_empty()), ("first", false));
        std::fs::write(&path, "second\n").unwrap();
        settings.read_token_again();
        assert_eq!(settings.token, "second");
        for gone in ["", " \n"] {
            std::fs::write(&path, gone).unwrap();
            settings.read_token_again();
            assert_eq!(settings.token, "second");
        }
        assert!(matches!(read_token(&path), Err(Error::NoToken(_))));
        std::fs::remove_file(&path).unwrap();
        let problem = read_token(&path).unwrap_err().to_string();
        assert!(problem.contains(path.to_str().unwrap()) && problem.contains("enrol it at the gateway"), "{problem}");
    }

    #[test]
    fn a_later_file_counts_more_and_a_mark_at_the_beginning_is_none_of_the_text() {
        let folder = tempfile::tempdir().unwrap();
        let [machine, user] = ["machine", "user"].map(|name| folder.path().join(name));
        std::fs::write(&machine, "\u{feff}MICROPHONE_AGENT_GATEWAY_URL=https://a\r\nMICROPHONE_AGENT_WORKSTATION=pc\r\n")
            .unwrap();
        std::fs::write(&user, "MICROPHONE_AGENT_GATEWAY_URL=https://b\n").unwrap();
        let found = read_files(&[machine, user.clone()]).unwrap();
        assert_eq!((found["GATEWAY_URL"].as_str(), found["WORKSTATION"].as_str()), ("https://b", "pc"));
        std::fs::write(&user, "nothing").unwrap();
        assert!(matches!(read_files(std::slice::from_ref(&user)), Err(Error::Line(path, 1)) if path == user));
        assert!(matches!(read_files(&[folder.path().join("gone")]), Err(Error::Unreadable(..))));
    }

    #[test]
    fn a_file_is_read_as_systemd_reads_it() {
        let text = "# where\nMICROPHONE_AGENT_GATEWAY_URL=\"https://a\"\n\n MICROPHONE_AGENT_WORKSTATION = PC 1\n";
        let found = parse(text).unwrap();
        assert_eq!((found["GATEWAY_URL"].as_str(), found["WORKSTATION"].as_str()), ("https://a", "PC 1"));
        assert_eq!(parse("MICROPHONE_AGENT_GATEWAY_URL=a\nMICROPHONE_AGENT_TOKEN=secret"), Err(2));
        assert_eq!(parse("nothing"), Err(1));
    }
}
