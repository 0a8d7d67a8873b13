//! A program that uses the microphone: what XPhone shows of it, and when it does not.

use std::sync::Arc;

use super::*;
use crate::domain::microphone::{HEARTBEAT, InUse, Microphone, MicrophoneSync, Process, REPORT_LIFE};
use crate::domain::slot::Held;

const SHOWN: Reason = Reason::Shown(Cause::Microphone);

const fn seconds(number: i64) -> SignedDuration {
    SignedDuration::from_secs(number)
}

/// Zoom first, then Chrome; reported are programs with since when each is in use and when it was last heard, in seconds ago.
pub(super) fn reported(programs: &[(&str, i64, i64)], enabled: bool) -> Microphone {
    let entry =
        |(process, alias): (&str, &str)| Process { process: process.to_owned(), alias: Some(alias.to_owned()), active: true };
    let processes = [("Zoom", "Zoom Meeting"), ("chrome", "Google Chrome")].map(entry).to_vec();
    let in_use = |(process, since, heard): &(&str, i64, i64)| InUse {
        process: (*process).to_owned(),
        since: morning() - seconds(*since + *heard),
        reported_at: morning() - seconds(*heard),
    };
    let sync = MicrophoneSync { enabled, processes, ignored: Vec::new() };
    Microphone { sync: Some(Arc::new(sync)), in_use: programs.iter().map(in_use).collect() }
}

fn zoom() -> Microphone {
    reported(&[("zoom", 10, 0)], true)
}

/// What every decision that shows the microphone must obey: the weaker never hides the stronger.
pub(super) fn check(facts: &Snapshot, decision: &Decision, shown: &Shown) {
    let silent = decide(&Snapshot { microphone: Microphone::default(), ..facts.clone() });
    let stays = matches!(&silent.appointment.slot, Slot::Shown(of_teams) if of_teams.cause != Some(Cause::Microphone));
    assert!(!stays, "the microphone hides {:?}", silent.appointment);
    let own = facts.xphone.map(|entry| entry.native());
    if decision.appointment.reason == Reason::XphoneUnread {
        assert!(own.is_none() && decision.appointment.push.is_none(), "pushed though too little is known");
        return;
    }
    assert_eq!((decision.appointment.reason, shown.presence), (SHOWN, Presence::Busy));
    assert!(own.is_some_and(|own| own < Presence::Busy), "not stronger than XPhone's own");
    assert_eq!(shown.appointment.audience, Audience::TeamColleagues);
    let before = match &facts.appointment {
        Slot::Shown(before) if before.cause == Some(Cause::Microphone) => Some(before.appointment.subject.as_str()),
        _ => None,
    };
    let entry = facts.microphone.shows_beside(facts.now, before).expect("something is in use");
    assert_eq!((shown.appointment.subject.as_str(), shown.appointment.look), (entry.shown_as(), Look::Status(BUSY)));
    assert!(decision.microphone_held.is_none() && decision.revisit_at.is_some_and(|at| at <= facts.now + REPORT_LIFE));
}

