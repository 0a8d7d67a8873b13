//! What connections come in by: plain, behind a proxy, or encrypted by the gateway itself.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// Whoever has not agreed on a key by then is not waited for.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// Handshakes under way; further connections wait in the system's queue.
const HANDSHAKES_MAX: usize = 512;

/// A connection, encrypted or not.
pub(super) enum Line {
    /// As it comes.
    Plain(TcpStream),
    /// With TLS.
    Tls(Box<TlsStream<TcpStream>>),
}

/// Where connections come in.
pub(super) enum Door {
    /// As they come.
    Plain(TcpListener),
    /// Each agrees on a key first; slow ones hold up nobody.
    Tls(TlsDoor),
}

/// Connections that agree on a key while others come in.
pub(super) struct TlsDoor {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    handshakes: JoinSet<Option<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl Door {
    pub(super) fn plain(listener: TcpListener) -> Self {
        Self::Plain(listener)
    }

    pub(super) fn tls(listener: TcpListener, config: Arc<tokio_rustls::rustls::ServerConfig>) -> Self {
        Self::Tls(TlsDoor { listener, acceptor: config.into(), handshakes: JoinSet::new() })
    }
}

impl Listener for Door {
    type Io = Line;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Line, SocketAddr) {
        match self {
            Self::Plain(listener) => {
                let (stream, from) = Listener::accept(listener).await;
                (Line::Plain(stream), from)
            }
            Self::Tls(door) => {
                let (stream, from) = door.accept().await;
                (Line::Tls(Box::new(stream)), from)
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        match self {
            Self::Plain(listener) => listener.local_addr(),
            Self::Tls(door) => door.listener.local_addr(),
        }
    }
}

impl TlsDoor {
    async fn accept(&mut self) -> (TlsStream<TcpStream>, SocketAddr) {
        loop {
            let may_begin = self.handshakes.len() < HANDSHAKES_MAX;
            tokio::select! {
                Some(done) = self.handshakes.join_next(), if !self.handshakes.is_empty() => {
                    if let Ok(Some(line)) = done {
                        return line;
                    }
                }
                (stream, from) = Listener::accept(&mut self.listener), if may_begin => self.begin(stream, from),
            }
        }
    }

    fn begin(&mut self, stream: TcpStream, from: SocketAddr) {
        let handshake = self.acceptor.accept(stream);
        self.handshakes.spawn(async move {
            match tokio::time::timeout(HANDSHAKE_MAX, handshake).await {
                Ok(Ok(stream)) => Some((stream, from)),
                // Scanners and health checks of proxies do this all day.
                Ok(Err(error)) => {
                    tracing::debug!(error = %error, "a connection did not agree on a key");
                    None
                }
                Err(_) => None,
            }
        });
    }
}

impl AsyncRead for Line {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Line {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, bytes),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }
}
