//! Plays one step: does what it says, and watches until it has come true and stayed so, or cannot any more.

use std::time::Duration;

use tokio::time::Instant;

use super::deliveries::{Deliveries, objection};
use super::screen::Screen;
use super::stage::Stage;
use super::story::{Picture, Proof, Seen, Step};
use crate::command::Failure;

const LOOK_EVERY: Duration = Duration::from_millis(10);
/// Whatever was to come has come by then.
const STAY_MAX: Duration = Duration::from_secs(30);

/// Plays step after step.
pub(super) struct Play<'a> {
    stage: &'a Stage,
    screen: &'a Screen,
    /// What both users showed when the last step ended.
    before: [Picture; 2],
    /// When something was last done.
    acted_at: Instant,
}

/// What is to be told of a step.
pub(super) struct Outcome {
    pub people: [Watched; 2],
    /// For so long everything was still true; nothing where that is not the point.
    pub stayed: Duration,
    /// What was not as the story has it, though both users show what they should.
    pub complaint: Option<String>,
}

/// What was seen of one user during a step.
pub(super) struct Watched {
    pub expected: Seen,
    /// What is expected was there before, and may not go for a moment.
    pub unchanged: bool,
    pub came_true: Option<Duration>,
    /// It came true, and then this.
    pub spoiled: Option<(Duration, Seen)>,
    pub seen: Seen,
}

impl<'a> Play<'a> {
    pub(super) fn new(stage: &'a Stage, screen: &'a Screen) -> Self {
        Self { stage, screen, before: [Picture::FREE; 2], acted_at: Instant::now() }
    }

    /// Plays a step, tells it, and says whether it came true.
    pub(super) async fn step(&mut self, step: &Step) -> Result<bool, Failure> {
        let deliveries = self.stage.deliveries().await?;
        if !step.deeds.is_empty() {
            self.acted_at = Instant::now();
        }
        for deed in step.deeds {
            self.stage.act(deed).await?;
        }
        let outcome = self.watch(step, deliveries).await?;
        self.before = step.expected;
        let came_true = outcome.came_true();
        let explained = if came_true { None } else { Some([self.stage.explain(0).await?, self.stage.explain(1).await?]) };
        self.screen.tell(step, &outcome, explained.as_ref())?;
        if step.wait.may_linger {
            self.screen.linger(outcome.stayed).await;
        }
        Ok(came_true)
    }

    async fn watch(&self, step: &Step, deliveries: Deliveries) -> Result<Outcome, Failure> {
        let [seen_of_a, seen_of_b] = self.stage.seen().await?;
        let ([a, b], [a_before, b_before]) = (step.expected, self.before);
        let people = [Watched::begin(seen_of_a, a, a_before), Watched::begin(seen_of_b, b, b_before)];
        let mut outcome = Outcome { people, stayed: Duration::ZERO, complaint: None };
        self.look(step, &mut outcome).await?;
        while !outcome.is_true() && !outcome.is_spoiled() && self.acted_at.elapsed() < step.wait.limit {
            tokio::time::sleep(LOOK_EVERY).await;
            self.look(step, &mut outcome).await?;
        }
        if outcome.is_true() {
            let now = self.stage.deliveries().await?;
            outcome.complaint = step.wait.proof.and_then(|proof| objection(proof, deliveries, now));
            self.stay(step, &mut outcome).await?;
        }
        Ok(outcome)
    }

    /// Goes on watching as long as the step says, and as long as something is still to come that it waits for.
    async fn stay(&self, step: &Step, outcome: &mut Outcome) -> Result<(), Failure> {
        let since = Instant::now();
        let mut quiet_since = since;
        while !outcome.is_spoiled() && quiet_since.elapsed() < step.wait.stays {
            tokio::time::sleep(LOOK_EVERY).await;
            self.look(step, outcome).await?;
            outcome.stayed = since.elapsed();
            if matches!(step.wait.proof, Some(Proof::Late)) && self.stage.deliveries().await?.to_come > 0 {
                quiet_since = Instant::now();
            }
            if outcome.stayed > STAY_MAX {
                outcome.complaint = Some("the late notifications did not come".to_owned());
                break;
            }
        }
        Ok(())
    }

    async fn look(&self, step: &Step, outcome: &mut Outcome) -> Result<(), Failure> {
        let seen = self.stage.seen().await?;
        let at = self.acted_at.elapsed();
        for (person, seen) in outcome.people.iter_mut().zip(seen) {
            person.note(seen, at);
        }
        self.screen.show(step, outcome)?;
        Ok(())
    }
}

impl Outcome {
    pub(super) fn came_true(&self) -> bool {
        self.is_true() && self.complaint.is_none()
    }

    fn is_true(&self) -> bool {
        self.people.iter().all(Watched::is_true)
    }

    fn is_spoiled(&self) -> bool {
        self.people.iter().any(|person| person.spoiled.is_some())
    }
}

impl Watched {
    fn begin(seen: Seen, expected: Picture, before: Picture) -> Self {
        let unchanged = expected == before;
        let came_true = unchanged.then_some(Duration::ZERO);
        Self { expected: expected.seen(), unchanged, came_true, spoiled: None, seen }
    }

    pub(super) fn is_true(&self) -> bool {
        self.came_true.is_some() && self.spoiled.is_none()
    }

    fn note(&mut self, seen: Seen, at: Duration) {
        if seen == self.expected {
            self.came_true.get_or_insert(at);
        } else if self.came_true.is_some() {
            self.spoiled.get_or_insert_with(|| (at, seen.clone()));
        }
        self.seen = seen;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OTHER: Picture = Picture { teams: "On the phone", ..Picture::FREE };

    fn check(expected: Picture, before: Picture, seen: &[Picture], came_true: bool, spoiled: bool) {
        let mut person = Watched::begin(before.seen(), expected, before);
        for (number, picture) in (1..).zip(seen) {
            person.note(picture.seen(), Duration::from_millis(number));
        }
        assert_eq!((person.came_true.is_some(), person.spoiled.is_some()), (came_true, spoiled));
    }

    #[test]
    fn what_has_come_true_or_was_true_may_not_go_again() {
        let free = Picture::FREE;
        check(OTHER, free, &[free, free], false, false);
        check(OTHER, free, &[free, OTHER], true, false);
        check(OTHER, free, &[OTHER, free, OTHER], true, true);
        check(free, free, &[free], true, false);
        check(free, free, &[free, OTHER, free], true, true);
    }
}
