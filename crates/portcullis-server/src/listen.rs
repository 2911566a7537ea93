//! A shard's own listener: sockets under an accept budget, TLS under a deadline.
//! Never: a socket without a place in the budget, a wait without an end.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use portcullis_model::Denial;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::http::{HttpConnection, Requests};
use crate::refuse::{Who, refuse};
use crate::shard::Shard;
use crate::stream::{Stream, Tcp};

/// Connections the kernel may hold before we accept them.
const BACKLOG: i32 = 1024;
/// After a failed accept (no file descriptors, say), so that the loop does not spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Binds a listener that shares its port with the other shards (`SO_REUSEPORT`).
pub(crate) fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_port(true)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // Accepted sockets inherit it: one system call less for each.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

/// A place in the shard's budget of HTTP connections; given back on drop.
pub(crate) struct Place(Rc<Shard>);

impl Place {
    pub(crate) fn take(shard: &Rc<Shard>) -> Option<Self> {
        let taken = shard.http_connections.get();
        if taken >= shard.options.http_connections_max {
            return None;
        }
        shard.http_connections.set(taken + 1);
        Some(Self(Rc::clone(shard)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.http_connections.set(self.0.http_connections.get().saturating_sub(1));
    }
}

impl Shard {
    /// Accepts until the server drains.
    pub(crate) async fn accept_until_drained(
        self: Rc<Self>,
        listener: TcpListener,
        mut draining: watch::Receiver<bool>,
    ) {
        let tls = self.options.tls.clone().map(TlsAcceptor::from);
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _changed = draining.changed() => return,
            };
            let Ok((socket, peer)) = accepted else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let Some(place) = Place::take(&self) else {
                let who = Who { client: Some(peer.ip()), ..Who::default() };
                let _dropped = refuse(&self, &Denial::Busy, &who, self.now());
                continue;
            };
            let (shard, tls) = (Rc::clone(&self), tls.clone());
            tokio::task::spawn_local(async move {
                if let Some(stream) = shard.secure(socket, peer, tls).await {
                    let (buffer, requests) = (Vec::new(), Requests::default());
                    let http =
                        HttpConnection { shard, stream, peer, buffer, requests, bodiless: false };
                    http.run(place).await;
                }
            });
        }
    }

    async fn secure(
        &self,
        socket: TcpStream,
        peer: SocketAddr,
        tls: Option<TlsAcceptor>,
    ) -> Option<Stream> {
        let Some(acceptor) = tls else {
            return Some(Stream::Plain(Tcp::Here(socket)));
        };
        let deadline = Duration::from_millis(self.options.handshake_timeout_ms);
        match timeout(deadline, acceptor.accept(Tcp::Here(socket))).await {
            Ok(Ok(stream)) => Some(Stream::Tls(Box::new(stream))),
            Ok(Err(_)) | Err(_) => {
                let who =
                    Who { client: Some(peer.ip()), port: Some(peer.port()), ..Who::default() };
                let _told = refuse(self, &Denial::TlsFailed, &who, self.now());
                None
            }
        }
    }
}
