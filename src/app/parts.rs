//! What every task is made from, and how.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicU32};
use std::sync::{Arc, Mutex};

use url::Url;
use uuid::Uuid;

use super::{StartError, Tasks};
use crate::clock::Clock;
use crate::config::{Config, Graph};
use crate::graph::client::Client;
use crate::graph::notification::{PrivateKeys, TokenVerifier};
use crate::graph::token::{Delegated, Identity, People};
use crate::store::Store;
use crate::tasks::appointments::Appointments;
use crate::tasks::confirmer::{Confirmer, Reading};
use crate::tasks::directory::{Directory, Unchanged};
use crate::tasks::dispatcher::{Dispatcher, TeamsCourier, XphoneCourier};
use crate::tasks::heartbeat::Heartbeat;
use crate::tasks::intake::Intake;
use crate::tasks::lifecycle::Lifecycle;
use crate::tasks::listener::Listener;
use crate::tasks::logins::Logins;
use crate::tasks::opener::Opener;
use crate::tasks::policies::Policies;
use crate::tasks::reconciler::{Decider, Purpose, Reconciler};
use crate::tasks::subscriptions::{Addresses, Subscriptions};
use crate::tasks::sweep::Sweep;
use crate::tasks::templates::Templates;
use crate::tasks::upkeep::Upkeep;
use crate::tasks::{Activator, Activators};
use crate::telemetry::Metrics;
use crate::trace::Tracer;
use crate::xphone::XPhone;
use crate::{graph, http};

/// What the tasks are made from.
pub(super) struct Parts<'a> {
    pub(super) config: &'a Config,
    pub(super) store: &'a Store,
    pub(super) clock: &'a Clock,
    pub(super) metrics: &'a Metrics,
    pub(super) tracer: &'a Tracer,
    pub(super) activators: &'a Activators,
    pub(super) replica: Uuid,
}

