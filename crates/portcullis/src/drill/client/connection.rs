//! A connection to the target, with TLS or without it, read under a deadline.
//! Never: a connection to another machine; more bytes in memory than a bound.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, StreamOwned};
use rustls_pki_types::CertificateDer;
use socket2::{Domain, Socket, Type};

use super::target::Target;

/// Time to connect, and for each read and write.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Most bytes of a connection that are read.
pub(crate) const READ_MAX_BYTES: usize = 256 * 1024;

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

/// The outcome of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadOutcome {
    /// More bytes are in the buffer.
    Bytes,
    /// The other side has ended the connection.
    End,
    /// The bound of bytes is reached: nothing more is read, and the connection can be open.
    Limit,
    /// Nothing arrived in time.
    Silence,
}

/// An open connection.
pub(crate) struct Connection {
    stream: Stream,
    /// Bytes that were read and not used.
    pub(crate) buffer: Vec<u8>,
    read_bytes: usize,
}

impl Connection {
    /// Opens a connection in plain text to a port of the target.
    pub(crate) fn plain(target: &Target, port: u16) -> io::Result<Self> {
        let socket = connect(SocketAddr::new(target.ip(), port), target.source)?;
        Ok(Self { stream: Stream::Plain(socket), buffer: Vec::new(), read_bytes: 0 })
    }

    /// Opens a connection, and completes the TLS handshake if there is one.
    pub(crate) fn open(target: &Target, config: &Arc<ClientConfig>) -> io::Result<Self> {
        if !target.has_tls {
            return Self::plain(target, target.address.port());
        }
        let client = ClientConnection::new(Arc::clone(config), target.name.clone());
        let client = client.map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(client, connect(target.address, target.source)?);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(Self { stream: Stream::Tls(Box::new(stream)), buffer: Vec::new(), read_bytes: 0 })
    }

    /// The address of this machine, as far as the system knows it.
    pub(crate) fn local_ip(&self) -> Option<IpAddr> {
        self.socket().local_addr().ok().map(|address| address.ip().to_canonical())
    }

    fn socket(&self) -> &TcpStream {
        match &self.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => &stream.sock,
        }
    }

    /// Sets how long a read waits.
    pub(crate) fn wait_at_most(&self, time: Duration) -> io::Result<()> {
        self.socket().set_read_timeout(Some(time))
    }

    /// The certificates that the target sent.
    pub(crate) fn certificates(&self) -> Vec<CertificateDer<'static>> {
        let Stream::Tls(stream) = &self.stream else { return Vec::new() };
        let sent = stream.conn.peer_certificates().unwrap_or_default();
        sent.iter().map(|certificate| certificate.clone().into_owned()).collect()
    }

    /// Sends bytes. If the target has closed the connection, its answer counts.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let _closed = match &mut self.stream {
            Stream::Plain(socket) => socket.write_all(bytes),
            Stream::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        };
    }

    /// Reads once.
    pub(crate) fn read(&mut self) -> ReadOutcome {
        if self.read_bytes >= READ_MAX_BYTES {
            return ReadOutcome::Limit;
        }
        let mut part = [0; 4_096];
        let read = match &mut self.stream {
            Stream::Plain(socket) => socket.read(&mut part),
            Stream::Tls(stream) => stream.read(&mut part),
        };
        match read {
            Ok(0) => ReadOutcome::End,
            Ok(count) => {
                self.read_bytes += count;
                self.buffer.extend_from_slice(part.get(..count).unwrap_or_default());
                ReadOutcome::Bytes
            }
            Err(error) => match error.kind() {
                ErrorKind::WouldBlock | ErrorKind::TimedOut => ReadOutcome::Silence,
                ErrorKind::Interrupted => ReadOutcome::Bytes,
                _ => ReadOutcome::End,
            },
        }
    }

    /// Reads until the other side ends the connection or is silent, or until the bound.
    pub(crate) fn read_all(&mut self) -> ReadOutcome {
        loop {
            match self.read() {
                ReadOutcome::Bytes => {}
                outcome => return outcome,
            }
        }
    }
}

/// The first message of a TLS handshake with the target.
pub(crate) fn client_hello(target: &Target, config: &Arc<ClientConfig>) -> io::Result<Vec<u8>> {
    let client = ClientConnection::new(Arc::clone(config), target.name.clone());
    let mut hello = Vec::new();
    client.map_err(io::Error::other)?.write_tls(&mut hello)?;
    Ok(hello)
}

fn connect(address: SocketAddr, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if let Some(source) = source {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    socket.connect_timeout(&address.into(), TIMEOUT)?;
    let socket = TcpStream::from(socket);
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.set_write_timeout(Some(TIMEOUT))?;
    socket.set_nodelay(true)?;
    Ok(socket)
}
