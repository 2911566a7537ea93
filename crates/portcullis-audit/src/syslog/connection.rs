//! One TLS connection to the syslog server.
//! Never: a wait without a timeout, or a server whose certificate is not checked.

use std::io::{self, ErrorKind, Write};
use std::net::{Shutdown, TcpStream, ToSocketAddrs};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection};

use crate::syslog::options::SyslogTarget;

/// Timeout of connecting, for each address.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// Timeout of a read or write: a server that does not read for so long is down.
const TRANSFER_TIMEOUT: Duration = Duration::from_secs(20);
/// Time for the server to close after our close notify.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);
/// Most addresses of a name that are tried.
const ADDRESSES_MAX: usize = 8;

/// An open connection.
#[derive(Debug)]
pub(crate) struct SyslogConnection {
    socket: TcpStream,
    tls: ClientConnection,
}

impl SyslogConnection {
    /// Connects and completes the handshake.
    pub(crate) fn open(
        target: &SyslogTarget,
        name: ServerName<'static>,
        config: &Arc<ClientConfig>,
    ) -> io::Result<Self> {
        let mut last = io::Error::new(ErrorKind::NotFound, "the host has no address");
        for address in (target.host.as_str(), target.port).to_socket_addrs()?.take(ADDRESSES_MAX) {
            match TcpStream::connect_timeout(&address, CONNECT_TIMEOUT) {
                Ok(socket) => return Self::handshake(socket, name, config),
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn handshake(
        mut socket: TcpStream,
        name: ServerName<'static>,
        config: &Arc<ClientConfig>,
    ) -> io::Result<Self> {
        socket.set_read_timeout(Some(TRANSFER_TIMEOUT))?;
        socket.set_write_timeout(Some(TRANSFER_TIMEOUT))?;
        socket.set_nodelay(true)?;
        let mut tls = ClientConnection::new(Arc::clone(config), name).map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        Ok(Self { socket, tls })
    }

    /// Sends bytes.
    pub(crate) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let mut rest = bytes;
        loop {
            // Takes as much as its buffer holds.
            let count = self.tls.writer().write(rest)?;
            rest = rest.get(count..).unwrap_or_default();
            while self.tls.wants_write() {
                self.tls.write_tls(&mut self.socket)?;
            }
            if rest.is_empty() {
                return Ok(());
            }
        }
    }

    /// Finds out, without waiting, whether the server has closed the connection.
    pub(crate) fn check(&mut self) -> io::Result<()> {
        self.socket.set_nonblocking(true)?;
        let checked = self.read_available();
        self.socket.set_nonblocking(false)?;
        checked
    }

    fn read_available(&mut self) -> io::Result<()> {
        loop {
            match self.tls.read_tls(&mut self.socket) {
                Ok(0) => return Err(ErrorKind::ConnectionAborted.into()),
                Ok(_) => {
                    let state = self.tls.process_new_packets().map_err(io::Error::other)?;
                    let unread = state.plaintext_bytes_to_read();
                    if state.peer_has_closed() || unread > 0 {
                        // Servers send nothing (RFC 5425, section 4.3).
                        return Err(ErrorKind::ConnectionAborted.into());
                    }
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }

    /// Ends the connection; `true` when the server has read everything and closed it too.
    pub(crate) fn close(mut self) -> bool {
        self.tls.send_close_notify();
        let sent = self.send(&[]).and_then(|()| self.socket.shutdown(Shutdown::Write));
        sent.and_then(|()| self.wait_for_end()).is_ok()
    }

    /// Waits for the end of the server's bytes. A server that did not read everything resets the
    /// connection instead, which is an error.
    fn wait_for_end(&mut self) -> io::Result<()> {
        self.socket.set_read_timeout(Some(CLOSE_TIMEOUT))?;
        loop {
            if self.tls.read_tls(&mut self.socket)? == 0 {
                return Ok(());
            }
            self.tls.process_new_packets().map_err(io::Error::other)?;
        }
    }
}
