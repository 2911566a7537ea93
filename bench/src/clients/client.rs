//! A raw client over one socket: as little work as a client can do.
//! Never: measured itself.

use std::net::{Ipv4Addr, SocketAddr};
use std::ops::Range;

use anyhow::{Context, Result, bail};
use rustls_pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

use crate::clients::dialect::Dialect;
use crate::clients::token::{Signer, unix_s};

/// Whatever a client reads from and writes to.
pub(crate) trait Duplex: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Duplex for S {}

/// All it takes to connect to a server.
#[derive(Clone)]
pub(crate) struct Door {
    pub(crate) address: SocketAddr,
    pub(crate) dialect: Dialect,
    pub(crate) tls: Option<TlsConnector>,
    /// Signs the token that CONNECT carries, if the server asks for one.
    pub(crate) signer: Option<Signer>,
    /// The origin of the page that connects; without one it is the server's own.
    pub(crate) page: Option<&'static str>,
}

impl Door {
    /// The `Origin` header that a browser would send.
    pub(crate) fn origin(&self) -> String {
        let scheme = if self.tls.is_some() { "https" } else { "http" };
        self.page.map_or_else(|| format!("{scheme}://{}", self.address), String::from)
    }
}

/// A client and its address.
#[derive(Debug, Clone, Default)]
pub(crate) struct Visit {
    /// The address it comes from; the machine's choice without.
    pub(crate) source: Option<Ipv4Addr>,
    /// The token its CONNECT shows.
    pub(crate) token: Option<String>,
    /// The admission its request shows.
    pub(crate) admission: Option<String>,
    /// Receive buffer of its socket, in bytes; 0 is the default of the machine.
    pub(crate) receive_bytes: u32,
}

/// A connected client.
pub(crate) struct Client {
    stream: Box<dyn Duplex>,
    buffer: Vec<u8>,
    start: usize,
}

impl Client {
    /// Connects, upgrades and, where there is something to sign in to, signs in.
    pub(crate) async fn connect(door: &Door, user: usize) -> Result<Self> {
        let token = match &door.signer {
            Some(signer) => Some(signer.token(user, unix_s()?)),
            None => None,
        };
        let visit = Visit { token, ..Visit::default() };
        let mut client = Self::upgrade(door, &visit).await?;
        if door.dialect != Dialect::Bare {
            client.sign_in(&visit).await?;
        }
        Ok(client)
    }

