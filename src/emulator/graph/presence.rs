//! What a user's presence shows, worked out from the user's sessions and the preferred presence, as Graph documents it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

/// An app's `Available` session that is not set again fades to `AvailableInactive` after this, and to `Away` after twice this.
const FADE: SignedDuration = SignedDuration::from_mins(5);

/// Availability and activity, spelled as Graph spells them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// The base: `Available`, `Busy`, `DoNotDisturb`, ...
    pub availability: String,
    /// The supplement: `InACall`, `Presenting`, ...
    pub activity: String,
}

impl Pair {
    pub fn new(availability: &str, activity: &str) -> Self {
        Self { availability: availability.to_owned(), activity: activity.to_owned() }
    }

    pub fn offline() -> Self {
        Self::new("Offline", "Offline")
    }

    pub fn is(&self, availability: &str, activity: &str) -> bool {
        self.availability == availability && self.activity == activity
    }

    /// Which session wins: do not disturb over busy over available over away.
    fn rank(&self) -> u8 {
        match self.availability.as_str() {
            "DoNotDisturb" => 5,
            "Busy" | "BusyIdle" => 4,
            "Available" | "AvailableIdle" => 3,
            "Away" | "BeRightBack" => 2,
            "PresenceUnknown" => 1,
            _ => 0,
        }
    }
}

/// What the user's own Teams client says.
#[derive(Clone, Debug, Serialize)]
pub struct ClientSession {
    #[serde(flatten)]
    pub pair: Pair,
    /// Of two sessions of one rank the later change is shown (not documented; Graph has to pick one).
    pub change: u64,
}

/// What an app said with `setPresence`.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct AppSession {
    #[serde(flatten)]
    pub pair: Pair,
    pub change: u64,
    pub refreshed_at: Timestamp,
    pub expires_at: Timestamp,
}

impl AppSession {
    fn shows(&self, now: Timestamp) -> Pair {
        let untouched_for = now.duration_since(self.refreshed_at);
        if self.pair.availability != "Available" || untouched_for < FADE {
            self.pair.clone()
        } else if untouched_for < FADE * 2 {
            Pair::new("Available", "AvailableInactive")
        } else {
            Pair::new("Away", "Away")
        }
    }
}

/// What somebody picked by hand, or an app with `setUserPreferredPresence`: one place for both.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Preferred {
    #[serde(flatten)]
    pub pair: Pair,
    pub expires_at: Timestamp,
}

/// Everything that has a say in one user's presence.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Sources {
    pub client: Option<ClientSession>,
    pub app: Option<AppSession>,
    pub preferred: Option<Preferred>,
}

impl Sources {
    /// Forgets what has run out.
    pub fn expire(&mut self, now: Timestamp) {
        self.app.take_if(|session| session.expires_at <= now);
        self.preferred.take_if(|preferred| preferred.expires_at <= now);
    }

    /// When time alone next has a say: a session fades or ends, a preferred presence ends.
    pub fn next_turn(&self, after: Timestamp) -> Option<Timestamp> {
        let available = self.app.iter().filter(|session| session.pair.availability == "Available");
        let fades = available.flat_map(|session| [session.refreshed_at + FADE, session.refreshed_at + FADE * 2]);
        let session_ends = self.app.iter().map(|session| session.expires_at);
        let preferred_ends = self.preferred.iter().map(|preferred| preferred.expires_at);
        fades.chain(session_ends).chain(preferred_ends).filter(|turn| *turn > after).min()
    }

    /// The presence that others see: the preferred one while any session lives, else the strongest session, else offline.
    pub fn visible(&self, now: Timestamp) -> Pair {
        let client = self.client.as_ref().map(|session| (session.pair.clone(), session.change));
        let app = self.app.as_ref().filter(|session| session.expires_at > now);
        let app = app.map(|session| (session.shows(now), session.change));
        let Some((strongest, _)) = client.into_iter().chain(app).max_by_key(|(pair, change)| (pair.rank(), *change)) else {
            return Pair::offline();
        };
        match &self.preferred {
            Some(preferred) if preferred.expires_at > now => preferred.pair.clone(),
            _ => strongest,
        }
    }
}

