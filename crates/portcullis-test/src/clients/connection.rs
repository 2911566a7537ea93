//! A socket, plain or TLS, read under a deadline.
//! Never: a read that can hang.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, ProtocolVersion, RootCertStore, StreamOwned,
    SupportedProtocolVersion,
};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use socket2::{Domain, Socket, Type};

use crate::deadline::WAIT;
use crate::servers::server::TestServer;

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// More than any server under test should ever have sent without being read.
const BUFFER_MAX_BYTES: usize = 64 * 1024 * 1024;

/// A client's connection to a server under test.
pub struct Connection {
    stream: Stream,
    /// Bytes that were read and not yet used.
    pub buffer: Vec<u8>,
}

impl Connection {
    /// Connects, with TLS if the server speaks it.
    #[must_use]
    pub fn open(server: &TestServer) -> Self {
        Self::open_from(server, IpAddr::from([127, 0, 0, 1]))
    }

    /// Connects from a loopback address of choice (`127.x.y.z`): another client to the server.
    #[must_use]
    pub fn open_from(server: &TestServer, source: IpAddr) -> Self {
        Self::over(server, tcp(server.public, source, None))
    }

    /// Connects from a loopback address, and says something before all else, TLS too: what a proxy
    /// does.
    #[must_use]
    pub fn open_behind(server: &TestServer, source: IpAddr, header: &[u8]) -> Self {
        let mut socket = tcp(server.public, source, None);
        socket.write_all(header).unwrap();
        Self::over(server, socket)
    }

    /// Connects to something in front of a server that hands its TLS through.
    #[must_use]
    pub fn open_through(server: &TestServer, address: SocketAddr, source: IpAddr) -> Self {
        Self::over(server, tcp(address, source, None))
    }

    /// Connects to something in front of a server, which shows exactly this certificate.
    #[must_use]
    pub fn open_in_front(address: SocketAddr, source: IpAddr, shown: &CertificateDer<'_>) -> Self {
        let client = tls_trusting(shown.clone().into_owned(), rustls::DEFAULT_VERSIONS, &[]);
        let socket = tcp(address, source, None);
        let stream = Stream::Tls(Box::new(StreamOwned::new(client, socket)));
        Self { stream, buffer: Vec::new() }
    }

    /// Connects with a small receive buffer: a reader that is slow as soon as it does not read.
    #[must_use]
    pub fn open_slow(server: &TestServer, receive_buffer_bytes: usize) -> Self {
        let source = IpAddr::from([127, 0, 0, 1]);
        Self::over(server, tcp(server.public, source, Some(receive_buffer_bytes)))
    }

    /// Connects without TLS to any address: the private listener, or a TLS port spoken to wrongly.
    #[must_use]
    pub fn open_bare(address: SocketAddr) -> Self {
        Self::open_bare_from(address, IpAddr::from([127, 0, 0, 1]))
    }

    /// The same from a loopback address of choice.
    #[must_use]
    pub fn open_bare_from(address: SocketAddr, source: IpAddr) -> Self {
        Self { stream: Stream::Plain(tcp(address, source, None)), buffer: Vec::new() }
    }

    /// Connects with these TLS versions and application protocols, and finishes the handshake.
    ///
    /// # Errors
    /// The error of the handshake, such as a version that the server does not support.
    pub fn open_tls(
        server: &TestServer,
        versions: &[&'static SupportedProtocolVersion],
        protocols: &[&[u8]],
    ) -> io::Result<Self> {
        let mut socket = tcp(server.public, IpAddr::from([127, 0, 0, 1]), None);
        let mut client = tls(server, versions, protocols);
        while client.is_handshaking() {
            client.complete_io(&mut socket)?;
        }
        let stream = Stream::Tls(Box::new(StreamOwned::new(client, socket)));
        Ok(Self { stream, buffer: Vec::new() })
    }

    /// Connects with a TLS client of the test's own, and finishes the handshake.
    #[must_use]
    pub(crate) fn open_with(server: &TestServer, mut client: ClientConnection) -> Self {
        let mut socket = tcp(server.public, IpAddr::from([127, 0, 0, 1]), None);
        while client.is_handshaking() {
            client.complete_io(&mut socket).unwrap();
        }
        Self::resume(client, socket)
    }

    /// Goes on with a TLS client whose handshake is done.
    pub(crate) fn resume(client: ClientConnection, socket: TcpStream) -> Self {
        let stream = Stream::Tls(Box::new(StreamOwned::new(client, socket)));
        Self { stream, buffer: Vec::new() }
    }

    fn over(server: &TestServer, socket: TcpStream) -> Self {
        let stream = if server.authority.is_some() {
            let client = tls(server, rustls::DEFAULT_VERSIONS, &[]);
            Stream::Tls(Box::new(StreamOwned::new(client, socket)))
        } else {
            Stream::Plain(socket)
        };
        Self { stream, buffer: Vec::new() }
    }

    /// Sends bytes. Does not fail if the server has closed: the test reads its answer.
    pub fn send(&mut self, bytes: &[u8]) {
        let _closed_already = self.try_send(bytes);
    }

    /// Sends bytes.
    ///
    /// # Errors
    /// `WouldBlock` when the server takes nothing for [`WAIT`], otherwise how it ended.
    pub fn try_send(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes),
            Stream::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }

