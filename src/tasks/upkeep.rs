//! Forgets what has served its time.

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::SignedDuration;

use super::driver::Task;
use super::{Progress, TaskError};
use crate::clock::Clock;
use crate::store::Store;

/// Graph retries for four hours, and a subscription lives for one: after that nothing names a certificate any more.
const CERTIFICATES_KEPT: SignedDuration = SignedDuration::from_hours(6);

/// How long the end of an enrolment is told.
const ENROLMENTS_KEPT: SignedDuration = SignedDuration::from_hours(7 * 24);

/// Who left counts for a day, and what we showed of them ends by itself within one.
const DEPARTURES_KEPT: SignedDuration = SignedDuration::from_hours(24);

/// Forgets.
#[derive(Debug)]
pub struct Upkeep {
    /// Our memory.
    pub store: Store,
    /// Time.
    pub clock: Clock,
    /// How long the audit log remembers.
    pub audit_kept: SignedDuration,
    /// How long anything is remembered of what people showed, or what was told of it.
    pub presence_kept: SignedDuration,
}

impl Task for Upkeep {
    fn name(&self) -> &'static str {
        "upkeep"
    }

    fn run(&self) -> BoxFuture<'_, Result<Progress, TaskError>> {
        async {
            let now = self.clock.now();
            let shown_before = now - self.presence_kept;
            self.store.forget_trials(shown_before).await?;
            self.store.forget_observations(shown_before).await?;
            self.store.forget_refusals(shown_before).await?;
            self.store.forget_microphone_reports(now).await?;
            self.store.forget_departures(now - DEPARTURES_KEPT).await?;
            self.store.forget_certificates(now - CERTIFICATES_KEPT).await?;
            self.store.forget_audit(now - self.audit_kept).await?;
            self.store.forget_tickets(now).await?;
            self.store.forget_enrolments(now - ENROLMENTS_KEPT).await?;
            self.store.forget_left_accounts(now).await?;
            // Where nobody can sign in any more, no other task does it.
            self.store.forget_unwanted_logins().await?;
            self.store.seal_anew().await?;
            // The rest of what is many comes in its turn.
            Ok(if self.store.forget_timeline(shown_before).await? { Progress::Idle } else { Progress::More })
        }
        .boxed()
    }
}
