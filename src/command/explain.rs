//! Says why a user shows what they show.

use std::fmt::Write;
use std::process::ExitCode;

use clap::Args;
use jiff::{SignedDuration, Timestamp};

use super::Failure;
use super::output::{print, say};
use crate::clock::Clock;
use crate::config::Sources;
use crate::domain::explanation::{Explanation, Holds, Letter, MicrophoneUse, PolicySays, Shows, SlotSays, TeamsSays, XphoneSays};
use crate::domain::mapping::{StatusKind, TeamsNative};
use crate::domain::microphone::MicrophoneSync;
use crate::domain::policy::Level;
use crate::domain::presence::Presence;
use crate::domain::reconcile::Profile;
use crate::domain::reconcile::{Echo, Source};
use crate::domain::slot::{Audience, Look, SlotName};
use crate::domain::template::ProfileTemplate;
use crate::domain::timeline::Sending;

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
        let (config, store) = super::open_migrated(sources).await?;
        let Some(user) = &self.user else {
            for (user, reason) in store.unmatched_people(UNMATCHED_MAX).await? {
                say!("{user} {reason}");
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
            if let Some(explanation) = store.explain(user, now, config.terms()).await? {
                let push = config.graph.push && config.http.public_url.is_some();
                let place = store.place_of(user, push, now).await?;
                print(&describe(&explanation)?)?;
                say!("watched       {}", place.told());
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The explanation, for people.
///
/// # Errors
/// None: writing to a text does not fail.
pub fn describe(explanation: &Explanation) -> Result<String, std::fmt::Error> {
    let now = explanation.now;
    let mut text = String::new();
    writeln!(text, "user          {}", explanation.user)?;
    writeln!(text, "matched       {}", explanation.matched)?;
    writeln!(
        text,
        "Teams says    {}",
        explanation.teams.as_ref().map_or("nothing yet".to_owned(), |teams| teams_says(teams, now))
    )?;
    if let Some(echo) = explanation.teams.as_ref().and_then(|teams| teams.echo) {
        writeln!(text, "  an echo     {}", echo_says(echo, now))?;
    }
    writeln!(text, "XPhone says   {}", explanation.xphone.map_or("nothing yet".to_owned(), |xphone| xphone_says(xphone, now)))?;
    describe_policy(&mut text, explanation)?;
    let itself = explanation
        .teams_itself
        .map_or("nothing known".to_owned(), |known| format!("{}, since {}", known.native.label(), age(known.since, now)));
    writeln!(text, "Teams itself  {itself}")?;
    describe_microphone(&mut text, &explanation.microphone_use, now)?;
    for slot in &explanation.slots {
        describe_slot(&mut text, slot, now)?;
    }
    writeln!(text, "last decided  {}", explanation.decided_at.map_or("never".to_owned(), |at| age(at, now)))?;
    let next = match explanation.next_look_at {
        None => "when something changes".to_owned(),
        Some(next) if next <= now => "now".to_owned(),
        Some(next) => age(next, now),
    };
    writeln!(text, "next look     {next}")?;
    Ok(text)
}

fn describe_policy(text: &mut String, explanation: &Explanation) -> std::fmt::Result {
    let policy = explanation.policy;
    writeln!(text, "policy        {}", policy_says(policy))?;
    let kept = if policy.remember_login_data { "kept" } else { "not kept" };
    writeln!(text, "login data    {kept} (from {})", policy.set_at.label())?;
    writeln!(text, "microphone    {}", microphone_says(&explanation.microphone))?;
    writeln!(text, "template      {}", template_says(&explanation.template))?;
    writeln!(text, "profiles      {}", profiles_say(&explanation.profiles))?;
    if !explanation.has_busy_status {
        writeln!(text, "              XPhone has no status *busy*")?;
    }
    Ok(())
}

/// In the order of *My Profiles*: which one is used follows from it.
fn profiles_say(profiles: &[Profile]) -> String {
    let one = |profile: &Profile| {
        let status = profile.status.map_or("another status", StatusKind::label);
        let state = if profile.active { "" } else { ", not active" };
        format!("{} ({status}{state})", profile.name)
    };
    if profiles.is_empty() { "none".to_owned() } else { profiles.iter().map(one).collect::<Vec<_>>().join(", ") }
}

fn microphone_says(microphone: &Holds<MicrophoneSync>) -> String {
    let MicrophoneSync { enabled, processes, .. } = &microphone.value;
    let active = processes.iter().filter(|process| process.active).count();
    let told = if *enabled { format!("on, {active} programs") } else { "off".to_owned() };
    format!("{told} (from {})", microphone.from.label())
}

/// Says nothing where nothing is reported.
fn describe_microphone(text: &mut String, says: &MicrophoneUse, now: Timestamp) -> std::fmt::Result {
    for program in &says.reported.in_use {
        let (since, heard) = (age(program.since, now), age(program.reported_at, now));
        writeln!(text, "in use        the microphone, by {}, since {since}, reported {heard}", program.process)?;
    }
    if let Some(held) = says.held {
        writeln!(text, "              not told again before it was free: {} {}", held.why.label(), age(held.since, now))?;
    }
    Ok(())
}

fn template_says(template: &Holds<ProfileTemplate>) -> String {
    let ProfileTemplate { create, status, call_forwarding } = &template.value;
    let wanted = if *create {
        format!("{}, calls forwarded: {}", status.label(), call_forwarding.label())
    } else {
        "none wanted".to_owned()
    };
    format!("{wanted} (from {})", template.from.label())
}

fn describe_slot(text: &mut String, slot: &SlotSays, now: Timestamp) -> std::fmt::Result {
    writeln!(text, "{}", heading(slot.slot))?;
    let shows = match (&slot.shows, slot.held_back) {
        (Some(shows), _) => shown(shows, now),
        (None, Some((why, since))) => format!("nothing: {} {}", why.label(), age(since, now)),
        (None, None) => "nothing".to_owned(),
    };
    writeln!(text, "  shows       {shows}")?;
    if let Some(letter) = &slot.letter {
        writeln!(text, "  on its way  {}", on_its_way(letter, now))?;
    }
    writeln!(text, "  because     {}", slot.reason.describe(slot.slot))?;
    if let Some(presence) = slot.would_show {
        writeln!(text, "  would show  {}", words(presence))?;
    }
    match slot.to_do {
        Some(Sending::Set) => writeln!(text, "  to be done  set it"),
        Some(Sending::Clear) => writeln!(text, "  to be done  take it away"),
        Some(Sending::Forget) => writeln!(text, "  to be done  send nothing more about it"),
        None => Ok(()),
    }
}

fn teams_says(teams: &TeamsSays, now: Timestamp) -> String {
    let TeamsSays { availability, activity, .. } = teams;
    let source = match teams.source {
        Source::Notification => "notified, not confirmed yet",
        Source::Read => "read",
    };
    let means = teams.means.map_or("not known", TeamsNative::label);
    let by = teams.word.map_or(String::new(), |word| format!(", by the word {word}"));
    let unknown = if teams.is_known { "" } else { ", with a word that nobody documented" };
    format!("{availability}/{activity} ({source} {}): {means}{by}{unknown}", age(teams.observed_at, now))
}

fn echo_says(echo: Echo, now: Timestamp) -> String {
    let whose = match echo.slot {
        SlotName::TeamsPreferred => "our preferred presence",
        SlotName::TeamsSession | SlotName::XphoneAppointment => "our session",
    };
    let until = echo.until.map_or("as long as that shows".to_owned(), |until| format!("until {}", age(until, now)));
    format!("taken for {whose}, so it tells nothing; what looks so is, {until}")
}

fn xphone_says(xphone: XphoneSays, now: Timestamp) -> String {
    let changed = xphone.changed_at.map_or(String::new(), |at| format!(", changed {}", age(at, now)));
    let heard = xphone.heard_at.map_or(String::new(), |at| format!(", heard {}", age(at, now)));
    format!("{} by itself{changed}{heard}", xphone.native.label())
}

fn policy_says(policy: PolicySays) -> String {
    let shadow = if policy.shadow { format!(", on trial (shadow, from {})", policy.set_at.label()) } else { String::new() };
    let chosen = policy.choice.filter(|_| policy.mode_from != Level::User);
    let ignored = chosen.map_or(String::new(), |mode| format!("; the user chose {}, but may not choose", mode.label()));
    format!("{} (from {}){shadow}{ignored}", policy.mode.label(), policy.mode_from.label())
}

fn heading(slot: SlotName) -> &'static str {
    match slot {
        SlotName::XphoneAppointment => "in XPhone, as an appointment",
        SlotName::TeamsSession => "in Teams, as a presence session",
        SlotName::TeamsPreferred => "in Teams, as the preferred presence",
    }
}

fn shown(shows: &Shows, now: Timestamp) -> String {
    let look = match shows.look {
        Some(Look::Profile(profile)) => format!(" with profile {profile}"),
        Some(Look::Status(status)) => format!(" with status {status}"),
        None => String::new(),
    };
    let to = if shows.audience == Audience::TeamColleagues { ", to team colleagues" } else { "" };
    let what = shows.subject.as_ref().map_or_else(|| words(shows.presence).to_owned(), |subject| format!("{subject:?}"));
    let since = age(shows.since, now);
    let ended = if shows.given_up { "; Teams is read before it is taken back" } else { "" };
    match shows.until {
        None => format!("{what}, since {since}, not confirmed by Graph yet{ended}"),
        Some(until) => {
            let unless = if shows.look.is_some() { "at the latest" } else { "unless renewed" };
            format!("{what}{look}{to}, since {since}, until {} {unless}{ended}", age(until, now))
        }
    }
}

fn words(presence: Presence) -> &'static str {
    match presence {
        Presence::Free => "free",
        Presence::Busy => "busy",
        Presence::OnThePhone => "in a call",
        Presence::DoNotDisturb => "do not disturb",
    }
}

fn on_its_way(letter: &Letter, now: Timestamp) -> String {
    let what = if letter.shows { "setting it" } else { "taking it away" };
    let next = match letter.claimed_until {
        Some(until) if until > now => "just being sent".to_owned(),
        _ if letter.next_try_at <= now => "tried next now".to_owned(),
        _ => format!("tried next {}", age(letter.next_try_at, now)),
    };
    let problem = letter.problem.as_ref().map_or(String::new(), |problem| format!("; {problem}"));
    format!("{what}, decided {}; {} attempts, {next}{problem}", age(letter.decided_at, now), letter.attempts)
}

/// A moment as people say it.
fn age(moment: Timestamp, now: Timestamp) -> String {
    let away = moment.duration_since(now);
    let seconds = SignedDuration::from_secs(away.as_secs().abs());
    if seconds.is_zero() {
        return if away.is_positive() { "in a moment" } else { "just now" }.to_owned();
    }
    if away.is_negative() { format!("{seconds:#} ago") } else { format!("in {seconds:#}") }
}
