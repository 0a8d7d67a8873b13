//! Looks into the database beside the gateway.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use presence_gateway::clock::Clock;
use sqlx::{Connection, PgConnection};
use url::Url;

use super::{Failure, machine};

/// How often we look whether all is done.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// What is not done by then has failed.
const DONE_MAX: Duration = Duration::from_mins(5);

/// Looks into the database beside the gateway.
pub struct Observer {
    connection: PgConnection,
    clock: Clock,
    /// The process that all of Postgres' are children of, if it runs here.
    pub postmaster: Option<u32>,
}

impl Observer {
    /// Connects.
    pub async fn connect(url: &Url, clock: Clock) -> Result<Self, Failure> {
        let mut connection = PgConnection::connect(url.as_str()).await?;
        let backend: i32 = sqlx::query_scalar("select pg_backend_pid()").fetch_one(&mut connection).await?;
        let postmaster = u32::try_from(backend).ok().and_then(machine::postmaster_of);
        Ok(Self { connection, clock, postmaster })
    }

    /// Waits until every question is answered with false: each asks, as of `$1`, whether something is still to be done. Put the
    /// cheap ones first: they are asked often, on the cores that are measured.
    pub async fn wait_until_none(&mut self, stage: &str, questions: &[&'static str]) -> Result<(), Failure> {
        let began = Instant::now();
        while began.elapsed() < DONE_MAX {
            if !self.is_any(questions).await? {
                return Ok(());
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(format!("after {} s not yet {stage}", DONE_MAX.as_secs()).into())
    }

    async fn is_any(&mut self, questions: &[&'static str]) -> Result<bool, Failure> {
        for question in questions.iter().copied() {
            let now: Timestamp = self.clock.now();
            let query = sqlx::query_scalar(question).bind(jiff_sqlx::Timestamp::from(now));
            if query.fetch_one(&mut self.connection).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Has Postgres do at once what it does by itself once enough has changed.
    pub async fn tidy_up(&mut self) -> Result<(), Failure> {
        sqlx::query("vacuum (analyze)").execute(&mut self.connection).await?;
        Ok(())
    }

    /// Notifications that the gateway refused.
    pub async fn refusals(&mut self) -> Result<i64, Failure> {
        Ok(sqlx::query_scalar("select count(*) from refusal").fetch_one(&mut self.connection).await?)
    }
}
