//! Tells the gateway what is in use: each change at once, what is in use every 30 s, and ever more seldom while that fails.

use std::pin::pin;
use std::time::Duration;

use reqwest::header::RETRY_AFTER;
use reqwest::{Client, Response, StatusCode};
use serde::Serialize;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, sleep_until, timeout, timeout_at};

use crate::pace::Pace;
use crate::programs::Programs;
use crate::say;
use crate::settings::Settings;

/// No answer takes longer. Windows asks whether the gateway's certificate was revoked, and waits 10 s for that where nobody answers.
const ANSWERED_WITHIN: Duration = Duration::from_secs(if cfg!(windows) { 20 } else { 10 });
/// Whoever ends the agent does not wait longer for its last word.
const LAST_WORD_WITHIN: Duration = Duration::from_secs(3);
/// Whoever may not report asks seldom: somebody has to enrol the workstation anew.
const REFUSED_PAUSE: Duration = Duration::from_mins(5);
/// However long the gateway asks to wait, no longer.
const WAIT_MAX: Duration = Duration::from_mins(10);

/// How often is reported while all goes well.
#[derive(Clone, Copy, Debug)]
struct Rhythm {
    /// While something is in use. The gateway takes three of them missing for the end.
    in_use: Duration,
    /// While nothing is: only that the agent lives.
    idle: Duration,
    /// From one report to the next, taken together: a program that comes and goes floods nothing.
    distance: Duration,
}

const RHYTHM: Rhythm =
    Rhythm { in_use: Duration::from_secs(30), idle: Duration::from_mins(10), distance: Duration::from_millis(1500) };

/// From when on the next report floods nothing.
///
/// Two may go at once, but what begins waits until both could: the gateway shows what has been in use for 2 s, so the end of a use must not
/// wait behind its beginning.
#[derive(Clone, Copy, Debug)]
struct Room {
    /// One that tells of an end.
    for_end: Instant,
    /// Any other.
    for_any: Instant,
}

impl Room {
    fn after_report(self, now: Instant, distance: Duration) -> Self {
        let for_end = self.for_any.max(now);
        Self { for_end, for_any: for_end + distance }
    }
}

/// Tells the gateway.
pub struct Reporter {
    settings: Settings,
    client: Client,
    pace: Pace,
    rhythm: Rhythm,
    /// What went wrong last, so that it is said once.
    said: Option<String>,
}

#[derive(Serialize)]
struct Report<'a> {
    workstation: &'a str,
    programs: &'a Programs,
}

/// When to report again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// At a change, or after so long.
    Heartbeat(Duration),
    /// After so long, whatever changes meanwhile: what counts then is what is in use then.
    Retry(Duration),
}

impl Reporter {
    /// Ready to report.
    pub fn new(mut settings: Settings) -> Result<Self, reqwest::Error> {
        let client = Client::builder()
            .tls_certs_merge(std::mem::take(&mut settings.certificates))
            .redirect(reqwest::redirect::Policy::none())
            .pool_max_idle_per_host(1)
            .timeout(ANSWERED_WITHIN);
        // What does not leave the machine goes through no proxy.
        let client = if settings.reports.scheme() == "https" { client } else { client.no_proxy() };
        Ok(Self { client: client.build()?, settings, pace: Pace::default(), rhythm: RHYTHM, said: None })
    }

    /// Reports until the agent is asked to end, or until nobody follows the sound any more; then that nothing is in use.
    pub async fn report(
        mut self,
        mut programs: watch::Receiver<Option<Programs>>,
        ended: impl Future<Output = ()>,
    ) -> Result<(), String> {
        let mut ended = pin!(ended);
        // Until it is known what is in use nothing is said.
        tokio::select! {
            known = async { programs.wait_for(Option::is_some).await.map(drop) } => known.map_err(|_| DEAF)?,
            () = &mut ended => return Ok(()),
        }
        let mut room = Room { for_end: Instant::now(), for_any: Instant::now() };
        let outcome = loop {
            let now = programs.borrow_and_update().clone().unwrap_or_default();
            room = room.after_report(Instant::now(), self.rhythm.distance);
            // It is never given up on its way: it could arrive after what is said last.
            let next = self.tell(&now).await;
            tokio::select! {
                heard = wait(next, &now, room, &mut programs) => if heard.is_err() { break Err(DEAF.to_owned()) },
                () = &mut ended => break Ok(()),
            }
        };
        // Even if that fails it ends by itself, 90 s after the last report.
        _ = timeout(LAST_WORD_WITHIN, self.send(&Programs::default())).await;
        outcome
    }

