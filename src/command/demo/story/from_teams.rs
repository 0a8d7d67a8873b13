//! What users do in Teams, and what XPhone then shows.

use super::{A, B, Client, Deed, Picture, Step, Wait};

const AVAILABLE: Client = ("Available", "Available");
const IN_A_CALL: Client = ("Busy", "InACall");
const PRESENTING: Client = ("DoNotDisturb", "Presenting");

/// In a Teams call.
pub(super) const ON_THE_PHONE: Picture =
    Picture { teams: "On the phone", xphone: "On the phone (MS Teams)", ours: "an appointment in XPhone" };
const SHARING: Picture = Picture { teams: "Presenting", xphone: "Do not disturb (MS Teams)", ours: "an appointment in XPhone" };

const BOTH_CALL: &[Deed] = &[Deed::TeamsClients(&[(A, IN_A_CALL), (B, IN_A_CALL)])];
const A_SHARES: &[Deed] = &[Deed::TeamsClients(&[(A, PRESENTING), (B, IN_A_CALL)])];
const BOTH_FREE: &[Deed] = &[Deed::TeamsClients(&[(A, AVAILABLE), (B, AVAILABLE)])];

/// The table of what users see, row by row.
pub(in super::super) const FROM_TEAMS: [Step; 8] = [
    begins("call", "A calls B", BOTH_CALL, ON_THE_PHONE),
    ends("call"),
    begins("video call", "A calls B with video", BOTH_CALL, ON_THE_PHONE),
    ends("video call"),
    begins("only screen sharing", "A shares the screen with B", A_SHARES, SHARING),
    ends("only screen sharing"),
    begins("video call with screen sharing", "A calls B with video and shares the screen", A_SHARES, SHARING),
    ends("video call with screen sharing"),
];

const fn begins(title: &'static str, action: &'static str, deeds: &'static [Deed], a: Picture) -> Step {
    Step { title, action, deeds, expected: [a, ON_THE_PHONE], wait: Wait::BRIEF }
}

const fn ends(title: &'static str) -> Step {
    Step { title, action: "both hang up", deeds: BOTH_FREE, expected: [Picture::FREE; 2], wait: Wait::BRIEF }
}