#[test]
fn what_is_in_use_shows_unless_something_stronger_does() {
    use Reason::{NoBusyStatus, NotKeptFromOthers, NothingToShow, OwnIsStronger, PolicyOff, Shown as Shows};
    let busy = XphoneEntry { own_status: Some(StatusKind::Busy), ..FREE };
    let check = |change: fn(&mut Snapshot), expected: Result<&str, Reason>| {
        let mut facts = Snapshot { microphone: zoom(), ..quiet() };
        change(&mut facts);
        let decision = decide(&facts);
        let subject = now_showing(&decision).map(|appointment| appointment.subject.as_str());
        assert_eq!(subject.ok_or(decision.appointment.reason), expected);
    };
    check(|_| {}, Ok("Zoom Meeting"));
    check(|facts| facts.microphone = reported(&[("chrome", 10, 0), ("zoom", 10, 0)], true), Ok("Zoom Meeting"));
    check(|facts| facts.microphone = reported(&[("chrome", 10, 0), ("zoom", 1, 0)], true), Ok("Google Chrome"));
    check(|facts| facts.microphone = reported(&[("zoom", 1, 0)], true), Err(NothingToShow));
    check(|facts| facts.microphone = reported(&[("zoom", 10, 89)], true), Ok("Zoom Meeting"));
    check(|facts| facts.microphone = reported(&[("zoom", 10, 90)], true), Err(NothingToShow));
    check(|facts| facts.microphone = reported(&[("zoom", 10, 0)], false), Err(NothingToShow));
    // It is a function of its own.
    check(|facts| facts.policy.mode = Mode::None, Ok("Zoom Meeting"));
    check(|facts| facts.policy.shadow = true, Ok("Zoom Meeting"));
    check(|facts| facts.teams_user = None, Ok("Zoom Meeting"));
    check(|facts| (facts.teams, facts.remembered) = (None, None), Ok("Zoom Meeting"));
    check(|facts| (facts.policy.mode, facts.microphone) = (Mode::None, Microphone::default()), Err(PolicyOff));
    // The stronger shows.
    check(|facts| facts.teams = Some(read(Some(TeamsNative::Call), morning())), Ok("On the phone (MS Teams)"));
    check(|facts| facts.teams = Some(read(Some(TeamsNative::DoNotDisturb), morning())), Ok("Do not disturb (MS Teams)"));
    check(|facts| facts.xphone = Some(CALLING), Err(OwnIsStronger));
    check(|facts| facts.xphone = Some(UNDISTURBED), Err(OwnIsStronger));
    assert_eq!(decide(&Snapshot { microphone: zoom(), xphone: Some(busy), ..quiet() }).appointment.reason, OwnIsStronger);
    // What of Teams cannot be shown leaves the place free.
    check(
        |facts| {
            facts.profiles = Vec::new();
            facts.teams = Some(read(Some(TeamsNative::DoNotDisturb), morning()));
        },
        Ok("Zoom Meeting"),
    );
    check(|facts| facts.busy_status = None, Err(NoBusyStatus));
    // Only team colleagues may see it.
    check(|facts| facts.keeps_audience = false, Err(NotKeptFromOthers));
    check(|facts| (facts.keeps_audience, facts.microphone) = (false, Microphone::default()), Err(NothingToShow));
    check(|facts| facts.xphone = None, Err(Reason::XphoneUnread));
    let shown = decide(&Snapshot { microphone: zoom(), ..quiet() });
    assert_eq!((shown.appointment.reason, shown.session.push, shown.preferred.push), (Shows(Cause::Microphone), None, None));
}

/// One user whose workstation goes on reporting.
struct Story(Snapshot);

impl Story {
    fn new() -> Self {
        Self(quiet())
    }

    fn decide(&mut self) -> Decision {
        let decision = decide(&self.0);
        self.0.remembered = decision.remembered;
        self.0.appointment = decision.appointment.slot.clone();
        self.0.microphone_held = decision.microphone_held;
        // XPhone is seen to show what we set, until the story says otherwise.
        if let Some(entry) = &mut self.0.xphone {
            entry.ours = matches!(self.0.appointment, Slot::Shown(_));
        }
        decision
    }

    /// What is shown now, and whether a push came of it.
    fn then(&mut self, change: impl FnOnce(&mut Snapshot)) -> (Option<String>, bool) {
        change(&mut self.0);
        let decision = self.decide();
        (now_showing(&decision).map(|appointment| appointment.subject.clone()), decision.appointment.push.is_some())
    }

    fn teams(&mut self, native: TeamsNative) -> (Option<String>, bool) {
        self.then(|facts| facts.teams = Some(read(Some(native), facts.now)))
    }

    /// Programs in use from now on, heard now.
    fn uses(&mut self, programs: &[&str]) -> (Option<String>, bool) {
        let later = self.0.now.duration_since(morning());
        let programs: Vec<_> = programs.iter().map(|program| (*program, 0, 0)).collect();
        let mut microphone = reported(&programs, true);
        for program in &mut microphone.in_use {
            let before = self.0.microphone.in_use.iter().find(|before| before.process == program.process);
            program.since = before.map_or(program.since + later, |before| before.since);
            program.reported_at += later;
        }
        self.then(|facts| facts.microphone = microphone)
    }

    fn after(&mut self, passed: SignedDuration) -> (Option<String>, bool) {
        self.then(|facts| facts.now += passed)
    }

    fn removed(&mut self) -> (Option<String>, bool) {
        self.then(|facts| {
            let Slot::Shown(shown) = &mut facts.appointment else { panic!("nothing is shown that could be removed") };
            shown.sighting = Sighting::Removed;
        })
    }
}

