//! Asks for each subscriber account: can it still be refreshed, may it subscribe, has it a Teams licence, and are there enough of them.

use super::Finding;
use super::database::fault;
use super::graph::Known;
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::ids::TeamsUserId;
use crate::graph::client::PRESENCES_MAX;
use crate::graph::http_client;
use crate::graph::probe::Question;
use crate::graph::token::{AccessToken, Delegated, Error};
use crate::store::account::Account;
use crate::store::{Store, StoreError};
use crate::tasks::TaskError;
use crate::tasks::driver::chain;
use crate::tasks::subscriptions::account_token;

const PROBE: &str = "subscriber accounts";
const PERMISSION: &str = "Presence.Read.All";

/// Tells what was found, one line for all and one for each.
pub(super) async fn probe(config: &Config, clock: &Clock, store: Option<&Store>, known: Option<&Known>) -> Vec<Finding> {
    if !config.graph.push {
        return vec![Finding::skipped(PROBE, "graph.push is off, or this cloud sends no notifications: everybody is swept")];
    }
    let Some(store) = store else { return vec![Finding::skipped(PROBE, "the database is not ready")] };
    match (store.accounts().await, store.users_to_watch().await) {
        (Ok(accounts), Ok(users)) => {
            let mut findings = vec![enough(accounts.iter().filter(|account| !account.leaving).count(), users.len())];
            for account in accounts.iter().filter(|account| !account.leaving) {
                findings.push(each(config, clock, store, known, account).await);
            }
            findings
        }
        (Err(error), _) | (_, Err(error)) => vec![fault(PROBE, &error)],
    }
}

/// Each account carries so many users.
fn enough(accounts: usize, users: usize) -> Finding {
    let found = format!("{accounts} enrolled, for {users} users with synchronisation");
    let missing = users.div_ceil(PRESENCES_MAX).max(1).saturating_sub(accounts);
    if missing == 0 {
        return Finding::ok(PROBE, found);
    }
    let remedy = format!(
        "enrol {missing} more with `presence-gateway sign-in <user-principal-name>`: each carries {PRESENCES_MAX} users, others are swept only"
    );
    Finding::warn(PROBE, found, remedy)
}

async fn each(config: &Config, clock: &Clock, store: &Store, known: Option<&Known>, account: &Account) -> Finding {
    let name = format!("account {}", account.user_principal_name);
    let again = format!("run `presence-gateway sign-in {}`", account.user_principal_name);
    let delegated = http_client().ok().and_then(|http| Delegated::new(&config.graph, http, clock.clone()).ok());
    let Some(delegated) = delegated else { return Finding::skipped(&name, "no connection to Entra ID can be set up") };
    match account_token(store, &delegated, account.id, clock).await {
        Ok(token) if permitted(&token) => licence(&name, known, TeamsUserId(account.id.0)).await,
        Ok(_) => {
            let found = format!("its token does not name {PERMISSION} (delegated)");
            let remedy = format!(
                "add the delegated permission {PERMISSION} of Microsoft Graph to the app registration, grant admin consent, and {again}"
            );
            Finding::fail(&name, found, remedy)
        }
        Err(TaskError::Token(error @ Error::SignInAgain { .. })) => Finding::fail(&name, error.to_string(), again),
        Err(TaskError::Token(error @ Error::Misconfigured { .. })) => {
            Finding::fail(&name, error.to_string(), "allow public client flows in the app registration (Authentication)")
        }
        Err(TaskError::Store(error @ StoreError::Sealed)) => Finding::fail(&name, error.to_string(), again),
        Err(error) => Finding::warn(&name, chain(&error), "check again later"),
    }
}

fn permitted(token: &AccessToken) -> bool {
    // A token that says nothing of itself proves nothing.
    token.claims().is_none_or(|claims| claims.scopes.iter().any(|scope| scope == PERMISSION))
}

/// Presence can be subscribed to with a Teams licence only.
async fn licence(name: &str, known: Option<&Known>, account: TeamsUserId) -> Finding {
    let well = "can be refreshed and may subscribe";
    let Some(known) = known else { return Finding::ok(name, format!("{well}; its licence could not be asked for")) };
    let answer = known.probe.ask(&known.token, Question::Plans(account)).await;
    match answer.ok().and_then(|answer| answer.has_teams()) {
        Some(true) => Finding::ok(name, format!("{well}, and has a Teams licence")),
        Some(false) => {
            Finding::fail(name, "has no Teams licence", "assign it one: Graph lets no account without it subscribe to presence")
        }
        None => Finding::ok(name, format!("{well}; Graph does not tell its licence")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::check::Outcome;

    #[test]
    fn one_account_carries_650_users() {
        let check = |accounts, users, outcome, words: &str| {
            let finding = enough(accounts, users);
            assert!(finding.outcome == outcome && finding.to_string().contains(words), "{finding}");
        };
        check(0, 0, Outcome::Warn, "enrol 1 more");
        check(1, 650, Outcome::Ok, "1 enrolled");
        check(1, 651, Outcome::Warn, "enrol 1 more");
        check(2, 2000, Outcome::Warn, "enrol 2 more");
    }
}
