//! Asks whether so many people would be dropped at once that they are held back until an operator agrees.

use super::Finding;
use super::database::fault;
use crate::store::Store;
use crate::store::directory::Refusal;

const PROBE: &str = "people";

/// Tells what was found.
pub(super) async fn probe(store: Option<&Store>) -> Finding {
    let Some(store) = store else { return Finding::skipped(PROBE, "the database is not ready") };
    match store.directory_refusal().await {
        Ok(None) => Finding::ok(PROBE, "nobody is held back"),
        Ok(Some(refusal)) => held_back(&refusal),
        Err(error) => fault(PROBE, &error),
    }
}

fn held_back(Refusal { since, people, gone, unmatched, dropped, accepted, .. }: &Refusal) -> Finding {
    let many = dropped.len();
    if accepted.is_some() {
        return Finding::ok(PROBE, format!("an operator agreed that {many} of {people} may go; they do at the next reading"));
    }
    let found = format!(
        "{many} of {people} would be dropped at once and are held back since {since}: {gone} gone from XPhone, {unmatched} without a \
         match or a location"
    );
    let remedy = format!(
        "`presence-gateway directory status` tells who; if they really are gone, `presence-gateway directory accept --people {many}`, \
         else give the accounts in Entra ID and XPhone their rights back"
    );
    Finding::warn(PROBE, found, remedy)
}