fn some(subject: &str, pushed: bool) -> (Option<String>, bool) {
    (Some(subject.to_owned()), pushed)
}

const NOTHING: (Option<String>, bool) = (None, false);
const GONE: (Option<String>, bool) = (None, true);
const ZOOM: &str = "Zoom Meeting";
const PHONE: &str = "On the phone (MS Teams)";

#[test]
fn a_meeting_from_its_first_report_to_its_last() {
    let mut anna = Story::new();
    assert_eq!(anna.uses(&["zoom"]), NOTHING, "it may be a probe");
    assert_eq!(decide(&anna.0).revisit_at, Some(anna.0.now + seconds(2)));
    assert_eq!(anna.after(seconds(2)), some(ZOOM, true));
    for _ in 0..100 {
        assert_eq!(anna.after(HEARTBEAT), some(ZOOM, false));
        assert_eq!(anna.uses(&["zoom"]), some(ZOOM, false), "heartbeats push nothing");
    }
    assert_eq!(anna.uses(&["zoom", "chrome"]), some(ZOOM, false));
    assert_eq!(anna.uses(&["chrome"]), GONE, "Chrome may be a probe");
    assert_eq!(anna.after(seconds(2)), some("Google Chrome", true));
    assert_eq!(anna.uses(&[]), GONE);
}

#[test]
fn a_probe_never_shows_and_a_dead_agent_ends() {
    let mut anna = Story::new();
    assert_eq!(anna.uses(&["zoom"]), NOTHING);
    assert_eq!(anna.after(SignedDuration::from_millis(1999)), NOTHING);
    assert_eq!(anna.uses(&[]), NOTHING);
    anna.uses(&["zoom"]);
    assert_eq!(anna.after(seconds(2)), some(ZOOM, true));
    assert_eq!(decide(&anna.0).revisit_at, Some(anna.0.now + seconds(88)), "looked at when it would end");
    assert_eq!(anna.after(seconds(87)), some(ZOOM, false));
    assert_eq!(anna.after(seconds(1)), GONE);
    assert_eq!(anna.after(seconds(3600)), NOTHING);
}

#[test]
fn a_clock_that_is_behind_takes_back_nothing() {
    let mut anna = Story::new();
    anna.uses(&["zoom"]);
    assert_eq!(anna.after(seconds(5)), some(ZOOM, true), "by a clock that is 5 s ahead");
    assert_eq!(anna.after(seconds(-5)), some(ZOOM, false), "by one that is right");
    assert_eq!(anna.uses(&["chrome"]), GONE, "of Chrome nothing is shown yet");
    assert_eq!(anna.uses(&["zoom"]), NOTHING);
}

#[test]
fn a_teams_call_takes_its_place_and_gives_it_back() {
    let mut anna = Story::new();
    anna.uses(&["zoom"]);
    assert_eq!(anna.after(seconds(5)), some(ZOOM, true));
    assert_eq!(anna.teams(TeamsNative::Call), some(PHONE, true));
    assert_eq!(anna.teams(TeamsNative::Presenting), some("Do not disturb (MS Teams)", true));
    assert_eq!(anna.teams(TeamsNative::Free), some(ZOOM, true), "in one push");
    assert_eq!(anna.then(|facts| facts.xphone = Some(CALLING)), GONE);
    assert_eq!(anna.then(|facts| facts.xphone = Some(FREE)), some(ZOOM, true));
    assert_eq!(anna.then(|facts| facts.microphone.sync = reported(&[], false).sync), GONE, "the policy was switched off");
}

#[test]
fn what_somebody_removed_stays_away_until_the_microphone_was_free() {
    let mut anna = Story::new();
    anna.uses(&["zoom"]);
    assert_eq!(anna.after(seconds(5)), some(ZOOM, true));
    assert_eq!(anna.removed(), GONE);
    assert_eq!(anna.0.microphone_held.map(|held| held.why), Some(Suppression::Overridden));
    assert_eq!(anna.after(HEARTBEAT), NOTHING);
    // A call in between is another cause, and changes nothing about that.
    assert_eq!(anna.teams(TeamsNative::Call), some(PHONE, true));
    assert_eq!(anna.teams(TeamsNative::Free), GONE);
    assert_eq!(anna.uses(&["zoom"]), NOTHING);
    assert_eq!(anna.uses(&[]), NOTHING);
    anna.uses(&["zoom"]);
    assert_eq!(anna.after(seconds(2)), some(ZOOM, true));
}

