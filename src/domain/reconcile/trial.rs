//! What would be decided were the policy not on trial: the same rules on the same facts.

use super::{Decision, Reason, Snapshot, decide};
use crate::domain::mapping::Cause;
use crate::domain::policy::EffectivePolicy;

/// The decision without the trial, where the trial alone holds something back. The microphone is not on trial: it may be shown in the
/// place of what is.
#[must_use]
pub fn on_trial(snapshot: &Snapshot, decision: &Decision) -> Option<Decision> {
    let reasons = [decision.appointment.reason, decision.session.reason, decision.preferred.reason];
    let in_its_place = snapshot.policy.shadow && decision.appointment.reason == Reason::Shown(Cause::Microphone);
    (in_its_place || reasons.contains(&Reason::Shadow)).then(|| {
        let policy = EffectivePolicy { shadow: false, ..snapshot.policy };
        decide(&Snapshot { policy, ..snapshot.clone() })
    })
}
