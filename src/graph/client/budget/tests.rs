//! The budget's laws.

use jiff::SignedDuration;
use proptest::prelude::*;

use super::*;
use crate::graph::testing::noon;

fn any_class() -> impl Strategy<Value = Class> {
    prop::sample::select(Class::ALL.to_vec())
}

proptest! {
    #[test]
    fn no_window_of_30_seconds_holds_more_than_the_budget(
        max in 1_u32..60,
        asked in prop::collection::vec(
            (prop_oneof![Just(0_i64), 0..900_i64, 0..5_000_i64, 20_000..40_000_i64], any_class()), 1..400),
    ) {
        let clock = Clock::standing_at(noon());
        let budget = Budget::new(max, clock.clone());
        let mut sent: Vec<Timestamp> = Vec::new();
        for (pause, class) in asked {
            clock.advance(SignedDuration::from_millis(pause));
            let promised = budget.remaining();
            if budget.spend(class).is_ok() {
                sent.push(clock.now());
            } else if class == Class::Renewal {
                prop_assert_eq!(promised, 0);
            }
        }
        for (index, first) in sent.iter().enumerate() {
            let inside = sent[index..].iter().take_while(|at| at.duration_since(*first) <= SignedDuration::from_secs(30));
            prop_assert!(inside.count() <= max as usize);
        }
    }

    #[test]
    fn whoever_waits_as_told_is_let_through(max in 1_u32..2000, class in any_class()) {
        let clock = Clock::standing_at(noon());
        let budget = Budget::new(max, clock.clone());
        while budget.spend(Class::Renewal).is_ok() {}
        let wait = budget.spend(class).unwrap_err();
        clock.advance(SignedDuration::try_from(wait).unwrap() + SignedDuration::from_micros(1));
        prop_assert_eq!(budget.spend(class), Ok(()));
    }

    #[test]
    fn replicas_together_keep_within_the_budget(max in 1_u32..3000, replicas in 1_u32..40) {
        let budget = Budget::new(max, Clock::standing_at(noon()));
        let share = budget.share_among(replicas);
        prop_assert!(share * replicas <= max.max(replicas));
        prop_assert!(budget.remaining() <= share);
    }

    #[test]
    fn sharing_anew_gives_nobody_more_at_once(max in 10_u32..2000, replicas in prop::collection::vec(1_u32..9, 1..20)) {
        let clock = Clock::standing_at(noon());
        let budget = Budget::new(max, clock);
        while budget.spend(Class::Renewal).is_ok() {}
        for replicas in replicas {
            budget.share_among(replicas);
            prop_assert_eq!(budget.remaining(), 0);
        }
    }
}

#[test]
fn a_clock_set_back_does_not_stop_the_budget() {
    let clock = Clock::standing_at(noon());
    let budget = Budget::new(10, clock.clone());
    while budget.spend(Class::Renewal).is_ok() {}
    clock.advance(SignedDuration::from_hours(-3));
    assert!(budget.spend(Class::Renewal).unwrap_err() < WINDOW);
    clock.advance(SignedDuration::from_secs(30));
    assert_eq!(budget.spend(Class::Renewal), Ok(()));
}

#[test]
fn the_last_class_yields_first() {
    let budget = Budget::new(1500, Clock::standing_at(noon()));
    let mut left = Vec::new();
    for class in Class::ALL.into_iter().rev() {
        while budget.spend(class).is_ok() {}
        left.push((class.label(), budget.remaining()));
    }
    let expected = [("directory", 120), ("sweep", 90), ("confirm", 60), ("set", 30), ("clear", 15), ("renewal", 0)];
    assert_eq!(left, expected, "of 300 that may go out at once");
}

#[test]
fn no_class_starves_behind_another() {
    let clock = Clock::standing_at(noon());
    let budget = Budget::new(1500, clock.clone());
    let mut got = [0_u32; Class::ALL.len()];
    let seconds = 120;
    for _ in 0..seconds * 100 {
        clock.advance(SignedDuration::from_millis(10));
        while budget.spend(Class::Set).is_ok() {
            got[Class::Set as usize] += 1;
        }
        for class in [Class::Confirm, Class::Sweep, Class::Directory] {
            got[class as usize] += u32::from(budget.spend(class).is_ok());
        }
    }
    for class in [Class::Confirm, Class::Sweep, Class::Directory] {
        let requests = got[class as usize];
        assert!((80..=130).contains(&requests), "{}: {requests} in {seconds} s", class.label());
    }
    assert!(got[Class::Set as usize] > 4300, "{got:?}");
}

#[test]
fn the_budget_is_tallied_by_class() {
    let budget = Budget::new(5, Clock::standing_at(noon()));
    assert_eq!(budget.spend(Class::Sweep), Ok(()));
    assert!(budget.spend(Class::Sweep).is_err());
    let tally = budget.take_tally();
    assert_eq!(tally[4], (Class::Sweep, Spent { requests: 1, held_back: 1 }));
    assert_eq!(budget.take_tally()[4].1, Spent::default());
}
