//! What users do in XPhone and Teams then shows, what people do against it, and what bad luck does.

use std::time::Duration;

use super::from_teams::ON_THE_PHONE;
use super::{A, AT_ONCE, B, Client, Deed, Fault, Picture, Proof, READ_GRACE_SECONDS, SWEEP_SECONDS, Step, Wait};

const AVAILABLE: Client = ("Available", "Available");
const IN_A_CALL: Client = ("Busy", "InACall");
const DO_NOT_DISTURB: Client = ("DoNotDisturb", "DoNotDisturb");

const LINE_FREE: u32 = 2;
const LINE_BUSY: u32 = 4;

const FREE: Picture = Picture::FREE;
const XPHONE_CALL: Picture = Picture { teams: "On the phone", xphone: "Available, in a call", ours: "a session in Teams" };
const XPHONE_MEETING: Picture = Picture { xphone: "Available, in a meeting", ..XPHONE_CALL };
const XPHONE_SHARING: Picture = Picture { xphone: "Available, sharing the screen", ..FREE };
const XPHONE_DISTURBED_NOT: Picture = Picture { teams: "Do not disturb", xphone: "Do not disturb", ours: "nothing" };
const TEAMS_DISTURBED_NOT: Picture =
    Picture { teams: "Do not disturb", xphone: "Do not disturb (MS Teams)", ours: "an appointment in XPhone" };
const SWITCHED_OFF: Picture = Picture { teams: "Available", ..XPHONE_DISTURBED_NOT };
/// A Teams call that may still be the end of an echo.
const DOUBTFUL_CALL: Picture = Picture { teams: "On the phone", ..FREE };

/// Long enough to hang up long before, short enough to wait for.
const LATE_SECONDS: u32 = 3;
/// Nearly the whole grace: how long the doubtful call must not show.
const DOUBT: Wait = Wait { stays: Duration::from_secs(READ_GRACE_SECONDS - 2), ..Wait::BRIEF };
const AFTER_GRACE: Wait = Wait { limit: Duration::from_secs(READ_GRACE_SECONDS + AT_ONCE.as_secs()), ..Wait::BRIEF };
const BY_SWEEP: Wait =
    Wait { limit: Duration::from_secs(SWEEP_SECONDS + AT_ONCE.as_secs()), proof: Some(Proof::Lost(2)), ..Wait::BRIEF };

/// So long that the late notifications of its beginning and of its end do not come together.
const CALL_OF_A_SECOND: Wait = Wait { may_linger: false, ..Wait::SILENT };

/// The other direction.
pub(in super::super) const FROM_XPHONE: [Step; 21] = [
    silent("XPhone call", "A telephones in XPhone", &[Deed::Telephone(A, LINE_BUSY)], [XPHONE_CALL, FREE]),
    silent("XPhone call", "A hangs up", &[Deed::Telephone(A, LINE_FREE)], [FREE, FREE]),
    step("XPhone meeting", "A is in a meeting with sound", &[Deed::Meeting(A, "audio")], [XPHONE_MEETING, FREE]),
    silent("XPhone meeting", "A shares only the screen", &[Deed::Meeting(A, "screenShare")], [XPHONE_SHARING, FREE]),
    step("XPhone meeting", "A leaves", &[Deed::Meeting(A, "none")], [FREE, FREE]),
    silent("do not disturb in XPhone", "A picks it", &[Deed::PicksInXphone(A, "doNotDisturb")], [XPHONE_DISTURBED_NOT, FREE]),
    step("do not disturb in XPhone", "A leaves it", &[Deed::ResetsInXphone(A)], [FREE, FREE]),
    step("do not disturb in Teams", "B picks it", &[Deed::PicksInTeams(B, DO_NOT_DISTURB)], [FREE, TEAMS_DISTURBED_NOT]),
    step("do not disturb in Teams", "B leaves it", &[Deed::ResetsInTeams(B)], [FREE, FREE]),
    silent(
        "switched off",
        "A picks do not disturb in XPhone",
        &[Deed::PicksInXphone(A, "doNotDisturb")],
        [XPHONE_DISTURBED_NOT, FREE],
    ),
    silent(
        "switched off",
        "A switches it off in Teams: from here on it stays off",
        &[Deed::ResetsInTeams(A)],
        [SWITCHED_OFF, FREE],
    ),
    step("call behind a call", "B telephones in XPhone", &[Deed::Telephone(B, LINE_BUSY)], [SWITCHED_OFF, XPHONE_CALL]),
    silent(
        "call behind a call",
        "a Teams call of B begins behind it",
        &[Deed::TeamsClients(&[(B, IN_A_CALL)])],
        [SWITCHED_OFF, XPHONE_CALL],
    ),
    Step {
        title: "call behind a call",
        action: "B hangs up in XPhone: what is left may be an echo for 10 s",
        deeds: &[Deed::Telephone(B, LINE_FREE)],
        expected: [SWITCHED_OFF, DOUBTFUL_CALL],
        wait: DOUBT,
    },
    Step {
        title: "call behind a call",
        action: "the read grace of 10 s is over: it was none",
        deeds: &[],
        expected: [SWITCHED_OFF, ON_THE_PHONE],
        wait: AFTER_GRACE,
    },
    step("call behind a call", "B hangs up in Teams", &[Deed::TeamsClients(&[(B, AVAILABLE)])], [SWITCHED_OFF, FREE]),
    silent("switched off", "A leaves do not disturb in XPhone", &[Deed::ResetsInXphone(A)], [FREE, FREE]),
    Step {
        title: "lost notifications",
        action: "A calls B in Teams: the sweep, every 6 s, finds out",
        deeds: &[Deed::Fault(Fault::Lose(2)), Deed::TeamsClients(&[(A, IN_A_CALL), (B, IN_A_CALL)])],
        expected: [ON_THE_PHONE, ON_THE_PHONE],
        wait: BY_SWEEP,
    },
    step(
        "lost notifications",
        "both hang up",
        &[Deed::Fault(Fault::None), Deed::TeamsClients(&[(A, AVAILABLE), (B, AVAILABLE)])],
        [FREE, FREE],
    ),
    Step {
        title: "late echo",
        action: "A telephones in XPhone: notifications come 3 s late",
        deeds: &[Deed::Fault(Fault::Late { seconds: LATE_SECONDS }), Deed::Telephone(A, LINE_BUSY)],
        expected: [XPHONE_CALL, FREE],
        wait: CALL_OF_A_SECOND,
    },
    Step {
        title: "late echo",
        action: "A hangs up before they come",
        deeds: &[Deed::Telephone(A, LINE_FREE)],
        expected: [FREE, FREE],
        wait: Wait { proof: Some(Proof::Late), ..Wait::SILENT },
    },
];

const fn step(title: &'static str, action: &'static str, deeds: &'static [Deed], expected: [Picture; 2]) -> Step {
    Step { title, action, deeds, expected, wait: Wait::BRIEF }
}

/// A step after which nothing else may happen.
const fn silent(title: &'static str, action: &'static str, deeds: &'static [Deed], expected: [Picture; 2]) -> Step {
    Step { title, action, deeds, expected, wait: Wait::SILENT }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lines_tell_the_times_that_are_waited_for() {
        let check = |title: &str, seconds: u64| {
            let told = format!(" {seconds} s");
            assert!(FROM_XPHONE.iter().any(|step| step.title == title && step.action.contains(&told)), "{title}: {told}");
        };
        check("call behind a call", READ_GRACE_SECONDS);
        check("lost notifications", SWEEP_SECONDS);
        check("late echo", LATE_SECONDS.into());
    }
}
