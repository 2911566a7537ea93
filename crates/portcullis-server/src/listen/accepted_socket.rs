//! One accepted socket: PROXY header, limits, TLS, then HTTP.
//! Never: a wait without a deadline.

use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use portcullis_guard::{ClientClass, TlsClass};
use portcullis_model::{Denial, Limit};
use portcullis_wire::proxy_protocol::{HEADER_MAX_BYTES, ProxyHeader, read_proxy_header};
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use crate::http::connection::HttpConnection;
use crate::http::serve::serve_connection;
use crate::listen::intake_slots::IntakeSlot;
use crate::listen::listener_kind::ListenerKind;
use crate::listen::receive_rate::in_time;
use crate::listen::stream::{Stream, Tcp};
use crate::listen::tls_handshake::handshake_tls;
use crate::rejection::{RejectionSource, reject};
use crate::setup::options::ProxyProtocol;
use crate::shard::state::Shard;

/// The denial when too many TLS handshakes wait already.
const TLS_QUEUE_FULL: Denial = Denial::Limit { limit: Limit::TlsTotal, retry_after_ms: 1_000 };

/// A socket that was just accepted.
pub(crate) struct AcceptedSocket {
    pub(crate) shard: Rc<Shard>,
    pub(crate) socket: TcpStream,
    /// The peer of the socket, or the client that the PROXY protocol reports.
    pub(crate) peer: SocketAddr,
    pub(crate) listener_kind: ListenerKind,
}

impl AcceptedSocket {
    /// Serves the socket until it ends or becomes a connection.
    pub(crate) async fn serve(mut self, tls: Option<TlsAcceptor>, slot: IntakeSlot) {
        let Some(start) = self.read_proxied_client().await else { return };
        let (gate, peer) = (&self.shard.server.gate, self.peer);
        // A proxy has the connections of many clients, which are counted by their requests.
        let is_counted = !gate.admission().is_proxy(peer.ip());
        let client = peer.ip().to_canonical();
        // Only a request shows an admission token, so all clients count as returning ones here.
        let blocks = gate.directory().blocks();
        // While a challenge is pending, the first bytes show whether an authority sends them.
        let unchecked = self.shard.server.options.challenges.is_pending().then_some(client);
        if unchecked.is_none()
            && let Err(denial) = blocks.check(client, ClientClass::Returning, self.shard.now())
        {
            return self.reject(&denial);
        }
        let http_slot = match is_counted.then(|| gate.limits().take_http_slot(client)).transpose() {
            Ok(http_slot) => http_slot,
            Err(denial) => return self.reject(&denial),
        };
        if tls.is_some() && start.is_empty() && !self.wait_for_first_byte().await {
            return;
        }
        if tls.is_some() && is_counted {
            match gate.limits().count_tls_handshake(client, self.shard.now()) {
                Ok(class) => match self.tls_wait(class) {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => return self.reject(&TLS_QUEUE_FULL),
                },
                Err(denial) => return self.reject(&denial),
            }
        }
        let Self { shard, socket, listener_kind, .. } = self;
        let (stream, buffer) = match tls {
            None => (Stream::Plain(Tcp::here(socket, start.len())), start),
            Some(acceptor) => {
                match handshake_tls(&shard, socket, &acceptor, &start, unchecked).await {
                    Ok(Some(stream)) => (stream, Vec::new()),
                    // The authority has seen the certificate.
                    Ok(None) => return,
                    Err(denial) => return reject_socket(&shard, &denial, peer),
                }
            }
        };
        let mut http = HttpConnection::new(shard, stream, peer, listener_kind);
        http.io.buffer = buffer;
        http.slot = http_slot;
        serve_connection(http, slot).await;
    }

    fn reject(&self, denial: &Denial) {
        reject_socket(&self.shard, denial, self.peer);
    }

    /// The wait before a TLS handshake; `None` if it is too long.
    ///
    /// Handshakes are the most expensive request of unauthenticated clients. A burst of them must
    /// not delay messages of users.
    fn tls_wait(&self, class: TlsClass) -> Option<Duration> {
        let shard = &self.shard;
        let interval_us = shard
            .server
            .gate
            .limits()
            .tls_interval_us(class)
            .saturating_mul(shard.server.options.shards as u64);
        let wait_ms = shard.intake.tls.take(class, shard.now().monotonic_ms, interval_us)?;
        Some(Duration::from_millis(wait_ms))
    }

    /// Sets the peer to the client that a trusted proxy names in its header.
    ///
    /// Returns the bytes that arrived with the header; `None` when the header is invalid.
    async fn read_proxied_client(&mut self) -> Option<Vec<u8>> {
        let server = &self.shard.server;
        let is_required = server.options.proxy_protocol == ProxyProtocol::Required;
        if !is_required || !server.gate.admission().is_proxy(self.peer.ip()) {
            return Some(Vec::new());
        }
        let deadline = Duration::from_millis(self.shard.handshake_timeout_ms());
        if let Ok(Some((header, rest))) = timeout(deadline, read_proxy(&mut self.socket)).await {
            self.peer = header.client.unwrap_or(self.peer);
            return Some(rest);
        }
        self.reject(&Denial::ProxyHeader);
        None
    }

    /// Waits for the first byte of a handshake, which is counted from then on.
    async fn wait_for_first_byte(&self) -> bool {
        let wait = Duration::from_millis(self.shard.handshake_timeout_ms());
        match in_time(wait, self.socket.peek(&mut [0])).await {
            Some(Ok(count)) if count > 0 => true,
            // The client closed without a request.
            Some(_) => false,
            None => {
                self.reject(&Denial::TlsFailed);
                false
            }
        }
    }
}

/// Records a denial for a socket that is closed without a response.
pub(crate) fn reject_socket(shard: &Shard, denial: &Denial, peer: SocketAddr) {
    let client = Some(peer.ip().to_canonical());
    let source = RejectionSource { client, port: Some(peer.port()), ..RejectionSource::default() };
    let _recorded = reject(shard, denial, &source, shard.now());
}

/// Reads the header. Returns it and the bytes behind it.
async fn read_proxy(socket: &mut TcpStream) -> Option<(ProxyHeader, Vec<u8>)> {
    let mut buffer = Vec::with_capacity(256);
    loop {
        // Reads at most the longest header, so that the buffer does not grow.
        let space = HEADER_MAX_BYTES.checked_sub(buffer.len()).filter(|space| *space > 0)?;
        let read = (&mut *socket).take(space as u64).read_buf(&mut buffer).await;
        if !read.is_ok_and(|count| count > 0) {
            return None;
        }
        if let Some(header) = read_proxy_header(&buffer).ok()? {
            let rest = buffer.split_off(header.length.min(buffer.len()));
            return Some((header, rest));
        }
    }
}
