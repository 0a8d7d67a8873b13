//! What the audience sees: a line a step, the live picture, and what went wrong.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use super::play::{Outcome, Watched};
use super::story::{Seen, Step};

/// How long each picture stands for people to read.
const READING_TIME: Duration = Duration::from_secs(3);

/// Where the story is told.
pub(super) struct Screen {
    headless: bool,
    live: bool,
}

impl Screen {
    pub(super) fn new(headless: bool) -> Self {
        Self { headless, live: !headless && io::stdout().is_terminal() }
    }

    /// What both users show while the step goes on.
    pub(super) fn show(&self, step: &Step, outcome: &Outcome) -> io::Result<()> {
        if !self.live {
            return Ok(());
        }
        let [a, b] = &outcome.people;
        let people = format!("A: {} | {}  B: {} | {}", a.seen.teams, a.seen.xphone, b.seen.teams, b.seen.xphone);
        print!("\r\x1b[2K ... {}  {people}", step.action);
        io::stdout().flush()
    }

    /// How the step went; where it failed, what was expected, what was seen, and what the gateway thinks of it.
    pub(super) fn tell(&self, step: &Step, outcome: &Outcome, explained: Option<&[String; 2]>) -> io::Result<()> {
        let mut out = io::stdout().lock();
        if self.live {
            write!(out, "\r\x1b[2K")?;
        }
        let mut told: Vec<String> = names(&outcome.people).map(|(name, person)| told(name, person)).collect();
        if !outcome.stayed.is_zero() {
            told.push(format!("watched for {}", time(outcome.stayed)));
        }
        let separator = if self.headless { " | " } else { "\n       " };
        let verdict = if outcome.came_true() { "ok  " } else { "FAIL" };
        writeln!(out, "{verdict} {}, {}{separator}{}", step.title, step.action, told.join(separator))?;
        if let Some(complaint) = &outcome.complaint {
            writeln!(out, "       {complaint}")?;
        }
        for ((name, person), explained) in names(&outcome.people).zip(explained.into_iter().flatten()) {
            if !person.is_true() || outcome.complaint.is_some() {
                write!(out, "{}", failure(name, person, explained))?;
            }
        }
        out.flush()
    }

    /// Leaves people the time to read that the step has not given them.
    pub(super) async fn linger(&self, stayed: Duration) {
        if self.live {
            tokio::time::sleep(READING_TIME.saturating_sub(stayed)).await;
        }
    }
}

fn names(people: &[Watched; 2]) -> impl Iterator<Item = (&'static str, &Watched)> {
    ["A", "B"].into_iter().zip(people)
}

fn told(name: &str, person: &Watched) -> String {
    let Watched { unchanged, came_true, spoiled, seen, .. } = person;
    let when = match (came_true, spoiled) {
        (None, _) => "did not come true".to_owned(),
        (Some(_), Some((at, _))) => format!("did not stay so: gone after {}", time(*at)),
        (Some(_), None) if *unchanged => "unchanged".to_owned(),
        (Some(after), None) => format!("after {}", time(*after)),
    };
    format!("{name}: Teams {}, XPhone {}, {when}", seen.teams, seen.xphone)
}

/// Everything there is to know about somebody who does not show what they should.
fn failure(name: &str, person: &Watched, explained: &str) -> String {
    let full = |seen: &Seen| format!("Teams {}, XPhone {}, of ours {}", seen.teams, seen.xphone, seen.ours);
    let mut lines = vec![format!("{name} expected  {}", full(&person.expected))];
    if let Some((at, seen)) = &person.spoiled {
        lines.push(format!("{name} showed    {} (after {})", full(seen), time(*at)));
    }
    lines.push(format!("{name} shows     {}", full(&person.seen)));
    lines.push(format!("{name} explained:"));
    lines.extend(explained.lines().map(|line| format!("  {line}")));
    format!("       {}\n", lines.join("\n       "))
}

fn time(time: Duration) -> String {
    if time < Duration::from_secs(1) { format!("{} ms", time.as_millis()) } else { format!("{:.1} s", time.as_secs_f64()) }
}
