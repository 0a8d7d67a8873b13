//! Brings the database schema up to date.

use std::process::ExitCode;

use super::Failure;
use super::output::say;
use crate::config::Sources;

/// `presence-gateway migrate`
pub(super) async fn run(sources: &Sources) -> Result<ExitCode, Failure> {
    let (_, store) = super::open(sources).await?;
    let pending = store.pending_migrations().await?;
    store.migrate().await?;
    match pending.as_slice() {
        [] => say!("the schema is up to date"),
        applied => {
            for migration in applied {
                say!("applied {migration}");
            }
        }
    }
    Ok(ExitCode::SUCCESS)
}