    /// Signs in to namespace `/`.
    pub(crate) async fn sign_in(&mut self, visit: &Visit) -> Result<()> {
        let packet = match &visit.token {
            Some(token) => format!(r#"40{{"token":"{token}"}}"#),
            None => String::from("40"),
        };
        self.send(&packet).await?;
        let answer = self.until(b"4").await?;
        if !answer.starts_with("40") {
            bail!("not connected: {answer}");
        }
        Ok(())
    }

    /// Connects and upgrades; nothing is signed in yet.
    pub(crate) async fn upgrade(door: &Door, visit: &Visit) -> Result<Self> {
        Self::upgrade_at(door, visit, SOCKET).await
    }

    /// The same for a path that may name a long-polling session, which the WebSocket takes over.
    pub(crate) async fn upgrade_at(door: &Door, visit: &Visit, path: &str) -> Result<Self> {
        let stream = open(door, visit).await?;
        let mut client = Self { stream, buffer: Vec::new(), start: 0 };
        let origin = match &visit.admission {
            Some(admission) => format!("{}\r\nX-Admission: {admission}", door.origin()),
            None => door.origin(),
        };
        let request = handshake_at(door.address, &origin, path);
        client.write(request.as_bytes()).await?;
        let end = loop {
            if let Some(at) = client.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            client.fill().await?;
        };
        if !client.buffer.starts_with(b"HTTP/1.1 101") {
            bail!("refused: {}", String::from_utf8_lossy(&client.buffer));
        }
        client.start = end;
        Ok(client)
    }

    /// Sends one text frame; the mask is zero, which is allowed and free.
    pub(crate) async fn send(&mut self, text: &str) -> Result<()> {
        let mut frame = Vec::with_capacity(text.len() + 8);
        push_frame(&mut frame, text);
        self.write(&frame).await
    }

    /// Sends many text frames in one write.
    pub(crate) async fn send_many(&mut self, texts: &[String]) -> Result<()> {
        let mut frames = Vec::new();
        for text in texts {
            push_frame(&mut frames, text);
        }
        self.write(&frames).await
    }

    /// Reads frames until one starts with `prefix`, and gives it.
    pub(crate) async fn until(&mut self, prefix: &[u8]) -> Result<String> {
        loop {
            while let Some(range) = self.frame()? {
                let payload = self.buffer.get(range).unwrap_or_default();
                if payload.starts_with(prefix) {
                    return Ok(String::from_utf8_lossy(payload).into_owned());
                }
            }
            self.fill().await?;
        }
    }

    /// Reads what there is, at least one frame that starts with `prefix`; gives how many.
    pub(crate) async fn count(&mut self, prefix: &[u8]) -> Result<usize> {
        let mut counted = 0;
        loop {
            while let Some(range) = self.frame()? {
                let payload = self.buffer.get(range).unwrap_or_default();
                counted += usize::from(payload.starts_with(prefix));
            }
            if counted > 0 {
                return Ok(counted);
            }
            self.fill().await?;
        }
    }

    async fn write(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await?;
        Ok(self.stream.flush().await?)
    }

    async fn fill(&mut self) -> Result<()> {
        if self.start > 0 {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
        if self.stream.read_buf(&mut self.buffer).await? == 0 {
            bail!("the server closed the connection");
        }
        Ok(())
    }

    /// Takes the next whole frame's payload.
    fn frame(&mut self) -> Result<Option<Range<usize>>> {
        let rest = self.buffer.get(self.start..).unwrap_or_default();
        let (Some(first), Some(second)) = (rest.first(), rest.get(1)) else {
            return Ok(None);
        };
        if first & 0x0f == 8 {
            bail!("closed by the server: {:?}", rest.get(2..));
        }
        let (head, length) = match second & 0x7f {
            126 => match (rest.get(2), rest.get(3)) {
                (Some(high), Some(low)) => (4, usize::from(*high) << 8 | usize::from(*low)),
                _ => return Ok(None),
            },
            127 => bail!("a frame of 64 KiB or more"),
            short => (2, usize::from(short)),
        };
        if rest.len() < head + length {
            return Ok(None);
        }
        let from = self.start + head;
        self.start = from + length;
        Ok(Some(from..from + length))
    }
}

/// A connection, behind TLS where the server asks for that.
pub(crate) async fn open(door: &Door, visit: &Visit) -> Result<Box<dyn Duplex>> {
    let socket = TcpSocket::new_v4()?;
    if let Some(source) = visit.source {
        socket.bind((source, 0).into())?;
    }
    if visit.receive_bytes > 0 {
        socket.set_recv_buffer_size(visit.receive_bytes)?;
    }
    let stream = socket.connect(door.address).await.context("cannot connect")?;
    stream.set_nodelay(true)?;
    Ok(match &door.tls {
        None => Box::new(stream),
        Some(connector) => {
            let name = ServerName::IpAddress(door.address.ip().into());
            Box::new(connector.connect(name, stream).await.context("TLS failed")?)
        }
    })
}

/// The address of a WebSocket that does not upgrade a polling session.
const SOCKET: &str = "/socket.io/?EIO=4&transport=websocket";

/// A WebSocket handshake for the Socket.IO path; bare servers take any path.
pub(crate) fn handshake(address: SocketAddr, origin: &str) -> String {
    handshake_at(address, origin, SOCKET)
}

fn handshake_at(address: SocketAddr, origin: &str, path: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: {address}\r\n\
         Origin: {origin}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    )
}

fn push_frame(frames: &mut Vec<u8>, text: &str) {
    frames.push(0x81);
    match u8::try_from(text.len()) {
        Ok(short) if short < 126 => frames.push(0x80 | short),
        _ => {
            frames.push(0x80 | 126);
            let length = u16::try_from(text.len()).unwrap_or(u16::MAX);
            frames.extend_from_slice(&length.to_be_bytes());
        }
    }
    frames.extend_from_slice(&[0; 4]);
    frames.extend_from_slice(text.as_bytes());
}