impl Parts<'_> {
    /// Who signs people in; `None`: people cannot reach us.
    pub(super) fn people(&self) -> Result<Option<Arc<People>>, StartError> {
        let Some(public_url) = &self.config.http.public_url else { return Ok(None) };
        let redirect = under(public_url, http::sign_in::CALLBACK_PATH)?;
        let people = People::new(&self.config.graph, redirect, graph::http_client()?, self.clock.clone())?;
        Ok(Some(Arc::new(people)))
    }

    /// Every task.
    pub(super) fn tasks(&self, people: Option<Arc<People>>) -> Result<Tasks, StartError> {
        let graph_config = &self.config.graph;
        let http = graph::http_client()?;
        let graph = Arc::new(self.graph(http.clone())?);
        let xphone = Arc::new(XPhone::new(&self.config.xphone, self.clock.clone())?);
        let reading = Arc::new(self.reading(Arc::clone(&graph)));
        let (store, clock, metrics) = (|| self.store.clone(), || self.clock.clone(), || self.metrics.clone());
        let (activators, replica) = (|| self.activators.clone(), self.replica);
        let (tenant, origin) = (graph_config.tenant_id, self.config.xphone.origin.clone());
        let keys = Mutex::new((BTreeSet::new(), PrivateKeys::default()));
        let decider = self.decider(Purpose::Serve);
        let opener = Opener::start().map_err(StartError::Threads)?;
        let backlog = opener.backlog().clone();
        let verifier = Arc::new(TokenVerifier::new(graph_config, http.clone(), clock())?);
        Ok(Tasks {
            directory: Directory {
                store: store(),
                graph: Arc::clone(&graph),
                tenant,
                xphone: Arc::clone(&xphone),
                period: self.config.directory.refresh,
                replica,
                clock: clock(),
                activators: activators(),
                unchanged: Unchanged::default(),
            },
            listener: Listener {
                store: store(),
                xphone: Arc::clone(&xphone),
                origin: origin.clone(),
                replica,
                clock: clock(),
                metrics: metrics(),
                tracer: self.tracer.clone(),
                activators: activators(),
                line: tokio::sync::Mutex::default(),
            },
            appointments: Appointments {
                store: store(),
                xphone: Arc::clone(&xphone),
                origin,
                replica,
                clock: clock(),
                activators: activators(),
                tidied: AtomicBool::new(false),
            },
            subscriptions: self.subscriptions(&graph, http)?,
            intake: Intake {
                store: store(),
                verifier,
                tenant,
                clock: clock(),
                metrics: metrics(),
                tracer: self.tracer.clone(),
                keys,
                opener,
                decider: Arc::clone(&decider),
            },
            lifecycle: Lifecycle { store: store(), tenant, clock: clock(), metrics: metrics(), activators: activators() },
            policies: Policies { store: store(), clock: clock(), activators: activators() },
            reconciler: Reconciler(decider),
            heartbeat: Heartbeat {
                store: store(),
                graph: Arc::clone(&graph),
                replica,
                clock: clock(),
                metrics: metrics(),
                living: AtomicU32::new(1),
            },
            templates: self.templates(&xphone),
            xphone_dispatcher: self.xphone_dispatcher(xphone),
            teams_dispatcher: self.teams_dispatcher(graph),
            confirmer: Confirmer { reading: Arc::clone(&reading), backlog },
            sweep: self.sweep(reading),
            logins: people.map(|people| Logins { store: store(), people, replica, clock: clock() }),
            upkeep: Upkeep {
                store: store(),
                clock: clock(),
                audit_kept: self.config.admin.audit_retention,
                presence_kept: self.config.admin.presence_retention,
            },
        })
    }

    pub(super) fn decider(&self, purpose: Purpose) -> Arc<Decider> {
        Arc::new(Decider {
            store: self.store.clone(),
            clock: self.clock.clone(),
            terms: self.config.terms(),
            purpose,
            metrics: self.metrics.clone(),
            tracer: self.tracer.clone(),
            activators: self.activators.clone(),
        })
    }

    fn sweep(&self, reading: Arc<Reading>) -> Sweep {
        let Graph { sweep, requests_per_30_seconds_max, .. } = self.config.graph;
        Sweep {
            reading,
            period: sweep,
            replica: self.replica,
            round: Mutex::default(),
            requests_per_30_seconds_max,
            push: self.push(),
            hurried: Mutex::default(),
        }
    }

    /// Whether Graph can tell us anything.
    pub(super) fn push(&self) -> bool {
        self.config.graph.push && self.config.http.public_url.is_some()
    }

    fn templates(&self, xphone: &Arc<XPhone>) -> Templates {
        Templates {
            store: self.store.clone(),
            xphone: Arc::clone(xphone),
            period: self.config.directory.refresh,
            replica: self.replica,
            clock: self.clock.clone(),
            compared: AtomicBool::new(false),
            round: Mutex::default(),
        }
    }

    pub(super) fn xphone_dispatcher(&self, xphone: Arc<XPhone>) -> Dispatcher<XphoneCourier> {
        let courier = XphoneCourier { xphone, origin: self.config.xphone.origin.clone(), metrics: self.metrics.clone() };
        let activator = self.activators.xphone_dispatcher.clone();
        self.dispatcher(courier, activator)
    }

    fn dispatcher<C>(&self, courier: C, activator: Activator) -> Dispatcher<C> {
        let (clock, metrics, tracer) = (self.clock.clone(), self.metrics.clone(), self.tracer.clone());
        Dispatcher::new(self.store.clone(), courier, clock, metrics, activator, tracer)
    }

    pub(super) fn teams_dispatcher(&self, graph: Arc<Client>) -> Dispatcher<TeamsCourier> {
        let session_life = self.config.graph.timing.session_life;
        let courier = TeamsCourier { graph, session_life, activators: self.activators.clone() };
        let activator = self.activators.teams_dispatcher.clone();
        self.dispatcher(courier, activator)
    }

    pub(super) fn graph(&self, http: reqwest::Client) -> Result<Client, StartError> {
        let identity = Identity::app(&self.config.graph, http.clone(), self.clock.clone())?;
        let metrics = self.metrics.clone();
        let observer = Arc::new(move |endpoint: graph::client::Endpoint, outcome: graph::client::Outcome| {
            metrics.count_graph_request(endpoint.label(), outcome.label());
        });
        Ok(Client::new(&self.config.graph, identity, http, self.clock.clone(), observer))
    }

    pub(super) fn reading(&self, graph: Arc<Client>) -> Reading {
        Reading {
            store: self.store.clone(),
            graph,
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
            activators: self.activators.clone(),
        }
    }

    fn subscriptions(&self, graph: &Arc<Client>, http: reqwest::Client) -> Result<Option<Subscriptions>, StartError> {
        let Graph { push, client_id, .. } = self.config.graph;
        let Some(public_url) = self.config.http.public_url.as_ref().filter(|_| push) else { return Ok(None) };
        Ok(Some(Subscriptions {
            store: self.store.clone(),
            graph: Arc::clone(graph),
            delegated: Delegated::new(&self.config.graph, http, self.clock.clone())?,
            addresses: addresses(public_url)?,
            client_id,
            replica: self.replica,
            clock: self.clock.clone(),
            metrics: self.metrics.clone(),
            activators: self.activators.clone(),
            resting: Mutex::default(),
            known: Mutex::default(),
        }))
    }
}

fn addresses(public_url: &Url) -> Result<Addresses, url::ParseError> {
    Ok(Addresses { notifications: under(public_url, "/graph/notifications")?, lifecycle: under(public_url, "/graph/lifecycle")? })
}

fn under(public_url: &Url, path: &str) -> Result<Url, url::ParseError> {
    format!("{}{path}", public_url.as_str().trim_end_matches('/')).parse()
}
