//! The Postgres that a gateway is measured with, and a database in it that knows everybody.

use std::ffi::OsStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use presence_gateway::clock::Clock;
use presence_gateway::config::SealingKeys;
use presence_gateway::graph::certificate::{self, NotificationCertificate};
use presence_gateway::store::Store;
use presence_gateway::store::embedded::{self, Durability, EmbeddedPostgres};
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use url::Url;

use super::Failure;
use super::people::People;

const CONNECTIONS_MAX: u32 = 4;
/// More than any benchmark fills.
const LOG_FILES: usize = 48;

/// A Postgres of our own, or somebody's; every scenario has a database of its own in it.
pub struct Postgres {
    url: Url,
    own: Option<EmbeddedPostgres>,
}

impl Postgres {
    /// The one that `GATEWAY__DATABASE__URL` names, else one of our own, durable.
    pub async fn find_or_start() -> Result<Self, Failure> {
        if let Some(url) = std::env::var_os("GATEWAY__DATABASE__URL") {
            let url = url.to_str().ok_or("GATEWAY__DATABASE__URL is not text")?.parse()?;
            return Ok(Self { url, own: None });
        }
        let search_path = std::env::var_os("PATH").unwrap_or_default();
        let own = embedded::start(Durability::Durable, OsStr::new(&search_path)).await?;
        let url: Url = own.url().parse()?;
        lengthen_log(&url).await?;
        Ok(Self { url, own: Some(own) })
    }

    /// Stops it, if it is ours.
    pub async fn stop(self) -> Result<(), Failure> {
        match self.own {
            Some(own) => Ok(own.stop().await?),
            None => Ok(()),
        }
    }

    /// Makes a new database.
    pub async fn create(&self, name: &str) -> Result<Url, Failure> {
        let mut connection = PgConnection::connect(self.url.as_str()).await?;
        sqlx::query(AssertSqlSafe(format!("create database {name}"))).execute(&mut connection).await?;
        connection.close().await?;
        let mut url = self.url.clone();
        url.set_path(name);
        Ok(url)
    }

    /// Removes a database, whoever is still connected.
    pub async fn remove(&self, name: &str) -> Result<(), Failure> {
        let mut connection = PgConnection::connect(self.url.as_str()).await?;
        sqlx::query(AssertSqlSafe(format!("drop database {name} with (force)"))).execute(&mut connection).await?;
        Ok(connection.close().await?)
    }
}

/// Gives a fresh server the log files that one has which has been at work for a while: filling a new one with zeros, 16 MB at a time,
/// holds up every commit.
async fn lengthen_log(url: &Url) -> Result<(), Failure> {
    let mut connection = PgConnection::connect(url.as_str()).await?;
    for statement in ["alter system set min_wal_size = '1GB'", "select pg_reload_conf()"] {
        sqlx::query(statement).execute(&mut connection).await?;
    }
    for _ in 0..LOG_FILES {
        sqlx::query("select pg_logical_emit_message(false, 'benchmark', '')").execute(&mut connection).await?;
        sqlx::query("select pg_switch_wal()").execute(&mut connection).await?;
    }
    sqlx::query("checkpoint").execute(&mut connection).await?;
    Ok(connection.close().await?)
}

/// What a furnished database was furnished with.
pub struct Furnished {
    /// Opens what is sealed in it, base64.
    pub sealing_key: String,
    /// What notifications are encrypted for.
    pub certificate: NotificationCertificate,
}

/// Tells an empty database of these people.
pub async fn furnish(url: &Url, people: &People, clock: &Clock) -> Result<Furnished, Failure> {
    let mut sealing_key = [0; 32];
    aws_lc_rs::rand::fill(&mut sealing_key)?;
    let sealing_key = STANDARD.encode(sealing_key);
    let keys = SealingKeys::parse(&sealing_key, "")?;
    let store = Store::connect(&SecretString::from(url.as_str()), CONNECTIONS_MAX, keys).await?;
    store.migrate().await?;
    let certificate = certificate::make(clock)?;
    people.settle_in(&store, &certificate, clock.now()).await?;
    store.close().await;
    Ok(Furnished { sealing_key, certificate })
}
