//! The story: what users do in Teams, and what both systems then show.

/// What one user shows, in the words that people read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Seen {
    pub teams: String,
    pub xphone: String,
}

/// One row of the story: something two users do, and what it shows while it lasts.
pub(super) struct Act {
    pub title: &'static str,
    pub action: &'static str,
    pub during: [Picture; 2],
}

/// What a user's Teams client says, and what both systems show for it.
#[derive(Clone, Copy)]
pub(super) struct Picture {
    /// Availability and activity.
    pub client: (&'static str, &'static str),
    pub teams: &'static str,
    pub xphone: &'static str,
}

const ON_THE_PHONE: Picture = Picture { client: ("Busy", "InACall"), teams: "On the phone", xphone: "On the phone (MS Teams)" };
const PRESENTING: Picture =
    Picture { client: ("DoNotDisturb", "Presenting"), teams: "Presenting", xphone: "Do not disturb (MS Teams)" };
const FREE: Picture = Picture { client: ("Available", "Available"), teams: "Available", xphone: "Available" };

/// What follows every act.
pub(super) const AFTERWARDS: [Picture; 2] = [FREE, FREE];

pub(super) const ACTS: [Act; 4] = [
    Act { title: "call", action: "A calls B", during: [ON_THE_PHONE, ON_THE_PHONE] },
    Act { title: "video call", action: "A calls B with video", during: [ON_THE_PHONE, ON_THE_PHONE] },
    Act { title: "only screen sharing", action: "A shares the screen with B", during: [PRESENTING, ON_THE_PHONE] },
    Act {
        title: "video call with screen sharing",
        action: "A calls B with video and shares the screen",
        during: [PRESENTING, ON_THE_PHONE],
    },
];

/// Availability and activity, as Teams shows them to people.
pub(super) fn teams_word(availability: &str, activity: &str) -> String {
    match (availability, activity) {
        ("Busy", "InACall" | "InAConferenceCall") => "On the phone".to_owned(),
        ("DoNotDisturb", "Presenting") => "Presenting".to_owned(),
        (availability, activity) if availability == activity => availability.to_owned(),
        (availability, activity) => format!("{availability}, {activity}"),
    }
}

impl Picture {
    pub(super) fn seen(self) -> Seen {
        Seen { teams: self.teams.to_owned(), xphone: self.xphone.to_owned() }
    }
}