/// How long a preferred presence lasts where nobody says: a day for busy and do not disturb, a week for the rest.
pub fn preferred_lifetime(availability: &str) -> SignedDuration {
    let days = if matches!(availability, "Busy" | "DoNotDisturb") { 1 } else { 7 };
    SignedDuration::from_hours(24 * days)
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::UNIX_EPOCH;

    fn pair(text: &str) -> Pair {
        let (availability, activity) = text.split_once('/').unwrap();
        Pair::new(availability, activity)
    }

    fn sources(client: &str, app: &str, preferred: &str) -> Sources {
        let given = |text: &str| (!text.is_empty()).then(|| pair(text));
        let in_hours = |hours| START + SignedDuration::from_hours(hours);
        Sources {
            client: given(client).map(|pair| ClientSession { pair, change: 1 }),
            app: given(app).map(|pair| AppSession { pair, change: 2, refreshed_at: START, expires_at: in_hours(1) }),
            preferred: given(preferred).map(|pair| Preferred { pair, expires_at: in_hours(24) }),
        }
    }

    #[test]
    fn precedence() {
        // Teams client, app, picked by hand; shown.
        let table = [
            ("", "", "", "Offline/Offline"),
            ("", "", "DoNotDisturb/DoNotDisturb", "Offline/Offline"),
            ("Available/Available", "", "", "Available/Available"),
            ("", "Busy/InACall", "", "Busy/InACall"),
            ("", "Busy/InACall", "Offline/OffWork", "Offline/OffWork"),
            ("Available/Available", "Busy/InACall", "", "Busy/InACall"),
            ("Available/Available", "Away/Away", "", "Available/Available"),
            ("Away/Away", "Available/Available", "", "Available/Available"),
            ("DoNotDisturb/Presenting", "Busy/InACall", "", "DoNotDisturb/Presenting"),
            ("Busy/InACall", "DoNotDisturb/Presenting", "", "DoNotDisturb/Presenting"),
            ("Available/Available", "DoNotDisturb/Presenting", "", "DoNotDisturb/Presenting"),
            ("Busy/InACall", "Away/Away", "", "Busy/InACall"),
            ("Busy/InAMeeting", "Available/Available", "", "Busy/InAMeeting"),
            ("Busy/InAMeeting", "Busy/InACall", "", "Busy/InACall"),
            ("PresenceUnknown/PresenceUnknown", "", "", "PresenceUnknown/PresenceUnknown"),
            ("PresenceUnknown/PresenceUnknown", "Away/Away", "", "Away/Away"),
            ("Available/Available", "Busy/InACall", "BeRightBack/BeRightBack", "BeRightBack/BeRightBack"),
            ("DoNotDisturb/Presenting", "", "Available/Available", "Available/Available"),
        ];
        for (client, app, preferred, shown) in table {
            assert_eq!(sources(client, app, preferred).visible(START), pair(shown), "{client} + {app} + {preferred}");
        }
    }

    #[test]
    fn of_two_busy_sessions_the_later_change_is_shown() {
        let mut both = sources("Busy/InAConferenceCall", "Busy/InACall", "");
        both.client.as_mut().unwrap().change = 3;
        assert_eq!(both.visible(START), pair("Busy/InAConferenceCall"));
    }

    #[test]
    fn time_takes_things_away() {
        // App session, picked by hand, minutes later; shown over an absent Teams client.
        let table = [
            ("Busy/InACall", "", 59, "Busy/InACall"),
            ("Busy/InACall", "", 60, "Offline/Offline"),
            ("Available/Available", "", 4, "Available/Available"),
            ("Available/Available", "", 5, "Available/AvailableInactive"),
            ("Available/Available", "", 10, "Away/Away"),
            ("DoNotDisturb/Presenting", "", 30, "DoNotDisturb/Presenting"),
            ("Busy/InACall", "Away/Away", 61, "Offline/Offline"),
        ];
        for (app, preferred, minutes, shown) in table {
            let now = START + SignedDuration::from_mins(minutes);
            assert_eq!(sources("", app, preferred).visible(now), pair(shown), "{app} + {preferred} after {minutes} min");
        }
        let after_a_day = START + SignedDuration::from_hours(24);
        assert_eq!(sources("Away/Away", "", "Busy/Busy").visible(after_a_day), pair("Away/Away"));
    }
}
