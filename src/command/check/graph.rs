//! Asks Entra ID for the app's token, and Graph for what each application permission allows, by calls that change nothing.

use std::sync::Arc;

use jiff::Timestamp;

use super::Finding;
use super::database::{GRAPH_APART_MAX, judge_skew};
use crate::clock::Clock;
use crate::config::Config;
use crate::domain::ids::TeamsUserId;
use crate::graph as protocol;
use crate::graph::probe::{Answer, Probe, Question};
use crate::graph::token::{AccessToken, Identity};
use crate::tasks::driver::chain;

const USERS: &str = "User.Read.All";
const READ: &str = "Presence.Read.All";
const WRITE: &str = "Presence.ReadWrite.All";

/// What went well enough to ask on.
pub(super) struct Known {
    pub probe: Probe,
    pub token: Arc<AccessToken>,
}

/// Tells what was found, and what to go on with.
pub(super) async fn probe(config: &Config, clock: &Clock) -> (Vec<Finding>, Option<Known>) {
    let (probe, token) = match token(config, clock).await {
        Ok(known) => known,
        Err(failure) => {
            let rest = ["graph clock", USERS, READ, WRITE].map(|probe| Finding::skipped(probe, "there is no token"));
            return ([failure].into_iter().chain(rest).collect(), None);
        }
    };
    let mut findings = vec![Finding::ok("token", "Entra ID gives the app registration a token")];
    let users = probe.ask(&token, Question::OneUser).await;
    findings.push(skew(&users, clock.now()));
    let somebody = users.as_ref().ok().and_then(Answer::first_id).map_or(TeamsUserId(uuid::Uuid::nil()), TeamsUserId);
    let (reads, writes) = tokio::join!(
        probe.ask(&token, Question::Presences(somebody)),
        // Nobody has this id: Graph looks at the permission first.
        probe.ask(&token, Question::ClearSession(TeamsUserId(uuid::Uuid::nil()))),
    );
    findings.push(permission(&token, USERS, "to know who is who", &users));
    findings.push(permission(&token, READ, "to read presence", &reads));
    findings.push(permission(&token, WRITE, "to show calls and do not disturb in Teams", &writes));
    (findings, Some(Known { probe, token }))
}

async fn token(config: &Config, clock: &Clock) -> Result<(Probe, Arc<AccessToken>), Finding> {
    let no_client = |error: reqwest::Error| {
        Finding::fail("token", chain(&error), "install the system's root certificates (Debian: ca-certificates)")
    };
    let http = protocol::http_client().map_err(no_client)?;
    let refused = |error: protocol::token::Error| Finding::fail("token", error.to_string(), remedy(&error));
    let identity = Identity::app(&config.graph, http.clone(), clock.clone()).map_err(refused)?;
    let token = identity.token().await.map_err(refused)?;
    Ok((Probe::new(&config.graph, http), token))
}

fn remedy(error: &protocol::token::Error) -> &'static str {
    match error {
        protocol::token::Error::Unreachable { .. } => {
            "let this machine reach https://login.microsoftonline.com (or graph.login_url), port 443"
        }
        protocol::token::Error::Throttled { .. } => "wait, then check again",
        _ => "compare graph.tenant_id, graph.client_id and the credential with the app registration",
    }
}

fn skew(answer: &Result<Answer, String>, now: Timestamp) -> Finding {
    match answer.as_ref().map(|answer| answer.date) {
        Ok(Some(date)) => judge_skew("graph clock", "Graph", date.duration_since(now), GRAPH_APART_MAX),
        Ok(None) => Finding::skipped("graph clock", "Graph's answer has no Date"),
        Err(problem) => Finding::skipped("graph clock", format!("Graph did not answer: {problem}")),
    }
}

/// What the token says is compared with what Graph does: consent given a moment ago may be in the one and not yet in the other.
fn permission(token: &AccessToken, name: &str, purpose: &str, answer: &Result<Answer, String>) -> Finding {
    let granted = token.claims().map(|claims| claims.roles.iter().any(|role| role == name));
    let add = format!("add the application permission {name} of Microsoft Graph to the app registration and grant admin consent");
    let answer = match answer {
        Ok(answer) => answer,
        Err(problem) => {
            let remedy = "let this machine reach https://graph.microsoft.com (or graph.base_url), port 443";
            return Finding::fail(name, format!("Graph could not be asked: {problem}"), remedy);
        }
    };
    match (answer.status, granted) {
        (403, Some(true)) => {
            let found = format!("the token names it, and Graph refuses all the same ({})", answer.code);
            Finding::fail(name, found, format!("consent given just now may take some minutes; else remove it and {add}"))
        }
        (403, _) => Finding::fail(name, format!("missing; needed {purpose}"), add),
        (401, _) => Finding::fail(name, "Graph does not accept the app's token", "check graph.cloud and graph.base_url"),
        (429, _) => Finding::warn(name, "Graph throttles this app", "wait a minute, then check again"),
        (500.., _) => Finding::warn(name, format!("Graph failed with {}", answer.status), "check again later"),
        (_, Some(false)) => Finding::fail(name, format!("the token does not name it; needed {purpose}"), add),
        _ => Finding::ok(name, format!("granted (application), {purpose}")),
    }
}
