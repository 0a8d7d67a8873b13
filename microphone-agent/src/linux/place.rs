//! Where the session's sound server is, and what this machine is called.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where the server listens; `None`: there is none on this machine.
pub fn socket() -> Option<PathBuf> {
    candidates(environment("PULSE_SERVER").as_deref(), environment("PULSE_RUNTIME_PATH"), environment("XDG_RUNTIME_DIR"))
        .into_iter()
        .find(|path| path.exists())
}

/// What lets a program in that does not run as the server's user.
pub fn cookie() -> Option<Vec<u8>> {
    let home = || environment("HOME").map(|home| Path::new(&home).join(".config/pulse/cookie"));
    std::fs::read(environment("PULSE_COOKIE").map(PathBuf::from).or_else(home)?).ok()
}

/// Whether anybody but its owner, and root, may read a file.
pub fn is_open_to_others(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|file| file.permissions().mode() & 0o044 != 0)
}

/// The machine's name.
pub fn workstation() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// A server that is named counts alone; sound that is recorded elsewhere is none of this machine's.
fn candidates(server: Option<&str>, pulse: Option<String>, session: Option<String>) -> Vec<PathBuf> {
    if let Some(named) = server {
        let path = |one: &str| {
            // Perhaps for one machine only: {id}unix:/path
            let one = if one.starts_with('{') { one.split_once('}')?.1 } else { one };
            let path = one.strip_prefix("unix:").unwrap_or(one);
            path.starts_with('/').then(|| PathBuf::from(path))
        };
        return named.split_whitespace().filter_map(path).collect();
    }
    let pulse = pulse.map(|folder| Path::new(&folder).join("native"));
    let session = session.map(|folder| Path::new(&folder).join("pulse/native"));
    pulse.into_iter().chain(session).collect()
}

#[expect(clippy::disallowed_methods, reason = "this is where the session says where its sound is, anew at each try")]
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_open_to_others_unless_it_is_its_owners_alone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        for (mode, expected) in [(0o600, false), (0o400, false), (0o640, true), (0o604, true)] {
            file.as_file().set_permissions(std::fs::Permissions::from_mode(mode)).unwrap();
            assert_eq!(is_open_to_others(file.path()), expected, "{mode:o}");
        }
        assert!(!is_open_to_others(Path::new("/nowhere")));
    }

    #[test]
    fn the_server_is_looked_for_where_the_session_says() {
        let check = |server: Option<&str>, expected: &[&str]| {
            let found = candidates(server, Some("/run/p".to_owned()), Some("/run/user/1".to_owned()));
            assert_eq!(found, expected.iter().map(PathBuf::from).collect::<Vec<_>>(), "{server:?}");
        };
        check(None, &["/run/p/native", "/run/user/1/pulse/native"]);
        check(Some("unix:/a"), &["/a"]);
        check(Some("{0a1b}unix:/a /b tcp:elsewhere"), &["/a", "/b"]);
        check(Some("tcp:elsewhere:4713"), &[]);
    }
}
