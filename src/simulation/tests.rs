//! The gateway keeps its promises through ten thousand stories; every mutant breaks one.

use super::{MUTANTS, Mutant, find, simulate};

/// The rarest mutants need thousands of stories; most are found within a hundred.
const STORIES_PER_MUTANT: u64 = 30_000;

#[test]
fn ten_thousand_stories_end_well() {
    let report = simulate(0, 10_000, Mutant::None);
    assert!(report.failure.is_none(), "{}", report.failure.map(|failure| failure.to_string()).unwrap_or_default());
}

#[test]
fn every_mutant_is_found() {
    let survives = |mutant: &Mutant| find(0, STORIES_PER_MUTANT, *mutant).is_none();
    let survivors: Vec<_> = MUTANTS.into_iter().filter(survives).collect();
    assert!(survivors.is_empty(), "{survivors:?}");
}
