//! What would be right, from the rules alone: the true native states of both sides, and what people and time undid.
//!
//! Where the gateway cannot know (what hides behind its own session, what changed back between two reads), both answers are right.

use super::graph::{Account, Held, Preferred, RanOut, Visible};
use super::overheard::Overheard;
use super::story::{HOUR, MINUTE, Mode, Ms, SECOND, Setup};
use super::xphone::{Entry, Server};
use crate::domain::policy;

/// So long after the last disturbance both sides are right: claims of the dead, a sweep, the graces, a confirmation.
pub const SETTLED_AFTER: Ms = 60 * SECOND;
/// So long a cause in Teams must have been gone, while everything works, to have been noticed.
const NOTICED_AFTER: Ms = 90 * SECOND;
/// The same in XPhone, whose events come at once.
const HEARD_AFTER: Ms = 2 * SECOND;
/// What a wrong clock put off waits for as long as anything is ever put off.
pub const PUT_OFF_MAX: Ms = 15 * MINUTE;
/// A push that was under way when something was undone may still do it again.
const UNDER_WAY: Ms = MINUTE;

/// What Teams itself says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Native {
    Free,
    Call,
    Presenting,
    Undisturbed,
}

pub const NATIVES: [Native; 4] = [Native::Free, Native::Call, Native::Presenting, Native::Undisturbed];

/// On the ladder.
pub const FREE: u8 = 0;
pub const BUSY: u8 = 1;
pub const PHONE: u8 = 2;
pub const UNDISTURBED: u8 = 3;

/// Why something is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    Call,
    Undisturbed,
}

/// How sure it is that a slot must stay empty until its cause has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suppressed {
    No,
    /// The gateway may have seen it or not.
    Perhaps,
    Yes,
}

#[derive(Clone, Copy, Debug)]
pub struct Track {
    pub suppressed: Suppressed,
    pub since: Ms,
    pub cause: Option<Cause>,
    /// Since when the cause is gone.
    pub gone_since: Option<Ms>,
    /// When what Graph confirmed ends.
    pub confirmed_until: Option<Ms>,
}

/// Judges.
pub struct Oracle {
    pub mode: Mode,
    pub shadow: bool,
    pub matched: Option<usize>,
    pub matched_at: Ms,
    pub profiles: u8,
    pub overheard: Overheard,
    pub tracks: [Track; 3],
    pub natives: [(Native, Ms); 2],
    /// Since when each slot has no cause; `None`: it has one.
    pub gone_since: [Option<Ms>; 3],
    pub entry: Option<Entry>,
    /// When what Teams itself says was last hidden behind what looks like ours.
    pub hidden_at: Ms,
    /// When each native presence was last true of each account.
    pub last_true: [[Ms; 4]; 2],
    pub last_change: Ms,
    pub last_fault: Ms,
    /// A clock has jumped: nobody knows any more for sure what ran out.
    pub jumped: bool,
    /// Until then what a wrong clock put off may wait.
    pub put_off_until: Ms,
    /// Until then a throttled push is not tried again, and then its grace runs.
    pub paused_until: Ms,
}

impl Native {
    pub fn of(visible: Visible) -> Self {
        match visible {
            Visible::InACall | Visible::InAConferenceCall => Self::Call,
            Visible::Presenting => Self::Presenting,
            Visible::Focusing | Visible::DoNotDisturb => Self::Undisturbed,
            _ => Self::Free,
        }
    }

    pub fn cause(self) -> Option<Cause> {
        match self {
            Self::Free => None,
            Self::Call | Self::Presenting => Some(Cause::Call),
            Self::Undisturbed => Some(Cause::Undisturbed),
        }
    }

    pub fn level(self, mode: Mode) -> u8 {
        match self {
            Self::Free => FREE,
            Self::Call => PHONE,
            Self::Presenting if mode == Mode::Telephony => PHONE,
            Self::Presenting | Self::Undisturbed => UNDISTURBED,
        }
    }
}

/// The domain's name for a mode.
pub fn mode(mode: Mode) -> policy::Mode {
    match mode {
        Mode::Nothing => policy::Mode::None,
        Mode::Telephony => policy::Mode::Telephony,
        Mode::TelephonyAndPresence => policy::Mode::TelephonyAndPresence,
    }
}

impl Oracle {
    pub fn new(setup: Setup) -> Self {
        let track = Track { suppressed: Suppressed::No, since: 0, cause: None, gone_since: None, confirmed_until: None };
        Self {
            mode: setup.mode,
            shadow: false,
            matched: Some(0),
            matched_at: 0,
            profiles: setup.profiles,
            overheard: Overheard::new(setup.table),
            tracks: [track; 3],
            natives: [(Native::Free, 0); 2],
            gone_since: [Some(0); 3],
            entry: None,
            hidden_at: Ms::MIN / 2,
            last_true: [[Ms::MIN / 2; 4]; 2],
            last_change: 0,
            last_fault: 0,
            jumped: false,
            put_off_until: 0,
            paused_until: 0,
        }
    }

