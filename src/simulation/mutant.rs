//! Gateways that are wrong on purpose: each feeds or obeys the decision a little wrongly, and the simulation must notice.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::domain::mapping::{Meeting, StatusKind, TeamsWords};
use crate::domain::microphone::{Microphone, MicrophoneSync, PROBE_MAX};
use crate::domain::policy::{EffectivePolicy, Mode};
use crate::domain::reconcile::{Decision, Snapshot, Source, TeamsObservation, TeamsPush, Timing, decide};
use crate::domain::slot::{Appointment, Audience, Record, Slot, Suppression, TeamsSlot};

/// What is wrong with the gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutant {
    /// Nothing: this is the gateway.
    None,
    /// What our own slots look like in Teams is native as soon as they are cleared.
    NoGrace,
    /// What a person undid is forgotten.
    OverrideDropped,
    /// What a person undid once is undone for the next cause, too, if that comes while a read is awaited.
    GivenUpForgotten,
    /// What ran out is forgotten.
    LapseDropped,
    /// A slot in Teams counts as set from the answer on, not from the sending.
    LiveFromAnswer,
    /// The preferred presence is cleared as if a read had just shown ours.
    ClearWithoutEvidence,
    /// Nobody reads Teams after a clear.
    NoReadAfterClear,
    /// Sessions are not renewed.
    RenewalsSkipped,
    /// A sender that comes late settles what it never sent.
    GenerationIgnored,
    /// Conferences and shared screens count as ours while our session lives.
    EchoTooWide,
    /// What an unanswered push did is forgotten.
    AnswerLostForgotten,
    /// A newer letter does not wait for the sender under way.
    ClaimsForgotten,
    /// What is visible in XPhone, not what was recorded, counts as shown there.
    ComparesVisible,
    /// Nobody is read but those of whom a notification came.
    NoSweep,
    /// What is gone from XPhone is never noticed.
    NoComparison,
    /// What a person picked in XPhone is forgotten while an appointment of ours covers it.
    CoveredForgotten,
    /// XPhone is heard again after a long silence, and nobody is woken.
    SilenceUnnoticed,
    /// What a workstation reported holds until it reports again.
    ReportsNeverExpire,
    /// What begins to use the microphone shows at once.
    ProbesCount,
    /// Each report tells of a use that begins.
    BegunAnew,
    /// Only reports that tell something new keep it alive.
    HeartbeatsUnheard,
    /// That nothing is in use any more is waited for, not heard.
    EndsUnheard,
    /// All workstations of a user are one.
    OneWorkstation,
    /// Nobody looks again when a probe has become a use, or a workstation has fallen silent.
    MicrophoneUnwatched,
    /// The microphone shows in place of a Teams call.
    MicrophoneBeatsTeams,
    /// The microphone shows over a call in XPhone and over a status that the person picked.
    MicrophoneBeatsXphone,
    /// Where a person removed a Teams call, the microphone takes its place.
    MicrophoneAfterRemoval,
    /// That a person removed the microphone's appointment is forgotten when a workstation tells something new.
    MicrophoneHeldForgotten,
    /// It is never shown again, though the microphone was free.
    MicrophoneHeldForGood,
    /// Everybody sees it.
    MicrophoneForEverybody,
    /// The last entry of the table counts, not the first.
    LastEntryShows,
    /// Programs that prove no conversation count.
    IgnoredCount,
    /// A new table is seen when somebody is decided for anyway.
    TableUnnoticed,
}

/// All of them.
pub const MUTANTS: [Mutant; 33] = [
    Mutant::NoGrace,
    Mutant::OverrideDropped,
    Mutant::GivenUpForgotten,
    Mutant::LapseDropped,
    Mutant::LiveFromAnswer,
    Mutant::ClearWithoutEvidence,
    Mutant::NoReadAfterClear,
    Mutant::RenewalsSkipped,
    Mutant::GenerationIgnored,
    Mutant::EchoTooWide,
    Mutant::AnswerLostForgotten,
    Mutant::ClaimsForgotten,
    Mutant::ComparesVisible,
    Mutant::NoSweep,
    Mutant::NoComparison,
    Mutant::CoveredForgotten,
    Mutant::SilenceUnnoticed,
    Mutant::ReportsNeverExpire,
    Mutant::ProbesCount,
    Mutant::BegunAnew,
    Mutant::HeartbeatsUnheard,
    Mutant::EndsUnheard,
    Mutant::OneWorkstation,
    Mutant::MicrophoneUnwatched,
    Mutant::MicrophoneBeatsTeams,
    Mutant::MicrophoneBeatsXphone,
    Mutant::MicrophoneAfterRemoval,
    Mutant::MicrophoneHeldForgotten,
    Mutant::MicrophoneHeldForGood,
    Mutant::MicrophoneForEverybody,
    Mutant::LastEntryShows,
    Mutant::IgnoredCount,
    Mutant::TableUnnoticed,
];

impl Mutant {
    pub(super) fn timing(self) -> Timing {
        let timing = Timing::default();
        match self {
            Self::NoGrace => Timing { notification_grace: SignedDuration::ZERO, read_grace: SignedDuration::ZERO, ..timing },
            _ => timing,
        }
    }

