//! The listener of a shard: sockets under an accept budget, TLS under a deadline.
//! Never: a socket without a slot; a wait without a deadline.

use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::Duration;

use portcullis_audit::{Outcome, Record};
use portcullis_guard::TlsClass;
use portcullis_model::{Code, Denial, Limit, Severity};
use portcullis_wire::proxy_protocol::{HEADER_MAX_BYTES, ProxyHeader, read_proxy_header};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::timeout;
use tokio_rustls::server::TlsStream;
use tokio_rustls::{Accept, TlsAcceptor};

use crate::http::connection::HttpConnection;
use crate::listen::entrance::Entrance;
use crate::listen::intake_slots::IntakeSlot;
use crate::listen::receive_rate::{ReceiveRate, ReceiveTimeout, in_time};
use crate::listen::stream::{Stream, Tcp};
use crate::listen::tls_hello::name_session;
use crate::random::random_bytes;
use crate::rejection::{RejectionSource, reject};
use crate::setup::options::ProxyProtocol;
use crate::shard::state::Shard;

/// Connections that the kernel may hold before the server accepts them.
const BACKLOG: i32 = 1024;
/// The denial when too many TLS handshakes wait already.
const NO_TURN: Denial = Denial::Limit { limit: Limit::TlsTotal, retry_after_ms: 1_000 };
/// The pause after a failed accept, so that the loop does not use all CPU time.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// Binds a listener that shares its port with the other shards (`SO_REUSEPORT`).
pub(crate) fn bind(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_port(true)?;
    socket.set_reuse_address(true)?;
    socket.set_nonblocking(true)?;
    // Accepted sockets inherit the option, which saves a system call for each.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

impl Shard {
    /// The timeout of a TLS handshake, of a request's head, and of a silent connection.
    ///
    /// It is shorter when few slots are free, so that silent connections do not block others.
    pub(crate) fn handshake_timeout_ms(&self) -> u64 {
        let configured_ms = self.server.options.handshake_timeout_ms;
        if self.intake.slots.is_crowded() { configured_ms / 5 } else { configured_ms }
    }

    pub(crate) fn rate_from_first_byte(&self) -> ReceiveRate {
        let now = self.now();
        ReceiveRate::from_first_byte(&self.server.options, now)
            .within(self.handshake_timeout_ms(), now)
    }

    /// Accepts until the server drains.
    pub(crate) async fn accept_until_drained(
        self: Rc<Self>,
        listener: TcpListener,
        entrance: Entrance,
        mut draining: watch::Receiver<bool>,
    ) {
        let tls = match entrance {
            Entrance::Public => self.server.options.tls.clone().map(TlsAcceptor::from),
            Entrance::Redirect => None,
        };
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _changed = draining.changed() => return,
            };
            let (socket, peer) = match accepted {
                Ok(accepted) => accepted,
                // The client closed before the accept; others do not have to wait.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => {
                    if is_out_of_files(&error) {
                        self.server.load.set_out_of_files();
                    }
                    self.record_accept_failure(&error);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Some(slot) = self.intake.slots.take() else {
                self.reject_socket(&IntakeSlot::NONE_FREE, peer);
                continue;
            };
            let (shard, tls) = (Rc::clone(&self), tls.clone());
            tokio::task::spawn_local(shard.serve(socket, peer, entrance, tls, slot));
        }
    }

    /// Records that no connection can be accepted, mostly because no file is free.
    fn record_accept_failure(&self, error: &io::Error) {
        self.server.metrics.accept_failures.inc();
        let mut record = Record::new(Code::SysOverload);
        // Clients wait in the kernel until an operator permits more files.
        record.severity = Severity::Critical;
        record.outcome = Outcome::Failure;
        record.rule = "accept";
        record.detail =
            Some(format!("no connection can be accepted: {error}; raise the limit of open files"));
        // Sampled: without files, an accept fails twenty times a second.
        self.server.audit.record(record, self.now());
    }

    /// Serves one accepted socket: PROXY header, limits, TLS, then HTTP.
    async fn serve(
        self: Rc<Self>,
        mut socket: TcpStream,
        peer: SocketAddr,
        entrance: Entrance,
        tls: Option<TlsAcceptor>,
        slot: IntakeSlot,
    ) {
        let Some((peer, start)) = self.read_proxied_client(&mut socket, peer).await else { return };
        // A proxy has the connections of many clients, which are counted by their requests.
        let counted = !self.server.gate.admission().is_proxy(peer.ip());
        let client = peer.ip().to_canonical();
        let seat =
            match counted.then(|| self.server.gate.limits().take_http_slot(client)).transpose() {
                Ok(seat) => seat,
                Err(denial) => return self.reject_socket(&denial, peer),
            };
        if tls.is_some() && start.is_empty() && !self.wait_for_first_byte(&socket, peer).await {
            return;
        }
        if tls.is_some() && counted {
            match self.server.gate.limits().count_tls_handshake(client, self.now()) {
                Ok(lane) => match self.wait_for_tls(lane) {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => return self.reject_socket(&NO_TURN, peer),
                },
                Err(denial) => return self.reject_socket(&denial, peer),
            }
        }
        let (stream, buffer) = match tls {
            None => (Stream::Plain(Tcp::here(socket, start.len())), start),
            Some(acceptor) => match self.secure(socket, peer, &acceptor, &start).await {
                Some(stream) => (stream, Vec::new()),
                None => return,
            },
        };
        let http = HttpConnection::new(self, stream, peer);
        HttpConnection { entrance, buffer, seat, ..http }.run(slot).await;
    }

    /// How long a TLS handshake has to wait; `None` when that is too long. Handshakes are the most
    /// expensive request of unauthenticated clients, and a burst must not delay messages of users.
    fn wait_for_tls(&self, lane: TlsClass) -> Option<Duration> {
        let every_us = self
            .server
            .gate
            .limits()
            .tls_interval_us(lane)
            .saturating_mul(self.server.options.shards as u64);
        let wait_ms = self.intake.tls.take(lane, self.now().monotonic_ms, every_us)?;
        Some(Duration::from_millis(wait_ms))
    }

    /// Records a denial for a socket that is closed without a response.
    fn reject_socket(&self, denial: &Denial, peer: SocketAddr) {
        let client = Some(peer.ip().to_canonical());
        let who = RejectionSource { client, port: Some(peer.port()), ..RejectionSource::default() };
        let _recorded = reject(self, denial, &who, self.now());
    }

    /// The client of a connection: the peer, or the one that a trusted proxy names in its header.
    ///
    /// Returns the client and the bytes that came with the header.
    async fn read_proxied_client(
        &self,
        socket: &mut TcpStream,
        peer: SocketAddr,
    ) -> Option<(SocketAddr, Vec<u8>)> {
        let is_required = self.server.options.proxy_protocol == ProxyProtocol::Required;
        if !is_required || !self.server.gate.admission().is_proxy(peer.ip()) {
            return Some((peer, Vec::new()));
        }
        let deadline = Duration::from_millis(self.handshake_timeout_ms());
        if let Ok(Some((header, rest))) = timeout(deadline, read_proxy(socket)).await {
            return Some((header.client.unwrap_or(peer), rest));
        }
        self.reject_socket(&Denial::ProxyHeader, peer);
        None
    }

    /// Waits for the first byte of a handshake, which is counted from then on.
    async fn wait_for_first_byte(&self, socket: &TcpStream, peer: SocketAddr) -> bool {
        let wait = Duration::from_millis(self.handshake_timeout_ms());
        match in_time(wait, socket.peek(&mut [0])).await {
            Some(Ok(count)) if count > 0 => true,
            // The client closed without a request.
            Some(_) => false,
            None => {
                self.reject_socket(&Denial::TlsFailed, peer);
                false
            }
        }
    }

    /// Does the TLS handshake. `start` has the bytes of it that were read before.
    async fn secure(
        &self,
        mut socket: TcpStream,
        peer: SocketAddr,
        acceptor: &TlsAcceptor,
        start: &[u8],
    ) -> Option<Stream> {
        let mut pace = self.rate_from_first_byte();
        let hello = match self.read_hello(&mut socket, start, &mut pace).await {
            Ok(hello) => hello,
            Err(denial) => {
                self.reject_socket(&denial, peer);
                return None;
            }
        };
        let (mut rest, mut session) = (hello.as_slice(), None);
        let accepting = acceptor.accept_with(Tcp::here(socket, hello.len()), |connection| {
            while !rest.is_empty() {
                // The handshake itself finds and answers errors.
                let read = connection.read_tls(&mut rest);
                if read.is_err() || connection.process_new_packets().is_err() {
                    return;
                }
            }
            session = random_bytes().ok().map(|new| name_session(connection, new));
        });
        match self.complete_handshake(accepting, pace).await {
            Ok(mut stream) => {
                stream.get_mut().0.enter(session);
                Some(Stream::Tls(Box::new(stream)))
            }
            Err(denial) => {
                self.reject_socket(&denial, peer);
                None
            }
        }
    }

    /// Completes a handshake, as long as the peer sends fast enough.
    async fn complete_handshake(
        &self,
        mut accepting: Accept<Tcp>,
        mut pace: ReceiveRate,
    ) -> Result<TlsStream<Tcp>, Denial> {
        loop {
            // The first byte has arrived, even if it is unread.
            let received = received_bytes(&accepting).max(1);
            let (wait, late) = pace.wait(received, self.now());
            if let Some(outcome) = in_time(wait, &mut accepting).await {
                return outcome.map_err(|_| Denial::TlsFailed);
            }
            match late {
                ReceiveTimeout::Deadline => return Err(Denial::TlsFailed),
                // The bytes that came meanwhile may be enough.
                ReceiveTimeout::Slow if received_bytes(&accepting) > received => {}
                ReceiveTimeout::Slow => return Err(Denial::TlsSlow),
            }
        }
    }
}

fn is_out_of_files(error: &io::Error) -> bool {
    let codes =
        [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE].map(|code| code.raw_os_error());
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

fn received_bytes(accepting: &Accept<Tcp>) -> usize {
    accepting.get_ref().map_or(0, Tcp::received_bytes)
}

/// Reads the header. Returns it and the bytes behind it.
async fn read_proxy(socket: &mut TcpStream) -> Option<(ProxyHeader, Vec<u8>)> {
    let mut buffer = Vec::with_capacity(256);
    loop {
        // Reads at most the longest header, so that the buffer does not grow.
        let room = HEADER_MAX_BYTES.checked_sub(buffer.len()).filter(|room| *room > 0)?;
        let read = (&mut *socket).take(room as u64).read_buf(&mut buffer).await;
        if !read.is_ok_and(|count| count > 0) {
            return None;
        }
        if let Some(header) = read_proxy_header(&buffer).ok()? {
            let rest = buffer.split_off(header.length.min(buffer.len()));
            return Some((header, rest));
        }
    }
}