    /// Something changed; a fault makes doubtful what was seen before it ended.
    pub fn disturbed(&mut self, now: Ms, fault: bool) {
        self.last_change = self.last_change.max(now);
        if fault {
            self.last_fault = self.last_fault.max(now);
        }
    }

    /// Nothing is certain before `until`.
    pub fn faulty_until(&mut self, until: Ms) {
        self.last_fault = self.last_fault.max(until);
    }

    /// Nothing is sent again before a minute is over, whatever else works.
    pub fn throttled(&mut self, now: Ms) {
        self.paused_until = now + MINUTE + 15 * SECOND;
        self.faulty_until(self.paused_until);
    }

    /// Everything works from now on.
    pub fn healed(&mut self, now: Ms) {
        self.last_fault = now.max(self.put_off_until).max(self.paused_until);
        self.last_change = now;
    }

    pub fn is_calm(&self, now: Ms) -> bool {
        now >= self.calm_from()
    }

    /// When it is calm if nothing happens before.
    pub fn calm_from(&self) -> Ms {
        self.last_change.max(self.last_fault) + SETTLED_AFTER
    }

    pub fn cause(&self, slot: usize) -> Option<Cause> {
        let entry = self.entry?;
        match slot {
            0 => self.matched.and_then(|account| self.natives[account].0.cause()),
            1 => entry.calls().then_some(Cause::Call),
            _ => entry.undisturbed().then_some(Cause::Undisturbed),
        }
    }

    fn suppress(&mut self, slot: usize, how: Suppressed, now: Ms) {
        let cause = self.cause(slot);
        let how = if cause.is_none() { Suppressed::Perhaps } else { how };
        let track = &mut self.tracks[slot];
        if track.suppressed == Suppressed::Yes && how == Suppressed::Perhaps {
            return;
        }
        (track.suppressed, track.since, track.gone_since) = (how, now, None);
        track.cause = cause.or(track.cause);
    }

    fn soften(&mut self, slot: usize, now: Ms) {
        let last_fault = self.last_fault;
        let track = &mut self.tracks[slot];
        if track.suppressed == Suppressed::Yes && (now - track.since < UNDER_WAY || last_fault >= track.since) {
            track.suppressed = Suppressed::Perhaps;
        }
    }

    /// What should show of the microphone, from now on; whether that is something else than before.
    pub fn overhear(&mut self, now: Ms) -> bool {
        self.overheard.observe(now, self.last_fault)
    }

    pub fn appointment_removed(&mut self, of_microphone: bool, now: Ms) {
        if of_microphone {
            self.overheard.removed(now);
        } else {
            self.suppress(0, Suppressed::Yes, now);
        }
    }

    /// Its end came. `pending`: a push about it was on its way, which may set it again.
    pub fn appointment_ended(&mut self, of_microphone: bool, pending: bool, now: Ms) {
        self.disturbed(now, false);
        if of_microphone {
            self.overheard.ended(pending || self.jumped, now);
            return;
        }
        self.suppress(0, if pending || self.jumped { Suppressed::Perhaps } else { Suppressed::Yes }, now);
    }

    /// The gateway set it again, or deleted it, before it can have noticed.
    pub fn appointment_pushed(&mut self, of_microphone: bool, now: Ms) {
        self.soften(0, now);
        self.overheard.pushed(self.last_fault, now);
        // Of whom Teams tells nothing, nobody hears either that a call has ended: the microphone takes its place.
        let untold = self.mode == Mode::Nothing || self.matched.is_none();
        if of_microphone && untold && self.tracks[0].suppressed == Suppressed::Yes {
            self.tracks[0].suppressed = Suppressed::Perhaps;
        }
    }

    /// The preferred presence was cleared, perhaps before it can have been noticed what a person did to it.
    pub fn preferred_cleared(&mut self, now: Ms) {
        self.soften(2, now);
    }

    /// A push was answered.
    pub fn confirmed(&mut self, slot: usize, shows: bool, begun: Ms) {
        let life = [None, Some(15 * MINUTE), Some(24 * HOUR)][slot];
        self.tracks[slot].confirmed_until = life.filter(|_| shows).map(|life| begun + life);
    }

    /// A person picked something in Teams.
    pub fn picked(&mut self, account: usize, before: Option<Held>, picked: Option<Preferred>, pending: bool, now: Ms) {
        let concerns = self.cause(2).is_some() || before.is_some_and(|held| held.ours || held.like_ours);
        if self.matched == Some(account) && concerns {
            let undone = before.is_some_and(|held| held.ours) && picked != Some(Preferred::DoNotDisturb);
            self.suppress(2, if undone && !pending { Suppressed::Yes } else { Suppressed::Perhaps }, now);
        }
    }

    /// Something in Teams ended by itself.
    pub fn ran_out_in_teams(&mut self, account: usize, gone: RanOut, pending: bool, now: Ms) {
        self.disturbed(now, false);
        let slot = if gone == RanOut::Session { 1 } else { 2 };
        if self.matched == Some(account) {
            let doubtful = pending || self.jumped || gone == RanOut::TheirPreferred;
            self.suppress(slot, if doubtful { Suppressed::Perhaps } else { Suppressed::Yes }, now);
        }
    }

