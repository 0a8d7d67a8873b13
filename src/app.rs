//! The composition root: wires store, clients, tasks and listeners, starts them and stops them.

mod certificate;
mod listener;
mod login;
mod parts;
mod standing;
mod withdrawal;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use axum::serve::ListenerExt as _;
use jiff::SignedDuration;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower_http::timeout::TimeoutLayer;
use url::Url;
use uuid::Uuid;

pub use self::certificate::CertificateError;
use self::certificate::Shown;
use self::listener::Door;
use self::login::EntraLogin;
use self::parts::Parts;
pub use self::withdrawal::{Strays, Undeleted, Withdrawal};
use crate::clock::Clock;
use crate::config::{Config, TlsFiles};
use crate::domain::reconcile::Terms;
use crate::graph::token::{Delegated, People};
use crate::http::{self, Admin, Auth, Reports, SignIn, Webhook};
use crate::store::feed::Feed;
use crate::store::sign::{Saying, Sign};
use crate::store::{Store, StoreError};
use crate::tasks::Activators;
use crate::tasks::appointments::Appointments;
use crate::tasks::confirmer::Confirmer;
use crate::tasks::depositor;
use crate::tasks::directory::Directory;
use crate::tasks::dispatcher::{Dispatcher, TeamsCourier, XphoneCourier};
use crate::tasks::driver::{Task, chain, drive};
use crate::tasks::enrolment::desk;
use crate::tasks::heartbeat::Heartbeat;
use crate::tasks::intake::Intake;
use crate::tasks::lifecycle::Lifecycle;
use crate::tasks::listener::Listener;
use crate::tasks::logins::Logins;
use crate::tasks::policies::Policies;
use crate::tasks::reconciler::Reconciler;
use crate::tasks::subscriptions::Subscriptions;
use crate::tasks::sweep::Sweep;
use crate::tasks::templates::Templates;
use crate::tasks::upkeep::Upkeep;
use crate::telemetry::{Metrics, TelemetryError};
use crate::trace::{TraceError, Tracer};
use crate::{graph, tasks, xphone};

/// How often queues are looked at though nothing woke their task.
const QUEUE_PERIOD: Duration = Duration::from_secs(1);
/// How long notifications wait for others to be confirmed with them.
const CONFIRM_PERIOD: Duration = Duration::from_millis(250);
const SUBSCRIPTIONS_PERIOD: Duration = Duration::from_secs(10);
/// A replica counts as gone after four of these.
const HEARTBEAT_PERIOD: Duration = Duration::from_secs(5);
const UPKEEP_PERIOD: Duration = Duration::from_hours(1);
const LOGINS_PERIOD: Duration = Duration::from_mins(10);
/// A request that takes longer, its sending included, is given up.
const REQUEST_MAX: Duration = Duration::from_secs(15);
/// A soft stop that takes longer becomes a hard one.
pub const SOFT_STOP_MAX: Duration = Duration::from_secs(30);

