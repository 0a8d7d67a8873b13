//! What XPhone tells: events as they come, the snapshot, the list of appointments.

use jiff::Timestamp;

use super::network::Answer;
use super::profile_guid;
use super::queue::Event;
use super::story::Fault;
use super::world::World;
use super::xphone::{Appointment, Entry, Gone, Kind};
use crate::domain::mapping::{self, Cause, StatusKind, XphoneEntry};
use crate::domain::presence::Presence;
use crate::domain::slot::{self, Look, Shown, Sighting, Slot};

impl World {
    /// XPhone tells whoever listens.
    pub fn emit(&mut self, sequence: u64, entry: Entry) {
        if self.listener.connected && !self.fails(Fault::EventsLost) {
            self.stream(sequence, entry);
        }
    }

    fn stream(&mut self, sequence: u64, entry: Entry) {
        let at = (self.now + self.way(false)).max(self.listener.last_at);
        self.listener.last_at = at;
        self.at(at, Event::Streamed { connection: self.listener.connection, sequence, entry });
    }

    pub fn streamed(&mut self, connection: u32, sequence: u64, entry: Entry) {
        if connection != self.listener.connection || self.replicas[self.listener.replica].down {
            return;
        }
        let now = self.clock(self.listener.replica);
        self.store.hear(now, self.mutant);
        if sequence > self.listener.applied {
            self.listener.applied = sequence;
            self.changed_at = self.now;
            if entry.undisturbed() {
                self.told_at = Some(self.now);
            }
            self.store.record_xphone(read_entry(entry), entry.client, now, self.mutant);
        }
        self.acted(self.listener.replica);
    }

    /// A snapshot arrives.
    pub fn snapshot_answered(&mut self, connection: u32, connecting: bool, answer: &Answer, now: Timestamp) {
        if connection != self.listener.connection {
            return;
        }
        let Answer::Snapshot { era, sequence, entry } = *answer else {
            if connecting {
                self.reconnect();
            }
            return;
        };
        if connecting || sequence >= self.listener.applied {
            self.store.record_xphone(read_entry(entry), entry.client, now, self.mutant);
            self.listener.applied = sequence;
        }
        if connecting && (self.fails(Fault::XphoneDown) || era != self.xphone.era && sequence > self.xphone.sequence) {
            self.reconnect();
        } else if connecting {
            self.tell(|_| "the listener is connected".to_owned());
            self.changed_at = self.now;
            (self.listener.connected, self.listener.failures) = (true, 0);
            // Until now nothing was heard.
            self.oracle.faulty_until(self.now);
            let missed: Vec<_> = self.xphone.events.iter().filter(|(number, _)| *number > sequence).copied().collect();
            for (number, entry) in missed {
                self.stream(number, entry);
            }
        }
    }

    /// Recorded and listed, side by side.
    pub fn compare(&mut self, found: Option<Appointment>, gone: Gone, begun: Timestamp, now: Timestamp) {
        match found {
            None if self.store.settled_before(begun) => {
                let sighting = if gone == Gone::Lost { Sighting::Lost } else { Sighting::Removed };
                self.tell(|_| format!("the appointment is gone: {sighting:?}"));
                self.changed_at = self.now;
                let recorded =
                    matches!(&self.store.appointment.slot, Slot::Shown(shown) if shown.cause == Some(Cause::Microphone));
                if recorded && sighting == Sighting::Removed {
                    self.oracle.overheard.seen_gone();
                }
                self.store.record_sighting(sighting);
            }
            Some(found) => {
                let look = found.profile.map_or(Look::Status(super::BUSY_STATUS), |index| Look::Profile(profile_guid(index)));
                let presence = match found.audience {
                    slot::Audience::TeamColleagues => Presence::Busy,
                    slot::Audience::Everybody if found.subject.starts_with("Do not disturb") => Presence::DoNotDisturb,
                    slot::Audience::Everybody => Presence::OnThePhone,
                };
                let shown = Shown {
                    appointment: slot::Appointment { subject: found.subject, look, audience: found.audience },
                    presence,
                    cause: None,
                    since: super::world::timestamp(found.set_at),
                    until: super::world::timestamp(found.end),
                    sighting: Sighting::AsSet,
                };
                self.store.adopt(shown, begun, now);
            }
            None => {}
        }
    }
}

fn read_entry(entry: Entry) -> XphoneEntry {
    let status = match entry.kind {
        Kind::Available => StatusKind::Available,
        Kind::Busy => StatusKind::Busy,
        Kind::DoNotDisturb => StatusKind::DoNotDisturb,
        Kind::Unavailable => StatusKind::Unavailable,
    };
    let meeting = match entry.meeting {
        super::xphone::Meeting::None => mapping::Meeting::None,
        super::xphone::Meeting::Audio => mapping::Meeting::Audio,
        super::xphone::Meeting::ScreenShare => mapping::Meeting::ScreenShare,
    };
    XphoneEntry { telephone_state: entry.telephone, meeting, own_status: Some(status), ours: entry.ours }
}
