//! A shard's own listener: sockets under an accept budget, TLS under a deadline.
//! Never: a socket without a place in the budget, a wait without an end.

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
use crate::listen::intake_slots::IntakeSlot;
use crate::listen::receive_rate::{ReceiveRate, ReceiveTimeout, in_time};
use crate::listen::stream::{Stream, Tcp};
use crate::listen::tls_hello::name_session;
use crate::random::random_bytes;
use crate::rejection::{RejectionSource, reject};
use crate::setup::options::ProxyProtocol;
use crate::shard::state::Shard;

/// Connections the kernel may hold before we accept them.
const BACKLOG: i32 = 1024;
/// Too many TLS handshakes wait for their turn already.
const NO_TURN: Denial = Denial::Limit { limit: Limit::TlsTotal, retry_after_ms: 1_000 };
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

/// By which of its addresses a connection came to the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entrance {
    /// Where clients connect.
    Public,
    /// In plain text, to be led on to where TLS is spoken.
    Redirect,
}

impl Shard {
    /// How long a TLS handshake, a request's head or a silent connection is waited for. The fewer
    /// places there are left, the shorter: who takes one and says nothing does not keep others out.
    pub(crate) fn handshake_patience_ms(&self) -> u64 {
        let configured_ms = self.server.options.handshake_timeout_ms;
        if self.intake.slots.is_crowded() { configured_ms / 5 } else { configured_ms }
    }

    pub(crate) fn pace_from_first_byte(&self) -> ReceiveRate {
        let now = self.now();
        ReceiveRate::from_first_byte(&self.server.options, now)
            .within(self.handshake_patience_ms(), now)
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
                // Gone before it was taken: no reason to let others wait.
                Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => continue,
                Err(error) => {
                    if is_out_of_files(&error) {
                        self.server.load.set_out_of_files();
                    }
                    self.accepts_nobody(&error);
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Some(slot) = self.intake.slots.take() else {
                self.turn_away(&IntakeSlot::NONE_FREE, peer);
                continue;
            };
            let (shard, tls) = (Rc::clone(&self), tls.clone());
            tokio::task::spawn_local(shard.serve(socket, peer, entrance, tls, slot));
        }
    }

    /// Records that whoever comes waits in the kernel: mostly for a file descriptor.
    fn accepts_nobody(&self, error: &io::Error) {
        self.server.metrics.accept_failures.inc();
        let mut record = Record::new(Code::SysOverload);
        // Clients wait in the kernel until an operator allows more files.
        record.severity = Severity::Critical;
        record.outcome = Outcome::Failure;
        record.rule = "accept";
        record.detail = Some(format!(
            "no connection is accepted: {error}; allow more open files, or close some"
        ));
        // One of many: a server without files says it a few times a minute, not twenty a second.
        self.server.audit.record(record, self.now());
    }

