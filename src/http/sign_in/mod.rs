//! The pages with which users link their own Teams account: a page asks whether they are who the ticket is for, then sends the browser
//! to Entra ID, which sends it back with a code.
//!
//! | step | what proves what |
//! |---|---|
//! | the address with its ticket | whose XPhone user is linked; it is used up by the link, not by opening it: mail scanners open addresses |
//! | the page, and its button | that whoever signs in has read for whom: an address that somebody else sends links nobody by being opened |
//! | the cookie | that the browser that comes back is the one that was sent: state, nonce and PKCE verifier are made from it |
//! | the code | exchanged once, with the verifier and the app's own secret |
//! | the ID token | who signed in: signature, issuer, tenant, audience, time, nonce |
//!
//! Nothing is kept between the steps but the cookie: whoever opens the address a thousand times costs no memory.

mod attempt;
mod language;
mod login;
mod page;
mod throttle;
mod words;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::{BytesRejection, QueryRejection};
use axum::extract::{ConnectInfo, DefaultBodyLimit, Query, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use jiff::Timestamp;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use self::attempt::Attempt;
use self::language::Language;
use self::page::{Form, Page};
use self::throttle::Throttle;
use self::words::{Failure, Message};
use crate::clock::Clock;
use crate::domain::directory::Link;
use crate::store::audit::{self, Actor, Entry, Target};
use crate::store::directory::link::{self, Holders, Named};
use crate::store::ticket::{Maker, SIGN_IN_LIFE, Ticket, is_ticket, use_ticket};
use crate::store::{Store, StoreError, commit};
use crate::tasks::Activators;
use crate::tasks::driver::chain;
use crate::telemetry::Metrics;

pub use self::login::{Login, LoginData, NotSignedIn, Question, SignedIn};

const PATH: &str = "/sign-in";
/// From the page to itself, without its query, wherever a proxy has put it.
const FORM_ACTION: &str = "sign-in";
/// Under which Entra ID sends browsers back; to be registered there.
pub const CALLBACK_PATH: &str = "/sign-in/callback";
/// A form of ours is much shorter.
const FORM_BYTES_MAX: usize = 2048;
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(30);

/// What the pages work with.
#[derive(Clone)]
pub struct SignIn(Arc<Inner>);

struct Inner {
    store: Store,
    clock: Clock,
    metrics: Metrics,
    activators: Activators,
    login: Arc<dyn Login>,
    throttle: Throttle,
    /// Whether browsers reach us over TLS; without it, on loopback only, no cookie can be asked to be secure.
    is_secure: bool,
}

impl std::fmt::Debug for SignIn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SignIn")
    }
}

impl SignIn {
    /// Pages for browsers that reach us by `public_url`.
    #[must_use]
    pub fn new(
        store: Store,
        clock: Clock,
        metrics: Metrics,
        activators: Activators,
        login: Arc<dyn Login>,
        public_url: &Url,
    ) -> Self {
        let (throttle, is_secure) = (Throttle::new(clock.clone()), public_url.scheme() == "https");
        Self(Arc::new(Inner { store, clock, metrics, activators, login, throttle, is_secure }))
    }
}

/// The address that a user is given.
pub(super) fn address(public_url: &Url, ticket: &str) -> String {
    // Nothing in a ticket needs to be encoded.
    format!("{}{PATH}?ticket={ticket}", public_url.as_str().trim_end_matches('/'))
}

pub fn router(sign_in: SignIn) -> Router {
    Router::new()
        .route(PATH, get(ask).post(go_on))
        .route(CALLBACK_PATH, get(come_back))
        // Nothing else answers here: not even what is wrong with a request.
        .method_not_allowed_fallback(async || StatusCode::NOT_FOUND)
        .layer(DefaultBodyLimit::max(FORM_BYTES_MAX))
        .with_state(sign_in)
}

#[derive(Deserialize)]
struct Opened {
    ticket: Option<String>,
}

#[derive(Deserialize)]
struct Returned {
    state: Option<String>,
    code: Option<String>,
    error: Option<String>,
}

type Asked<T> = Result<Query<T>, QueryRejection>;

async fn ask(
    State(SignIn(inner)): State<SignIn>,
    method: Method,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    asked: Asked<Opened>,
) -> Response {
    if method != Method::GET {
        return StatusCode::NOT_FOUND.into_response();
    }
    let ticket = asked.ok().and_then(|Query(opened)| opened.ticket);
    match inner.ask(from, ticket).await {
        Ok((user, form, cookie)) => {
            Page { form: Some(form), ..inner.page(Message::Asked { user }, &headers, Some(cookie)) }.into_response()
        }
        Err(failure) => inner.page(Message::Failed(failure), &headers, None).into_response(),
    }
}

