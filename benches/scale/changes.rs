//! People change: a steady stream of them, or a crowd at once.

use std::time::{Duration, Instant};

use crate::emulators::Emulators;
use crate::surroundings::Failure;
use crate::surroundings::figures::float;
use crate::tenant::Tenant;
use crate::watch::{Seen, Watch};

/// Changes are given to the emulator this often, those of the time between together.
const TICK: Duration = Duration::from_millis(50);
/// What has not arrived so long after the last change is missing.
const ARRIVES_WITHIN: Duration = Duration::from_mins(5);

/// What a part was.
pub struct Part {
    /// Changes that were made.
    pub changes: usize,
    /// How long making them took.
    pub making: Duration,
    /// From the first change to the last arrival.
    pub lasted: Duration,
    /// What came of them.
    pub seen: Seen,
}

/// Who is in a call, and who is next.
pub struct Crowd {
    in_a_call: Vec<bool>,
    next: usize,
}

impl Crowd {
    /// Nobody is in a call.
    pub fn at_rest(users: usize) -> Self {
        Self { in_a_call: vec![false; users], next: 0 }
    }

    /// The next so many, in turn: everybody else changes before somebody changes again.
    fn turn(&mut self, people: usize) -> Vec<(usize, bool)> {
        let all = self.in_a_call.len();
        let turn = (0..people.min(all)).map(|step| (self.next + step) % all);
        let turn: Vec<(usize, bool)> = turn.map(|place| (place, !self.in_a_call[place])).collect();
        for (place, in_a_call) in &turn {
            self.in_a_call[*place] = *in_a_call;
        }
        self.next = (self.next + turn.len()) % all;
        turn
    }
}

/// Lets `changes` people change, evenly, so many a second.
pub async fn make(
    (emulators, tenant): (&Emulators, &Tenant),
    (crowd, watch): (&mut Crowd, &mut Watch),
    changes: usize,
    per_second: usize,
) -> Result<Part, Failure> {
    let (began, mut made) = (Instant::now(), 0);
    let mut ticks = tokio::time::interval(TICK);
    while made < changes {
        ticks.tick().await;
        let due = began.elapsed().as_secs_f64() * float(per_second);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "few enough, and not negative")]
        let due = (due as usize).min(changes);
        let turn = crowd.turn(due.saturating_sub(made));
        if !turn.is_empty() {
            made += turn.len();
            watch.expect(&turn);
            tenant.say(emulators, turn.into_iter()).await?;
        }
    }
    let making = began.elapsed();
    let seen = watch.close(ARRIVES_WITHIN).await?;
    Ok(Part { changes: made, making, lasted: began.elapsed(), seen })
}
