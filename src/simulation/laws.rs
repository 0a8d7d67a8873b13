//! Invariants of single decisions and of single pushes.

use jiff::Timestamp;

use super::account_of;
use super::graph::Preferred;
use super::mailbox::{Content, Letter};
use super::oracle::{Native, PUT_OFF_MAX, SETTLED_AFTER};
use super::overheard::{Alias, SHOWN_WITHIN};
use super::store::{APPOINTMENT, PREFERRED, SESSION};
use super::story::{Fault, HOUR, JUMP_MAX, MINUTE, Ms, SECOND};
use super::world::{World, true_time};
use super::xphone::Kind;
use crate::domain::expiry;
use crate::domain::ids::TeamsUserId;
use crate::domain::mapping::{Meeting, StatusKind, TeamsNative, TeamsWords, XphoneEntry};
use crate::domain::policy::{EffectivePolicy, Mode};
use crate::domain::reconcile::{Decision, Reason, Snapshot, TeamsPush, decide};
use crate::domain::slot::{Audience, Record, Sighting, Slot};

/// A status picked by hand may be wiped only if no read could tell of it: the evidence may be two minutes old, a read lags by ten
/// seconds, and the push that it allowed takes as long as a call may.
const UNSEEN: Ms = 2 * MINUTE + 30 * SECOND;

/// What a late notification tells is believed at once and taken back by the read that confirms it; so is what XPhone covered. More
/// than this would be an exchange.
const PUSHES_PER_CAUSE_MAX: u32 = 6;

/// An event, a decision, a push.
const COVERED_MAX: Ms = 5 * SECOND;

/// Three missed heartbeats, a decision, a push.
const SILENT_MAX: Ms = 90 * SECOND + SHOWN_WITHIN;

/// The grace, a read, a push.
const LIGHT_AFTER: Ms = 20 * SECOND;

/// The same facts give the same decision.
pub fn same_again(world: &mut World, snapshot: &Snapshot, decision: &Decision) {
    if world.events.is_multiple_of(8) && decide(snapshot) != *decision {
        world.break_law("same facts, same decision", |_| "two decisions on one snapshot differ".to_owned());
    }
}

/// A decision that was carried out leaves nothing to do.
pub fn nothing_new(world: &mut World, again: &Decision) {
    let slots = [again.session.push, again.preferred.push];
    let pushes = slots.into_iter().flatten().filter(|push| *push != TeamsPush::Forget).count();
    if again.appointment.push.is_some() || pushes > 0 {
        let what = format!("{:?} {:?} {:?}", again.appointment.push, again.session.push, again.preferred.push);
        world.break_law("fed back, it gives no push", |_| what);
    }
}

/// Nobody is looked at again at once, and whatever is shown is looked at again.
pub fn looked_at_again(world: &mut World, decision: &Decision, now: Timestamp) {
    if decision.revisit_at.is_some_and(|at| at <= now) {
        world.break_law("looked at again later, not now", |_| format!("{:?} at {now}", decision.revisit_at));
    }
    let shown = [
        matches!(decision.appointment.slot, Slot::Shown(_)),
        matches!(decision.session.slot.record, Record::Shown { .. }),
        matches!(decision.preferred.slot.record, Record::Shown { .. }),
    ];
    for slot in [APPOINTMENT, SESSION, PREFERRED] {
        if shown[slot] && decision.revisit_at.is_none() && world.store.letters[slot].is_none() {
            world.break_law("what is shown is looked at again", |_| format!("slot {slot} is shown, and nobody looks again"));
        }
    }
}

/// What a push may be because of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grounds {
    native: Option<TeamsNative>,
    confirmed: Option<TeamsWords>,
    xphone: Option<XphoneEntry>,
    heard: bool,
    policy: EffectivePolicy,
    teams_user: Option<TeamsUserId>,
    sighting: Option<Sighting>,
    microphone: Option<Alias>,
    held: bool,
    /// The one matched before is cleared first.
    waits: bool,
}