async fn go_on(
    State(SignIn(inner)): State<SignIn>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    form: Result<Bytes, BytesRejection>,
) -> Response {
    match inner.go_on(from, &headers, form).await {
        Ok((address, cookie)) => page::leave_for(&address, &cookie),
        Err(failure) => inner.page(Message::Failed(failure), &headers, None).into_response(),
    }
}

async fn come_back(
    State(SignIn(inner)): State<SignIn>,
    method: Method,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
    asked: Asked<Returned>,
) -> Response {
    if method != Method::GET {
        return StatusCode::NOT_FOUND.into_response();
    }
    let message = inner.come_back(from, &headers, asked).await.map_or_else(Message::Failed, Message::Linked);
    let cookie = Some(attempt::forget(inner.is_secure));
    inner.page(message, &headers, cookie).into_response()
}

impl Inner {
    fn page(&self, message: Message, headers: &HeaderMap, cookie: Option<HeaderValue>) -> Page {
        self.metrics.count_sign_in(message.label());
        Page { message, language: Language::of(headers), cookie, form: None }
    }

    /// For whom the link is, what the button sends, and with which cookie.
    async fn ask(&self, from: SocketAddr, ticket: Option<String>) -> Result<(Option<String>, Form, HeaderValue), Failure> {
        self.throttle.pass(from.ip()).map_err(Failure::TooMany)?;
        let text = ticket.filter(|ticket| is_ticket(ticket)).ok_or(Failure::TicketGone)?;
        let attempt = Attempt::new(text).ok_or(Failure::GatewayAway)?;
        let (ticket, address) = self.way(&attempt, self.clock.now()).await?;
        let fields = [("ticket", attempt.ticket().to_owned()), ("proof", attempt.proof())];
        let form = Form { action: FORM_ACTION, fields, leads_to: address.origin().ascii_serialization() };
        Ok((ticket.called, form, attempt.cookie(self.is_secure)))
    }

    /// Where to send the browser, and with which cookie.
    async fn go_on(
        &self,
        from: SocketAddr,
        headers: &HeaderMap,
        form: Result<Bytes, BytesRejection>,
    ) -> Result<(HeaderValue, HeaderValue), Failure> {
        self.throttle.pass(from.ip()).map_err(Failure::TooMany)?;
        let form = form.map_err(|_| Failure::BeginAgain)?;
        let field = |name: &str| url::form_urlencoded::parse(&form).find(|(key, _)| key == name).map(|(_, value)| value);
        let (ticket, proof) = field("ticket").zip(field("proof")).ok_or(Failure::BeginAgain)?;
        let attempt =
            Attempt::of(headers, self.is_secure).filter(|attempt| attempt.ticket() == ticket && attempt.is_proof(&proof));
        let attempt = attempt.ok_or(Failure::BeginAgain)?;
        // Whoever opened the page in time may read it in peace.
        let (_, address) = self.way(&attempt, self.clock.now() - SIGN_IN_LIFE).await?;
        let address = HeaderValue::from_str(address.as_str()).map_err(|_| Failure::GatewayAway)?;
        Ok((address, attempt.cookie(self.is_secure)))
    }

    /// The way to the login server, if the ticket was good then.
    async fn way(&self, attempt: &Attempt, then: Timestamp) -> Result<(Ticket, Url), Failure> {
        let ticket = self.store.ticket(attempt.ticket(), then).await?.ok_or(Failure::TicketGone)?;
        let (state, nonce, verifier) = (attempt.state(), attempt.nonce(), attempt.verifier());
        let question = Question { state: &state, nonce: &nonce, verifier: &verifier, remember: ticket.remembers_login };
        let address = self.login.address(question);
        Ok((ticket, address))
    }

    async fn come_back(&self, from: SocketAddr, headers: &HeaderMap, asked: Asked<Returned>) -> Result<words::Linked, Failure> {
        self.throttle.pass(from.ip()).map_err(Failure::TooMany)?;
        let Query(returned) = asked.map_err(|_| Failure::BeginAgain)?;
        let attempt = Attempt::of(headers, self.is_secure).ok_or(Failure::BeginAgain)?;
        if !returned.state.is_some_and(|state| attempt.is_state(&state)) {
            return Err(Failure::BeginAgain);
        }
        if let Some(error) = returned.error {
            return Err(refused(&error));
        }
        let code = returned.code.ok_or(Failure::BeginAgain)?;
        // A ticket that is gone would waste the code, and the person's patience.
        if !self.store.can_be_used(attempt.ticket(), self.clock.now()).await? {
            return Err(Failure::TicketGone);
        }
        let (state, nonce, verifier) = (attempt.state(), attempt.nonce(), attempt.verifier());
        let question = Question { state: &state, nonce: &nonce, verifier: &verifier, remember: false };
        let signed_in = self.login.identify(&code, question).await.map_err(not_signed_in)?;
        self.link(attempt.ticket(), signed_in, from).await
    }

