//! What calls do to the two systems, and what those answer.

use super::graph::Visible;
use super::mailbox::{Content, Letter};
use super::network::{Answer, Asked, Call};
use super::store::SESSION;
use super::story::Fault;
use super::world::{World, true_time};
use super::xphone::{Appointment, Gone, Kind};
use super::{account_of, laws};
use crate::domain::mapping::StatusKind;
use crate::domain::slot::Look;

impl World {
    /// What a call does to its side.
    pub fn take_effect(&mut self, call: &Call) -> Answer {
        match &call.asked {
            Asked::Read { account, .. } => {
                let lag = if self.fails(Fault::ReadsLag) { self.rng.i64(0..9_900) } else { self.rng.i64(0..300) };
                let (visible, number) = self.accounts[*account].seen_at(self.now - lag);
                Answer::Read { visible, number }
            }
            Asked::Push { letter, .. } => self.push_arrives(letter),
            Asked::Snapshot { .. } => {
                Answer::Snapshot { era: self.xphone.era, sequence: self.xphone.sequence, entry: self.xphone.entry() }
            }
            Asked::List => Answer::List { found: self.xphone.appointment.clone(), gone: self.xphone.gone },
        }
    }

    fn push_arrives(&mut self, letter: &Letter) -> Answer {
        let now = self.now;
        self.changed_at = now;
        self.tell(|_| format!("... slot {}: {} takes effect", letter.slot, letter.content));
        let is_session = letter.slot == SESSION;
        match &letter.content {
            Content::Show { appointment, end, .. } => {
                let profile = match appointment.look {
                    Look::Profile(guid) => self.store.profiles.iter().position(|profile| profile.guid == guid),
                    Look::Status(_) => None,
                };
                let kind = match profile.and_then(|index| self.store.profiles[index].status) {
                    Some(StatusKind::DoNotDisturb) => Kind::DoNotDisturb,
                    _ => Kind::Busy,
                };
                let end = true_time(*end);
                let (subject, audience) = (appointment.subject.clone(), appointment.audience);
                let put = Appointment { subject, profile, kind, audience, end, set_at: now };
                let taken = self.xphone.put(put);
                self.oracle.appointment_pushed(self.xphone.shows_microphone(), now);
                if !taken {
                    return Answer::Refused;
                }
            }
            Content::Delete => {
                self.oracle.appointment_pushed(false, now);
                self.xphone.take(Gone::Rightly);
            }
            Content::Set(user) if is_session => {
                self.accounts[account_of(*user)].set_session(now);
            }
            Content::Set(user) => {
                self.accounts[account_of(*user)].set_preferred(now);
            }
            Content::Clear(user) if is_session => {
                let account = &mut self.accounts[account_of(*user)];
                let before = account.visible(true);
                account.session = None;
                if before == account.visible(true) && before == Visible::InACall {
                    self.cleared_at = Some(now);
                }
            }
            Content::Clear(user) => {
                laws::clears(self, account_of(*user));
                self.oracle.preferred_cleared(now);
                self.accounts[account_of(*user)].preferred = None;
            }
        }
        Answer::Done
    }
}