impl Grounds {
    fn of(snapshot: &Snapshot, decision: &Decision, slot: usize) -> Self {
        let trusted = |at: Timestamp| at + expiry::XPHONE_TRUSTED > snapshot.now;
        Self {
            native: decision.remembered.map(|remembered| remembered.native),
            // Only what people pick in Teams is told by a read alone.
            confirmed: snapshot.confirmed.filter(|_| slot == PREFERRED).and_then(|read| read.words),
            xphone: snapshot.xphone,
            heard: snapshot.xphone_heard_at.is_some_and(trusted),
            policy: snapshot.policy,
            teams_user: snapshot.teams_user,
            microphone: snapshot.microphone.shows(snapshot.now).and_then(|entry| Alias::named(entry.shown_as())),
            held: snapshot.microphone_held.is_some(),
            waits: reason(decision, slot) == Reason::StillClearing,
            sighting: if let Slot::Shown(shown) = &snapshot.appointment { Some(shown.sighting) } else { None },
        }
    }
}

fn reason(decision: &Decision, slot: usize) -> Reason {
    [decision.appointment.reason, decision.session.reason, decision.preferred.reason][slot]
}

/// A slot is pushed because something is known that was not known when it was pushed last, or because it ran out; and not again and
/// again for one thing that happened.
pub fn has_a_cause(world: &mut World, slot: usize, snapshot: &Snapshot, decision: &Decision) {
    let pushes = world.since_cause[slot];
    // While reads lag, each takes back what the notification before it told.
    if pushes > PUSHES_PER_CAUSE_MAX && !world.fails(Fault::ReadsLag) {
        world.break_law("no push without a cause", |_| format!("slot {slot} is pushed {pushes} times, and nothing has happened"));
    }
    let grounds = Grounds::of(snapshot, decision, slot);
    let anew = reason(decision, slot) == Reason::Lapsed || grounds.sighting == Some(Sighting::Lost);
    if world.grounds[slot] == Held::Unchanged(grounds) && !anew {
        world.break_law("every push has its grounds", |_| {
            format!("slot {slot} is pushed again, and nothing is known anew: {grounds:?}")
        });
    }
    world.grounds[slot] = Held::Unchanged(grounds);
}

/// What was known when a slot was pushed last, as long as nothing else was known since.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Held {
    #[default]
    Changed,
    Unchanged(Grounds),
}

/// After each decision.
pub fn note_grounds(world: &mut World, snapshot: &Snapshot, decision: &Decision) {
    for slot in [APPOINTMENT, SESSION, PREFERRED] {
        if world.grounds[slot] != Held::Unchanged(Grounds::of(snapshot, decision, slot)) {
            world.grounds[slot] = Held::Changed;
        }
    }
}

/// Nothing is set in Teams of which it is known that XPhone does not say it any more, or that it may not be shown, or not for them.
pub fn sets(world: &mut World, slot: usize, letter: &Letter, now: Timestamp) {
    let undecided = world.store.revisit_at.is_some_and(|at| at <= now);
    let (Content::Set(_), false, Some(entry)) = (&letter.content, undecided, world.store.xphone) else { return };
    let says = match slot {
        SESSION => entry.telephone_state & 4 != 0 || entry.meeting == Meeting::Audio,
        _ => entry.own_status == Some(StatusKind::DoNotDisturb),
    };
    let store = &world.store;
    let allowed = match store.mode {
        Mode::None => false,
        Mode::Telephony => slot == SESSION,
        Mode::TelephonyAndPresence => true,
    };
    let for_them = letter.content.teams_user() == store.teams_user;
    if !(says && allowed && !store.shadow && for_them) {
        world.break_law("nothing is set without a cause", |world| {
            let store = &world.store;
            format!("slot {slot} beside {entry:?}, policy {:?}, shadow {}, for them {for_them}", store.mode, store.shadow)
        });
    }
}

