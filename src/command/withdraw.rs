//! Takes back everything the gateway shows on both sides, says how far it is, and what it could not take back.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use tokio::time::Instant;

use super::Failure;
use crate::app::Withdrawal;
use crate::clock::Clock;
use crate::config::Sources;
use crate::domain::slot::SlotName;
use crate::store::sign::{Saying, Sign};
use crate::store::withdrawal::{Left, LeftPlace};
use crate::store::{Store, StoreError};
use crate::tasks::TaskError;
use crate::tasks::driver::chain;

/// Between two passes, and how often progress is told.
const PAUSE: Duration = Duration::from_millis(250);
const TELL_EVERY: Duration = Duration::from_secs(1);
/// So many places are named that something is left in; the others are counted.
const PLACES_NAMED_MAX: usize = 50;

/// `presence-gateway withdraw`
#[derive(Debug, Args)]
pub(super) struct Withdraw {
    /// Give up after so long without any progress. What a gateway was sending when it was killed is waited for, for up to a minute.
    #[arg(long, value_name = "SECONDS", default_value_t = 120, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    patience_seconds: u64,
}

/// What was shown and is not any more, and what is left.
#[derive(Default)]
struct Outcome {
    problems: Vec<String>,
}

impl Withdraw {
    pub(super) async fn run(self, sources: &Sources) -> Result<ExitCode, Failure> {
        let (config, store) = super::open_migrated(sources).await?;
        let Some(sign) = store.put_up(Saying::Withdrawing).await? else {
            eprintln!("presence-gateway: {}", refusal(&store.signs().await?));
            return Ok(ExitCode::FAILURE);
        };
        let withdrawal = Withdrawal::new(&config, store.clone(), Clock::system())?;
        let mut course = Course { store: &store, withdrawal: &withdrawal, sign, outcome: Outcome::default() };
        course.take_back(Duration::from_secs(self.patience_seconds)).await?;
        course.look_at_xphone().await;
        course.end_subscriptions().await?;
        let Course { sign, outcome, .. } = course;
        let code = outcome.close(&withdrawal).await?;
        sign.take_down().await;
        Ok(code)
    }
}

/// Who stands in the way.
fn refusal(signs: &[Saying]) -> String {
    match signs.iter().filter(|saying| **saying == Saying::Serving).count() {
        0 => "nothing was taken back: another `presence-gateway withdraw` is at it".to_owned(),
        running => {
            let gateways = if running == 1 { "a gateway runs".to_owned() } else { format!("{running} gateways run") };
            format!("nothing was taken back: {gateways} on this database; stop every `presence-gateway serve` first")
        }
    }
}

/// Taking back, under way.
struct Course<'a> {
    store: &'a Store,
    withdrawal: &'a Withdrawal,
    sign: Sign,
    outcome: Outcome,
}

impl Course<'_> {
    /// Until nothing is left, or nothing has moved for so long.
    async fn take_back(&mut self, patience: Duration) -> Result<(), Failure> {
        self.withdrawal.begin().await?;
        let mut told = Told::default();
        told.tell(&self.store.left().await?);
        let mut unread = None;
        while told.moved_at.elapsed() < patience {
            let (left, problem) = self.pass(&mut told).await?;
            told.tell(&left);
            unread = problem;
            if left.is_nothing() {
                return Ok(());
            }
            tokio::time::sleep(PAUSE).await;
        }
        let left = self.store.left().await?;
        let places = self.store.left_places(PLACES_NAMED_MAX).await?;
        let named = places.len();
        self.outcome.problems.extend(places.iter().map(tell_place));
        let unnamed = usize::try_from(left.count()).unwrap_or_default().saturating_sub(named);
        if unnamed > 0 {
            self.outcome.problems.push(format!("and {unnamed} more"));
        }
        self.outcome.problems.extend(unread.map(|error| format!("Teams cannot be read: {}", chain(&error))));
        Ok(())
    }

    /// One pass, however long it takes; progress is told meanwhile, and that nobody else serves is made sure of.
    async fn pass(&mut self, told: &mut Told) -> Result<(Left, Option<TaskError>), Failure> {
        let pass = self.withdrawal.pass();
        tokio::pin!(pass);
        loop {
            tokio::select! {
                done = &mut pass => return Ok(done?),
                () = tokio::time::sleep(TELL_EVERY) => told.tell(&self.store.left().await?),
            }
            self.sign.look().await.map_err(|error| lost(&error))?;
        }
    }

    async fn look_at_xphone(&mut self) {
        match self.withdrawal.remove_strays().await {
            Ok(strays) => {
                if strays.removed > 0 {
                    println!("XPhone: {} appointments that nothing was recorded about are removed", strays.removed);
                }
                if strays.others > 0 {
                    println!("XPhone: {} appointments carry our origin, but not our key: left alone", strays.others);
                }
            }
            Err(error) => {
                self.outcome.problems.push(format!("XPhone cannot be asked for what is left there: {}", chain(&error)));
            }
        }
    }

    async fn end_subscriptions(&mut self) -> Result<(), Failure> {
        for undeleted in self.withdrawal.end_subscriptions().await? {
            let (account, problem, ends_at) = (undeleted.user_principal_name, undeleted.problem, undeleted.ends_at);
            let problem = format!("the subscription of {account} is left until it ends by itself at {ends_at}: {problem}");
            self.outcome.problems.push(problem);
        }
        Ok(())
    }
}

