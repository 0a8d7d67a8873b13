//! Runs stories; what fails is made as small as it goes, and told.

use std::fmt;

use super::mutant::Mutant;
use super::play::play;
use super::story::{Ms, SECOND, Step, Story};
use super::world::Broken;

/// What came of many stories.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Stories played.
    pub stories: u64,
    /// Events they took.
    pub events: u64,
    /// The first story that broke an invariant, shrunk.
    pub failure: Option<Failure>,
}

/// A story that breaks an invariant.
#[derive(Clone, Debug)]
pub struct Failure {
    story: Story,
    broken: Broken,
    trace: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}: {}\n", self.story, self.broken.law, self.broken.what)?;
        for line in &self.trace {
            writeln!(f, "  {line}")?;
        }
        Ok(())
    }
}

/// Plays so many stories, up to the first that breaks an invariant.
#[must_use]
pub fn simulate(first_seed: u64, stories: u64, mutant: Mutant) -> Report {
    let mut report = Report::default();
    for seed in first_seed..first_seed.saturating_add(stories) {
        let story = Story::of(seed);
        let played = play(&story, mutant, false);
        report.stories += 1;
        report.events += played.events;
        if let Some(broken) = played.broken {
            report.failure = Some(shrunk(story, &broken, mutant));
            break;
        }
    }
    report
}

/// One story, with everything that happens in it.
#[must_use]
pub fn tell(seed: u64, mutant: Mutant) -> String {
    let story = Story::of(seed);
    let played = play(&story, mutant, true);
    let broken = played.broken.map(|broken| format!("{}: {}\n", broken.law, broken.what)).unwrap_or_default();
    format!("{story}{}\n{broken}", played.trace.join("\n"))
}

/// So often a shrunk story is tried to be made smaller still.
const ATTEMPTS_MAX: usize = 2000;

fn shrunk(mut story: Story, broken: &Broken, mutant: Mutant) -> Failure {
    let still_breaks = |story: &Story| play(story, mutant, false).broken.is_some_and(|found| found.law == broken.law);
    let mut attempts = 0;
    let mut smaller = true;
    while smaller && attempts < ATTEMPTS_MAX {
        smaller = false;
        let found = candidates(&story).find(|candidate| {
            attempts += 1;
            still_breaks(candidate)
        });
        if let Some(found) = found {
            (story, smaller) = (found, true);
        }
    }
    let played = play(&story, mutant, true);
    Failure { broken: played.broken.unwrap_or_else(|| broken.clone()), trace: played.trace, story }
}

/// Everything a little smaller.
fn candidates(story: &Story) -> impl Iterator<Item = Story> {
    let without = (0..story.beats.len()).map(|index| {
        let mut smaller = story.clone();
        let removed = smaller.beats.remove(index);
        if let Some(next) = smaller.beats.get_mut(index) {
            next.pause += removed.pause;
        }
        smaller
    });
    let closer = (0..story.beats.len()).map(|index| {
        let mut smaller = story.clone();
        smaller.beats.remove(index);
        smaller
    });
    let sooner = (0..story.beats.len()).flat_map(move |index| {
        let pause = story.beats[index].pause;
        shorter(pause).map(move |pause| {
            let mut smaller = story.clone();
            smaller.beats[index].pause = pause;
            smaller
        })
    });
    let briefer = (0..story.beats.len()).flat_map(move |index| {
        lasting(story.beats[index].step).into_iter().flat_map(shorter).map(move |lasting| {
            let mut smaller = story.clone();
            match &mut smaller.beats[index].step {
                Step::Fault(_, held)
                | Step::Crash { down_for: held, .. }
                | Step::Use { lasting: held, .. }
                | Step::Silence { lasting: held, .. } => *held = lasting,
                _ => {}
            }
            smaller
        })
    });
    without.chain(closer).chain(plainer(story)).chain(sooner).chain(briefer)
}

fn lasting(step: Step) -> Option<Ms> {
    match step {
        Step::Fault(_, lasting)
        | Step::Crash { down_for: lasting, .. }
        | Step::Use { lasting, .. }
        | Step::Silence { lasting, .. } => Some(lasting),
        _ => None,
    }
}

fn shorter(time: Ms) -> impl Iterator<Item = Ms> {
    [0, time / 4, time / 2, time / SECOND * SECOND].into_iter().filter(move |shorter| *shorter < time)
}

fn plainer(story: &Story) -> impl Iterator<Item = Story> {
    let mut setups = Vec::new();
    let setup = story.setup;
    if setup.replicas > 1 {
        setups.push(super::story::Setup { replicas: 1, ..setup });
    }
    if setup.numbered {
        setups.push(super::story::Setup { numbered: false, ..setup });
    }
    if setup.profiles > 0 {
        setups.push(super::story::Setup { profiles: 0, ..setup });
    }
    setups.into_iter().map(|setup| Story { setup, ..story.clone() })
}

impl Failure {
    /// The invariant it breaks.
    #[must_use]
    pub fn law(&self) -> &'static str {
        self.broken.law
    }
}

/// The first of so many stories that breaks an invariant, and which one.
#[must_use]
pub fn find(first_seed: u64, stories: u64, mutant: Mutant) -> Option<(u64, &'static str)> {
    let mut seeds = first_seed..first_seed.saturating_add(stories);
    seeds.find_map(|seed| play(&Story::of(seed), mutant, false).broken.map(|broken| (seed, broken.law)))
}
