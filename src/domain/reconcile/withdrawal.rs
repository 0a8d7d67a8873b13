//! What would be decided if nothing were to be shown anywhere: the same rules on the same facts, and nothing lets anything through.

use super::{Decision, Snapshot, decide};
use crate::domain::microphone::Microphone;
use crate::domain::policy::{EffectivePolicy, Mode};

/// Takes back what is shown for this user, under the same cares as ever: what may be the user's own by now is read first.
#[must_use]
pub fn withdraw(snapshot: &Snapshot) -> Decision {
    let policy = EffectivePolicy { mode: Mode::None, shadow: false, ..snapshot.policy };
    decide(&Snapshot { policy, microphone: Microphone::default(), ..snapshot.clone() })
}
