//! The verdict: what both sides should show now, by the rules alone, beside what they do show.

use super::graph::Account;
use super::oracle::{BUSY, Cause, FREE, NATIVES, Native, Oracle, PHONE, Suppressed, UNDISTURBED, is_hidden};
use super::overheard::Alias;
use super::story::{MINUTE, Mode, Ms, SECOND};
use super::xphone::{Entry, Server};

/// Nothing in XPhone outlives its cause in Teams longer, while everything works: a sweep finds what no notification told.
const OUTLIVES_MAX: Ms = 70 * SECOND;
/// Our session in Teams does not outlive XPhone's call longer: an event, a decision, a push.
const SESSION_OUTLIVES_MAX: Ms = 5 * SECOND;
/// Nor our do not disturb its own cause: before that a read tells whether it is still ours.
const PREFERRED_OUTLIVES_MAX: Ms = 20 * SECOND;

impl Oracle {
    /// Whether something must, may or must not be shown that the facts alone would show.
    fn allowed(&self, slot: usize, cause: Option<Cause>) -> &'static [bool] {
        let track = &self.tracks[slot];
        let same = track.cause.is_none() || track.cause == cause;
        match track.suppressed {
            Suppressed::Yes if same && track.gone_since.is_none() => &[false],
            Suppressed::Perhaps if same => &[true, false],
            _ => &[true],
        }
    }

    /// Whether both sides are right; else what is wrong.
    pub fn verdict(&self, accounts: &[Account; 2], xphone: &Server) -> Result<(), String> {
        for (index, account) in accounts.iter().enumerate() {
            if self.matched != Some(index) && (account.session.is_some() || self.has_ours(account)) {
                return Err(format!("something is shown for Teams user {index}, who is not matched"));
            }
        }
        self.appointment_verdict(accounts, xphone)?;
        self.teams_verdict(accounts, xphone)
    }

    /// Our do not disturb. Where a clock has jumped it may have been forgotten while it was being set: then it stays for its day.
    fn has_ours(&self, account: &Account) -> bool {
        account.preferred.is_some_and(|held| held.ours) && !self.jumped
    }

    /// Whether XPhone is right.
    pub fn appointment_verdict(&self, accounts: &[Account; 2], xphone: &Server) -> Result<(), String> {
        let shown = xphone.appointment.as_ref().map(|held| (held.subject.as_str(), held.profile));
        let own = own_level(xphone.entry());
        let natives = self.natives_of(accounts);
        let right = |native: Native| {
            let wanted = self.appointment(native, own).filter(|_| self.matched.is_some());
            // What has ended keeps nothing free any more.
            let over = wanted.is_none() && native.cause().is_none();
            let allowed = if over { &[true] } else { self.allowed(0, native.cause()) };
            allowed.iter().any(|allowed| match wanted {
                Some(wanted) => shown == Some(wanted).filter(|_| *allowed),
                None => self.microphone_is_right(shown, own, *allowed),
            })
        };
        if !natives.iter().any(|native| right(*native)) {
            return Err(format!("XPhone has {shown:?}; {}", self.facts(&natives, own)));
        }
        Ok(())
    }

    /// Where nothing of Teams is to show. `free`: nothing of Teams was undone there; what was keeps the whole place free.
    fn microphone_is_right(&self, shown: Option<(&str, Option<usize>)>, own: u8, free: bool) -> bool {
        let Some((subject, profile)) = shown else {
            return !self.microphone_may_show(own, free) || self.overheard.may_show(None);
        };
        let entry = Alias::named(subject).filter(|_| profile.is_none() && self.microphone_may_show(own, free));
        entry.is_some_and(|entry| self.overheard.may_show(Some(entry)))
    }

    fn microphone_may_show(&self, own: u8, free: bool) -> bool {
        let untold = self.mode == Mode::Nothing || self.matched.is_none();
        own < BUSY && (free || untold)
    }

    fn natives_of(&self, accounts: &[Account; 2]) -> Vec<Native> {
        self.matched.map_or(vec![Native::Free], |index| possible(&accounts[index], self.natives[index].0))
    }

    fn teams_verdict(&self, accounts: &[Account; 2], xphone: &Server) -> Result<(), String> {
        let (natives, own) = (self.natives_of(accounts), own_level(xphone.entry()));
        let Some(index) = self.matched else { return Ok(()) };
        let account = &accounts[index];
        let live = [account.session.is_some(), self.has_ours(account)];
        for (slot, level, live) in [(1, PHONE, live[0]), (2, UNDISTURBED, live[1])] {
            let right = |native: Native| {
                let wanted = self.in_teams(slot, level) && native.level(Mode::TelephonyAndPresence) < level;
                let forgotten = slot == 2 && self.jumped;
                if wanted { forgotten || self.allowed(slot, self.cause(slot)).contains(&live) } else { !live }
            };
            if !natives.iter().any(|native| right(*native)) {
                let name = ["", "session", "preferred presence"][slot];
                return Err(format!("our {name} in Teams is shown: {live}; {}", self.facts(&natives, own)));
            }
        }
        Ok(())
    }

    fn facts(&self, natives: &[Native], own: u8) -> String {
        let suppressed = self.tracks.map(|track| track.suppressed);
        format!(
            "Teams {natives:?}, XPhone {own} {:?}, policy {:?} shadow {}, suppressed {suppressed:?}, microphone {:?} held {:?}",
            self.entry, self.mode, self.shadow, self.overheard.wanted, self.overheard.held
        )
    }

    fn lets_through(&self, level: u8) -> bool {
        !self.shadow
            && match self.mode {
                Mode::Nothing => false,
                Mode::Telephony => level == PHONE,
                Mode::TelephonyAndPresence => level == PHONE || level == UNDISTURBED,
            }
    }

    fn in_teams(&self, slot: usize, level: u8) -> bool {
        self.lets_through(level) && self.cause(slot).is_some()
    }

    /// The appointment that the facts ask for.
    pub fn appointment(&self, native: Native, own: u8) -> Option<(&'static str, Option<usize>)> {
        let level = native.level(self.mode);
        if !self.lets_through(level) {
            return None;
        }
        let (phone, quiet) = [(None, None), (Some(0), None), (Some(0), Some(1)), (Some(3), Some(2))][usize::from(self.profiles)];
        let (level, look) = match quiet {
            Some(quiet) if level == UNDISTURBED => (UNDISTURBED, ("Do not disturb (MS Teams)", Some(quiet))),
            None if level == UNDISTURBED && native != Native::Presenting => return None,
            _ => (PHONE, ("On the phone (MS Teams)", phone)),
        };
        (level > own).then_some(look)
    }

    /// While everything works, nothing outlives its cause for long.
    pub fn outlived(&self, now: Ms, accounts: &[Account; 2], xphone: &Server) -> Option<String> {
        let index = self.matched?;
        let works_since = self.last_fault.max(self.matched_at);
        let (native, since) = self.natives[index];
        let appointment = xphone.appointment.as_ref().filter(|_| native == Native::Free && !xphone.shows_microphone());
        let appointment = appointment.map(|held| ("appointment", held.set_at.max(since).max(self.hidden_at), OUTLIVES_MAX));
        // What a fault kept from being heard is found by the next snapshot.
        let heard = |gone: Ms| gone.max(works_since + MINUTE);
        let session = accounts[index].session.and(self.gone_since[1]).map(|gone| ("session", heard(gone), SESSION_OUTLIVES_MAX));
        let preferred = accounts[index].preferred.filter(|held| held.ours).and(self.gone_since[2]);
        let preferred = preferred.map(|gone| ("preferred presence", heard(gone), PREFERRED_OUTLIVES_MAX));
        let outlives = [appointment, session, preferred].into_iter().flatten();
        let mut outlives = outlives.filter(|(_, from, max)| now - works_since.max(*from) > *max);
        outlives
            .next()
            .map(|(name, from, _)| format!("the {name} outlives its cause, which ended {} s ago", (now - from) / SECOND))
    }
}

fn own_level(entry: Entry) -> u8 {
    let phone = if entry.calls() { PHONE } else { FREE };
    let status = match (entry.undisturbed(), entry.busy()) {
        (true, _) => UNDISTURBED,
        (_, true) => BUSY,
        _ => FREE,
    };
    phone.max(status)
}

/// What Teams itself may say as far as anybody can know: what looks like ours hides everything.
fn possible(account: &Account, native: Native) -> Vec<Native> {
    if is_hidden(account) { NATIVES.to_vec() } else { vec![native] }
}
