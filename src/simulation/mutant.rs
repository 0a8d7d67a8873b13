//! Gateways that are wrong on purpose: each feeds or obeys the decision a little wrongly, and the simulation must notice.

use jiff::{SignedDuration, Timestamp};

use crate::domain::mapping::TeamsWords;
use crate::domain::reconcile::{Decision, Snapshot, Source, TeamsObservation, TeamsPush, Timing};
use crate::domain::slot::{Record, Slot, Suppression, TeamsSlot};

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
}

/// All of them.
pub const MUTANTS: [Mutant; 17] = [
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
            _ => {}
        }
        decision
    }

    /// From when on a slot counts as set.
    pub(super) fn live_from(self, sent_at: Option<Timestamp>, answered_at: Timestamp) -> Option<Timestamp> {
        if self == Self::LiveFromAnswer { Some(answered_at) } else { sent_at }
    }
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
