//! Which programs may be told of when they use the microphone, under which name, and how a running program finds its entry.

mod usage;

pub use usage::{HEARTBEAT, InUse, Microphone, PROBE_MAX, REPORT_LIFE, merge};

/// So many entries a table has at most.
pub const PROCESSES_MAX: usize = 200;
/// So many characters a process or an alias has at most.
pub const NAME_CHARACTERS_MAX: usize = 100;

/// An entry of the table: a program and what is shown while it uses the microphone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// The program's name, as its file is called; case, folder and `.exe` do not count.
    pub process: String,
    /// What is shown; `None`: the process itself.
    pub alias: Option<String>,
    /// Whether it is told of.
    pub active: bool,
}

/// Microphone sync as set for a location or a configuration group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MicrophoneSync {
    /// Whether anything is told at all.
    pub enabled: bool,
    /// Of which programs; the first that is in use is shown.
    pub processes: Vec<Process>,
    /// Programs, and their families, that prove no conversation whatever shorter entry they belong to.
    pub ignored: Vec<String>,
}

/// What is wrong with a table or an ignore list; entries are counted from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TableError {
    /// There are too many entries.
    #[error("there are {0} processes; {PROCESSES_MAX} are the most")]
    TooMany(usize),
    /// A text is missing, too long or cannot be shown.
    #[error("entry {0}: process and alias must have 1 to {NAME_CHARACTERS_MAX} characters, none of them a control character")]
    Unfit(usize),
    /// Nothing is left of a name without its folder and `.exe`.
    #[error("entry {0}: the process has no name besides folder and .exe")]
    Nameless(usize),
    /// Two entries are about the same program.
    #[error("entries {0} and {1} are about the same process: case, folder and .exe do not count")]
    Twice(usize, usize),
    /// So is the ignore list.
    #[error("ignored has {0} names; {PROCESSES_MAX} are the most")]
    TooManyIgnored(usize),
    /// Nothing may be told of what this is.
    #[error(
        "name {0} of ignored must have 1 to {NAME_CHARACTERS_MAX} characters besides folder and .exe, none of them a control character"
    )]
    UnfitIgnored(usize),
}

/// Process and alias of each entry that a table starts with: the vendor's, then what came up since.
const STARTING: [(&str, &str); 22] = [
    ("Amazon Chime", "Amazon Chime for Windows"),
    ("BlueJeans", "BlueJeans for Windows"),
    ("Circuit", "Circuit for Windows"),
    ("CiscoCollabHost", "Cisco Webex"),
    ("Discord", "Discord"),
    ("chrome", "Google Chrome"),
    ("g2mcomm", "GoTo Meeting"),
    ("firefox", "Mozilla Firefox"),
    ("msedge", "Microsoft Edge"),
    ("iexplore", "Microsoft Internet Explorer"),
    ("teams", "Microsoft Teams (V1)"),
    ("ms-teams", "Microsoft Teams (V2)"),
    ("RingCentral", "RingCentral App"),
    ("Slack", "Slack for Windows"),
    ("TeamViewerMeeting", "TeamViewer Meeting"),
    ("Unify Office", "Unify Office"),
    ("Zoom", "Zoom Meeting"),
    // Holds the microphone for Teams since January 2026.
    ("ms-teams_modulehost", "Microsoft Teams (V2)"),
    // Hold it for browsers, and for programs that are made of one.
    ("msedgewebview2", "Microsoft Edge"),
    ("Microsoft Edge Helper", "Microsoft Edge"),
    ("Google Chrome Helper", "Google Chrome"),
    ("plugin-container", "Mozilla Firefox"),
];

/// What always has the microphone open, mixes, cleans or records sound, or listens to dictation: the list to start from.
const IGNORED: [&str; 30] = [
    "arecord",
    "audacity",
    "audiodg",
    "carla",
    "dragon",
    "dragonbar",
    "easyeffects",
    "elgato wave link",
    "krisp",
    "natspeak",
    "nvidia broadcast",
    "nvidia rtx voice",
    "obs",
    "obs64",
    "parec",
    "pavucontrol",
    "pipewire",
    "pulseeffects",
    "pw-record",
    "rundll32",
    "sonar",
    "soundrecorder",
    "speechruntime",
    "steelseriessonar",
    "svchost",
    "voiceaccess",
    "voicemeeter",
    "voicemeeterpro",
    "wavelink",
    "wireplumber",
];