/// Nothing is shown over a person's own, stronger status that is known.
pub fn sends(world: &mut World, slot: usize, letter: &Letter, now: Timestamp) {
    let undecided = world.store.revisit_at.is_some_and(|at| at <= now);
    let (Content::Show { appointment, .. }, false, Some(entry)) = (&letter.content, undecided, world.store.xphone) else {
        return;
    };
    let of_microphone = Alias::named(&appointment.subject);
    let status = match entry.own_status {
        Some(StatusKind::DoNotDisturb) => 3,
        Some(StatusKind::Busy) => 1,
        _ => 0,
    };
    let phone = if entry.telephone_state & 4 != 0 || entry.meeting == Meeting::Audio { 2 } else { 0 };
    let own = phone.max(status);
    let shown = match of_microphone {
        Some(_) => 1,
        None if appointment.subject.starts_with("Do not disturb") => 3,
        None => 2,
    };
    if shown <= own {
        world.break_law("nobody's own status is hidden", |_| format!("slot {slot}: {} over {entry:?}", appointment.subject));
    }
    let audience = appointment.audience;
    if of_microphone.is_some() != (audience == Audience::TeamColleagues) {
        world.break_law("only colleagues see the microphone", |_| format!("{:?} for {audience:?}", appointment.subject));
    }
    if let Some(microphone) = of_microphone {
        shows_microphone(world, microphone, own);
    }
}

/// Of the microphone only what is in use shows, no probe, and nothing where Teams has something to show.
fn shows_microphone(world: &mut World, entry: Alias, own: u8) {
    let native = world.store.remembered.map_or(Native::Free, |remembered| match remembered.native {
        TeamsNative::Free => Native::Free,
        TeamsNative::Call => Native::Call,
        TeamsNative::Presenting => Native::Presenting,
        TeamsNative::DoNotDisturb => Native::Undisturbed,
    });
    let of_teams = world.oracle.appointment(native, own).filter(|_| world.store.teams_user.is_some());
    if let Some((subject, _)) = of_teams {
        world.break_law("the microphone is weaker than Teams", |_| format!("{entry:?} is shown in place of {subject}"));
    }
    let clocks_are_right = world.now >= world.oracle.put_off_until && world.replicas.iter().all(|replica| replica.skew == 0);
    let overheard = &world.oracle.overheard;
    if !clocks_are_right || overheard.is_or_was_wanted(entry) {
        return;
    }
    if overheard.is_told_of(entry, world.now) {
        world.break_law("a probe never shows, and the first of the table does", |world| {
            format!("{entry:?}, not {:?}", world.oracle.overheard.wanted)
        });
    } else {
        world.break_law("only what is in use shows", |_| format!("nobody tells of {entry:?}"));
    }
}

/// What reports say of the microphone shows within moments, and ends with them: when they say so, or when they stop.
pub fn follows_the_microphone(world: &mut World) {
    let shown = world.xphone.appointment.as_ref().and_then(|held| Alias::named(&held.subject));
    let in_time = world.leader().is_some() && world.replicas.iter().all(|replica| replica.skew == 0);
    if !in_time || shown.is_none() && !world.oracle.overheard.is_concerned() {
        return;
    }
    let silent_since = shown.map(|entry| world.oracle.overheard.silent_since(entry));
    let long = |since: Ms| world.now - since > SILENT_MAX && world.oracle.works_since(world.now - SETTLED_AFTER);
    if silent_since.is_some_and(long) {
        world.break_law("what fell silent is gone in 90 s", |_| format!("{shown:?} still shows"));
    }
    if world.oracle.is_calm(world.now)
        && let Err(what) = world.oracle.appointment_verdict(&world.accounts, &world.xphone)
    {
        world.break_law("the microphone shows as it is told", |_| what);
    }
}

