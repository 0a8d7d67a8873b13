//! What must hold whatever comes: over arbitrary facts, and over arbitrary courses of events.

use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

use super::*;

const NATIVES: [TeamsNative; 4] = [TeamsNative::Free, TeamsNative::Call, TeamsNative::Presenting, TeamsNative::DoNotDisturb];
const MODES: [Mode; 3] = [Mode::None, Mode::Telephony, Mode::TelephonyAndPresence];
const SIGHTINGS: [Sighting; 3] = [Sighting::AsSet, Sighting::Removed, Sighting::Lost];
const SOURCES: [Source; 2] = [Source::Notification, Source::Read];
const SECONDS_MAX: i64 = 30 * 3600;

fn seconds(range: std::ops::Range<i64>) -> impl Strategy<Value = SignedDuration> {
    range.prop_map(SignedDuration::from_secs)
}

fn any_entry() -> impl Strategy<Value = XphoneEntry> {
    let kinds = [StatusKind::Available, StatusKind::Busy, StatusKind::DoNotDisturb, StatusKind::Offline];
    let meetings = [Meeting::None, Meeting::Audio, Meeting::Video, Meeting::ScreenShare];
    (select(vec![0, 2, 4, 12, 16, 1024]), select(meetings.to_vec()), option::of(select(kinds.to_vec())), any::<bool>())
        .prop_map(|(telephone_state, meeting, own_status, ours)| XphoneEntry { telephone_state, meeting, own_status, ours })
}

fn any_profiles() -> impl Strategy<Value = Vec<Profile>> {
    let names = ["MS Teams", "Appointment", "Office"];
    let kinds = [StatusKind::Busy, StatusKind::DoNotDisturb];
    let one = (1..5_u128, select(names.to_vec()), option::of(select(kinds.to_vec())), any::<bool>())
        .prop_map(|(number, name, status, active)| Profile { active, ..profile(number, name, status) });
    prop::collection::vec(one, 0..4)
}

fn any_policy() -> impl Strategy<Value = EffectivePolicy> {
    (select(MODES.to_vec()), prop::bool::weighted(0.2)).prop_map(|(mode, shadow)| EffectivePolicy { shadow, ..policy(mode) })
}

fn any_observation() -> impl Strategy<Value = TeamsObservation> {
    (option::weighted(0.9, select(NATIVES.to_vec())), select(SOURCES.to_vec()), seconds(0..SECONDS_MAX))
        .prop_map(|(native, source, ago)| TeamsObservation { words: native.map(words), source, observed_at: morning() - ago })
}

fn any_look() -> impl Strategy<Value = Look> {
    prop_oneof![(1..5_u128).prop_map(|number| Look::Profile(guid(number))), Just(Look::Status(BUSY))]
}

fn any_microphone() -> impl Strategy<Value = Microphone> {
    let program = (select(vec!["zoom", "chrome", "notepad"]), 0..100_i64, 0..120_i64);
    let in_use = prop::collection::vec(program, 0..3);
    (in_use, prop::bool::weighted(0.8)).prop_map(|(in_use, enabled)| super::microphone::reported(&in_use, enabled))
}

fn any_slot() -> impl Strategy<Value = Slot> {
    let causes = [Cause::Call, Cause::DoNotDisturb];
    let shown_for = vec![Cause::Call, Cause::DoNotDisturb, Cause::Microphone];
    let subjects = [ON_THE_PHONE_SUBJECT, DO_NOT_DISTURB_SUBJECT];
    let times = (seconds(0..SECONDS_MAX), seconds(-3600..12 * 3600));
    let shows = (select(subjects.to_vec()), any_look(), option::of(select(shown_for)), times, select(SIGHTINGS.to_vec()))
        .prop_map(|(subject, look, cause, (ago, left), sighting)| {
            let of_microphone = cause == Some(Cause::Microphone);
            let audience = if of_microphone { Audience::TeamColleagues } else { Audience::Everybody };
            let appointment = Appointment { subject: subject.to_owned(), look, audience };
            let (since, until) = (morning() - ago, morning() + left);
            Slot::Shown(Shown { since, until, sighting, ..shown(appointment, cause, 0) })
        });
    let whys = [Suppression::Overridden, Suppression::Lapsed];
    let suppressed = (select(causes.to_vec()), select(whys.to_vec())).prop_map(|(cause, why)| Slot::Suppressed {
        cause,
        why,
        since: morning() - minutes(5),
    });
    prop_oneof![2 => Just(Slot::Empty), 4 => shows, 1 => suppressed]
}

