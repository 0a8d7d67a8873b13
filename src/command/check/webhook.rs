//! Asks our own public address as Graph does when it validates a subscription.

use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Response, StatusCode};
use url::Url;
use uuid::Uuid;

use super::Finding;
use crate::config::Config;
use crate::tasks::driver::chain;

const PROBE: &str = "webhook";
/// Graph wants the answer within ten seconds.
const ANSWER_MAX: Duration = Duration::from_secs(10);
const ONLY_FROM_HERE: &str = "asked from this machine: whether Microsoft's machines get in too, only a subscription shows";

/// Tells what was found; `serving`: a gateway runs, so that somebody should answer.
pub(super) async fn probe(config: &Config, serving: bool) -> Finding {
    if !config.graph.push {
        return Finding::skipped(PROBE, "graph.push is off, or this cloud sends no notifications");
    }
    let Some(public_url) = &config.http.public_url else { return Finding::skipped(PROBE, "http.public_url is not set") };
    for path in ["graph/notifications", "graph/lifecycle"] {
        if let Err(finding) = ask(public_url, path, serving).await {
            return finding;
        }
    }
    Finding::ok(PROBE, format!("both addresses under http.public_url answer a validation; {ONLY_FROM_HERE}"))
}

async fn ask(public_url: &Url, path: &str, serving: bool) -> Result<(), Finding> {
    let token = Uuid::new_v4().to_string();
    let mut url = format!("{}/{path}", public_url.as_str().trim_end_matches('/'))
        .parse::<Url>()
        .map_err(|error| Finding::fail(PROBE, error.to_string(), "correct http.public_url"))?;
    url.query_pairs_mut().append_pair("validationToken", &token);
    let client = reqwest::Client::builder().timeout(ANSWER_MAX).redirect(Policy::none()).build();
    let client = client.map_err(|error| Finding::fail(PROBE, chain(&error), "install the system's root certificates"))?;
    match client.post(url).send().await {
        Ok(answer) => judge(path, &token, answer, serving).await,
        Err(_) if !serving => Err(nobody(path)),
        Err(error) => {
            let found = format!("/{path}: {}", chain(&error.without_url()));
            let remedy = "let http.public_url lead to http.public_listen by way of the reverse proxy, with a certificate of a public \
                          authority; if only this machine cannot reach it, ask from outside";
            Err(Finding::fail(PROBE, found, remedy))
        }
    }
}

async fn judge(path: &str, token: &str, answer: Response, serving: bool) -> Result<(), Finding> {
    let status = answer.status();
    let is_text = answer.headers().get("content-type").is_some_and(|kind| kind.as_bytes().starts_with(b"text/plain"));
    if status.is_redirection() {
        let remedy = "Graph follows no redirects: let http.public_url name the address that answers itself";
        return Err(Finding::fail(PROBE, format!("/{path} is redirected ({status})"), remedy));
    }
    if !serving && (status.is_server_error() || status == StatusCode::NOT_FOUND) {
        return Err(nobody(path));
    }
    let body = answer.text().await.unwrap_or_default();
    if status == StatusCode::OK && is_text && body == token {
        return Ok(());
    }
    let found = format!("/{path} answers {status} and not our validation token");
    let remedy = "let the reverse proxy pass /graph/notifications and /graph/lifecycle on to http.public_listen, query included";
    Err(Finding::fail(PROBE, found, remedy))
}

fn nobody(path: &str) -> Finding {
    Finding::warn(
        PROBE,
        format!("nobody answers at /{path}, and no gateway runs"),
        "start `presence-gateway serve`, then check again",
    )
}
