//! Brings the database schema up to date.

use std::process::ExitCode;

use super::Failure;
use crate::config::Sources;

/// `presence-gateway migrate`
pub(super) async fn run(sources: &Sources) -> Result<ExitCode, Failure> {
    let (_, store) = super::open(sources).await?;
    let pending = store.pending_migrations().await?;
    store.migrate().await?;
    match pending.as_slice() {
        [] => println!("the schema is up to date"),
        applied => applied.iter().for_each(|migration| println!("applied {migration}")),
    }
    Ok(ExitCode::SUCCESS)
}
