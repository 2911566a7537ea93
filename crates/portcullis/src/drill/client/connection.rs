//! A connection to the target, with TLS or without it, read under a deadline.
//! Never: a connection to another machine; more bytes in memory than a bound.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::{ClientConfig, ClientConnection, StreamOwned};
use rustls_pki_types::CertificateDer;
use socket2::{Domain, Socket, Type};

use super::bounded_socket::{BoundedSocket, TimeLimits};
use super::target::Target;

/// Time to connect, and for each read and write.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Time for a whole handshake, request or answer, however it is divided.
pub(crate) const WHOLE_TIMEOUT: Duration = Duration::from_secs(10);
/// Most bytes of a connection that are read.
pub(crate) const READ_MAX_BYTES: usize = 256 * 1024;

enum Stream {
    Plain(BoundedSocket),
    Tls(Box<StreamOwned<ClientConnection, BoundedSocket>>),
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
    /// The time for the whole answer is over.
    Late,
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
        match &self.stream {
            Stream::Plain(socket) => socket.local_ip(),
            Stream::Tls(stream) => stream.sock.local_ip(),
        }
    }

    fn socket(&mut self) -> &mut BoundedSocket {
        match &mut self.stream {
            Stream::Plain(socket) => socket,
            Stream::Tls(stream) => &mut stream.sock,
        }
    }

    /// Sets how long a whole answer is waited for.
    pub(crate) fn wait_at_most(&mut self, time: Duration) {
        self.socket().limits = TimeLimits { each: time, whole: time };
    }

    /// Starts the time of an answer, which all reads until the next call share.
    pub(crate) fn start_answer(&mut self) {
        self.socket().restart();
    }

    /// The certificates that the target sent.
    pub(crate) fn certificates(&self) -> Vec<CertificateDer<'static>> {
        let Stream::Tls(stream) = &self.stream else { return Vec::new() };
        let sent = stream.conn.peer_certificates().unwrap_or_default();
        sent.iter().map(|certificate| certificate.clone().into_owned()).collect()
    }

    /// Sends bytes. If the target has closed the connection, its answer counts.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        self.socket().restart();
        let _closed = match &mut self.stream {
            Stream::Plain(socket) => socket.write_all(bytes),
            Stream::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        };
    }

    /// Reads once, within the time of the answer.
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
                ErrorKind::WouldBlock | ErrorKind::TimedOut if self.socket().is_over() => {
                    ReadOutcome::Late
                }
                ErrorKind::WouldBlock | ErrorKind::TimedOut => ReadOutcome::Silence,
                ErrorKind::Interrupted => ReadOutcome::Bytes,
                _ => ReadOutcome::End,
            },
        }
    }

    /// Reads until the other side ends the connection or is silent, or until a bound.
    pub(crate) fn read_all(&mut self) -> ReadOutcome {
        self.start_answer();
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

fn connect(address: SocketAddr, source: Option<IpAddr>) -> io::Result<BoundedSocket> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    if let Some(source) = source {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    socket.connect_timeout(&address.into(), TIMEOUT)?;
    let socket = TcpStream::from(socket);
    socket.set_nodelay(true)?;
    Ok(BoundedSocket::new(socket, TimeLimits { each: TIMEOUT, whole: WHOLE_TIMEOUT }))
}

#[cfg(test)]
pub(crate) mod tests {
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    use portcullis_model::Moment;

    use super::*;
    use crate::drill::client::websocket::{SocketEnd, WebSocket};

    /// A connection to a target that does this with its socket.
    pub(crate) fn connect<T: Send + 'static>(
        act: impl FnOnce(TcpStream) -> T + Send + 'static,
    ) -> (Connection, JoinHandle<T>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let target = Target::read(&format!("http://{address}"), None).unwrap();
        let connection = Connection::plain(&target, address.port()).unwrap();
        let (socket, _) = listener.accept().unwrap();
        (connection, thread::spawn(move || act(socket)))
    }

    /// Sends the first bytes, and then one byte every few milliseconds until the client leaves.
    pub(crate) fn drip(mut socket: TcpStream, first: &[u8], byte: u8) {
        socket.set_read_timeout(Some(Duration::from_millis(5))).unwrap();
        let mut is_sent = socket.write_all(first).is_ok();
        while is_sent {
            is_sent = match socket.read(&mut [0; 64]) {
                Ok(0) => false,
                Ok(_) => true,
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    socket.write_all(&[byte]).is_ok()
                }
                Err(_) => false,
            };
        }
    }

    #[test]
    fn target_that_drips_has_the_time_of_one_answer() {
        let (mut connection, target) = connect(|socket| drip(socket, b"", b'x'));
        let limits = TimeLimits { each: Duration::from_secs(60), whole: TIMEOUT / 50 };
        connection.socket().limits = limits;
        let started = Moment::now();
        assert_eq!(connection.read_all(), ReadOutcome::Late);
        assert!(Moment::now().since(started) >= limits.whole);
        assert_eq!(connection.read(), ReadOutcome::Late, "the time is shared");
        assert!(connection.read_bytes < READ_MAX_BYTES);
        connection.start_answer();
        assert_eq!(connection.read(), ReadOutcome::Bytes, "another answer has its own time");
        let mut socket = WebSocket(connection);
        assert_eq!(socket.end(), SocketEnd::Open);
        drop(socket);
        target.join().unwrap();
    }

    #[test]
    fn target_that_does_not_read_has_the_time_of_one_request() {
        let (mut connection, target) = connect(|socket| socket);
        connection.wait_at_most(TIMEOUT / 50);
        let started = Moment::now();
        connection.send(&vec![b'x'; 64 * 1024 * 1024]);
        assert!(Moment::now().since(started) >= TIMEOUT / 50);
        drop(target.join());
    }
}
