//! What a decision changed, and what a policy on trial would show.

use super::*;
use crate::domain::timeline::{Changes, Last, OnTrial, Sending, SlotChange, Waker, Wakers};

/// Decides, and tells what that changed; then the next snapshot knows it.
fn step(snapshot: &mut Snapshot, last: &mut Last) -> (Changes, OnTrial) {
    let decision = decide(snapshot);
    let trial = on_trial(snapshot, &decision).map_or(OnTrial::default(), |trial| OnTrial::of(&decision, &trial));
    let changes = Changes::of(snapshot, *last, &decision, trial);
    let began = trial.since(last.on_trial);
    *last = Last {
        reasons: [decision.appointment.reason, decision.session.reason, decision.preferred.reason].map(Some),
        on_trial: trial,
    };
    snapshot.remembered = decision.remembered;
    snapshot.appointment = decision.appointment.slot;
    snapshot.session = decision.session.slot;
    snapshot.preferred = decision.preferred.slot;
    (changes, began)
}

#[test]
fn a_decision_tells_what_it_changed_and_the_next_one_nothing() {
    let (mut snapshot, mut last) = (teams(TeamsNative::Call), Last::default());
    let nothing = Some(SlotChange { shows: None, reason: Reason::NothingToShow, push: None });
    let shown = SlotChange { shows: Some(Presence::OnThePhone), reason: Reason::Shown(Cause::Call), push: Some(Sending::Set) };
    let (first, _) = step(&mut snapshot, &mut last);
    assert_eq!(first, Changes { native: true, slots: [Some(shown), nothing, nothing] });
    let (again, _) = step(&mut snapshot, &mut last);
    assert!(!again.is_any(), "{again:?}");
    snapshot.teams = Some(read(Some(TeamsNative::Presenting), morning()));
    let (presents, _) = step(&mut snapshot, &mut last);
    let disturbed = SlotChange { shows: Some(Presence::DoNotDisturb), ..shown };
    assert_eq!(presents, Changes { native: true, slots: [Some(disturbed), None, None] });
    snapshot.teams = Some(read(Some(TeamsNative::Free), morning()));
    let (over, _) = step(&mut snapshot, &mut last);
    let cleared = SlotChange { shows: None, reason: Reason::NothingToShow, push: Some(Sending::Clear) };
    assert_eq!(over, Changes { native: true, slots: [Some(cleared), None, None] });
}

#[test]
fn a_policy_on_trial_tells_each_time_what_it_would_show() {
    let shadow = EffectivePolicy { shadow: true, ..policy(Mode::TelephonyAndPresence) };
    let (mut snapshot, mut last) = (Snapshot { policy: shadow, ..quiet() }, Last::default());
    let mut began = |snapshot: &mut Snapshot, native, xphone| {
        snapshot.teams = Some(read(Some(native), morning()));
        snapshot.xphone = Some(xphone);
        step(snapshot, &mut last).1.iter().collect::<Vec<_>>()
    };
    let (phone, undisturbed) = (Presence::OnThePhone, Presence::DoNotDisturb);
    let (appointment, session, preferred) = (SlotName::XphoneAppointment, SlotName::TeamsSession, SlotName::TeamsPreferred);
    assert_eq!(began(&mut snapshot, TeamsNative::Free, FREE), []);
    assert_eq!(began(&mut snapshot, TeamsNative::Call, FREE), [(appointment, phone)]);
    assert_eq!(began(&mut snapshot, TeamsNative::Call, FREE), [], "it goes on");
    assert_eq!(began(&mut snapshot, TeamsNative::Presenting, FREE), [(appointment, undisturbed)]);
    assert_eq!(began(&mut snapshot, TeamsNative::Free, CALLING), [(session, phone)]);
    let both = XphoneEntry { telephone_state: 4, ..UNDISTURBED };
    assert_eq!(began(&mut snapshot, TeamsNative::Free, both), [(preferred, undisturbed)]);
    assert_eq!(began(&mut snapshot, TeamsNative::Call, CALLING), [], "each side itself says so");
    assert_eq!(began(&mut snapshot, TeamsNative::Call, FREE), [(appointment, phone)]);
}

#[test]
fn without_a_trial_nothing_is_played_twice() {
    let snapshot = teams(TeamsNative::Call);
    assert_eq!(on_trial(&snapshot, &decide(&snapshot)), None);
    let off = Snapshot { policy: EffectivePolicy { shadow: true, ..policy(Mode::None) }, ..snapshot };
    assert_eq!(on_trial(&off, &decide(&off)), None, "a policy that lets nothing through holds nothing back");
}

#[test]
fn what_woke_is_kept_as_bits() {
    let all = Waker::ALL.into_iter().fold(0, |bits, waker| bits | waker.bit());
    assert_eq!(Wakers(all).iter().collect::<Vec<_>>(), Waker::ALL);
    assert_eq!(
        Wakers(Waker::Sweep.bit() | Waker::Policy.bit()).iter().map(Waker::label).collect::<Vec<_>>(),
        ["sweep", "policy"]
    );
    assert_eq!(Wakers::default().iter().next(), None);
}