/// A status picked by hand is not wiped, unless it looks like ours or is too new to be known.
pub fn clears(world: &mut World, account: usize) {
    let Some(held) = world.accounts[account].preferred.filter(|held| !held.ours) else { return };
    let age = world.now - held.at;
    // Nobody reads whoever is no longer matched: what is theirs is taken away unseen. And Offline is taken for ours.
    let unread = world.store.teams_user.map(account_of) != Some(account) || world.accounts[account].client.is_none();
    // What looks like ours and was picked while ours was there, or was on its way and nobody had noticed, nobody can tell.
    let set_from = world.store.teams_slot(PREFERRED).live.map(|live| true_time(live.from));
    let alike = held.value == Preferred::DoNotDisturb && set_from.is_none_or(|from| held.at >= from - MINUTE);
    if !held.like_ours && !alike && age > UNSEEN && !unread {
        world.break_law("nobody's own choice is wiped", |_| {
            format!("{:?}, picked {} s before, is cleared", held.value, age / SECOND)
        });
    }
}

/// What our own slots look like in Teams is never taken for a person's doing, unless a notification came too late to tell.
pub fn tells_apart(world: &mut World, snapshot: &Snapshot, decision: &Decision) {
    let (Some(user), Some(remembered)) = (snapshot.teams_user, decision.remembered) else { return };
    let native = match remembered.native {
        TeamsNative::Call => Native::Call as usize,
        TeamsNative::DoNotDisturb => Native::Undisturbed as usize,
        _ => return,
    };
    // A clock that jumped put the windows of what lived then in the wrong place.
    let life = if native == Native::Undisturbed as usize { 24 * HOUR + JUMP_MAX } else { PUT_OFF_MAX };
    let late = world.now - world.late_at < MINUTE || world.oracle.has_jumped_since(world.now - life);
    if decision.remembered != snapshot.remembered && !late && !world.oracle.was_true(account_of(user), native, world.now) {
        world.break_law("our own doing is no news", |_| format!("{:?} was not true of late", remembered.native));
    }
}

/// What a person picked in XPhone, and the gateway was told of, does not stay covered by something weaker of ours.
pub fn uncovers(world: &mut World) {
    let (Some((Kind::DoNotDisturb, picked_at)), Some(held)) = (world.xphone.picked, &world.xphone.appointment) else { return };
    let covered_at = world.told_at.filter(|at| *at >= picked_at).map(|at| at.max(held.set_at));
    let covers = held.set_at >= picked_at && held.kind != Kind::DoNotDisturb;
    let works = world.leader().is_some() && world.listener.connected;
    let long = |at: Ms| world.now - at > COVERED_MAX && world.oracle.works_since(at - COVERED_MAX);
    if covers && works && covered_at.is_some_and(long) {
        world.break_law("nobody's own status stays covered", |_| "do not disturb lies below an appointment of ours".to_owned());
    }
}

/// A session is renewed at half time as long as XPhone's call lasts: it does not run out where nothing happened since long before.
pub fn runs_out(world: &mut World, account: usize) {
    let untouched = world.leader().is_some() && world.oracle.undisturbed_since(world.now - 14 * MINUTE);
    let lasts = world.oracle.matched == Some(account) && world.oracle.gone_since[1].is_none();
    let natives = world.oracle.natives[account];
    if untouched && lasts && natives.0 == Native::Free {
        world.break_law("a session is renewed while its call lasts", |_| "it ran out".to_owned());
    }
}

/// Where a call of Teams was hidden behind our session, XPhone shows it soon after the session went.
pub fn comes_to_light(world: &mut World) {
    let Some(cleared_at) = world.cleared_at.filter(|at| world.now >= *at + LIGHT_AFTER) else { return };
    world.cleared_at = None;
    let untouched = world.leader().is_some()
        && !world.oracle.has_jumped()
        && world.oracle.undisturbed_since(cleared_at)
        && world.oracle.works_since(cleared_at - 5 * MINUTE);
    let in_time = world.now < cleared_at + LIGHT_AFTER + 5 * SECOND;
    let verdict = world.oracle.appointment_verdict(&world.accounts, &world.xphone);
    if let (true, true, Err(what)) = (untouched, in_time, verdict) {
        world.break_law("a hidden call comes to light", |_| what);
    }
}
