//! Databases for one use, on whatever server there is: for the demo and the tests.

use std::ffi::OsStr;
use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor};
use uuid::Uuid;

use super::StoreError;
use super::embedded::{self, Durability, EmbeddedError, EmbeddedPostgres};

/// A server to make databases on: the one the operator named, or one of our own.
#[derive(Debug)]
pub struct ScratchServer {
    options: PgConnectOptions,
    embedded: Option<EmbeddedPostgres>,
}

/// A database of its own.
#[derive(Clone, Debug)]
pub struct ScratchDatabase {
    options: PgConnectOptions,
    name: String,
}

/// Why there is no server to make databases on.
#[derive(Debug, thiserror::Error)]
pub enum ScratchError {
    /// The server named cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// No server was named, and none of our own could be started.
    #[error(transparent)]
    Embedded(#[from] EmbeddedError),
}

impl ScratchServer {
    /// Uses the server behind `url`; without one, starts one of our own from the programs on this machine.
    ///
    /// # Errors
    /// See [`ScratchError`].
    pub async fn find(url: Option<&SecretString>, durability: Durability, search_path: &OsStr) -> Result<Self, ScratchError> {
        let embedded = match url {
            Some(_) => None,
            None => Some(embedded::start(durability, search_path).await?),
        };
        let own = embedded.as_ref().map(EmbeddedPostgres::url);
        let url = own.as_deref().or(url.map(ExposeSecret::expose_secret)).unwrap_or_default();
        let options = PgConnectOptions::from_str(url).map_err(StoreError::from)?;
        Ok(Self { options, embedded })
    }

    /// Makes an empty database, or a copy of another that nobody is connected to.
    ///
    /// # Errors
    /// The server refuses: it takes a user that may create databases.
    pub async fn create(&self, template: Option<&ScratchDatabase>) -> Result<ScratchDatabase, StoreError> {
        let name = format!("presence_gateway_scratch_{}", Uuid::new_v4().simple());
        let template = template.map_or_else(|| "template1".to_owned(), |template| template.name.clone());
        let mut connection = self.options.connect().await?;
        connection.execute(AssertSqlSafe(format!("create database {name} template {template}"))).await?;
        connection.close().await?;
        Ok(ScratchDatabase { options: self.options.clone(), name })
    }

    /// Whether the server, and with it every database, goes when this goes.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.embedded.is_some()
    }

    /// Stops the server, if it is our own.
    ///
    /// # Errors
    /// It does not stop.
    pub async fn stop(self) -> Result<(), EmbeddedError> {
        match self.embedded {
            Some(embedded) => embedded.stop().await,
            None => Ok(()),
        }
    }
}

impl ScratchDatabase {
    /// Its address.
    #[must_use]
    pub fn url(&self) -> SecretString {
        SecretString::from(self.options.clone().database(&self.name).to_url_lossy().to_string())
    }

    /// Removes it with everything in it, whoever is connected.
    ///
    /// # Errors
    /// The server refuses.
    pub async fn remove(self) -> Result<(), StoreError> {
        let mut connection = self.options.connect().await?;
        connection.execute(AssertSqlSafe(format!("drop database if exists {} with (force)", self.name))).await?;
        Ok(connection.close().await?)
    }
}