    /// What the decision is told.
    pub(super) fn feed(self, mut snapshot: Snapshot) -> Snapshot {
        match self {
            Self::OverrideDropped => drop_suppression(&mut snapshot, Suppression::Overridden),
            Self::GivenUpForgotten => {
                if let Record::Shown { given_up, .. } = &mut snapshot.preferred.record {
                    *given_up = false;
                }
            }
            Self::LapseDropped => drop_suppression(&mut snapshot, Suppression::Lapsed),
            Self::ClearWithoutEvidence => {
                let words = Some(TeamsWords::DoNotDisturb);
                snapshot.confirmed = Some(TeamsObservation { words, source: Source::Read, observed_at: snapshot.now });
            }
            Self::EchoTooWide if snapshot.session.live.is_some() => {
                for seen in [&mut snapshot.teams, &mut snapshot.confirmed].into_iter().flatten() {
                    if matches!(seen.words, Some(TeamsWords::InAConferenceCall | TeamsWords::Presenting)) {
                        seen.words = Some(TeamsWords::InACall);
                    }
                }
            }
            Self::ReportsNeverExpire => {
                let now = snapshot.now;
                snapshot.microphone.in_use.iter_mut().for_each(|program| program.reported_at = now);
            }
            Self::ProbesCount => snapshot.microphone.in_use.iter_mut().for_each(|program| program.since -= PROBE_MAX),
            Self::ComparesVisible if snapshot.xphone.is_some_and(|entry| !entry.ours) => snapshot.appointment = Slot::Empty,
            _ => {}
        }
        snapshot
    }

    /// What is made of the decision.
    pub(super) fn obey(self, snapshot: &Snapshot, mut decision: Decision) -> Decision {
        match self {
            Self::NoReadAfterClear => decision.read_teams = false,
            Self::RenewalsSkipped => {
                let renews = matches!(snapshot.session.record, Record::Shown { reached: Some(_), .. });
                if renews && matches!(decision.session.push, Some(TeamsPush::Set(_))) {
                    decision.session.push = None;
                }
            }
            Self::MicrophoneUnwatched if !snapshot.microphone.in_use.is_empty() => {
                let silent = Snapshot { microphone: Microphone::default(), ..snapshot.clone() };
                decision.revisit_at = decide(&silent).revisit_at;
            }
            Self::MicrophoneBeatsTeams => in_place(&mut decision, snapshot, |alone| alone.policy = nothing_of_teams(alone)),
            Self::MicrophoneAfterRemoval if matches!(decision.appointment.slot, Slot::Suppressed { .. }) => {
                in_place(&mut decision, snapshot, |alone| alone.policy = nothing_of_teams(alone));
            }
            Self::MicrophoneBeatsXphone => in_place(&mut decision, snapshot, |alone| {
                if let Some(entry) = &mut alone.xphone {
                    (entry.telephone_state, entry.meeting, entry.own_status) = (0, Meeting::None, Some(StatusKind::Available));
                }
            }),
            Self::MicrophoneHeldForGood => decision.microphone_held = decision.microphone_held.or(snapshot.microphone_held),
            _ => {}
        }
        decision
    }

    /// Which table holds.
    pub(super) fn table(self, sync: Arc<MicrophoneSync>) -> Arc<MicrophoneSync> {
        match self {
            Self::IgnoredCount => Arc::new(MicrophoneSync { ignored: Vec::new(), ..(*sync).clone() }),
            Self::LastEntryShows => {
                Arc::new(MicrophoneSync { processes: sync.processes.iter().rev().cloned().collect(), ..(*sync).clone() })
            }
            _ => sync,
        }
    }

    /// Who is to see it.
    pub(super) fn addressed(self, appointment: Appointment) -> Appointment {
        let audience = if self == Self::MicrophoneForEverybody { Audience::Everybody } else { appointment.audience };
        Appointment { audience, ..appointment }
    }

    /// From when on a slot counts as set.
    pub(super) fn live_from(self, sent_at: Option<Timestamp>, answered_at: Timestamp) -> Option<Timestamp> {
        if self == Self::LiveFromAnswer { Some(answered_at) } else { sent_at }
    }
}

/// Where the microphone is in use, decides about the appointment as if what is stronger were not there.
fn in_place(decision: &mut Decision, snapshot: &Snapshot, without: impl FnOnce(&mut Snapshot)) {
    if snapshot.microphone.shows(snapshot.now).is_some() {
        let mut alone = snapshot.clone();
        without(&mut alone);
        let other = decide(&alone);
        (decision.appointment, decision.microphone_held) = (other.appointment, other.microphone_held);
    }
}

fn nothing_of_teams(snapshot: &Snapshot) -> EffectivePolicy {
    EffectivePolicy { mode: Mode::None, ..snapshot.policy }
}

fn drop_suppression(snapshot: &mut Snapshot, dropped: Suppression) {
    if matches!(snapshot.appointment, Slot::Suppressed { why, .. } if why == dropped) {
        snapshot.appointment = Slot::Empty;
    }
    for slot in [&mut snapshot.session, &mut snapshot.preferred] {
        if matches!(slot.record, Record::Suppressed { why, .. } if why == dropped) {
            *slot = TeamsSlot { record: Record::Empty, ..*slot };
        }
    }
}