impl Outcome {
    async fn close(self, withdrawal: &Withdrawal) -> Result<ExitCode, Failure> {
        if self.problems.is_empty() {
            withdrawal.finish().await?;
            println!("everything is taken back; nothing is shown until a gateway serves again");
            return Ok(ExitCode::SUCCESS);
        }
        eprintln!("presence-gateway: not everything could be taken back; run `presence-gateway withdraw` again:");
        for problem in &self.problems {
            eprintln!("- {problem}");
        }
        Ok(ExitCode::FAILURE)
    }
}

/// Without the sign a gateway may have begun to serve.
fn lost(error: &StoreError) -> String {
    format!("the connection to Postgres was lost, so nothing more was taken back; run it again: {}", chain(error))
}

/// What was told last, and since when nothing has moved.
struct Told {
    left: Option<Left>,
    moved_at: Instant,
}

impl Default for Told {
    fn default() -> Self {
        Self { left: None, moved_at: Instant::now() }
    }
}

impl Told {
    fn tell(&mut self, left: &Left) {
        if self.left.as_ref() != Some(left) {
            println!("{}", how_much(left));
            (self.left, self.moved_at) = (Some(left.clone()), Instant::now());
        }
    }
}

fn how_much(left: &Left) -> String {
    if left.is_nothing() {
        return "nothing that is recorded as shown is left".to_owned();
    }
    let slot = |(slot, count): (&SlotName, &i64)| format!("{count} {}", what(*slot));
    format!("still to take back: {}", left.slots.iter().map(slot).collect::<Vec<_>>().join(", "))
}

fn what(slot: SlotName) -> &'static str {
    match slot {
        SlotName::XphoneAppointment => "appointments in XPhone",
        SlotName::TeamsSession => "calls in Teams",
        SlotName::TeamsPreferred => "do not disturb in Teams",
    }
}

fn tell_place(place: &LeftPlace) -> String {
    let LeftPlace { user, slot, problem, ends_at } = place;
    let what = match slot {
        SlotName::XphoneAppointment => "the appointment in XPhone",
        SlotName::TeamsSession => "the call in Teams",
        SlotName::TeamsPreferred => "do not disturb in Teams",
    };
    let why = problem.as_deref().unwrap_or(match slot {
        SlotName::TeamsPreferred => "no read of Teams tells yet whether it is ours or the user's own",
        _ => "it could not be sent yet",
    });
    let end = ends_at.map_or_else(|| format!("within {} at the latest", life_max(*slot)), |at| format!("at {at}"));
    format!("{what} of XPhone user {user}: {why}; it ends by itself {end}")
}

/// What nobody renews any more lasts no longer than this.
fn life_max(slot: SlotName) -> &'static str {
    match slot {
        SlotName::XphoneAppointment => "12 hours",
        SlotName::TeamsSession => "a few minutes (graph.session_minutes)",
        SlotName::TeamsPreferred => "24 hours",
    }
}
