//! The operations of the contract over an open connection, each asked once.

use nettcp::soap::Message;
use nettcp::xml::Element;
use tokio::sync::mpsc;

use super::channel::{Channel, Patience, Target};
use super::contract::{self, MapEntry};
use super::endpoint::Endpoint;
use super::failure::{About, CallError, unreachable};
use crate::trace;
use crate::xphone::Error;

/// From this version on changes of users' whole information are told.
const USER_INFO_SINCE: i64 = 6;
/// From this version on changes of presence are told.
const PRESENCE_SINCE: i64 = 4;

/// A connection to an endpoint that answered.
pub(super) struct Line {
    channel: Channel,
    /// Of the contract.
    pub version: i64,
}

/// What a server says of one address.
pub(super) struct Found {
    pub entry: MapEntry,
    /// In which the server writes its data.
    namespace: Option<String>,
}

impl Line {
    /// Opens the first endpoint that answers. The second value tells what nobody asked for.
    pub(super) async fn open(
        target: &Target,
        endpoints: &[Endpoint],
        patience: Patience,
    ) -> Result<(Self, mpsc::Receiver<Message>), Error> {
        let mut first_failure = None;
        for endpoint in endpoints {
            match Self::open_one(target, *endpoint, patience).await {
                Ok(opened) => return Ok(opened),
                Err(error) => {
                    tracing::debug!(endpoint = endpoint.name(), %error, "an endpoint of XPhone does not answer");
                    // The best endpoint's failure is the one to mend.
                    first_failure.get_or_insert(error);
                }
            }
        }
        Err(first_failure.unwrap_or(Error::Contract { call: "GetServerContractVersion", reason: "no endpoint".to_owned() }))
    }

    async fn open_one(target: &Target, endpoint: Endpoint, patience: Patience) -> Result<(Self, mpsc::Receiver<Message>), Error> {
        const ABOUT: About = About { call: "GetServerContractVersion", changes: false, one: false };
        let (channel, events) = Channel::open(target, endpoint, patience).await.map_err(unreachable)?;
        let asked = channel.call(&contract::version_action(), contract::body(contract::VERSION, [])).await;
        let answer = asked.map_err(|error| error.sorted(ABOUT))?;
        let version = contract::result(&answer, contract::VERSION, |result| result.text()?.parse().ok());
        match version.map_err(|error| error.sorted(ABOUT))? {
            version @ 0.. => Ok((Self { channel, version }, events)),
            _ => Err(Error::Contract { call: ABOUT.call, reason: "a version below 0".to_owned() }),
        }
    }

    pub(super) fn endpoint(&self) -> Endpoint {
        self.channel.endpoint
    }

    /// Whether nothing can be asked here any more.
    pub(super) fn is_over(&self) -> bool {
        self.channel.over().is_some()
    }

    /// Why, as a failure of whoever listens.
    pub(super) fn why_over(&self) -> Option<Error> {
        self.channel.over().map(unreachable)
    }

    async fn ask(&self, operation: &'static str, parameters: impl IntoIterator<Item = Element>) -> Result<Message, CallError> {
        let action = contract::action(self.channel.endpoint.contract(), operation);
        let span = trace::call("xphone", operation);
        let answer = self.channel.call(&action, contract::body(operation, parameters)).await;
        if let (Some(span), Err(_)) = (span, &answer) {
            span.fail("no answer".to_owned());
        }
        answer
    }

    /// Everybody's presence.
    pub(super) async fn map(&self) -> Result<Vec<MapEntry>, Error> {
        const OPERATION: &str = "GetEmailPresenceMap";
        const ABOUT: About = About { call: OPERATION, changes: false, one: false };
        let answer = self.ask(OPERATION, []).await.map_err(|error| error.sorted(ABOUT))?;
        contract::entries(&answer, OPERATION).map_err(|error| error.sorted(ABOUT))
    }

    /// One user's presence; `None`: nobody has this address, or several have.
    pub(super) async fn find(&self, email: &str) -> Result<Option<Found>, Error> {
        const OPERATION: &str = "TryGetUserPresence";
        const ABOUT: About = About { call: OPERATION, changes: false, one: true };
        let asked = self.ask(OPERATION, [contract::text("EmailAddress", email)]).await;
        let answer = asked.map_err(|error| error.sorted(ABOUT))?;
        let is_found = contract::result(&answer, OPERATION, |result| Some(result.text()? == "true"));
        if !is_found.map_err(|error| error.sorted(ABOUT))? {
            return Ok(None);
        }
        let found = contract::found(&answer, "PresenceData");
        let (entry, namespace) =
            found.ok_or_else(|| CallError::Strange("somebody found, and nothing about them").sorted(ABOUT))?;
        Ok(Some(Found { entry, namespace }))
    }

    /// Sets a presence for somebody who was found before.
    pub(super) async fn set(&self, found: &Found, presence: &MapEntry, language: &str) -> Result<(), Error> {
        const OPERATION: &str = "SetUserPresence";
        const ABOUT: About = About { call: OPERATION, changes: true, one: true };
        let data = contract::presence_data(presence, found.namespace.as_deref());
        let asked = self.ask(OPERATION, [data, contract::text("Language", language)]).await;
        asked.map(drop).map_err(|error| error.sorted(ABOUT))
    }

    /// Removes what this origin has set.
    pub(super) async fn remove(&self, email: &str, origin: &str) -> Result<(), Error> {
        const OPERATION: &str = "RemovePresenceSetByOrigin";
        const ABOUT: About = About { call: OPERATION, changes: true, one: true };
        let parameters = [contract::text("EmailAddress", email), contract::text("Origin", origin)];
        self.ask(OPERATION, parameters).await.map(drop).map_err(|error| error.sorted(ABOUT))
    }

    /// Lets changes be told here; `false`: this server tells none.
    pub(super) async fn subscribe(&self) -> Result<bool, Error> {
        let operation = match self.version {
            USER_INFO_SINCE.. => "SubscribeUserInfoChangedEvent",
            PRESENCE_SINCE..USER_INFO_SINCE => "SubscribeUserPresenceChangedEvent",
            _ => return Ok(false),
        };
        let about = About { call: operation, changes: false, one: false };
        self.ask(operation, []).await.map(|_| true).map_err(|error| error.sorted(about))
    }

    /// Asks for a sign of life.
    pub(super) async fn keep_alive(&self) -> Result<(), Error> {
        const OPERATION: &str = "KeepAlive";
        const ABOUT: About = About { call: OPERATION, changes: false, one: false };
        self.ask(OPERATION, []).await.map(drop).map_err(|error| error.sorted(ABOUT))
    }

    /// Whether this server tells of changes.
    pub(super) fn has_events(&self) -> bool {
        self.version >= PRESENCE_SINCE
    }
}
