//! Connects to the server's own public listener, as a client on this machine does.
//! Never: a secret sent; the certificate is read here and judged elsewhere.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use portcullis_server::ProxyProtocol;
use rustls::{ClientConnection, StreamOwned, SupportedProtocolVersion};
use rustls_pki_types::ServerName;

use crate::config::{TlsFiles, TlsSettings};
use crate::doctor::examination::Examination;
use crate::tls::certificate::is_loopback;
use crate::tls::probe_client::{HANDSHAKE, old_hello, unverified_config};

/// Time for each step of a connection.
const TIMEOUT: Duration = Duration::from_secs(3);
/// Longest head of a response that is read.
const HEAD_MAX_BYTES: usize = 16 * 1024;

/// The public listener, as a client reaches it.
pub(super) struct Listener {
    address: SocketAddr,
    /// The names that clients use, with the port if it is in the URL; those of the chat first.
    pub(super) hosts: Vec<String>,
    /// The name that clients of the dashboard use.
    pub(super) dashboard_host: String,
    pub(super) has_tls: bool,
    /// Clients need a certificate of their own.
    pub(super) needs_client_certificate: bool,
}

/// A TLS connection.
pub(super) type TlsStream = StreamOwned<ClientConnection, TcpStream>;

impl Listener {
    /// The public listener, or the reason why it cannot be reached.
    pub(super) fn of(examination: &Examination<'_>) -> Result<Self, String> {
        let Some(addresses) = examination.addresses() else {
            return Err(examination.why_no_server());
        };
        let settings = examination.settings;
        if settings.server.proxy_protocol == ProxyProtocol::Required {
            let why = "clients connect through a proxy with the PROXY protocol: check the proxy";
            return Err(String::from(why));
        }
        if addresses.public.port() == 0 {
            return Err(String::from("listen.public has no port"));
        }
        let mut settled = settings.clone();
        settled.settle(addresses.public);
        let mut hosts = settled.gate.hosts;
        if hosts.is_empty() {
            hosts.push(addresses.public.to_string());
        }
        let own = settled.gate.dashboard.hosts;
        let dashboard_host = own.first().or(hosts.first()).cloned().unwrap_or_default();
        hosts.extend(own);
        let needs_client_certificate =
            matches!(&settings.tls, TlsSettings::Files(TlsFiles { client_ca: Some(_), .. }));
        Ok(Self {
            address: reachable(addresses.public),
            hosts,
            dashboard_host,
            has_tls: settings.tls != TlsSettings::Off,
            needs_client_certificate,
        })
    }

    /// The names that clients use, without ports, each one once.
    ///
    /// Names of the machine itself count only without others: public authorities sign none.
    pub(super) fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = Vec::new();
        for name in self.hosts.iter().map(|host| bare(host)) {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        if names.iter().any(|name| !is_loopback(name)) {
            names.retain(|name| !is_loopback(name));
        }
        names
    }