prop_compose! {
    fn any_snapshot()(
        policy in any_policy(),
        matched in prop::bool::weighted(0.9),
        teams in option::weighted(0.9, any_observation()),
        remembered in option::of((select(NATIVES.to_vec()), seconds(0..SECONDS_MAX))),
        xphone in option::weighted(0.9, any_entry()),
        profiles in any_profiles(),
        busy_status in option::weighted(0.8, Just(BUSY)),
        appointment in any_slot(),
        microphone in any_microphone(),
    ) -> Snapshot {
        let remembered = remembered.map(|(native, ago)| Remembered { native, since: morning() - ago });
        let teams_user = matched.then_some(ANNA);
        Snapshot { policy, teams_user, teams, remembered, xphone, profiles, busy_status, microphone, appointment, ..quiet() }
    }
}

/// What comes next in a course of events.
#[derive(Clone, Debug)]
enum Event {
    Teams(Option<TeamsNative>, Source),
    Xphone(Option<XphoneEntry>),
    Policy(EffectivePolicy),
    Matched(bool),
    Profiles(Vec<Profile>),
    Busy(bool),
    Passes(SignedDuration),
    Seen(Sighting),
    Found(Slot),
    Microphone(Microphone),
    Nothing,
}

fn any_event() -> impl Strategy<Value = Event> {
    let native = option::weighted(0.9, select(NATIVES.to_vec()));
    let found = any_slot().prop_filter("an appointment", |slot| matches!(slot, Slot::Shown(_)));
    prop_oneof![
        8 => (native, select(SOURCES.to_vec())).prop_map(|(native, source)| Event::Teams(native, source)),
        4 => option::weighted(0.95, any_entry()).prop_map(Event::Xphone),
        2 => any_policy().prop_map(Event::Policy),
        1 => prop::bool::weighted(0.9).prop_map(Event::Matched),
        2 => any_profiles().prop_map(Event::Profiles),
        1 => prop::bool::weighted(0.8).prop_map(Event::Busy),
        6 => seconds(0..SECONDS_MAX).prop_map(Event::Passes),
        6 => seconds(0..3600).prop_map(Event::Passes),
        2 => select(SIGHTINGS.to_vec()).prop_map(Event::Seen),
        1 => found.prop_map(Event::Found),
        3 => any_microphone().prop_map(Event::Microphone),
        1 => Just(Event::Nothing),
    ]
}

fn happen(event: Event, facts: &mut Snapshot) {
    match event {
        Event::Teams(native, source) => {
            facts.teams = Some(TeamsObservation { words: native.map(words), source, observed_at: facts.now });
        }
        Event::Xphone(entry) => facts.xphone = entry,
        Event::Policy(policy) => facts.policy = policy,
        Event::Matched(matched) => facts.teams_user = matched.then_some(ANNA),
        Event::Profiles(profiles) => facts.profiles = profiles,
        Event::Busy(named) => facts.busy_status = named.then_some(BUSY),
        Event::Passes(_) | Event::Nothing => {}
        Event::Microphone(mut microphone) => {
            let later = facts.now.duration_since(morning());
            for program in &mut microphone.in_use {
                (program.since, program.reported_at) = (program.since + later, program.reported_at + later);
            }
            facts.microphone = microphone;
        }
        Event::Seen(sighting) => {
            if let Slot::Shown(shown) = &mut facts.appointment {
                shown.sighting = sighting;
            }
        }
        Event::Found(slot) => {
            if let (Slot::Empty, Slot::Shown(found)) = (&facts.appointment, slot) {
                let later = facts.now.duration_since(morning());
                let (since, until) = (found.since + later, found.until + later);
                facts.appointment = Slot::Shown(Shown { cause: None, since, until, sighting: Sighting::AsSet, ..found });
            }
        }
    }
}

fn feed_back(facts: &mut Snapshot, decision: &Decision) {
    facts.remembered = decision.remembered;
    facts.appointment = decision.appointment.slot.clone();
    facts.microphone_held = decision.microphone_held;
}

/// What can be seen of a slot from outside, and when it ends.
fn visible(slot: &Slot) -> Option<(&Appointment, Timestamp)> {
    if let Slot::Shown(shown) = slot { Some((&shown.appointment, shown.until)) } else { None }
}

fn cause_of(decision: &Decision) -> Option<Cause> {
    decision.remembered.and_then(|remembered| remembered.native.cause())
}