    /// Reads some more into the buffer; false at the end of the stream.
    ///
    /// # Panics
    /// If nothing arrives in time.
    pub fn read(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        let outcome = match &mut self.stream {
            Stream::Plain(stream) => stream.read(&mut chunk),
            Stream::Tls(stream) => stream.read(&mut chunk),
        };
        match outcome {
            Ok(count) => {
                assert!(self.buffer.len() < BUFFER_MAX_BYTES, "the server sends without end");
                self.buffer.extend_from_slice(&chunk[..count]);
                count > 0
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                panic!("nothing came in time; so far: {}", self.buffer.escape_ascii())
            }
            Err(_reset) => false,
        }
    }

    /// Waits for so long at most; whether something came, be it the end of the stream.
    ///
    /// The received bytes are in the buffer.
    pub fn is_readable(&mut self, wait: Duration) -> bool {
        if !self.buffer.is_empty() {
            return true;
        }
        self.socket().set_read_timeout(Some(wait)).unwrap();
        let mut chunk = [0; 4096];
        let outcome = match &mut self.stream {
            Stream::Plain(stream) => stream.read(&mut chunk),
            Stream::Tls(stream) => stream.read(&mut chunk),
        };
        self.socket().set_read_timeout(Some(WAIT)).unwrap();
        match outcome {
            Ok(count) => self.buffer.extend_from_slice(&chunk[..count]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return false,
            Err(_reset) => {}
        }
        true
    }

    /// Reads until the server closes; gives everything.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        while self.read() {}
        std::mem::take(&mut self.buffer)
    }

    /// Closes the sending side (FIN); reading continues.
    pub fn half_close(&self) {
        self.socket().shutdown(Shutdown::Write).unwrap();
    }

    /// Lets the system hold so many bytes that the server does not read, and few more.
    pub fn hold_unsent(&self, bytes: usize) {
        socket2::SockRef::from(self.socket()).set_send_buffer_size(bytes).unwrap();
    }

    /// Ends the connection as a crash does: RST, no FIN.
    pub fn reset(self) {
        let socket = socket2::SockRef::from(self.socket());
        socket.set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Where the connection comes from, as the server sees it.
    #[must_use]
    pub fn source(&self) -> SocketAddr {
        self.socket().local_addr().unwrap()
    }

    /// The TLS version agreed on, `None` without TLS or before the handshake.
    #[must_use]
    pub fn tls_version(&self) -> Option<ProtocolVersion> {
        match &self.stream {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => stream.conn.protocol_version(),
        }
    }

    /// Whether the TLS session resumes an earlier one; `None` without TLS.
    #[must_use]
    pub fn handshake_kind(&self) -> Option<HandshakeKind> {
        match &self.stream {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => stream.conn.handshake_kind(),
        }
    }

    /// The application protocol agreed on, `None` when there is none.
    #[must_use]
    pub fn tls_protocol(&self) -> Option<&[u8]> {
        match &self.stream {
            Stream::Plain(_) => None,
            Stream::Tls(stream) => stream.conn.alpn_protocol(),
        }
    }

    /// The plain socket below.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => &stream.sock,
        }
    }
}

/// TLS that trusts the server's own authority and nothing else.
fn tls(
    server: &TestServer,
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&[u8]],
) -> ClientConnection {
    let authority = server.authority.as_ref().expect("a server that speaks TLS");
    tls_trusting(CertificateDer::from_pem_file(authority).unwrap(), versions, protocols)
}

fn tls_trusting(
    authority: CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
    protocols: &[&[u8]],
) -> ClientConnection {
    let mut config = config_trusting(authority, versions);
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    ClientConnection::new(Arc::new(config), localhost()).unwrap()
}

/// The TLS configuration of a client of the server.
pub(crate) fn client_config(server: &TestServer) -> ClientConfig {
    let authority = server.authority.as_ref().expect("a server that speaks TLS");
    let authority = CertificateDer::from_pem_file(authority).unwrap();
    config_trusting(authority, rustls::DEFAULT_VERSIONS)
}

/// The name every server under test has.
pub(crate) fn localhost() -> ServerName<'static> {
    ServerName::try_from("localhost").unwrap()
}

fn config_trusting(
    authority: CertificateDer<'static>,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(authority).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// A TCP connection to the server on which nothing was sent.
pub(crate) fn tcp_to(server: &TestServer) -> TcpStream {
    tcp(server.public, IpAddr::from([127, 0, 0, 1]), None)
}

fn tcp(to: SocketAddr, source: IpAddr, receive_buffer_bytes: Option<usize>) -> TcpStream {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap();
    if let Some(bytes) = receive_buffer_bytes {
        // Before connecting: the window is announced in the handshake.
        socket.set_recv_buffer_size(bytes).unwrap();
    }
    socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream: TcpStream = socket.into();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(WAIT)).unwrap();
    stream.set_write_timeout(Some(WAIT)).unwrap();
    stream
}
