//! A tiny server on the loopback, for the tests of this folder.

use axum::Router;
use jiff::Timestamp;
use secrecy::SecretString;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use url::Url;
use uuid::Uuid;

use crate::config::{Cloud, Credential, Graph};
use crate::domain::reconcile::Timing;

pub(super) const TENANT: Uuid = Uuid::from_u128(0x1111_2222_3333_4444_5555_6666_7777_8888);
pub(super) const CLIENT: Uuid = Uuid::from_u128(0xaaaa_bbbb_cccc_4ddd_8eee_ffff_0000_1111);

/// Stops when it is dropped.
pub(super) struct Server {
    pub url: Url,
    _running: JoinSet<()>,
}

pub(super) async fn serve(router: Router) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let mut running = JoinSet::new();
    running.spawn(async move { axum::serve(listener, router).await.unwrap() });
    Server { url, _running: running }
}

/// Settings that lead both Graph and Entra ID to `url`.
pub(super) fn settings(url: &Url) -> Graph {
    use std::time::Duration;
    Graph {
        cloud: Cloud::Global,
        base_url: url.clone(),
        login_url: url.clone(),
        tenant_id: TENANT,
        client_id: CLIENT,
        credential: Credential::Secret(SecretString::from("a shared secret")),
        push: true,
        sweep: Duration::from_mins(1),
        requests_per_30_seconds_max: 1500,
        timing: Timing::default(),
    }
}

pub(super) fn noon() -> Timestamp {
    "2026-11-22T12:00:00Z".parse().unwrap()
}
