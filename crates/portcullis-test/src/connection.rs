//! A socket, plain or TLS, read under a deadline.
//! Never: a read that can hang.

use std::io::{ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;
use socket2::{Domain, Socket, Type};

use crate::deadline::WAIT;
use crate::server::TestServer;

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// A client's connection to a server under test.
pub struct Connection {
    stream: Stream,
    /// What was read and not yet used.
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
        let socket = tcp(server.public, source);
        let stream = match &server.authority {
            None => Stream::Plain(socket),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                roots.add(CertificateDer::from_pem_file(path).unwrap()).unwrap();
                let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
                let config = ClientConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions()
                    .unwrap()
                    .with_root_certificates(roots)
                    .with_no_client_auth();
                let name = ServerName::try_from("localhost").unwrap();
                let client = ClientConnection::new(Arc::new(config), name).unwrap();
                Stream::Tls(Box::new(StreamOwned::new(client, socket)))
            }
        };
        Self { stream, buffer: Vec::new() }
    }

    /// Sends bytes. A server that has closed already is no failure: the test reads its answer.
    pub fn send(&mut self, bytes: &[u8]) {
        let _closed_already = match &mut self.stream {
            Stream::Plain(stream) => stream.write_all(bytes),
            Stream::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        };
    }

    /// Reads some more into the buffer; false at the end of the stream.
    ///
    /// # Panics
    /// When nothing comes in time.
    pub fn read(&mut self) -> bool {
        let mut chunk = [0; 16 * 1024];
        let outcome = match &mut self.stream {
            Stream::Plain(stream) => stream.read(&mut chunk),
            Stream::Tls(stream) => stream.read(&mut chunk),
        };
        match outcome {
            Ok(count) => {
                self.buffer.extend_from_slice(&chunk[..count]);
                count > 0
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                panic!("nothing came in time; so far: {}", self.buffer.escape_ascii())
            }
            Err(_reset) => false,
        }
    }

    /// Reads until the server closes; gives everything.
    pub fn read_to_end(&mut self) -> Vec<u8> {
        while self.read() {}
        std::mem::take(&mut self.buffer)
    }

    /// The plain socket below, for half-closing and resetting.
    #[must_use]
    pub fn socket(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(stream) => stream,
            Stream::Tls(stream) => &stream.sock,
        }
    }
}

fn tcp(to: SocketAddr, source: IpAddr) -> TcpStream {
    let socket = Socket::new(Domain::for_address(to), Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(source, 0).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream: TcpStream = socket.into();
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(WAIT)).unwrap();
    stream
}
