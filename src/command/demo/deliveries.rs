//! What became of change notifications, and whether that is what the story tells.

use super::story::Proof;

/// What became of change notifications since the start.
#[derive(Clone, Copy)]
pub(super) struct Deliveries {
    /// The gateway took so many.
    pub delivered: u64,
    /// A fault swallowed so many.
    pub lost: u64,
    /// So many were not sent yet, or are on their way.
    pub to_come: u64,
}

/// Why it may have come true for another reason than the story's.
pub(super) fn objection(proof: Proof, before: Deliveries, now: Deliveries) -> Option<String> {
    match proof {
        Proof::Lost(expected) => {
            let (lost, delivered) = (now.lost - before.lost, now.delivered - before.delivered);
            let as_told = lost == expected && delivered == 0;
            (!as_told).then(|| format!("{lost} notifications were lost, not {expected}, and {delivered} arrived, not 0"))
        }
        Proof::Late => (now.to_come == 0).then(|| "no notification was late: all had come before".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_objects_to_what_came_true_for_another_reason() {
        let before = Deliveries { delivered: 5, lost: 1, to_come: 0 };
        let check = |proof, delivered, lost, to_come, objects: bool| {
            let now = Deliveries { delivered, lost, to_come };
            assert_eq!(objection(proof, before, now).is_some(), objects);
        };
        check(Proof::Lost(2), 5, 3, 0, false);
        check(Proof::Lost(2), 5, 2, 0, true);
        check(Proof::Lost(2), 6, 3, 0, true);
        check(Proof::Late, 5, 1, 1, false);
        check(Proof::Late, 6, 1, 0, true);
    }
}