/// Why the gateway cannot start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Our memory fails.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The metrics fail.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// Traces cannot be sent.
    #[error(transparent)]
    Trace(#[from] TraceError),
    /// The HTTP client cannot be made.
    #[error("the HTTP client cannot be set up: are the system's root certificates there?")]
    Http(#[from] reqwest::Error),
    /// The app registration's credential cannot be used.
    #[error(transparent)]
    Token(#[from] graph::token::Error),
    /// XPhone's client cannot be made.
    #[error(transparent)]
    Xphone(#[from] xphone::Error),
    /// The system gives no more threads.
    #[error("no threads can be started to decrypt on")]
    Threads(#[source] io::Error),
    /// An address cannot be built from the settings.
    #[error("graph.login_url or http.public_url is no address to build on")]
    Address(#[from] url::ParseError),
    /// A listener's certificate cannot be shown.
    #[error("{setting}")]
    Certificate {
        /// The setting that names it.
        setting: &'static str,
        /// What is wrong with it.
        source: Box<CertificateError>,
    },
    /// The cryptography that is compiled in does not do.
    #[error("TLS cannot be set up")]
    Tls(#[from] tokio_rustls::rustls::Error),
    /// Somebody takes everything back just now.
    #[error("`presence-gateway withdraw` is taking back what this database's gateways show: start again when it has ended")]
    Withdrawing,
    /// A port is taken, or not ours to take.
    #[error("cannot listen on {address}; choose another address for {setting}")]
    Listen {
        /// The setting that names it.
        setting: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
}

/// The gateway, wired but not running: every task may be run by hand, as the tests do.
pub struct App {
    /// Our memory.
    pub store: Store,
    /// Time.
    pub clock: Clock,
    /// What is counted.
    pub metrics: Metrics,
    /// Follows some changes.
    pub tracer: Tracer,
    /// Everything that runs by itself, in the order in which a change passes through it.
    pub tasks: Box<Tasks>,
    activators: Activators,
    auth: Auth,
    people: Option<Arc<People>>,
    delegated: Delegated,
    public_url: Option<Url>,
    terms: Terms,
    push: bool,
    presence_kept: SignedDuration,
    replica: Uuid,
}

/// Every task.
pub struct Tasks {
    /// People and profiles.
    pub directory: Directory,
    /// What XPhone shows.
    pub listener: Listener,
    /// What of ours is in XPhone.
    pub appointments: Appointments,
    /// Graph's subscriptions; `None`: without push.
    pub subscriptions: Option<Subscriptions>,
    /// Posts become observations.
    pub intake: Intake,
    /// Lifecycle notifications.
    pub lifecycle: Lifecycle,
    /// Wakes whom a change of policy concerns.
    pub policies: Policies,
    /// Decides.
    pub reconciler: Reconciler,
    /// Sends to XPhone.
    pub xphone_dispatcher: Dispatcher<XphoneCourier>,
    /// Sends to Teams.
    pub teams_dispatcher: Dispatcher<TeamsCourier>,
    /// Confirms.
    pub confirmer: Confirmer,
    /// Reads everybody.
    pub sweep: Sweep,
    /// Profile templates in XPhone.
    pub templates: Templates,
    /// Proves links anew; `None`: people cannot reach us to sign in.
    pub logins: Option<Logins>,
    /// Says that we live.
    pub heartbeat: Heartbeat,
    /// Forgets.
    pub upkeep: Upkeep,
}

impl App {
    /// Wires the gateway on a store whose schema is up to date.
    ///
    /// # Errors
    /// See [`StartError`].
    pub fn new(config: &Config, store: Store, clock: Clock) -> Result<Self, StartError> {
        let metrics = Metrics::new()?;
        prepare(&metrics, config);
        let activators = Activators::default();
        let replica = Uuid::new_v4();
        let tracer = match &config.telemetry.otlp_endpoint {
            Some(endpoint) => Tracer::sending(endpoint.as_str(), config.telemetry.traces_percent, replica)?,
            None => Tracer::off(),
        };
        let parts =
            Parts { config, store: &store, clock: &clock, metrics: &metrics, tracer: &tracer, activators: &activators, replica };
        let people = parts.people()?;
        let push = parts.push();
        let tasks = Box::new(parts.tasks(people.clone())?);
        let delegated = Delegated::new(&config.graph, graph::http_client()?, clock.clone())?;
        let public_url = config.http.public_url.clone();
        let entra = config.admin.oidc.as_ref().map(|settings| graph::http_client().map(|http| (settings, http))).transpose()?;
        let auth = Auth::new(store.clone(), clock.clone(), config.admin.bootstrap_token.clone(), entra);
        let (terms, presence_kept) = (config.terms(), config.admin.presence_retention);
        Ok(Self {
            store,
            clock,
            metrics,
            tracer,
            tasks,
            activators,
            auth,
            people,
            delegated,
            public_url,
            terms,
            push,
            presence_kept,
            replica,
        })
    }

    /// Binds both listeners, lets it be known that a gateway serves, and starts everything.
    ///
    /// # Errors
    /// An address cannot be listened on, or somebody takes everything back just now.
    pub async fn start(self, config: &Config) -> Result<Running, StartError> {
        let Doors { public, admin, certificates } = doors(config).await?;
        let sign = self.store.put_up(Saying::Serving).await?.ok_or(StartError::Withdrawing)?;
        let mut running = self.start_behind(public, admin);
        running.follow(certificates);
        running.keep_up(sign);
        Ok(running)
    }

    /// Starts everything on listeners that are bound already.
    #[must_use]
    pub fn start_on(self, public: TcpListener, admin: TcpListener) -> Running {
        self.start_behind(Door::plain(public), Door::plain(admin))
    }

    fn start_behind(self, public: Door, admin: Door) -> Running {
        let running = self.listen_behind(public, admin);
        let Self { tasks, clock, metrics, activators, .. } = self;
        for (task, period, activator) in tasks.with_periods(&activators) {
            let stop = running.stop_tasks.clone();
            running.tracker.spawn(drive(task, period, activator, stop, clock.clone(), metrics.clone()));
        }
        running
    }

    /// Starts only what answers others; the tasks can be run by hand.
    #[must_use]
    pub fn listen_on(&self, public: TcpListener, admin: TcpListener) -> Running {
        self.listen_behind(Door::plain(public), Door::plain(admin))
    }

    fn listen_behind(&self, public: Door, admin: Door) -> Running {
        let (tracker, stop_tasks, stop_http) = (TaskTracker::new(), CancellationToken::new(), CancellationToken::new());
        let room = self.tasks.intake.opener.room().clone();
        let (deposits, depositor) = depositor::channel(self.store.clone(), self.activators.clone(), room);
        let webhook = Webhook { deposits, clock: self.clock.clone(), metrics: self.metrics.clone(), tracer: self.tracer.clone() };
        // What is still coming in when the gateway stops is written as well: posts are taken until the public listener has ended.
        let listened = CancellationToken::new();
        tracker.spawn(depositor.run(listened.clone()));
        let (delegated, store, clock) = (self.delegated.clone(), self.store.clone(), self.clock.clone());
        let (enrolments, desk) = desk::open(delegated, store, clock, self.activators.clone());
        tracker.spawn(desk.run(stop_tasks.clone()));
        // Whoever sends slowly holds a body's worth of memory.
        let in_time = TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, REQUEST_MAX);
        let answers = http::public_router(webhook, self.sign_in()).layer(in_time);
        let answering = serve(public, answers, stop_http.clone());
        tracker.spawn(async move {
            let _when_ended = listened.drop_guard();
            answering.await;
        });
        tracker.spawn(serve(admin, http::admin_router(self.admin(enrolments), REQUEST_MAX), stop_http.clone()));
        tracker.close();
        let standing = Standing::default();
        // Nobody stands unless somebody is told to.
        standing.tracker.close();
        let store = self.store.clone();
        Running { tracker, stop_tasks, stop_http, standing, store, replica: self.replica, tracer: self.tracer.clone() }
    }

    fn sign_in(&self) -> Option<SignIn> {
        let (people, public_url) = (self.people.clone()?, self.public_url.as_ref()?);
        let (store, clock, activators) = (self.store.clone(), self.clock.clone(), self.activators.clone());
        Some(SignIn::new(store, clock, self.metrics.clone(), activators, Arc::new(EntraLogin { people }), public_url))
    }

    fn admin(&self, enrolments: desk::Enrolments) -> Admin {
        Admin {
            store: self.store.clone(),
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
            activators: self.activators.clone(),
            auth: self.auth.clone(),
            enrolments,
            reports: Reports::new(self.clock.clone()),
            people: http::PeopleCounts::default(),
            public_url: self.public_url.clone(),
            terms: self.terms,
            push: self.push,
            presence_kept: self.presence_kept,
        }
    }
}

impl Tasks {
    fn with_periods(self, wake: &Activators) -> Vec<(Box<dyn Task>, Duration, tasks::Activator)> {
        let mut all: Vec<(Box<dyn Task>, Duration, tasks::Activator)> = vec![
            (Box::new(self.directory), QUEUE_PERIOD, wake.directory.clone()),
            (Box::new(self.listener), QUEUE_PERIOD, wake.listener.clone()),
            (Box::new(self.appointments), QUEUE_PERIOD, wake.appointments.clone()),
            (Box::new(self.intake), QUEUE_PERIOD, wake.intake.clone()),
            (Box::new(self.lifecycle), QUEUE_PERIOD, wake.lifecycle.clone()),
            (Box::new(self.policies), QUEUE_PERIOD, wake.policies.clone()),
            (Box::new(self.reconciler), QUEUE_PERIOD, wake.reconciler.clone()),
            (Box::new(self.xphone_dispatcher), QUEUE_PERIOD, wake.xphone_dispatcher.clone()),
            (Box::new(self.teams_dispatcher), QUEUE_PERIOD, wake.teams_dispatcher.clone()),
            (Box::new(self.confirmer), CONFIRM_PERIOD, wake.confirmer.clone()),
            (Box::new(self.sweep), QUEUE_PERIOD, wake.sweep.clone()),
            (Box::new(self.templates), QUEUE_PERIOD, wake.templates.clone()),
            (Box::new(self.heartbeat), HEARTBEAT_PERIOD, wake.heartbeat.clone()),
            (Box::new(self.upkeep), UPKEEP_PERIOD, wake.upkeep.clone()),
        ];
        if let Some(subscriptions) = self.subscriptions {
            all.push((Box::new(subscriptions), SUBSCRIPTIONS_PERIOD, wake.subscriptions.clone()));
        }
        if let Some(logins) = self.logins {
            all.push((Box::new(logins), LOGINS_PERIOD, wake.logins.clone()));
        }
        all
    }
}

/// What Prometheus can be told before anything has happened.
fn prepare(metrics: &Metrics, config: &Config) {
    let endpoints = graph::client::Endpoint::ALL.map(graph::client::Endpoint::label);
    metrics.begin_at_zero(&graph::notification::Refusal::ALL.map(graph::notification::Refusal::label), &endpoints);
    let periods = [
        (Feed::Directory, config.directory.refresh),
        (Feed::Sweep, config.graph.sweep),
        (Feed::XphonePresence, tasks::listener::SWEEP_PERIOD.unsigned_abs()),
        (Feed::Appointments, tasks::appointments::PERIOD),
        (Feed::Templates, config.directory.refresh),
    ];
    for (feed, period) in periods {
        metrics.note_feed_period(feed.label(), period);
    }
}

async fn listen(setting: &'static str, address: SocketAddr) -> Result<TcpListener, StartError> {
    TcpListener::bind(address).await.map_err(|source| StartError::Listen { setting, address, source })
}

/// Where both listeners let in, and the certificates they show.
struct Doors {
    public: Door,
    admin: Door,
    certificates: Vec<Shown>,
}

async fn doors(config: &Config) -> Result<Doors, StartError> {
    let http = &config.http;
    let mut certificates = Vec::new();
    let mut door = |listener, setting, files: Option<&TlsFiles>| -> Result<Door, StartError> {
        let Some(files) = files else { return Ok(Door::plain(listener)) };
        let shown = Shown::read(setting, files).map_err(|error| StartError::Certificate { setting, source: Box::new(error) })?;
        let door = Door::tls(listener, shown.server_config()?);
        certificates.push(shown);
        Ok(door)
    };
    let public = listen("http.public_listen", http.public_listen).await?;
    let public = door(public, "http.public_tls_certificate_file", http.public_tls.as_ref())?;
    let admin = listen("http.admin_listen", http.admin_listen).await?;
    let admin = door(admin, "http.admin_tls_certificate_file", http.admin_tls.as_ref())?;
    Ok(Doors { public, admin, certificates })
}

async fn serve(door: Door, router: axum::Router, stop: CancellationToken) {
    let router = router.into_make_service_with_connect_info::<SocketAddr>();
    // Of a door of ours axum takes the peer's address only through this.
    let served = axum::serve(door.tap_io(|_| ()), router).with_graceful_shutdown(stop.cancelled_owned());
    if let Err(error) = served.await {
        tracing::error!(error = %chain(&error), "a listener ended");
    }
}

/// The running gateway.
pub struct Running {
    tracker: TaskTracker,
    stop_tasks: CancellationToken,
    stop_http: CancellationToken,
    standing: Standing,
    store: Store,
    replica: Uuid,
    tracer: Tracer,
}

/// The sign that this gateway serves: it falls when everything else has ended.
#[derive(Default)]
struct Standing {
    tracker: TaskTracker,
    stop: CancellationToken,
    evicted: CancellationToken,
}

impl Running {
    fn follow(&mut self, certificates: Vec<Shown>) {
        for shown in certificates {
            self.standing.tracker.spawn(shown.follow(self.standing.stop.clone()));
        }
    }

    fn keep_up(&mut self, sign: Sign) {
        let Standing { tracker, stop, evicted } = &self.standing;
        tracker.spawn(standing::keep(sign, stop.clone(), evicted.clone()));
    }

    /// Completes when this gateway must end, since somebody takes everything back.
    pub async fn evicted(&self) {
        self.standing.evicted.cancelled().await;
    }

    /// Stops softly: answers what has come in, finishes what has begun, takes nothing back. Past [`SOFT_STOP_MAX`], or when
    /// `hurry` completes, it stops hard; the next run repairs what that leaves.
    pub async fn stop(self, hurry: impl Future<Output = ()>) {
        self.stop_http.cancel();
        self.stop_tasks.cancel();
        let ended = async {
            self.tracker.wait().await;
            let left = self.store.release_leases(self.replica).await.and(self.store.forget_replica(self.replica).await);
            if let Err(error) = left {
                tracing::warn!(error = %chain(&error), "leases could not be given up; they run out by themselves");
            }
            self.standing.stop.cancel();
            self.standing.tracker.wait().await;
            self.store.close().await;
            // What was seen last leaves last; the receiver may take its time.
            let tracer = self.tracer.clone();
            if tokio::task::spawn_blocking(move || tracer.flush_and_stop()).await.is_err() {
                tracing::warn!("the last spans could not be sent");
            }
        };
        tokio::select! {
            () = ended => (),
            () = tokio::time::sleep(SOFT_STOP_MAX) => tracing::warn!("the soft stop took too long: stopping hard"),
            () = hurry => tracing::warn!("stopping hard"),
        }
    }
}