/// Everything that one decision must obey.
fn check(facts: &Snapshot) -> Decision {
    let decision = decide(facts);
    assert_eq!(decide(facts), decision, "the same facts give the same decision");
    check_push(facts, &decision);
    check_times(facts, &decision);
    check_suppression(facts, &decision);
    let mut again = facts.clone();
    feed_back(&mut again, &decision);
    let second = decide(&again);
    assert_eq!(second.appointment.push, None, "deciding again pushes again");
    assert_eq!((&second.appointment.slot, second.appointment.reason), (&decision.appointment.slot, decision.appointment.reason));
    assert_eq!((second.remembered, second.microphone_held), (decision.remembered, decision.microphone_held));
    decision
}

fn check_push(facts: &Snapshot, decision: &Decision) {
    let (before, after) = (visible(&facts.appointment), visible(&decision.appointment.slot));
    if before != after {
        assert!(decision.appointment.push.is_some(), "what is shown changes without a push");
    }
    match &decision.appointment.push {
        None => assert_eq!(before, after),
        Some(Push::Clear) => assert!(before.is_some() && after.is_none(), "a clear for nothing"),
        Some(Push::Show { appointment, start, end }) => {
            assert_eq!(after, Some((appointment, *end)), "the push is not what is recorded");
            assert!(*start <= facts.now && facts.now < *end);
            let lost = matches!(&facts.appointment, Slot::Shown(shown) if shown.sighting == Sighting::Lost);
            assert!(before != after || lost, "pushed though it is there");
        }
    }
    let Slot::Shown(shown) = &decision.appointment.slot else { return };
    if shown.cause == Some(Cause::Microphone) {
        return super::microphone::check(facts, decision, shown);
    }
    assert!(!facts.policy.shadow, "a policy on trial shows nothing");
    assert!(facts.teams_user.is_some() && facts.policy.mode != Mode::None);
    assert!(facts.policy.mode.lets_through(shown.presence), "the policy does not let it through");
    let own = facts.xphone.map(|entry| entry.native());
    assert!(own.is_none_or(|own| shown.presence > own), "not stronger than XPhone's own");
    let held_back = matches!(decision.appointment.reason, Reason::TeamsUnread | Reason::XphoneUnread);
    assert!(!held_back || decision.appointment.push.is_none(), "pushed though too little is known");
    if !held_back {
        assert!(own.is_some(), "shown beside nobody knows what");
        assert_eq!(shown.cause, cause_of(decision), "shown without its cause");
        assert_eq!(shown.presence == Presence::DoNotDisturb, shown.appointment.subject == DO_NOT_DISTURB_SUBJECT);
    }
}

fn check_times(facts: &Snapshot, decision: &Decision) {
    if let Some(revisit_at) = decision.revisit_at {
        assert!(revisit_at > facts.now, "looked at again without a pause");
    }
    let Slot::Shown(shown) = &decision.appointment.slot else { return };
    assert!(shown.until > facts.now, "recorded as shown, but over");
    assert!(shown.until <= facts.now + SignedDuration::from_hours(12), "ends more than 12 h ahead");
    assert!(decision.revisit_at.is_some_and(|at| at <= shown.until), "nobody would look when it ends");
    let held_back = matches!(decision.appointment.reason, Reason::TeamsUnread | Reason::XphoneUnread);
    if let Some(remembered) = decision.remembered.filter(|_| shown.presence == Presence::DoNotDisturb && !held_back) {
        assert!(shown.until <= remembered.since + SignedDuration::from_hours(24), "do not disturb outlives its day");
    }
}

fn check_suppression(facts: &Snapshot, decision: &Decision) {
    if facts.microphone.shows(facts.now).is_some() && (facts.policy.mode == Mode::None || facts.teams_user.is_none()) {
        // Nothing of Teams concerns them any more: what was undone there keeps the microphone from nothing.
        return;
    }
    let held = match &facts.appointment {
        Slot::Suppressed { cause, .. } => Some(*cause),
        Slot::Shown(shown) if shown.sighting == Sighting::Removed || shown.until <= facts.now => shown.cause,
        Slot::Shown(_) | Slot::Empty => None,
    };
    let held = held.filter(|cause| *cause != Cause::Microphone);
    if held.is_some() && cause_of(decision) == held {
        assert!(matches!(&decision.appointment.slot, Slot::Suppressed { cause, .. } if Some(*cause) == held));
        assert!(!matches!(decision.appointment.push, Some(Push::Show { .. })), "shown although its cause has not ended");
    }
    // As long as Teams is unread nothing says that a cause has ended.
    if let (Slot::Suppressed { cause, .. }, Some(_)) = (&decision.appointment.slot, decision.remembered) {
        assert_eq!(Some(*cause), cause_of(decision), "suppressed for a cause that has ended");
    }
    if decision.remembered.is_none() && held.is_some() {
        assert!(matches!(&decision.appointment.slot, Slot::Suppressed { .. }), "forgotten what a person did, or what ran out");
    }
}

