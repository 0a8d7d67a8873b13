//! What nobody can do without: one durable commit of one row, and one HTTP request over the loopback.

use std::time::{Duration, Instant};

use sqlx::{Connection, PgConnection};
use url::Url;

use crate::Failure;

/// Measured so often before the changes, and as often after them.
const SAMPLES: u32 = 300;

/// How long the two took, each time and together.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    /// The commit; sorted.
    pub commit: Vec<Duration>,
    /// The request; sorted.
    pub request: Vec<Duration>,
    /// One after the other; sorted.
    pub both: Vec<Duration>,
}

/// Measures them, in the gateway's own database and with its own settings.
pub struct Bare {
    connection: PgConnection,
    http: reqwest::Client,
    url: String,
    pause: Duration,
}

impl Bare {
    /// At the same pace as the changes: a machine that rests in between answers more slowly. `url` is to answer with nothing.
    pub async fn prepare(database: &Url, http: reqwest::Client, url: String, per_second: u32) -> Result<Self, Failure> {
        let mut connection = PgConnection::connect(database.as_str()).await?;
        sqlx::query("create table bare (id int primary key, value bigint not null)").execute(&mut connection).await?;
        sqlx::query("insert into bare values (1, 0)").execute(&mut connection).await?;
        Ok(Self { connection, http, url, pause: Duration::from_secs(1) / per_second })
    }

    /// Whether a commit is on the disk when it is confirmed: the server's fsync and `synchronous_commit`.
    pub async fn durability(&mut self) -> Result<String, Failure> {
        let mut settings = Vec::new();
        for question in ["show fsync", "show synchronous_commit"] {
            settings.push(sqlx::query_scalar::<_, String>(question).fetch_one(&mut self.connection).await?);
        }
        Ok(format!("fsync {}, synchronous_commit {}", settings[0], settings[1]))
    }

    /// Adds as many samples as are due.
    pub async fn measure(&mut self, reference: &mut Reference) -> Result<(), Failure> {
        for _ in 0..SAMPLES {
            tokio::time::sleep(self.pause).await;
            let began = Instant::now();
            sqlx::query("update bare set value = value + 1 where id = 1").execute(&mut self.connection).await?;
            let committed = Instant::now();
            self.http.get(&self.url).send().await?.error_for_status()?.bytes().await?;
            reference.commit.push(committed - began);
            reference.request.push(committed.elapsed());
            reference.both.push(began.elapsed());
        }
        for all in [&mut reference.commit, &mut reference.request, &mut reference.both] {
            all.sort_unstable();
        }
        Ok(())
    }
}