/// Separate the name of a family of programs from the rest of a member's name.
const FAMILY_MARKS: [char; 4] = ['_', '-', '.', ' '];

impl Process {
    /// What is shown while it uses the microphone.
    #[must_use]
    pub fn shown_as(&self) -> &str {
        self.alias.as_deref().unwrap_or(&self.process)
    }
}

impl MicrophoneSync {
    /// What holds where nothing was ever set: off, and the table to start from.
    #[must_use]
    pub fn unset() -> Self {
        Self { enabled: false, processes: starting_table(), ignored: starting_ignored() }
    }

    /// The entry that a program belongs to: the one with the longest name that the program's name is, or begins with up to a mark.
    ///
    /// An ignored program competes like an entry that nobody made, so that only an entry of the very same or a longer name counts for it.
    #[must_use]
    pub fn entry_of(&self, program: &str) -> Option<&Process> {
        let program = program_name(program);
        let ignored = self.ignored.iter().map(|name| program_name(name)).filter(|name| is_of_family(&program, name));
        let ignored = ignored.map(|name| name.len()).max();
        let entries = self.processes.iter().map(|entry| (program_name(&entry.process), entry));
        let (name, entry) = entries.filter(|(name, _)| is_of_family(&program, name)).max_by_key(|(name, _)| name.len())?;
        (ignored.is_none_or(|ignored| name.len() >= ignored)).then_some(entry)
    }

    /// The same, if anything is told of it.
    #[must_use]
    pub fn told_of(&self, program: &str) -> Option<&Process> {
        self.entry_of(program).filter(|entry| self.enabled && entry.active)
    }

    /// Of the programs that use the microphone, the entry to show: the first in the table's order that is active.
    #[must_use]
    pub fn entry_to_show<'a>(&self, in_use: impl Iterator<Item = &'a str>) -> Option<&Process> {
        let used: Vec<&Process> = in_use.filter_map(|program| self.told_of(program)).collect();
        self.processes.iter().find(|entry| used.iter().any(|used| std::ptr::eq(*used, *entry)))
    }
}

/// The table to start from.
#[must_use]
pub fn starting_table() -> Vec<Process> {
    let entry =
        |(process, alias): (&str, &str)| Process { process: process.to_owned(), alias: Some(alias.to_owned()), active: true };
    STARTING.into_iter().map(entry).collect()
}

/// The ignore list to start from.
#[must_use]
pub fn starting_ignored() -> Vec<String> {
    IGNORED.into_iter().map(str::to_owned).collect()
}

/// Whether an ignore list may be used.
///
/// # Errors
/// See [`TableError`].
pub fn check_ignored(ignored: &[String]) -> Result<(), TableError> {
    if ignored.len() > PROCESSES_MAX {
        return Err(TableError::TooManyIgnored(ignored.len()));
    }
    let is_good = |name: &String| is_fit(name) && !program_name(name).is_empty();
    ignored.iter().position(|name| !is_good(name)).map_or(Ok(()), |unfit| Err(TableError::UnfitIgnored(unfit + 1)))
}

/// Whether a table may be used.
///
/// # Errors
/// See [`TableError`].
pub fn check(processes: &[Process]) -> Result<(), TableError> {
    if processes.len() > PROCESSES_MAX {
        return Err(TableError::TooMany(processes.len()));
    }
    let mut names: Vec<String> = Vec::with_capacity(processes.len());
    for (entry, process) in (1..).zip(processes) {
        if !is_fit(&process.process) || !process.alias.as_deref().is_none_or(is_fit) {
            return Err(TableError::Unfit(entry));
        }
        let name = program_name(&process.process);
        if name.is_empty() {
            return Err(TableError::Nameless(entry));
        }
        if let Some(first) = names.iter().position(|known| *known == name) {
            return Err(TableError::Twice(first + 1, entry));
        }
        names.push(name);
    }
    Ok(())
}

fn is_fit(text: &str) -> bool {
    (1..=NAME_CHARACTERS_MAX).contains(&text.chars().count()) && !text.trim().is_empty() && !text.chars().any(char::is_control)
}

