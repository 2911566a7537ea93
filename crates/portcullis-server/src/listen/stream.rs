//! A socket, plain or TLS, polled by hand, that can move from one thread to another.
//! Never: a buffer of its own; the shard lends one.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::server::TlsStream;

/// The name of a TLS session, on all connections that resume it.
///
/// Only a client with the secret of the session can resume it (RFC 8446 section 2.2), and the name
/// is encrypted in its tickets.
pub(crate) type TlsSession = [u8; 16];

/// A TCP socket, and the number of bytes that were read.
pub(crate) struct Tcp {
    socket: SocketLocation,
    received_bytes: usize,
    session: Option<TlsSession>,
}

/// The registration of a socket with the runtime of a thread.
enum SocketLocation {
    /// Registered with the runtime of this thread.
    Here(TcpStream),
    /// Between two threads.
    Between(std::net::TcpStream),
    /// Lost in a transfer; reads as closed.
    Lost,
}

/// A client's socket.
pub(crate) enum Stream {
    /// Plain TCP.
    Plain(Tcp),
    /// TLS over TCP.
    Tls(Box<TlsStream<Tcp>>),
}

impl Tcp {
    /// A socket of this thread. `received_bytes` were read before.
    pub(crate) fn here(socket: TcpStream, received_bytes: usize) -> Self {
        Self { socket: SocketLocation::Here(socket), received_bytes, session: None }
    }

    /// Sets the TLS session.
    pub(crate) fn enter(&mut self, session: Option<TlsSession>) {
        self.session = session;
    }

    /// The number of bytes that were received.
    pub(crate) fn received_bytes(&self) -> usize {
        self.received_bytes
    }

    fn leave(&mut self) -> io::Result<()> {
        if let SocketLocation::Here(stream) = self.take() {
            self.socket = SocketLocation::Between(stream.into_std()?);
        }
        Ok(())
    }

    fn arrive(&mut self) -> io::Result<()> {
        if let SocketLocation::Between(stream) = self.take() {
            self.socket = SocketLocation::Here(TcpStream::from_std(stream)?);
        }
        Ok(())
    }

    fn take(&mut self) -> SocketLocation {
        std::mem::replace(&mut self.socket, SocketLocation::Lost)
    }

    fn socket(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        match &mut self.socket {
            SocketLocation::Here(stream) => Ok(Pin::new(stream)),
            SocketLocation::Between(_) | SocketLocation::Lost => {
                Err(io::ErrorKind::NotConnected.into())
            }
        }
    }
}

impl AsyncRead for Tcp {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let filled = buffer.filled().len();
        let outcome = self.socket()?.poll_read(context, buffer);
        let count = buffer.filled().len().saturating_sub(filled);
        self.received_bytes = self.received_bytes.saturating_add(count);
        outcome
    }
}

impl AsyncWrite for Tcp {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let stream = self.socket()?;
        match stream.try_write(bytes) {
            // The waker is registered only when the socket takes no bytes.
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                stream.poll_write(context, bytes)
            }
            outcome => Poll::Ready(outcome),
        }
    }

    /// TLS writes several records at once; the alert that ends a handshake is the last of them.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let stream = self.socket()?;
        match stream.try_write_vectored(slices) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                stream.poll_write_vectored(context, slices)
            }
            outcome => Poll::Ready(outcome),
        }
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.socket()?.poll_shutdown(context)
    }
}

impl Stream {
    pub(crate) fn is_tls(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// The TLS session of the connection, and of all connections that resume it.
    pub(crate) fn tls_session(&self) -> Option<TlsSession> {
        match self {
            Self::Plain(_) => None,
            Self::Tls(stream) => stream.get_ref().0.session,
        }
    }

    /// Reads into `buffer`; `Ok(0)` is the peer's end of stream.
    pub(crate) fn poll_read(
        &mut self,
        context: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut target = ReadBuf::new(buffer);
        let outcome = match self {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, &mut target),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(context, &mut target),
        };
        outcome.map_ok(|()| target.filled().len())
    }

    /// Writes as many bytes as the socket accepts; the waker is registered when it takes no bytes.
    pub(crate) fn poll_write(
        &mut self,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(context, bytes),
        }
    }

    /// Passes all written bytes to the socket.
    pub(crate) fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(_) => Poll::Ready(Ok(())),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(context),
        }
    }

    /// Closes the sending direction.
    pub(crate) fn poll_shutdown(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(context),
        }
    }

    /// Sends the end of the TLS stream, if the socket takes it at once. For a peer whose bytes were
    /// all read, so that closing loses nothing.
    pub(crate) async fn end(&mut self) {
        if let Self::Tls(stream) = self {
            std::future::poll_fn(|context| {
                let _sent = Pin::new(stream.as_mut()).poll_shutdown(context);
                Poll::Ready(())
            })
            .await;
        }
    }

    /// Deregisters from the runtime of this thread, for a transfer to another thread.
    pub(crate) fn leave(&mut self) -> io::Result<()> {
        self.tcp().leave()
    }

    /// Registers with the runtime of this thread.
    pub(crate) fn arrive(&mut self) -> io::Result<()> {
        self.tcp().arrive()
    }

    fn tcp(&mut self) -> &mut Tcp {
        match self {
            Self::Plain(stream) => stream,
            Self::Tls(stream) => stream.get_mut().0,
        }
    }
}
