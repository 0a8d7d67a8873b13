//! XPhone's web API behind the port: HTTP and JSON, one token, no redirects, no proxy.

mod calls;
mod events;
mod gate;
mod readable;
mod session;
mod sse;
mod templates;
mod transport;
mod wire;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use reqwest::{Method, Response, StatusCode, Url};
use serde::de::DeserializeOwned;

use self::gate::Kind;
use self::session::Session;
use self::transport::{Concerns, Patience, Question, Transport};
use crate::clock::Clock;
use crate::config;
use crate::xphone::Error;

/// XPhone, as the gateway speaks to it. Clones share one log-in and one set of connections.
#[derive(Clone, Debug)]
pub(super) struct XPhone {
    transport: Transport,
    session: Arc<Session>,
}

impl XPhone {
    /// Prepares to speak to the server that the settings name; nothing is sent yet.
    ///
    /// # Errors
    /// `SetUp` if there can be no encrypted connections at all, for instance for want of root certificates.
    pub(super) fn new(settings: &config::XphoneHttp, clock: Clock) -> Result<Self, Error> {
        Self::with_patience(settings, clock, Patience::default())
    }

    fn with_patience(settings: &config::XphoneHttp, clock: Clock, patience: Patience) -> Result<Self, Error> {
        let transport = Transport::new(settings.base_url.clone(), settings.authorities.as_deref(), clock.clone(), patience)?;
        let session = Arc::new(Session::new(transport.clone(), settings, clock));
        Ok(Self { transport, session })
    }

    /// Reads something that concerns everybody.
    async fn get<T: DeserializeOwned>(&self, call: &'static str, path: &[&str], query: &[(&str, &str)]) -> Result<T, Error> {
        let question = self.reading(call, path, query);
        let response = self.answer(&question, Some(self.transport.patience.request)).await?;
        let response = self.transport.sorted(&question, response).await?;
        transport::json(&question, response).await
    }

    fn reading(&self, call: &'static str, path: &[&str], query: &[(&str, &str)]) -> Question {
        let mut url: Url = self.transport.url(path);
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        Question { call, method: Method::GET, url, body: None, concerns: Concerns::Everybody, kind: Kind::Reading }
    }

    /// Asks with our token. A token that the server calls outdated is renewed, and the question repeated, once.
    async fn answer(&self, question: &Question, within: Option<Duration>) -> Result<Response, Error> {
        // Not even for a token, if the question may not be asked.
        self.transport.may_ask(question)?;
        let token = self.session.token(None).await?;
        let response = self.transport.ask(question, Some(&token.secret), within).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let token = self.session.token(Some(&token)).await?;
        self.transport.ask(question, Some(&token.secret), within).await
    }
}