    /// Everything one accepted socket is asked before it is asked in HTTP.
    async fn serve(
        self: Rc<Self>,
        mut socket: TcpStream,
        peer: SocketAddr,
        entrance: Entrance,
        tls: Option<TlsAcceptor>,
        slot: IntakeSlot,
    ) {
        let Some((peer, start)) = self.handed_on(&mut socket, peer).await else { return };
        // A proxy holds the connections of many; its clients are counted by their requests.
        let counted = !self.server.gate.admission().is_proxy(peer.ip());
        let client = peer.ip().to_canonical();
        let seat =
            match counted.then(|| self.server.gate.limits().take_http_slot(client)).transpose() {
                Ok(seat) => seat,
                Err(denial) => return self.turn_away(&denial, peer),
            };
        if tls.is_some() && start.is_empty() && !self.has_begun(&socket, peer).await {
            return;
        }
        if tls.is_some() && counted {
            match self.server.gate.limits().count_tls_handshake(client, self.now()) {
                Ok(lane) => match self.turn_for_tls(lane) {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => return self.turn_away(&NO_TURN, peer),
                },
                Err(denial) => return self.turn_away(&denial, peer),
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

    /// How long it is until the next turn, if one comes soon enough: handshakes are the dearest
    /// thing a stranger can ask for, and a burst of them must not stand before everybody's
    /// messages.
    fn turn_for_tls(&self, lane: TlsClass) -> Option<Duration> {
        let every_us = self
            .server
            .gate
            .limits()
            .tls_interval_us(lane)
            .saturating_mul(self.server.options.shards as u64);
        let wait_ms = self.intake.tls.take(lane, self.now().monotonic_ms, every_us)?;
        Some(Duration::from_millis(wait_ms))
    }

    /// Closes a socket that nothing has been read of: an answer would cost more than it is worth.
    fn turn_away(&self, denial: &Denial, peer: SocketAddr) {
        let client = Some(peer.ip().to_canonical());
        let who = RejectionSource { client, port: Some(peer.port()), ..RejectionSource::default() };
        let _recorded = reject(self, denial, &who, self.now());
    }

    /// Whose connection it is: of the peer, or of whom a proxy of ours names first of all.
    ///
    /// Gives the client and the bytes of it that came along with the header.
    async fn handed_on(
        &self,
        socket: &mut TcpStream,
        peer: SocketAddr,
    ) -> Option<(SocketAddr, Vec<u8>)> {
        let spoken = self.server.options.proxy_protocol == ProxyProtocol::Required;
        if !spoken || !self.server.gate.admission().is_proxy(peer.ip()) {
            return Some((peer, Vec::new()));
        }
        let deadline = Duration::from_millis(self.handshake_patience_ms());
        if let Ok(Some((header, rest))) = timeout(deadline, read_proxy(socket)).await {
            return Some((header.client.unwrap_or(peer), rest));
        }
        self.turn_away(&Denial::ProxyHeader, peer);
        None
    }

    /// Waits for the first byte of a handshake: until then nothing of it is counted.
    async fn has_begun(&self, socket: &TcpStream, peer: SocketAddr) -> bool {
        let patience = Duration::from_millis(self.handshake_patience_ms());
        match in_time(patience, socket.peek(&mut [0])).await {
            Some(Ok(count)) if count > 0 => true,
            // Gone without a word: nothing was asked for.
            Some(_) => false,
            None => {
                self.turn_away(&Denial::TlsFailed, peer);
                false
            }
        }
    }

    /// `start` is what has been read of the client's first flight already.
    async fn secure(
        &self,
        mut socket: TcpStream,
        peer: SocketAddr,
        acceptor: &TlsAcceptor,
        start: &[u8],
    ) -> Option<Stream> {
        let mut pace = self.pace_from_first_byte();
        let hello = match self.read_hello(&mut socket, start, &mut pace).await {
            Ok(hello) => hello,
            Err(denial) => {
                self.turn_away(&denial, peer);
                return None;
            }
        };
        let (mut rest, mut session) = (hello.as_slice(), None);
        let accepting = acceptor.accept_with(Tcp::here(socket, hello.len()), |connection| {
            while !rest.is_empty() {
                // What is wrong with it is found, and answered, by the handshake itself.
                let read = connection.read_tls(&mut rest);
                if read.is_err() || connection.process_new_packets().is_err() {
                    return;
                }
            }
            session = random_bytes().ok().map(|new| name_session(connection, new));
        });
        match self.shake_hands(accepting, pace).await {
            Ok(mut stream) => {
                stream.get_mut().0.enter(session);
                Some(Stream::Tls(Box::new(stream)))
            }
            Err(denial) => {
                self.turn_away(&denial, peer);
                None
            }
        }
    }

    /// Ends a handshake whose first bytes are there, as long as the peer does its part.
    async fn shake_hands(
        &self,
        mut accepting: Accept<Tcp>,
        mut pace: ReceiveRate,
    ) -> Result<TlsStream<Tcp>, Denial> {
        loop {
            // The first byte may still be unread, but it is there.
            let received = received_bytes(&accepting).max(1);
            let (wait, late) = pace.wait(received, self.now());
            if let Some(outcome) = in_time(wait, &mut accepting).await {
                return outcome.map_err(|_| Denial::TlsFailed);
            }
            match late {
                ReceiveTimeout::Deadline => return Err(Denial::TlsFailed),
                // What came meanwhile may make up for the time.
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

/// Reads up to the end of the header; gives it and what came behind it.
async fn read_proxy(socket: &mut TcpStream) -> Option<(ProxyHeader, Vec<u8>)> {
    let mut buffer = Vec::with_capacity(256);
    loop {
        // No further than the longest header, so that a client cannot make it grow.
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
