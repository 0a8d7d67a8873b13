//! Says why a user shows what they show.

use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use jiff::{SignedDuration, Timestamp};

use super::Failure;
use crate::clock::Clock;
use crate::config::Sources;
use crate::domain::reconcile::{Decision, Snapshot, Source, decide};
use crate::domain::slot::{Look, Record, Slot, SlotName, TeamsSlot};
use crate::store::user::Portrait;

/// `presence-gateway explain`
#[derive(Debug, Args)]
pub(super) struct Explain {
    /// The user's e-mail address, or XPhone's guid.
    #[arg(required_unless_present = "unmatched")]
    user: Option<String>,
    /// Instead, list everybody of XPhone for whom there is no single Teams user, and why.
    #[arg(long, conflicts_with = "user")]
    unmatched: bool,
}

/// More people than anybody reads in one list.
const UNMATCHED_MAX: usize = 10_000;

impl Explain {
    pub(super) async fn run(self, sources: &Sources) -> Result<ExitCode, Failure> {
        let (config, store) = super::open(sources).await?;
        let Some(user) = &self.user else {
            for (user, reason) in store.unmatched_people(UNMATCHED_MAX).await? {
                println!("{user} {reason}");
            }
            return Ok(ExitCode::SUCCESS);
        };
        let now = Clock::system().now();
        let found = store.find_user(user).await?;
        if found.is_empty() {
            eprintln!("XPhone knows no such user; new ones are known within directory.refresh_seconds");
            return Ok(ExitCode::FAILURE);
        }
        for user in found {
            if let Some(portrait) = store.portrait(user, now, config.graph.timing).await? {
                print!("{}", describe(&portrait, now)?);
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Everything the decision sees, and the decision, for people.
///
/// # Errors
/// None: writing to a text does not fail.
pub fn describe(portrait: &Portrait, now: Timestamp) -> Result<String, std::fmt::Error> {
    let snapshot = &portrait.due.snapshot;
    let mut text = String::new();
    writeln!(text, "user          {}", portrait.due.user)?;
    writeln!(text, "matched       {}", portrait.matched)?;
    writeln!(text, "Teams says    {}", teams(portrait, now))?;
    writeln!(text, "XPhone says   {}", xphone(snapshot, portrait.xphone_observed_at, now))?;
    let policy = snapshot.policy;
    let shadow = if policy.shadow { ", on trial (shadow)" } else { "" };
    writeln!(text, "policy        {} (from {}){shadow}", policy.mode.label(), policy.mode_from.label())?;
    let Decision { remembered, appointment, session, preferred, .. } = decide(snapshot);
    let itself = remembered
        .map_or("nothing known".to_owned(), |known| format!("{}, since {}", known.native.label(), age(known.since, now)));
    writeln!(text, "Teams itself  {itself}")?;
    let slots = [
        (SlotName::XphoneAppointment, shown(&snapshot.appointment, now), appointment.reason),
        (SlotName::TeamsSession, recorded(snapshot.session, "in a call", now), session.reason),
        (SlotName::TeamsPreferred, recorded(snapshot.preferred, "do not disturb", now), preferred.reason),
    ];
    for (slot, shows, reason) in slots {
        writeln!(text, "{}", heading(slot))?;
        writeln!(text, "  shows       {shows}")?;
        if let Some(letter) = portrait.mailboxes.iter().find(|letter| letter.slot == slot) {
            let what = if letter.shows { "setting it" } else { "taking it away" };
            let problem = letter.problem.as_deref().unwrap_or("not tried yet");
            writeln!(text, "  on its way  {what}; {} attempts; {problem}", letter.attempts)?;
        }
        writeln!(text, "  because     {}", reason.describe(slot))?;
    }
    let at = |moment: Option<Timestamp>| moment.map_or("never".to_owned(), |moment| age(moment, now));
    writeln!(text, "last decided  {}", at(portrait.decided_at))?;
    let next = match portrait.revisit_at {
        None => "when something changes".to_owned(),
        Some(next) if next <= now => "now".to_owned(),
        Some(next) => age(next, now),
    };
    writeln!(text, "next look     {next}")?;
    Ok(text)
}

fn teams(portrait: &Portrait, now: Timestamp) -> String {
    let Some((availability, activity)) = &portrait.teams_words else { return "nothing yet".to_owned() };
    let Some(observation) = portrait.due.snapshot.teams else { return "nothing yet".to_owned() };
    let source = match observation.source {
        Source::Notification => "notified, not confirmed yet",
        Source::Read => "read",
    };
    format!("{availability}/{activity} ({source} {})", age(observation.observed_at, now))
}

fn xphone(snapshot: &Snapshot, observed_at: Option<Timestamp>, now: Timestamp) -> String {
    let Some(entry) = snapshot.xphone else { return "nothing yet".to_owned() };
    let changed = observed_at.map_or(String::new(), |at| format!(", changed {}", age(at, now)));
    format!("{} by itself{changed}", entry.native().label())
}

fn heading(slot: SlotName) -> &'static str {
    match slot {
        SlotName::XphoneAppointment => "in XPhone, as an appointment",
        SlotName::TeamsSession => "in Teams, as a presence session",
        SlotName::TeamsPreferred => "in Teams, as the preferred presence",
    }
}

fn recorded(slot: TeamsSlot, what: &str, now: Timestamp) -> String {
    match slot.record {
        Record::Empty => "nothing".to_owned(),
        Record::Suppressed { why, since } => format!("nothing: {} {}", why.label(), age(since, now)),
        Record::Shown { since, reached: None, .. } => format!("{what}, since {}, not confirmed by Graph yet", age(since, now)),
        Record::Shown { since, reached: Some(reached), .. } => {
            format!("{what}, since {}, until {} unless renewed", age(since, now), age(reached.until, now))
        }
    }
}

fn shown(slot: &Slot, now: Timestamp) -> String {
    match slot {
        Slot::Empty => "nothing".to_owned(),
        Slot::Suppressed { why, since, .. } => format!("nothing: {} {}", why.label(), age(*since, now)),
        Slot::Shown(shown) => {
            let look = match shown.appointment.look {
                Look::Profile(profile) => format!("profile {profile}"),
                Look::Status(status) => format!("status {status}"),
            };
            let (subject, since, until) = (&shown.appointment.subject, age(shown.since, now), age(shown.until, now));
            format!("{subject:?} with {look}, since {since}, until {until} at the latest")
        }
    }
}

/// A moment as people say it.
fn age(moment: Timestamp, now: Timestamp) -> String {
    let away = moment.duration_since(now);
    let seconds = SignedDuration::from_secs(away.as_secs().abs());
    if away.is_negative() { format!("{seconds:#} ago") } else { format!("in {seconds:#}") }
}