    /// Opens a TLS connection to a name with these versions.
    pub(super) fn handshake(
        &self,
        name: &str,
        versions: &[&'static SupportedProtocolVersion],
    ) -> io::Result<TlsStream> {
        let config = unverified_config(versions).map_err(io::Error::other)?;
        let name = ServerName::try_from(name.to_owned()).map_err(io::Error::other)?;
        let connection = ClientConnection::new(Arc::new(config), name).map_err(io::Error::other)?;
        let mut stream = StreamOwned::new(connection, self.connect()?);
        while stream.conn.is_handshaking() {
            stream.conn.complete_io(&mut stream.sock)?;
        }
        Ok(stream)
    }

    /// Requests a page of a host; returns the status and the headers.
    pub(super) fn get(&self, host: &str, path: &str) -> io::Result<(u16, Vec<(String, String)>)> {
        if self.has_tls {
            let stream = self.handshake(bare(host), rustls::DEFAULT_VERSIONS)?;
            request(stream, host, path)
        } else {
            request(self.connect()?, host, path)
        }
    }

    /// Sends a hello of TLS 1.1; returns whether the server accepts it.
    pub(super) fn accepts_tls_1_1(&self) -> io::Result<bool> {
        let mut socket = self.connect()?;
        socket.write_all(&old_hello(2))?;
        let mut kind = [0];
        match socket.read(&mut kind) {
            Ok(1) => Ok(kind == [HANDSHAKE]),
            // The server ended the connection.
            Ok(_) => Ok(false),
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn connect(&self) -> io::Result<TcpStream> {
        connect(self.address)
    }
}

/// Whether the other side rejected the handshake; otherwise it could not be finished.
pub(super) fn is_rejection(error: &io::Error) -> bool {
    error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>())
}

/// Opens a connection with timeouts.
pub(super) fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = TcpStream::connect_timeout(&address, TIMEOUT)?;
    socket.set_read_timeout(Some(TIMEOUT))?;
    socket.set_write_timeout(Some(TIMEOUT))?;
    Ok(socket)
}

/// An address on which a client of this machine reaches a listener.
pub(super) fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Sends a GET; returns the status and the headers, with names in lower case.
pub(super) fn request(
    mut stream: impl Read + Write,
    host: &str,
    path: &str,
) -> io::Result<(u16, Vec<(String, String)>)> {
    let head = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes())?;
    let (mut bytes, mut buffer) = (Vec::new(), [0; 2_048]);
    let end = loop {
        if let Some(end) = memchr::memmem::find(&bytes, b"\r\n\r\n") {
            break end;
        }
        if bytes.len() > HEAD_MAX_BYTES {
            return Err(io::Error::other("the head of the response is too long"));
        }
        let count = stream.read(&mut buffer)?;
        let read = buffer.get(..count).unwrap_or_default();
        if read.is_empty() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof));
        }
        bytes.extend_from_slice(read);
    };
    let head = String::from_utf8_lossy(bytes.get(..end).unwrap_or_default());
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok());
    let status = status.ok_or_else(|| io::Error::other("the response is not HTTP"))?;
    let headers = lines.filter_map(|line| {
        let (name, value) = line.split_once(':')?;
        Some((name.to_ascii_lowercase(), String::from(value.trim())))
    });
    Ok((status, headers.collect()))
}

/// Removes port and brackets of a host.
fn bare(host: &str) -> &str {
    if let Some(rest) = host.strip_prefix('[') {
        return rest.split_once(']').map_or(rest, |(address, _)| address);
    }
    host.rsplit_once(':').map_or(host, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn response_is_read_to_the_end_of_its_head() {
        struct FixedStream(io::Cursor<Vec<u8>>);
        impl Read for FixedStream {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                self.0.read(buffer)
            }
        }
        impl Write for FixedStream {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let answer = |text: &str| {
            request(FixedStream(io::Cursor::new(text.as_bytes().to_vec())), "a", "/").ok()
        };
        let read = answer("HTTP/1.1 200 OK\r\nX-Frame-Options:  DENY \r\nA: b\r\n\r\nbody");
        let (status, headers) = read.unwrap();
        assert_eq!((status, headers.len()), (200, 2));
        assert_eq!(headers[0], (String::from("x-frame-options"), String::from("DENY")));
        for text in ["", "HTTP/1.1 200 OK\r\n", "200\r\n\r\n"] {
            assert_eq!(answer(text), None, "{text:?}");
        }
    }

    #[test]
    fn names_are_those_of_all_hosts_without_ports_and_without_the_machine() {
        let names = |hosts: &[&str]| -> Vec<String> {
            let listener = Listener {
                address: SocketAddr::from(([127, 0, 0, 1], 1)),
                hosts: hosts.iter().map(|host| String::from(*host)).collect(),
                dashboard_host: String::new(),
                has_tls: true,
                needs_client_certificate: false,
            };
            listener.names().into_iter().map(String::from).collect()
        };
        let two = ["chat.example", "chat.example:8443", "localhost:8443", "admin.example"];
        assert_eq!(names(&two), ["chat.example", "admin.example"]);
        assert_eq!(names(&["localhost:1", "127.0.0.1:1"]), ["localhost", "127.0.0.1"]);
    }

    #[test]
    fn hosts_lose_their_port() {
        for (host, expect) in
            [("a.example", "a.example"), ("a.example:8443", "a.example"), ("[::1]:1", "::1")]
        {
            assert_eq!(bare(host), expect);
        }
    }
}