#[test]
fn it_goes_where_it_can_no_longer_be_kept_from_others() {
    let mut anna = Story::new();
    anna.uses(&["zoom"]);
    assert_eq!(anna.after(seconds(5)), some(ZOOM, true));
    assert_eq!(anna.then(|facts| facts.keeps_audience = false), GONE);
    assert_eq!(anna.after(HEARTBEAT), NOTHING);
    assert_eq!(anna.teams(TeamsNative::Call), some(PHONE, true), "everybody may see a call");
}

#[test]
fn a_removed_call_takes_the_microphone_with_it() {
    let mut anna = Story::new();
    anna.uses(&["zoom"]);
    anna.after(seconds(5));
    assert_eq!(anna.teams(TeamsNative::Call), some(PHONE, true));
    assert_eq!(anna.removed(), GONE, "it is the same conversation, for all that is known");
    assert_eq!(anna.uses(&["zoom"]), NOTHING);
    assert_eq!(anna.teams(TeamsNative::Free), some(ZOOM, true));
}

#[test]
fn what_ran_out_while_nobody_looked_stays_away() {
    let mut anna = Story::new();
    anna.uses(&["zoom"]);
    anna.after(seconds(5));
    anna.0.now += minutes(13 * 60);
    assert_eq!(anna.uses(&["zoom"]), GONE);
    assert_eq!(anna.0.microphone_held.map(|held| held.why), Some(Suppression::Lapsed));
}

#[test]
fn while_it_is_reported_its_end_is_moved_on() {
    let mut anna = Story::new();
    anna.uses(&["zoom"]);
    anna.after(seconds(5));
    let mut pushes = 0;
    for _ in 0..24 * 120 {
        anna.0.now += HEARTBEAT;
        let (shown, is_sent) = anna.uses(&["zoom"]);
        assert_eq!(shown.as_deref(), Some(ZOOM));
        pushes += i32::from(is_sent);
    }
    assert_eq!(pushes, 4, "in a day, at half time each");
}

#[test]
fn one_that_an_earlier_run_made_is_kept_or_goes() {
    let found = |microphone| {
        let appointment = Appointment { subject: ZOOM.to_owned(), look: Look::Status(BUSY), audience: Audience::TeamColleagues };
        let held = Shown { presence: Presence::Busy, ..shown(appointment, None, 600) };
        decide(&Snapshot { appointment: Slot::Shown(held), microphone, ..quiet() })
    };
    let kept = found(zoom());
    assert_eq!((now_showing(&kept).map(|it| it.subject.as_str()), &kept.appointment.push), (Some(ZOOM), &None));
    assert_eq!(found(Microphone::default()).appointment.push, Some(Push::Clear));
}

#[test]
fn a_policy_on_trial_still_counts_what_it_would_show() {
    let policy = EffectivePolicy { shadow: true, ..policy(Mode::Telephony) };
    let facts = Snapshot { policy, microphone: zoom(), ..teams(TeamsNative::Call) };
    let decision = decide(&facts);
    assert_eq!(decision.appointment.reason, SHOWN);
    let trial = on_trial(&facts, &decision).expect("the trial holds a call back");
    let would = crate::domain::timeline::OnTrial::of(&decision, &trial);
    assert_eq!(would.at(SlotName::XphoneAppointment), Some(Presence::OnThePhone));
    let free = Snapshot { policy, microphone: zoom(), ..quiet() };
    let trial = on_trial(&free, &decide(&free));
    assert_eq!(trial.map(|trial| crate::domain::timeline::OnTrial::of(&decide(&free), &trial)).unwrap_or_default().0, 0);
}

#[test]
fn what_is_held_is_forgotten_with_its_use() {
    let held = Some(Held { why: Suppression::Overridden, since: morning() });
    assert_eq!(decide(&Snapshot { microphone_held: held, microphone: zoom(), ..quiet() }).microphone_held, held);
    assert_eq!(decide(&Snapshot { microphone_held: held, ..quiet() }).microphone_held, None);
}
