//! Stand-ins for Entra ID, Graph and XPhone: they tell what is so, and note when what the gateway pushes arrives.

mod teams;
mod xphone;

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Instant;

use axum::Router;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::get;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use uuid::Uuid;

use self::teams::Teams;
use self::xphone::Xphone;
use crate::Failure;
use crate::ledger::Ledger;
use crate::plan::{Change, Direction, begins_in_call};
use crate::surroundings::people::People;
use crate::surroundings::welcome;

/// The other systems, running until dropped.
pub struct StandIns {
    /// What arrived.
    pub ledger: Arc<Ledger>,
    /// Their address, without a slash at the end.
    pub address: String,
    teams: Arc<Teams>,
    xphone: Arc<Xphone>,
    _running: JoinSet<std::io::Result<()>>,
}

impl StandIns {
    /// Starts them on the loopback, some people in calls; what the gateway is to show of that is waited for from now on.
    pub async fn start(people: &People, published_keys: Value) -> Result<Self, Failure> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = format!("http://{}", listener.local_addr()?);
        let ledger = Arc::new(Ledger::new(people.teams.len()));
        let teams = Arc::new(Teams::new(Places::of(&people.teams), Arc::clone(&ledger)));
        let xphone = Arc::new(Xphone::new(people, Arc::clone(&ledger)));
        let router = Router::new()
            .route("/nothing", get(async || StatusCode::NO_CONTENT))
            .merge(teams::router(&teams))
            .merge(xphone::router(&xphone))
            .merge(welcome::router(&address, published_keys));
        let mut running = JoinSet::new();
        running.spawn(async move { axum::serve(listener, router).await });
        let stand_ins = Self { ledger, address, teams, xphone, _running: running };
        for person in (0..people.teams.len()).filter(|person| begins_in_call(*person)) {
            stand_ins.change(person, true);
        }
        Ok(stand_ins)
    }

    /// It happens now: from here on it is waited for.
    pub fn happen(&self, change: Change) {
        self.change(change.person, change.in_call);
    }

    fn change(&self, person: usize, in_call: bool) {
        self.ledger.change(person, in_call);
        match Direction::of(person) {
            Direction::TeamsToXphone => self.teams.change(person, in_call),
            Direction::XphoneToTeams => self.xphone.change(person, in_call),
        }
    }
}

/// When a request's head had been read.
#[derive(Clone, Copy)]
struct Arrived(Instant);

impl<S: Sync> FromRequestParts<S> for Arrived {
    type Rejection = Infallible;

    async fn from_request_parts(_: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self(Instant::now()))
    }
}

/// Whose id is whose.
struct Places(HashMap<Uuid, usize>);

impl Places {
    fn of(ids: &[Uuid]) -> Self {
        Self(ids.iter().copied().zip(0..).collect())
    }

    fn find(&self, id: Uuid) -> Option<usize> {
        self.0.get(&id).copied()
    }
}
