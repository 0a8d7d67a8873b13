//! What stands before the replicas in production: spreads connections over those that take them.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

type Behind = Arc<Mutex<Vec<SocketAddr>>>;

/// Ends, with its connections, when dropped.
pub struct Balancer {
    pub address: SocketAddr,
    behind: Behind,
    _serving: JoinSet<()>,
}

impl Balancer {
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (address, behind) = (listener.local_addr().unwrap(), Behind::default());
        let mut serving = JoinSet::new();
        serving.spawn(serve(listener, Arc::clone(&behind)));
        Self { address, behind, _serving: serving }
    }

    /// From now on connections go to these, in turn.
    pub fn point_at(&self, replicas: impl IntoIterator<Item = SocketAddr>) {
        *self.behind.lock().unwrap() = replicas.into_iter().collect();
    }
}

async fn serve(listener: TcpListener, behind: Behind) {
    let mut connections = JoinSet::new();
    loop {
        let (mut client, _) = listener.accept().await.unwrap();
        while connections.try_join_next().is_some() {}
        let behind = Arc::clone(&behind);
        connections.spawn(async move {
            if let Some(mut server) = connect(&behind).await {
                // Either may break off: that is theirs to deal with.
                _ = copy_bidirectional(&mut client, &mut server).await;
            }
        });
    }
}

/// The next that takes the connection.
async fn connect(behind: &Behind) -> Option<TcpStream> {
    let candidates = {
        let mut behind = behind.lock().unwrap();
        if !behind.is_empty() {
            behind.rotate_left(1);
        }
        behind.clone()
    };
    for replica in candidates {
        if let Ok(stream) = TcpStream::connect(replica).await {
            return Some(stream);
        }
    }
    None
}