    /// Times recorded before mean something else now.
    pub fn clock_jumped(&mut self, now: Ms) {
        self.jumped = true;
        self.put_off_until = now + PUT_OFF_MAX;
        self.faulty_until(now + PUT_OFF_MAX);
        self.overheard.clock_jumped(now);
        for slot in 0..3 {
            if self.cause(slot).is_some() && self.tracks[slot].suppressed == Suppressed::No {
                self.suppress(slot, Suppressed::Perhaps, now);
            }
        }
    }

    /// Whether a clock has jumped since.
    pub fn has_jumped_since(&self, since: Ms) -> bool {
        self.jumped && self.put_off_until - PUT_OFF_MAX >= since
    }

    /// Whether a clock has ever jumped.
    pub fn has_jumped(&self) -> bool {
        self.jumped
    }

    pub fn rematched(&mut self, matched: Option<usize>, now: Ms) {
        if self.matched == matched {
            return;
        }
        (self.matched, self.matched_at) = (matched, now);
        for slot in 0..3 {
            self.tracks[slot].confirmed_until = None;
            if self.tracks[slot].suppressed == Suppressed::Yes {
                self.tracks[slot].suppressed = Suppressed::Perhaps;
            }
        }
        self.disturbed(now, false);
    }

    /// Looks at the true state of both sides.
    pub fn observe(&mut self, now: Ms, accounts: &[Account; 2], xphone: &Server) {
        self.entry = Some(xphone.entry());
        for (held, account) in self.natives.iter_mut().zip(accounts) {
            let native = Native::of(account.visible(false));
            if held.0 != native {
                *held = (native, now);
            }
        }
        for (index, account) in accounts.iter().enumerate() {
            self.last_true[index][self.natives[index].0 as usize] = now;
            // Picked by hand, and perhaps hidden because the person is signed out.
            if account.preferred.is_some_and(|held| !held.ours && held.value == Preferred::DoNotDisturb) {
                self.last_true[index][Native::Undisturbed as usize] = now;
            }
        }
        if self.matched.is_some_and(|index| is_hidden(&accounts[index])) {
            self.hidden_at = now;
        }
        for slot in 0..3 {
            let gone = self.cause(slot).is_none();
            self.gone_since[slot] = gone.then(|| self.gone_since[slot].unwrap_or(now));
            self.follow(slot, now);
        }
    }

    /// Whether Teams itself said so not long ago.
    pub fn was_true(&self, account: usize, native: usize, now: Ms) -> bool {
        self.last_true[account][native] + NOTICED_AFTER > now
    }

    /// Whether only people did something lately, and nothing failed.
    pub fn works_since(&self, since: Ms) -> bool {
        self.last_fault < since
    }

    /// Whether nothing at all happened since.
    pub fn undisturbed_since(&self, since: Ms) -> bool {
        self.last_fault < since && self.last_change < since
    }

    fn follow(&mut self, slot: usize, now: Ms) {
        let cause = self.cause(slot);
        let day_over = slot == 0
            && self.matched.is_some_and(|account| {
                let (native, since) = self.natives[account];
                native.level(Mode::TelephonyAndPresence) == UNDISTURBED && now >= since + 24 * HOUR - 5 * MINUTE
            });
        let ended = self.tracks[slot].confirmed_until.is_some_and(|until| until <= now);
        if (day_over || ended) && cause.is_some() && self.tracks[slot].suppressed == Suppressed::No {
            self.suppress(slot, Suppressed::Perhaps, now);
        }
        let last_fault = if slot == 0 { self.last_fault.max(self.hidden_at) } else { self.last_fault };
        let track = &mut self.tracks[slot];
        if ended {
            track.confirmed_until = None;
        }
        if track.suppressed == Suppressed::No {
            return;
        }
        let noticed_after = if slot == 0 { NOTICED_AFTER } else { HEARD_AFTER };
        let unnoticed = now - track.since < UNDER_WAY || last_fault >= track.since;
        let no_pause = track.gone_since.is_none_or(|gone_since| now - gone_since < noticed_after);
        if track.cause.is_some() && cause.is_some() && cause != track.cause && no_pause && unnoticed {
            // It may be taken for undone under the cause that came next.
            (track.suppressed, track.cause) = (Suppressed::Perhaps, None);
        }
        let goes_on = cause.is_some() && (track.cause.is_none() || track.cause == cause);
        match (goes_on, track.gone_since) {
            (false, None) => track.gone_since = Some(now),
            (true, Some(gone_since)) => {
                let noticed = last_fault < gone_since && now - gone_since >= noticed_after;
                track.suppressed = if noticed { Suppressed::No } else { Suppressed::Perhaps };
                track.gone_since = None;
            }
            _ => {}
        }
    }
}

/// Whether what is visible looks like ours.
pub fn is_hidden(account: &Account) -> bool {
    match account.visible(true) {
        Visible::InACall => account.session.is_some(),
        // Ours, or picked over ours; or picked before signing out, and brought to light by our session.
        Visible::DoNotDisturb => account.preferred.is_some_and(|held| held.ours || held.like_ours) || account.session.is_some(),
        _ => false,
    }
}
