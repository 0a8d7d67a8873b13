//! Runs one task over and over: when woken, else after its period, until the gateway stops.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use super::{Activator, Progress, TaskError};
use crate::clock::Clock;
use crate::telemetry::Metrics;

/// After a failure the pause doubles from one second up to this.
const FAILURE_PAUSE_MAX: Duration = Duration::from_secs(8);
const FAILURE_PAUSE_MIN: Duration = Duration::from_millis(500);

/// Work that runs by itself.
pub trait Task: Send + Sync + 'static {
    /// Stable text for logs and metrics.
    fn name(&self) -> &'static str;

    /// Does one bounded batch of whatever there is to do.
    fn run(&self) -> BoxFuture<'_, Result<Progress, TaskError>>;
}

/// Runs a task until `stop`: at once, whenever it is woken, and at least every `period`. A run that has begun is finished.
pub async fn drive(
    task: Box<dyn Task>,
    period: Duration,
    activator: Activator,
    stop: CancellationToken,
    clock: Clock,
    metrics: Metrics,
) {
    let mut failures: u32 = 0;
    while !stop.is_cancelled() {
        // A defect in one run must end neither the task nor the news of it.
        let ran = AssertUnwindSafe(task.run()).catch_unwind().await.unwrap_or(Err(TaskError::Panicked));
        let succeeded_at = ran.is_ok().then(|| clock.now().as_duration().as_secs_f64());
        metrics.note_task_run(task.name(), succeeded_at);
        if let Err(error) = &ran {
            metrics.note_task_problem(task.name(), clock.now(), chain(error));
        }
        match ran {
            Ok(Progress::More) => {
                failures = 0;
                tokio::task::yield_now().await;
                continue;
            }
            Ok(Progress::Idle) => failures = 0,
            Err(error) => {
                failures = failures.saturating_add(1);
                tracing::warn!(task = task.name(), failures, error = %chain(&error), "a task failed and will be tried again");
            }
        }
        let pause = async {
            if failures > 0 {
                tokio::time::sleep(failure_pause(failures)).await;
            } else {
                tokio::select! { () = activator.woken() => (), () = tokio::time::sleep(period) => () }
            }
        };
        tokio::select! { () = pause => (), () = stop.cancelled() => () }
    }
}

fn failure_pause(failures: u32) -> Duration {
    let pause = FAILURE_PAUSE_MIN * 2_u32.saturating_pow(failures.min(10));
    pause.min(FAILURE_PAUSE_MAX).mul_f64(0.5 + fastrand::f64() / 2.0)
}

/// An error with all its causes, on one line. Some errors say themselves what their cause says: that is not said twice.
#[must_use]
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Plain(&'static str);

    #[derive(Debug, thiserror::Error)]
    #[error("{words}")]
    struct Outer {
        words: &'static str,
        #[source]
        cause: Plain,
    }

    #[test]
    fn causes_are_told_once() {
        let check = |words, cause, expected: &str| assert_eq!(chain(&Outer { words, cause: Plain(cause) }), expected);
        check("it cannot be read", "no such file", "it cannot be read: no such file");
        check("it cannot be read: no such file", "no such file", "it cannot be read: no such file");
        check("no such file", "no such file", "no such file");
    }
}
