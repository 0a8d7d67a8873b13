//! Who sits at the command line, for the audit log: the operating system's user.

use std::path::Path;

use crate::store::audit::Actor;

/// Whoever runs this program, and for whom where they became somebody else for it.
pub(super) fn actor(environment: &[(String, String)]) -> Actor {
    let named = |wanted: &str| {
        let found = environment.iter().find(|(name, _)| name == wanted);
        found.map(|(_, value)| value.clone()).filter(|value| !value.is_empty())
    };
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let own = owner(Path::new("/proc/self")).map(|id| name_of(id, &users));
    Actor::CommandLine(whom(own.or_else(|| named("USERNAME")), named("SUDO_USER")))
}

/// The id of a file's owner, where the system has such.
#[cfg(unix)]
fn owner(path: &Path) -> Option<u32> {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata(path).ok().map(|found| found.uid())
}

#[cfg(not(unix))]
fn owner(_: &Path) -> Option<u32> {
    None
}

/// The user of this id among the lines of `/etc/passwd`; in a container it often has none.
fn name_of(id: u32, users: &str) -> String {
    let fields = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let found = fields.into_iter().find(|fields| fields.get(2).is_some_and(|field| field.parse() == Ok(id)));
    found.and_then(|fields| fields.first().map(|&name| name.to_owned())).unwrap_or_else(|| format!("uid {id}"))
}

fn whom(own: Option<String>, before: Option<String>) -> Option<String> {
    match (own, before) {
        (Some(own), Some(before)) if own != before => Some(format!("{before} as {own}")),
        (own, before) => own.or(before),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_is_named_as_the_system_names_them() {
        let users = "root:x:0:0:root:/root:/bin/bash\nanna:x:1000:1000:Anna:/home/anna:/bin/sh\nbroken\n";
        for (id, expected) in [(0, "root"), (1000, "anna"), (65534, "uid 65534")] {
            assert_eq!(name_of(id, users), expected);
        }
        let text = |name: &str| Some(name.to_owned());
        for (own, before, expected) in [
            (text("anna"), None, text("anna")),
            (text("root"), text("anna"), text("anna as root")),
            (text("anna"), text("anna"), text("anna")),
            (None, text("anna"), text("anna")),
            (None, None, None),
        ] {
            assert_eq!(whom(own.clone(), before.clone()), expected, "{own:?} {before:?}");
        }
    }
}