/// The name by which programs are compared: without folder, `.exe` and outer blanks, in lower case.
#[must_use]
pub fn program_name(program: &str) -> String {
    let file = program.rsplit(['/', '\\']).next().unwrap_or_default().trim().to_lowercase();
    file.strip_suffix(".exe").unwrap_or(&file).trim_end().to_owned()
}

fn is_of_family(program: &str, name: &str) -> bool {
    let rest = program.strip_prefix(name).filter(|_| !name.is_empty());
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(FAMILY_MARKS))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The delivered ignore list beside a table of one's own.
    fn sync(processes: Vec<Process>) -> MicrophoneSync {
        MicrophoneSync { enabled: true, processes, ignored: starting_ignored() }
    }

    fn table(entries: &[(&str, bool)]) -> Vec<Process> {
        entries.iter().map(|(process, active)| Process { process: (*process).to_owned(), alias: None, active: *active }).collect()
    }

    #[test]
    fn programs_are_compared_by_their_files_names() {
        let check = |program, name| assert_eq!(program_name(program), name);
        check("Zoom.exe", "zoom");
        check("ZOOM.EXE", "zoom");
        check(r"C:\Program Files\Zoom\bin\Zoom.exe", "zoom");
        check("/Applications/zoom.us.app/Contents/MacOS/zoom.us", "zoom.us");
        check("  Unify Office .exe ", "unify office");
        check("zoom.exe.exe", "zoom.exe");
        check("exe", "exe");
        check(".exe", "");
        check(r"C:\folder\", "");
        check("", "");
    }

    #[test]
    fn a_program_belongs_to_the_longest_name_of_its_family() {
        let check = |entries: &[(&str, bool)], program: &str, expected: Option<&str>| {
            let sync = sync(table(entries));
            assert_eq!(sync.entry_of(program).map(|entry| entry.process.as_str()), expected, "{program}");
        };
        let teams = [("teams", true), ("ms-teams", true), ("ms-teams_modulehost", false), ("Zoom", true)];
        check(&teams, "ms-teams.exe", Some("ms-teams"));
        check(&teams, "MS-Teams_ModuleHost.exe", Some("ms-teams_modulehost"));
        check(&teams, "ms-teams_other.exe", Some("ms-teams"));
        check(&teams, "teams", Some("teams"));
        check(&teams, "zoom.us", Some("Zoom"));
        check(&teams, "zoom-meeting", Some("Zoom"));
        check(&teams, "Zoom Rooms", Some("Zoom"));
        check(&teams, "Zoom_launcher", Some("Zoom"));
        // A mark ends the name; anything else goes on with it.
        check(&teams, "zoomit64.exe", None);
        check(&teams, "ms-team", None);
        check(&teams, "myteams", None);
        check(&teams, "", None);
        check(&[("Zoom.EXE", true)], "zoom", Some("Zoom.EXE"));
        check(&[(r"C:\Apps\Slack.exe", true)], "slack.exe", Some(r"C:\Apps\Slack.exe"));
    }

    #[test]
    fn what_listens_always_proves_nothing_unless_an_entry_names_it() {
        let check = |entries: &[(&str, bool)], program: &str, expected: bool| {
            assert_eq!(sync(table(entries)).entry_of(program).is_some(), expected, "{program}");
        };
        check(&[("nvidia", true)], "NVIDIA Broadcast.exe", false);
        check(&[("nvidia", true)], "NVIDIA Broadcast UI.exe", false);
        check(&[("nvidia", true)], "nvidia share.exe", true);
        check(&[("nvidia broadcast", true)], "NVIDIA Broadcast.exe", true);
        check(&[("nvidia broadcast ui", true)], "NVIDIA Broadcast UI.exe", true);
        check(&[("krisp", true)], "krisp.exe", true);
        check(&[], "krisp.exe", false);
        let own = MicrophoneSync { ignored: vec![r"C:\Apps\Zoom Rooms.EXE".to_owned()], ..sync(table(&[("zoom", true)])) };
        assert!(own.entry_of("zoom.exe").is_some() && own.entry_of("Zoom Rooms.exe").is_none());
        let none = MicrophoneSync { ignored: Vec::new(), ..sync(table(&[("nvidia", true)])) };
        assert!(none.entry_of("NVIDIA Broadcast.exe").is_some(), "the list is part of what is set");
    }

    #[test]
    fn an_ignore_list_that_cannot_be_used_is_refused() {
        let told = |names: &[&str], expected| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(check_ignored(&names), expected);
        };
        told(&[], Ok(()));
        told(&["krisp", "KRISP.exe"], Ok(()));
        told(&["krisp", ""], Err(TableError::UnfitIgnored(2)));
        told(&[".exe"], Err(TableError::UnfitIgnored(1)));
        told(&["a\u{0}"], Err(TableError::UnfitIgnored(1)));
        told(&["a"; 201], Err(TableError::TooManyIgnored(201)));
        assert_eq!(check_ignored(&starting_ignored()), Ok(()));
    }

    #[test]
    fn the_first_active_entry_in_use_is_shown() {
        let check = |entries: &[(&str, bool)], in_use: &[&str], expected: Option<&str>| {
            let sync = sync(table(entries));
            assert_eq!(sync.entry_to_show(in_use.iter().copied()).map(Process::shown_as), expected, "{in_use:?}");
        };
        let both = [("Zoom", true), ("chrome", true)];
        check(&both, &["chrome.exe", "zoom.exe"], Some("Zoom"));
        check(&both, &["chrome.exe", "notepad.exe"], Some("chrome"));
        check(&both, &["notepad.exe"], None);
        check(&both, &[], None);
        check(&[("Zoom", false), ("chrome", true)], &["zoom.exe", "chrome.exe"], Some("chrome"));
        let off = MicrophoneSync { enabled: false, ..sync(table(&both)) };
        assert_eq!(off.entry_to_show(["zoom.exe"].into_iter()), None);
        // Switched off means off, though a shorter name would do.
        check(&[("ms-teams", true), ("ms-teams_modulehost", false)], &["ms-teams_modulehost.exe"], None);
    }

    #[test]
    fn the_table_to_start_from_may_be_used_and_knows_what_people_use() {
        assert_eq!(check(&starting_table()), Ok(()));
        let starting = sync(starting_table());
        let shown = |program| starting.entry_to_show([program].into_iter()).map(Process::shown_as);
        assert_eq!(shown("Zoom.exe"), Some("Zoom Meeting"));
        assert_eq!(shown("ms-teams_modulehost.exe"), Some("Microsoft Teams (V2)"));
        assert_eq!(shown("msedgewebview2.exe"), Some("Microsoft Edge"));
        assert_eq!(shown("Google Chrome Helper (Renderer)"), Some("Google Chrome"));
        assert_eq!(shown("CiscoCollabHost.exe"), Some("Cisco Webex"));
        assert_eq!(shown("Amazon Chime.exe"), Some("Amazon Chime for Windows"));
        assert_eq!(shown("svchost.exe"), None);
        assert!(!MicrophoneSync::unset().enabled && IGNORED.is_sorted());
        assert!(IGNORED.iter().all(|name| program_name(name) == *name), "compared as they stand");
    }

    #[test]
    fn a_table_that_cannot_be_used_is_refused_with_its_entry() {
        let told = |processes: Vec<Process>, expected| assert_eq!(check(&processes), expected);
        told(Vec::new(), Ok(()));
        told(table(&[("a", true), ("b", false)]), Ok(()));
        told(table(&[("a", true), ("A.EXE", true)]), Err(TableError::Twice(1, 2)));
        told(table(&[("a", true), ("", true)]), Err(TableError::Unfit(2)));
        told(table(&[("  ", true)]), Err(TableError::Unfit(1)));
        told(table(&[("a\nb", true)]), Err(TableError::Unfit(1)));
        told(table(&[(&"x".repeat(101), true)]), Err(TableError::Unfit(1)));
        told(table(&[(&"ä".repeat(100), true)]), Ok(()));
        told(table(&[(".exe", true)]), Err(TableError::Nameless(1)));
        told(vec![Process { process: "a".to_owned(), alias: Some(String::new()), active: true }], Err(TableError::Unfit(1)));
        let many: Vec<Process> =
            (0..201).map(|number| Process { process: format!("p{number}"), alias: None, active: true }).collect();
        told(many, Err(TableError::TooMany(201)));
    }
}