/// The scheduler: time passes, and whoever's time comes is decided for.
fn pass(facts: &mut Snapshot, revisit_at: Option<Timestamp>, passed: SignedDuration) {
    let end = facts.now + passed;
    let mut next = revisit_at;
    for _ in 0..1000 {
        let Some(at) = next.filter(|at| *at <= end) else {
            facts.now = end;
            return;
        };
        facts.now = at;
        let decision = check(facts);
        feed_back(facts, &decision);
        next = decision.revisit_at;
    }
    panic!("looked at a thousand times in {passed:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_known(facts in any_snapshot()) {
        check(&facts);
    }

    #[test]
    fn whatever_is_shown_goes_at_once_with_its_cause(facts in any_snapshot()) {
        let free = |facts: &mut Snapshot| facts.teams = Some(read(Some(TeamsNative::Free), facts.now));
        let facts = Snapshot { microphone: Microphone::default(), ..facts };
        let endings: [fn(&mut Snapshot); 4] =
            [free, |facts| facts.policy.mode = Mode::None, |facts| facts.teams_user = None, |facts| facts.policy.shadow = true];
        for ending in endings {
            let mut ended = facts.clone();
            ending(&mut ended);
            let decision = check(&ended);
            prop_assert_eq!(visible(&decision.appointment.slot), None);
            prop_assert_eq!(decision.appointment.push, visible(&facts.appointment).map(|_| Push::Clear));
        }
        // Another cause may take the place of the one that ended; the slot then says so.
        let decision = check(&facts);
        if let (Slot::Shown(shown), Some(cause)) = (&decision.appointment.slot, cause_of(&decision)) {
            prop_assert!(shown.cause.is_none_or(|held| held == cause));
        }
    }
}

proptest! {
    #[test]
    fn whatever_happens(start in any_snapshot(), events in prop::collection::vec(any_event(), 1..40)) {
        let mut facts = start;
        let mut revisit_at = None;
        for event in events {
            if let Event::Passes(passed) = event {
                pass(&mut facts, revisit_at, passed);
            }
            happen(event, &mut facts);
            let decision = check(&facts);
            feed_back(&mut facts, &decision);
            revisit_at = decision.revisit_at;
        }
        facts.teams = Some(read(Some(TeamsNative::Free), facts.now));
        facts.microphone = Microphone::default();
        let last = check(&facts);
        prop_assert_eq!(&last.appointment.slot, &Slot::Empty);
        feed_back(&mut facts, &last);
        for _ in 0..3 {
            facts.now += SignedDuration::from_hours(7);
            let still = check(&facts);
            prop_assert_eq!((&still.appointment.slot, &still.appointment.push), (&Slot::Empty, &None));
        }
    }

    /// Counted beside the decisions, from the facts alone: what was first seen when, and what a person removed.
    #[test]
    fn people_win_and_a_day_is_a_day(events in prop::collection::vec(any_event(), 1..40)) {
        let mut facts = quiet();
        let mut native = TeamsNative::Free;
        let mut native_since = facts.now;
        let mut undone = None;
        let mut revisit_at = None;
        for event in events {
            match event {
                // What a person undoes there is told in stories of its own.
                Event::Microphone(_) => continue,
                Event::Passes(passed) => pass(&mut facts, revisit_at, passed),
                Event::Teams(Some(said), _) if said != native => (native, native_since) = (said, facts.now),
                _ => {}
            }
            if undone.is_some() && undone != native.cause() {
                undone = None;
            }
            if let (Event::Seen(Sighting::Removed), Slot::Shown(_)) = (&event, &facts.appointment) {
                undone = native.cause();
            }
            happen(event, &mut facts);
            let decision = check(&facts);
            feed_back(&mut facts, &decision);
            revisit_at = decision.revisit_at;
            if undone.is_some() {
                prop_assert_eq!(visible(&facts.appointment), None, "shown again though somebody removed it");
            }
            if let Slot::Shown(Shown { presence: Presence::DoNotDisturb, cause: Some(_), until, .. }) = &facts.appointment {
                prop_assert!(*until <= native_since + SignedDuration::from_hours(24));
            }
        }
    }
}