    async fn tell(&mut self, programs: &Programs) -> Next {
        let problem = match self.send(programs).await {
            Ok(answer) if answer.status().is_success() => {
                self.pace.succeed();
                if self.said.take().is_some() {
                    say("the gateway takes reports again");
                }
                return Next::Heartbeat(if programs.is_empty() { self.rhythm.idle } else { self.rhythm.in_use });
            }
            Ok(answer) => return self.refused(&answer),
            // Without the address, which says nothing new.
            Err(error) => unreached(&innermost(&error.without_url())),
        };
        self.say_once(problem);
        Next::Retry(self.pace.fail(fastrand::f64()))
    }

    fn refused(&mut self, answer: &Response) -> Next {
        let status = answer.status();
        self.say_once(format!("the gateway answers {status}{}", self.advice(status)));
        let pause = self.pace.fail(fastrand::f64());
        let asked = if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            // Perhaps it was enrolled anew meanwhile.
            self.settings.read_token_again();
            Some(REFUSED_PAUSE)
        } else {
            let seconds = answer.headers().get(RETRY_AFTER).and_then(|wait| wait.to_str().ok()?.parse().ok());
            seconds.map(Duration::from_secs)
        };
        // Not all workstations at the very end of it.
        let asked = asked.map_or(pause, |asked| asked.min(WAIT_MAX).mul_f64(1.0 + fastrand::f64() / 4.0));
        Next::Retry(asked.max(pause))
    }

    /// What whoever reads it can do about it.
    fn advice(&self, status: StatusCode) -> String {
        match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => format!(
                ": it does not take the token in {}. Enrol this workstation anew and write its token there; it is read again every five minutes",
                self.settings.token_file.display()
            ),
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => WRONG_ADDRESS.to_owned(),
            _ if status.is_redirection() => WRONG_ADDRESS.to_owned(),
            _ => String::new(),
        }
    }

    fn say_once(&mut self, problem: String) {
        if self.said.as_ref() != Some(&problem) {
            say(&problem);
            self.said = Some(problem);
        }
    }

    async fn send(&self, programs: &Programs) -> Result<Response, reqwest::Error> {
        let report = Report { workstation: &self.settings.workstation, programs };
        let request = self.client.post(self.settings.reports.clone()).bearer_auth(&self.settings.token);
        request.json(&report).send().await
    }
}

const WRONG_ADDRESS: &str =
    ": no reports are taken there. MICROPHONE_AGENT_GATEWAY_URL must lead to the gateway's admin listener, without /v1/...";
const DEAF: &str = "nobody follows the sound server any more";

async fn wait(
    next: Next,
    told: &Programs,
    room: Room,
    programs: &mut watch::Receiver<Option<Programs>>,
) -> Result<(), watch::error::RecvError> {
    match next {
        Next::Retry(pause) => {
            sleep(pause).await;
            Ok(())
        }
        Next::Heartbeat(pause) => timeout(pause, news(told, room, programs)).await.unwrap_or(Ok(())),
    }
}

/// Waits until something else is in use than was told, and may be told.
async fn news(
    told: &Programs,
    room: Room,
    programs: &mut watch::Receiver<Option<Programs>>,
) -> Result<(), watch::error::RecvError> {
    let is_end = |now: &Option<Programs>| now.as_ref().is_some_and(|now| !now.has_all_of(told));
    sleep_until(room.for_end).await;
    if let Ok(end) = timeout_at(room.for_any, async { programs.wait_for(is_end).await.map(drop) }).await {
        return end;
    }
    programs.wait_for(|now| now.as_ref() != Some(told)).await.map(drop)
}

fn unreached(problem: &str) -> String {
    // As rustls words all that it has against a certificate.
    let advice = if problem.contains("invalid peer certificate") {
        "; name its authority's certificate in MICROPHONE_AGENT_CA_FILE, unless it is for another name or out of date"
    } else {
        "; it is tried again by itself. Is MICROPHONE_AGENT_GATEWAY_URL right?"
    };
    format!("the gateway cannot be reached: {problem}{advice}")
}

fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

#[cfg(test)]
mod tests;
