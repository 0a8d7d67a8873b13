//! Microsoft Graph and XPhone Connect over real HTTP, for the demo and the tests; they share no code with the gateway.

pub mod clock;
pub mod graph;
pub mod wcf;
pub mod xphone;

use std::io;
use std::net::SocketAddr;

use tokio::net::TcpListener;

/// Listens; what stands in the way is told with the address.
async fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| io::Error::new(error.kind(), format!("cannot listen on {address}: {error}")))
}