    /// Uses the ticket up and makes the link, both or neither.
    async fn link(&self, ticket: &str, signed_in: SignedIn, from: SocketAddr) -> Result<words::Linked, Failure> {
        let now = self.clock.now();
        let mut tx = self.store.begin().await?;
        let ticket = use_ticket(&mut tx, ticket, now).await?.ok_or(Failure::TicketGone)?;
        let before = link::lock_link(&mut tx, ticket.user).await?.ok_or(Failure::TicketGone)?;
        let named = Named::Id(signed_in.account);
        // Nobody takes the account of somebody else with an address of their own making, not even with that person's help.
        let holders = if ticket.maker.takes_nothing { Holders::Nobody } else { Holders::Anybody };
        linked(link::link(&mut tx, ticket.user, named, holders, link::BY_SIGNING_IN, now).await?)?;
        let (kept, told) = kept(&ticket, &signed_in);
        if let Some(refresh_token) = kept {
            let link = Link { user: ticket.user, teams_user: signed_in.account };
            self.store.keep_login(&mut tx, link, refresh_token, now).await?;
        }
        let actor = Actor::Person(signed_in.account.to_string());
        let Maker { kind, name, .. } = &ticket.maker;
        let made_by = json!({"kind": kind, "name": name});
        let after = json!({"id": signed_in.account.0, "login_data_kept": kept.is_some(), "address_made_by": made_by});
        let entry = Entry {
            actor: &actor,
            remote: Some(from.ip().to_canonical()),
            action: "teams-account linked by signing in",
            target: Target { kind: "user", id: Some(ticket.user.to_string()) },
            before: before.map(|id| json!({"id": id.0})),
            after: Some(after),
        };
        audit::record(&mut tx, &entry, now).await?;
        commit(tx).await?;
        self.activators.directory.wake();
        Ok(words::Linked { account: signed_in.name, user: ticket.called, login: told })
    }
}

/// What is kept of the login data, and what the person is told about it.
fn kept<'a>(ticket: &Ticket, signed_in: &'a SignedIn) -> (Option<&'a SecretString>, words::Login) {
    match &signed_in.login {
        _ if !ticket.remembers_login => (None, words::Login::NotWanted),
        LoginData::Given(refresh_token) => (Some(refresh_token), words::Login::Kept),
        LoginData::Federated => (None, words::Login::Federated),
        LoginData::None | LoginData::Unclear => (None, words::Login::Unclear),
    }
}

fn linked(linked: link::Linked) -> Result<(), Failure> {
    match linked {
        link::Linked::Done(_) => Ok(()),
        link::Linked::NoSuchUser => Err(Failure::TicketGone),
        link::Linked::NoSuchAccount => Err(Failure::AccountUnknown),
        link::Linked::Disabled => Err(Failure::AccountDisabled),
        link::Linked::Taken(_) | link::Linked::OutOfReach => Err(Failure::AccountTaken),
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        tracing::error!(error = %chain(&error), "a sign-in failed");
        Self::GatewayAway
    }
}

fn not_signed_in(why: NotSignedIn) -> Failure {
    match why {
        NotSignedIn::Again => Failure::BeginAgain,
        NotSignedIn::Forged => Failure::NotBelieved,
        NotSignedIn::OtherTenant => Failure::OtherTenant,
        NotSignedIn::Later => Failure::LoginServerAway(TRY_AGAIN_AFTER),
        NotSignedIn::Refused => Failure::LoginServerRefuses,
    }
}

/// What Entra ID says in the place of a code; the word itself is shown to nobody.
fn refused(error: &str) -> Failure {
    match error {
        "access_denied" | "consent_required" => Failure::Denied,
        "temporarily_unavailable" | "server_error" => Failure::LoginServerAway(TRY_AGAIN_AFTER),
        "login_required" | "interaction_required" | "account_selection_required" => Failure::BeginAgain,
        _ => {
            tracing::warn!("Entra ID refuses people who sign in: check the app registration against the documentation");
            Failure::LoginServerRefuses
        }
    }
}

/// A header of ours, as it came.
fn text<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> impl Iterator<Item = &'a str> {
    headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok())
}
